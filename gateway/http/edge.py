"""The outermost layer, in plain ASGI: what every response has, unhandled errors too; the size and time of a body."""

import asyncio
import logging
import os
import re
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import telemetry
from gateway.formats.sheet import MAX_BYTES
from gateway.http.certificate import HEADER
from gateway.http.problems import problem
from gateway.outcome import Refused

API_VERSION = "1.0.0"
MOST_AT_ONCE = 400
WAIT_SECONDS = 5
# For the next part of a body as long as the proxy in front; for all of it what 16 MB take on a line of half a Mbit.
PAUSE_SECONDS, BODY_SECONDS = 20.0, 300.0
_logger = logging.getLogger(__name__)

_ALWAYS = {
    "api-version": API_VERSION,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_API_CSP = "default-src 'none'; frame-ancestors 'none'"
_PAGE_CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def is_kept(text: str) -> bool:
    """Whether every database keeps a text: PostgreSQL no NUL (SQLite would, and its backup with it), none a surrogate.

    That half of a pair is no character, but some ways to write a form can name it.
    """
    return re.search(r"[\0\ud800-\udfff]", text) is None


class Edge:
    """Wraps the whole application: also around its own error handling.

    A header with a client certificate is dropped unless a proxy of this deployment made the connection.
    """

    def __init__(self, app: ASGIApp, *, secure: bool, proxies: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._secure = secure
        self._proxies = proxies
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; everything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["trace"] = os.urandom(16).hex()
        if (scope.get("client") or ("",))[0] not in self._proxies:
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != HEADER.encode()]
        answer = _Answer(send, self._headers(scope["path"]))
        with telemetry.Request(scope["method"], scope["path"], scope["state"]["trace"]) as watched:
            refused = self._refused(scope)
            try:
                if refused is None:
                    await self._handle(scope, receive, answer)
                else:
                    await problem(Request(scope), refused)(scope, receive, answer.send)
            finally:
                watched.status = answer.status

    async def _handle(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        self._now += 1
        try:
            async with asyncio.timeout(None) as deadline:
                await self._app(scope, _Patience(receive, deadline).receive, answer.send)
        except Exception:
            if deadline.expired() and not answer.started:  # it waited for its body
                response = problem(Request(scope), Refused("body-incomplete"), {"Connection": "close"})
                await response(scope, receive, answer.send)
                return
            _logger.exception("unhandled error, trace %s", scope["state"]["trace"])
            if not answer.started:
                response = problem(Request(scope), Refused("internal"))
                await response(scope, receive, answer.send)
        finally:
            self._now -= 1

    def _refused(self, scope: Scope) -> Refused | None:
        """What nothing further in needs to see: a crowd, and an address with a character that no database keeps."""
        if self._now >= MOST_AT_ONCE:
            return Refused("busy", retry_after=WAIT_SECONDS)
        return Refused("invalid-request") if not is_kept(scope["path"]) or b"%00" in scope["query_string"] else None

    def _headers(self, path: str) -> Mapping[str, str]:
        api = path.startswith(("/v1", "/health"))
        headers = _ALWAYS | {"content-security-policy": _API_CSP if api else _PAGE_CSP, "cache-control": "no-store"}
        if self._secure:
            headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
        if path == "/v1/openapi.json":
            headers["access-control-allow-origin"] = "*"
        return headers


class _Patience:
    """Waits for a body, but not for ever: a sender that stops, or never comes to an end, would keep its place here."""

    def __init__(self, receive: Receive, deadline: asyncio.Timeout) -> None:
        self._receive = receive
        self._deadline = deadline
        self._until = asyncio.get_running_loop().time() + BODY_SECONDS
        self._whole = False

    async def receive(self) -> Message:
        """The next part; after the last one whatever comes, however late."""
        if self._whole:
            return await self._receive()
        self._deadline.reschedule(min(self._until, asyncio.get_running_loop().time() + PAUSE_SECONDS))
        message = await self._receive()
        self._deadline.reschedule(None)
        self._whole = not message.get("more_body", False)
        return message


class _Answer:
    """Adds the headers to the start of a response; what the application set itself stays."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send = send
        self._headers = headers
        self.started = False
        self.status = 500

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            own = {name.lower() for name, _ in message.get("headers", [])}
            added = [(n.encode(), v.encode()) for n, v in self._headers.items() if n.encode() not in own]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await self._send(message)


async def read_body(
    request: Request, most: int = MAX_BYTES, *, hold: Callable[[int], bool] | None = None
) -> bytes | Refused:
    """A body, read as a stream: one byte above the limit ends it, or the first for which there is no room."""
    refused = Refused("too-large" if most == MAX_BYTES else "body-too-large")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        return refused
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return refused
        if hold is not None and not hold(len(chunk)):
            return Refused("busy", retry_after=WAIT_SECONDS)
    return bytes(body)
