"""Signed notes and verifier keys (C2SP signed-note v1.0.0), strict: the text counts only when a known key signed it."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.errors import NoteError

ED25519: Final = 0x01
ED25519_COSIGNATURE: Final = 0x04
ML_DSA_44_COSIGNATURE: Final = 0x06

MAX_NOTE: Final = 1_000_000
MAX_SIGNATURES: Final = 64  # the specification asks for at least 16

_DASH: Final = "\u2014"
_LINE: Final = re.compile(rf"{_DASH} ([^\s+]+) ([A-Za-z0-9+/]+=*)")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


def decode_base64(text: str) -> bytes:
    """Standard base64 in its one canonical spelling.

    Raises:
        NoteError: Anything else.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or base64.b64encode(data).decode() != text:
        raise NoteError("not canonical base64")
    return data


def encode_base64(data: bytes) -> str:
    """Standard base64 (RFC 4648 section 4)."""
    return base64.b64encode(data).decode()


@dataclass(frozen=True, slots=True)
class Key:
    """A verifier key (vkey): who signs, with which kind of signature, and the public key."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """First four bytes of SHA-256(name, newline, kind, public key)."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{encode_base64(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read a vkey such as `example.com/foo+530d903a+AekyeR…`.

        Raises:
            NoteError: It is malformed, or its id does not belong to its name and key.
        """
        name, _, rest = text.partition("+")
        key_id, _, material = rest.partition("+")
        if not name or any(character.isspace() for character in name):
            raise NoteError("a verifier key has a name without spaces or plus")
        data = decode_base64(material)
        key = cls(name, data[0], data[1:])
        if key.id.hex() != key_id:
            raise NoteError(f"the id of verifier key {name} does not belong to its name and public key")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: name, key id and the bytes of the signature."""

    name: str
    key_id: bytes
    payload: bytes

    def __str__(self) -> str:
        return f"{_DASH} {self.name} {encode_base64(self.key_id + self.payload)}\n"

    def is_by(self, key: Key) -> bool:
        """Whether this line claims to be made with this key."""
        return self.name == key.name and self.key_id == key.id


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart; its text is not to be trusted before `opened`."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def opened(self, keys: Iterable[Key]) -> str:
        """The text, once at least one of the keys signed it and no known key signed it wrongly.

        Raises:
            NoteError: No known key signed it, or a signature of a known key is wrong.
        """
        found = False
        for key in keys:
            for signature in self.signatures:
                if key.kind == ED25519 and signature.is_by(key):
                    verify_ed25519(key, signature.payload, self.text.encode())
                    found = True
        if not found:
            raise NoteError("no known key signed this note")
        return self.text


def parse_note(text: str) -> Note:
    """Take a signed note apart.

    Raises:
        NoteError: It is not a signed note.
    """
    if len(text) > MAX_NOTE or _CONTROL.search(text):
        raise NoteError("a note has no control characters and at most a million characters")
    body, blank, tail = text.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteError("a note is text, an empty line, and signature lines that end in a newline")
    signatures = parse_signatures(tail)
    if not signatures:
        raise NoteError("a note has at least one signature")
    return Note(body + "\n", signatures)


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Read signature lines, each ending in a newline.

    Raises:
        NoteError: A line is malformed, or there are more than 64.
    """
    signatures = []
    for line in lines.split("\n")[:-1]:
        match = _LINE.fullmatch(line)
        data = decode_base64(match[2]) if match else b""
        if not match or len(data) <= 4:  # noqa: PLR2004  a key id has four bytes
            raise NoteError("a signature line is an em dash, a key name and base64")
        signatures.append(Signature(match[1], data[:4], data[4:]))
    if len(signatures) > MAX_SIGNATURES:
        raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")
    return tuple(signatures)


def verify_ed25519(key: Key, signature: bytes, message: bytes) -> None:
    """Check an Ed25519 signature (RFC 8032).

    Raises:
        NoteError: It is not by this key over this message.
    """
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise NoteError(f"the signature of {key.name} is wrong") from None


class Signer:
    """A private Ed25519 key with its name: signs notes. It never shows its key."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = Key(name, ED25519, self._private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Signer({str(self.key)!r})"

    def sign(self, text: str) -> Note:
        """A note of this text, which ends in a newline, with this key's signature."""
        return Note(text, (Signature(self.key.name, self.key.id, self._private.sign(text.encode())),))
