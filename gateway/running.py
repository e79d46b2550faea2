"""Processes that serve: gateway and pseudonym service, and how they are told to stop. The worker is in `working`."""

import signal
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from gateway import lawbook
from gateway.app import open_gateway
from gateway.asgi import create_app
from gateway.pseudonyms import open_service
from gateway.settings import Home, hand_on, home
from gateway.telemetry import set_up_logging, set_up_traces

# The peer of a connection is what it is: a proxy's word for another address is not taken.
SERVER: Mapping[str, Any] = {
    "log_level": "warning", "log_config": None, "access_log": False, "server_header": False, "proxy_headers": False,
}  # fmt: skip
_LOOPBACK = "127.0.0.1"


def run_server(where: Home, *, host: str, port: int, workers: int = 1) -> None:
    """Serve API and pages until told to stop, in one process or in several on the same database."""
    if workers == 1:
        serve(_watched_app(where), host=host, port=port)
        return
    hand_on(where)
    uvicorn.run("gateway.running:app_from_environment", factory=True, workers=workers, host=host, port=port, **SERVER)


def app_from_environment() -> ASGIApp:
    """The application of the deployment that the environment names: what each of several server processes runs."""
    set_up_logging()
    return _watched_app(home(None))


def _watched_app(where: Home) -> ASGIApp:
    gateway = open_gateway(where)
    lawbook.keep(gateway)
    if gateway.settings.traces:
        set_up_traces(gateway.settings.traces)
    return create_app(gateway)


def run_pseudonym_service(folder: Path, *, host: str, port: int) -> None:
    """Serve the pseudonym service, and sequence its own log, until told to stop."""
    service = open_service(folder)
    stop = threading.Event()
    thread = threading.Thread(target=service.log.run, args=(stop,), name="sequencer", daemon=True)
    thread.start()
    serve(service.app, host=host, port=port)
    stop.set()
    thread.join()


def serve(app: ASGIApp, *, host: str, port: int) -> None:
    """Run an ASGI application until told to stop; paths are not logged, for a login link is a secret."""
    set_up_logging()
    # uvicorn ends by raising the signal again; with this it ends the process in order, and helpers are let go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(app, host=host, port=port, **SERVER)


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
