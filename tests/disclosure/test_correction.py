"""A corrected release beside the one it replaces: neither table nor what changed can be narrowed."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disclosure import Build, DisclosureError, Hierarchy, Proof, Terms, attack, correct
from tests.disclosure.world import NAMES, SEED, Case, at_random, case

TOTALS_OF_SHOPS = [{"shop": "shop", "item": "any"}, {"shop": "town"}, {"shop": "chain"}, {"shop": "all"}]
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


def without(table: Case, shops: Sequence[str]) -> Case:
    """The same table before these shops delivered."""
    return replace(
        table,
        places=table.places[~table.places["shop"].isin(shops)].reset_index(drop=True),
        counts=table.counts[~table.counts["shop"].isin(shops)].reset_index(drop=True),
    )


def corrected(before: Case, after: Case, shops: Sequence[str]) -> tuple[Build, Build]:
    """The old release and the one that corrects it."""
    old = before.build()
    terms = Terms(**_bigger(before, after).arguments())
    proof = Proof(Terms(**before.arguments()), old.witnesses)
    seed, frame = bytes(reversed(SEED)), old.protected.frame
    return old, correct(before.counts, after.counts, frame, terms, touched={"shop": shops}, seed=seed, proof=proof)


def _bigger(before: Case, after: Case) -> Case:
    return max(before, after, key=lambda table: len(table.places))


def narrowed(before: Case, after: Case, releases: tuple[Build, Build], shops: Sequence[str]) -> pd.DataFrame:
    """Small counts that a reader of both releases narrows: of either table, or dropped or added in any cell shown.

    The ends are those of a reader without the correction: what public figures exclude, and at the low end also what the
    old release excludes with the smallness of a new count, is not its fault.
    """
    parts, small, known = [], [], []
    for version, table, release in zip(("old", "new"), (before, after), releases, strict=True):
        at = {"version": version, "version_level": version}
        frame = release.protected.frame.merge(table.cells[LEVELS], on=LEVELS)
        told, public = table.knowledge(frame)
        parts.append(frame.assign(**at))
        small.append(told.assign(**at))
        known.append(public.assign(**at))
    both = _bigger(before, after)
    stake = _stake(before, after, parts[1])
    frame = pd.concat(parts)
    terms = {
        "dimensions": {**both.dimensions, "version": VERSIONS},
        "known": pd.concat(known),
        "structural_zeros": _impossible(before, after, shops),
        "cells": stake,
        "inequalities": [
            type(order)([{**c, "version": v} for c in order.smaller], [{**c, "version": v} for c in order.larger])
            for order in both.inequalities for v in ("old", "new")
        ],
    }  # fmt: skip
    anyhow = attack(frame.assign(value=pd.NA), **terms)
    uncorrected = attack(
        frame.assign(value=frame["value"].where(frame["version"] == "old")), small=pd.concat(small), **terms
    )
    stake = stake.assign(low=uncorrected["lower"], high=np.minimum(stake["high"], anyhow["upper"].fillna(1 << 40)))
    found = attack(frame, small=pd.concat(small), **terms)
    least, most = found["lower"], found["upper"].fillna(1 << 40)
    return stake.assign(least=least, most=most)[(least > stake["low"]) | (most < stake["high"])]


def _impossible(before: Case, after: Case, shops: Sequence[str]) -> pd.DataFrame:
    """Who delivered nothing anew changed nothing; who is not in a table has nothing there."""
    there, here = set(before.places["shop"]), set(after.places["shop"])
    never = [
        *product((there | here) - set(shops), ("dropped", "added")),
        *product(here - there, ("kept", "dropped")),
        *product(there - here, ("kept", "added")),
    ]
    return pd.DataFrame(sorted(set(never)), columns=["shop", "version"])


def _stake(before: Case, after: Case, frame: pd.DataFrame) -> pd.DataFrame:
    """Dropped and added counts below the minimum, in every cell that is no public margin."""
    both = _bigger(before, after)
    leaves = both.counts.drop(columns="n")
    for name, table in (("n", before), ("n_after", after)):
        leaves = leaves.merge(table.counts.rename(columns={"n": name}), on=list(NAMES), how="left")
    leaves = leaves.fillna(0).astype({"n": int, "n_after": int})
    kept = leaves[["n", "n_after"]].min(axis=1)
    rows = []
    for version, part in (("dropped", leaves["n"] - kept), ("added", leaves["n_after"] - kept)):
        moved = both.with_counts(part.tolist()).cells
        rows.append(moved[~moved["public"]].assign(version=version, version_level="version"))
    table = pd.concat(rows).merge(frame[LEVELS], on=LEVELS)
    shops = {code: set(both.places.loc[both.places[level] == code, "shop"])
             for level in ("shop", "town", "chain", "all") for code in both.places[level].unique()}  # fmt: skip
    there = leaves.loc[(leaves["n"] != leaves["n_after"]), "shop"].unique()
    table = table[[bool(shops[code] & set(there)) for code in table["shop"]]]
    return table[table["n"] <= both.rule.highest].assign(low=0, high=both.rule.highest).reset_index(drop=True)


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


def test_big_changes_that_nearly_cancel_are_published(town: Case) -> None:
    """One shop gains twelve, another loses ten: their town shows two more; what is protected is each by itself."""
    after = changed(town, {("s0", "m"): [52, 12, 9], ("s2", "m"): [32, 14, 9]})
    frames = [made.protected.frame.set_index(["shop", "item"]) for made in corrected(town, after, ["s0", "s2"])]
    assert [frame.loc[("t0", "i0"), "value"] for frame in frames] == [126, 128]


def test_a_big_change_is_published(town: Case) -> None:
    """Ten pupils move: both figures may be seen."""
    after = changed(town, {("s0", "m"): [30, 22, 9]})
    frame = corrected(town, after, ["s0"])[1].protected.frame
    cell = frame[(frame["shop"] == "s0") & (frame["item"] == "i1")]
    assert cell["value"].tolist() == [22]


def test_a_table_of_one_path_without_insiders_is_corrected() -> None:
    """Old and new are two paths, shops one: the versions still do not become the units."""
    places = [(f"s{n}", f"t{n % 2}", "c", "o") for n in range(4)]
    before = case(places, {(f"s{n}", "m"): [40 + n, 12 + n] for n in range(4)})
    before = replace(before, places=before.places.drop(columns="chain"))
    after = changed(before, {("s0", "m"): [39, 13]})
    frame = corrected(before, after, ["s0"])[1].protected.frame
    moved = frame[(frame["shop"] == "s0") & (frame["item_level"] == "item")]
    assert moved["status"].tolist() == ["suppressed", "suppressed"]


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


def test_a_correction_tells_of_its_own_cells_only(town: Case) -> None:
    """Its utility and its certificate are about the new version: what was out already is told of by that release."""
    before = changed(town, {("s1", "m"): [40, 12, 2]})
    made = corrected(before, changed(before, {("s0", "m"): [30, 22, 9]}), ["s0"])[1]
    frame, certificate = made.protected.frame, made.protected.certificate
    assert made.utility["cells"].sum() == len(frame)
    assert made.utility["published"].sum() == frame["value"].notna().sum() == certificate["cells"]["published"]


def test_a_correction_that_changes_nothing_is_as_useful_as_the_release(town: Case) -> None:
    """What was hidden only to hide another is large enough itself: it counts as what could be shown, here too."""
    before = replace(changed(town, {("s1", "m"): [40, 12, 2]}), owners=True)
    old, new = corrected(before, before, ["s0"])
    assert new.utility.equals(old.utility)
    assert (new.utility["published"] < new.utility["bound"]).any()
    assert new.protected.certificate["cells"] == old.protected.certificate["cells"]


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "an old count that is missing": ({"old": {"n": np.nan}}, "n: the count of shop .* is missing or no number"),
    "a new count that is missing": ({"new": {"n": np.nan}}, "n: the count of shop .* is missing or no number"),
    "a new count that is no number": ({"new": {"n": "many"}}, "n: the count of shop .* is missing or no number"),
    "a new count that is negative": ({"new": {"n": -1}}, "n: the count of shop .* is negative"),
    "an old table without a column": ({"old": {"mood": None}}, "mood: a code is missing"),
    "nothing touched": ({"touched": {}}, "touched: name one dimension and its leaf codes; there are shop, item, mood"),
    "two dimensions touched": ({"touched": {"shop": ["s0"], "item": ["i0"]}}, "touched: name one dimension"),
    "an unknown dimension touched": ({"touched": {"street": ["x"]}}, "touched: name one dimension"),
    "an unknown shop touched": ({"touched": {"shop": ["s0", "s9"]}}, "shop: unknown code 's9'"),
    "a shop touched that is no list": ({"touched": {"shop": "s0"}}, "touched: give the codes of shop as a list"),
    "a release without its states": ({"released": "status"}, "released: no column 'status'"),
    "a release without its figures": ({"released": "value"}, "released: no column 'value'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_a_correction_is_named(town: Case, fault: str) -> None:
    """A missing count is no nought, and what was touched exists: refused by name before anything is searched."""
    changes, message = FAULTS[fault]
    counts = {name: town.counts.assign(**changes.get(name, {})) for name in ("old", "new")}
    cells = town.cells[LEVELS].assign(value=pd.NA, status="suppressed")
    frame = cells.drop(columns=changes["released"]) if "released" in changes else cells
    touched = changes.get("touched", {"shop": ["s0"]})
    with pytest.raises(DisclosureError, match=message):
        correct(counts["old"], counts["new"], frame, Terms(**town.arguments()), touched=touched, seed=SEED)


def test_counts_that_are_text_are_corrected_alike(town: Case) -> None:
    """Old numbers and new text are compared as numbers."""
    after = changed(town, {("s0", "m"): [30, 22, 9]})
    text = replace(after, counts=after.counts.astype({"n": str}))
    assert corrected(town, text, ["s0"])[1].protected.frame.equals(corrected(town, after, ["s0"])[1].protected.frame)


@pytest.mark.parametrize("late", [["s0"], ["s0", "s3"], ["s0", "s2", "s4"]])
def test_late_shop_is_added_without_a_trace_of_its_small_counts(town: Case, late: Sequence[str]) -> None:
    """What a late shop adds to every sum is its own figure: small ones stay hidden there and above."""
    after = changed(town, {(shop, "m"): [50, 9, 2] for shop in late})
    releases = corrected(without(town, late), after, late)
    frame = releases[1].protected.frame
    assert frame.loc[frame["shop"].isin(late), "value"].notna().any()
    assert narrowed(without(town, late), after, releases, late).empty


def test_late_shops_are_searched_among_themselves(town: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was added can move in the late shops only: a search of their number settles it, and not one of all shops."""
    late, secondary = ["s0", "s3"], importlib.import_module("disclosure.secondary")
    after = changed(town, {(shop, "m"): [50, 9, 2] for shop in late})
    asked: list[tuple[int, int, int]] = []

    def watch(patch: Any, goals: Any, order: Any) -> Any:  # noqa: ANN401  passed through
        found = few(patch, goals, order)
        asked.append((patch.size, len(goals), len(found.left)))
        return found

    few = secondary.search_few
    monkeypatch.setattr(secondary, "search_few", watch)
    corrected(without(town, late), after, late)
    ((size, goals, left),) = asked
    assert (size, goals > 0, left) == (2, True, 0)


def test_withdrawn_shop_is_taken_out_without_a_trace_of_its_small_counts(town: Case) -> None:
    """What every sum loses is that shop's figure."""
    before = changed(town, {("s0", "m"): [50, 9, 2]})
    releases = corrected(before, without(town, ["s0"]), ["s0"])
    assert narrowed(before, without(town, ["s0"]), releases, ["s0"]).empty


@pytest.mark.parametrize("what", ["shop", "mood"])
def test_an_area_that_is_left_to_one_shop_follows_its_list(what: str) -> None:
    """One of two shops of a town withdraws, or one of its moods: the town shows no more than the other shop does."""
    places = [(f"s{n}", f"t{n // 2}", f"c{n % 2}", "o") for n in range(6)]
    counts = {(f"s{n}", mood): [60 + n, 30 + n, 20 - n] for n in range(6) for mood in "lm"}
    zeros = pd.DataFrame({"shop": ["s0"], "mood": ["m"]})
    before = case(places, counts, publish=TOTALS_OF_SHOPS, zeros=zeros[:0])
    left = before.counts[(before.counts["shop"] != "s0") | (before.counts["mood"] != "m")].reset_index(drop=True)
    after = {"shop": without(before, ["s0"]), "mood": replace(before, counts=left, zeros=zeros)}[what]
    frames = [made.protected.frame for made in (after.build(), corrected(before, after, ["s0"])[1])]
    fresh, frame = (set(each[LEVELS].itertuples(index=False, name=None)) for each in frames)
    assert not frame - fresh


def test_what_the_old_release_gave_away_of_the_others_cannot_be_taken_back() -> None:
    """Two small shops were hidden within a sum of four; when the big one goes, that sum is a figure: refused."""
    places = [(f"s{n}", f"t{n // 3}", f"c{n // 3}", "o") for n in range(6)]
    lines = [[40, 30, 19], [48, 12, 2], [48, 12, 2], [40, 30, 19], [40, 30, 19], [40, 30, 19]]
    before = case(places, {(f"s{n}", "m"): line for n, line in enumerate(lines)})
    old = before.build().protected.frame.set_index(["shop", "item"])["value"]
    assert old["t0", "i2"] - old["s0", "i2"] == 4
    with pytest.raises(DisclosureError, match="cannot be protected"):
        corrected(before, without(before, ["s0"]), ["s0"])


def test_of_three_pupils_no_four_can_have_been_dropped(town: Case) -> None:
    """A shop that was tiny is corrected: public figures bound what can have changed, and no more is promised."""
    before = changed(town, {("s0", "m"): [1, 1, 1]})
    after = changed(town, {("s0", "m"): [20, 12, 9]})
    assert narrowed(before, after, corrected(before, after, ["s0"]), ["s0"]).empty


@pytest.mark.parametrize("owners", [False, True])
def test_a_figure_that_turns_small_tells_how_many_went_and_no_more(town: Case, owners: bool) -> None:
    """From 6 to 3: that two at least were dropped, everybody sees; which of two to four it was, nobody can tell."""
    before = replace(changed(town, {("s0", "m"): [40, 12, 6]}), owners=owners)
    after = changed(before, {("s0", "m"): [43, 12, 3]})
    old, new = corrected(before, after, ["s0"])
    at = (old.protected.frame["shop"] == "s0") & (old.protected.frame["item"] == "i2")
    assert old.protected.frame.loc[at, "value"].tolist() == [6]
    assert new.protected.frame.loc[at, "value"].isna().all()
    assert narrowed(before, after, (old, new), ["s0"]).empty


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.sampled_from(["moved", "late", "gone"]))
def test_random_corrections_cannot_be_seen(seed: int, what: str) -> None:
    """Random tables, one or two shops corrected by a little or a lot, late or withdrawn: nothing is narrowed."""
    rng = np.random.default_rng(seed)
    table = replace(at_random(seed), owners=False)
    shops = rng.choice(table.places["shop"], size=int(rng.integers(1, 3)), replace=False).tolist()
    before = without(table, shops) if what == "late" else table
    after = {"moved": moved(table, shops, rng), "late": table, "gone": without(table, shops)}[what]
    assert narrowed(before, after, corrected(before, after, shops), shops).empty


def moved(table: Case, shops: Sequence[str], rng: np.random.Generator) -> Case:
    """Some pupils of the first item are counted with the second."""
    counts = table.counts.set_index(list(NAMES))["n"].copy()
    items, moods = sorted(table.counts["item"].unique()), sorted(table.counts["mood"].unique())
    for shop in shops:
        by = min(int(rng.integers(1, 9)), *(int(counts[shop, items[0], mood]) for mood in moods))
        for mood in moods:
            counts[shop, items[0], mood] -= by
            counts[shop, items[1], mood] += by
    return replace(table, counts=counts.reset_index())


def test_proof_of_another_release_proves_nothing(town: Case) -> None:
    """Witnesses that do not hold are left out, and what they would have served is searched."""
    before = changed(town, {("s1", "m"): [40, 12, 2]})
    after = changed(before, {("s0", "m"): [30, 22, 9]})
    terms, frame = Terms(**before.arguments()), before.build().protected.frame
    wrong = changed(town, {("s3", "m"): [40, 1, 9]}).build().witnesses
    arguments = {"touched": {"shop": ["s0"]}, "seed": SEED}
    found = correct(before.counts, after.counts, frame, terms, proof=Proof(terms, wrong), **arguments)
    assert found.verdicts.holds


@pytest.mark.parametrize("owners", ["one", "others"])
def test_what_was_proved_against_other_insiders_is_proved_anew(owners: str) -> None:
    """There are fewer now, or others own the shops: witnesses for those of then are of no use, and break nothing."""
    then = replace(at_random(30), owners=True)
    old, others = then.build(), {"o0": "o1", "o1": "o2", "o2": "o0"}
    now = then.places["owner"].map(others) if owners == "others" else owners
    terms = Terms(**replace(then, places=then.places.assign(owner=now)).arguments())
    arguments = {"touched": {"shop": ["s0"]}, "seed": SEED, "proof": Proof(terms, old.witnesses)}
    assert correct(then.counts, then.counts, old.protected.frame, terms, **arguments).verdicts.holds


def test_two_releases_side_by_side_would_give_it_away(town: Case) -> None:
    """Two releases made apart show the single pupil that moved: the attack of these tests can succeed."""
    after = changed(town, {("s0", "m"): [39, 13, 9]})
    assert not narrowed(town, after, (town.build(), after.build()), ["s0"]).empty
