"""The pages as one application."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.context import Gateway
from gateway.outcome import Refused
from gateway.web import (
    asking,
    assets,
    consenting,
    delivering,
    desk,
    login,
    officer,
    own_figures,
    parties,
    public,
    recipient,
    reviewing,
    school,
    sign_on,
    trend,
)
from gateway.web.pages import Visitor, refusal, visitor

_PROBLEMS = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}


def create_pages(gateway: Gateway) -> Starlette:
    """All pages of a gateway, under `/`."""
    routes = [
        *public.ROUTES, *login.ROUTES, *sign_on.ROUTES,
        *school.ROUTES, *delivering.ROUTES, *own_figures.ROUTES, *consenting.ROUTES,
        *trend.ROUTES, *recipient.ROUTES,
        *desk.ROUTES, *reviewing.ROUTES, *parties.ROUTES,
        *officer.ROUTES, *asking.ROUTES,
        Route("/static/{version}/{name}", assets.serve),
    ]  # fmt: skip
    pages = Starlette(routes=routes, exception_handlers={HTTPException: _http, Exception: _broken})
    pages.router.redirect_slashes = False
    pages.state.gateway = gateway
    return pages


def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    response = refusal(request, visitor(request), Refused(_PROBLEMS.get(status, "invalid-request")))
    response.headers.update((isinstance(error, HTTPException) and error.headers) or {})
    return response


def _broken(request: Request, _error: Exception) -> Response:
    """A fault of ours as a page; the layer around everything logs it with the trace that this page shows."""
    return refusal(request, Visitor("nl"), Refused("internal"))
