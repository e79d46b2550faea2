"""Checkpoints (C2SP tlog-checkpoint) and cosignatures (C2SP tlog-cosignature): the tree head everybody compares."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from audit.errors import NoteError
from audit.merkle import EMPTY_ROOT, HASH_BYTES
from audit.note import (
    ED25519_COSIGNATURE,
    ML_DSA_44_COSIGNATURE,
    Key,
    Note,
    Signature,
    decode_base64,
    encode_base64,
    parse_note,
    verify_ed25519,
)
from audit.verify import MAX_TIME

SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")  # of a longer number int() may raise
_TIME_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log `origin` has `size` entries whose tree has the root hash `root`."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed: origin, size, root, each on a line."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read the text of a note as a checkpoint; extension lines are refused, for nobody can audit them.

        Raises:
            NoteError: The text is not a checkpoint.
        """
        origin, *rest = text.split("\n")
        if len(rest) != 3 or rest[2] or not origin or not SIZE.fullmatch(rest[0]):  # noqa: PLR2004  size, root, end
            raise NoteError("a checkpoint is three lines: origin, size, root hash")
        root = decode_base64(rest[1])
        if len(root) != HASH_BYTES:
            raise NoteError("the root hash of a checkpoint has 32 bytes")
        if rest[0] == "0" and root != EMPTY_ROOT:
            raise NoteError("a checkpoint of size 0 has the root of the empty tree")
        return cls(origin, int(rest[0]), root)


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint whose log's signature holds, with the cosignatures of known witnesses that hold.

    Attributes:
        checkpoint: Origin, size and root.
        note: The note it came in, with every signature line.
        by: Key of the log that signed.
        cosigned: Key of each known witness that cosigned, and when, in seconds since 1970 UTC.
    """

    checkpoint: Checkpoint
    note: Note
    by: Key
    cosigned: tuple[tuple[Key, int], ...]


def open_checkpoint(text: str, logs: Iterable[Key], witnesses: Iterable[Key] = ()) -> Signed:
    """Take a signed checkpoint apart and verify it.

    Args:
        text: The signed note.
        logs: Keys of the logs that are accepted; the key's name is the origin.
        witnesses: Keys of known witnesses; a known witness's line that is wrong refuses the whole note.

    Raises:
        NoteError: Malformed, not signed by the log it names, or wrongly signed by a known key.
    """
    note = parse_note(text)
    checkpoint = Checkpoint.parse(note.text)
    mine = [key for key in logs if key.name == checkpoint.origin]
    note.opened(mine)
    by = next(key for key in mine if any(signature.is_by(key) for signature in note.signatures))
    cosigned = {
        key: verify_cosignature(key, signature, checkpoint)
        for key in witnesses
        for signature in note.signatures
        if signature.is_by(key)
    }
    return Signed(checkpoint, note, by, tuple(cosigned.items()))


def verify_cosignature(key: Key, signature: Signature, checkpoint: Checkpoint) -> int:
    """Check a witness's line; returns its time in seconds since 1970 UTC.

    Raises:
        NoteError: The line is not this witness's statement about this checkpoint.
    """
    time, payload = int.from_bytes(signature.payload[:_TIME_BYTES]), signature.payload[_TIME_BYTES:]
    if not 0 < time <= MAX_TIME:
        raise NoteError(f"the cosignature of {key.name} has no valid time")
    if key.kind == ED25519_COSIGNATURE:
        verify_ed25519(key, payload, cosigned_text(checkpoint, time))
    elif key.kind == ML_DSA_44_COSIGNATURE:
        try:
            MLDSA44PublicKey.from_public_bytes(key.public).verify(payload, cosigned_tree(key.name, checkpoint, time))
        except (InvalidSignature, ValueError):
            raise NoteError(f"the signature of {key.name} is wrong") from None
    else:
        raise NoteError(f"the key of {key.name} is not a witness's key")
    return time


def cosigned_text(checkpoint: Checkpoint, time: int) -> bytes:
    """What an Ed25519 witness signs: `cosignature/v1`, the time, the checkpoint."""
    return f"cosignature/v1\ntime {time}\n{checkpoint.text()}".encode()


def cosigned_tree(witness: str, checkpoint: Checkpoint, time: int) -> bytes:
    """What an ML-DSA-44 witness signs: the structure `subtree/v1` from leaf 0 to the size."""
    name, origin = witness.encode(), checkpoint.origin.encode()
    return b"".join(
        (
            b"subtree/v1\n\0",
            len(name).to_bytes(1) + name,
            time.to_bytes(8),
            len(origin).to_bytes(1) + origin,
            (0).to_bytes(8),
            checkpoint.size.to_bytes(8),
            checkpoint.root,
        )
    )


class Cosigner:
    """A witness's private key with its name: makes the line that says it saw this tree at this time."""

    def __init__(self, name: str, seed: bytes, kind: int = ED25519_COSIGNATURE) -> None:
        if kind == ED25519_COSIGNATURE:
            self._private: Ed25519PrivateKey | MLDSA44PrivateKey = Ed25519PrivateKey.from_private_bytes(seed)
        else:
            self._private = MLDSA44PrivateKey.from_seed_bytes(seed)
        self.key = Key(name, kind, self._private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Cosigner({str(self.key)!r})"

    def cosign(self, checkpoint: Checkpoint, time: int) -> Signature:
        """The line for this checkpoint at `time`, seconds since 1970 UTC, above 0."""
        if self.key.kind == ED25519_COSIGNATURE:
            message = cosigned_text(checkpoint, time)
        else:
            message = cosigned_tree(self.key.name, checkpoint, time)
        return Signature(self.key.name, self.key.id, time.to_bytes(_TIME_BYTES) + self._private.sign(message))
