"""What a site gives and takes back: mandates for its suppliers, and its processor agreement (AVG art. 28).

Rows hold in [valid_from, valid_to) and stay: what was sent under them can be explained afterwards.
"""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import ColumnElement, or_, update
from sqlmodel import Session, col, select

from audit.entry import Actor, Entry
from audit.events import Event
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.store import Agreement, Mandate, Party, SiteFacts
from policies.decision import Decision
from policies.question import Action


def grant_mandate(
    desk: Desk,
    supplier: str,
    site: str,
    *,
    actions: Sequence[str],
    collections: Sequence[str],
    valid_from: date,
    valid_to: date,
) -> Mandate | Refused:
    """Register a mandate of a site for a supplier, with its scope and dates; it adds to those that hold."""

    def act(session: Session, actor: Actor, decision: Decision) -> Mandate | Refused:
        if session.get(Party, supplier) is None or session.get(Party, site) is None:
            return Refused("unknown-party")
        scope = f"{' '.join(actions)}|{' '.join(collections)}"
        row = Mandate(supplier=supplier, site=site, scope=scope, valid_from=valid_from, valid_to=valid_to)
        session.add(row)
        entry = Entry(event=Event.MANDATE_GRANTED, actor=actor, party=site, recipient=supplier)
        desk.gateway.append(session, entry, decision)
        return row

    return desk.act(Action.MANAGE_ACCESS, act)


def end_mandate(desk: Desk, supplier: str, site: str) -> int | Refused:
    """End every mandate of a site for a supplier, also one that begins later: from today it acts no more.

    Returns:
        How many ended.
    """

    def act(session: Session, actor: Actor, decision: Decision) -> int | Refused:
        ended = _end(session, Mandate, desk.gateway.today, col(Mandate.supplier) == supplier, col(Mandate.site) == site)
        if not ended:
            return Refused("not-found")
        entry = Entry(event=Event.MANDATE_REVOKED, actor=actor, party=site, recipient=supplier)
        desk.gateway.append(session, entry, decision)
        return ended

    return desk.act(Action.MANAGE_ACCESS, act)


def register_agreements(desk: Desk, sites: Sequence[str], valid_from: date) -> int | Refused:
    """Register processor agreements of sites; returns how many are new."""

    def act(session: Session, actor: Actor, decision: Decision) -> int | Refused:
        known = set(session.exec(select(SiteFacts.site)).all())
        if not known.issuperset(sites):
            return Refused("unknown-party")
        has = set(session.exec(select(Agreement.site).where(col(Agreement.valid_to).is_(None))).all())
        fresh = [site for site in sites if site not in has]
        for site in fresh:
            session.add(Agreement(site=site, valid_from=valid_from))
            entry = Entry(event=Event.AGREEMENT_REGISTERED, actor=actor, party=site)
            desk.gateway.append(session, entry, decision)
        return len(fresh)

    return desk.act(Action.MANAGE_REGISTER, act)


def end_agreement(desk: Desk, site: str) -> int | Refused:
    """End the processor agreement of a site: from today it can deliver counts only; returns how many rows ended."""

    def act(session: Session, actor: Actor, decision: Decision) -> int | Refused:
        ended = _end(session, Agreement, desk.gateway.today, col(Agreement.site) == site)
        if not ended:
            return Refused("not-found")
        desk.gateway.append(session, Entry(event=Event.AGREEMENT_ENDED, actor=actor, party=site), decision)
        return ended

    return desk.act(Action.MANAGE_REGISTER, act)


def _end(session: Session, model: type[Mandate | Agreement], day: date, *which: ColumnElement[bool]) -> int:
    """Let rows hold no more from a day on; those that begin later never will."""
    lasting = or_(col(model.valid_to).is_(None), col(model.valid_to) > day)
    return session.connection().execute(update(model).where(*which, lasting).values(valid_to=day)).rowcount
