"""What was delivered for a period, without the tables it becomes: small enough for the processes that serve."""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import ColumnElement, case, distinct, func, select, true
from sqlmodel import Session, col

from gateway.collections import Contracts
from gateway.outcome import Fault
from gateway.records.expected import Cell
from gateway.register import holding_on, site_facts
from gateway.store import Count, Period, SiteFacts, Submission, SubmissionState

COUNTRY = "NL"
LEVELS = ("site", "gemeente", "swv", "country")
CURRENT = (SubmissionState.RECEIVED, SubmissionState.CONFIRMED)


def asks(session: Session, contracts: Contracts, period: Period, site: str) -> bool:
    """Whether a period asks a site to deliver: see `asked`."""
    facts = site_facts(session, site, period.reference_date)
    contract = contracts.get(period.table_id)
    return facts is not None and facts.funded and (contract is None or facts.sector in contract.subdivisions)


def asked(contracts: Contracts, period: Period) -> ColumnElement[bool]:
    """The condition that facts are those of a site that a period asks to deliver.

    On its reference date the site was in the register, and funded, and of a sector of the contract; of a collection
    that is gone it may be of any.
    """
    contract = contracts.get(period.table_id)
    return there(period) & (true() if contract is None else col(SiteFacts.sector).in_(contract.subdivisions))


def there(period: Period) -> ColumnElement[bool]:
    """The condition that facts are those of a site that was in the register of a period, and funded."""
    return holding_on(period.reference_date, model=SiteFacts) & col(SiteFacts.funded)


def counted(session: Session, period: Period) -> list[str]:
    """The submissions that count now: the confirmed one of each funded site of the register."""
    found = select(col(Submission.id)).join(SiteFacts, col(SiteFacts.site) == Submission.site)
    return list(session.execute(found.where(_confirmed(period), there(period))).scalars())


def delivered_sectors(session: Session, period: Period) -> list[str]:
    """Sectors of which at least one site delivered; a release has a table for each."""
    return sectors_of(session, period, _confirmed(period) & col(SiteFacts.funded))


def sectors_of(session: Session, period: Period, sent: ColumnElement[bool]) -> list[str]:
    """Sectors, by the register of a period, of the sites with submissions of which a condition holds."""
    there = select(col(SiteFacts.sector)).join(Submission, col(Submission.site) == SiteFacts.site).distinct()
    held = there.where(holding_on(period.reference_date, model=SiteFacts), sent)
    return sorted(session.execute(held).scalars())


def without_place(session: Session, contracts: Contracts, since: date) -> list[Fault]:
    """Sites that by the register sent, for a reference date since a day, subdivisions that their sector does not have.

    They fit in no table: no release of the period could be built, of no sector. Of a collection that is gone none is.
    """
    found = set()
    periods = select(Period).where(col(Period.reference_date) >= since, col(Period.table_id).in_(contracts))
    for period in session.execute(periods).scalars():
        for sector, offered in contracts[period.table_id].subdivisions.items():
            query = select(col(Submission.site)).join(SiteFacts, col(SiteFacts.site) == Submission.site).join(Count)
            here = holding_on(period.reference_date, model=SiteFacts) & (col(SiteFacts.sector) == sector)
            sent = (col(Submission.period_id) == period.id) & col(Submission.state).in_(CURRENT)
            lacking = query.where(here, sent, col(Count.subdivision).not_in(offered)).distinct()
            found |= set(session.execute(lacking).scalars())
    return [Fault("SITE-DELIVERED", where=site) for site in sorted(found)]


def of_another_contract(session: Session, contracts: Contracts, period: Period) -> frozenset[str]:
    """Sites of which confirmed counts are not of the kinds and bands of the contract as it is now.

    What was not asked of them then would count as nought.
    """
    kinds, bands = contracts[period.table_id].kinds.members, list(contracts[period.table_id].bands.upper)
    cells, asked_now = func.count(), func.count(distinct(col(Count.subdivision))) * len(kinds) * len(bands)
    known = func.sum(case((col(Count.kind).in_(kinds) & col(Count.band).in_(bands), 1), else_=0))
    query = (
        select(col(Submission.site)).join(Count, col(Count.submission_id) == Submission.id).where(_confirmed(period))
    )
    odd = query.group_by(col(Submission.site)).having((cells != asked_now) | (cells != known))
    return frozenset(session.execute(odd).scalars())


def own_counts(session: Session, period: Period, site: str) -> dict[Cell, int]:
    """The delivered leaf counts of one site, for that site alone."""
    query = select(col(Count.subdivision), col(Count.kind), col(Count.band), col(Count.pupils)).join(
        Submission, col(Count.submission_id) == Submission.id
    )
    rows = session.execute(query.where(_confirmed(period), col(Submission.site) == site))
    return {(subdivision, kind, band): pupils for subdivision, kind, band, pupils in rows}


def areas_of(facts: SiteFacts) -> Mapping[str, str | None]:
    """The area of each level that a site belongs to; None where it belongs to no SWV."""
    return {"site": facts.site, "gemeente": facts.gemeente, "swv": facts.swv, "country": COUNTRY}


def _confirmed(period: Period) -> ColumnElement[bool]:
    """Only confirmed submissions count."""
    return (col(Submission.period_id) == period.id) & (col(Submission.state) == SubmissionState.CONFIRMED)
