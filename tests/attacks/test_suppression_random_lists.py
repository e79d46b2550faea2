"""Random lists of what to publish: what a list leaves out is not shown, and not derivable either."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disclosure import attack
from tests.attacks.suppression import given_away, released
from tests.disclosure.world import NAMES, Case, at_random

LINES = [{"shop": place, "item": item} for place in ("shop", "town", "chain", "all") for item in ("item", "any")]
CELL = [f"{name}{end}" for name in NAMES for end in ("", "_level")]


def with_list(seed: int) -> Case:
    """A random table with a random list, now and then with a shop outside every chain."""
    rng = np.random.default_rng(seed)
    table = at_random(seed)
    chosen = [line for line in LINES if rng.random() < 0.6] or LINES
    lonely = table.places.index[rng.integers(len(table.places))] if rng.random() < 0.3 else None
    places = table.places.assign(chain=table.places["chain"].mask(table.places.index == lonely))
    return replace(table, publish=chosen, places=places, owners=False)


def left_out(table: Case, frame: pd.DataFrame) -> pd.DataFrame:
    """Small cells of shops that are no rows of the frame."""
    cells = table.cells[(table.cells["shop_level"] == "shop") & ~table.cells["public"]]
    cells = cells[(cells["n"] <= table.rule.highest) & (cells["total"] >= table.rule.floor)]
    rows = cells[CELL].merge(frame[CELL], how="left", indicator=True)["_merge"]
    return cells[(rows == "left_only").to_numpy()].reset_index(drop=True)


def nothing_follows(seed: int) -> bool:
    """Whether no small cell, listed or left out, is narrowed."""
    table = with_list(seed)
    frame = released(table)
    cells = left_out(table, frame)
    if cells.empty:
        return not given_away(table, frame)
    small, known = table.knowledge(frame)
    found = attack(
        frame, dimensions=table.dimensions, small=small, known=known, inequalities=table.inequalities, cells=cells
    )
    wide = (found["lower"] == 0) & (found["upper"].fillna(table.rule.highest) >= table.rule.highest)
    return bool(wide.all()) and not given_away(table, frame)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_nothing_follows_from_what_a_list_shows(seed: int) -> None:
    """0 exact and 0 narrowed, also among the cells that were never to be shown."""
    assert nothing_follows(seed)


@pytest.mark.soak
@pytest.mark.parametrize("start", range(0, 500, 50))
def test_long_campaign(start: int) -> None:
    """Five hundred lists more."""
    assert all(nothing_follows(seed) for seed in range(start, start + 50))
