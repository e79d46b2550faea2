"""Two recipients pool their tables: the town's and the chain's, which cut each other into parts nobody published."""

import pytest

from tests.attacks.suppression import bare, bounds, given_away, one_mood, released
from tests.disclosure.world import Case, case

# Town t1 is split over two chains; only s3, or s3 and s7, are its part of c2.
PLACES = [
    ("s1", "t1", "c1", "o"), ("s2", "t1", "c1", "o"), ("s3", "t1", "c2", "o"), ("s4", "t2", "c2", "o"),
    ("s5", "t2", "c2", "o"), ("s6", "t2", "c2", "o"),
]  # fmt: skip
WIDER = [*PLACES, ("s7", "t1", "c2", "o"), ("s8", "t3", "c1", "o"), ("s9", "t3", "c1", "o")]
COUNTS = one_mood([40, 12], [50, 14], [30, 2], [60, 12], [50, 10], [30, 12])
WIDER_COUNTS = {**COUNTS, ("s7", "m"): [30, 1], ("s8", "m"): [20, 8], ("s9", "m"): [30, 9]}
# Shop s2 belongs to no chain.
LOOSE = [
    ("s1", "t1", "c1", "o"), ("s2", "t1", None, "o"), ("s3", "t2", "c2", "o"), ("s4", "t2", "c2", "o"),
    ("s5", "t1", "c1", "o"),
]  # fmt: skip
LOOSE_COUNTS = one_mood([40, 12], [50, 3], [60, 12], [50, 10], [40, 20])
AREAS = [{"shop": "town"}, {"shop": "chain"}, {"shop": "all"}]
SEEDS = [bytes([number]) * 16 for number in range(3)]


@pytest.fixture
def split() -> Case:
    """A town of which one shop belongs to another chain; only towns, chains and the country are published."""
    return case(PLACES, COUNTS, publish=AREAS)


def test_nothing_published_is_small(split: Case) -> None:
    """Neither table has a small cell: each recipient alone sees nothing wrong."""
    assert bare(split)["value"].notna().all()


@pytest.mark.parametrize("seed", SEEDS)
def test_town_less_chain_is_a_shop(split: Case, seed: bytes) -> None:
    """t1 - c1 = s3: the pool reads its two customers, unless a margin that nobody would call small is hidden."""
    assert bounds(split, bare(split), "shop", "s3", "i1") == (2, 2)
    low, high = bounds(split, released(split, seed), "shop", "s3", "i1")
    assert (low, high >= 4) == (0, True)


@pytest.mark.parametrize("seed", SEEDS)
def test_part_of_two_shops_cannot_be_computed(seed: bytes) -> None:
    """A town's part of a chain is a count of people like any other, though it has no name."""
    table = case(WIDER, WIDER_COUNTS, publish=AREAS)
    assert bounds(table, bare(table), "part", "t1c2", "i1") == (3, 3)
    low, high = bounds(table, released(table, seed), "part", "t1c2", "i1")
    assert (low, high >= 4) == (0, True)


def test_part_costs_nothing_where_only_one_recipient_looks() -> None:
    """Without the chains' table nobody can pool: everything is published."""
    table = case(WIDER, WIDER_COUNTS, publish=[{"shop": "town"}, {"shop": "all"}])
    assert released(table)["value"].notna().all()


@pytest.mark.parametrize("levels", [("town", "chain", "all"), ("chain", "all"), ("town", "chain")])
def test_shop_outside_every_chain_cannot_be_computed(levels: tuple[str, ...]) -> None:
    """What a town, or everything, has outside the chains is a part too: the sum less the chains' share."""
    table = case(LOOSE, LOOSE_COUNTS, publish=[{"shop": level} for level in levels])
    assert given_away(table, released(table)) == {}
    assert bounds(table, bare(table), "shop", "s2", "i1") == (3, 3)
    low, high = bounds(table, released(table), "shop", "s2", "i1")
    assert (low, high >= 4) == (0, True)


def test_shop_outside_every_chain_costs_nothing_without_a_margin() -> None:
    """Where the margin of everything is not shown, nobody can subtract the chains from it."""
    frame = released(case(LOOSE, LOOSE_COUNTS, publish=[{"shop": "chain"}]))
    assert frame["value"].notna().all()


@pytest.mark.parametrize("seed", SEEDS)
def test_shops_beside_towns_and_chains(seed: bytes) -> None:
    """With the shops published too, hiding s3 alone is read from town less chain less shops."""
    table = case(WIDER, WIDER_COUNTS)
    assert set(given_away(table, bare(table)).values()) == {"narrowed"}
    assert not given_away(table, released(table, seed))
