"""The life of keys: states, files, wrapping, and a destruction that reaches every backup."""

import fcntl
import json
import os
import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path
from shutil import copytree
from threading import Thread
from typing import Any

import pytest

from pseudonymisation import keyring as keyring_module
from pseudonymisation.errors import KeyringError
from pseudonymisation.kek import FileKek
from pseudonymisation.keyring import KeyRecord, Keyring, KeyState

PURPOSE, YEAR = "absence-statistics", "2026-2027"
SPAN = {"not_before": date(2026, 8, 1), "not_after": date(2027, 9, 1)}


class StoppedError(Exception):
    """The machine stopped here."""


@pytest.fixture
def kek(tmp_path: Path) -> FileKek:
    """A key-encryption key in its own folder."""
    return FileKek.create(tmp_path / "kek" / "kek.json")


@pytest.fixture
def keyring(tmp_path: Path, kek: FileKek) -> Keyring:
    """An empty keyring."""
    return Keyring(tmp_path / "keys", kek)


def made(keyring: Keyring, purpose: str = PURPOSE) -> KeyRecord:
    """A new key of the year."""
    return keyring.create(purpose, YEAR, **SPAN)


def test_a_new_key_is_random_and_pre_active(keyring: Keyring) -> None:
    """Two new keys have different ids and different secrets of 32 bytes."""
    one, two = made(keyring), made(keyring)
    assert (one.state, len(keyring.secret(one.key_id))) == (KeyState.PRE_ACTIVE, 32)
    assert one.key_id != two.key_id
    assert keyring.secret(one.key_id) != keyring.secret(two.key_id)


def test_one_key_is_active_at_a_time(keyring: Keyring) -> None:
    """Activating a key makes the one before it decrypt-only."""
    one, two = made(keyring), made(keyring)
    keyring.activate(one.key_id)
    keyring.activate(two.key_id)
    assert [(record.key_id, record.state) for record in keyring.records()] == sorted(
        [(one.key_id, KeyState.DECRYPT_ONLY), (two.key_id, KeyState.ACTIVE)]
    )


def test_purposes_and_years_have_their_own_active_key(keyring: Keyring) -> None:
    """A key of another purpose does not stand in for a missing one."""
    keyring.activate(made(keyring).key_id)
    assert keyring.active("care-with-consent", YEAR) is None
    assert keyring.active(PURPOSE, "2027-2028") is None
    assert keyring.active(PURPOSE, YEAR) is not None


def test_open_makes_a_key_once(keyring: Keyring) -> None:
    """Opening a year again gives the same key."""
    assert keyring.open(PURPOSE, YEAR, **SPAN) == keyring.open(PURPOSE, YEAR, **SPAN)


def test_life_goes_one_way(keyring: Keyring) -> None:
    """Neither a decrypt-only nor a destroyed key becomes active, and a key that never was in use does not retire."""
    one, two, three = made(keyring), made(keyring), made(keyring)
    keyring.activate(one.key_id)
    keyring.retire(one.key_id)
    keyring.destroy(two.key_id)
    for forbidden in (
        lambda: keyring.activate(one.key_id),
        lambda: keyring.activate(two.key_id),
        lambda: keyring.retire(two.key_id),
        lambda: keyring.retire(three.key_id),
    ):
        with pytest.raises(KeyringError):
            forbidden()


def test_files_are_private(keyring: Keyring, tmp_path: Path) -> None:
    """The folder is 0700, every file in it 0600, and so is the file of the key-encryption key."""
    made(keyring)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    files = [*(tmp_path / "keys").iterdir(), tmp_path / "kek" / "kek.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@pytest.mark.parametrize(("name", "mode"), [("keys", 0o750), ("keys/*.json", 0o640), ("kek/kek.json", 0o604)])
def test_wider_files_stop_the_start(keyring: Keyring, tmp_path: Path, name: str, mode: int) -> None:
    """A folder or file that others can read is refused, with the command that mends it."""
    made(keyring)
    next(tmp_path.glob(name)).chmod(mode)
    with pytest.raises(KeyringError, match="chmod"):
        Keyring(tmp_path / "keys", FileKek(tmp_path / "kek" / "kek.json")).records()


def test_changes_use_up_no_descriptors(keyring: Keyring) -> None:
    """A process that changes keys for years does not run out of open files."""
    before = os.dup(0)
    os.close(before)
    for _ in range(5):
        keyring.destroy(made(keyring).key_id)
    after = os.dup(0)
    os.close(after)
    assert after == before


def test_no_secret_in_repr_or_file(keyring: Keyring, tmp_path: Path) -> None:
    """Neither `repr` nor the file shows the secret, and the wrapped form stays out of `repr` too."""
    record = made(keyring)
    secret = keyring.secret(record.key_id)
    content = (tmp_path / "keys" / f"{record.key_id}.json").read_text()
    assert secret.hex() not in content
    assert record.wrapped is not None
    assert record.wrapped not in repr(record)


def test_a_wrapped_key_fits_its_own_file_only(keyring: Keyring, tmp_path: Path) -> None:
    """The secret of one key pasted into the file of another is refused: the wrapping binds id, purpose and year."""
    one, two = made(keyring), made(keyring, "care-with-consent")
    for field, value in (("wrapped", one.wrapped), ("purpose", PURPOSE), ("school_year", "2027-2028")):
        path = tmp_path / "keys" / f"{two.key_id}.json"
        original = path.read_text()
        path.write_text(json.dumps(json.loads(original) | {field: value}))
        with pytest.raises(KeyringError, match="altered"):
            Keyring(tmp_path / "keys", keyring._kek).secret(two.key_id)
        path.write_text(original)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"key_id": 1}'])
def test_a_file_that_is_no_key_stops_the_start(keyring: Keyring, kek: FileKek, tmp_path: Path, content: str) -> None:
    """A damaged file is said, not skipped: a missing key would silently give pupils new pids."""
    path = tmp_path / "keys" / "0123456789abcdef.json"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(KeyringError, match="no key of this form"):
        Keyring(tmp_path / "keys", kek)


def test_a_file_under_another_name_stops_the_start(keyring: Keyring, kek: FileKek, tmp_path: Path) -> None:
    """A key copied to another id is refused."""
    record = made(keyring)
    (tmp_path / "keys" / f"{record.key_id}.json").rename(tmp_path / "keys" / "0123456789abcdef.json")
    with pytest.raises(KeyringError, match="another name"):
        Keyring(tmp_path / "keys", kek)


def test_an_unknown_key_is_an_error(keyring: Keyring) -> None:
    """Asking for a key that is not there never gives another one."""
    assert keyring.record("0123456789abcdef") is None
    with pytest.raises(KeyringError):
        keyring.secret("0123456789abcdef")


def test_a_key_follows_only_a_known_one(keyring: Keyring) -> None:
    """A key that says it re-keys the pids of an unknown key is not made."""
    with pytest.raises(KeyringError):
        keyring.create(PURPOSE, YEAR, **SPAN, previous="0123456789abcdef")
    assert keyring.records() == []


def test_the_wrapping_binds_the_specified_bytes(keyring: Keyring) -> None:
    """Key id, purpose and year, with zero bytes between; a key without a year has none."""
    record = made(keyring)
    assert record.aad == f"nl-verzuim/key/v1\0{record.key_id}\0absence-statistics\0002026-2027".encode()
    assert keyring.create("signing", None, **SPAN).aad.endswith(b"\0signing\0")


def test_changes_of_another_process_are_seen(keyring: Keyring, kek: FileKek, tmp_path: Path) -> None:
    """A keyring that is open sees at once what another one does in the same folder."""
    other = Keyring(tmp_path / "keys", kek)
    for _ in range(20):
        record = made(other)
        assert keyring.record(record.key_id) == record
        other.activate(record.key_id)
        assert keyring.active(PURPOSE, YEAR) == other.active(PURPOSE, YEAR)


def test_an_untouched_folder_is_read_once(
    keyring: Keyring, kek: FileKek, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing changes no file is read again; the first change afterwards is seen."""
    record = made(keyring)
    os.utime(tmp_path / "keys", (0, 0))
    keyring.records()
    with monkeypatch.context() as patch:
        patch.setattr("pseudonymisation.keyring._read", None)
        assert keyring.records() == [record]
    other = made(Keyring(tmp_path / "keys", kek))
    assert keyring.record(other.key_id) == other


def test_a_key_is_found_while_another_thread_changes_the_ring(
    keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that begins just as the folder's time stamp is read takes away nothing that the reader holds."""
    record = made(keyring)
    os.utime(tmp_path / "keys", (0, 0))
    keyring.records()
    real, others = Path.stat, [Thread(target=made, args=(keyring,))]

    def stat(path: Path, **how: bool) -> os.stat_result:
        status = real(path, **how)
        if others:
            other = others.pop()
            other.start()
            other.join()
        return status

    monkeypatch.setattr(Path, "stat", stat)
    assert keyring.record(record.key_id) == record


def test_two_that_open_at_once_get_one_key(keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that another process makes after the first look is taken: none is made beside it, none retired."""
    other, found, real = Keyring(tmp_path / "keys", keyring._kek), list[KeyRecord](), Keyring.active

    def active(self: Keyring, *wanted: Any) -> KeyRecord | None:  # noqa: ANN401  as the real one
        seen = real(self, *wanted)
        if self is keyring and not found:
            found.append(other.open(PURPOSE, YEAR, **SPAN))
        return seen

    monkeypatch.setattr(Keyring, "active", active)
    assert [keyring.open(PURPOSE, YEAR, **SPAN)] == found == keyring.records()


def test_two_processes_do_not_change_keys_at_once(keyring: Keyring, tmp_path: Path) -> None:
    """While another process holds the lock a change waits; reading does not."""
    record = made(keyring)
    writer = Thread(target=made, args=(keyring,))
    with (tmp_path / "keys" / ".lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        assert Keyring(tmp_path / "keys", keyring._kek).records() == [record]
    writer.join()
    assert len(keyring.records()) == 2


class DestructionInBetween:
    """A key-encryption key that another process renews just before each of its first uses."""

    def __init__(self, kek: FileKek, *acts: Callable[[], None]) -> None:
        self._kek, self._acts = kek, list(acts)

    def unwrap(self, kek_id: str, wrapped: bytes, aad: bytes) -> bytes:
        """As the file does, after the other process acted."""
        if self._acts:
            self._acts.pop()()
        return self._kek.unwrap(kek_id, wrapped, aad)


def test_a_key_that_is_rewrapped_while_it_is_read_still_opens(keyring: Keyring, kek: FileKek, tmp_path: Path) -> None:
    """Between reading a key's file and its key-encryption key another process may destroy some key, twice in a row."""
    survivor, one, two = made(keyring), made(keyring), made(keyring)
    racing: Any = DestructionInBetween(kek, lambda: keyring.destroy(one.key_id), lambda: keyring.destroy(two.key_id))
    assert Keyring(tmp_path / "keys", racing).secret(survivor.key_id) == keyring.secret(survivor.key_id)


def test_destroyed_keys_leave_a_name_without_secret(keyring: Keyring) -> None:
    """After destruction the record is there, its secret is not, and the other keys still open."""
    one, two = made(keyring), made(keyring)
    kept = keyring.secret(two.key_id)
    keyring.destroy(one.key_id)
    record = keyring.record(one.key_id)
    assert record is not None
    assert (record.state, record.wrapped, record.kek_id) == (KeyState.DESTROYED, None, None)
    with pytest.raises(KeyringError):
        keyring.secret(one.key_id)
    assert keyring.secret(two.key_id) == kept


def test_an_old_copy_of_a_destroyed_key_no_longer_opens(keyring: Keyring, kek: FileKek, tmp_path: Path) -> None:
    """A backup of the whole keyring from before, opened with what survives, gives no key at all."""
    one, two = made(keyring), made(keyring)
    copytree(tmp_path / "keys", tmp_path / "backup")
    keyring.destroy(one.key_id)
    backup = Keyring(tmp_path / "backup", kek)
    for key_id in (one.key_id, two.key_id):
        with pytest.raises(KeyringError, match="gone"):
            backup.secret(key_id)


def test_an_old_copy_no_longer_opens_where_the_key_encryption_key_is_linked_to(
    keyring: Keyring, kek: FileKek, tmp_path: Path
) -> None:
    """On a disk of its own, with a link in its place, the key-encryption key dies there; the new one stays there."""
    disk = tmp_path / "disk"
    (tmp_path / "kek").rename(disk)
    (tmp_path / "kek").mkdir(0o700)
    (tmp_path / "kek" / "kek.json").symlink_to(disk / "kek.json")
    doomed, survivor = made(keyring), made(keyring)
    copytree(tmp_path / "keys", tmp_path / "backup")
    keyring.destroy(doomed.key_id)
    with pytest.raises(KeyringError, match="gone"):
        Keyring(tmp_path / "backup", FileKek(disk / "kek.json")).secret(doomed.key_id)
    assert Keyring(tmp_path / "keys", FileKek(disk / "kek.json")).secret(survivor.key_id)
    assert [path.is_symlink() for path in (tmp_path / "kek").iterdir()] == [True]


def test_restore_does_not_bring_back_the_dead(keyring: Keyring, kek: FileKek, tmp_path: Path) -> None:
    """From a backup come the keys that still open; what was destroyed since stays destroyed or is refused."""
    dead, alive = made(keyring), made(keyring)
    before = keyring.records()
    keyring.destroy(dead.key_id)
    assert keyring.restore(before) == []
    states = {record.key_id: record.state for record in keyring.records()}
    assert states == {dead.key_id: KeyState.DESTROYED, alive.key_id: KeyState.PRE_ACTIVE}
    empty = Keyring(tmp_path / "new", kek)
    assert empty.restore(before) == sorted([dead.key_id, alive.key_id])
    assert empty.restore(keyring.records()) == []
    assert empty.secret(alive.key_id) == keyring.secret(alive.key_id)


def test_restore_reads_the_ring_once(
    keyring: Keyring, kek: FileKek, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not anew for every key: of ten that are there and ten that are not, each file is read once."""
    first = [made(keyring) for _ in range(10)]
    copytree(tmp_path / "keys", tmp_path / "new")
    elsewhere = Keyring(tmp_path / "new", kek)
    more = [made(keyring) for _ in range(10)]
    read, seen = keyring_module._read, list[Path]()
    monkeypatch.setattr(keyring_module, "_read", lambda path: seen.append(path) or read(path))
    assert elsewhere.restore([*first, *more]) == []
    assert len(seen) == len(first)


def test_restore_takes_over_a_destruction(keyring: Keyring, kek: FileKek, tmp_path: Path) -> None:
    """A key that the backup knows as destroyed is destroyed here too."""
    record = made(keyring)
    copytree(tmp_path / "keys", tmp_path / "elsewhere")
    elsewhere = Keyring(tmp_path / "elsewhere", kek)
    keyring.destroy(record.key_id)
    assert elsewhere.restore(keyring.records()) == []
    assert elsewhere.record(record.key_id) == keyring.record(record.key_id)


def test_an_active_key_keeps_what_it_stands_on(keyring: Keyring) -> None:
    """Leaked keys that deliveries still pass through, however far back, cannot be destroyed by mistake."""
    chain = [made(keyring)]
    for _ in range(2):
        chain.append(keyring.create(PURPOSE, YEAR, **SPAN, previous=chain[-1].key_id))
        keyring.activate(chain[-1].key_id)
    for leaked in chain[:-1]:
        with pytest.raises(KeyringError, match="still needed"):
            keyring.destroy(leaked.key_id)
    assert len(keyring.chain(chain[-1].key_id)) == 3


@pytest.mark.parametrize("key_id", ["", "../kek/kek", "0123456789ABCDEF", "0123456789abcdef\n"])
def test_only_a_key_id_names_a_file(keyring: Keyring, key_id: str) -> None:
    """What somebody typed leads to no file outside the folder."""
    assert keyring.record(key_id) is None
    with pytest.raises(KeyringError, match="not in this keyring"):
        keyring.destroy(key_id)


@pytest.mark.parametrize("writes", range(1, 6))
def test_a_destruction_that_stops_anywhere_is_completed_by_the_next(
    keyring: Keyring, kek: FileKek, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Stopped after any number of writes, every surviving key still opens, and running it again finishes it."""
    doomed, survivors = made(keyring), [made(keyring), made(keyring)]
    secrets = [keyring.secret(one.key_id) for one in survivors]
    copytree(tmp_path / "keys", tmp_path / "backup")
    with monkeypatch.context() as patch:
        stop_after(patch, writes)
        with pytest.raises(StoppedError):
            keyring.destroy(doomed.key_id)
    again = Keyring(tmp_path / "keys", FileKek(tmp_path / "kek" / "kek.json"))
    assert [again.secret(one.key_id) for one in survivors] == secrets
    again.destroy(doomed.key_id)
    assert [again.secret(one.key_id) for one in survivors] == secrets
    with pytest.raises(KeyringError):
        again.secret(doomed.key_id)
    with pytest.raises(KeyringError):
        Keyring(tmp_path / "backup", kek).secret(doomed.key_id)


def test_a_destruction_that_stopped_saves_no_other_key(
    keyring: Keyring, kek: FileKek, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup made after a stop, of a key wrapped anew already, does not outlive that key's own destruction."""
    one, two = made(keyring), made(keyring)
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(StoppedError):
            keyring.destroy(one.key_id)
    copytree(tmp_path / "keys", tmp_path / "backup")
    keyring.destroy(two.key_id)
    with pytest.raises(KeyringError, match="gone"):
        Keyring(tmp_path / "backup", kek).secret(two.key_id)


def test_a_destruction_touches_only_the_branches_of_what_ends(tmp_path: Path) -> None:
    """Of 64 keys on 16 branches two end: what shared a branch with them is wrapped anew, the rest stays as it was."""
    kek = FileKek.create(tmp_path / "kek" / "kek.json", branches=16)
    keyring = Keyring(tmp_path / "keys", kek)
    before = {record.key_id: record for record in (made(keyring) for _ in range(64))}
    secrets = {key_id: keyring.secret(key_id) for key_id in before}
    copytree(tmp_path / "keys", tmp_path / "backup")
    doomed = list(before)[:2]
    keyring.destroy(*doomed)
    hit = {key_id for key_id, record in before.items() if record.kek_id in {before[one].kek_id for one in doomed}}
    changed = {record.key_id for record in keyring.records() if record != before[record.key_id]}
    assert changed == hit < set(before)
    assert {key_id: keyring.secret(key_id) for key_id in secrets if key_id not in doomed} == {
        key_id: secret for key_id, secret in secrets.items() if key_id not in doomed
    }
    backup = Keyring(tmp_path / "backup", kek)
    for key_id in hit:
        with pytest.raises(KeyringError, match="gone"):
            backup.secret(key_id)
    assert all(backup.secret(key_id) == secret for key_id, secret in secrets.items() if key_id not in hit)


@pytest.mark.parametrize("writes", range(5))
def test_after_a_renewal_what_leaked_opens_nothing_of_later(
    keyring: Keyring, kek: FileKek, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Completed also after a stop: every key still opens, and a copy of the key-encryption key opens none any more."""
    (tmp_path / "leaked.json").write_bytes((tmp_path / "kek" / "kek.json").read_bytes())
    (tmp_path / "leaked.json").chmod(0o600)
    secrets = {one.key_id: keyring.secret(one.key_id) for one in (made(keyring), made(keyring))}
    if writes:
        with monkeypatch.context() as patch:
            stop_after(patch, writes)
            with pytest.raises(StoppedError):
                keyring.renew_keks()
    keyring.renew_keks()
    assert {key_id: keyring.secret(key_id) for key_id in secrets} == secrets
    thief = Keyring(tmp_path / "keys", FileKek(tmp_path / "leaked.json"))
    for key_id in (*secrets, made(keyring).key_id):
        with pytest.raises(KeyringError, match="gone"):
            thief.secret(key_id)


def test_a_renewal_reaches_every_branch(tmp_path: Path) -> None:
    """No key-encryption key of before is left on any of sixteen branches."""
    kek = FileKek.create(tmp_path / "kek" / "kek.json", branches=16)
    keyring, before = Keyring(tmp_path / "keys", kek), kek.current()
    secrets = {one.key_id: keyring.secret(one.key_id) for one in (made(keyring) for _ in range(32))}
    keyring.renew_keks()
    assert (len(kek.current()), kek.current() & before) == (16, frozenset())
    assert {key_id: keyring.secret(key_id) for key_id in secrets} == secrets


def stop_after(patch: pytest.MonkeyPatch, writes: int) -> None:
    """Let the machine stop just before a file takes its place: 1 KEK, 2 survivors, 1 tombstone, 1 KEK."""
    left, real = iter(range(writes - 1)), Path.replace

    def replace(path: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise StoppedError
        return real(path, target)

    patch.setattr(Path, "replace", replace)


def test_readers_never_stumble_over_a_destruction(keyring: Keyring, kek: FileKek, tmp_path: Path) -> None:
    """While another process destroys keys, a surviving key opens at every moment."""
    survivor = made(keyring)
    secret = keyring.secret(survivor.key_id)
    doomed = [made(keyring).key_id for _ in range(10)]
    seen: list[bool] = []
    reader = Keyring(tmp_path / "keys", kek)
    writer = Thread(target=lambda: [keyring.destroy(one) for one in doomed])
    writer.start()
    while writer.is_alive():
        seen.append(reader.secret(survivor.key_id) == secret)
    writer.join()
    assert all(seen)
    assert reader.secret(survivor.key_id) == secret
