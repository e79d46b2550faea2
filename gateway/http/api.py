"""The API as one application under `/v1`, with its own error handling and OpenAPI document."""

import logging
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Mount, Route

from gateway.context import Gateway, KeepsLog, wall_clock
from gateway.database import UNAVAILABLE
from gateway.http import audit, consents, decisions, following, public, releases, submissions
from gateway.http.callers import NotAllowed, forget_session, optional_identity
from gateway.http.document import publish_document
from gateway.http.edge import API_VERSION, WAIT_SECONDS, Edge
from gateway.http.limits import Limits
from gateway.http.problems import problem
from gateway.http.queries import declared, only_declared
from gateway.outcome import Refused, malformed
from gateway.settings import PUBLIC_PER_MINUTE
from policies.sources import misfits

# FastAPI's own spans and logs would hold addresses, values and messages; what is watched is in `gateway.telemetry`.
NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)
_logger = logging.getLogger(__name__)
PROBLEM_OF = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "unsupported-media"}


def create_api(gateway: Gateway) -> FastAPI:
    """The API of a gateway."""
    routers = [part.router for part in (submissions, releases, consents, decisions, following, audit, public)]
    api = _application(routers, f"{gateway.settings.base_url}/v1")
    api.state.gateway = api.state.log = gateway
    a_minute = {"requests": gateway.settings.requests_per_minute, "public": gateway.settings.public_per_minute}
    api.state.limits = Limits.of(gateway.clock, **a_minute)
    contact = {"name": "Verzuimpoort", "url": gateway.settings.base_url, "email": gateway.settings.contact}
    publish_document(api, _operations(routers), contact=contact)
    return api


def doors_to(kept: KeepsLog) -> Route:
    """What everybody follows a log by, in an application that has no other part of the API; there all are strangers."""
    doors = _application([following.router])
    doors.state.log, doors.state.limits = kept, Limits.of(wall_clock, requests=0, public=PUBLIC_PER_MINUTE)
    doors.dependency_overrides[optional_identity] = _nobody
    return Route("/v1/audit/{door:path}", Edge(Mount("/v1", doors), secure=True))


async def _nobody() -> None:
    """Whatever credential was sent with it."""


def _application(routers: Sequence[APIRouter], address: str = "") -> FastAPI:
    """An application of parts of the API, with a document where its address is known; all answer errors alike."""
    app = FastAPI(
        title="Verzuimpoort",
        version=API_VERSION,
        servers=[{"url": address}],
        openapi_url="/openapi.json" if address else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
        dependencies=[Depends(only_declared)],
    )
    for router in routers:
        app.include_router(router)
    app.state.parts = [route for router in routers for route in router.routes]
    app.state.queries = {route.unique_id: declared(route) for route in _operations(routers)}
    app.add_exception_handler(Exception, unhandled)
    answer_unavailable(app)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(NotAllowed, _not_allowed)
    app.add_exception_handler(HTTPException, refused_by_router)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


def _operations(routers: Sequence[APIRouter]) -> list[APIRoute]:
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]


def answer_unavailable(app: Starlette) -> None:
    """Let an application answer 503 with the seconds to wait when the database is away, full or too busy."""
    for error in UNAVAILABLE:
        app.add_exception_handler(error, _unavailable)


def _unavailable(request: Request, error: Exception) -> Response:
    _logger.warning("the database is not available: %s", type(error).__name__)
    return problem(request, Refused("busy", retry_after=WAIT_SECONDS))


def unhandled(request: Request, _error: Exception) -> Response:
    """The answer to an error nobody expected; it is logged at the edge, with the trace that this answer names."""
    return problem(request, Refused("internal"))


def gone(request: Request, _error: Exception) -> Response:
    """The end of a request whose sender hung up half-way: nobody hears it, and it is no fault of ours."""
    return problem(request, Refused("body-incomplete"))


def _not_allowed(request: Request, error: Exception) -> Response:
    if not isinstance(error, NotAllowed):
        return unhandled(request, error)
    answer = problem(request, error.refused)
    if error.ended:
        forget_session(answer, secure=request.app.state.gateway.settings.secure)
    return answer


def refused_by_router(request: Request, error: Exception) -> Response:
    """The answer where there is no such address or method, with the methods there are."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": allowed(request)}
    return problem(request, Refused(PROBLEM_OF.get(status, "invalid-request")), headers)


def allowed(request: Request, path: str | None = None) -> str:
    """Every method that an address answers, over all of its routes: a router names those of the first one only.

    Args:
        request: What was asked.
        path: An address of the same application in the place of the one that was asked for.
    """
    scope = request.scope if path is None else {**request.scope, "path": path}
    parts = (*getattr(request.app.state, "parts", ()), *request.app.routes)
    routes = [route for route in parts if isinstance(route, Route)]
    found = [route.methods or () for route in routes if route.matches(scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for methods in found for method in methods}))


def _invalid(request: Request, error: Exception) -> Response:
    """All faults of a malformed request at once: where and what, never a value or a key that was sent."""
    faults = misfits(error) if isinstance(error, RequestValidationError) else ()
    return problem(request, malformed(faults))
