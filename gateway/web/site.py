"""The pages as one application."""

from starlette.applications import Starlette

from gateway.context import Gateway


def create_pages(gateway: Gateway) -> Starlette:
    """All pages of a gateway, under `/`."""
    pages = Starlette(routes=[])
    pages.state.gateway = gateway
    return pages
