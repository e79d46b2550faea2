"""The processes of a gateway, to be killed: the web server, and the worker with the log's sequencer."""

from pathlib import Path

from gateway.app import open_gateway
from gateway.asgi import create_app
from gateway.running import serve
from gateway.settings import Home
from gateway.working import run_worker


def web(folder: Path, database: str, port: int) -> None:
    serve(create_app(open_gateway(Home(folder, database))), host="127.0.0.1", port=port)


def worker(folder: Path, database: str, _port: int) -> None:
    run_worker(Home(folder, database))
