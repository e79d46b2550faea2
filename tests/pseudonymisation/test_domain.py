"""The bytes that fix the space in which pseudonyms may be compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymisation.domain import PID_LABEL, REKEY_LABEL, Domain, number_input, school_year_of, service_info
from pseudonymisation.errors import MalformedError

purposes = st.from_regex("[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True)
years = st.integers(2000, 2098).map(lambda year: f"{year}-{year + 1}")


def test_prefix_is_the_specified_bytes() -> None:
    """Label, purpose and school year, each closed by a zero byte."""
    assert Domain("absence-statistics", "2026-2027").prefix(PID_LABEL) == (
        b"nl-verzuim/pid/v1\0absence-statistics\0002026-2027\0"
    )


@given(purposes, years, purposes, years)
def test_two_domains_never_share_their_bytes(purpose: str, year: str, other: str, other_year: str) -> None:
    """Different purposes or years have different bytes, and neither prefix begins with the other."""
    one, two = Domain(purpose, year).prefix(PID_LABEL), Domain(other, other_year).prefix(PID_LABEL)
    assert (one == two) == ((purpose, year) == (other, other_year))
    assert one == two or not (one.startswith(two) or two.startswith(one))


def test_labels_keep_functions_apart() -> None:
    """A pid made from a pseudonym and a pid made from a pid never have the same input."""
    domain = Domain("absence-statistics", "2026-2027")
    assert not domain.prefix(REKEY_LABEL).startswith(PID_LABEL)


@pytest.mark.parametrize("purpose", ["", "Absence", "a\0b", "a b", "-a", "a-", "a--b"])
def test_malformed_purposes(purpose: str) -> None:
    """A purpose that could hide a separator or a look-alike is refused."""
    with pytest.raises(MalformedError):
        Domain(purpose, "2026-2027")


@pytest.mark.parametrize("year", ["2026", "2026-2028", "2026-2025", "2026-2027-1", "1999-2000", "2026–2027", ""])
def test_malformed_school_years(year: str) -> None:
    """A school year is two consecutive years of this century."""
    with pytest.raises(MalformedError):
        Domain("absence-statistics", year)


@pytest.mark.parametrize(
    ("period", "year"), [("2026-2027-1", "2026-2027"), ("2026-2027-4", "2026-2027"), ("2026-2027", "2026-2027")]
)
def test_school_year_of_a_period(period: str, year: str) -> None:
    """A period lies in the school year it starts with."""
    assert school_year_of(period) == year


@pytest.mark.parametrize("period", ["2026-2027-5", "2026-2027-0", "2026-2028-1", "2026", "", "2026-2027-1\n"])
def test_malformed_periods(period: str) -> None:
    """Anything else is no period."""
    with pytest.raises(MalformedError):
        school_year_of(period)


def test_input_of_a_number_has_27_bytes() -> None:
    """Label, zero byte, nine digits."""
    assert number_input("111222333") == b"nl-verzuim/pgn/v1\000111222333"
    assert len(number_input("111222333")) == 27


@pytest.mark.parametrize("digits", ["11122233", "1112223334", "11122233a", "١١١222333", ""])
def test_only_nine_digits_become_input(digits: str) -> None:
    """A caller that skipped the check of the number is stopped here."""
    with pytest.raises(MalformedError):
        number_input(digits)


def test_info_of_a_year_key() -> None:
    """The key of a school year is derived with that year in its info."""
    assert service_info("2026-2027") == b"nl-verzuim/voprf/v1/2026-2027"
