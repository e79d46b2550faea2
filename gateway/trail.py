"""The log as its officers read it: a page of the timeline, one entry with its proof in steps, checked by the verifier.

Every look is itself an entry. What an officer may see at all is decided in `gateway.oversight`.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from tempfile import TemporaryFile
from typing import Any

from sqlalchemy import Connection
from sqlmodel import Session

from audit import verify
from audit.checkpoint import Checkpoint
from audit.entry import Entry, Object
from audit.errors import AuditError, LogBrokenError, NeverSignedError, NoteError, NotLoggedError
from audit.events import COLUMNS, SHAPES, Column, Event
from audit.events import Decision as Outcome
from audit.export import write_bundle
from audit.merkle import leaf_hash
from audit.proofs import LogState, Place, checkpoint, inclusion, locate, logs, signed_size
from audit.quorum import NONE, parse_policy
from audit.timeline import Filter, Found, find, tally
from gateway.context import Gateway
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.oversight import WHOLE_LOG, kept_logs, may, policy_text, scope_of
from gateway.proving import Step, quorum_of, steps_of
from gateway.store import Party
from policies.question import Action

PAGE = 50


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of entries, newest first.

    Attributes:
        found: The entries.
        more: Where the next page begins, None when this was the last.
        values: Column → the values that occur within the officer's scope, with how many entries have each.
        size: Entries of the log in use.
        reviewed: The newest entry by which an officer of this scope said to have reviewed the log.
    """

    found: Sequence[Found]
    more: Place | None
    values: Mapping[Column, Mapping[str, int]]
    size: int
    reviewed: Found | None


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry, where it stands, and the way from its bytes to what the log signed.

    Attributes:
        corrected_by: Leaf hashes of the entries that correct it, the newest first.
    """

    found: Found
    fields: Mapping[str, Any]
    leaf: str
    steps: Sequence[Step]
    size: int
    note: str
    corrected_by: Sequence[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the stand-alone verifier says.

    Attributes:
        fault: Kind of fault, a key of `audit.verify.FAULTS`; empty when all is in order.
        entry: Index of the first entry the fault touches, where it touches one.
        entries: Entries that were checked.
        signed_by: Name of the log that signed.
        unsigned: Entries at the end of a former log that it never signed: nothing says whether they are as they were.
    """

    fault: str = ""
    entry: int | None = None
    entries: int = 0
    signed_by: str = ""
    unsigned: int = 0


def timeline(gateway: Gateway, identity: Identity, wanted: Filter, before: Place | None = None) -> Timeline | Refused:
    """The newest entries that fit and are the officer's to see; looking is logged first."""
    allowed = _look(gateway, identity, Action.READ_AUDIT, Event.AUDIT_VIEWED)
    if allowed is not None:
        return allowed
    mine = replace(wanted, viewer=scope_of(identity) or None)
    review = Filter(viewer=mine.viewer, event=Event.AUDIT_REVIEWED.value, object=None if mine.viewer else WHOLE_LOG)
    with gateway.reading() as session:
        connection = session.connection()
        found = find(connection, mine, before=before, limit=PAGE + 1)
        values = {column: tally(connection, Filter(viewer=mine.viewer), column) for column in COLUMNS}
        chain = logs(connection)
        last = find(connection, review, limit=1)
    more = found[PAGE - 1].place if len(found) > PAGE else None
    return Timeline(found[:PAGE], more, values, chain[-1].size if chain else 0, last[0] if last else None)


def entry(gateway: Gateway, identity: Identity, leaf: str) -> Proven | Refused:
    """One entry with its proof; an entry of somebody else looks like one that is not there."""
    allowed = _look(gateway, identity, Action.READ_AUDIT, Event.AUDIT_VIEWED)
    if allowed is not None:
        return allowed
    try:
        with gateway.reading() as session:
            return _prove(gateway, session, identity, bytes.fromhex(leaf))
    except NeverSignedError:
        return Refused("proof-never")
    except (AuditError, ValueError):
        return Refused("not-found")


def check_entry(gateway: Gateway, identity: Identity, leaf: str) -> tuple[Proven, Verdict] | Refused:
    """Have the stand-alone verifier, which shares no code with the log, check one entry's proof and signature."""
    proven = entry(gateway, identity, leaf)
    if isinstance(proven, Refused):
        return proven
    path = [bytes.fromhex(step.neighbour) for step in proven.steps]
    try:
        tree = verify.Tree.parse(proven.note, verify.Policy(policy_text(gateway)))
        verify.prove(proven.found.place.index, leaf_hash(proven.found.data), path, tree)
    except verify.Fault as fault:
        verdict = Verdict(fault.kind, fault.index)
    else:
        verdict = Verdict(entries=1, signed_by=tree.origin)
    return _log_check(gateway, identity, [verdict], f"entry:{proven.leaf}") or (proven, verdict)


def check_log(gateway: Gateway, identity: Identity) -> Sequence[Verdict] | Refused:
    """Have the stand-alone verifier count every entry of every log that is kept into every root that was signed.

    A verdict a log, oldest first. Nothing of the entries is shown, so an officer of one organisation may have all of
    them checked.
    """
    allowed = may(gateway, identity, Action.READ_AUDIT)
    if isinstance(allowed, Refused):
        return allowed
    with gateway.reading() as session:
        kept = kept_logs(session.connection())
    numbers = {each.log for each in kept}
    try:
        verdicts = [_check(gateway, each, is_former=each.log + 1 in numbers) for each in kept]
    except NotLoggedError:
        verdicts = []
    if not verdicts:
        return Refused("log-behind", retry_after=1)
    return _log_check(gateway, identity, verdicts, WHOLE_LOG) or verdicts


def _check(gateway: Gateway, log: LogState, *, is_former: bool) -> Verdict:
    try:
        return _count(gateway, log, is_former=is_former)
    except verify.Fault as fault:
        return Verdict(fault.kind, fault.index, signed_by=log.origin)
    except LogBrokenError as broken:
        return Verdict("missing", broken.index, signed_by=log.origin)
    except NoteError:
        return Verdict("policy", signed_by=log.origin)


def _count(gateway: Gateway, log: LogState, *, is_former: bool) -> Verdict:
    """Count up to the latest signed checkpoint, which witnesses need not have seen yet; an earlier one they must.

    A former log ends as the one after it holds on to: who sees that one has seen the end of this one too.
    """
    policy = policy_text(gateway)
    judge, quorum = verify.Policy(policy), parse_policy(policy)
    with TemporaryFile() as bundle:  # all entries of a year: too much for the memory of a server
        with gateway.reading() as session:
            connection, latest = session.connection(), signed_size(session.connection(), log.log)
            if is_former and not latest:
                return Verdict(signed_by=log.origin, unsigned=log.size)
            _, seen = checkpoint(connection, log.log, at_least=1, policy=quorum)
            write_bundle(connection, log.log, bundle, policy=policy, at_least=latest, compress=False)
            held = _end_in_next(connection, log.log) if is_former and latest >= log.size else None
        tree = verify.Tree.parse(seen, judge)
        if not is_former and not judge.is_met(set(tree.cosigned)):
            raise verify.Fault("quorum")
        judge.quorum = NONE
        with zipfile.ZipFile(bundle) as opened:
            counted, _, end, _ = verify.check_bundle(opened, judge, [tree])
    text = Checkpoint(end.origin, end.size, end.root).text()
    if held is not None and held != sha256(text.encode()).hexdigest():
        raise verify.Fault("fork")
    return Verdict(entries=counted, signed_by=end.origin, unsigned=log.size - counted if is_former else 0)


def _end_in_next(connection: Connection, log: int) -> str:
    """SHA-256, in hex, of the last checkpoint's text of a former log, as the first entry of the next one says it."""
    following = Filter(logs=frozenset({log + 1}))
    opened = find(connection, following, before=Place(log + 1, 1), limit=1)
    return str(opened[0].fields().get("object", {}).get("commitment", "")) if opened else ""


def sign_off(gateway: Gateway, identity: Identity) -> Refused | None:
    """Record that an officer has reviewed the log as it stands now: the own entries, or the whole log."""
    about = None if scope_of(identity) else Object(WHOLE_LOG)
    return _look(gateway, identity, Action.REVIEW_AUDIT, Event.AUDIT_REVIEWED, about)


def correct(
    gateway: Gateway,
    identity: Identity,
    leaf: str,
    *,
    party: str | None = None,
    recipient: str | None = None,
    period: str | None = None,
) -> str | Refused:
    """Say what an entry should have said: a new entry points back to it, for the log is never rewritten.

    Args:
        gateway: The gateway.
        identity: The officer; of an organisation, one who may see the entry.
        leaf: Leaf hash of the entry that is wrong; that of the correction is returned.
        party: The organisation it is about, where that was wrong; not of an entry that may name none, as of a consent.
        recipient: Likewise, who received.
        period: Likewise.

    Raises:
        EntryError: A period has not the form of one.
    """
    allowed = may(gateway, identity, Action.REVIEW_AUDIT)
    if isinstance(allowed, Refused):
        return allowed
    try:
        with gateway.reading() as session:
            wrong = _prove(gateway, session, identity, bytes.fromhex(leaf))
            if isinstance(wrong, Refused):
                return wrong
            if (party or recipient or period) and _is_unlinkable(session, wrong.fields):
                return Refused("unlinkable")
            if any(session.get(Party, code) is None for code in {party, recipient} - {None}):
                return Refused("unknown-party")
    except (NotLoggedError, ValueError):
        return Refused("not-found")
    (actor, decision), event, cause = allowed, Event.ENTRY_CORRECTED, leaf_hash(wrong.found.data)
    entry = Entry(event=event, actor=actor, cause=cause, party=party, recipient=recipient, period=period)
    logged = gateway.log_for(identity, entry, decision)
    return logged if isinstance(logged, Refused) else logged.entry_id


def report(gateway: Gateway, identity: Identity, wanted: Filter) -> Mapping[str, Mapping[str, int]] | Refused:
    """How often each value of each of `COLUMNS` stands in the log; `refused` counts by which rule."""
    allowed = _look(gateway, identity, Action.READ_AUDIT, Event.AUDIT_VIEWED)
    if allowed is not None:
        return allowed
    mine = replace(wanted, viewer=scope_of(identity) or None)
    with gateway.reading() as session:
        connection = session.connection()
        counted = {column: tally(connection, mine, column) for column in COLUMNS}
        return counted | {"refused": tally(connection, replace(mine, decision=Outcome.DENY.value), "rule")}


def _is_unlinkable(session: Session, fields: Mapping[str, Any]) -> bool:
    """Whether an entry, or what it corrects in the end, may name no site; also when that cannot be read any more."""
    connection = session.connection()
    try:
        while (event := Event(fields["event"])) is Event.ENTRY_CORRECTED:
            place = locate(connection, bytes.fromhex(fields["cause"]))
            mine = Filter(logs=frozenset({place.log}))
            (cause,) = find(connection, mine, before=Place(place.log, place.index + 1), limit=1)
            fields = cause.fields() if cause.place == place else {}
    except (NotLoggedError, LookupError, ValueError, TypeError):
        return True
    return SHAPES[event].unlinkable


def _look(
    gateway: Gateway, identity: Identity, action: Action, event: Event, about: Object | None = None
) -> Refused | None:
    """Ask the law and log the look before anything is read."""
    allowed = may(gateway, identity, action)
    if isinstance(allowed, Refused):
        return allowed
    actor, decision = allowed
    logged = gateway.log_for(identity, Entry(event=event, actor=actor, object=about), decision)
    return logged if isinstance(logged, Refused) else None


def _prove(gateway: Gateway, session: Session, identity: Identity, leaf: bytes) -> Proven | Refused:
    connection, scope = session.connection(), scope_of(identity)
    place = locate(connection, leaf)
    found = find(connection, Filter(viewer=scope or None), before=Place(place.log, place.index + 1), limit=1)
    if not found or found[0].place != place:
        return Refused("not-found")
    size, note = checkpoint(connection, place.log, at_least=place.index + 1, policy=quorum_of(gateway))
    path = inclusion(connection, place, size)
    steps = steps_of(leaf, place.index, size, path)
    corrections = find(connection, Filter(viewer=scope or None, corrects=leaf.hex()))
    corrected_by = [leaf_hash(each.data).hex() for each in corrections]
    return Proven(found[0], found[0].fields(), leaf.hex(), steps, size, note, corrected_by)


def _log_check(gateway: Gateway, identity: Identity, verdicts: Sequence[Verdict], about: str) -> Refused | None:
    allowed = may(gateway, identity, Action.READ_AUDIT)
    if isinstance(allowed, Refused):
        return allowed
    actor, decision = allowed
    outcome = Outcome.ERROR if any(each.fault for each in verdicts) else Outcome.PERMIT
    checked = Entry(event=Event.AUDIT_VERIFIED, actor=actor, object=Object(about), decision=outcome)
    logged = gateway.log_for(identity, checked, decision)
    return logged if isinstance(logged, Refused) else None
