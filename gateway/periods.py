"""Periods: when a table is asked for, and until when a site may change what it sent."""

import re
from datetime import date, timedelta

from sqlalchemy import ColumnElement, bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from audit.entry import Actor, Entry, Object
from audit.events import Event
from gateway.collections import Contract, Contracts
from gateway.messages import MendableError
from gateway.outcome import Fault
from gateway.store import Period, PeriodState, Release, ReleaseState, Reopening, table_of
from policies.days import FIRST_MONTH
from policies.purpose import Purposes
from pseudonymisation.domain import check_school_year
from pseudonymisation.errors import MalformedError

ROWS, COUNTS = "counting-for-school", "statutory-counts"
_QUARTER = re.compile(r"20[0-9]{2}-20[0-9]{2}-[1-4]")
_YEAR = re.compile(r"20[0-9]{2}-20[0-9]{2}")
_EARLY = timedelta(days=183)  # a first period may be counted on a day before its school year


def period_fault(code: str, contract: Contract) -> str | None:
    """The rule a period's code breaks: four deliveries a year, or a whole school year for a yearly collection."""
    form = _YEAR if contract.collection.cadence == "year" else _QUARTER
    return None if form.fullmatch(code) and is_school_year(school_year(code)) else "PERIOD-CODE"


def days_fault(code: str, reference_date: date, deadline: date) -> Fault | None:
    """What is wrong with the days of a period: both belong to its school year, since terms run from them."""
    year = school_year(code)
    if not earliest_day(year) <= reference_date <= last_day(year):
        return Fault("PERIOD-DAYS", column="reference_date")
    within = reference_date <= deadline <= last_deadline(year)
    return None if within else Fault("PERIOD-DAYS", column="deadline")


def entry_of(event: Event, actor: Actor, period: Period, contracts: Contracts, party: str | None = None) -> Entry:
    """The entry of an act on a period: of which table, and whether it is an exercise.

    A table that the deployment has no more is no word of the log any more.
    """
    about = Object(f"{'exercise' if period.exercise else 'period'}:{period.table_id}/{period.code}")
    known = period.table_id in contracts
    return Entry(event=event, actor=actor, period=period.code, party=party, object=about if known else None)


def school_year(code: str) -> str:
    """The school year of a period: its first nine characters."""
    return code[:9]


def is_school_year(year: str) -> bool:
    """Whether a text names a school year: two consecutive years."""
    try:
        check_school_year(year)
    except MalformedError:
        return False
    return True


def earliest_day(year: str) -> date:
    """The first day that a period of a school year can be counted on."""
    return first_day(year) - _EARLY


def first_day(year: str) -> date:
    """1 August, the first day of a school year."""
    return date(int(year[:4]), FIRST_MONTH, 1)


def last_day(year: str) -> date:
    """31 July, the last day of a school year."""
    return first_day(year).replace(year=int(year[5:])) - timedelta(days=1)


def last_deadline(year: str) -> date:
    """31 July of the next school year, the last day that can be a deadline."""
    return last_day(year).replace(year=int(year[5:]) + 1)


def last_use(year: str) -> date:
    """The first day on which keys of a school year are no longer used: late corrections end there, on 1 January."""
    return date(int(year[5:]) + 1, 1, 1)


def rows_end(purposes: Purposes, year: str) -> date:
    """The first day on which rows of a school year, and the keys they stand under, may not be there any more."""
    kept = purposes[ROWS].retention
    if kept is None or kept.after != "school_year":
        raise MendableError("no-retention", purpose=ROWS)
    return last_day(year) + timedelta(days=kept.days + 1)


def counts_end(purposes: Purposes, period: Period) -> date:
    """The first day on which exact counts of a period, and what repeats them, may not be there any more.

    A deadline that was stored later than any can be counts as the last one: no slip of a digit keeps small counts.
    Once they were erased it is that day: a term that is made longer since brings no period back without its counts.
    """
    if period.counts_erased_on is not None:
        return period.counts_erased_on
    kept = purposes[COUNTS].retention
    if kept is None or kept.after != "period":
        raise MendableError("no-retention", purpose=COUNTS)
    return min(period.deadline, last_deadline(school_year(period.code))) + timedelta(days=kept.days + 1)


_PERIOD = select(Period).where(Period.table_id == bindparam("table"), Period.code == bindparam("code"))
_ROW = table_of(Period).c
_STATE_KEPT = core_select(_ROW.state).where(_ROW.id == bindparam("id")).with_for_update(read=True)


def counts_are_over(purposes: Purposes, period: Period, today: date) -> bool:
    """Whether the counts of a period are past their term, be it open or closed: there is nothing to do with it."""
    return counts_end(purposes, period) <= today


def find_period(session: Session, table: str, code: str) -> Period | None:
    """A period of a table."""
    return session.exec(_PERIOD, params={"table": table, "code": code}).first()


def demand_tables(session: Session, contracts: Contracts) -> None:
    """Refuse to work without the contract of a table of which periods are kept: everything of them is read by it.

    Raises:
        MendableError: names the tables.
    """
    gone = set(session.exec(select(Period.table_id).distinct())) - set(contracts)
    if gone:
        raise MendableError("table-without-contract", tables=", ".join(sorted(gone)))


def takes(session: Session, period: Period, site: str) -> bool:
    """Whether a site may deliver: the period is open, or was reopened for this site."""
    return period.state == PeriodState.OPEN or _is_reopened(session, period, site)


def keep_open(session: Session, period: Period, site: str) -> bool:
    """Whether a site may deliver at this moment; until the transaction ends the period is not closed."""
    state = session.connection().scalar(_STATE_KEPT, {"id": period.id})
    return state == PeriodState.OPEN or (state is not None and _is_reopened(session, period, site))


def hold_year(session: Session, year: str) -> None:
    """Let the deliveries of a school year that are being stored end, and no other begin until this transaction ends."""
    hold_periods(session, _ROW.code.startswith(year))


def hold_periods(session: Session, which: ColumnElement[bool]) -> None:
    """The same of the deliveries of some periods; and no figures of a site's own of them go out."""
    session.connection().execute(core_select(_ROW.id).where(which).order_by(_ROW.id).with_for_update()).all()


def keeps_counts(session: Session, purposes: Purposes, period: Period, today: date) -> bool:
    """Whether the counts of a period are within their term; until the transaction ends none of them is erased."""
    held = session.get_one(Period, period.id, with_for_update={"read": True})
    return not counts_are_over(purposes, held, today)


def reopened_for(session: Session, period: Period) -> list[str]:
    """Sites for which a closed period takes a late change; while there are any, what it says may still change."""
    again = select(Reopening.site).where(Reopening.period_id == period.id, col(Reopening.closed_at).is_(None))
    return list(session.exec(again.distinct().order_by(Reopening.site)))


def is_being_built(session: Session, period: Period) -> bool:
    """Whether a worker has a release of this period to build: what it counts was read, and paid for, when asked."""
    building = select(Release.id).where(Release.period_id == period.id, Release.state == ReleaseState.BUILDING)
    return session.exec(building).first() is not None


def _is_reopened(session: Session, period: Period, site: str) -> bool:
    return site in reopened_for(session, period)


def school_year_on(day: date) -> str:
    """The school year a day lies in: from 1 August to 31 July."""
    first = day.year if day.month >= FIRST_MONTH else day.year - 1
    return f"{first}-{first + 1}"
