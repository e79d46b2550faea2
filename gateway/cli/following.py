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

from audit.checkpoint import Checkpoint, Signed, open_checkpoint
from audit.continuation import Continuation, verify_continues
from audit.errors import AuditError, NoteError
from audit.note import Key, parse_note
from audit.quorum import Policy, parse_policy
from audit.receipt import is_signed_by
from gateway.cli.common import keep
from gateway.cli.failing import language, say_error
from gateway.cli.remote import media_type
from gateway.messages import text
from pseudonymisation.private_file import FOLDER_MODE

PROOF_SECONDS = 10.0
_OK, _LATER, _CONTRADICTED = httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.CONFLICT
_YEAR = re.compile(r"/(20\d\d)-20\d\d(?:/|$)")  # of an origin
_KEPT_YEARS = 5
_NONE = -1  # a size that no checkpoint has


class Followed(StrEnum):
    """What came of comparing."""

    FIRST = "first"
    """There was nothing to compare with yet."""
    CONTINUES = "continues"
    """The log only grew."""
    BROKEN = "broken"
    """It signed another history than the one that was kept: somebody rewrote it, or shows it differently to others."""
    UNKNOWN = "unknown"
    """The gateway gave no answer to compare, or somebody else answered: what was kept stays."""
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
    quorum are taken anew, for they name the new log; likewise when that log was erased in time, if the year of the new
    one is so much later. What is no answer of a gateway at all, the login page of a network for instance, shows
    nothing; what is one and does not hold under the kept key contradicts.
    """
    newest = http.get("/v1/audit/checkpoint")
    if newest.status_code != _OK:
        return Followed.UNKNOWN
    if not file.exists():  # (1)
        first = _first(http, newest.text)
        if first is None:
            return Followed.UNKNOWN
        first.write(file)
        return Followed.FIRST
    seen = Seen.read(file)
    if seen is None:
        return Followed.UNREADABLE
    answer = http.post("/v1/audit/continuation", content=seen.note.encode())
    proven = _proven(answer, newest.text, seen.note)
    if proven is None:
        return Followed.UNKNOWN
    try:
        now = seen if _says_expired(answer) else _continued(seen, proven)  # (2)
        old = seen.opened().checkpoint
        latest = replace(now, note=newest.text)
        another = latest.opened().checkpoint.origin != old.origin
    except (AuditError, ValueError, KeyError):
        return Followed.BROKEN
    if another or not seen.policy:  # (3)
        policy = _policy(http)
        if policy is None:
            return Followed.UNKNOWN
        now = replace(latest, policy=policy)
    now.write(file)
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
    """Follow the log along with an act; what contradicts is said and ends with exit 1, though the act was done.

    What could not be compared or kept is said, and fails nothing: the act was done.
    """
    kept = memory_of(http.base_url)
    try:
        outcome = follow(http, kept)
    except httpx.RequestError:
        outcome = Followed.UNKNOWN
    except OSError as error:
        say_error(text("cli", "log-unkept", language(lang), file=str(kept), trouble=str(error.strerror)))
        return
    if outcome not in (Followed.FIRST, Followed.CONTINUES):
        say_error(told(outcome, kept, lang))
    if outcome is Followed.BROKEN:
        raise typer.Exit(1)


def told(outcome: Followed, file: Path, lang: str) -> str:
    """What came of comparing, in words."""
    key = "unseen" if outcome is Followed.UNKNOWN and not file.exists() else outcome.value
    return text("cli", f"log-{key}", language(lang), file=str(file))


def keep_proven(http: httpx.Client, path: str, file: Path, lang: str) -> bool:
    """Keep a receipt with its proof where it comes in time; where not, that is said. Whether it came."""
    receipt = proven_receipt(http, path)
    if receipt is None:
        say_error(text("cli", "receipt-later", language(lang)))
        return False
    keep(file, receipt)
    return True


def proven_receipt(http: httpx.Client, path: str) -> str | None:
    """A receipt with its proof, waited for a few seconds; None when the log is behind or nobody answers any more."""
    end = time.monotonic() + PROOF_SECONDS
    while time.monotonic() < end:
        try:
            answer = http.get(path)
        except httpx.RequestError:
            return None
        if answer.status_code != _LATER:
            return answer.text if answer.status_code == _OK and media_type(answer) == "text/plain" else None
        time.sleep(0.2)
    return None


def _memory() -> Path:
    return Path(typer.get_app_dir("verzuimpoort")) / "checkpoints"


def _policy(http: httpx.Client) -> str | None:
    """Keys and quorum as the gateway says them; None where that is no policy file."""
    answer = http.get("/v1/audit/policy")
    try:
        parse_policy(answer.text)
    except (AuditError, ValueError):
        return None
    return answer.text if answer.status_code == _OK else None


def _first(http: httpx.Client, note: str) -> Seen | None:
    """What is believed at first sight; None where it is no checkpoint signed by the log of the gateway's policy."""
    policy = _policy(http)
    if policy is None:
        return None
    try:
        return Seen(note, open_checkpoint(note, parse_policy(policy).logs).by.public, policy)
    except (AuditError, ValueError):
        return None


def _proven(answer: httpx.Response, newest: str, kept: str) -> Continuation | None:
    """The proof that the gateway gave, or its refusal to give one as the proof that it has none; else None."""
    try:
        Checkpoint.parse(parse_note(newest).text)
        contradicted = _says(answer, _CONTRADICTED, "checkpoint-contradicted")
        if contradicted or (_says_expired(answer) and _may_be_over(kept, newest)):
            return Continuation(_NONE, [], newest)
        proven = Continuation.parse(answer.text)
        Checkpoint.parse(parse_note(proven.checkpoint).text)
    except (AuditError, ValueError):
        return None
    return proven if answer.status_code == _OK else None


def _says(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether the gateway itself says so, and not whatever stands between."""
    if answer.status_code != status or media_type(answer) != "application/problem+json":
        return False
    said = answer.json()
    return isinstance(said, dict) and said.get("type") == f"/problems/{code}"


def _says_expired(answer: httpx.Response) -> bool:
    return _says(answer, httpx.codes.GONE, "checkpoint-expired")


def _may_be_over(kept: str, newest: str) -> bool:
    """Whether the log of a checkpoint can be erased by now: else a gateway could have what was kept forgotten."""
    begun, now = (_YEAR.search(note.partition("\n")[0]) for note in (kept, newest))
    return begun is not None and now is not None and int(now[1]) - int(begun[1]) >= _KEPT_YEARS


def _continued(seen: Seen, proven: Continuation) -> Seen:
    now, old = replace(seen, note=proven.checkpoint), seen.opened().checkpoint
    if proven.old != old.size:
        raise NoteError("the proof begins at another size than the checkpoint that was sent")
    verify_continues(old, now.opened().checkpoint, proven.proof)
    return now
