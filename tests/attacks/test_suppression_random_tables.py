"""Random linked tables, attacked with every relation by linear programming that shares no code with the suppressor."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.disclosure.world import at_random


def outsider_fails(seed: int) -> bool:
    """Whether an outsider who is told which cells are small narrows none of them."""
    table = at_random(seed)
    return bool((table.attacked(table.build().protected.frame)["verdict"] == "safe").all())


def insiders_fail(seed: int) -> bool:
    """Whether no owner narrows another's small cell, or a small remainder of a margin."""
    table = at_random(seed)
    frame = table.build().protected.frame if table.owners else None
    owners = sorted(table.places["owner"].unique()) if table.owners else []
    return all((table.attacked_by(owner, frame)["verdict"] == "safe").all() for owner in owners)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_outsider_narrows_nothing(seed: int) -> None:
    """0 exact and 0 narrowed, whatever the table."""
    assert outsider_fails(seed)


@settings(max_examples=12)
@given(st.integers(0, 10**6))
def test_insiders_narrow_nothing(seed: int) -> None:
    """Nor by anybody who knows its own cells."""
    assert insiders_fail(seed)


@pytest.mark.soak
@pytest.mark.parametrize("start", range(0, 1000, 100))
def test_long_campaign(start: int) -> None:
    """A thousand tables more."""
    assert all(outsider_fails(seed) and insiders_fail(seed) for seed in range(start, start + 100))
