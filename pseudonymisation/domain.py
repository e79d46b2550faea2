"""The domain of a pseudonym: the space in which two of them may be compared, and the bytes that fix it.

Every input of a keyed function starts with a label of its own, so that no output of one can pass for another's.
Purposes do not join and school years do not join: each pair has its own random key, and its bytes besides.
"""

import re
from dataclasses import dataclass

from pseudonymisation.errors import MalformedError

INPUT_LABEL = b"nl-verzuim/pgn/v1"
SERVICE_LABEL = b"nl-verzuim/voprf/v1"
PID_LABEL = b"nl-verzuim/pid/v1"
REKEY_LABEL = b"nl-verzuim/rekey/v1"

_PURPOSE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_YEAR = re.compile(r"(20[0-9]{2})-(20[0-9]{2})")
_PERIOD = re.compile(r"(20[0-9]{2}-20[0-9]{2})(-[1-4])?")
_DIGITS = re.compile(r"[0-9]{9}")


def check_school_year(school_year: str) -> str:
    """The same text if it is a school year such as `2026-2027`.

    Raises:
        MalformedError: it is not.
    """
    match = _YEAR.fullmatch(school_year)
    if match is None or int(match[2]) != int(match[1]) + 1:
        raise MalformedError("a school year is two consecutive years, such as 2026-2027")
    return school_year


def school_year_of(period: str) -> str:
    """The school year of a period (`2026-2027-1` … `-4`, or the school year itself).

    Raises:
        MalformedError: not a period.
    """
    match = _PERIOD.fullmatch(period)
    if match is None:
        raise MalformedError("a period is a school year and a number from 1 to 4, such as 2026-2027-1")
    return check_school_year(match[1])


@dataclass(frozen=True, slots=True)
class Domain:
    """A purpose in a school year.

    Raises:
        MalformedError: a purpose that is not lower-case words joined by hyphens, or no school year. The strictness
            keeps the separator 00 out of both, so that two domains never share their bytes.
    """

    purpose: str
    school_year: str

    def __post_init__(self) -> None:
        if not _PURPOSE.fullmatch(self.purpose):
            raise MalformedError("a purpose is lower-case words joined by hyphens, such as absence-statistics")
        check_school_year(self.school_year)

    def prefix(self, label: bytes) -> bytes:
        """`label ‖ 00 ‖ purpose ‖ 00 ‖ school_year ‖ 00`: what stands before the value to be keyed."""
        return b"\0".join((label, self.purpose.encode(), self.school_year.encode(), b""))


def number_input(digits: str) -> bytes:
    """The input of the oblivious function for nine digits: 27 bytes, `"nl-verzuim/pgn/v1" ‖ 00 ‖ digits`.

    Raises:
        MalformedError: not nine ASCII digits.
    """
    if not _DIGITS.fullmatch(digits):
        raise MalformedError("a number has nine digits")
    return INPUT_LABEL + b"\0" + digits.encode("ascii")


def service_info(school_year: str) -> bytes:
    """The `info` of DeriveKeyPair (RFC 9497 section 3.2.1) for the service's key of a school year."""
    return SERVICE_LABEL + b"/" + check_school_year(school_year).encode()
