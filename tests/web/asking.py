"""Ask for a page without a server."""

from starlette.requests import Request

from gateway.context import Gateway
from gateway.http.limits import Limit
from gateway.identity import Identity
from gateway.web.forms import PageHandler
from gateway.web.pages import Visitor
from gateway.web.site import create_pages


def said(gateway: Gateway, page: PageHandler, who: Identity | None = None, **path: str) -> str:
    """The Dutch text of a page as somebody sees it, or the public."""
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [],
        "path_params": path, "app": create_pages(gateway, *[Limit(1, gateway.clock)] * 2),
    }  # fmt: skip
    return bytes(page(Request(scope), Visitor("nl", who)).body).decode()
