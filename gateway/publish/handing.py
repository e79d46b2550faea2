"""From a permit to a file in somebody's hands: logged with a receipt, let go once a signed checkpoint holds it."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlmodel import Session

from audit.entry import Entry, Object
from audit.events import Event
from audit.receipt import NONCE_BYTES, commit, issue, with_proof
from audit.tlog_proof import Proof
from gateway.context import Gateway
from gateway.formats.write import Format
from gateway.identity import Identity, still_good
from gateway.outcome import Refused
from gateway.periods import keeps_counts
from gateway.proving import FOLLOWS, proof_of
from gateway.store import Period, Receipt, Release
from policies.days import milliseconds
from policies.decision import Decision

PROOF_SECONDS = 5.0
PUBLIC = ""
_LOOK_AGAIN = 0.05
_BEHIND = Refused("log-behind", retry_after=5)
# A log that stands still keeps so many threads of the forty; who comes then is told at once that it is behind.
_waiting = threading.BoundedSemaphore(24)


@dataclass(frozen=True, slots=True)
class Download:
    """A file for one recipient, its receipt and the tag by which the same content is recognised."""

    body: bytes
    form: Format
    receipt: str
    entry_id: str
    etag: str


@dataclass(frozen=True, slots=True)
class Held:
    """A file that was decided on and logged, and that `let_go` hands out once a signed checkpoint holds its entry."""

    body: bytes
    form: Format
    receipt: str
    entry_id: str


def keep(
    gateway: Gateway,
    identity: Identity | None,
    entry: Entry,
    decision: Decision,
    *,
    body: bytes,
    form: Format,
    state: str | None = None,
    own: Period | None = None,
) -> Held | Refused:
    """Log that these bytes go to this recipient, with their receipt, unless something ended while they were written.

    Args:
        gateway: where.
        identity: who asked; None is the public.
        entry: of what; its commitment is added here.
        decision: the permit.
        body: the file.
        form: of the file.
        state: of the release when it was decided.
        own: their period, where they are the recipient's own figures.
    """
    nonce, subject = gateway.random(NONCE_BYTES), entry.object.id if entry.object else ""
    with gateway.writing() as session:
        if (ended := _ended(gateway, session, identity, subject, state=state, own=own)) is None:
            appended = gateway.append(session, replace(entry, object=Object(subject, commit(nonce, body))), decision)
            receipt = issue(
                gateway.receipts,
                kind="download",
                entry=appended.data,
                made=milliseconds(gateway.clock()),
                nonce=nonce,
                details={"format": form.value, "operators": gateway.operators},
            )
            party = entry.recipient or PUBLIC
            session.add(Receipt(entry_id=appended.entry_id, party=party, subject=subject, text=receipt))
            return Held(body, form, receipt, appended.entry_id)
    gateway.log_undone(Entry(event=Event.REQUEST_REFUSED, actor=entry.actor), decision)
    return ended


def _ended(
    gateway: Gateway,
    session: Session,
    identity: Identity | None,
    subject: str,
    *,
    state: str | None,
    own: Period | None,
) -> Refused | None:
    """Why a file may go to nobody any more; until the transaction ends, what it rests on stays as it is."""
    if identity is not None and not still_good(session, identity, gateway.clock()):
        return Refused("unauthenticated")
    if own is not None and not keeps_counts(session, gateway.law.purposes, own, gateway.today):
        return Refused("no-own-figures")
    if state is None:
        return None
    release = session.get_one(Release, subject.removeprefix("release:"), with_for_update={"read": True})
    return None if release.state == state else Refused("release-state", facts={"state": release.state})


def let_go(gateway: Gateway, held: Iterable[Held]) -> list[Download] | Refused:
    """Hand out what is held, once signed checkpoints hold all of its entries; asked at once, mostly one holds them."""
    gone = []
    for each in held:
        receipt = proven(gateway, each.receipt, each.entry_id)
        if isinstance(receipt, Refused):
            return receipt
        etag = gateway.tag(b"etag", each.body).hex()[:32]
        gone.append(Download(each.body, each.form, receipt, each.entry_id, etag))
    return gone


def proven(gateway: Gateway, receipt: str, entry_id: str, late: Refused = _BEHIND) -> str | Refused:
    """A receipt with its proof in it, once a signed checkpoint holds the entry."""
    proof = await_proof(gateway, entry_id, late)
    return proof if isinstance(proof, Refused) else with_proof(receipt, proof)


def alone(gateway: Gateway, held: Held | Refused) -> Download | Refused:
    """One file by itself."""
    gone = held if isinstance(held, Refused) else let_go(gateway, [held])
    return gone if isinstance(gone, Refused) else gone[0]


def receipt_of_entry(gateway: Gateway, identity: Identity | None, entry_id: str) -> str | Refused:
    """The receipt of an upload or download of the caller's own party, or of the public, with its proof."""
    with gateway.reading() as session:
        receipt = session.get(Receipt, entry_id)
    if receipt is None or receipt.party != (identity.party if identity else PUBLIC):
        return Refused("not-found")
    return proven(gateway, receipt.text, entry_id, FOLLOWS)


def await_proof(gateway: Gateway, entry_id: str, late: Refused) -> Proof | Refused:
    """The proof that an entry is in a signed checkpoint, waited for at most five seconds, and by so many at once."""
    end, mine = time.monotonic() + PROOF_SECONDS, _waiting.acquire(blocking=False)
    try:
        while True:
            if (proof := proof_of(gateway, entry_id)) != FOLLOWS:
                return proof
            if not mine or time.monotonic() > end:
                return late
            time.sleep(_LOOK_AGAIN)
    finally:
        if mine:
            _waiting.release()
