"""Keys with a name and a life: one JSON file for each key id, in a folder only its owner can enter.

A key is 32 random bytes, never derived from another key: what is derived can be derived again after it was destroyed.
It is stored wrapped by a key-encryption key that lives elsewhere (`kek`, `hsm`). Its life goes one way:
pre-active → active → decrypt-only → destroyed. A destroyed key leaves its file without the secret, so that a restored
backup cannot bring it back.
"""

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pseudonymisation.errors import KeyringError
from pseudonymisation.kek import KEY, NONCE, Kek
from pseudonymisation.private_file import (
    make_private_folder,
    read_private,
    replace_shredding,
    write_private_files,
)
from pseudonymisation.text64 import from_text, to_text

if sys.platform != "win32":
    import fcntl

_TAG = 16
_WRAPPED = NONCE + KEY + _TAG
_ID = re.compile("[0-9a-f]{16}")
_AT_ONCE = 200  # files that stay open together while their bytes are overwritten
_SETTLED_NS = 2_000_000_000  # a folder untouched for this long shows every later change in its time stamp


class KeyState(StrEnum):
    """The four states; there is no way back."""

    PRE_ACTIVE = "pre-active"
    ACTIVE = "active"
    DECRYPT_ONLY = "decrypt-only"
    DESTROYED = "destroyed"


class KeyRecord(BaseModel):
    """One file of the keyring; holds no readable secret.

    Attributes:
        format: version of this form.
        key_id: 16 hexadecimal digits, random.
        purpose: what the key serves.
        school_year: such as `2026-2027`; None for a key that outlives years (signing).
        state: where in its life it is.
        not_before: first day of validity, Europe/Amsterdam.
        not_after: first day after it.
        previous: key id of the leaked key whose pids this one re-keys (`rotation`), or None.
        kek_id: which key-encryption key wraps it; None once destroyed.
        wrapped: base64url of nonce ‖ ciphertext ‖ tag; None once destroyed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["verzuimpoort/key/v1"] = "verzuimpoort/key/v1"
    key_id: str = Field(pattern="^[0-9a-f]{16}$")
    purpose: str = Field(pattern="^[a-z0-9-]{1,64}$")
    school_year: str | None = Field(pattern="^20[0-9]{2}-20[0-9]{2}$")
    state: KeyState
    not_before: date
    not_after: date
    previous: str | None = Field(default=None, pattern="^[0-9a-f]{16}$")
    kek_id: str | None = None
    wrapped: str | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _destroyed_means_gone(self) -> Self:
        gone = self.wrapped is None and self.kek_id is None
        if gone is not (self.state is KeyState.DESTROYED):
            raise ValueError("a destroyed key has no secret, and only a destroyed key has none")
        return self

    @property
    def aad(self) -> bytes:
        """What the wrapping binds the secret to, so that no file passes for another's."""
        return f"nl-verzuim/key/v1\0{self.key_id}\0{self.purpose}\0{self.school_year or ''}".encode()


class Keyring:
    """The keys in one folder.

    Several processes may read; changes take a lock (on POSIX). Every change replaces one file whole.

    Args:
        folder: 0700; made if missing.
        kek: what wraps the keys.

    Raises:
        KeyringError: the folder or a file is open to others, or a file is no key.
    """

    def __init__(self, folder: Path, kek: Kek) -> None:
        self._folder = folder
        self._kek = kek
        self._seen: tuple[int, dict[str, KeyRecord]] | None = None
        make_private_folder(folder)
        self._load()

    def records(self) -> list[KeyRecord]:
        """Every key there is or was, by key id."""
        return list(self._load().values())

    def record(self, key_id: str) -> KeyRecord | None:
        """The key with this id, or None."""
        if not _ID.fullmatch(key_id):
            return None
        seen = self._seen  # once: another thread may empty it at any moment
        if seen is not None and seen[0] == self._folder.stat().st_mtime_ns:
            return seen[1].get(key_id)
        path = self._folder / f"{key_id}.json"
        return _read(path) if path.exists() else None

    def of(self, purpose: str, school_year: str | None, *states: KeyState) -> Iterator[KeyRecord]:
        """Every key there is or was of a purpose and school year, by key id; in these states, if any are given."""
        for record in self._load().values():
            if (record.purpose, record.school_year) == (purpose, school_year) and record.state in (states or KeyState):
                yield record

    def active(self, purpose: str, school_year: str | None) -> KeyRecord | None:
        """The one key in use for a purpose and school year, or None."""
        return next(self.of(purpose, school_year, KeyState.ACTIVE), None)

    def secret(self, key_id: str) -> bytes:
        """The 32 bytes of a key.

        Raises:
            KeyringError: unknown, destroyed, altered, or wrapped with a key-encryption key that is gone.
        """
        record = self._known(key_id)
        while True:
            try:
                return self._unwrap(record)
            except KeyringError:
                # A destruction elsewhere may have re-wrapped the key between the reading of its file and of the KEK.
                self._seen = None
                before, record = record, self._known(key_id)
                if record == before:
                    raise

    def chain(self, key_id: str) -> list[bytes]:
        """The secrets that turn a pseudonym into a pid of this key, oldest first: one, or more after a leak.

        Raises:
            KeyringError: a key of the chain is unknown or destroyed.
        """
        return [self.secret(link) for link in self.links(key_id)]

    def links(self, key_id: str) -> list[str]:
        """The ids of the keys in the chain of a key, oldest first.

        Raises:
            KeyringError: a key of the chain is unknown.
        """
        found, record = [key_id], self._known(key_id)
        while record.previous is not None:
            found.append(record.previous)
            record = self._known(record.previous)
        return found[::-1]

    def needed(self) -> dict[str, str]:
        """Every key in the chain of an active one, however far back, and that one: deliveries pass through them all."""
        return _needed(self._load())

    def create(
        self, purpose: str, school_year: str | None, *, not_before: date, not_after: date, previous: str | None = None
    ) -> KeyRecord:
        """A new random key, pre-active.

        Raises:
            KeyringError: `previous` is unknown.
        """
        with self._changing():
            if previous is not None:
                self._known(previous)
            return self._made(KeyState.PRE_ACTIVE, purpose, school_year, (not_before, not_after), previous)

    def ready(self, purpose: str, school_year: str | None, *, not_before: date, not_after: date) -> KeyRecord:
        """A key to bring into use that follows no other: one that was made and never used, else a new one."""
        waiting = (one for one in self.of(purpose, school_year, KeyState.PRE_ACTIVE) if one.previous is None)
        return next(waiting, None) or self.create(purpose, school_year, not_before=not_before, not_after=not_after)

    def open(self, purpose: str, school_year: str | None, *, not_before: date, not_after: date) -> KeyRecord:
        """The active key of a purpose and school year; a new one, active at once, if there is none."""
        found = self.active(purpose, school_year)
        if found is None:
            with self._changing():
                found = self.active(purpose, school_year)  # another process may have been faster
                if found is None:
                    found = self._made(KeyState.ACTIVE, purpose, school_year, (not_before, not_after))
        return found

    def activate(self, key_id: str) -> KeyRecord:
        """Bring a key into use; the active key of the same purpose and school year becomes decrypt-only.

        Does nothing to a key that is active already. The old key goes first: a crash in between leaves no active key,
        so that work stops instead of going on under the old one, and running this again mends it.

        Raises:
            KeyringError: unknown, or past its use.
        """
        with self._changing():
            record = self._known(key_id)
            if record.state not in (KeyState.PRE_ACTIVE, KeyState.ACTIVE):
                raise KeyringError("not-active-again", key=key_id, state=record.state)
            current = self.active(record.purpose, record.school_year)
            if current is not None and current.key_id != key_id:
                self._store(_with_state(current, KeyState.DECRYPT_ONLY))
            return self._store(_with_state(record, KeyState.ACTIVE))

    def retire(self, key_id: str) -> KeyRecord:
        """Take a key out of use without destroying it: it becomes decrypt-only.

        Raises:
            KeyringError: unknown, not yet used, or destroyed.
        """
        with self._changing():
            record = self._known(key_id)
            if record.state not in (KeyState.ACTIVE, KeyState.DECRYPT_ONLY):
                raise KeyringError("not-decrypt-only", key=key_id, state=record.state)
            return self._store(_with_state(record, KeyState.DECRYPT_ONLY))

    def destroy(self, *key_ids: str) -> None:
        """Make keys unreadable for ever, in every backup too.

        Steps; each is durable before the next, and running this again after a crash completes it:

        1. a destruction that stopped half-way is completed, so that no branch needs a third key-encryption key;
        2. beside each key-encryption key that wraps a doomed key stands a new one;
        3. every surviving key on those branches is wrapped with the new one;
        4. each destroyed key's file is replaced by one without the secret;
        5. the old key-encryption keys are destroyed: from here on no copy of the destroyed keys opens.

        Raises:
            KeyringError: unknown, or an active key passes through a destroyed one (`needed`).
        """
        with self._changing():
            records = dict(self._load())
            for key_id in key_ids:
                if key_id not in records:
                    raise KeyringError("key-unknown", key=key_id)
            for key_id, by in _needed(records).items():
                if key_id in key_ids and by not in key_ids:
                    raise KeyringError("still-needed", key=key_id, by=by)
            # 1.
            records |= self._rewrap(records.values())
            self._kek.retire()
            # 2.
            doomed = [records.pop(key_id) for key_id in dict.fromkeys(key_ids)]
            self._kek.renew({one.kek_id for one in doomed if one.kek_id is not None})
            # 3.
            self._rewrap(records.values())
            # 4.
            for start in range(0, len(doomed), _AT_ONCE):
                some = doomed[start : start + _AT_ONCE]
                replace_shredding({self._path(one): _dump(_tombstone(one)) for one in some})
            # 5.
            self._kek.retire()

    def renew_keks(self) -> None:
        """Wrap every key anew, under new key-encryption keys, after those in use leaked; the leaked ones are destroyed.

        What a destruction left half-way is completed first. Running this again after a crash completes it.
        """
        with self._changing():
            for leaked in ((), self._kek.current()):
                self._kek.renew(leaked)
                self._rewrap(self._load().values())
                self._kek.retire()

    def _rewrap(self, records: Iterable[KeyRecord]) -> dict[str, KeyRecord]:
        """Wrap anew what stands under a key-encryption key that is about to go; returns those, by key id."""
        current = self._kek.current()
        moving = [one for one in records if one.kek_id is not None and one.kek_id not in current]
        moved = {one.key_id: KeyRecord.model_validate(self._wrapped(one, self._unwrap(one))) for one in moving}
        write_private_files({self._path(one): _dump(one) for one in moved.values()})
        return moved

    def restore(self, backup: Sequence[KeyRecord]) -> list[str]:
        """Take in the keys of a backup, without bringing back what was destroyed since.

        A key destroyed here or in the backup is destroyed; a key known here stays as it is; a key missing here is
        taken in if its key-encryption key still exists.

        Returns:
            The key ids that were refused: their key-encryption key is gone, so they were destroyed after the backup.
        """
        refused = []
        with self._changing():
            there = self._load()
            for record in backup:
                known = there.get(record.key_id)
                if record.state is KeyState.DESTROYED:
                    self._store(record, shredding=known is not None)
                elif known is None:
                    try:
                        self._unwrap(record)
                    except KeyringError:
                        refused.append(record.key_id)
                    else:
                        self._store(record)
        return refused

    def _made(
        self, state: KeyState, purpose: str, year: str | None, days: tuple[date, date], previous: str | None = None
    ) -> KeyRecord:
        draft = KeyRecord.model_construct(
            format="verzuimpoort/key/v1", key_id=os.urandom(8).hex(), purpose=purpose, school_year=year,
            state=state, not_before=days[0], not_after=days[1], previous=previous,
        )  # fmt: skip
        return self._store(KeyRecord.model_validate(self._wrapped(draft, os.urandom(KEY))))

    def _known(self, key_id: str) -> KeyRecord:
        record = self.record(key_id)
        if record is None:
            raise KeyringError("key-unknown", key=key_id)
        return record

    def _unwrap(self, record: KeyRecord) -> bytes:
        if record.wrapped is None or record.kek_id is None:
            raise KeyringError("key-destroyed", key=record.key_id)
        return self._kek.unwrap(record.kek_id, from_text(record.wrapped, _WRAPPED), record.aad)

    def _wrapped(self, record: KeyRecord, secret: bytes) -> dict[str, object]:
        kek_id, wrapped = self._kek.wrap(secret, record.aad)
        return {**record.__dict__, "kek_id": kek_id, "wrapped": to_text(wrapped)}

    def _store(self, record: KeyRecord, *, shredding: bool = False) -> KeyRecord:
        write = replace_shredding if shredding else write_private_files
        write({self._path(record): _dump(record)})
        return record

    def _path(self, record: KeyRecord) -> Path:
        return self._folder / f"{record.key_id}.json"

    def _load(self) -> dict[str, KeyRecord]:
        """The files of the folder, read again whenever its time stamp changed or changed only a moment ago."""
        seen, stamp = self._seen, self._folder.stat().st_mtime_ns
        if seen is not None and seen[0] == stamp:
            return seen[1]
        records = {path.stem: _read(path) for path in sorted(self._folder.glob("*.json"))}
        self._seen = (stamp, records) if abs(time.time_ns() - stamp) > _SETTLED_NS else None
        return records

    @contextmanager
    def _changing(self) -> Iterator[None]:
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform != "win32":
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._seen = None
            yield
        finally:
            self._seen = None
            os.close(descriptor)


def _read(path: Path) -> KeyRecord:
    try:
        record = KeyRecord.model_validate_json(read_private(path))
    except ValidationError:
        raise KeyringError("key-malformed", path=path) from None
    if path.stem != record.key_id:
        raise KeyringError("key-misnamed", path=path)
    return record


def _dump(record: KeyRecord) -> bytes:
    return record.model_dump_json(indent=1).encode()


def _needed(records: Mapping[str, KeyRecord]) -> dict[str, str]:
    found = {}
    for active in records.values():
        link = active.previous if active.state is KeyState.ACTIVE else None
        while link is not None:
            found[link] = active.key_id
            link = records[link].previous if link in records else None
    return found


def _with_state(record: KeyRecord, state: KeyState) -> KeyRecord:
    return record.model_copy(update={"state": state})


def _tombstone(record: KeyRecord) -> KeyRecord:
    return record.model_copy(update={"state": KeyState.DESTROYED, "kek_id": None, "wrapped": None})
