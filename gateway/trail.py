"""The log as its officers read it: a page of the timeline, one entry with its proof in steps, checked by the verifier.

Every look is itself an entry. What an officer may see at all is decided in `gateway.oversight`.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from tempfile import TemporaryFile
from typing import Any

from sqlmodel import Session

from audit import verify
from audit.entry import Entry, Object
from audit.errors import AuditError, LogBrokenError, NeverSignedError, NoteError, NotLoggedError
from audit.events import COLUMNS, SHAPES, Column, Event
from audit.events import Decision as Outcome
from audit.export import NO_PROOFS, ldv_records, select_all, write_bundle, write_csv, write_selection
from audit.merkle import leaf_hash
from audit.proofs import LogState, Place, checkpoint, inclusion, locate, logs, signed_size
from audit.quorum import NONE, parse_policy
from audit.tiles import Tile, entry_bundle
from audit.timeline import Filter, Found, find, tally
from gateway.context import Gateway
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.oversight import WHOLE_LOG, may, policy_text, scope_of
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
    """An entry, where it stands, and the way from its bytes to what the log signed."""

    found: Found
    fields: Mapping[str, Any]
    leaf: str
    steps: Sequence[Step]
    size: int
    note: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the stand-alone verifier says.

    Attributes:
        fault: Kind of fault, a key of `audit.verify.FAULTS`; empty when all is in order.
        entry: Index of the first entry the fault touches, where it touches one.
        entries: Entries that were checked.
        signed_by: Name of the log that signed.
    """

    fault: str = ""
    entry: int | None = None
    entries: int = 0
    signed_by: str = ""


class Form(StrEnum):
    """In which form the log is taken out."""

    BUNDLE = "bundle"
    """For the stand-alone verifier: entries, hashes, checkpoints, keys."""
    LDV = "ldv"
    """Logboek Dataverwerkingen, JSON."""
    CSV = "csv"
    """A line an entry, with its leaf hash."""

    @property
    def media_type(self) -> str:
        """Its media type."""
        return {Form.BUNDLE: "application/zip", Form.LDV: "application/json", Form.CSV: "text/csv"}[self]


def timeline(gateway: Gateway, identity: Identity, wanted: Filter, before: Place | None = None) -> Timeline | Refused:
    """The newest entries that fit and are the officer's to see; looking is logged first."""
    allowed = _look(gateway, identity, Action.READ_AUDIT, Event.AUDIT_VIEWED)
    if allowed is not None:
        return allowed
    mine = replace(wanted, viewer=scope_of(identity) or None)
    with gateway.reading() as session:
        connection = session.connection()
        found = find(connection, mine, before=before, limit=PAGE + 1)
        values = {column: tally(connection, Filter(viewer=mine.viewer), column) for column in COLUMNS}
        chain = logs(connection)
        last = find(connection, Filter(viewer=mine.viewer, event=Event.AUDIT_REVIEWED.value), limit=1)
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
    _log_check(gateway, identity, verdict, f"entry:{leaf}")
    return proven, verdict


def check_log(gateway: Gateway, identity: Identity) -> Verdict | Refused:
    """Have the stand-alone verifier count every entry of the log in use into every root that was signed.

    Nothing of the entries is shown, so an officer of one organisation may have the whole log checked.
    """
    allowed = may(gateway, identity, Action.READ_AUDIT)
    if isinstance(allowed, Refused):
        return allowed
    try:
        checked = _count(gateway)
    except verify.Fault as fault:
        verdict = Verdict(fault.kind, fault.index)
    except LogBrokenError as broken:
        verdict = Verdict("missing", broken.index)
    except NoteError:
        verdict = Verdict("policy")
    except (NotLoggedError, IndexError):
        return Refused("log-behind", retry_after=1)
    else:
        verdict = Verdict(entries=checked.entries, signed_by=checked.tree.origin)
    _log_check(gateway, identity, verdict, WHOLE_LOG)
    return verdict


def _count(gateway: Gateway) -> verify.Verdict:
    """Count up to the latest signed checkpoint, which witnesses need not have seen yet; an earlier one they must."""
    policy = policy_text(gateway)
    judge, quorum = verify.Policy(policy), parse_policy(policy)
    with TemporaryFile() as bundle:  # all entries of a year: too much for the memory of a server
        with gateway.reading() as session:
            connection, log = session.connection(), logs(session.connection())[-1].log
            _, seen = checkpoint(connection, log, at_least=1, policy=quorum)
            latest = signed_size(connection, log)
            write_bundle(connection, log, bundle, policy=policy, at_least=latest, compress=False)
        tree = verify.Tree.parse(seen, judge)
        if not judge.is_met(set(tree.cosigned)):
            raise verify.Fault("quorum")
        judge.quorum = NONE
        with zipfile.ZipFile(bundle) as opened:
            return verify.check_bundle(opened, judge, [tree])


def sign_off(gateway: Gateway, identity: Identity) -> Refused | None:
    """Record that an officer has reviewed the log as it stands now."""
    return _look(gateway, identity, Action.REVIEW_AUDIT, Event.AUDIT_REVIEWED)


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
    return gateway.log_act(entry, decision).entry_id


def take_out(
    gateway: Gateway, identity: Identity, form: Form = Form.BUNDLE, wanted: Filter | None = None, name: str = ""
) -> bytes | Refused:
    """The log to keep and to check elsewhere: all of it for the controller's officer, else the own entries.

    A bundle of everything proves that nothing is missing. Whatever is filtered proves presence only, and says so.

    Args:
        gateway: The gateway.
        identity: The officer.
        form: In which form.
        wanted: Which entries; all by default.
        name: Which log: its number, its origin, or the end of that, such as `2025-2026`. Without one, the log in use
            as a bundle, and every log in the other forms.
    """
    mine = replace(wanted or Filter(), viewer=scope_of(identity) or None)
    return _hand_out(gateway, identity, lambda: _taken(gateway, form, mine, name))


def _taken(gateway: Gateway, form: Form, mine: Filter, name: str) -> bytes | Refused:
    policy = policy_text(gateway)
    with gateway.reading() as session:
        if name:
            chain = logs(session.connection())
            number = next((each.log for each in chain[::-1] if _is_called(each, name)), None)
            if number is None:
                return Refused("not-found")
            mine = replace(mine, log=number)
        if form is Form.LDV:
            return _as_ldv(gateway, session, mine)
        if form is Form.CSV:
            lines = io.StringIO()
            write_csv(select_all(session.connection(), mine), lines)
            return lines.getvalue().encode()
        try:
            return _bundle(session, mine, policy)
        except LogBrokenError as broken:
            return Refused("log-broken", facts={"entry": str(broken.index)})
        except (NotLoggedError, IndexError):  # of a log by name, the retention may have ended
            return Refused("not-found") if name else Refused("log-behind", retry_after=1)


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


def bundle_of_entries(gateway: Gateway, identity: Identity, log: int, tile: Tile) -> bytes | Refused:
    """A bundle of entries (C2SP tlog-tiles), which holds those of everybody: for the controller's officer only."""

    def read() -> bytes | Refused:
        if scope_of(identity):
            return Refused("not-found")
        try:
            with gateway.reading() as session:
                return entry_bundle(session.connection(), log, tile)
        except AuditError:
            return Refused("not-found")

    return _hand_out(gateway, identity, read)


def _hand_out(gateway: Gateway, identity: Identity, read: Callable[[], bytes | Refused]) -> bytes | Refused:
    """Ask the law, and log before anything leaves that it did, or that nothing could although the law permits it."""
    allowed = may(gateway, identity, Action.EXPORT_AUDIT)
    if isinstance(allowed, Refused):
        return allowed
    (actor, decision), taken = allowed, read()
    log = gateway.log_undone if isinstance(taken, Refused) else gateway.log_act
    log(Entry(event=Event.AUDIT_EXPORTED, actor=actor), decision)
    return taken


def _is_unlinkable(session: Session, fields: Mapping[str, Any]) -> bool:
    """Whether an entry, or what it corrects in the end, may name no site; also when that cannot be read any more."""
    connection = session.connection()
    try:
        while (event := Event(fields["event"])) is Event.ENTRY_CORRECTED:
            place = locate(connection, bytes.fromhex(fields["cause"]))
            (cause,) = find(connection, Filter(log=place.log), before=Place(place.log, place.index + 1), limit=1)
            fields = cause.fields() if cause.place == place else {}
    except (NotLoggedError, LookupError, ValueError, TypeError):
        return True
    return SHAPES[event].unlinkable


def _is_called(log: LogState, name: str) -> bool:
    return name in (str(log.log), log.origin) or log.origin.endswith(f"/{name}")


def _bundle(session: Session, mine: Filter, policy: str) -> bytes:
    out, connection = io.BytesIO(), session.connection()
    log = mine.log or logs(connection)[-1].log
    if replace(mine, log=None) == Filter():
        write_bundle(connection, log, out, policy=policy)
    else:
        write_selection(connection, log, mine, out, policy=policy)
    return out.getvalue()


def _as_ldv(gateway: Gateway, session: Session, mine: Filter) -> bytes:
    """Every processing of personal data; what the log says of itself has no activity and is none."""
    resource = {"service.name": "verzuimpoort", "service.namespace": gateway.settings.log_name}
    processing = (each for each in select_all(session.connection(), mine) if "activity" in each.fields())
    records = ldv_records(processing, resource=resource)
    statement = NO_PROOFS.splitlines()
    document = {"standard": "Logboek Dataverwerkingen", "statement": statement, "records": list(records)}
    return json.dumps(document, ensure_ascii=False).encode()


def _look(gateway: Gateway, identity: Identity, action: Action, event: Event) -> Refused | None:
    """Ask the law and log the look before anything is read."""
    allowed = may(gateway, identity, action)
    if isinstance(allowed, Refused):
        return allowed
    actor, decision = allowed
    gateway.log_act(Entry(event=event, actor=actor), decision)
    return None


def _prove(gateway: Gateway, session: Session, identity: Identity, leaf: bytes) -> Proven | Refused:
    connection, scope = session.connection(), scope_of(identity)
    place = locate(connection, leaf)
    found = find(connection, Filter(viewer=scope or None), before=Place(place.log, place.index + 1), limit=1)
    if not found or found[0].place != place:
        return Refused("not-found")
    size, note = checkpoint(connection, place.log, at_least=place.index + 1, policy=quorum_of(gateway))
    path = inclusion(connection, place, size)
    return Proven(found[0], found[0].fields(), leaf.hex(), steps_of(leaf, place.index, size, path), size, note)


def _log_check(gateway: Gateway, identity: Identity, verdict: Verdict, about: str) -> None:
    allowed = may(gateway, identity, Action.READ_AUDIT)
    if isinstance(allowed, Refused):
        return
    actor, decision = allowed
    outcome = Outcome.ERROR if verdict.fault else Outcome.PERMIT
    checked = Entry(event=Event.AUDIT_VERIFIED, actor=actor, object=Object(about), decision=outcome)
    gateway.log_act(checked, decision)
