"""Notices that a consent has ended: its recipient erases what it received, and answers; its school reads what."""

from dataclasses import dataclass
from datetime import date

from sqlmodel import col, select

from audit.events import Event as AuditEvent
from gateway.consents import decide, entry, load, refuse, undone
from gateway.context import Gateway
from gateway.identity import Identity, still_good
from gateway.outcome import Refused
from gateway.standing import Standing, standings
from gateway.store import ConsentNotice
from policies.decision import Deny
from policies.question import Action
from policies.withdrawal import Answer, Notice, notice, overdue


@dataclass(frozen=True, slots=True)
class Notified:
    """That a recipient was told that a consent has ended: the last day to answer, and the answer once there is one."""

    answer_by: date
    answer: Answer | None


def notified(gateway: Gateway, consent_id: str) -> Notified | None:
    """How far the notice about a consent is, for whoever may read the consent; None where nobody had to be told."""
    with gateway.reading() as session:
        row = session.get(ConsentNotice, consent_id)
        return None if row is None else Notified(row.answer_by, answer_of(row))


def answer_of(row: ConsentNotice) -> Answer | None:
    """What its recipient answered to a notice, if it did."""
    return Answer.model_validate_json(row.answer) if row.answer else None


def answer_notice(gateway: Gateway, identity: Identity, consent_id: str, answer: Answer) -> Standing | Refused:
    """What the recipient did after the notice that a consent has ended; the same answer again changes nothing.

    What was kept can be erased later; no other answer follows the first.
    """
    standing = load(gateway, consent_id)
    decision = decide(gateway, identity, standing, Action.ANSWER_NOTICE)
    if isinstance(decision, Deny):
        return refuse(gateway, decision)
    with gateway.writing() as session:
        good = still_good(session, identity, gateway.clock())
        row = session.get(ConsentNotice, consent_id, with_for_update=True)
        first = answer_of(row) if row is not None else None
        erased_now = first is not None and (first.outcome, answer.outcome) == ("kept", "erased")
        if good and row is not None and (first is None or erased_now):
            row.answer = answer.model_dump_json()
            gateway.append(session, entry(gateway, AuditEvent.CONSENT_NOTICE_ANSWERED, consent_id), decision)
            return standing
    if not good:
        return undone(gateway, Refused("unauthenticated"), decision)
    if first is not None and (first.outcome, first.basis) == (answer.outcome, answer.basis):
        return standing
    return undone(gateway, Refused("not-found" if first is None else "answered-already"), decision)


def notices_of(gateway: Gateway, identity: Identity) -> list[ConsentNotice]:
    """The notices to the caller, newest first."""
    with gateway.reading() as session:
        query = select(ConsentNotice).where(ConsentNotice.recipient == identity.party)
        return list(session.exec(query.order_by(col(ConsentNotice.answer_by).desc())))


def overdue_notices(gateway: Gateway) -> tuple[Notice, ...]:
    """Notices without an answer after their last day, for the privacy officer."""
    with gateway.reading() as session:
        rows = session.exec(select(ConsentNotice)).all()
        ended = standings(session, [row.consent_id for row in rows], gateway.clock())
        sent = [notice(one.id, one.state) for one in ended]
    return overdue(sent, [row.consent_id for row in rows if row.answer], gateway.today)
