"""The neighbour: subtracts every town but one from the country, and towns that are one shop from nothing at all."""

import pytest

from tests.attacks.suppression import bare, bounds, given_away, one_mood, released
from tests.disclosure.world import Case, case

TOWNS = [("s1", "t1"), ("s2", "t1"), ("s3", "t2"), ("s4", "t3"), ("s5", "t3")]
PLACES = [(shop, town, "c1", "o") for shop, town in TOWNS]
PAIRS = [*PLACES, ("s6", "t2", "c1", "o")]
PAIR_SMALL = one_mood([40, 1], [50, 2], [30, 12], [60, 12], [50, 10], [60, 20])
ONE_SHOP_SMALL = one_mood([40, 13], [50, 14], [30, 2], [60, 12], [50, 10])
LISTS = {
    "everything": None,
    "towns": [{"shop": "town"}, {"shop": "all"}],
    "shops with less than towns": [{"shop": "town"}, {"shop": "all"}, {"shop": "shop", "item": "any"}],
}
SEEDS = [bytes([number]) * 16 for number in range(3)]


@pytest.fixture(params=LISTS)
def table(request: pytest.FixtureRequest) -> Case:
    """Town t2 is one shop, with two customers for i1; all else is big."""
    return case(PLACES, ONE_SHOP_SMALL, publish=LISTS[request.param])


def test_neighbours_subtract_a_town_that_alone_is_hidden() -> None:
    """The country less all other towns is the hidden one."""
    table = case(PAIRS, PAIR_SMALL, publish=LISTS["towns"])
    assert given_away(table, bare(table)) == {("t1", "i0", "m"): "exact", ("t1", "i1", "m"): "exact"}
    assert not given_away(table, released(table))


@pytest.mark.parametrize("seed", SEEDS)
def test_town_of_one_shop_cannot_be_computed(table: Case, seed: bytes) -> None:
    """Whatever is listed, the shop can have anything from none to four: also where the list leaves its town out."""
    assert bounds(table, bare(table), "shop", "s3", "i1") == (2, 2)
    low, high = bounds(table, released(table, seed), "shop", "s3", "i1")
    assert (low, high >= 4) == (0, True)


@pytest.mark.parametrize("seed", SEEDS)
def test_town_of_one_shop_says_what_its_shop_says(seed: bytes) -> None:
    """A cell that is hidden at the shop is not printed again as its town, big ones included."""
    lone = [("s1", "t1", "c1", "o"), ("s2", "t2", "c1", "o"), ("s3", "t3", "c1", "o")]
    frame = released(case(lone, one_mood([40, 3], [50, 14], [30, 12])), seed).set_index("shop")["status"]
    assert [list(frame[f"s{n}"]) == list(frame[f"t{n}"]) for n in (1, 2, 3)] == [True, True, True]
    assert (frame == "suppressed").sum() == 8


def test_item_that_a_list_leaves_out_cannot_be_computed() -> None:
    """A list of two of three items with their total shows the third; it is hidden with another."""
    counts = one_mood([40, 13, 2], [50, 14, 11], [30, 12, 9], [60, 12, 9], [50, 10, 8])
    table = case(PLACES, counts, publish=[{"item": ["i0", "i1", "any"]}])
    assert bounds(table, bare(table), "shop", "s1", "i2") == (2, 2)
    low, high = bounds(table, released(table), "shop", "s1", "i2")
    assert (low, high >= 4) == (0, True)


def test_town_that_a_list_leaves_out_cannot_be_computed() -> None:
    """A list of some towns and the country shows the town left out."""
    table = case(PAIRS, PAIR_SMALL, publish=[{"shop": ["t2", "t3", "all"]}])
    assert bounds(table, bare(table), "town", "t1", "i1") == (3, 3)
    low, high = bounds(table, released(table), "town", "t1", "i1")
    assert (low, high >= 4) == (0, True)
