"""What attackers of the gateway are let loose on."""

from collections.abc import Iterator

import pytest

from tests.databases import KINDS, database_of

from .house import House, open_house


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of its own for each file of tests, on both databases."""
    folder = tmp_path_factory.mktemp("house")
    with open_house(folder, database_of(request, folder)) as made:
        yield made
