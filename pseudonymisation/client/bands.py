"""How many pupils missed how much through illness: counted at the school, so that no row of illness leaves it."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pseudonymisation.client.rows import PupilRow
from pseudonymisation.errors import PseudonymisationError


@dataclass(frozen=True, slots=True)
class Band:
    """A band of the share of scheduled hours missed: above the band before, up to and including `upto` per cent.

    Attributes:
        code: such as `upto5`.
        upto: whole per cent.
    """

    code: str
    upto: int


def band_of(missed: int, scheduled: int, bands: Sequence[Band]) -> str:
    """The band of `missed` out of `scheduled`, both in 1/100 hour, compared as integers.

    Raises:
        PseudonymisationError: the bands leave a share without a band.
    """
    for band in bands:
        if 100 * missed <= band.upto * scheduled:
            return band.code
    raise PseudonymisationError("a share is above the last band")


def illness_counts(
    pupils: Sequence[PupilRow], bands: Sequence[Band], offered: Collection[str] | None
) -> list[dict[str, str | int]]:
    """`{subdivision, band, pupils}` for every band of every subdivision, zeros written as 0.

    Args:
        pupils: the checked rows.
        bands: in rising order, the last up to 100.
        offered: the subdivisions to count; None counts those that occur.
    """
    counts = Counter((pupil.subdivision, band_of(pupil.illness, pupil.scheduled, bands)) for pupil in pupils)
    subdivisions = sorted({pupil.subdivision for pupil in pupils} if offered is None else offered)
    return [
        {"subdivision": subdivision, "band": band.code, "pupils": counts[subdivision, band.code]}
        for subdivision in subdivisions
        for band in bands
    ]
