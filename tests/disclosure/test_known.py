"""What an outsider knows already: such a cell is given away, and all others stay safe from whoever has it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disclosure import DisclosureError, Terms, attack
from disclosure.attacker import judge
from disclosure.witness import Witnesses, gather, join
from tests.disclosure.world import NAMES, Case, at_random, case

LEVELS = [f"{name}{end}" for name in NAMES for end in ("", "_level")]
PLACES = [("s1", "t1", "c1", "o1"), ("s2", "t1", "c1", "o2"), ("s3", "t1", "c1", "o3"), ("s4", "t2", "c2", "o4"),
          ("s5", "t3", "c2", "o5"), ("s6", "t3", "c2", "o6"), ("s7", "t3", "c1", "o7")]  # fmt: skip
BIG = {("s5", "m"): [40, 20], ("s6", "m"): [50, 14], ("s7", "m"): [30, 12]}
NO_END = 1 << 30


def shops(*lines: list[int], **changes: Any) -> Case:  # noqa: ANN401  any field of a case
    """Seven shops: these counts for the first four, big ones for the others; head-counts are public."""
    first = {(f"s{number}", "m"): line for number, line in enumerate(lines, 1)}
    return case(PLACES, {**first, **BIG}, **changes)


def known(*cells: tuple[str, str, int, int]) -> pd.DataFrame:
    """Code, item, lower and upper of cells that an outsider knows."""
    level = {"s": "shop", "t": "town", "c": "chain", "a": "all"}
    rows = [(code, level[code[0]], item, "item", "m", "mood", lower, upper) for code, item, lower, upper in cells]
    return pd.DataFrame(rows, columns=[*LEVELS, "lower", "upper"])


def released(table: Case) -> pd.DataFrame:
    return table.build().protected.frame


def bounds(table: Case, frame: pd.DataFrame) -> dict[tuple[str, str], tuple[int, int]]:
    """Code and item of small cells to the bounds of an outsider with all that is known."""
    found = table.attacked(frame)
    return {(row.shop, row.item): (row.least, row.most) for row in found.itertuples()}


def hidden(frame: pd.DataFrame) -> set[tuple[str, str]]:
    cells = frame[frame["status"] == "suppressed"]
    return set(zip(cells["shop"], cells["item"], strict=True))


def narrowed(table: Case, frame: pd.DataFrame) -> pd.DataFrame:
    """Small cells of which the figures tell more than the marks and what is known tell without any figure."""
    small, before = table.knowledge(frame)
    cells = table.listed(frame)
    stake = cells[cells["small"] & ~cells["public"]].reset_index(drop=True)
    terms = {
        "dimensions": table.dimensions, "small": small, "known": before,
        "inequalities": table.inequalities, "cells": stake,
    }  # fmt: skip
    anyhow, found = attack(frame.assign(value=pd.NA), **terms), attack(frame, **terms)
    low = np.maximum(stake["lower"], anyhow["lower"])
    high = np.minimum(stake["upper"], anyhow["upper"].fillna(NO_END))
    return stake[(found["lower"] > low) | (found["upper"].fillna(NO_END) < high)]


def test_cell_that_stood_in_the_newspaper_is_given_away_with_its_rest() -> None:
    """Two of 42 are known, and so are the 40: neither is printed, and no other cell is hidden for them."""
    table = shops([40, 2], [50, 9], [60, 8], [30, 12], known=known(("s1", "i1", 2, 2)))
    assert hidden(released(table)) == {("s1", "i0"), ("s1", "i1")}


def test_known_cell_serves_no_other_as_a_cover() -> None:
    """Two small shops that hide each other do not any more when one of them is known."""
    table = shops([40, 2], [50, 2], [60, 18], [30, 12])
    told = replace(table, known=known(("s1", "i1", 2, 2)))
    careless = released(table)
    assert bounds(table, careless)["s2", "i1"] == (0, 4)
    assert bounds(told, careless)["s2", "i1"] != (0, 4)
    assert bounds(told, released(told))["s2", "i1"] == (0, 4)


def test_known_bound_of_a_shop_is_all_that_its_range_loses() -> None:
    """Who knows there are one to three finds one to three, of the rest too, and of the other shop still 0 to 4."""
    table = shops([40, 2], [50, 3], [60, 18], [30, 12], known=known(("s1", "i1", 1, 3)))
    found = bounds(table, released(table))
    assert (found["s1", "i1"], found["s1", "i0"], found["s2", "i1"]) == ((1, 3), (39, 41), (0, 4))


@pytest.mark.parametrize(
    ("cells", "ends"),
    [
        ([("s1", "i1", 2, NO_END)], (2, 4)),
        ([("s1", "i1", 1, 2), ("s2", "i1", 0, 1), ("s3", "i1", 0, 0)], (1, 3)),
        ([("s1", "i0", 0, 40)], (2, 4)),
        ([("t1", "i1", 1, 3)], (1, 3)),
        ([("t1", "i0", 150, 151)], (1, 2)),
    ],
)
def test_town_is_known_by_its_shops_and_by_itself(
    cells: list[tuple[str, str, int, int]], ends: tuple[int, int]
) -> None:
    """A town of two customers: at least, and at most, what is known of its shops or of its own rest."""
    table = shops([40, 2], [50, 0], [60, 0], [30, 12], known=known(*cells))
    frame = released(table)
    assert bounds(table, frame)["t1", "i1"] == ends
    assert narrowed(table, frame).empty


def test_shop_has_no_more_than_is_known_of_its_town() -> None:
    """In a town of at most three no shop has four; in one of five, told of two small shops, each has one or more."""
    at_most = shops([40, 2], [50, 0], [60, 0], [30, 12], known=known(("t1", "i1", 0, 3)))
    found = bounds(at_most, released(at_most))
    assert [found[shop, "i1"] for shop in ("s1", "s2", "s3")] == [(0, 3)] * 3
    both = shops([40, 2], [50, 3], [60, 12], [30, 12], known=known(("t1", "i1", 17, 17), ("s3", "i1", 12, 12)))
    assert narrowed(both, released(both)).empty


@pytest.mark.parametrize("code", ["s4", "t2"])
def test_town_of_one_shop_is_known_by_either_name(code: str) -> None:
    """Whoever knows the town knows the shop: nothing but the two is hidden."""
    table = shops([40, 20], [50, 9], [60, 8], [30, 2], known=known((code, "i1", 2, 2)))
    assert hidden(released(table)) == {(area, item) for area in ("s4", "t2") for item in ("i0", "i1")}


def test_owner_subtracts_its_share_from_what_is_known_of_a_town() -> None:
    """22 to 24 are known, and an owner of twenty of them is left with two to four: that margin is hidden for it."""
    cells, lines = known(("t1", "i1", 22, 24)), [{"shop": ["t1", "t2", "t3", "all"]}]
    table = shops([40, 20], [50, 2], [60, 1], [30, 12], known=cells, owners=True, publish=lines)
    frame = released(table)
    row = table.attacked_by("o1", frame).set_index(["shop", "item"]).loc[("t1", "i1")]
    assert (row["least"], row["most"]) == (2, 4)
    assert ("t1", "i1") in hidden(frame)


def test_judge_wants_no_more_than_is_left_and_no_less() -> None:
    """Told that the town has three at most, the judge is content with tables for 0 and 3, and not with 0 and 2."""
    table = shops([40, 2], [50, 0], [60, 0], [30, 12], known=known(("t1", "i1", 0, 3)))
    made, terms = table.build(), Terms(**table.arguments())
    assert judge(made.protected.frame, table.counts, terms, made.witnesses).holds
    fewer = join(part for _, part in made.witnesses.parts(1) if _moves(part) != 1)
    assert not judge(made.protected.frame, table.counts, terms, fewer).holds


def _moves(witness: Witnesses) -> int:
    """By how much a witness changes i1 of s1."""
    return int(witness.by[(witness.unit == 0) & (witness.leaf == 1)].sum())


def test_judge_refuses_a_table_that_breaks_what_is_known() -> None:
    """Nobody who knows that the town has three at most believes four."""
    table = shops([40, 2], [50, 0], [60, 0], [30, 12])
    frame = released(table)
    four = gather([(np.array([0, 4]), np.array([[-2, 2], [2, -2]]), -1)])
    terms = Terms(**table.arguments())
    judge(frame.assign(value=pd.NA), table.counts, terms, four)
    with pytest.raises(DisclosureError, match="a witness breaks a bound that its reader knows"):
        judge(frame.assign(value=pd.NA), table.counts, replace(terms, known=known(("t1", "i1", 0, 3))), four)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (("t1", "i1", 3, 9), "known: the bounds of shop 't1', item 'i1', mood 'm' exclude the true count"),
        (("s1", "i1", 0, 1), "known: the bounds of shop 's1', item 'i1', mood 'm' exclude the true count"),
        (("s1", "i1", 4, 1), "known: the bounds of shop 's1', item 'i1', mood 'm' exclude the true count"),
    ],
)
def test_bounds_that_cannot_be_are_refused_by_name(cell: tuple[str, str, int, int], message: str) -> None:
    """Of an area as of a shop: dimension and code are named, and no count."""
    table = shops([40, 2], [50, 0], [60, 0], [30, 12], known=known(cell))
    with pytest.raises(DisclosureError) as refusal:
        table.build()
    assert str(refusal.value) == f"{message}; correct or drop them"


def test_what_follows_from_an_order_has_to_be_declared_too() -> None:
    """`less` is within `more`: known of `more` alone the table is refused; with what `attack` makes of it, released."""
    table = at_random(28)
    more = table.cells.query("shop_level == 'shop' and item == 'i1' and mood == 'more' and shop == 's1'")
    told = replace(table, known=more[LEVELS].assign(lower=0, upper=more["n"]))
    assert table.inequalities
    with pytest.raises(DisclosureError, match="'less' cannot be protected"):
        told.build()
    whole = replace(told, known=implied(told))
    assert narrowed(whole, released(whole)).empty


def implied(table: Case) -> pd.DataFrame:
    """Bounds of every cell that follow from what is known and public and from the marks, without a figure."""
    cells = table.cells.loc[~table.cells["public"], LEVELS].assign(value=pd.array([pd.NA], "Int64")[0])
    small, before = table.knowledge(cells.assign(status="suppressed"))
    found = attack(cells, dimensions=table.dimensions, small=small, known=before, inequalities=table.inequalities)
    return found.assign(upper=found["upper"].fillna(NO_END)).astype({"lower": int, "upper": int})


@settings(max_examples=12)
@given(st.integers(0, 10**6))
def test_random_knowledge_helps_nobody(seed: int) -> None:
    """Whatever an outsider has, once all that follows from it is declared, figures add nothing to it."""
    table = replace(at_random(seed), owners=False)
    table = replace(table, known=some(table, seed))
    table = replace(table, known=implied(table))
    assert narrowed(table, released(table)).empty


def some(table: Case, seed: int) -> pd.DataFrame:
    """Three cells of a table, most of them small, with bounds near the truth, or exact."""
    rng = np.random.default_rng(seed)
    cells = table.cells[~table.cells["public"]].sort_values("n", kind="stable")
    cells = cells.iloc[np.unique(np.minimum(rng.geometric(0.1, 3), len(cells)) - 1)]
    below, above = (rng.integers(0, 3, len(cells)) * rng.integers(0, 2, len(cells)) for _ in range(2))
    return cells[LEVELS].assign(lower=(cells["n"] - below).clip(lower=0), upper=cells["n"] + above)
