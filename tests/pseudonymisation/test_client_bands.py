"""Illness by band, in exact integers."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymisation.client.bands import Band, band_of, illness_counts
from pseudonymisation.client.rows import PupilRow
from pseudonymisation.errors import PseudonymisationError
from pseudonymisation.number import Number
from tests.pseudonymisation.world import BANDS


def pupil(illness: int, scheduled: int = 20_000, subdivision: str = "lower_years") -> PupilRow:
    """A pupil ill for so many hundredths of an hour."""
    return PupilRow(Number("111222333", unusual=False), subdivision, scheduled, illness, illness, 0)


@pytest.mark.parametrize(
    ("missed", "band"),
    [
        (0, "upto5"), (1_000, "upto5"), (1_001, "5to10"), (2_000, "5to10"), (2_001, "10to20"), (4_000, "10to20"),
        (4_001, "above20"), (20_000, "above20"),
    ],
)  # fmt: skip
def test_boundaries(missed: int, band: str) -> None:
    """Of 200 hours: 10 is up to 5 per cent, 10.01 is more; likewise 20 and 40."""
    assert band_of(missed, 20_000, BANDS) == band


@given(st.integers(1, 10**8), st.data())
def test_agrees_with_fractions(scheduled: int, data: st.DataObject) -> None:
    """The integers give what exact fractions give."""
    missed = data.draw(st.integers(0, scheduled))
    share = Fraction(100 * missed, scheduled)
    expected = "upto5" if share <= 5 else "5to10" if share <= 10 else "10to20" if share <= 20 else "above20"
    assert band_of(missed, scheduled, BANDS) == expected


def test_zeros_are_written() -> None:
    """Every band of every offered subdivision has its count, 0 included; every pupil is in one band."""
    counts = illness_counts([pupil(0), pupil(1_001), pupil(0)], BANDS, ["lower_years", "upper_years"])
    assert [one["pupils"] for one in counts] == [2, 1, 0, 0, 0, 0, 0, 0]
    assert {one["subdivision"] for one in counts} == {"lower_years", "upper_years"}


def test_without_a_list_the_subdivisions_that_occur_are_counted() -> None:
    """A client that does not know what the site offers counts what is there."""
    counts = illness_counts([pupil(0, subdivision="vmbo")], BANDS, None)
    assert [(one["subdivision"], one["band"], one["pupils"]) for one in counts] == [
        ("vmbo", "upto5", 1), ("vmbo", "5to10", 0), ("vmbo", "10to20", 0), ("vmbo", "above20", 0),
    ]  # fmt: skip


def test_bands_that_end_too_early_are_an_error() -> None:
    """A share without a band would vanish from the counts."""
    with pytest.raises(PseudonymisationError):
        band_of(50, 100, [Band("upto5", 5)])
