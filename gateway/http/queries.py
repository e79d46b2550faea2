"""What stands after the `?` of an address: what an operation does not declare, or what stands twice, is refused.

Nothing is guessed: under a misspelt `dryRun`, or two that differ, a file that was to be checked would be delivered.
"""

import re
from collections import Counter
from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import solve_dependencies
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

_NAME = re.compile("[A-Za-z_-]{1,32}")  # a name like those declared; whatever else was sent may be a pupil's number


def parts(dependant: Dependant) -> Iterator[Dependant]:
    """An operation and all that it depends on."""
    yield dependant
    for each in dependant.dependencies:
        yield from parts(each)


def declared(route: APIRoute) -> frozenset[str]:
    """Names of the query parameters that an operation knows."""
    return frozenset(field.alias for part in parts(route.dependant) for field in part.query_params)


async def only_declared(request: Request) -> None:
    """Refuse a query with an unknown or a repeated parameter; a coroutine, so that it costs no thread.

    Who may not ask at all hears that first, and whatever else is wrong with the parameters is told with it.

    Raises:
        RequestValidationError: The name of the parameter where it looks like one, never its value.
    """
    if not request.scope["query_string"]:
        return
    route: APIRoute = request.scope["route"]
    known = request.app.state.queries[route.unique_id]
    sent = Counter(name for name, _ in request.query_params.multi_items())
    faults = [
        {"type": "repeated_parameter" if name in known else "unknown_parameter", "loc": _place(name)}
        for name, times in sent.items()
        if name not in known or times > 1
    ]
    if faults:
        stack = request.scope["fastapi_inner_astack"]
        solved = await solve_dependencies(
            request=request, dependant=route.dependant, async_exit_stack=stack, embed_body_fields=False
        )
        raise RequestValidationError([*faults, *solved.errors])


def _place(name: str) -> tuple[str, ...]:
    return ("query", name) if _NAME.fullmatch(name) else ("query",)
