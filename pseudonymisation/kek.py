"""Key-encryption keys: what every stored key is wrapped with, and what dies so that old copies of a key die too.

A KEK is never in a backup of the keyring. Destroying one makes each key that was wrapped with it, in every copy there
ever was, unreadable. A ring whose keys end often has many branches, each with a KEK of its own, so that the end of one
key touches only those on its branch. `hsm` keeps a KEK in a PKCS#11 token instead, and has one branch.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pseudonymisation.errors import KeyringError
from pseudonymisation.private_file import make_private, make_private_folder, read_private, replace_shredding
from pseudonymisation.text64 import from_text, to_text

NONCE = 12
KEY = 32
_AT_MOST = 2  # on one branch: the current key and the one before it


class Kek(Protocol):
    """A current key-encryption key for each branch, and for the length of a destruction also the one before it."""

    def wrap(self, secret: bytes, aad: bytes) -> tuple[str, bytes]:
        """AES-256-GCM under the current KEK of the branch of this `aad`: its id, and nonce ‖ ciphertext ‖ tag."""
        ...

    def unwrap(self, kek_id: str, wrapped: bytes, aad: bytes) -> bytes:
        """The secret again; KeyringError if the KEK is gone, or the bytes or `aad` are not what was wrapped."""
        ...

    def current(self) -> frozenset[str]:
        """Ids of the KEKs that stay when the next `retire` destroys the others."""
        ...

    def renew(self, kek_ids: Collection[str]) -> None:
        """Make a successor beside each of these; does nothing to one that has or is one. Durable on return."""
        ...

    def retire(self) -> None:
        """Destroy every KEK that has a successor. Durable on return."""
        ...


class _KekKey(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    kek_id: str = Field(pattern="^[0-9a-f]{16}$")
    key: str = Field(repr=False)
    branch: int = Field(default=0, ge=0)


class _KekFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal["verzuimpoort/kek/v1"] = "verzuimpoort/kek/v1"
    keks: tuple[_KekKey, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _one_or_two_on_each_branch(self) -> Self:
        many = Counter(kek.branch for kek in self.keks)
        if set(many) != set(range(len(many))) or max(many.values()) > _AT_MOST:
            raise ValueError("a branch without a key, or with more than the current one and the one before it")
        return self


class FileKek:
    """Key-encryption keys in one file, 0600, apart from the keyring's folder: on each branch the current one first.

    The file may be a link to one on another disk, in a folder where this user may write.

        {"format": "verzuimpoort/kek/v1", "keks": [{"kek_id": "0123456789abcdef", "key": "…", "branch": 0}, …]}

    Raises:
        KeyringError: the file is missing, open to others, or no KEK file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read()

    @classmethod
    def create(cls, path: Path, branches: int = 1) -> Self:
        """A file with a random KEK for each branch; one that is there stays, for every key hangs on it."""
        make_private_folder(path.parent)
        make_private(path, _dump(map(_fresh, range(branches))))
        return cls(path)

    def wrap(self, secret: bytes, aad: bytes) -> tuple[str, bytes]:
        """See `Kek`."""
        current = _current(self._read())
        kek = current[int.from_bytes(hashlib.sha256(aad).digest()) % len(current)]
        nonce = os.urandom(NONCE)
        return kek.kek_id, nonce + _aead(kek).encrypt(nonce, secret, aad)

    def unwrap(self, kek_id: str, wrapped: bytes, aad: bytes) -> bytes:
        """See `Kek`."""
        for kek in self._read():
            if kek.kek_id == kek_id:
                try:
                    return _aead(kek).decrypt(wrapped[:NONCE], wrapped[NONCE:], aad)
                except (InvalidTag, ValueError):
                    raise KeyringError("wrapped-altered") from None
        raise KeyringError("kek-gone", kek=kek_id)

    def current(self) -> frozenset[str]:
        """See `Kek`."""
        return frozenset(kek.kek_id for kek in _current(self._read()).values())

    def renew(self, kek_ids: Collection[str]) -> None:
        """See `Kek`."""
        keks = self._read()
        many = Counter(kek.branch for kek in keks)
        ending = [kek for kek in keks if kek.kek_id in kek_ids and many[kek.branch] == 1]
        if ending:
            self._replace([*(_fresh(kek.branch) for kek in ending), *keks])

    def retire(self) -> None:
        """See `Kek`."""
        keks = self._read()
        current = _current(keks)
        if len(current) < len(keks):
            self._replace(current.values())

    def _read(self) -> tuple[_KekKey, ...]:
        try:
            return _KekFile.model_validate_json(read_private(self._path)).keks
        except ValidationError:
            raise KeyringError("kek-malformed", path=self._path) from None

    def _replace(self, keks: Iterable[_KekKey]) -> None:
        replace_shredding({self._path: _dump(keks)})


def _current(keks: Iterable[_KekKey]) -> dict[int, _KekKey]:
    """The key in use on each branch: the first of it."""
    found: dict[int, _KekKey] = {}
    for kek in keks:
        found.setdefault(kek.branch, kek)
    return found


def _fresh(branch: int) -> _KekKey:
    return _KekKey(kek_id=os.urandom(8).hex(), key=to_text(os.urandom(KEY)), branch=branch)


def _aead(kek: _KekKey) -> AESGCM:
    return AESGCM(from_text(kek.key, KEY))


def _dump(keks: Iterable[_KekKey]) -> bytes:
    return _KekFile(keks=tuple(keks)).model_dump_json(indent=1).encode()
