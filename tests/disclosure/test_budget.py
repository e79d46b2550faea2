"""Whole millionths: division that never exceeds, and the first account that cannot bear a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from disclosure.budget import Account, Overdrawn, divide, first_overdrawn
from disclosure.errors import DisclosureError


@given(st.integers(100_000, 10**9), st.dictionaries(st.text(min_size=1), st.integers(1, 100), min_size=1, max_size=9))
def test_parts_never_exceed_the_whole(total: int, shares: dict[str, int]) -> None:
    """Divided parts add up to the total or a little less, each in proportion to its share."""
    parts = divide(total, shares)
    assert total - len(shares) < sum(parts.values()) <= total
    assert all(parts[name] == total * share // sum(shares.values()) for name, share in shares.items())


@pytest.mark.parametrize(("total", "shares"), [(10, {}), (10, {"a": 1, "b": 99}), (0, {"a": 1})])
def test_a_level_without_budget_is_refused(total: int, shares: dict[str, int]) -> None:
    """A level that gets nothing cannot be asked about."""
    with pytest.raises(DisclosureError, match="no budget"):
        divide(total, shares)


def test_the_first_account_that_cannot_bear_it_is_named() -> None:
    """The answer holds cap, spent, asked and left of the account that refuses."""
    period, year = Account("period", 125, 0), Account("year", 500, 400)
    assert first_overdrawn(100, [period, year]) is None
    refused = first_overdrawn(101, [period, year])
    assert refused == Overdrawn(year, 101)
    assert refused.account.left == 100


def test_a_lowered_cap_leaves_nothing() -> None:
    """An account of which more was spent than its cap is now has nothing left, not less than nothing."""
    assert Account("year", 100, 300).left == 0


def test_asking_for_nothing_is_an_error() -> None:
    """A request for no budget is a mistake, not a free release."""
    with pytest.raises(DisclosureError, match="positive"):
        first_overdrawn(0, [])
