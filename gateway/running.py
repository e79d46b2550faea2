"""Processes: the server, the worker with the log's sequencer, the pseudonym service; and how they are told to stop."""

import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from gateway import consents, lawbook, retention, witnesses
from gateway.app import open_gateway, yearly_log
from gateway.asgi import create_app
from gateway.context import Gateway
from gateway.executors import executor_of
from gateway.jobs import Work, run_until
from gateway.pseudonyms import open_service
from gateway.publish import building
from gateway.settings import Home, hand_on, home
from gateway.telemetry import set_up_logging, set_up_traces


def _build(gateway: Gateway, release_id: str) -> None:
    """Build a release where the settings say."""
    with executor_of(gateway.settings) as executor:
        building.build(gateway, release_id, executor)


WORK: Mapping[str, Work] = {
    building.JOB: Work(_build, building.give_up),
    consents.DESTROY_KEY: Work(consents.destroy_key, consents.key_survives),
    retention.JOB: Work(retention.run_job, retention.give_up),
}
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


def run_worker(where: Home) -> None:
    """Run jobs and sequence the log until told to stop."""
    set_up_logging()
    gateway = open_gateway(where)
    stop = threading.Event()

    def told(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, told)
    with background(gateway, stop):
        stop.wait()


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


@contextmanager
def background(gateway: Gateway, stop: threading.Event) -> Iterator[None]:
    """Worker, sequencer and the asking of witnesses of this gateway as threads, for as long as the block runs."""
    log = yearly_log(gateway)
    lawbook.keep(gateway)
    retention.schedule(gateway)
    threads = [
        threading.Thread(target=run_until, args=(gateway, WORK, stop), name="worker", daemon=True),
        threading.Thread(target=log.run, args=(stop,), name="sequencer", daemon=True),
        threading.Thread(target=witnesses.ask_until, args=(gateway, stop), name="witnesses", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


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
