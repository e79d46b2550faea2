"""What every test may use: the reference material, databases of both kinds, the deterministic hypothesis profile."""

import inspect
import os
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, Pool, PoolProxiedConnection

from tests.databases import KINDS, database_of, drop_database, running_postgresql

settings.register_profile("house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

ROOT = Path(__file__).parents[1]
_ON_THE_WAY = (__file__, "/contextlib.py", "/gateway/database.py", "/gateway/context.py")
"""Files between who takes a connection and the pool."""
_PATIENCE = 60.0
# httpx waits five seconds for an answer where a test says nothing else; a machine full of tests may take longer.
_of_httpx: httpx.Timeout = inspect.signature(httpx.get).parameters["timeout"].default
_of_httpx.connect = _of_httpx.read = _of_httpx.write = _of_httpx.pool = _PATIENCE


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data and vectors; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("SHARED_DIR", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference material in {folder}: set SHARED_DIR")
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The PostgreSQL server of this test process."""
    with running_postgresql(waits_for_disk=False) as url:
        yield url


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once on SQLite and once on PostgreSQL; the latter goes with its test."""
    url = database_of(request, tmp_path)
    yield url
    if request.param == "postgresql":
        drop_database(url)


@pytest.fixture(autouse=True)
def one_connection_each() -> Iterator[None]:
    """No thread takes a second connection of a pool while it holds one: as many as the pool has would wait for ever.

    What a test itself holds while it acts is not counted.
    """
    held: dict[ConnectionPoolEntry, tuple[threading.Thread, Pool]] = {}
    twice: list[str] = []

    def taken(_: DBAPIConnection, record: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
        files = (frame.f_code.co_filename for frame, _ in traceback.walk_stack(inspect.currentframe()))
        if "/tests/" in next(file for file in files if not file.endswith(_ON_THE_WAY) and "site-packages" not in file):
            return
        mine = threading.current_thread(), proxy._pool  # type: ignore[attr-defined]
        if any(other is not record and whose == mine for other, whose in list(held.items())):
            ours = (frame for frame in traceback.extract_stack() if "site-packages" not in frame.filename)
            twice.append("".join(traceback.format_list(ours)))
        held[record] = mine

    def given_back(_: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        held.pop(record, None)

    event.listen(Pool, "checkout", taken)
    event.listen(Pool, "checkin", given_back)
    yield
    event.remove(Pool, "checkout", taken)
    event.remove(Pool, "checkin", given_back)
    assert not twice, twice[0]
