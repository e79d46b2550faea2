"""JSON bodies that rooms read themselves, strictly and from the bytes; and plain JSON answers."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic import TypeAdapter, ValidationError

from gateway.http.edge import read_body
from gateway.outcome import Refused, malformed
from policies.sources import misfits

MAX_BODY = 64_000
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
