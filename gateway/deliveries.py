"""What happens to a submission after its receipt: confirmed, withdrawn, read back by its own site."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import bindparam, delete, or_, update
from sqlmodel import Session, col, select

from audit.entry import Entry, Object
from audit.events import Event
from audit.receipt import issue, with_proof
from gateway.context import Gateway
from gateway.delivered import CURRENT
from gateway.identity import Identity, caller_of
from gateway.matter import Matter, decide_on, hold, look_up
from gateway.outcome import GatewayError, Refused
from gateway.periods import counts_are_over, keep_open, school_year
from gateway.prepared import hold_pids
from gateway.proving import proof_of
from gateway.receive import VERSIONS, counts_of, keep_receipt
from gateway.records.expected import Cell
from gateway.register import holding_on
from gateway.store import Enrolment, Mandate, Period, Receipt, Submission, SubmissionState, table_of
from policies.days import milliseconds
from policies.decision import Decision, Deny, Permit
from policies.question import Action
from policies.things import Delivery

# Built once: statements of every confirmation.
_WITH_PERIOD = select(Submission, Period.code).join(Period).where(Submission.id == bindparam("id"))
_AT_ONCE = 100
_LOCKED_VERSIONS = VERSIONS.with_for_update()
_WITH_ROWS = VERSIONS.where(col(Submission.pid_key_id) != "").limit(1)
_TURN = update(table_of(Submission)).where(table_of(Submission).c.id == bindparam("of"))


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
    return _act(gateway, identity, submission_id, Action.CONFIRM, _confirm, ends=True)


def _confirm(gateway: Gateway, session: Session, found: "_Found") -> Seen | Refused:
    submission, stays, states = found.submission, found.stays(session), found.states(session)
    if states.get(submission.id) == SubmissionState.CONFIRMED:
        return found.seen(session)
    if not stays:
        return Refused("period-closed")
    if counts_are_over(gateway.law.purposes, found.matter.period, gateway.today):
        return Refused("counts-erased")
    newest, *older = states or ("",)
    if newest != submission.id:
        return Refused("not-current")
    for each in older:
        _drop(session, each, SubmissionState.REPLACED)
    now = gateway.clock()
    _turn(session, submission.id, SubmissionState.CONFIRMED, confirmed_at=now)
    appended = gateway.append(session, found.entry(Event.SUBMISSION_CONFIRMED), found.decision)
    details = {"operators": gateway.operators}
    made = milliseconds(now)
    receipt = issue(gateway.receipts, kind="confirmation", entry=appended.data, made=made, details=details)
    keep_receipt(session, appended.entry_id, party=submission.site, subject=submission.id, text=receipt)
    return found.seen(session)


def withdraw(gateway: Gateway, identity: Identity, submission_id: str) -> Seen | Refused:
    """Withdraw a submission: its rows are erased.

    Of the confirmed version the site has no delivery until it confirms another; of one that waits nothing changes.
    """
    return _act(gateway, identity, submission_id, Action.WITHDRAW_SUBMISSION, _withdraw, ends=True)


def _withdraw(gateway: Gateway, session: Session, found: "_Found") -> Seen | Refused:
    if not found.stays(session):
        return Refused("period-closed")
    if counts_are_over(gateway.law.purposes, found.matter.period, gateway.today):
        return Refused("counts-erased")
    submission = found.submission
    if submission.id not in found.states(session):
        return Refused("not-current")
    _drop(session, submission.id, SubmissionState.WITHDRAWN)
    gateway.append(session, found.entry(Event.SUBMISSION_WITHDRAWN), found.decision)
    return found.seen(session)


def read(gateway: Gateway, identity: Identity, submission_id: str) -> Seen | Refused:
    """One submission of the caller's own site."""
    return _act(gateway, identity, submission_id, Action.READ_SUBMISSION, _read)


def _read(gateway: Gateway, session: Session, found: "_Found") -> Seen:
    """Log that its counts go out; asking again for a proof that follows is no reading."""
    gateway.append(session, found.entry(Event.SUBMISSION_READ), found.decision)
    return found.seen(session)


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
    if receipt is None:
        had = are_erased(found.submission) and (not confirmation or found.submission.confirmed_at is not None)
        return found.undone(gateway, Refused("receipt-expired" if had else "not-found"))
    proof = proof_of(gateway, receipt.entry_id)
    if isinstance(proof, Refused):
        return proof
    seen = _done(gateway, identity, found, _read)
    return seen if isinstance(seen, Refused) else with_proof(receipt.text, proof)


def are_erased(submission: Submission) -> bool:
    """Whether the counts of a submission went when their term was over, and its receipts with them."""
    return not submission.tag


def own_submissions(
    gateway: Gateway, identity: Identity, period: str | None = None, *, most: int | None = None
) -> list[tuple[Submission, str]]:
    """Submissions of the caller's own site with their period, newest first; for who has mandates, of their sites.

    For each of those the law says whether the mandate lets it be read; it is asked no further than the `most` wanted.
    """
    given = select(Mandate.site).where(Mandate.supplier == identity.party, holding_on(gateway.today, model=Mandate))
    with gateway.reading() as session:
        query = (
            select(Submission, Period.code)
            .join(Period)
            .where(or_(col(Submission.site) == identity.party, col(Submission.site).in_(given)))
            .order_by(col(Submission.received_at).desc(), col(Submission.id))
        )
        if period is not None:
            query = query.where(Period.code == period)
        readable: dict[tuple[str, ...], bool] = {}

        def may_read(row: Submission, code: str) -> bool:
            about = (row.collection, row.site, code)
            if row.site != identity.party and about not in readable:
                readable[about] = _may_read(gateway, session, identity, row, code)
            return readable.get(about, True)

        with closing(session.exec(query, execution_options={"yield_per": _AT_ONCE})) as found:
            return list(islice(((row, code) for row, code in found if may_read(row, code)), most))


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

    def hold_rows(self, session: Session) -> None:
        """Let nobody re-key or change rows of this delivery, where it has had any, until the transaction ends."""
        about = {"period": self.submission.period_id, "site": self.submission.site}
        if session.connection().execute(_WITH_ROWS, about).first() is not None:
            hold_pids(session, school_year(self.matter.period.code), shared=True)

    def stays(self, session: Session) -> bool:
        """Whether its site may still deliver; until the transaction ends the period is not closed."""
        return keep_open(session, self.matter.period, self.submission.site)

    def states(self, session: Session) -> Mapping[str, SubmissionState]:
        """Versions of this delivery that are in force, newest first; they stay so until the transaction ends."""
        about = {"period": self.submission.period_id, "site": self.submission.site}
        versions = session.connection().execute(_LOCKED_VERSIONS, about)
        return {version.id: version.state for version in versions if version.state in CURRENT}

    def seen(self, session: Session) -> Seen:
        """The submission as it is now."""
        now = session.get_one(Submission, self.submission.id)
        return Seen(now, self.matter.period.code, counts_of(session, now.id))

    def undone(self, gateway: Gateway, refused: Refused) -> Refused:
        """Log that the state of things stood in the way of what the law permitted."""
        entry = Entry(event=Event.SUBMISSION_REFUSED, actor=self.matter.actor, period=self.matter.period.code)
        gateway.log_undone(entry, self.decision)
        return refused

    def entry(self, event: Event) -> Entry:
        """The entry of an act on this submission."""
        return Entry(
            event=event,
            actor=self.matter.actor,
            party=self.submission.site,
            period=self.matter.period.code,
            object=Object(f"submission:{self.submission.id}"),
        )


_Act = Callable[[Gateway, Session, _Found], Seen | Refused]


def _act(
    gateway: Gateway, identity: Identity, submission_id: str, action: Action, act: _Act, *, ends: bool = False
) -> Seen | Refused:
    """Find a submission and act on it."""
    found = _find(gateway, identity, submission_id, action)
    return found if isinstance(found, Refused) else _done(gateway, identity, found, act, ends=ends)


def _done(gateway: Gateway, identity: Identity, found: _Found, act: _Act, *, ends: bool = False) -> Seen | Refused:
    """Act while what the law was told holds, on rows that stay as they are where a version ends.

    What it permitted and was not done is logged.
    """

    def work(session: Session) -> Seen | Refused:
        if ends:
            found.hold_rows(session)
        return hold(gateway, session, identity, found.matter) or act(gateway, session, found)

    outcome = gateway.together(work)
    return found.undone(gateway, outcome) if isinstance(outcome, Refused) else outcome


def _find(gateway: Gateway, identity: Identity, submission_id: str, action: Action) -> _Found | Refused:
    """A submission the caller may act on; an unknown one and somebody else's give the same refusal."""
    with gateway.reading() as session:
        submission, period = session.exec(_WITH_PERIOD, params={"id": submission_id}).first() or (None, "")
        if submission is None:
            matter: Matter | Refused = _nothing(gateway, session, identity)
        else:
            about = {"collection": submission.collection, "site": submission.site, "period": period}
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


def _turn(session: Session, submission_id: str, state: SubmissionState, **more: datetime) -> None:
    """Let a version be in another state."""
    session.connection().execute(_TURN.values(state=state, **more), {"of": submission_id})


def _drop(session: Session, submission_id: str, state: SubmissionState) -> None:
    """End a version: its pseudonymous rows go at once."""
    _turn(session, submission_id, state)
    session.connection().execute(delete(Enrolment).where(col(Enrolment.submission_id) == submission_id))
