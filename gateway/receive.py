"""Receive one submission: who may, what it says, and one transaction that holds the rows, the counts and the entry."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import bindparam, func, insert, or_, select
from sqlmodel import Session

from audit.entry import Entry, Object
from audit.events import Decision as Outcome
from audit.events import Event
from audit.receipt import issue
from gateway.context import Gateway
from gateway.database import take_turns
from gateway.delivered import CURRENT
from gateway.identity import Identity
from gateway.matter import Matter, decide_on, hold, look_up, refuse, rows_are_over
from gateway.outcome import CHANGED, Refused, Report
from gateway.periods import counts_are_over, keep_open
from gateway.prepared import Prepared, prepare
from gateway.records import Expected, Parsed, parse
from gateway.records.expected import Cell
from gateway.store import Count, Idempotency, Receipt, Submission, table_of
from policies.days import milliseconds
from policies.decision import Decision, Deny
from policies.question import Action

_TRIES = 3  # something comes in between once, if ever
# Statements of every delivery are built once, and ask for columns: to make an object of a row costs as much again.
_SUBMISSION = table_of(Submission).c
_ANY = table_of(Submission).alias().c
_NEWEST = select(func.max(_ANY.version)).where(_ANY.period_id == bindparam("period"), _ANY.site == bindparam("site"))
# Those in force and the newest: a program may have sent any number of them.
VERSIONS = (
    select(_SUBMISSION.id, _SUBMISSION.version, _SUBMISSION.state, _SUBMISSION.tag)
    .where(_SUBMISSION.period_id == bindparam("period"), _SUBMISSION.site == bindparam("site"))
    .where(or_(_SUBMISSION.state.in_(CURRENT), _SUBMISSION.version == _NEWEST.scalar_subquery()))
    .order_by(_SUBMISSION.version.desc())
)
_OF_COUNT = table_of(Count).c
_COUNTS = select(*(_OF_COUNT[name] for name in ("subdivision", "kind", "band", "pupils"))).where(
    _OF_COUNT.submission_id == bindparam("id")
)
_NEW_SUBMISSION, _NEW_RECEIPT = insert(table_of(Submission)), insert(table_of(Receipt))


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way in, and what its sender says it is."""

    collection: str
    site: str
    period: str
    body: bytes = field(repr=False)
    idempotency_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """A submission that is in the database and in the log.

    Attributes:
        created: False when the same bytes were there already.
        counts: The site's own leaf counts, for its eyes only.
        notes: Codes of what was tolerated, e.g. another encoding.
    """

    submission: Submission
    receipt: str
    created: bool
    counts: Mapping[Cell, int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """A dry run without faults: nothing is stored but the entry that it was done."""

    counts: Mapping[Cell, int]
    notes: tuple[str, ...]


def _past_term(gateway: Gateway, matter: Matter) -> Refused | None:
    """The refusal of what may not be there any more: rows of this school year, or counts of this period."""
    if rows_are_over(gateway, matter):
        return Refused("rows-erased")
    return Refused("counts-erased") if counts_are_over(gateway.law.purposes, matter.period, gateway.today) else None


def receive(
    gateway: Gateway, identity: Identity, upload: Upload, *, dry_run: bool = False
) -> Received | Checked | Refused:
    """Receive a file, or check it without storing it.

    Steps: (1) look up what it is about; (2) ask the law, refuse what is past its term; (3) read the file, all faults at
    once; (4) a dry run ends here; (5) in one transaction, in which what it goes by still holds (else anew from (1)):
    same key or same bytes as before end in the receipt of before, else in a new version with its counts, rows, receipt
    and audit entry.

    Returns:
        What was received or checked, or why not; a refusal is logged in a transaction of its own.
    """
    left = _TRIES
    while True:
        read = _read(gateway, identity, upload, dry_run=dry_run)
        if not isinstance(read, _Read):
            return read
        done, left = _store(gateway, identity, upload, read), left - 1
        if done != CHANGED or not left:
            break
    if isinstance(done, Refused):
        gateway.log_undone(_entry(Event.SUBMISSION_REFUSED, read.matter), read.decision)
    return replace(done, notes=read.parsed.notes) if isinstance(done, Received) and done.created else done


@dataclass(frozen=True, slots=True)
class _Read:
    """A file without faults that the law lets its sender deliver."""

    matter: Matter
    decision: Decision
    parsed: Parsed


def _read(gateway: Gateway, identity: Identity, upload: Upload, *, dry_run: bool) -> _Read | Checked | Refused:
    with gateway.reading() as session:  # (1)
        matter = look_up(
            gateway, session, identity, collection=upload.collection, site=upload.site, period=upload.period
        )
    if isinstance(matter, Refused):
        return matter
    decision = decide_on(gateway, matter, Action.CHECK if dry_run else Action.SUBMIT)  # (2)
    if isinstance(decision, Deny):
        return refuse(gateway, matter, decision)
    if (over := _past_term(gateway, matter)) is not None:
        gateway.log_undone(_entry(Event.SUBMISSION_REFUSED, matter), decision)
        return over
    parsed = parse(upload.body, _expected(matter))  # (3)
    if isinstance(parsed, Report):
        _log_faults(gateway, matter, decision, parsed)
        return Refused("faults-in-file", report=parsed)
    if dry_run:  # (4)
        gateway.log_act(_entry(Event.SUBMISSION_CHECKED, matter), decision)
        return Checked(parsed.counts, parsed.notes)
    return _Read(matter, decision, parsed)


def _store(gateway: Gateway, identity: Identity, upload: Upload, read: _Read) -> Received | Refused:
    """Make what can be made while others write, then (5): one transaction."""
    matter, decision = read.matter, read.decision
    made = prepare(gateway, read.parsed, upload.body, period=matter.period.code)
    if isinstance(made, Refused):
        return made
    tag = gateway.tag(b"content", upload.collection.encode(), upload.body)

    def store(session: Session) -> Received | Refused:
        stays = keep_open(session, matter.period, upload.site)  # whoever waits here holds nothing, and looks afterwards
        refused = hold(gateway, session, identity, matter) or _past_term(gateway, matter)
        return refused or _Storing(gateway, session, matter, decision, upload, made, tag).store(stays=stays)

    return gateway.together(store)  # (5)


def _entry(event: Event, matter: Matter) -> Entry:
    return Entry(event=event, actor=matter.actor, party=matter.caller.acting.code, period=matter.period.code)


def _expected(matter: Matter) -> Expected:
    facts = matter.facts
    return Expected(
        matter.contract,
        site=matter.caller.acting.code,
        period=matter.period.code,
        sector=facts.sector if facts else None,
        offered=matter.contract.asked_of(facts.sector, facts.subdivisions) if facts else None,
        keys=matter.keys,
    )


def _log_faults(gateway: Gateway, matter: Matter, decision: Decision, report: Report) -> None:
    """A file with faults is logged with the rules it broke: no places, no numbers of faults."""
    rules = tuple(sorted(report.totals))
    entry = replace(_entry(Event.SUBMISSION_REFUSED, matter), rules=rules, decision=Outcome.DENY)
    gateway.log_act(entry, decision)


@dataclass(frozen=True, slots=True)
class _Storing:
    """The one transaction of a submission."""

    gateway: Gateway
    session: Session
    matter: Matter
    decision: Decision
    upload: Upload
    made: Prepared
    tag: bytes

    def store(self, *, stays: bool) -> Received | Refused:
        """Keep the file's counts and rows as a new version, unless it is there already."""
        site, period_id = self.upload.site, self.matter.period.id
        if not stays:
            return Refused("period-closed")
        if not self.made.is_current(self.gateway.keyring):
            return CHANGED
        before = self._repeated()
        if before is not None:
            return before
        versions = self.session.connection().execute(VERSIONS, {"period": period_id, "site": site}).all()
        current = next((row for row in versions if row.state in CURRENT), None)
        if current is not None and current.tag == self.tag:
            self._remember(current.id, self.gateway.clock())
            return self._again(self.session.get_one(Submission, current.id))
        return self._new(versions[0].version + 1 if versions else 1)

    def _repeated(self) -> Received | Refused | None:
        """The answer to an idempotency key that was used before: the same for the same bytes, a conflict for others."""
        if not self.upload.idempotency_key:
            return None
        take_turns(self.session, key := self._key_tag())  # a supplier may use one key for two sites at once
        used = self.session.get(Idempotency, key)
        if used is None:
            return None
        if used.body_tag != self._body_tag():
            return Refused("idempotency-conflict")
        return self._again(self.session.get_one(Submission, used.submission_id))

    def _again(self, submission: Submission) -> Received:
        receipt = self.session.get_one(Receipt, submission.entry_id)
        return Received(submission, receipt.text, created=False, counts=counts_of(self.session, submission.id))

    def _new(self, version: int) -> Received:
        gateway, session, made, now = self.gateway, self.session, self.made, self.gateway.clock()
        about = Object(f"submission:{made.id}", made.commitment)
        entry = replace(_entry(Event.SUBMISSION_RECEIVED, self.matter), object=about, subjects_root=made.root)
        appended = gateway.append(session, entry, self.decision)
        submission = Submission(
            id=made.id,
            period_id=self.matter.period.id or 0,
            site=self.upload.site,
            collection=self.upload.collection,
            version=version,
            received_at=now,
            sender=self.matter.caller.party.code,
            tag=self.tag,
            key_id=made.sent_with,
            pid_key_id=made.key_id,
            entry_id=appended.entry_id,
            subjects_root=made.root or b"",
        )
        connection = session.connection()
        connection.execute(_NEW_SUBMISSION, submission.model_dump())
        made.store(connection)
        receipt = issue(
            gateway.receipts,
            kind="submission",
            entry=appended.data,
            made=milliseconds(now),
            nonce=made.nonce,
            details={
                "version": version,
                "counts": _as_details(made.counts),
                "key": made.sent_with,
                "operators": gateway.operators,
            },
        )
        keep_receipt(session, appended.entry_id, party=self.upload.site, subject=made.id, text=receipt)
        self._remember(made.id, now)
        return Received(submission, receipt, created=True, counts=made.counts)

    def _remember(self, submission_id: str, now: datetime) -> None:
        if self.upload.idempotency_key:
            of_both = {"key_tag": self._key_tag(), "body_tag": self._body_tag()}
            self.session.add(Idempotency(**of_both, submission_id=submission_id, at=now))

    def _key_tag(self) -> bytes:
        return self.gateway.tag(
            b"idempotency", self.matter.caller.party.code.encode(), self.upload.idempotency_key.encode()
        )

    def _body_tag(self) -> bytes:
        about = (self.upload.collection, self.upload.site, self.upload.period)
        return self.gateway.tag(b"body", *(part.encode() for part in about), self.upload.body)


def keep_receipt(session: Session, entry_id: str, *, party: str, subject: str, text: str) -> None:
    """Keep a receipt of a delivery, in the transaction of its entry."""
    kept = {"entry_id": entry_id, "party": party, "subject": subject, "text": text}
    session.connection().execute(_NEW_RECEIPT, kept)


def counts_of(session: Session, submission_id: str) -> dict[Cell, int]:
    """The leaf counts of a submission; only for its own site."""
    found = session.connection().execute(_COUNTS, {"id": submission_id})
    return {(subdivision, kind, band): pupils for subdivision, kind, band, pupils in found}


def _as_details(counts: Mapping[Cell, int]) -> dict[str, int]:
    return {"/".join(cell): pupils for cell, pupils in counts.items()}
