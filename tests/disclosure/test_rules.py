"""The rule: which counts are small, how far a reader must be able to think, and what rules are refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disclosure import DisclosureError, Inequality, ThresholdRule
from disclosure.primary import small_ends


@pytest.mark.parametrize(
    ("rule", "lowest", "highest", "floor"),
    [
        (ThresholdRule(), 0, 4, 9),
        (ThresholdRule(min_denominator=17), 0, 4, 17),
        (ThresholdRule(minimum=3, zeros_are_small=False), 1, 2, 5),
        (ThresholdRule(complements=False), 0, 4, 0),
    ],
)
def test_rule_says_what_is_small(rule: ThresholdRule, lowest: int, highest: int, floor: int) -> None:
    """The least and the highest small count, and the known total below which a row is withheld whole."""
    assert (rule.lowest, rule.highest, rule.floor) == (lowest, highest, floor)


@pytest.mark.parametrize(
    ("rule", "count", "total", "ends"),
    [
        (ThresholdRule(), 3, 60, (0, 4)),
        (ThresholdRule(), 5, 60, None),
        (ThresholdRule(), 57, 60, (56, 60)),
        (ThresholdRule(), 60, 60, (56, 60)),
        (ThresholdRule(), 4, -1, (0, 4)),
        (ThresholdRule(), 2, 3, (0, 3)),
        (ThresholdRule(), 3, 7, (0, 7)),
        (ThresholdRule(zeros_are_small=False), 0, 60, None),
        (ThresholdRule(zeros_are_small=False), 3, 60, (1, 4)),
        (ThresholdRule(complements=False), 57, 60, None),
    ],
)
def test_small_count_and_the_ends_it_must_keep(
    rule: ThresholdRule, count: int, total: int, ends: tuple[int, int] | None
) -> None:
    """A count or the rest of its known total (-1: none) that is small must stay possible from one end to the other."""
    small, low, high = small_ends(rule, np.array([count]), np.array([[total]]), np.array([count + 99]))
    assert ((int(low[0]), int(high[0])) if small[0] else None) == ends


@given(st.integers(3, 12), st.booleans(), st.integers(0, 60), st.integers(0, 60))
def test_truth_lies_between_the_ends(minimum: int, zeros: bool, count: int, rest: int) -> None:
    """Whatever the rule, what must stay possible includes what is true, and never more than the known total."""
    rule = ThresholdRule(minimum=minimum, zeros_are_small=zeros)
    small, low, high = small_ends(rule, np.array([count]), np.array([[count + rest]]), np.array([count]))
    assert not small[0] or 0 <= low[0] <= count <= high[0] <= count + rest


def test_row_below_the_floor_may_have_both_small() -> None:
    """The floor is where a count and its rest cannot both be small any more."""
    rule = ThresholdRule()
    both = [n for n in range(30) if any(k <= rule.highest and n - k <= rule.highest for k in range(n + 1))]
    assert max(both) == rule.floor - 1


@pytest.mark.parametrize(
    "settings",
    [
        {"minimum": 1},
        {"minimum": 0},
        {"minimum": 2.5},
        {"minimum": 2, "zeros_are_small": False},
        {"min_denominator": -1},
        {"min_denominator": None},
    ],
)
def test_rule_that_protects_nobody_is_refused(settings: dict[str, Any]) -> None:
    """A threshold of one or of half a person, one that leaves one small count only, and a negative denominator."""
    with pytest.raises(DisclosureError, match=r"minimum is|min_denominator is"):
        ThresholdRule(**settings)


@pytest.mark.parametrize("sides", [([], []), ({"mood": "less"}, [])])
def test_inequality_without_a_side_is_refused(sides: tuple[Any, Any]) -> None:
    """At most nothing is what a structural zero says."""
    with pytest.raises(DisclosureError, match="name a cell on each side"):
        Inequality(*sides)


def test_inequality_is_a_value() -> None:
    """One cell or several on each side; equal statements are equal."""
    one = Inequality({"mood": "less"}, {"mood": "more"})
    assert one == Inequality([{"mood": "less"}], [{"mood": "more"}])
    assert len(Inequality({"mood": "less"}, [{"mood": "more"}, {"mood": "more"}]).larger) == 2
