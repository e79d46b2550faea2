"""Ask witnesses to cosign the latest checkpoint (client of C2SP tlog-witness)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import httpx
from sqlalchemy import Connection, Engine, func, insert, select

from audit import verify
from audit.checkpoint import SIZE, Checkpoint, verify_cosignature
from audit.continuation import Continuation
from audit.errors import AuditError, NoteError
from audit.lead import take_lead
from audit.note import Signature, parse_note, parse_signatures
from audit.proofs import consistency, log_note, signed_size
from audit.quorum import Witness
from audit.schema import COSIGNATURE

_OK: Final = 200
_CONFLICT: Final = 409


class Answer(StrEnum):
    """What came of asking a witness."""

    COSIGNED = "cosigned"
    """It cosigned; the line is stored."""
    UP_TO_DATE = "up-to-date"
    """It cosigned this checkpoint before."""
    ALARM = "alarm"
    """It saw another past or a longer log under our key: the log was rolled back or split. Stop and investigate."""
    UNKNOWN = "unknown-log"
    """It does not know this log: whoever runs it must add the log's key."""
    REFUSED = "refused"
    """It does not know this log's key, or answered something else than a cosignature."""
    UNREACHABLE = "unreachable"
    """No answer; try again later."""


_NO_COSIGNATURE: Final = {404: Answer.UNKNOWN, 422: Answer.ALARM}


@dataclass(frozen=True, slots=True)
class _Head:
    log: int
    size: int
    note: str
    cosigned: int

    def since(self, engine: Engine, old: int) -> bytes:
        """What to send to a witness that cosigned `old` entries."""
        with engine.connect() as connection:
            proof = consistency(connection, self.log, old, self.size) if old else []
        return str(Continuation(old, proof, self.note)).encode()


def ask_witness(engine: Engine, log: int, witness: Witness, client: httpx.Client, size: int | None = None) -> Answer:
    """Ask one witness for its line under a checkpoint of a log, and store it.

    1. Take the checkpoint, and the size this witness cosigned last.
    2. Send both with the consistency proof between them.
    3. If it remembers another size (409), send the proof from that size, once. A size that another process of this
       log had cosigned meanwhile is in order; one that the log has not signed even now is an alarm.
    4. Verify its line before storing it, as a library does and as the stand-alone verifier does.

    No transaction is open while the witness thinks. `size` is that of the checkpoint, None for the latest: a quorum
    needs lines under one and the same.
    """
    with engine.connect() as connection:  # 1
        head = _head(connection, log, witness, size)
    if head.size <= head.cosigned:
        return Answer.UP_TO_DATE
    url = f"{(witness.url or '').rstrip('/')}/add-checkpoint"
    try:
        reply = client.post(url, content=head.since(engine, head.cosigned))  # 2
        theirs = reply.text.strip()
        if reply.status_code == _CONFLICT and SIZE.fullmatch(theirs):  # 3
            if int(theirs) > head.size:
                return _ahead(engine, log, int(theirs))
            reply = client.post(url, content=head.since(engine, int(theirs)))
    except httpx.HTTPError:
        return Answer.UNREACHABLE
    if reply.status_code != _OK:
        return _NO_COSIGNATURE.get(reply.status_code, Answer.REFUSED)
    try:
        line = _line_of(reply.text, witness, head.note)  # 4
    except (AuditError, verify.Fault):
        return Answer.REFUSED
    with engine.begin() as connection:
        take_lead(connection, wait=True)
        if _head(connection, log, witness, head.size).cosigned < head.size:  # another process may have asked meanwhile
            row = {"log": log, "size": head.size, "witness": str(witness.key), "line": str(line)}
            connection.execute(insert(COSIGNATURE).values(row))
    return Answer.COSIGNED


def _ahead(engine: Engine, log: int, theirs: int) -> Answer:
    with engine.connect() as connection:
        return Answer.ALARM if theirs > signed_size(connection, log) else Answer.UP_TO_DATE


def _head(connection: Connection, log: int, witness: Witness, size: int | None) -> _Head:
    size = signed_size(connection, log) if size is None else size
    note = log_note(connection, log, size) if size else ""
    mine = (COSIGNATURE.c.log == log) & (COSIGNATURE.c.witness == str(witness.key))
    return _Head(log, size, note, connection.scalar(select(func.max(COSIGNATURE.c.size)).where(mine)) or 0)


def _line_of(reply: str, witness: Witness, note: str) -> Signature:
    """The witness's line, once both readers take it: what is stored stays, and one wrong line spoils every proof.

    Of a key that is no proper point of the curve, a library calls good what the stand-alone verifier calls wrong.
    """
    for line in parse_signatures(reply):
        if line.is_by(witness.key):
            verify_cosignature(witness.key, line, Checkpoint.parse(parse_note(note).text))
            verify.Note.parse(f"{note}{line}", "checkpoint").signed(verify.Key.parse(str(witness.key)), "cosignature")
            return line
    raise NoteError("the witness's answer has no line of its key")
