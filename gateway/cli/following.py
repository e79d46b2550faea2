"""Every school and recipient a monitor: what the gateway's log said last time must begin what it says now.

The last checkpoint is kept beside the key that signed it and the gateway's policy file, one small file per gateway. The
first time there is nothing to compare with: all three are believed and kept. With them receipts are checked offline.
"""

import json
import os
import re
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import httpx
import typer

from audit.checkpoint import Signed, open_checkpoint
from audit.continuation import Continuation, verify_continues
from audit.errors import AuditError, NoteError
from audit.note import Key
from audit.quorum import Policy, parse_policy
from audit.receipt import is_signed_by
from gateway.cli.failing import language, say_error
from gateway.messages import text
from pseudonymisation.private_file import FOLDER_MODE

PROOF_SECONDS = 10.0
_OK, _LATER, _CONTRADICTED = httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.CONFLICT


class Followed(StrEnum):
    """What came of comparing."""

    FIRST = "first"
    """There was nothing to compare with yet."""
    CONTINUES = "continues"
    """The log only grew."""
    BROKEN = "broken"
    """It signed another history than the one that was kept: somebody rewrote it, or shows it differently to others."""
    UNKNOWN = "unknown"
    """The gateway gave no answer to compare."""
    UNREADABLE = "unreadable"
    """What was kept cannot be read: it says nothing of the log."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The checkpoint that was kept, the public key its log signs with, the same every year, and keys and quorum."""

    note: str
    public: bytes
    policy: str

    @classmethod
    def read(cls, file: Path) -> "Seen | None":
        """Read what was kept; None where that cannot be read."""
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            return cls(str(kept["checkpoint"]), bytes.fromhex(kept["key"]), str(kept.get("policy", "")))
        except (ValueError, LookupError, TypeError, AttributeError):
            return None

    def write(self, file: Path) -> None:
        """Keep it, whole or not at all, whoever else does so; folders that are missing are for this user only."""
        for folder in [each for each in (file.parent, *file.parent.parents) if not each.exists()][::-1]:
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        kept = {"checkpoint": self.note, "key": self.public.hex(), "policy": self.policy}
        descriptor, fresh = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as written:
                written.write(json.dumps(kept))
                written.flush()
                os.fsync(descriptor)
            Path(fresh).replace(file)
        finally:
            Path(fresh).unlink(missing_ok=True)

    def opened(self) -> Signed:
        """The checkpoint, its signature verified with the key that was kept."""
        origin = self.note.partition("\n")[0]
        return open_checkpoint(self.note, [Key(origin, 1, self.public)])


def follow(http: httpx.Client, file: Path) -> Followed:
    """Compare the gateway's log with what was kept, and keep what it says now.

    Steps: (1) nothing kept: believe and keep; (2) the log of the kept checkpoint only grew, by its proof; (3) when that
    log was followed by the next school year's, it ends as it was seen and the next one has the same key; keys and
    quorum are taken anew, for they name the new log.
    """
    newest = http.get("/v1/audit/checkpoint")
    if newest.status_code != _OK:
        return Followed.UNKNOWN
    try:
        if not file.exists():  # (1)
            _first(http, newest.text).write(file)
            return Followed.FIRST
        seen = Seen.read(file)
        if seen is None:
            return Followed.UNREADABLE
        answer = http.post("/v1/audit/continuation", content=seen.note.encode())
        if answer.status_code == _CONTRADICTED:
            return Followed.BROKEN
        if answer.status_code != _OK:
            return Followed.UNKNOWN
        now, old = _continued(seen, answer.text), seen.opened().checkpoint  # (2)
        latest = replace(now, note=newest.text)
        if latest.opened().checkpoint.origin != old.origin or not seen.policy:  # (3)
            now = replace(latest, policy=_policy(http))
        now.write(file)
    except httpx.HTTPStatusError:
        return Followed.UNKNOWN
    except (AuditError, ValueError, KeyError):
        return Followed.BROKEN
    return Followed.CONTINUES


def memory_of(url: httpx.URL | str) -> Path:
    """Where the checkpoint of a gateway is kept, in the user's own folder."""
    name = re.sub(r"[^a-z0-9.-]+", "_", str(url).lower().partition("://")[2].strip("/"))
    return _memory() / f"{name}.json"


def policy_for(receipt: str) -> Policy | None:
    """Keys and quorum of the gateway that signed a receipt, as they were kept; None if this user never met it."""
    for file in sorted(_memory().glob("*.json")):
        seen = Seen.read(file)
        with suppress(ValueError, KeyError, AuditError):
            policy = parse_policy(seen.policy if seen else "")
            if is_signed_by(receipt, policy):
                return policy
    return None


def watch(http: httpx.Client, lang: str) -> None:
    """Follow the log along with an act; what contradicts is said and ends with exit 1, though the act was done."""
    kept = memory_of(http.base_url)
    outcome = follow(http, kept)
    if outcome in (Followed.BROKEN, Followed.UNREADABLE):
        say_error(text("cli", f"log-{outcome.value}", language(lang), file=str(kept)))
    if outcome is Followed.BROKEN:
        raise typer.Exit(1)


def proven_receipt(http: httpx.Client, path: str) -> str | None:
    """A receipt with its proof, waited for a few seconds; None when the log is behind."""
    end = time.monotonic() + PROOF_SECONDS
    while time.monotonic() < end:
        answer = http.get(path)
        if answer.status_code != _LATER:
            return answer.text if answer.status_code == _OK else None
        time.sleep(0.2)
    return None


def _memory() -> Path:
    return Path(typer.get_app_dir("verzuimpoort")) / "checkpoints"


def _policy(http: httpx.Client) -> str:
    return http.get("/v1/audit/policy").raise_for_status().text


def _first(http: httpx.Client, note: str) -> Seen:
    policy = _policy(http)
    return Seen(note, open_checkpoint(note, parse_policy(policy).logs).by.public, policy)


def _continued(seen: Seen, answer: str) -> Seen:
    proven = Continuation.parse(answer)
    now, old = replace(seen, note=proven.checkpoint), seen.opened().checkpoint
    if proven.old != old.size:
        raise NoteError("the proof begins at another size than the checkpoint that was sent")
    verify_continues(old, now.opened().checkpoint, proven.proof)
    return now
