"""The pseudonym service over HTTP: `POST /v1/evaluations`, `GET /v1/keys`, health and its OpenAPI document."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pseudonymisation.errors import MalformedError
from pseudonymisation.keyring import Keyring
from pseudonymisation.oprf import ELEMENT, MAX_BATCH, PROOF, evaluate
from pseudonymisation.service.evaluation import Answer, Batch, Desk, Identify, amsterdam_day
from pseudonymisation.service.keys import service_document
from pseudonymisation.service.problems import HEADERS, Problem, response, unasked, wants_english
from pseudonymisation.service.register import Register, bearer_token
from pseudonymisation.service.store import Append
from pseudonymisation.text64 import to_text
from pseudonymisation.wire import EvaluationAnswer, EvaluationRequest
from pseudonymisation.workers import worker_pool

MAX_BODY = 300_000
BODY_SECONDS = 60.0
MAX_WAITING = 64
_QUIET: dict[str, Any] = {
    "openapi_url": "/v1/openapi.json",
    "docs_url": None,
    "redoc_url": None,
    "redirect_slashes": False,
}

_log = logging.getLogger(__name__)


class _Crowd:
    """Batches in work, at most 64: beyond that the answer is "in a moment", not a pile of time-outs."""

    def __init__(self, pool: Callable[[], Executor]) -> None:
        self._make = pool
        self._pool = pool()
        self._waiting = 0

    def warm_up(self) -> None:
        """Start a worker before the first school waits for it."""
        self._pool.submit(int)

    async def evaluate(self, batch: Batch) -> bytes | Problem:
        """Proof and elements, or busy; MalformedError if something is no element."""
        if self._waiting >= MAX_WAITING:
            return Problem("busy", {"retry_after": 1})
        self._waiting += 1
        pool = self._pool
        try:
            work = pool.submit(evaluate, batch.seed, batch.info, batch.elements)
            return await asyncio.wrap_future(work)
        except BrokenExecutor:
            _log.warning("a worker process died; the pool is made anew")
            if pool is self._pool:
                self._pool = self._make()
            return Problem("busy", {"retry_after": 1})
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Wait for the workers: one that writes its answer into a pipe that is gone would say so on the way out."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def create_service(
    *,
    engine: Engine,
    keyring: Keyring,
    registers: Callable[[], Register],
    append: Append,
    clock: Callable[[], datetime],
    operator: str,
    identify: Identify | None = None,
    pool: Callable[[], Executor] = worker_pool,
) -> FastAPI:
    """The service as an ASGI application.

    Args:
        engine: its own database, from `open_store`.
        keyring: its own keys.
        registers: the register as it stands now, such as a `RegisterFile`.
        append: writes an audit entry on the connection of the act.
        clock: UTC.
        operator: the party that runs the service; stands in the key document.
        identify: from an ASGI scope to a site's code; bearer tokens of the register by default.
        pool: makes the executor that evaluates; called again if its processes die.
    """
    by_token = partial(_by_token, registers, clock)
    desk = Desk(engine, keyring, registers, append, clock, identify or by_token)
    crowd = _Crowd(pool)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        crowd.warm_up()
        yield
        crowd.close()

    app = FastAPI(title="Pseudoniemdienst", version="1.0.0", lifespan=lifespan, **_QUIET)
    _add_evaluations(app, desk, crowd)
    _add_reading(app, engine, lambda: service_document(keyring, operator))
    _add_errors(app)
    return app


def _add_evaluations(app: FastAPI, desk: Desk, crowd: _Crowd) -> None:
    body_schema = {"content": {"application/json": {"schema": EvaluationRequest.model_json_schema()}}, "required": True}

    @app.post("/v1/evaluations", response_model=EvaluationAnswer, openapi_extra={"requestBody": body_schema})
    async def evaluations(request: Request) -> Response:
        """Evaluate 1 to 5,000 blinded elements with the key of a school year, with one proof."""
        english = wants_english(request.headers.get("accept-language"))
        outcome = await _evaluate(request, desk, crowd, english=english)
        return response(outcome, english=english) if isinstance(outcome, Problem) else _answer(outcome)


async def _evaluate(request: Request, desk: Desk, crowd: _Crowd, *, english: bool) -> Answer | Problem:
    if request.url.query:
        return unasked(english=english)
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return Problem("not-json")
    body = await _read(request)
    if isinstance(body, Problem):
        return body
    prepared = await run_sync(lambda: desk.prepare(request.scope, body, english=english))
    if not isinstance(prepared, Batch):
        return prepared
    try:
        done = await crowd.evaluate(prepared)
    except MalformedError:
        return await run_sync(lambda: desk.refuse_elements(prepared, english=english))
    return done if isinstance(done, Problem) else await run_sync(desk.conclude, prepared, done)


async def _read(request: Request) -> bytes | Problem:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    return Problem("too-large", {"elements": MAX_BATCH})
    except TimeoutError:
        return Problem("body-incomplete")
    return bytes(body)


def _answer(outcome: Answer) -> Response:
    raw = outcome.answer
    body = EvaluationAnswer(
        key_id=outcome.key_id,
        proof=to_text(raw[:PROOF]),
        evaluated=[to_text(raw[start : start + ELEMENT]) for start in range(PROOF, len(raw), ELEMENT)],
        remaining=outcome.remaining,
    )
    return Response(body.model_dump_json(), 200, HEADERS, media_type="application/json")


def _add_reading(app: FastAPI, engine: Engine, document: Callable[[], bytes]) -> None:
    @app.get("/v1/keys")
    def keys(request: Request) -> Response:
        """The signed document of public keys, one for each school year."""
        if request.url.query:
            english = wants_english(request.headers.get("accept-language"))
            return response(unasked(english=english), english=english)
        return Response(document(), 200, HEADERS, media_type="application/json")

    @app.get("/health/live")
    def live() -> Response:
        """The process answers."""
        return JSONResponse({"status": "ok"}, 200, HEADERS)

    @app.get("/health/ready")
    def ready() -> Response:
        """The database answers too."""
        with engine.connect() as connection:
            connection.execute(select(1))
            return JSONResponse({"status": "ok"}, 200, HEADERS)


def _add_errors(app: FastAPI) -> None:
    codes = {404: "not-found", 405: "method-not-allowed"}

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        problem = Problem(codes.get(error.status_code, "malformed"))
        answer = response(problem, english=wants_english(request.headers.get("accept-language")))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(ClientDisconnect)
    def gone(_: Request, __: Exception) -> Response:
        return response(Problem("malformed"), english=False)  # nobody reads it, and it is no fault of the service

    @app.exception_handler(OperationalError)
    def without_database(request: Request, error: OperationalError) -> Response:
        _log.warning("the database does not answer: %s", type(error.orig).__name__)
        problem = Problem("busy", {"retry_after": 1})
        return response(problem, english=wants_english(request.headers.get("accept-language")))

    @app.exception_handler(Exception)
    def broken(request: Request, _: Exception) -> Response:
        return response(Problem("internal"), english=wants_english(request.headers.get("accept-language")))


def _by_token(registers: Callable[[], Register], clock: Callable[[], datetime], scope: Mapping[str, Any]) -> str | None:
    token = bearer_token(Headers(scope=dict(scope)).get("authorization"))
    return registers().holder(token, amsterdam_day(clock())) if token is not None else None
