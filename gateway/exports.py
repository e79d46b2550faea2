"""What leaves the log: bundles that anybody can check, Logboek Dataverwerkingen, CSV, tiles of entries.

Every export is itself an entry, made before anything leaves. What an officer may take is decided in
`gateway.oversight`.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from io import TextIOWrapper
from tempfile import TemporaryFile
from typing import IO, TypeVar

from sqlmodel import Session

from audit.entry import Entry
from audit.errors import AuditError, LogBrokenError, NotLoggedError
from audit.events import Event
from audit.export import select_all, write_bundle, write_csv, write_ldv, write_selection
from audit.proofs import logs
from audit.tiles import Tile, entry_bundle
from audit.timeline import Filter
from gateway.context import Gateway
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.oversight import logs_called, may, policy_text, scope_of
from policies.question import Action

Taken = TypeVar("Taken")


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


def take_out(
    gateway: Gateway, identity: Identity, form: Form = Form.BUNDLE, wanted: Filter | None = None, name: str = ""
) -> IO[bytes] | Refused:
    """The log to keep and to check elsewhere: all of it for the controller's officer, else the own entries.

    A bundle of everything proves that nothing is missing. Whatever is filtered proves presence only, and says so.
    It is a temporary file, at its beginning, for a log may be larger than a server's memory; who reads it closes it.

    Args:
        gateway: The gateway.
        identity: The officer.
        form: In which form.
        wanted: Which entries; all by default.
        name: Which log, see `logs_called`; a bundle is of one. Without a name, the log in use as a bundle, and every
            log in the other forms.
    """
    mine = replace(wanted or Filter(), viewer=scope_of(identity) or None)
    with ExitStack() as opened:
        out = opened.enter_context(TemporaryFile())
        refused = _hand_out(gateway, identity, lambda: _write(gateway, form, mine, name, out))
        if refused is not None:
            return refused
        opened.pop_all()
    out.seek(0)
    return out


def _write(gateway: Gateway, form: Form, mine: Filter, name: str, out: IO[bytes]) -> Refused | None:
    policy = policy_text(gateway)
    with gateway.reading() as session:
        if name:
            called = logs_called(session.connection(), name)
            if isinstance(called, Refused):
                return called
            if form is Form.BUNDLE and len(called) > 1:
                return Refused("log-several", facts={"logs": ", ".join(map(str, called))})
            mine = replace(mine, logs=frozenset(called))
        if form is not Form.BUNDLE:
            _lines(gateway, session, form, mine, out)
            return None
        try:
            _bundle(session, mine, out, policy)
        except LogBrokenError as broken:
            return Refused("log-broken", facts={"entry": str(broken.index)})
        except (NotLoggedError, IndexError):  # one by name may have been left before anything was signed
            return Refused("not-found") if name else Refused("log-behind", retry_after=1)
    return None


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


def _hand_out(gateway: Gateway, identity: Identity, read: Callable[[], Taken | Refused]) -> Taken | Refused:
    """Ask the law, and log before anything leaves that it did, or that nothing could although the law permits it.

    Writing all of a year takes minutes: who was shut out in them takes nothing along.
    """
    allowed = may(gateway, identity, Action.EXPORT_AUDIT)
    if isinstance(allowed, Refused):
        return allowed
    (actor, decision), taken = allowed, read()
    entry = Entry(event=Event.AUDIT_EXPORTED, actor=actor)
    if isinstance(taken, Refused):
        gateway.log_undone(entry, decision)
        return taken
    logged = gateway.log_for(identity, entry, decision, undone=entry)
    return logged if isinstance(logged, Refused) else taken


def _bundle(session: Session, mine: Filter, out: IO[bytes], policy: str) -> None:
    connection = session.connection()
    log = max(mine.logs or [logs(connection)[-1].log])
    if replace(mine, logs=None) == Filter():
        write_bundle(connection, log, out, policy=policy)
    else:
        write_selection(connection, log, mine, out, policy=policy)


def _lines(gateway: Gateway, session: Session, form: Form, mine: Filter, out: IO[bytes]) -> None:
    """As CSV every entry; as LDV every processing of personal data, for what the log says of itself is none."""
    entries, lines = select_all(session.connection(), mine), TextIOWrapper(out, "utf-8", newline="")
    if form is Form.CSV:
        write_csv(entries, lines)
    else:
        resource = {"service.name": "verzuimpoort", "service.namespace": gateway.settings.log_name}
        write_ldv((each for each in entries if "activity" in each.fields()), lines, resource=resource)
    lines.detach()
