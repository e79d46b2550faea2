"""What every test may use: the reference material, databases of both kinds, the deterministic hypothesis profile."""

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, settings

from tests.databases import KINDS, database_of, drop_database, running_postgresql

settings.register_profile("house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

ROOT = Path(__file__).parents[1]
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
