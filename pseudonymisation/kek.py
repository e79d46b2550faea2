"""Key-encryption keys: what every stored key is wrapped with, and what dies so that old copies of a key die too.

A KEK is never in a backup of the keyring. Destroying one makes each key that was wrapped with it, in every copy there
ever was, unreadable. `hsm` keeps KEKs in a PKCS#11 token instead.
"""

import os
from pathlib import Path
from typing import Literal, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pseudonymisation.errors import KeyringError
from pseudonymisation.private_file import make_private_folder, read_private, replace_shredding, write_private
from pseudonymisation.text64 import from_text, to_text

NONCE = 12
KEY = 32


class Kek(Protocol):
    """One current key-encryption key, and for the length of a destruction also the one before it."""

    def wrap(self, secret: bytes, aad: bytes) -> tuple[str, bytes]:
        """AES-256-GCM under the current KEK: its id, and nonce ‖ ciphertext ‖ tag."""
        ...

    def unwrap(self, kek_id: str, wrapped: bytes, aad: bytes) -> bytes:
        """The secret again; KeyringError if the KEK is gone, or the bytes or `aad` are not what was wrapped."""
        ...

    def renew(self) -> None:
        """Make a new current KEK beside the old one; does nothing if that happened already. Durable on return."""
        ...

    def retire(self) -> None:
        """Destroy every KEK but the current one. Durable on return."""
        ...


class _KekKey(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    kek_id: str = Field(pattern="^[0-9a-f]{16}$")
    key: str = Field(repr=False)


class _KekFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal["verzuimpoort/kek/v1"] = "verzuimpoort/kek/v1"
    keks: tuple[_KekKey, ...] = Field(min_length=1, max_length=2, strict=False)


class FileKek:
    """Key-encryption keys in one file, 0600, apart from the keyring's folder: `{"format", "keks": [current, old?]}`.

    Raises:
        KeyringError: the file is missing, open to others, or no KEK file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read()

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new file with one random KEK.

        Raises:
            KeyringError: the file exists: overwriting it would make every key unreadable.
        """
        if path.exists():
            raise KeyringError(f"{path} exists and is not overwritten: every key wrapped with it would be lost")
        make_private_folder(path.parent)
        write_private(path, _dump((_fresh(),)))
        return cls(path)

    def wrap(self, secret: bytes, aad: bytes) -> tuple[str, bytes]:
        """See `Kek`."""
        current = self._read()[0]
        nonce = os.urandom(NONCE)
        return current.kek_id, nonce + _aead(current).encrypt(nonce, secret, aad)

    def unwrap(self, kek_id: str, wrapped: bytes, aad: bytes) -> bytes:
        """See `Kek`."""
        for kek in self._read():
            if kek.kek_id == kek_id:
                try:
                    return _aead(kek).decrypt(wrapped[:NONCE], wrapped[NONCE:], aad)
                except (InvalidTag, ValueError):
                    raise KeyringError("a wrapped key was altered or belongs to another key id") from None
        raise KeyringError(f"the key-encryption key {kek_id} is gone: what it wrapped is destroyed")

    def renew(self) -> None:
        """See `Kek`."""
        keks = self._read()
        if len(keks) == 1:
            write_private(self._path, _dump((_fresh(), *keks)))

    def retire(self) -> None:
        """See `Kek`."""
        replace_shredding(self._path, _dump(self._read()[:1]))

    def _read(self) -> tuple[_KekKey, ...]:
        try:
            return _KekFile.model_validate_json(read_private(self._path)).keks
        except ValidationError:
            raise KeyringError(f"{self._path} is no file of key-encryption keys") from None


def _fresh() -> _KekKey:
    return _KekKey(kek_id=os.urandom(8).hex(), key=to_text(os.urandom(KEY)))


def _aead(kek: _KekKey) -> AESGCM:
    return AESGCM(from_text(kek.key, KEY))


def _dump(keks: tuple[_KekKey, ...]) -> bytes:
    return _KekFile(keks=keks).model_dump_json(indent=1).encode()
