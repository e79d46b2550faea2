"""Ask for a page, or send its form, without a server."""

from collections.abc import Mapping

from starlette.requests import Request

from gateway.context import Gateway
from gateway.http.limits import Limits
from gateway.identity import Identity
from gateway.web.forms import Form, FormHandler, PageHandler
from gateway.web.pages import Visitor
from gateway.web.site import create_pages


def said(gateway: Gateway, page: PageHandler, who: Identity | None = None, *, query: str = "", **path: str) -> str:
    """The Dutch text of a page as somebody sees it, or the public."""
    return bytes(page(_request(gateway, path, query), Visitor("nl", who)).body).decode()


def sent(gateway: Gateway, page: FormHandler, who: Identity, form: Mapping[str, str], **path: str) -> str:
    """The Dutch text of the answer to a form that somebody sends."""
    return bytes(page(_request(gateway, path), Visitor("nl", who), Form(form)).body).decode()


def _request(gateway: Gateway, path: Mapping[str, str], query: str = "") -> Request:
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": [],
        "path_params": path, "app": create_pages(gateway, Limits.of(gateway.clock, requests=1, public=1)),
    }  # fmt: skip
    return Request(scope)
