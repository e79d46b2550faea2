"""Processes that serve: gateway and pseudonym service, and how they are told to stop. The worker is in `working`."""

import asyncio
import errno
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from audit.errors import AuditError
from gateway import lawbook, service_log, witnesses
from gateway.app import demand_workable, open_gateway
from gateway.asgi import create_app
from gateway.messages import MendableError
from gateway.pseudonyms import open_service, service_app
from gateway.settings import Home, hand_on, home
from gateway.telemetry import set_up_logging, set_up_traces
from gateway.yearly import YearlyLog

HEAD_SECONDS = 10.0
REQUESTS_A_CONNECTION = 100


class PromptProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with an end to waiting for the head of a request; uvicorn itself waits for ever.

    And with an end to connections, told in time: whichever process woke first has them, seven of eight at times, and
    new ones go to who is less busy.
    """

    _late: asyncio.TimerHandle | None = None
    _requests = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wait for the head of the first request."""
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """Wait for the rest of the head of a request."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """The head is there; how long the body may take is for `gateway.http.edge`."""
        self._stop_waiting()
        super().on_headers_complete()
        self._requests += 1
        if self._requests >= REQUESTS_A_CONNECTION and self.cycle is not None:
            self.cycle.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side hung up."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


# The peer of a connection is what it is: a proxy's word for another address is not taken. A server process that starts
# on a busy machine is silent for longer than the five seconds after which uvicorn would kill it, again and again.
SERVER: Mapping[str, Any] = {
    "log_level": "warning", "log_config": None, "access_log": False, "server_header": False, "proxy_headers": False,
    "http": PromptProtocol, "timeout_worker_healthcheck": 60,
}  # fmt: skip
# A thread that comes back from the database waits this long for one that computes; by itself Python lets it wait ten
# times as long after every statement, and whoever waits for its transaction waits with it.
_THREAD_SECONDS = 0.0005
_LOOPBACK = "127.0.0.1"
_LAST_PORT = 65_535


def run_server(where: Home, *, host: str, port: int, workers: int = 1) -> None:
    """Serve API and pages until told to stop, in one process or in several on the same database.

    Raises:
        MendableError: the port is taken, or see `demand_workable`.
    """
    demand_free(host, port)
    if workers == 1:
        serve(_watched_app(where), host=host, port=port)
        return
    _demand_servable(where)
    hand_on(where)
    uvicorn.run("gateway.running:app_from_environment", factory=True, workers=workers, host=host, port=port, **SERVER)


def _demand_servable(where: Home) -> None:
    """Say once what is wrong, before there are processes that would each die of it, again and again."""
    gateway = open_gateway(where)
    try:
        demand_workable(gateway)
    finally:
        gateway.database.dispose()


def app_from_environment() -> ASGIApp:
    """The application of the deployment that the environment names: what each of several server processes runs."""
    set_up_logging()
    return _watched_app(home(None))


def _watched_app(where: Home) -> ASGIApp:
    sys.setswitchinterval(_THREAD_SECONDS)
    gateway = open_gateway(where)
    demand_workable(gateway)
    lawbook.keep(gateway)
    if gateway.settings.traces:
        set_up_traces(gateway.settings.traces)
    return create_app(gateway)


def run_pseudonym_service(folder: Path, *, host: str, port: int) -> None:
    """Serve the pseudonym service, and keep its own log (order, witnesses, end of retention), until told to stop.

    Raises:
        MendableError: the port is taken, the folder is not a service's, or it has no register of its gateway.
    """
    demand_free(host, port)
    service = open_service(folder)
    app = service_app(service)
    stop = threading.Event()
    threads = [
        threading.Thread(target=_sequence, args=(service.log.yearly, stop), name="sequencer", daemon=True),
        threading.Thread(target=witnesses.ask_until, args=(service.log, stop), name="witnesses", daemon=True),
        threading.Thread(target=service_log.expire_until, args=(service.log, stop), name="retention", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        serve(app, host=host, port=port)
    finally:  # SIGTERM ends `serve` by an exception
        stop.set()
        for thread in threads:
            thread.join()
        service.engine.dispose()


def _sequence(log: YearlyLog, stop: threading.Event) -> None:
    """Sequence the service's log; where it contradicts itself that was said, and entries wait."""
    with suppress(AuditError):
        log.run(stop)


def serve(app: ASGIApp, *, host: str, port: int) -> None:
    """Run an ASGI application until told to stop; paths are not logged, for a login link is a secret."""
    set_up_logging()
    # uvicorn ends by raising the signal again; with this it ends the process in order, and helpers are let go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(app, host=host, port=port, **SERVER)


def demand_free(host: str, port: int) -> None:
    """Say before anything is opened that somebody listens on a port already.

    Raises:
        MendableError: names the port and the next one that is free.
    """
    if not port_is_free(port, host):
        raise MendableError("port-taken", port=port, free=_next_free(port, host))


def port_is_free(port: int, host: str = _LOOPBACK) -> bool:
    """Whether nobody listens on this port of the host yet; what else may be wrong with them the server says."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
        return True


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _next_free(port: int, host: str) -> int:
    return next(after for after in range(port + 1, _LAST_PORT + 1) if port_is_free(after, host))
