"""What holds after a restore or will, although it may have been ended after the backup: nothing can tell."""

from collections.abc import Iterator, Mapping
from datetime import date

from sqlalchemy import func
from sqlmodel import Session, col, select

from gateway.register import lasting
from gateway.store import Agreement, Mandate, PartyKey, Period, Release, ReleaseState

Again = tuple[str, Mapping[str, str]]


def to_repeat(session: Session, day: date) -> Iterator[Again]:
    """All that the operator goes through: what it is (`cli.again-…` says how to end it once more) and its names."""
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
