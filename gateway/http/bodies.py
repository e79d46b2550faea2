"""JSON bodies that rooms read themselves, strictly and from the bytes; plain JSON answers, and files as answers."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter, ValidationError

from gateway.http.edge import read_body
from gateway.outcome import Refused, malformed
from policies.sources import misfits

MAX_BODY = 64_000
_PART = 1 << 18
_NUL = rb"\u0000"  # the one character that PostgreSQL keeps in no text
Read = TypeVar("Read")


async def read_json(request: Request, read: Callable[[bytes], Read]) -> Read | Refused:
    """A small JSON body as a room's own value; faults are named by field, never by value."""
    raw = await read_body(request, MAX_BODY)
    if isinstance(raw, Refused):
        return raw
    if _NUL in raw:
        return Refused("invalid-request", facts={"fields": "body: nul"})
    try:
        return read(raw)
    except ValidationError as error:
        return malformed(misfits(error))


def body_of(model: Any) -> dict[str, Any]:  # noqa: ANN401  a model, a union of them, or a plain type
    """How the document describes a body that is read with `read_json`."""
    schema = TypeAdapter(model).json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def answer_json(body: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(json.dumps(body, ensure_ascii=False, default=str), status, media_type="application/json")


def answer_file(file: IO[bytes], media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """A file as an answer, sent a part at a time and closed at its end: in memory is never more of it than that."""
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    return StreamingResponse(
        _parts(file), headers={**(headers or {}), "Content-Length": str(length)}, media_type=media_type
    )


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while part := file.read(_PART):
            yield part
