"""Key-encryption keys in a file: wrapping, renewal, and the end of the old one."""

from pathlib import Path

import pytest

from pseudonymisation.errors import KeyringError
from pseudonymisation.kek import FileKek

SECRET, AAD = b"s" * 32, b"key 1"


@pytest.fixture
def kek(tmp_path: Path) -> FileKek:
    """A new file with one key-encryption key."""
    return FileKek.create(tmp_path / "kek.json")


def test_wrapped_secrets_open_again(kek: FileKek) -> None:
    """What was wrapped comes back, and two wrappings of one secret look different."""
    one, two = kek.wrap(SECRET, AAD), kek.wrap(SECRET, AAD)
    assert kek.unwrap(*one, AAD) == kek.unwrap(*two, AAD) == SECRET
    assert one[1] != two[1]


def test_other_bytes_do_not_open(kek: FileKek) -> None:
    """A changed byte, another associated text or a short input is one clear error."""
    kek_id, wrapped = kek.wrap(SECRET, AAD)
    altered = bytes([wrapped[0] ^ 1]) + wrapped[1:]
    for bad, aad in ((altered, AAD), (wrapped, b"key 2"), (b"", AAD), (wrapped[:20], AAD)):
        with pytest.raises(KeyringError):
            kek.unwrap(kek_id, bad, aad)


def test_renewal_keeps_the_old_until_it_is_retired(kek: FileKek) -> None:
    """Between renew and retire both open; after it only the new one does."""
    old = kek.wrap(SECRET, AAD)
    kek.renew([old[0]])
    new = kek.wrap(SECRET, AAD)
    assert old[0] != new[0]
    assert kek.current() == {new[0]}
    assert kek.unwrap(*old, AAD) == kek.unwrap(*new, AAD) == SECRET
    kek.retire()
    assert kek.unwrap(*new, AAD) == SECRET
    with pytest.raises(KeyringError, match="gone"):
        kek.unwrap(*old, AAD)


def test_renewal_twice_is_renewal_once(kek: FileKek) -> None:
    """Running it again after a crash does not lose the key that half of the keyring is wrapped with."""
    old = kek.wrap(SECRET, AAD)
    kek.renew([old[0]])
    new = kek.wrap(SECRET, AAD)
    kek.renew([old[0], new[0]])
    assert kek.unwrap(*old, AAD) == kek.unwrap(*new, AAD) == SECRET


def test_an_existing_file_is_never_overwritten(kek: FileKek, tmp_path: Path) -> None:
    """Creating it again, as two that begin at once do, gives the one that is there: every key hangs on it."""
    wrapped = kek.wrap(SECRET, AAD)
    assert FileKek.create(tmp_path / "kek.json").unwrap(*wrapped, AAD) == SECRET


def test_each_branch_is_renewed_alone(tmp_path: Path) -> None:
    """On a file of many branches the end of one key-encryption key leaves what the others wrapped as it was."""
    kek = FileKek.create(tmp_path / "many.json", branches=16)
    wrapped = [(aad := b"key %d" % number, kek.wrap(SECRET, aad)) for number in range(64)]
    assert len({kek_id for _, (kek_id, _) in wrapped} & kek.current()) > 8
    doomed = wrapped[0][1][0]
    kek.renew([doomed])
    kek.retire()
    for aad, (kek_id, secret) in wrapped:
        if kek_id == doomed:
            with pytest.raises(KeyringError, match="gone"):
                kek.unwrap(kek_id, secret, aad)
        else:
            assert kek.unwrap(kek_id, secret, aad) == SECRET
    assert len(kek.current()) == 16


_KEY = '{"kek_id": "0123456789abcdef", "key": "", "branch": %d}'


@pytest.mark.parametrize("branches", [[], [1], [0, 2], [0, 0, 0]])
def test_a_file_without_a_key_for_every_branch_stops_the_start(tmp_path: Path, branches: list[int]) -> None:
    """No key, a branch left out, or more than the current one and the one before it."""
    path = tmp_path / "kek.json"
    path.touch(0o600)
    keks = ", ".join(_KEY % branch for branch in branches)
    path.write_text(f'{{"format": "verzuimpoort/kek/v1", "keks": [{keks}]}}')
    with pytest.raises(KeyringError, match="no file of key-encryption keys"):
        FileKek(path)


@pytest.mark.parametrize("content", ["", "{}"])
def test_a_damaged_file_stops_the_start(tmp_path: Path, content: str) -> None:
    """A file without a key-encryption key is said to be none."""
    path = tmp_path / "kek.json"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(KeyringError, match="no file of key-encryption keys"):
        FileKek(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """No file, no keys, and the message says which file."""
    with pytest.raises(KeyringError, match=r"kek\.json does not exist"):
        FileKek(tmp_path / "kek.json")


@pytest.mark.parametrize("linked", [False, True])
def test_the_old_bytes_are_overwritten(kek: FileKek, tmp_path: Path, linked: bool) -> None:
    """Renewing and retiring each write zeros over the file that held the old key, as open descriptors of it show."""
    path = tmp_path / "kek.json"
    if linked:
        (tmp_path / "disk").mkdir()
        path = path.rename(tmp_path / "disk" / "kek.json")
        (tmp_path / "kek.json").symlink_to(path)
    with path.open("rb") as before:
        kek.renew(kek.current())
        with path.open("rb") as between:
            kek.retire()
            assert set(before.read()) == set(between.read()) == {0}
