"""What happens to a submission after its receipt: confirmed, withdrawn, read back by its own site."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, or_
from sqlmodel import Session, col, select

from audit.entry import Entry, Object
from audit.errors import NotLoggedError
from audit.events import Event
from audit.receipt import issue, with_proof
from gateway.context import Gateway
from gateway.identity import Identity, caller_of, still_good
from gateway.outcome import GatewayError, Refused
from gateway.periods import takes
from gateway.proving import proof_of
from gateway.receive import CURRENT, Matter, counts_of, decide_on, look_up, milliseconds
from gateway.records.expected import Cell
from gateway.register import holding_on
from gateway.store import Enrolment, Mandate, Period, Receipt, Submission, SubmissionState
from policies.decision import Decision, Deny, Permit
from policies.question import Action
from policies.things import Delivery

PROOF_WITHIN = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """A submission with its counts, for its own site."""

    submission: Submission
    period: str
    counts: Mapping[Cell, int]


def confirm(gateway: Gateway, identity: Identity, submission_id: str) -> Seen | Refused:
    """Confirm the counts of the newest version: from now on they are the site's delivery.

    The version that was confirmed before is replaced and loses its rows. Confirming twice changes nothing.
    """
    return _act(gateway, identity, submission_id, Action.CONFIRM, _confirm)


def _confirm(gateway: Gateway, session: Session, found: "_Found") -> Seen | Refused:
    submission, period = found.again(session)
    if submission.state == SubmissionState.CONFIRMED:
        return _seen(session, submission, period)
    if not takes(session, period, submission.site):
        return Refused("period-closed")
    versions = [row for row in _versions(session, submission) if row.state in CURRENT]
    if submission.state != SubmissionState.RECEIVED or submission.version != versions[0].version:
        return Refused("not-current")
    for row in versions[1:]:
        _drop(session, row, SubmissionState.REPLACED)
    now = gateway.clock()
    submission.state, submission.confirmed_at = SubmissionState.CONFIRMED, now
    appended = gateway.append(session, found.entry(Event.SUBMISSION_CONFIRMED), found.decision)
    details = {"operators": gateway.operators}
    made = milliseconds(now)
    receipt = issue(gateway.receipts, kind="confirmation", entry=appended.data, made=made, details=details)
    session.add(Receipt(entry_id=appended.entry_id, party=submission.site, subject=submission.id, text=receipt))
    return _seen(session, submission, period)


def withdraw(gateway: Gateway, identity: Identity, submission_id: str) -> Seen | Refused:
    """Withdraw a submission: its rows are erased, and the site has no delivery until it confirms another."""
    return _act(gateway, identity, submission_id, Action.WITHDRAW_SUBMISSION, _withdraw)


def _withdraw(gateway: Gateway, session: Session, found: "_Found") -> Seen | Refused:
    submission, period = found.again(session)
    if not takes(session, period, submission.site):
        return Refused("period-closed")
    if submission.state not in CURRENT:
        return Refused("not-current")
    _drop(session, submission, SubmissionState.WITHDRAWN)
    gateway.append(session, found.entry(Event.SUBMISSION_WITHDRAWN), found.decision)
    return _seen(session, submission, period)


def read(gateway: Gateway, identity: Identity, submission_id: str) -> Seen | Refused:
    """One submission of the caller's own site."""
    found = _find(gateway, identity, submission_id, Action.READ_SUBMISSION)
    if isinstance(found, Refused):
        return found
    found.log_read(gateway)
    with gateway.reading() as session:
        return _seen(session, found.submission, found.matter.period)


def receipt_of(
    gateway: Gateway, identity: Identity, submission_id: str, *, confirmation: bool = False
) -> str | Refused:
    """The receipt of a submission, or of its confirmation, with the proof that its entry is in the log.

    The proof follows within a second.
    """
    found = _find(gateway, identity, submission_id, Action.READ_SUBMISSION)
    if isinstance(found, Refused):
        return found
    with gateway.reading() as session:
        of_both = session.exec(select(Receipt).where(Receipt.subject == submission_id))
        wanted = (one for one in of_both if (one.entry_id != found.submission.entry_id) is confirmation)
        receipt = next(wanted, None)
    try:
        proof = proof_of(gateway, receipt.entry_id) if receipt else None
    except NotLoggedError:
        return Refused("proof-follows", retry_after=PROOF_WITHIN)
    if receipt is None or proof is None:
        return found.undone(gateway, Refused("not-found"))
    found.log_read(gateway)
    return with_proof(receipt.text, proof)


def own_submissions(
    gateway: Gateway, identity: Identity, period: str | None = None
) -> Sequence[tuple[Submission, str]]:
    """All submissions of the caller's own site with their period, newest first; for who has mandates, of their sites.

    For each of those the law says whether the mandate lets it be read.
    """
    given = select(Mandate.site).where(Mandate.supplier == identity.party, holding_on(gateway.today, model=Mandate))
    with gateway.reading() as session:
        query = (
            select(Submission, Period.code)
            .join(Period)
            .where(or_(col(Submission.site) == identity.party, col(Submission.site).in_(given)))
            .order_by(col(Submission.received_at).desc())
        )
        if period is not None:
            query = query.where(Period.code == period)
        found = [(submission, code) for submission, code in session.exec(query)]
        others = {(row.collection, row.site, code): row for row, code in found if row.site != identity.party}
        closed = {about for about, row in others.items() if not _may_read(gateway, session, identity, row, about[-1])}
        return [(row, code) for row, code in found if (row.collection, row.site, code) not in closed]


def _may_read(gateway: Gateway, session: Session, identity: Identity, submission: Submission, period: str) -> bool:
    about = {"collection": submission.collection, "site": submission.site, "period": period}
    matter = look_up(gateway, session, identity, **about)
    return isinstance(matter, Matter) and isinstance(decide_on(gateway, matter, Action.READ_SUBMISSION), Permit)


@dataclass(frozen=True, slots=True)
class _Found:
    """A submission the caller may act on, as it was when the law was asked."""

    submission: Submission
    matter: Matter
    decision: Decision

    def again(self, session: Session) -> tuple[Submission, Period]:
        """The submission as it is now, kept from changing until the transaction ends."""
        submission = session.get_one(Submission, self.submission.id, with_for_update=True)
        return submission, session.get_one(Period, submission.period_id, with_for_update={"read": True})

    def undone(self, gateway: Gateway, refused: Refused) -> Refused:
        """Log that the state of things stood in the way of what the law permitted."""
        entry = Entry(event=Event.SUBMISSION_REFUSED, actor=self.matter.actor, period=self.matter.period.code)
        gateway.log_undone(entry, self.decision)
        return refused

    def log_read(self, gateway: Gateway) -> None:
        """Log that its counts go out; asking again for a proof that follows is no reading."""
        gateway.log_act(self.entry(Event.SUBMISSION_READ), self.decision)

    def entry(self, event: Event) -> Entry:
        """The entry of an act on this submission."""
        return Entry(
            event=event,
            actor=self.matter.actor,
            party=self.submission.site,
            period=self.matter.period.code,
            object=Object(f"submission:{self.submission.id}"),
        )


def _act(
    gateway: Gateway,
    identity: Identity,
    submission_id: str,
    action: Action,
    change: Callable[[Gateway, Session, _Found], Seen | Refused],
) -> Seen | Refused:
    """Change a submission, with a credential that is still good; what the law permitted and was not done is logged."""
    found = _find(gateway, identity, submission_id, action)
    if isinstance(found, Refused):
        return found

    def work(session: Session) -> Seen | Refused:
        if not still_good(session, identity, gateway.clock()):
            return Refused("unauthenticated")
        return change(gateway, session, found)

    outcome = gateway.together(work)
    return found.undone(gateway, outcome) if isinstance(outcome, Refused) else outcome


def _find(gateway: Gateway, identity: Identity, submission_id: str, action: Action) -> _Found | Refused:
    """A submission the caller may act on; an unknown one and somebody else's give the same refusal."""
    with gateway.reading() as session:
        submission = session.get(Submission, submission_id)
        if submission is None:
            matter: Matter | Refused = _nothing(gateway, session, identity)
        else:
            period = session.get_one(Period, submission.period_id)
            about = {"collection": submission.collection, "site": submission.site, "period": period.code}
            matter = look_up(gateway, session, identity, **about)
    if isinstance(matter, Refused):
        return matter
    decision = decide_on(gateway, matter, action)
    if submission is not None and not isinstance(decision, Deny):
        return _Found(submission, matter, decision)
    if isinstance(decision, Deny):
        return gateway.refuse(Entry(event=Event.REQUEST_REFUSED, actor=matter.actor), decision)
    raise GatewayError("the law permitted an act on a submission that does not exist")


def _nothing(gateway: Gateway, session: Session, identity: Identity) -> Matter:
    """What an unknown submission is about: a delivery of nobody, so that its refusal takes the path of any other."""
    contract = next(iter(gateway.contracts.values()))
    thing = Delivery(party="", sector="", data=contract.collection.data)
    return Matter(caller_of(session, identity, gateway.today), contract, Period(), None, thing)


def _versions(session: Session, submission: Submission) -> Sequence[Submission]:
    query = (
        select(Submission)
        .where(Submission.period_id == submission.period_id, Submission.site == submission.site)
        .order_by(col(Submission.version).desc())
    )
    return session.exec(query).all()


def _drop(session: Session, submission: Submission, state: SubmissionState) -> None:
    """End a version: its pseudonymous rows go at once."""
    submission.state = state
    session.execute(delete(Enrolment).where(col(Enrolment.submission_id) == submission.id))


def _seen(session: Session, submission: Submission, period: Period) -> Seen:
    session.flush()
    return Seen(submission, period.code, counts_of(session, submission.id))
