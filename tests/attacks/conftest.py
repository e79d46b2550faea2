"""What attackers of the gateway are let loose on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import KINDS, database_of
from tests.gateway.conftest import Site, build_world, running

from .house import House, open_house


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of its own for each file of tests, on both databases."""
    folder = tmp_path_factory.mktemp("house")
    with open_house(folder, database_of(request, folder)) as made:
        yield made


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A running gateway in this process: uvicorn alone."""
    world = build_world(tmp_path / "data").ticking()
    with running(world) as made:
        yield made
    world.gateway.database.dispose()
