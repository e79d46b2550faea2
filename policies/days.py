"""Days as Dutch law counts them, in Europe/Amsterdam, school years, and moments as the log counts them."""

import datetime as dt
from zoneinfo import ZoneInfo

from policies.errors import PolicyError

LOCAL = ZoneInfo("Europe/Amsterdam")
FIRST_MONTH = 8


def local_day(moment: dt.datetime) -> dt.date:
    """The day a moment belongs to.

    Raises:
        PolicyError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise PolicyError("a moment needs a time zone")
    return moment.astimezone(LOCAL).date()


def beginning_of(day: dt.date) -> dt.datetime:
    """The moment a day begins."""
    return dt.datetime.combine(day, dt.time(), LOCAL)


def milliseconds(moment: dt.datetime) -> int:
    """A moment as milliseconds since 1970 UTC."""
    return int(moment.timestamp() * 1000)


def moment_of(milliseconds: int) -> dt.datetime:
    """The moment so many milliseconds after 1970 began, in UTC."""
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


def span(first: dt.date | None, last: dt.date | None) -> tuple[int | None, int | None]:
    """From the start of a first day to the end of a last one, both included and either left open.

    Returns:
        Milliseconds since 1970 UTC, the first of them inclusive and the second exclusive.
    """
    after = None if last is None or last == dt.date.max else last + dt.timedelta(days=1)
    return _midnight(first), _midnight(after)


def _midnight(day: dt.date | None) -> int | None:
    return None if day is None else milliseconds(beginning_of(day))


def start_of_school_year(day: dt.date) -> dt.date:
    """The first day, 1 August, of the school year that a day falls in."""
    return dt.date(day.year - (day.month < FIRST_MONTH), FIRST_MONTH, 1)


def end_of_school_year(day: dt.date) -> dt.date:
    """The last day, 31 July, of the school year that a day falls in; school years start on 1 August."""
    return dt.date(start_of_school_year(day).year + 1, FIRST_MONTH, 1) - dt.timedelta(days=1)
