"""What every test of this room may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pseudonymisation.client import open_cache
from pseudonymisation.client.cache import Cache
from tests.pseudonymisation.world import YEAR, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A pseudonym service with two sites of 100 pupils: a quota of 145 each."""
    with World(tmp_path) as made:
        yield made


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    """A new cache of the year, at the school."""
    made = open_cache(tmp_path / "school", YEAR)
    assert isinstance(made, Cache)
    with made:
        yield made
