"""What holds after a restore or will, though it may have been ended or replaced after the backup."""

from collections.abc import Iterator, Mapping
from datetime import date

from sqlalchemy import and_, func
from sqlmodel import Session, col, select

from gateway.register import lasting
from gateway.store import (
    Agreement,
    Mandate,
    PartyKey,
    Period,
    Release,
    ReleaseState,
    SiteFacts,
    Submission,
    SubmissionState,
)

Again = tuple[str, Mapping[str, str]]


def to_repeat(session: Session, day: date) -> Iterator[Again]:
    """All that the operator goes through: what it is (`cli.again-…` says how to do it once more) and its names."""
    confirmed = and_(col(Submission.period_id) == Period.id, col(Submission.state) == SubmissionState.CONFIRMED)
    counting = select(Period.table_id, Period.code, func.count(col(Submission.id))).outerjoin(Submission, confirmed)
    open_yet = counting.where(col(Period.counts_erased_on).is_(None)).group_by(Period.table_id, Period.code)
    for table, period, sites in session.exec(open_yet.order_by(Period.code, Period.table_id)):
        yield "deliveries", {"collection": table, "period": period, "sites": str(sites)}
    published = select(Release.id, Period.code).join(Period).where(Release.state == ReleaseState.PUBLISHED)
    for release, period in session.exec(published.order_by(Period.code, Release.id)):
        yield "release", {"id": release, "period": period}
    mandates = select(Mandate.supplier, func.count(col(Mandate.site).distinct())).where(lasting(day, model=Mandate))
    for supplier, sites in session.exec(mandates.group_by(Mandate.supplier).order_by(Mandate.supplier)):
        yield "mandates", {"supplier": supplier, "sites": str(sites)}
    for key in session.exec(select(PartyKey).order_by(PartyKey.party, PartyKey.kid)):
        yield "recipient-key", {"party": key.party, "kid": key.kid}
    agreements = session.exec(select(func.count()).select_from(Agreement).where(lasting(day, model=Agreement))).one()
    if agreements:
        yield "agreements", {"number": str(agreements)}
    registered = select(func.count(col(SiteFacts.site).distinct())).where(lasting(day, model=SiteFacts))
    yield "sites", {"number": str(session.exec(registered).one())}
