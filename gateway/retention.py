"""The retention run: what is past its term goes, keys included. A run that broke off is completed by the next one.

The terms are those of the purpose files. Keys are destroyed after the rows under them are gone, so that backups die
too; rows without a key, which only an old backup brings back, go as well.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Delete, Update, delete, union, update
from sqlmodel import Session, col, func, or_, select

from audit import retention as log_retention
from audit.entry import Actor, Entry, Object
from audit.errors import ClockError
from audit.events import Event
from audit.proofs import logs
from audit.subjects import erase_year
from gateway import consent_ends
from gateway.context import ACCOUNTABILITY, OPERATION, Gateway, allowed
from gateway.database import forget_log, take_turns
from gateway.identity import ABSOLUTE, Identity
from gateway.jobs import enqueue
from gateway.messages import MendableError
from gateway.operate import Desk
from gateway.outcome import GatewayError, Refused
from gateway.periods import counts_are_over, hold_periods, hold_year, rows_end, school_year_on
from gateway.prepared import SUBJECTS
from gateway.publish.asking import EXPIRED, UNDER_WAY
from gateway.publish.ledger import forget_answers
from gateway.register import agreed
from gateway.shelf import SavedView
from gateway.standing import standings
from gateway.store import (
    Approval,
    ConsentEvent,
    ConsentNotice,
    ConsentRecord,
    Count,
    Enrolment,
    Idempotency,
    Job,
    JobState,
    LoginLink,
    Period,
    Person,
    Receipt,
    Release,
    ReleaseChart,
    ReleaseSlice,
    ReleaseState,
    ServiceCredential,
    Submission,
    WebSession,
    table_of,
)
from gateway.yearly import demand_next, demand_own
from policies.days import beginning_of, local_day, milliseconds
from policies.decision import Decision
from policies.question import Action
from policies.things import Installation
from pseudonymisation import rotation
from pseudonymisation.keyring import KeyRecord, Keyring, KeyState

JOB, CLOCK = "retention", "clock"
_A_DAY = timedelta(days=1)
_ENDED = (JobState.DONE, JobState.FAILED)
_NEVER_OUT = (ReleaseState.BUILDING, ReleaseState.FAILED, ReleaseState.REJECTED)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Erased:
    """What a run erased: numbers by kind, nothing about anybody.

    Attributes:
        of: Kind → how many; kinds with none are left out.
    """

    of: Mapping[str, int]


def run(gateway: Gateway, identity: Identity) -> Erased | Refused:
    """Erase everything past its term; nothing by a clock by which the log would not go on, for nothing comes back.

    Steps: (1) consents past their last day or without their purpose end, each with its key, and what is under those of
    sites without an agreement goes with its keys; (2) one transaction, after the deliveries that are being kept: rows,
    tags, counts, tables, old consents, credentials, contacts, closed logs, with the entry of the run and one for each
    key, and those keys go out of use; (3) the keys of school years past their term are destroyed; (4) the erased bytes
    leave SQLite's write-ahead log.
    """
    permitted = allowed(gateway, identity, Action.RUN_RETENTION, Installation(), OPERATION)
    if isinstance(permitted, Refused):
        return permitted
    actor, decision = permitted
    if not _is_believed(gateway):
        gateway.log_undone(Entry(event=Event.REQUEST_REFUSED, actor=actor), decision)
        return Refused(CLOCK)
    ended = consent_ends.expire(gateway)  # (1)
    consent_ends.empty(gateway)
    with gateway.writing() as session:  # (2)
        take_turns(session, JOB.encode())
        doomed = _put_away(gateway, session)
        erased = {kind: erase(gateway, session) for kind, erase in _KINDS.items()}
        gateway.append(session, Entry(event=Event.RETENTION_RUN, actor=actor), decision)
        for key in doomed:
            about = Object(f"key:{key.purpose}/{key.school_year}")
            gateway.append(session, Entry(event=Event.KEY_DESTROYED, actor=actor, object=about), decision)
    if doomed:
        gateway.keyring.destroy(*(key.key_id for key in doomed))  # (3)
    forget_log(gateway.database)  # (4)
    erased |= {"consents-ended": ended, "keys": len(doomed)}
    return Erased({kind: many for kind, many in erased.items() if many})


def run_job(gateway: Gateway, _subject: str) -> None:
    """The run of the day, by the operator's own program; tomorrow's stands ready before it, for midnight may pass."""
    schedule(gateway, after=_until_midnight(gateway))
    outcome = run(gateway, Identity(gateway.settings.operator, "machine"))
    if isinstance(outcome, Refused) and outcome.code != CLOCK:
        raise GatewayError(f"the retention run was refused: {outcome.code}")


def give_up(gateway: Gateway, _subject: str) -> None:
    """A run that failed five times, or killed its workers before tomorrow's stood ready: that is due all the same."""
    schedule(gateway, after=_until_midnight(gateway))


def _until_midnight(gateway: Gateway) -> timedelta:
    """Until the next day begins here: that is when terms end."""
    now = gateway.clock()
    return beginning_of(local_day(now) + _A_DAY) - now


def schedule(gateway: Gateway, *, after: timedelta = timedelta()) -> None:
    """See to it that a run stands ready; does nothing when one does, or when at a start one is under way."""
    ready = [JobState.WAITING] if after else [JobState.WAITING, JobState.LEASED]  # a run sees to the next one itself
    with gateway.writing() as session:
        take_turns(session, JOB.encode())
        if session.exec(select(Job.id).where(Job.kind == JOB, col(Job.state).in_(ready))).first() is None:
            enqueue(session, gateway, JOB, "", after=after)


def overdue(gateway: Gateway) -> int:
    """Rows of pupils still there past their term, or without a key or an agreement; after a run there are none."""
    with gateway.reading() as session:
        late = col(Enrolment.key_id).in_(_dead_keys(gateway, session))
        return session.exec(select(func.count()).where(or_(late, _not_agreed(gateway)))).one()


def _is_believed(gateway: Gateway) -> bool:
    """Whether the log goes on by this clock: this day is of its school year or of the next one.

    Raises:
        MendableError: it is the log of another deployment.
    """
    with gateway.reading() as session:
        demand_own(session.connection(), gateway.home)
        chain = logs(session.connection())
    try:
        if chain:
            demand_next(chain[-1].origin, school_year_on(gateway.today))
    except ClockError as error:
        _logger.error("nothing is erased: %s", error)  # noqa: TRY400  its message says all
        return False
    return True


def _put_away(gateway: Gateway, session: Session) -> list[KeyRecord]:
    """Keys past their term, out of use once the deliveries under them are kept: no other is kept before they end."""
    for year in sorted({key.school_year or "" for key in _doomed(gateway)}):
        hold_year(session, year)
    doomed = _doomed(gateway)
    for key in doomed:
        if key.state is KeyState.ACTIVE:
            gateway.keyring.retire(key.key_id)
    return doomed


def _doomed(gateway: Gateway) -> list[KeyRecord]:
    """Keys of school years past their term: of pids, and of the tags of the log's subjects."""
    return [
        key
        for key in gateway.keyring.records()
        if key.school_year is not None
        and key.state is not KeyState.DESTROYED
        and rows_end(gateway.law.purposes, key.school_year) <= gateway.today
    ]


def _dead_keys(gateway: Gateway, session: Session) -> Collection[str]:
    lost = rotation.keyless(session.connection(), table_of(Enrolment), gateway.keyring)
    return {*lost, *(key.key_id for key in _doomed(gateway))}


def _rows(gateway: Gateway, session: Session) -> int:
    """Rows under keys that end, and those of sites whose processor agreement ended."""
    dead = rotation.erase(session.connection(), table_of(Enrolment), _dead_keys(gateway, session))
    return dead + _gone(session, delete(Enrolment).where(_not_agreed(gateway)))


def _not_agreed(gateway: Gateway) -> ColumnElement[bool]:
    """Rows of sites without an agreement that holds or begins later (AVG art. 28(3)(g)); what was counted stays."""
    ended = select(Submission.id).where(col(Submission.site).not_in(agreed(gateway.today)))
    return col(Enrolment.submission_id).in_(ended)


def _subjects(gateway: Gateway, session: Session) -> int:
    over = {key.school_year for key in _doomed(gateway) if key.purpose == SUBJECTS} | _keyless_years(gateway.keyring)
    return sum(erase_year(session.connection(), year) for year in sorted(filter(None, over)))


def _keyless_years(keyring: Keyring) -> set[str | None]:
    """School years whose keys of the log's tags are all destroyed."""
    keys = [key for key in keyring.records() if key.purpose == SUBJECTS]
    alive = {key.school_year for key in keys if key.state is not KeyState.DESTROYED}
    return {key.school_year for key in keys} - alive


def _counts(gateway: Gateway, session: Session) -> int:
    """Counts of periods past their term, and what repeats them: receipts, tags, and what the judge of a release saw.

    What is being kept of them ends first, and nothing is kept after it. A build that is under way ends: what it would
    keep is of these counts.
    """
    over = [one for one in session.exec(select(Period)) if counts_are_over(gateway.law.purposes, one, gateway.today)]
    of_these = [period.id for period in over]
    hold_periods(session, col(Period.id).in_(of_these))
    sent = select(Submission.id).where(col(Submission.period_id).in_(of_these))
    own = [f"table:{period.table_id}/{period.code}" for period in over]
    session.execute(delete(Receipt).where(col(Receipt.subject).in_(sent) | col(Receipt.subject).in_(own)))
    session.execute(update(Submission).where(col(Submission.id).in_(sent), col(Submission.tag) != b"").values(tag=b""))
    with_any = select(Submission.period_id).where(col(Submission.period_id).in_(of_these))
    first = update(Period).where(col(Period.id).in_(with_any), col(Period.counts_erased_on).is_(None))
    session.execute(first.values(counts_erased_on=gateway.today))
    releases = update(Release).where(col(Release.period_id).in_(of_these))
    session.execute(releases.values(witnesses=b""))
    under_way = releases.where(col(Release.state) == ReleaseState.BUILDING)
    session.execute(under_way.values(state=ReleaseState.FAILED, failure=EXPIRED))
    return _gone(session, delete(Count).where(col(Count.submission_id).in_(sent)))


def _answers(_gateway: Gateway, session: Session) -> int:
    """Noisy answers before suppression, of builds that ended: only what a killed process could not erase is left."""
    return forget_answers(session)


def _tables(gateway: Gateway, session: Session) -> int:
    """Tables past their term go out no more; receipts of downloads and reasons of verdicts are erased with them."""
    gone = 0
    for release, period in session.exec(select(Release, Period).join(Period)):
        if not _table_over(gateway, release, period):
            continue
        gone += _gone(session, delete(ReleaseSlice).where(col(ReleaseSlice.release_id) == release.id))
        session.execute(delete(ReleaseChart).where(col(ReleaseChart.release_id) == release.id))
        session.execute(delete(Receipt).where(col(Receipt.subject) == f"release:{release.id}"))
        session.execute(update(Approval).where(col(Approval.release_id) == release.id).values(reason=""))
        if release.state == ReleaseState.PUBLISHED:
            release.state, release.failure = ReleaseState.WITHDRAWN, EXPIRED
        elif release.published_at is None and release.state not in _NEVER_OUT:
            release.state, release.failure = ReleaseState.FAILED, EXPIRED
    return gone


def _table_over(gateway: Gateway, release: Release, period: Period) -> bool:
    """One that was turned down goes with the counts; any other after the longest term of the purposes it serves.

    Where the law knows none of those any more, after the term of accounting for what was handed out.
    """
    since = release.published_at or release.built_at
    if release.state in _NEVER_OUT or since is None:
        return counts_are_over(gateway.law.purposes, period, gateway.today)
    served = filter(None, map(gateway.law.purposes.get, release.purposes.split()))
    terms = [purpose.retention.days for purpose in served if purpose.retention]
    return since + timedelta(days=max(terms, default=_days(gateway, ACCOUNTABILITY))) < gateway.clock()


def _consents(gateway: Gateway, session: Session) -> int:
    """Consents that ended so long ago that nobody has to account for them any more, and at once all never given.

    Of a refusal, and of a question nobody answered, the log keeps the moment.
    """
    before, gone = gateway.clock() - timedelta(days=_days(gateway, ACCOUNTABILITY)), 0
    for one in standings(session, session.exec(select(ConsentRecord.id)).all(), gateway.clock()):
        if one.state.closed and one.state.last is not None and (one.state.last < before or not one.state.given):
            for table, key in (
                (ConsentNotice, ConsentNotice.consent_id),
                (ConsentEvent, ConsentEvent.consent_id),
                (ConsentRecord, ConsentRecord.id),
            ):
                session.execute(delete(table).where(col(key) == one.id))
            gone += 1
    return gone


def _credentials(gateway: Gateway, session: Session) -> int:
    """What opened a door once and opens none any more."""
    now = gateway.clock()
    return (
        _gone(session, delete(LoginLink).where(col(LoginLink.expires_at) < now))
        + _gone(session, delete(WebSession).where(col(WebSession.started_at) < now - ABSOLUTE))
        + _gone(session, delete(Idempotency).where(col(Idempotency.at) < now - _A_DAY))
        + _gone(session, delete(ServiceCredential).where(col(ServiceCredential.not_after) < gateway.today))
    )


def _contacts(gateway: Gateway, session: Session) -> int:
    """What names people who logged in nowhere for so long, with their views and what they wrote as reasons.

    Their rows stay, for the log of four eyes.

    Not yet of who built or judged a release that can still go on: a second login would be a second pair of eyes. Nor of
    who is invited or logs in at this moment: either that is done before and seen here, or it finds nobody of that name.
    Who never logged in is counted from the first run.
    """
    session.execute(update(Person).where(col(Person.seen_on).is_(None)).values(seen_on=gateway.today))
    before = gateway.today - timedelta(days=_days(gateway, OPERATION))
    waiting, open_link = select(Release.id).where(col(Release.state).in_(UNDER_WAY)), col(LoginLink.used_at).is_(None)
    kept = union(
        select(LoginLink.person_id).where(open_link, col(LoginLink.expires_at) > gateway.clock()),
        select(Release.builder_id).where(col(Release.state).in_(UNDER_WAY)),
        select(Approval.person_id).where(col(Approval.release_id).in_(waiting)),
    )
    gone = select(Person.id).where(col(Person.seen_on) < before, Person.label != "", col(Person.id).not_in(kept))
    held = session.exec(gone.order_by(col(Person.id)).with_for_update()).all()
    over = session.exec(gone.where(col(Person.id).in_(held))).all()
    session.execute(delete(SavedView).where(col(SavedView.person_id).in_(over)))
    session.execute(update(Approval).where(col(Approval.person_id).in_(over)).values(reason=""))
    return _gone(session, update(Person).where(col(Person.id).in_(over)).values(label="", subject=b""))


def _jobs(gateway: Gateway, session: Session) -> int:
    before = gateway.clock() - timedelta(days=_days(gateway, OPERATION))
    return _gone(session, delete(Job).where(col(Job.state).in_(_ENDED), col(Job.due_at) < before))


def _logs(gateway: Gateway, session: Session) -> int:
    return len(log_retention.expire(session.connection(), milliseconds(gateway.clock())))


_KINDS: Mapping[str, Callable[[Gateway, Session], int]] = {
    "rows": _rows,
    "subjects": _subjects,
    "counts": _counts,
    "answers": _answers,
    "tables": _tables,
    "consents": _consents,
    "jobs": _jobs,
    "logs": _logs,
    "credentials": _credentials,  # these last: who is locked out or invited meanwhile waits for them
    "contacts": _contacts,
}


def dismiss_jobs(desk: Desk) -> int | Refused:
    """Take the jobs that failed for good off the list, once the operator has seen them; logged when there were any."""

    def act(session: Session, actor: Actor, decision: Decision) -> int:
        seen = _gone(session, delete(Job).where(col(Job.state) == JobState.FAILED))
        if seen:
            desk.gateway.append(session, Entry(event=Event.SETTING_CHANGED, actor=actor), decision)
        return seen

    return desk.act(Action.RUN_RETENTION, act)


def _days(gateway: Gateway, purpose: str) -> int:
    kept = gateway.law.purposes[purpose].retention
    if kept is None:
        raise MendableError("no-retention", purpose=purpose)
    return kept.days


def _gone(session: Session, statement: Delete | Update) -> int:
    return session.connection().execute(statement).rowcount
