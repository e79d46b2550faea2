"""What every test of this room may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pseudonymisation.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A pseudonym service with two sites of 100 pupils: a quota of 145 each."""
    with World(tmp_path) as made:
        yield made
