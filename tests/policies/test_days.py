"""Days of Dutch law."""

# ruff: noqa: E501  a table is read by its rows

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.days import end_of_school_year, local_day, span, start_of_school_year
from policies.errors import PolicyError


@pytest.mark.parametrize(
    ("day", "first"),
    [("2026-08-01", 2026), ("2026-07-31", 2025), ("2027-01-01", 2026), ("2026-12-31", 2026)],
)  # fmt: skip
def test_a_school_year_is_from_1_august_to_31_july(day: str, first: int) -> None:
    """Whichever day of it is asked about."""
    asked = dt.date.fromisoformat(day)
    assert (start_of_school_year(asked), end_of_school_year(asked)) == (dt.date(first, 8, 1), dt.date(first + 1, 7, 31))


@given(st.dates(dt.date(1990, 1, 1), dt.date(2100, 1, 1)))
def test_the_end_lies_within_a_year(day: dt.date) -> None:
    """Never before the day, never a year or more after it."""
    assert 0 <= (end_of_school_year(day) - day).days < 366


@pytest.mark.parametrize(
    ("moment", "day"),
    [("2026-10-24T22:00:00+00:00", "2026-10-25"), ("2026-10-25T22:59:59+00:00", "2026-10-25"), ("2026-10-25T23:00:00+00:00", "2026-10-26")],
)  # fmt: skip
def test_the_day_the_clock_goes_back_has_25_hours(moment: str, day: str) -> None:
    """Midnight follows summer and winter time."""
    assert local_day(dt.datetime.fromisoformat(moment)) == dt.date.fromisoformat(day)


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [("2026-11-02", "2026-11-02", 24), ("2026-10-25", "2026-10-25", 25), ("2027-03-28", "2027-03-28", 23), ("2026-11-01", "2026-11-02", 48)],
)  # fmt: skip
def test_a_span_of_days_includes_both(first: str, last: str, hours: int) -> None:
    """In Amsterdam, whose days are not all as long."""
    since, until = span(dt.date.fromisoformat(first), dt.date.fromisoformat(last))
    assert since is not None
    assert until is not None
    assert (until - since) // 3_600_000 == hours
    assert local_day(dt.datetime.fromtimestamp(since / 1000, dt.UTC)) == dt.date.fromisoformat(first)


def test_a_span_may_be_open() -> None:
    """Without a day, and where no day follows the last one."""
    assert span(None, None) == (None, None)
    assert span(dt.date.min, dt.date.max)[1] is None


def test_a_moment_without_zone_has_no_day() -> None:
    """Guessing would move midnight."""
    with pytest.raises(PolicyError, match="time zone"):
        local_day(dt.datetime(2026, 1, 1))  # noqa: DTZ001  that is the point
