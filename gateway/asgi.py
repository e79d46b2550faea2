"""The whole site as one ASGI application: the API under `/v1`, health checks, and the pages."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.context import Gateway
from gateway.http.api import NO_TELEMETRY, answer_unavailable, create_api, refused_by_router, unhandled
from gateway.http.edge import Edge
from gateway.http.public import health
from gateway.web.site import create_pages


def create_app(gateway: Gateway) -> ASGIApp:
    """Compose API, health checks and pages, with the layer that every response passes on the outside."""
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, telemetry=NO_TELEMETRY)
    site.state.gateway = gateway
    site.add_exception_handler(Exception, unhandled)
    answer_unavailable(site)
    site.add_exception_handler(HTTPException, refused_by_router)
    site.include_router(health)
    api = create_api(gateway)
    site.mount("/v1", api)
    site.router.routes.append(Route("/v1", api))  # without a slash it is no page either
    site.mount("/", create_pages(gateway, api.state.limits))
    return Edge(site, secure=gateway.settings.secure, proxies=frozenset(gateway.settings.proxies))
