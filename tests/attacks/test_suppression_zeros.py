"""Shops that do not have every item: who knows which items can exist computes cells that no list shows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import disclosure as benchmark
from benchmarks.disclosure_data import sector
from disclosure import DisclosureError, attack, build, problem
from disclosure.following import Following
from disclosure.grid import Grid
from tests.attacks.suppression import bare, bounds, released
from tests.attacks.test_suppression_random_lists import CELL, LINES
from tests.disclosure.world import SEED, Case, at_random, case


def chains(first: dict[str, Sequence[int]], **more: Any) -> Case:  # noqa: ANN401  any field of a case
    """Chain c1 of some shops, each with its own owner, and c2 of two with everything; a count of 0 cannot exist."""
    shops = {**first, "y": [60, 33], "z": [70, 44]}
    places = [(shop, f"t{shop}", "c1" if shop in first else "c2", f"o-{shop}") for shop in shops]
    zeros = [(shop, f"i{item}") for shop, line in shops.items() for item, n in enumerate(line) if n == 0]
    return case(
        places,
        {(shop, "m"): line for shop, line in shops.items()},
        public=(),
        zeros=pd.DataFrame(zeros, columns=["shop", "item"]),
        publish=[{"shop": "shop", "item": "any"}, {"shop": "chain", "item": "item"}, {"shop": "all", "item": "item"}],
        **more,
    )


def looks_no_further(grid: Grid, listed: np.ndarray, *_: object) -> Following:
    """Nothing follows from anything."""
    none = np.zeros((0, 3), int)
    return Following(cells=np.zeros_like(listed), rests=[], insiders=none, given=none)


def shrunk(seed: int) -> Case:
    """A random table with a random list, in which every third combination cannot exist."""
    rng = np.random.default_rng(seed)
    table = at_random(seed)
    pairs = table.counts[["shop", "item"]].drop_duplicates().reset_index(drop=True)
    gone = pairs[rng.random(len(pairs)) < 0.35]
    gone = gone[gone.duplicated("shop", keep="last") | (rng.random(len(gone)) < 0.5)]
    kept = pairs.merge(gone, how="left", indicator=True).query("_merge == 'left_only'")
    gone = gone[gone["shop"].isin(kept["shop"])].reset_index(drop=True)
    counts = table.counts.merge(gone, how="left", indicator=True)
    counts["n"] = counts["n"].where(counts["_merge"] == "left_only", 0)
    chosen = [line for line in LINES if rng.random() < 0.6] or LINES
    return replace(table, counts=counts.drop(columns="_merge"), zeros=gone, publish=chosen, public=())


def computed(table: Case, frame: pd.DataFrame, mine: frozenset[str] = frozenset()) -> pd.DataFrame:
    """Small cells of single shops, listed or not, of which a reader who knows some shops computes the value."""
    small, known = table.knowledge(frame)
    cells = table.cells[(table.cells["shop_level"] == "shop") & ~table.cells["public"]]
    own = cells["shop"].isin(mine)
    theirs = cells[own].assign(lower=lambda c: c["n"], upper=lambda c: c["n"])
    known = pd.concat([known, theirs])[[*CELL, "lower", "upper"]]
    stake = cells[~own & (cells["n"] <= table.rule.highest) & (cells["shops"] > 0)].reset_index(drop=True)
    told = small if not mine else small[small["shop_level"] == "shop"]
    found = attack(
        frame, dimensions=table.dimensions, small=told, known=known, structural_zeros=table.zeros,
        inequalities=table.inequalities, cells=stake,
    )  # fmt: skip
    return stake[(found["lower"] == found["upper"]).fillna(value=False).to_numpy(bool)]


def test_one_shop_is_what_shops_with_one_item_leave() -> None:
    """Chain c1 less shop a, which has i1 only, is what b has of i1; nobody lists that, and 3 is small."""
    table = chains({"a": [0, 80], "b": [60, 3]})
    assert not computed(table, bare(table)).empty
    assert computed(table, released(table)).empty


def test_an_owner_takes_its_own_shop_away_as_well() -> None:
    """What a and e leave of chain c1 is shop b: the owner of e computes it."""
    table = chains({"a": [0, 80], "b": [60, 3], "e": [50, 40]}, owners=True)
    assert not computed(table, bare(table), frozenset({"e"})).empty
    assert computed(table, released(table), frozenset({"e"})).empty


def test_what_two_shops_leave_together_is_small_as_well() -> None:
    """Shop a leaves 3 of chain c1 to b and e: more than 3 must be possible in each of them."""
    table = chains({"a": [0, 80], "b": [60, 1], "e": [50, 2]})
    assert bounds(table, bare(table), "shop", "b", "i1") == (0, 3)
    assert bounds(table, released(table), "shop", "b", "i1")[1] >= table.rule.highest


@pytest.mark.parametrize("shops", [{"a": [0, 80], "b": [60, 3]}, {"a": [0, 80], "b": [60, 1], "e": [50, 2]}])
def test_judge_works_it_out_by_itself(shops: dict[str, Sequence[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A suppressor that looks at listed cells only is refused."""
    monkeypatch.setattr(problem, "follow", looks_no_further)
    with pytest.raises(DisclosureError, match="the judge can narrow"):
        chains(shops).build()


def test_judge_works_it_out_for_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    """Likewise for what an owner takes away besides."""
    monkeypatch.setattr(problem, "follow", looks_no_further)
    with pytest.raises(DisclosureError, match="the judge can narrow"):
        chains({"a": [0, 80], "b": [60, 3], "e": [50, 40]}, owners=True).build()


def test_real_regions_give_no_school_away(shared: Path) -> None:
    """Two regions of secondary schools, default list: of schools with several kinds of pupils nobody lists those."""
    assert shared.is_dir()
    part = sector("vo").part(["VO2001", "VO2802"])
    terms = benchmark.terms(part, "DEFAULT")
    frame = build(part.counts, terms, seed=SEED).protected.frame
    halves = part.counts.assign(band=part.counts["band"].map(lambda band: benchmark.MARGINS[band][0]))
    halves = halves.groupby(["site", "subdivision", "kind", "band"], as_index=False)["pupils"].sum()
    heads = part.heads.assign(several=part.heads.groupby("site")["subdivision"].transform("size") > 1)
    several = heads.loc[heads["several"], ["site", "subdivision", "pupils"]].rename(columns={"pupils": "whole"})
    cells = halves.merge(several, on=["site", "subdivision"])
    levels = {"site_level": "site", "subdivision_level": "subdivision", "kind_level": "kind"}
    known = cells.assign(**levels, band="total", band_level="total", lower=cells["whole"], upper=cells["whole"])
    found = attack(
        frame, dimensions=terms.dimensions, known=known.drop_duplicates(["site", "subdivision", "kind"]),
        structural_zeros=terms.structural_zeros, cells=cells.assign(**levels, band_level="half"),
    )  # fmt: skip
    exact = (found["lower"] == found["upper"]).fillna(value=False).to_numpy(bool)
    assert cells[exact & (cells["pupils"] < terms.rule.minimum)].empty


@settings(max_examples=12)
@given(st.integers(0, 10**6))
def test_nobody_computes_a_small_cell_of_a_random_table(seed: int) -> None:
    """Neither everybody nor any owner who knows its own shops, of cells that are listed and of others."""
    table = shrunk(seed)
    frame = released(table)
    readers = [frozenset[str]()]
    if table.owners:
        readers += [frozenset(shops) for _, shops in table.places.groupby("owner")["shop"]]
    assert all(computed(table, frame, mine).empty for mine in readers)


@pytest.mark.soak
@pytest.mark.parametrize("start", range(0, 400, 50))
def test_long_campaign(start: int) -> None:
    """Four hundred tables more."""
    for seed in range(start, start + 50):
        table = shrunk(seed)
        assert computed(table, released(table)).empty
