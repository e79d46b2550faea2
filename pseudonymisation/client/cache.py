"""The numbers that were converted already, per school year: a rerun or a correction costs no quota.

    tag (16 bytes) = HMAC-SHA256(first half of cache.key, key_id ‖ 00 ‖ digits)[:16]
    sealed         = nonce ‖ AES-256-GCM(second half of cache.key, y, aad = tag)

No number is kept, not even encrypted: with the key one can ask whether a number is there, and read its pseudonym.
"""

import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from hmac import digest
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pseudonymisation.client.messages import Refusal, refusal
from pseudonymisation.domain import check_school_year
from pseudonymisation.errors import KeyringError, MalformedError
from pseudonymisation.private_file import make_private, make_private_folder, read_private

_KEY = 64
_TAG = 16
_NONCE = 12
_TURN_SECONDS = 60.0  # as long as the service may take for the batch of another run


def open_cache(folder: Path, school_year: str) -> "Cache | Refusal":
    """The cache of a school year, made if it is missing; caches of years before the previous one are erased.

    Args:
        folder: 0700, of this user; made if missing.
        school_year: such as `2026-2027`.
    """
    path = folder / f"pseudonyms-{check_school_year(school_year)}.sqlite"
    oldest = f"pseudonyms-{int(school_year[:4]) - 1}-{school_year[:4]}.sqlite"
    key_file = folder / "cache.key"
    try:
        make_private_folder(folder)
        for stale in folder.glob("pseudonyms-*.sqlite"):
            if stale.name < oldest:
                stale.unlink(missing_ok=True)
        make_private(key_file, os.urandom(_KEY))
        make_private(path, b"")
        return Cache(path, read_private(key_file))
    except (KeyringError, OSError):
        return refusal("cache-not-private", folder=str(folder))
    except sqlite3.OperationalError:  # locked by another command, or the disk is full: the file itself is good
        return refusal("cache-failed", file=path.name)
    except (MalformedError, sqlite3.DatabaseError):
        return refusal("cache-unreadable", file=path.name)


class Cache:
    """From number to pseudonym, on disk, encrypted; a context manager.

    Args:
        path: SQLite file.
        key: 64 bytes.

    Raises:
        MalformedError: a key of another length.
        sqlite3.DatabaseError: the file is no database.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        if len(key) != _KEY:
            raise MalformedError("the key of the cache has exactly 64 bytes")
        self.name = path.name
        self._tags, self._aead = key[:32], AESGCM(key[32:])
        self._database = sqlite3.connect(path, isolation_level=None, timeout=_TURN_SECONDS)
        try:
            self._database.execute("PRAGMA secure_delete=ON")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS pseudonym (tag BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID"
            )
        except sqlite3.DatabaseError:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else keeps anything until this ends; who comes meanwhile waits, and then finds what was kept."""
        if self._database.in_transaction:
            yield
            return
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield

    def get(self, key_id: str, numbers: Collection[str]) -> dict[str, bytes]:
        """The pseudonyms that are known, by number; an entry that was tampered with counts as unknown."""
        found = {}
        for digits in numbers:
            tag = self._tag(key_id, digits)
            row = self._database.execute("SELECT sealed FROM pseudonym WHERE tag = ?", (tag,)).fetchone()
            if row is not None and (y := self._open(tag, row[0])) is not None:
                found[digits] = y
        return found

    def put(self, key_id: str, pseudonyms: Mapping[str, bytes]) -> None:
        """Keep pseudonyms by number, all or none, on disk when this returns."""
        rows = []
        for digits, y in pseudonyms.items():
            tag, nonce = self._tag(key_id, digits), os.urandom(_NONCE)
            rows.append((tag, nonce + self._aead.encrypt(nonce, y, tag)))
        with self.alone():
            self._database.executemany("INSERT OR REPLACE INTO pseudonym VALUES (?, ?)", rows)

    def _tag(self, key_id: str, digits: str) -> bytes:
        return digest(self._tags, f"{key_id}\0{digits}".encode(), "sha256")[:_TAG]

    def _open(self, tag: bytes, sealed: object) -> bytes | None:
        if not isinstance(sealed, bytes):  # SQLite keeps any type in any column
            return None
        try:
            return self._aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], tag)
        except (InvalidTag, ValueError):
            return None
