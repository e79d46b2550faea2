"""The reader who knows that moods are ordered: whoever is counted in `less` is counted in `more`."""

import pytest

from disclosure import Inequality
from tests.attacks.suppression import ORDER, given_away, ordered, released
from tests.disclosure.world import case

PLACES = [(shop, "t1", "c1", "o") for shop in ("s1", "s2", "s3", "s4")]
SEEDS = [bytes([number]) * 16 for number in range(4)]


def test_order_between_moods_narrows_what_each_mood_alone_does_not() -> None:
    """A release that ignores the order is safe from whoever ignores it, and is narrowed by whoever knows it."""
    frame = released(ordered(()))
    assert not given_away(ordered(()), frame)
    assert given_away(ordered(ORDER), frame)


@pytest.mark.parametrize("seed", SEEDS)
def test_declared_order_narrows_nothing(seed: bytes) -> None:
    """With the order declared, the same table is released so that knowing it does not help."""
    assert not given_away(ordered(ORDER), released(ordered(ORDER), seed))


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_order_over_sums_narrows_nothing(seed: bytes) -> None:
    """Whoever is in `all` above 2t is in one of the parts above t: a bound over two cells on the larger side."""
    order = (
        *(Inequality({"mood": part, "item": "i2"}, {"mood": "all", "item": "i2"}) for part in ("a", "b")),
        Inequality(
            {"mood": "all", "item": "i2"},
            [{"mood": mood, "item": item} for mood in ("a", "b") for item in ("i1", "i2")],
        ),
    )
    lines = {
        ("s1", "all"): [40, 20, 9], ("s1", "a"): [58, 9, 2], ("s1", "b"): [60, 7, 2],
        ("s2", "all"): [30, 20, 8], ("s2", "a"): [45, 7, 6], ("s2", "b"): [49, 6, 3],
        ("s3", "all"): [50, 9, 3], ("s3", "a"): [55, 4, 3], ("s3", "b"): [58, 3, 1],
        ("s4", "all"): [50, 9, 7], ("s4", "a"): [55, 6, 5], ("s4", "b"): [56, 5, 5],
    }  # fmt: skip
    table = case(PLACES, lines, inequalities=order)
    assert not given_away(table, released(table, seed))
