"""A corrected release beside the one it replaces: neither table nor what changed can be narrowed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disclosure import Build, DisclosureError, Hierarchy, Terms, attack, correct
from tests.disclosure.world import NAMES, SEED, Case, at_random, case

LEVELS = [f"{name}{end}" for name in NAMES for end in ("", "_level")]
_PARENTS = [("kept", "old", "new", "either"), ("dropped", "old", None, "either"), ("added", None, "new", "either")]
VERSIONS = Hierarchy(
    "version",
    pd.DataFrame(_PARENTS, columns=["version", "old", "new", "either"]),
    paths=[("old", "either"), ("new", "either")],
)


def changed(before: Case, changes: Mapping[tuple[str, str], Sequence[int]]) -> Case:
    """The same table with other counts of some shop and mood."""
    counts = before.counts.copy()
    for (shop, mood), line in changes.items():
        counts.loc[(counts["shop"] == shop) & (counts["mood"] == mood), "n"] = list(line)
    return replace(before, counts=counts)


def corrected(before: Case, after: Case, shops: Sequence[str]) -> tuple[Build, Build]:
    """The old release and the one that corrects it."""
    old = before.build()
    terms = Terms(**before.arguments())
    new = correct(
        before.counts, after.counts, old.protected.frame, terms, touched={"shop": shops}, seed=bytes(reversed(SEED))
    )
    return old, new


def narrowed(before: Case, after: Case, releases: tuple[Build, Build], shops: Sequence[str]) -> pd.DataFrame:
    """Small counts that a reader of both releases narrows: of either table, or dropped or added in any cell shown."""
    parts, small, known = [], [], []
    for version, table, release in zip(("old", "new"), (before, after), releases, strict=True):
        at = {"version": version, "version_level": version}
        frame = release.protected.frame
        told, public = table.knowledge(frame)
        parts.append(frame.assign(**at))
        small.append(told.assign(**at))
        known.append(public.assign(**at))
    untouched = sorted(set(before.places["shop"]) - set(shops))
    zeros = pd.MultiIndex.from_product([untouched, ["dropped", "added"]], names=["shop", "version"]).to_frame(
        index=False
    )
    stake = _stake(before, after, parts[1])
    found = attack(
        pd.concat(parts), dimensions={**before.dimensions, "version": VERSIONS}, small=pd.concat(small),
        known=pd.concat(known), structural_zeros=zeros, cells=stake,
        inequalities=[
            type(order)([{**c, "version": v} for c in order.smaller], [{**c, "version": v} for c in order.larger])
            for order in before.inequalities for v in ("old", "new")
        ],
    )  # fmt: skip
    least, most = found["lower"], found["upper"].fillna(1 << 40)
    return stake.assign(least=least, most=most)[(least > stake["low"]) | (most < stake["high"])]


def _stake(before: Case, after: Case, frame: pd.DataFrame) -> pd.DataFrame:
    """Dropped and added counts below the minimum, in every cell that is no public margin."""
    high = before.rule.highest
    leaves = before.counts.merge(after.counts, on=list(NAMES), suffixes=("", "_after"))
    kept = leaves[["n", "n_after"]].min(axis=1)
    rows = []
    for version, part in (("dropped", leaves["n"] - kept), ("added", leaves["n_after"] - kept)):
        moved = before.with_counts(part.tolist()).cells
        rows.append(moved[~moved["public"]].assign(version=version, version_level="version"))
    table = pd.concat(rows).merge(frame[LEVELS], on=LEVELS)
    shops = {code: set(before.places.loc[before.places[level] == code, "shop"])
             for level in ("shop", "town", "chain", "all") for code in before.places[level].unique()}  # fmt: skip
    there = leaves.loc[(leaves["n"] != leaves["n_after"]), "shop"].unique()
    table = table[[bool(shops[code] & set(there)) for code in table["shop"]]]
    return (
        table[table["n"] <= high]
        .assign(low=0, high=lambda t: np.minimum(high, t["n"].clip(lower=high)))
        .reset_index(drop=True)
    )


@pytest.fixture(scope="module")
def town() -> Case:
    """Six shops in two towns and two chains."""
    places = [(f"s{n}", f"t{n % 2}", f"c{n // 3}", "o") for n in range(6)]
    return case(places, {(f"s{n}", "m"): [40 + n, 12 + n, 9] for n in range(6)})


def test_unchanged_cells_are_published_again(town: Case) -> None:
    """A correction of one shop leaves the others as they were."""
    after = changed(town, {("s0", "m"): [30, 22, 9]})
    old, new = corrected(town, after, ["s0"])
    elsewhere = new.protected.frame["shop"] == "s5"
    assert new.protected.frame[elsewhere].equals(old.protected.frame[elsewhere])


def test_a_small_change_cannot_be_seen(town: Case) -> None:
    """One pupil moves: the figures around are hidden now, and what moved cannot be narrowed."""
    after = changed(town, {("s0", "m"): [39, 13, 9]})
    releases = corrected(town, after, ["s0"])
    assert narrowed(town, after, releases, ["s0"]).empty
    assert releases[1].protected.certificate["cells"]["suppressed"] > 0


def test_a_big_change_is_published(town: Case) -> None:
    """Ten pupils move: both figures may be seen."""
    after = changed(town, {("s0", "m"): [30, 22, 9]})
    frame = corrected(town, after, ["s0"])[1].protected.frame
    cell = frame[(frame["shop"] == "s0") & (frame["item"] == "i1")]
    assert cell["value"].tolist() == [22]


def test_hidden_stays_hidden(town: Case) -> None:
    """A cell that was hidden in the old release is hidden in the new one."""
    before = changed(town, {("s1", "m"): [40, 12, 2]})
    after = changed(town, {("s1", "m"): [30, 12, 12]})
    old, new = corrected(before, after, ["s1"])
    hidden = old.protected.frame["value"].isna()
    assert hidden.any()
    assert new.protected.frame.loc[hidden, "value"].isna().all()


def test_change_outside_what_was_touched_is_refused(town: Case) -> None:
    """A count that differs elsewhere is an error that names it."""
    after = changed(town, {("s3", "m"): [30, 22, 9]})
    with pytest.raises(DisclosureError, match="s3"):
        corrected(town, after, ["s0"])


@settings(max_examples=8)
@given(st.integers(0, 10**6))
def test_random_corrections_cannot_be_seen(seed: int) -> None:
    """Random tables, one or two shops corrected by a little or a lot: nothing is narrowed by reading both."""
    rng = np.random.default_rng(seed)
    before = replace(at_random(seed), owners=False)
    shops = rng.choice(before.places["shop"], size=int(rng.integers(1, 3)), replace=False).tolist()
    counts = before.counts.set_index(list(NAMES))["n"].copy()
    items = sorted(before.counts["item"].unique())
    for shop in shops:
        by = int(rng.integers(1, 9))
        moods = sorted(before.counts["mood"].unique())
        by = min(by, *(int(counts[shop, items[0], mood]) for mood in moods))
        for mood in moods:
            counts[shop, items[0], mood] -= by
            counts[shop, items[1], mood] += by
    after = replace(before, counts=counts.reset_index())
    assert narrowed(before, after, corrected(before, after, shops), shops).empty


def test_two_releases_side_by_side_would_give_it_away(town: Case) -> None:
    """Two releases made apart show the single pupil that moved: the attack of these tests can succeed."""
    after = changed(town, {("s0", "m"): [39, 13, 9]})
    assert not narrowed(town, after, (town.build(), after.build()), ["s0"]).empty
