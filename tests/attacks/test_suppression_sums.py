"""The adder: knows that hidden small counts lie between 0 and 4, and what they must add to."""

import pytest

from disclosure import ThresholdRule
from tests.attacks.suppression import bare, given_away, one_mood, released
from tests.disclosure.world import case

TOWNS = {"s1": "t1", "s2": "t1", "s3": "t1", "s4": "t2", "s5": "t2", "s6": "t3", "s7": "t3"}
PLACES = [(shop, town, "c1", "o") for shop, town in TOWNS.items()]
OTHERS = ([60, 12], [50, 10], [30, 12], [30, 14])
TRAPS = {
    "three times four is twelve": ([40, 4], [50, 4], [60, 4], "exact"),
    "eleven leaves each three or four": ([40, 4], [50, 4], [60, 3], "narrowed"),
    "two cells add to one": ([40, 1], [50, 0], [60, 15], "narrowed"),
    "two cells add to seven": ([40, 3], [50, 4], [60, 15], "narrowed"),
    "two cells add to eight": ([40, 4], [50, 4], [60, 15], "exact"),
    "a column of zeros": ([40, 0], [50, 0], [60, 0], "exact"),
}
SEEDS = [bytes([number]) * 16 for number in range(2)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("trap", TRAPS)
def test_sum_of_small_cells_narrows_none_of_them(trap: str, seed: bytes) -> None:
    """Hiding small cells only gives them away; hiding what the sum says with them does not."""
    *lines, verdict = TRAPS[trap]
    table = case(PLACES, one_mood(*lines, *OTHERS))
    narrowed = given_away(table, bare(table))
    assert narrowed["s1", "i1", "m"] == verdict
    assert not given_away(table, released(table, seed))


def test_two_marks_would_tell_more() -> None:
    """Whoever is not told which hidden cells are small knows less, so the certificate holds for that reader too."""
    *lines, _ = TRAPS["three times four is twelve"]
    table = case(PLACES, one_mood(*lines, *OTHERS))
    frame = released(table)
    told, untold = table.attacked(frame), table.attacked(frame, told=False)
    assert (untold["least"] <= told["least"]).all()
    assert (untold["most"] >= told["most"]).all()


def test_zeros_that_may_be_shown_are_shown() -> None:
    """With a rule that lets zeros pass, a town of zeros is printed and what is 1 to 4 keeps that range."""
    rule = ThresholdRule(zeros_are_small=False)
    table = case(PLACES, one_mood([40, 0], [50, 0], [60, 0], [60, 3], [50, 2], [30, 12], [30, 14]), rule=rule)
    frame = released(table).set_index(["shop", "item"])
    assert frame.loc[("t1", "i1"), "value"] == 0
    assert not given_away(table, frame.reset_index())
