"""The judge: believes no frame and no witness that it cannot check, and says what is not proven."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from disclosure import DisclosureError, Inequality, Terms
from disclosure.attacker import judge
from disclosure.witness import Witnesses, gather
from tests.disclosure.world import Case, at_random, case

PLACES = [("s1", "t1", "c1", "o1"), ("s2", "t1", "c1", "o2"), ("s3", "t1", "c1", "o3"), ("s4", "t2", "c1", "o4")]
COUNTS = {("s1", "m"): [40, 2], ("s2", "m"): [50, 9], ("s3", "m"): [60, 8], ("s4", "m"): [30, 12]}
S1, S2, S3, S4 = range(4)
HIDDEN = [("s1", "i0"), ("s1", "i1"), ("s2", "i0"), ("s2", "i1")]


@pytest.fixture
def shops() -> Case:
    """Four shops; s1 has a small cell, and s2 is hidden with it."""
    return case(PLACES, COUNTS, owners=False)


def frame_of(table: Case, hidden: list[tuple[str, str]]) -> pd.DataFrame:
    """Every cell printed but the hidden ones."""
    cells = table.cells
    shown = ~pd.Series(list(zip(cells["shop"], cells["item"], strict=True))).isin(hidden)
    codes = cells[["shop", "shop_level", "item", "item_level", "mood", "mood_level"]]
    return codes.assign(value=cells["n"].astype("Int64").where(shown))


def witness(*changes: dict[int, list[int]], insider: int = -1) -> Witnesses:
    """Witnesses from shop to the change of its items."""
    return gather((np.array(list(one)), np.array(list(one.values())), insider) for one in changes)


def moved(by: int) -> dict[int, list[int]]:
    """So many more of i1 at s1, as many fewer at s2; head-counts stay."""
    return {S1: [-by, by], S2: [by, -by]}


def verdict(table: Case, proof: Witnesses, hidden: list[tuple[str, str]] | None = None, **changes: object) -> bool:
    """Whether the judge is convinced."""
    terms = Terms(**{**table.arguments(), **changes})
    return judge(frame_of(table, HIDDEN if hidden is None else hidden), table.counts, terms, proof).holds


def test_two_ends_seen_is_proof(shops: Case) -> None:
    """s1 may have none or four: two tables that everybody must think possible."""
    assert verdict(shops, witness(moved(-2), moved(2)))


@pytest.mark.parametrize("proof", [witness(), witness(moved(-2)), witness(moved(2)), witness(moved(-2), moved(1))])
def test_an_end_nobody_saw_is_no_proof(shops: Case, proof: Witnesses) -> None:
    """Without a table for each end the cell counts as narrowed."""
    assert not verdict(shops, proof)


FALSE: dict[str, tuple[Witnesses, str]] = {
    "names a unit below the first": (witness({S1 - 4: [-2, 2], S2: [2, -2]}), "names what is not in the table"),
    "names a unit after the last": (witness({S4 + 1: [-2, 2], S2: [2, -2]}), "names what is not in the table"),
    "names a leaf after the last": (witness({S1: [-2, 0, 2]}), "names what is not in the table"),
    "is for an insider there is not": (witness(moved(2), insider=7), "names what is not in the table"),
    "breaks a published total": (witness({S1: [-2, 2]}), "changes a cell that an outsider knows"),
    "moves a published shop": (witness({S1: [-2, 2], S3: [2, -2]}), "changes a cell that an outsider knows"),
    "changes a head-count": (witness({S1: [0, 2], S2: [0, -2]}), "changes a cell that an outsider knows"),
    "makes a count negative": (witness(moved(-3)), "is no possible table"),
    "breaks the bound of a small cell": (witness(moved(3)), "breaks a bound that its reader knows"),
}


@pytest.mark.parametrize("fault", FALSE)
def test_false_witness_is_refused(shops: Case, fault: str) -> None:
    """One impossible table among good ones spoils the proof: something is wrong with whoever made it."""
    lie, message = FALSE[fault]
    lie = replace(lie, number=lie.number + 2)
    good = witness(moved(-2), moved(2))
    names = ("number", "unit", "leaf", "by", "insider")
    both = Witnesses(*(np.concatenate([getattr(good, name), getattr(lie, name)]) for name in names))
    with pytest.raises(DisclosureError, match=message):
        verdict(shops, both)


@pytest.mark.parametrize("number", [[0, 0, 1, 1, 0, 0], [-1, -1, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2]])
def test_witnesses_out_of_order_are_refused(shops: Case, number: list[int]) -> None:
    """Entries that belong to no witness, or come back to an earlier one, are no proof of anything."""
    proof = witness(moved(-2), moved(2))
    entries = np.resize(np.arange(4), 6)
    odd = replace(
        proof, number=np.array(number), **{name: getattr(proof, name)[entries] for name in ("unit", "leaf", "by")}
    )
    with pytest.raises(DisclosureError, match="not in order"):
        verdict(shops, odd)


def test_witness_that_breaks_an_inequality_is_refused() -> None:
    """Nobody who knows the order of the moods believes a table that breaks it."""
    counts = {(shop, mood): line for (shop, _), line in COUNTS.items() for mood in ("more", "less")}
    order = Inequality({"mood": "less", "item": "i1"}, {"mood": "more", "item": "i1"})
    table = case(PLACES, counts)
    one = witness({S1: [-2, 2, 0, 0], S2: [2, -2, 0, 0]})
    terms = Terms(**table.arguments())
    leaves = one.leaf.reshape(2, 2) * 2  # items x moods: the change is of `less`, the first mood by name
    one = replace(one, leaf=leaves.ravel())
    frame = frame_of(table, HIDDEN)
    assert not judge(frame, table.counts, terms, one).holds
    with pytest.raises(DisclosureError, match="no possible table"):
        judge(frame, table.counts, replace(terms, inequalities=[order]), one)


def test_witness_in_a_structural_zero_is_refused(shops: Case) -> None:
    """A shop that cannot sell i1 cannot have sold it in another table either."""
    counts = {**COUNTS, ("s4", "m"): [42, 0]}
    zeros = pd.DataFrame({"shop": ["s4"], "item": ["i1"]})
    table = case(PLACES, counts, zeros=zeros)
    with pytest.raises(DisclosureError, match="no possible table"):
        verdict(table, witness({S1: [2, -2], S4: [-2, 2]}))


def test_witness_outside_a_known_bound_is_refused(shops: Case) -> None:
    """Whoever read elsewhere that s2 has 8 to 10 does not believe 7."""
    known = shops.cells.query("shop == 's2' and item == 'i1'").assign(lower=8, upper=10)
    with pytest.raises(DisclosureError, match="breaks a bound that its reader knows"):
        verdict(shops, witness(moved(2)), known=known)


def test_changes_that_a_machine_adds_up_to_nothing_are_refused() -> None:
    """2 + 1022 + 3 x 2**62 + (2**62 - 1024) is 2**64, which whole numbers of 64 bits take for nought."""
    by = [2, 1022, 2**62, 2**62, 2**62, 2**62 - 1024]
    table = case([(f"s{n}", "t", "c", "o") for n in range(6)], {(f"s{n}", "m"): [40, 2 + 10 * n] for n in range(6)})
    table = replace(table, public=())
    hidden = [(f"s{n}", item) for n in range(6) for item in ("i1", "any")]
    lie = Witnesses(np.zeros(6, int), np.arange(6), np.ones(6, int), np.array(by), np.array([-1]))
    with pytest.raises(DisclosureError, match="no possible table"):
        verdict(table, lie, hidden)


def test_witness_does_not_convince_whose_shops_it_changes(shops: Case) -> None:
    """The owner of s2 knows that s2 is as it is: tables that change s2 prove nothing to it."""
    proof = witness(moved(-2), moved(2))
    owned = {"coalitions": pd.DataFrame({"shop": ["s2"], "insider": ["o2"]})}
    assert not verdict(shops, proof, **owned)
    others = [{S1: [-by, by], S3: [by, -by]} for by in (-2, 2)]
    hidden = [*HIDDEN, ("s3", "i0"), ("s3", "i1")]
    assert verdict(shops, witness(moved(-2), moved(2), *others), hidden, **owned)


def test_witness_for_an_insider_leaves_its_units_alone(shops: Case) -> None:
    """A table made for the owner of s2 that changes s2 is a mistake."""
    owned = {"coalitions": pd.DataFrame({"shop": ["s2"], "insider": ["o2"]})}
    with pytest.raises(DisclosureError, match="for an insider changes a unit of that insider"):
        verdict(shops, witness(moved(2), insider=0), **owned)


def shown(frame: pd.DataFrame, item: str, value: int) -> pd.DataFrame:
    """The frame with a figure of s1 in it."""
    return frame.assign(value=frame["value"].mask((frame["shop"] == "s1") & (frame["item"] == item), value))


FRAMES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "shows a small figure": (lambda frame: shown(frame, "i1", 2), "shows a small figure"),
    "shows a small rest": (lambda frame: shown(frame, "i0", 40), "shows a small figure"),
    "shows another figure": (lambda f: f.assign(value=f["value"] + 1), "not the true one"),
    "shows part of a person": (lambda f: f.assign(value=f["value"].astype(float) + 0.9), "not the true one"),
    "shows what it hides elsewhere": (
        lambda f: pd.concat([f[(f["shop"] == "s2") & (f["item"] == "i1")].assign(value=9), f]),
        "changes a cell that an outsider knows",
    ),
    "names an unknown shop": (lambda f: f.replace("s3", "s9"), "shop: no code 's9' at level 'shop'"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FRAMES)
def test_frame_that_does_not_fit_is_refused(shops: Case, fault: str) -> None:
    """A release shows true figures, and no small one, whatever its witnesses say."""
    spoil, message = FRAMES[fault]
    frame = spoil(frame_of(shops, HIDDEN))
    with pytest.raises(DisclosureError, match=message) as refusal:
        judge(frame, shops.counts, Terms(**shops.arguments()), witness(moved(-2), moved(2)))
    assert not any(figure in str(refusal.value) for figure in ("40", "42", "50"))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_witness_of_a_build_counts(seed: int) -> None:
    """The judge agrees with its verdict when asked again, and no longer once the witnesses are gone."""
    table = at_random(seed)
    made, terms = table.build(), Terms(**table.arguments())
    frame = made.protected.frame
    again = judge(frame, table.counts, terms, made.witnesses)
    assert (again, again.holds) == (made.verdicts, True)
    assert not judge(frame, table.counts, terms, witness()).holds


def test_verdicts_are_totals(shops: Case) -> None:
    """Small cells and those proven safe; here the count and its rest, at one shop."""
    terms = Terms(**shops.arguments())
    found = judge(frame_of(shops, HIDDEN), shops.counts, terms, witness(moved(-2)))
    assert (found.small, found.safe, found.margins, found.witnesses) == (2, 0, 0, 1)
