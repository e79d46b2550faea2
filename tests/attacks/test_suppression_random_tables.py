"""Random linked tables, attacked with every relation by linear programming that shares no code with the suppressor."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.disclosure.world import Case, at_random


def without_complements(seed: int) -> Case:
    """A random table under a rule that lets the rest of a known total be small."""
    table = at_random(seed)
    return replace(table, rule=replace(table.rule, complements=False))


def with_sales(seed: int) -> Case:
    """A random table of which a third of the shops is known to a second owner, and some to a third one."""
    table, rng = at_random(seed), np.random.default_rng([seed, 1])
    pairs = {(shop, f"o{rng.integers(3)}") for shop in table.places["shop"] for _ in range(2) if rng.integers(5) == 0}
    known = set(table.places[["shop", "owner"]].itertuples(index=False, name=None))
    return replace(table, owners=True, also=sorted(pairs - known))


def outsider_fails(table: Case) -> bool:
    """Whether an outsider who is told which cells are small narrows none of them."""
    return bool((table.attacked(table.build().protected.frame)["verdict"] == "safe").all())


def insiders_fail(table: Case) -> bool:
    """Whether no owner narrows another's small cell, or a small remainder of a margin."""
    frame = table.build().protected.frame if table.owners else None
    owners = sorted(table.coalitions["insider"].unique()) if table.coalitions is not None else []
    return all((table.attacked_by(owner, frame)["verdict"] == "safe").all() for owner in owners)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_outsider_narrows_nothing(seed: int) -> None:
    """0 exact and 0 narrowed, whatever the table."""
    assert outsider_fails(at_random(seed))


@settings(max_examples=12)
@given(st.integers(0, 10**6))
def test_insiders_narrow_nothing(seed: int) -> None:
    """Nor by anybody who knows its own cells."""
    assert insiders_fail(at_random(seed))


@settings(max_examples=12)
@given(st.integers(0, 10**6))
def test_insiders_with_shops_in_common_narrow_nothing(seed: int) -> None:
    """Nor where several know the same shop."""
    assert insiders_fail(with_sales(seed))


@settings(max_examples=12)
@given(st.integers(0, 10**6))
def test_rule_without_complements_gives_nothing_away(seed: int) -> None:
    """A big rest may be shown, but never beside a total that leaves a small count: 0 exact and 0 narrowed."""
    table = without_complements(seed)
    assert outsider_fails(table)
    assert insiders_fail(table)


@pytest.mark.soak
@pytest.mark.parametrize("start", range(0, 1000, 100))
def test_long_campaign(start: int) -> None:
    """A thousand tables more, with complements and without."""
    for seed in range(start, start + 100):
        assert all(
            outsider_fails(table) and insiders_fail(table) for table in (at_random(seed), without_complements(seed))
        )
