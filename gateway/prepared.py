"""What a file becomes before its transaction: pids, tags, its commitment and rows ready to store.

Everything here is made while others write, so that whoever writes is done soon. The pseudonym y of a pupil ends here:
what is stored is the pid.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, select
from sqlmodel import Session, col

from audit.receipt import NONCE_BYTES, commit
from audit.subjects import Subjects, tags
from audit.subjects import store as store_subjects
from gateway.context import Gateway
from gateway.database import insert_rows, take_turns
from gateway.outcome import CHANGED, Refused
from gateway.periods import ROWS, school_year
from gateway.records import Parsed
from gateway.records.expected import Cell
from gateway.store import Count, Enrolment, Period, Submission, table_of
from pseudonymisation import rotation
from pseudonymisation.domain import Domain
from pseudonymisation.errors import KeyringError
from pseudonymisation.keyring import Keyring, KeyState
from pseudonymisation.pseudonym import pids_through

Secret = TypeVar("Secret")
SUBJECTS = "audit-subjects"
_COUNT = ("submission_id", "subdivision", "kind", "band", "pupils")
_ENROLMENT = ("submission_id", "pid", "key_id", "subdivision", "scheduled", "hours")


def hold_pids(session: Session, year: str, *, shared: bool = False) -> None:
    """Let nobody else re-key or change stored pids of a school year until this transaction ends.

    A rotation keeps them for minutes: they are held before anything that somebody else may wait for. Versions that end
    share them.
    """
    take_turns(session, b"pids" + year.encode(), shared=shared)


def hold_versions(session: Session, year: str, which: ColumnElement[bool]) -> None:
    """Let no version of these submissions of a school year end until this transaction does.

    They are held before any of their rows, and in the order in which a confirmation holds them.
    """
    columns = col(Submission.period_id), col(Submission.site), col(Submission.version).desc()
    held = select(col(Submission.id)).join(Period).where(col(Period.code).startswith(year), which).order_by(*columns)
    session.execute(held.with_for_update(of=table_of(Submission))).all()


def years_cut(keyring: Keyring) -> set[str]:
    """School years in which a key of the log's tags leaked or was destroyed: no tag of before is kept or found."""
    out = (KeyState.DECRYPT_ONLY, KeyState.DESTROYED)
    return {one.school_year or "" for one in keyring.records() if one.purpose == SUBJECTS and one.state in out}


def in_use(keyring: Keyring, purpose: str, year: str, opened: Callable[[str], Secret]) -> tuple[str, Secret] | Refused:
    """The key in use, with what it opens to; or why not: there is none, or another takes its place at this moment."""
    key = keyring.active(purpose, year)
    if key is None:
        turning = rotation.half_succeeded(keyring, purpose, year) or rotation.half_renounced(keyring, purpose, year)
        return CHANGED if turning or keyring.active(purpose, year) else Refused("key-missing")
    try:
        return key.key_id, opened(key.key_id)
    except KeyringError:  # it ended since, or the ring is broken
        if keyring.active(purpose, year) == key:
            raise
        return CHANGED


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission that only waits for its turn.

    Attributes:
        id: The submission's identifier.
        nonce: With which the entry commits to the file.
        commitment: That commitment.
        counts: The file's leaf counts.
        sent_with: Key of the pseudonym service the rows were made with; empty without rows.
        key_id: Key of the pids; empty without rows.
        log_key_id: Key of the tags; empty without rows.
        year: The school year it belongs to.
        subjects: Salted tags for the log's side table; None without rows.
        enrolments: Rows as they are stored, in the order of their pids: nothing of the file's order is kept.
    """

    id: str
    nonce: bytes = field(repr=False)
    commitment: bytes
    counts: Mapping[Cell, int] = field(repr=False)
    sent_with: str
    key_id: str
    log_key_id: str
    year: str
    subjects: Subjects | None
    enrolments: list[tuple[object, ...]] = field(repr=False)

    @property
    def root(self) -> bytes | None:
        """What the entry carries of the data subjects."""
        return self.subjects.root if self.subjects else None

    def is_current(self, keyring: Keyring) -> bool:
        """Whether its keys are still those in use: nothing is kept under a key that another took the place of."""
        made_with = [(ROWS, self.key_id), (SUBJECTS, self.log_key_id)] if self.key_id else []
        in_use = [keyring.active(purpose, self.year) for purpose, _ in made_with]
        return [one and one.key_id for one in in_use] == [key_id for _, key_id in made_with]

    def store(self, connection: Connection) -> None:
        """Keep counts, rows and tags, in the transaction of the submission they belong to."""
        counts = [(self.id, *cell, pupils) for cell, pupils in self.counts.items()]
        insert_rows(connection, table_of(Count), _COUNT, counts)
        if self.subjects:
            insert_rows(connection, table_of(Enrolment), _ENROLMENT, self.enrolments)
            store_subjects(connection, self.subjects, self.year)


def prepare(gateway: Gateway, parsed: Parsed, body: bytes, *, period: str) -> Prepared | Refused:
    """Make everything of a submission that needs no transaction, or say why a key that its rows need cannot be had.

    Args:
        gateway: Whose keys are used.
        parsed: What the file says.
        body: The file.
        period: Code of the period.
    """
    submission_id, nonce, year = gateway.new_id(), gateway.random(NONCE_BYTES), school_year(period)
    key_id, log_key_id, subjects, enrolments = "", "", None, list[tuple[object, ...]]()
    if parsed.rows:
        key = in_use(gateway.keyring, ROWS, year, gateway.keyring.chain)
        log_key = in_use(gateway.keyring, SUBJECTS, year, gateway.keyring.secret)
        if isinstance(key, Refused):
            return key
        if isinstance(log_key, Refused):
            return log_key
        (key_id, chain), (log_key_id, secret), ys = key, log_key, [row.pseudonym for row in parsed.rows]
        pids = pids_through(chain, Domain(ROWS, year), ys)
        subjects = Subjects.of(tags(secret, ys), gateway.random)
        enrolments = [
            (submission_id, pid, key_id, row.subdivision, row.scheduled, " ".join(map(str, row.hours)))
            for pid, row in sorted(zip(pids, parsed.rows, strict=True), key=itemgetter(0))
        ]
    return Prepared(
        id=submission_id,
        nonce=nonce,
        commitment=commit(nonce, body),
        counts=parsed.counts,
        sent_with=parsed.key_id,
        key_id=key_id,
        log_key_id=log_key_id,
        year=year,
        subjects=subjects,
        enrolments=enrolments,
    )
