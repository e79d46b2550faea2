"""Receipts: what a sender or recipient keeps, so that the gateway cannot later deny or change what it logged.

A receipt is a signed note of one line of canonical JSON; the proof that its entry is in the log is appended to it
within a second and is not needed for the signature to hold:

    {"details":{…},"entry":{…},"kind":"submission","made":1795446966770,"nonce":"j0mx…=","v":1}

    — verzuimpoort.example.nl/receipts KlyKEhK2ypQ0…

    c2sp.org/tlog-proof@v1
    index 73894
    …

`entry` in canonical bytes is the entry of the log. Its object's commitment is SHA-256 of the nonce and the file, so
the log says nothing about the file, and the receipt everything.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from audit import leaf
from audit.checkpoint import Signed
from audit.errors import AuditError
from audit.merkle import leaf_hash
from audit.note import Signer, decode_base64, encode_base64, parse_note
from audit.quorum import Policy
from audit.tlog_proof import HEAD, Proof

VERSION: Final = 1
NONCE_BYTES: Final = 32


def commit(nonce: bytes, content: bytes) -> bytes:
    """Commitment to bytes: SHA-256 of a random nonce of 32 bytes followed by them.

    A plain hash of a file of counts could be searched in seconds; without the nonce this cannot.
    """
    if len(nonce) != NONCE_BYTES:
        raise AuditError(f"a commitment needs a nonce of {NONCE_BYTES} bytes")
    return sha256(nonce + content).digest()


def equality_tag(key: bytes, content: bytes) -> bytes:
    """HMAC-SHA-256 by which the holder of the key recognises equal bytes, and nobody else does."""
    return hmac.digest(key, content, "sha256")


class Verdict(StrEnum):
    """What a receipt is worth."""

    PROVEN = "proven"
    """Signed, in a signed log, and seen by enough witnesses."""
    UNWITNESSED = "unwitnessed"
    """Signed and in a signed log, but not seen by the witnesses the policy asks for."""
    PROMISED = "promised"
    """Signed; the proof is not in it yet: fetch the receipt again."""
    FORMER = "former"
    """Signed with a key that is in use no more: it counts only with its proof, so fetch the receipt again."""
    OTHER_FILE = "other-file"
    """A good receipt, but not of this file."""
    REFUSED = "refused"
    """Not a receipt of this gateway, or changed."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What `verify_receipt` found.

    Attributes:
        verdict: What it is worth.
        reason: Why it was refused, in English and without anything of its content; empty otherwise.
        content: The line of the receipt, once its signature holds.
        index: Leaf index of its entry, once proven.
        tree: The checkpoint that holds it, once proven.
    """

    verdict: Verdict
    reason: str = ""
    content: Mapping[str, leaf.Value] | None = None
    index: int | None = None
    tree: Signed | None = None


def issue(
    signer: Signer, *, kind: str, entry: bytes, made: int, details: Mapping[str, leaf.Value], nonce: bytes | None = None
) -> str:
    """Make a receipt at once, before its entry has an index.

    Args:
        signer: The gateway's receipt key (not the log's key).
        kind: What it is a receipt of, e.g. `submission` or `download`.
        entry: Exact bytes of the entry.
        made: Milliseconds since 1970 UTC.
        details: Anything small for the receiver's eyes only, e.g. the own counts.
        nonce: Of the commitment in the entry, if there is one.

    Raises:
        EntryError: The entry or the details are not canonical values.
    """
    line: dict[str, leaf.Value] = {"v": VERSION, "kind": kind, "entry": leaf.parse(entry), "made": made}
    if nonce is not None:
        line["nonce"] = encode_base64(nonce)
    return str(signer.sign(leaf.canonical(line | {"details": details}).decode() + "\n"))


def with_proof(receipt: str, proof: Proof) -> str:
    """A receipt with the proof of its entry, in place of an earlier proof if it has one."""
    return f"{_parts(receipt)[0]}\n{proof}"


def is_signed_by(text: str, policy: Policy) -> bool:
    """Whether a receipt names a receipt key of the policy as its signer; nothing is verified yet."""
    try:
        signatures = parse_note(_parts(text)[0]).signatures
    except AuditError:
        return False
    return any(signature.is_by(key) for signature in signatures for key in policy.receipts)


def verify_receipt(text: str, policy: Policy, content: bytes | None = None) -> Checked:
    """Check a receipt, offline.

    1. A receipt key of the policy signed the line, and the line is canonical. Without a proof only the first key, the
       one in use, counts: whoever has a former one may have signed what was never logged.
    2. The file, if given, is the one the entry commits to.
    3. The proof leads from the entry to a checkpoint that the log signed.
    4. Enough witnesses cosigned that checkpoint.

    Args:
        text: The receipt.
        policy: Keys of receipts, logs and witnesses.
        content: Bytes of the file it should be a receipt of.
    """
    note, proof = _parts(text)
    try:
        signed = parse_note(note)
        line = leaf.parse(signed.opened(policy.receipts).removesuffix("\n").encode())  # 1
        if not proof and not any(signature.is_by(policy.receipts[0]) for signature in signed.signatures):
            return Checked(Verdict.FORMER, content=line)
        entry = line.get("entry")
        if not isinstance(entry, Mapping):
            return Checked(Verdict.REFUSED, "the receipt has no entry")
        if content is not None and not _is_of(line, entry, content):  # 2
            return Checked(Verdict.OTHER_FILE, content=line)
        if not proof:
            return Checked(Verdict.PROMISED, content=line)
        proven = Proof.parse(proof)
        tree = proven.verify(leaf_hash(leaf.encode(entry)), policy)  # 3
    except AuditError as error:
        return Checked(Verdict.REFUSED, str(error))
    met = policy.is_met({key for key, _ in tree.cosigned})  # 4
    return Checked(Verdict.PROVEN if met else Verdict.UNWITNESSED, content=line, index=proven.index, tree=tree)


def _parts(text: str) -> tuple[str, str]:
    """The signed note and the proof, which is empty if it is not there yet."""
    note, seam, proof = text.partition(f"\n\n{HEAD}")
    return (f"{note}\n", HEAD + proof) if seam else (text, "")


def _is_of(line: Mapping[str, leaf.Value], entry: Mapping[str, leaf.Value], content: bytes) -> bool:
    about, nonce = entry.get("object"), line.get("nonce")
    if not isinstance(about, Mapping) or not isinstance(nonce, str):
        return False
    return about.get("commitment") == commit(decode_base64(nonce), content).hex()
