"""The pages as one application."""

from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.context import Gateway
from gateway.database import UNAVAILABLE
from gateway.http.api import PROBLEM_OF, allowed, gone
from gateway.http.edge import WAIT_SECONDS
from gateway.http.limits import Limits
from gateway.messages import LANGUAGES, problem_text, text
from gateway.outcome import Refused
from gateway.web import (
    answering,
    asking,
    assets,
    consenting,
    delivering,
    desk,
    login,
    noticing,
    officer,
    own_figures,
    parties,
    public,
    recipient,
    reviewing,
    ruling,
    school,
    sign_on,
    trend,
    views,
)
from gateway.web.pages import Visitor, refusal, visitor


def create_pages(gateway: Gateway, limits: Limits) -> Starlette:
    """All pages of a gateway, under `/`, with the limits of the API."""
    routes = [
        *public.ROUTES, *ruling.ROUTES, *login.ROUTES, *sign_on.ROUTES,
        *school.ROUTES, *delivering.ROUTES, *own_figures.ROUTES, *consenting.ROUTES,
        *trend.ROUTES, *recipient.ROUTES, *noticing.ROUTES,
        *desk.ROUTES, *reviewing.ROUTES, *parties.ROUTES,
        *officer.ROUTES, *views.ROUTES, *asking.ROUTES, *answering.ROUTES,
        Route("/static/{version}/{name}", assets.serve),
    ]  # fmt: skip
    pages = Starlette(routes=routes, exception_handlers={
        HTTPException: _http, Exception: _broken, ClientDisconnect: gone, **dict.fromkeys(UNAVAILABLE, _unavailable),
    })  # fmt: skip
    pages.router.redirect_slashes = False
    pages.state.gateway = gateway
    pages.state.limits = limits
    return pages


def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    response = refusal(request, visitor(request), Refused(PROBLEM_OF.get(status, "invalid-request")))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = allowed(request)
    return response


def _unavailable(_request: Request, _error: Exception) -> Response:
    """The database is away or too busy: a page without anything from it."""
    wait = {"seconds": str(WAIT_SECONDS)}
    words = [
        " ".join((*problem_text("busy", language), text("pages", "problem.again", language, **wait)))
        for language in LANGUAGES
    ]
    return PlainTextResponse("\n".join(words), 503, {"Retry-After": str(WAIT_SECONDS)})


def _broken(request: Request, _error: Exception) -> Response:
    """A fault of ours as a page; the layer around everything logs it with the trace that this page shows."""
    return refusal(request, Visitor("nl"), Refused("internal"))
