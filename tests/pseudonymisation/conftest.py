"""What every test of this room may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pseudonymisation.databases import KINDS, database_of, running_postgresql
from tests.pseudonymisation.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A pseudonym service with two sites of 100 pupils: a quota of 145 each."""
    with World(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The PostgreSQL server of this room's tests."""
    with running_postgresql() as url:
        yield url


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once on SQLite and once on PostgreSQL."""
    return database_of(request, tmp_path)
