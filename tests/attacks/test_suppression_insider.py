"""The insider: one owner who knows every cell of its own shops and subtracts them from the margins."""

from dataclasses import replace

import pytest

from tests.attacks.suppression import bare, given_away, given_away_to, one_mood, released
from tests.disclosure.world import Case, case

PLACES = [
    ("s1", "t1", "c1", "o1"), ("s2", "t1", "c1", "o1"), ("s3", "t1", "c1", "o2"),
    ("s4", "t2", "c1", "o3"), ("s5", "t2", "c1", "o4"), ("s6", "t2", "c1", "o5"),
]  # fmt: skip
COUNTS = one_mood([40, 20], [50, 14], [30, 3], [60, 12], [50, 10], [60, 18])
SEEDS = [bytes([number]) * 16 for number in range(3)]
SOLD = [("s1", "t1", "c1", "o2"), ("s2", "t1", "c1", "o1"), *PLACES[2:]]
APART = [("s1", "t1", "c1", "o1"), ("s2", "t1", "c1", "o2"), ("s3", "t2", "c1", "o1"), *PLACES[3:]]
APART_COUNTS = one_mood([40, 20], [30, 3], [50, 14], [60, 12], [50, 10], [60, 18])


def town(*, owners: bool) -> Case:
    """Owner o1 has all shops of t1 but one, whose i1 is small."""
    return case(PLACES, COUNTS, owners=owners)


@pytest.mark.parametrize("seed", SEEDS)
def test_owner_of_all_shops_but_one_subtracts(seed: bytes) -> None:
    """A table that is safe from outsiders gives the odd shop to the owner of the others; with owners declared not."""
    plain = released(town(owners=False), seed)
    assert not given_away(town(owners=False), plain)
    assert ("s3", "i1", "m") in given_away_to(town(owners=True), "o1", plain)
    assert not given_away_to(town(owners=True), "o1", released(town(owners=True), seed))


@pytest.mark.parametrize("owner", ["o1", "o2", "o3", "o4", "o5"])
def test_no_owner_learns_of_another(owner: str) -> None:
    """Each owner in turn, with all its own figures, narrows nothing of anybody else."""
    assert not given_away_to(town(owners=True), owner, released(town(owners=True)))


def test_margin_less_an_insiders_share_is_a_cell() -> None:
    """t1 has 23 customers for i1; its owner of twenty sees three strangers. So the margin itself is hidden."""
    places = [("s1", "t1", "c1", "o1"), ("s2", "t1", "c1", "o2"), ("s3", "t1", "c1", "o3"), *PLACES[3:]]
    counts = one_mood([40, 20], [50, 2], [30, 1], [60, 12], [50, 10], [60, 18])
    table = case(places, counts, owners=True, publish=[{"shop": "town"}, {"shop": "all"}])
    assert set(given_away_to(table, "o1", bare(table))) >= {("t1", "i1", "m")}
    frame = released(table).set_index(["shop", "item"])
    assert frame.loc[("t1", "i1"), "status"] == "suppressed"
    assert not given_away_to(table, "o1", frame.reset_index())


def test_owner_of_every_shop_is_no_insider() -> None:
    """A remainder over no shop is not a cell: a town of one owner is not hidden from its owner."""
    places = [(shop, place, chain, "o1" if place == "t1" else owner) for shop, place, chain, owner in PLACES]
    counts = one_mood([40, 20], [50, 14], [30, 9], [60, 12], [50, 10], [60, 18])
    assert released(case(places, counts, owners=True))["value"].notna().all()


def test_margin_is_shown_where_nobody_is_in_the_rest() -> None:
    """The third shop of t1 has no customer, as everybody knows: what is left of t1 for o1 can only be nought."""
    counts = one_mood([40, 20], [50, 14], [0, 0], [60, 12], [50, 10], [60, 18])
    table = case(PLACES, counts, owners=True)
    frame = released(table)
    assert frame.loc[frame["shop"] == "t1", "value"].tolist() == [90, 34, 124]
    assert not given_away_to(table, "o1", frame)


@pytest.mark.parametrize("seed", SEEDS)
def test_owner_that_bought_a_shop_subtracts_it_too(seed: bytes) -> None:
    """Owner o1 had s2 and bought s1 of o2, which both know: as long as s1 is o2's alone, s3 is given to o1."""
    then, now = case(SOLD, COUNTS, owners=True), case(SOLD, COUNTS, owners=True, also=[("s1", "o1")])
    assert ("s3", "i1", "m") in given_away_to(now, "o1", released(then, seed))
    frame = released(now, seed)
    assert {owner: given_away_to(now, owner, frame) for owner in ("o1", "o2")} == {"o1": {}, "o2": {}}


@pytest.mark.parametrize("seed", SEEDS)
def test_buyer_and_seller_are_two(seed: bytes) -> None:
    """Owner o2 bought s3 of o1, and each has a shop in t1: taken for one owner, they are given each other's shops."""
    table = case(APART, APART_COUNTS, owners=True, also=[("s3", "o2")])
    one = replace(table, also=(), places=table.places.replace({"owner": {"o2": "o1"}}))
    assert ("s2", "i1", "m") in given_away_to(table, "o1", released(one, seed))
    frame = released(table, seed)
    assert {owner: given_away_to(table, owner, frame) for owner in ("o1", "o2")} == {"o1": {}, "o2": {}}
