"""Style sheet, scripts and pictures: read once, served under an address that changes with their content."""

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"
_VERSION_CHARACTERS = 12


class Asset(NamedTuple):
    """A file of the pages."""

    body: bytes
    media_type: str
    version: str


@cache
def assets() -> dict[str, Asset]:
    """Every file of `static/` by name."""
    found = {}
    for file in sorted(_STATIC.iterdir()):
        body = file.read_bytes()
        version = hashlib.sha256(body).hexdigest()[:_VERSION_CHARACTERS]
        found[file.name] = Asset(body, _TYPES[file.suffix], version)
    return found


def address(name: str) -> str:
    """Where a file is found: a new content has a new address, so that a browser may keep it for ever."""
    return f"/static/{assets()[name].version}/{name}"


async def serve(request: Request) -> Response:
    """One file; an old version's address gives the present file, which the page that names it no longer exists for."""
    asset = assets().get(request.path_params["name"])
    if asset is None:
        raise HTTPException(404)
    return Response(asset.body, headers={"Cache-Control": _FOREVER}, media_type=asset.media_type)
