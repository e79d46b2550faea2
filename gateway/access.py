"""A parent's request: what is held of a pupil, and to whom it went (AVG art. 15), asked by the school.

Only the school can compute the pupil's pseudonym. The answer comes from what is stored at this moment: rows of the own
site under the pid of the year, the entries of the log that the pupil's tag leads to, and consents by their number, each
with what is held under it and every entry about it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlmodel import Session, col, exists, select

from audit.entry import Entry
from audit.errors import NotLoggedError
from audit.events import Event
from audit.export import select_all
from audit.schema import ENTRY
from audit.subjects import Held as HeldSubject
from audit.subjects import find, tag
from audit.timeline import Filter, tally
from gateway.consented import HeldHours, held_under
from gateway.context import ACCOUNTABILITY, Gateway, actor_of
from gateway.identity import Identity, caller_of, still_good
from gateway.notices import Notified, notified
from gateway.outcome import Refused
from gateway.periods import ROWS, is_school_year, rows_end, school_year
from gateway.prepared import SUBJECTS, years_cut
from gateway.register import kind_of_code
from gateway.standing import Standing
from gateway.store import Enrolment, Period, Submission
from policies.days import moment_of
from policies.decision import Deny
from policies.parties import Caller, Kind, Role
from policies.question import Action
from policies.things import Records
from pseudonymisation.domain import Domain
from pseudonymisation.errors import KeyringError
from pseudonymisation.keyring import Keyring, KeyState
from pseudonymisation.pseudonym import pids_through

Secret = TypeVar("Secret")
CONSENT_NUMBER = "[0-9a-f]{32}"


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A row of hours that is stored of the pupil; hours in 1/100 hour."""

    period: str
    collection: str
    subdivision: str
    scheduled: int
    hours: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LoggedUse:
    """An entry of the log that was about this pupil among others, with the proof that it was.

    Attributes:
        subject: The salted tag under the root in the entry, its place and the proof (`audit.subjects.Held`).
    """

    entry: bytes
    subject: HeldSubject


@dataclass(frozen=True, slots=True)
class LoggedAct:
    """An entry of the log about a consent: when, and which event; it names nobody."""

    at: datetime
    event: str


@dataclass(frozen=True, slots=True)
class HeldConsent:
    """A consent the school asked about: what happened to it, the hours held under it now, and every entry about it.

    Attributes:
        notified: Once it ended, what its recipient answered to that.
    """

    standing: Standing
    records: tuple[HeldHours, ...]
    notified: Notified | None
    log: tuple[LoggedAct, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """The answer: rows, uses and consents; nobody outside the school received a row.

    Attributes:
        not_found: Numbers asked about that are no consent of this site, be it somebody else's or nobody's.
        beyond_reach: Whether rows of this site and year are held that no pseudonym leads to any more, because their
            key leaked and was destroyed: whether one is of this pupil nobody can say (AVG art. 11).
        numbers_changed: Whether numbers were changed that year: uses of before a change are found by the old one only.
        uses_beyond_reach: Whether uses of that year may miss, because a key of the log's tags leaked or was destroyed.
        other_years: Other school years of which rows are held: under the pseudonym of one year no other is found.
    """

    rows: tuple[HeldRow, ...]
    uses: tuple[LoggedUse, ...]
    consents: tuple[HeldConsent, ...]
    not_found: tuple[str, ...] = ()
    beyond_reach: bool = False
    numbers_changed: bool = False
    uses_beyond_reach: bool = False
    other_years: tuple[str, ...] = ()


def answer(
    gateway: Gateway, identity: Identity, *, year: str, pseudonym: bytes, consents: Sequence[str] = ()
) -> Held | Refused:
    """What is held of one pupil of the caller's own site in a school year; the request and its answer are logged.

    What is no school year is refused, and who has no rows of pupils, such as a board or an SWV: of a slip of the pen,
    or of a pupil of somebody else's, nobody may read that nothing is held.
    """
    if not is_school_year(year):
        return Refused("invalid-request", facts={"fields": "schoolYear"})
    with gateway.reading() as session:
        caller = caller_of(session, identity, gateway.today)
    decision = gateway.decide(caller, Action.REQUEST_ACCESS, Records(party=identity.party), (ACCOUNTABILITY,))
    if isinstance(decision, Deny):
        return gateway.refuse(Entry(event=Event.ACCESS_REFUSED, actor=actor_of(caller)), decision)
    refused = Entry(event=Event.ACCESS_REFUSED, actor=actor_of(caller))
    if not may_have_rows(identity):
        gateway.log_undone(refused, decision)
        return Refused("access-by-site")
    with gateway.writing() as session:
        good = still_good(session, identity, gateway.clock())
        if good:
            gateway.append(session, Entry(event=Event.ACCESS_REQUESTED, actor=actor_of(caller)), decision)
    if not good:
        gateway.log_undone(refused, decision)
        return Refused("unauthenticated")
    try:
        held = _held(gateway, identity, caller, year, pseudonym, consents)
    except NotLoggedError:
        gateway.log_undone(refused, decision)
        return Refused("log-behind", retry_after=1)
    answered = Entry(event=Event.ACCESS_ANSWERED, actor=actor_of(caller))
    logged = gateway.log_for(identity, answered, decision, undone=refused)
    return logged if isinstance(logged, Refused) else held


def may_have_rows(identity: Identity) -> bool:
    """Whether somebody speaks for a site, which alone has rows of pupils, or oversees all of them."""
    return identity.role == Role.CONTROLLER_OFFICER or kind_of_code(identity.party) == Kind.SITE


def years_held(session: Session, identity: Identity) -> list[str]:
    """School years of which rows are held that somebody may ask after, the newest first."""
    there = exists(select(Enrolment.pid).where(Enrolment.submission_id == col(Submission.id)))
    query = select(Period.code).join(Submission, col(Submission.period_id) == Period.id).where(there).distinct()
    if identity.role != Role.CONTROLLER_OFFICER:
        query = query.where(Submission.site == identity.party)
    return sorted({school_year(code) for code in session.exec(query)}, reverse=True)


def _held(  # noqa: PLR0917  each is named where it is called from
    gateway: Gateway, identity: Identity, caller: Caller, year: str, pseudonym: bytes, consents: Sequence[str]
) -> Held:
    """What is held.

    Raises:
        NotLoggedError: An entry about this pupil has no index yet.
    """
    found = {number: _consent(gateway, identity.party, number) for number in consents}
    stored = _stored(gateway, identity, caller, year, pseudonym)
    if stored.beyond_reach:  # a key that ended just now took its rows along: it ended before they are looked for again
        stored = _stored(gateway, identity, caller, year, pseudonym)
    missing = tuple(number for number, one in found.items() if one is None)
    return replace(stored, consents=tuple(one for one in found.values() if one), not_found=missing)


def _stored(gateway: Gateway, identity: Identity, caller: Caller, year: str, pseudonym: bytes) -> Held:
    """What is stored of the pupil at one moment, but for consents.

    That moment comes first, and each row is looked for under the key it stands under: whatever keys are brought into
    use or followed meanwhile, no row that is there is missed.
    """
    site = None if caller.role is Role.CONTROLLER_OFFICER else identity.party
    over = rows_end(gateway.law.purposes, year) <= gateway.today
    with gateway.reading() as session:
        rows, beyond_reach = _rows(gateway.keyring, session, identity.party, year, pseudonym)
        return Held(
            tuple(rows),
            tuple(_uses(session, gateway.keyring, year, pseudonym, site)),
            (),
            beyond_reach=beyond_reach,
            numbers_changed=not over and _are_numbers_changed(session, year, site),
            uses_beyond_reach=not over and year in years_cut(gateway.keyring),
            other_years=tuple(each for each in years_held(session, identity) if each != year),
        )


def _rows(keyring: Keyring, session: Session, site: str, year: str, pseudonym: bytes) -> tuple[Sequence[HeldRow], bool]:
    """Rows of this site under the pids of the pupil, and whether others stand under a key that opens no more."""
    of_year = (
        (col(Submission.id) == Enrolment.submission_id)
        & (col(Period.id) == Submission.period_id)
        & (col(Submission.site) == site)
        & col(Period.code).startswith(year)
    )
    keys = session.exec(select(Enrolment.key_id).where(of_year).distinct()).all()
    chains = [_opened(keyring, key_id, keyring.chain) for key_id in keys]
    pids = [pids_through(chain, Domain(ROWS, year), [pseudonym])[0] for chain in chains if chain]
    query = select(Enrolment, Submission, Period).where(of_year, col(Enrolment.pid).in_(pids)).order_by(Period.code)
    rows = [
        HeldRow(period.code, submission.collection, row.subdivision, row.scheduled, tuple(map(int, row.hours.split())))
        for row, submission, period in session.exec(query)
    ]
    return rows, None in chains


def _opened(keyring: Keyring, key_id: str, opened: Callable[[str], Secret]) -> Secret | None:
    """What a key opens to; None where it was destroyed, or one that it followed."""
    try:
        return opened(key_id)
    except KeyringError:
        link = keyring.record(key_id)
        while link and link.previous and link.state is not KeyState.DESTROYED:
            link = keyring.record(link.previous)
        if link and link.state is not KeyState.DESTROYED:
            raise
        return None


def _are_numbers_changed(session: Session, year: str, site: str | None) -> bool:
    """Whether this site, or any, changed numbers: the log's tags are of the old ones, the rows of the new."""
    changes = tally(session.connection(), Filter(event=Event.PSEUDONYM_MERGED, organisation=site), "period")
    return any(school_year(period) == year for period in changes)


def _uses(session: Session, keyring: Keyring, year: str, pseudonym: bytes, site: str | None) -> list[LoggedUse]:
    """Entries about this pupil: of one site, since where else a pupil was is not its to know, or of all."""
    query = select(Submission.subjects_root, Submission.entry_id).where(Submission.subjects_root != b"")
    if site is not None:
        query = query.where(Submission.site == site)
    entries = {root: bytes.fromhex(entry_id) for root, entry_id in session.exec(query)}
    mine = None if site is None else list(entries)
    used = keyring.of(SUBJECTS, year, KeyState.ACTIVE, KeyState.DECRYPT_ONLY)
    secrets = [_opened(keyring, one.key_id, keyring.secret) for one in used]
    held = find(session.connection(), [tag(secret, pseudonym) for secret in secrets if secret], mine)
    found = {each.root: each for each in held}
    entry_of = {leaf: root for root, leaf in entries.items() if root in found}
    rows = session.connection().execute(select(ENTRY.c.hash, ENTRY.c.data).where(ENTRY.c.hash.in_(entry_of)))
    logged = {bytes(leaf): bytes(data) for leaf, data in rows}
    if len(logged) < len(entry_of):
        raise NotLoggedError("an entry about this pupil has no index yet")
    return [LoggedUse(data, found[entry_of[leaf]]) for leaf, data in logged.items()]


def _consent(gateway: Gateway, site: str, number: str) -> HeldConsent | None:
    """A consent of this site; None where the number is none of its."""
    held = held_under(gateway, site, number)
    if held is None:
        return None
    standing, records = held
    told = notified(gateway, number)
    with gateway.reading() as session:
        return HeldConsent(standing, tuple(records), told, tuple(_logged(session, number)))


def _logged(session: Session, number: str) -> list[LoggedAct]:
    """Every entry about a consent, the oldest first."""
    entries = list(select_all(session.connection(), Filter(object=f"consent:{number}")))
    told = [entry.fields() for entry in reversed(entries)]
    return [LoggedAct(moment_of(fields["ts"]), fields["event"]) for fields in told]
