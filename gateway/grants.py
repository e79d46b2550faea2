"""What a site gives and takes back: mandates for its suppliers, and its processor agreement (AVG art. 28).

Rows hold in [valid_from, valid_to) and stay: what was sent under them can be explained afterwards.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date

from sqlalchemy import ColumnElement, update
from sqlmodel import Session, col, select

from audit.entry import Actor, Entry
from audit.events import Event
from gateway.operate import Desk
from gateway.outcome import Fault, Refused, Report
from gateway.register import lasting
from gateway.store import Agreement, Mandate, Party, SiteFacts
from policies.decision import Decision
from policies.question import ABOUT, Action
from policies.things import Delivery

# What a supplier can do for a site: the acts that are about a delivery.
MANDATED = sorted(action.value for action, thing in ABOUT.items() if thing is Delivery)
USUAL = ("submit", "check", "confirm", "read-submission")
"""What it may do where the mandate does not say: all of it, but not withdraw what was delivered."""


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
    faults = list(_faults(actions, collections, sorted(desk.gateway.contracts), lasts=valid_from < valid_to))
    if faults:
        return Refused("faults-in-request", report=Report.of(faults))

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


def _faults(
    actions: Collection[str], collections: Collection[str], known: Sequence[str], *, lasts: bool
) -> Iterator[Fault]:
    """What is wrong with a mandate, each with what could be chosen."""
    if not lasts:
        yield Fault("MANDATE-DAYS", column="valid_to")
    for name, asked, there in (("actions", actions, MANDATED), ("collections", collections, known)):
        if not asked or not set(asked).issubset(there):
            yield Fault(f"MANDATE-{name.upper()}", column=name, where=" · ".join(there))


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
    """Register processor agreements of sites; returns how many are new, or begin earlier than they did."""

    def act(session: Session, actor: Actor, decision: Decision) -> int | Refused:
        known = set(session.exec(select(SiteFacts.site)).all())
        if not known.issuperset(sites):
            return Refused("unknown-party")
        has = {row.site: row for row in session.exec(select(Agreement).where(col(Agreement.valid_to).is_(None)))}
        fresh = [site for site in dict.fromkeys(sites) if site not in has or has[site].valid_from > valid_from]
        for site in fresh:
            row = has.get(site) or Agreement(site=site, valid_from=valid_from)
            row.valid_from = valid_from
            session.add(row)
            entry = Entry(event=Event.AGREEMENT_REGISTERED, actor=actor, party=site)
            desk.gateway.append(session, entry, decision)
        return len(fresh)

    return desk.act(Action.MANAGE_REGISTER, act)


def end_agreement(desk: Desk, site: str) -> int | Refused:
    """End the processor agreement of a site; returns how many ended.

    From today it can deliver counts only and pass nothing on under a consent, and the next retention run erases its
    rows per pupil and what was sent under its consents.
    """

    def act(session: Session, actor: Actor, decision: Decision) -> int | Refused:
        ended = _end(session, Agreement, desk.gateway.today, col(Agreement.site) == site)
        if not ended:
            return Refused("not-found")
        desk.gateway.append(session, Entry(event=Event.AGREEMENT_ENDED, actor=actor, party=site), decision)
        return ended

    return desk.act(Action.MANAGE_REGISTER, act)


def _end(session: Session, model: type[Mandate | Agreement], day: date, *which: ColumnElement[bool]) -> int:
    """Let rows hold no more from a day on; those that begin later never will."""
    ending = update(model).where(*which, lasting(day, model=model)).values(valid_to=day)
    return session.connection().execute(ending).rowcount
