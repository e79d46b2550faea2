"""Key-encryption keys in a real PKCS#11 token (SoftHSM): they wrap, renew, die, and never come out."""

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from shutil import copytree, which
from unittest.mock import Mock

import pytest

from pseudonymisation.errors import KeyringError
from pseudonymisation.keyring import Keyring

pkcs11 = pytest.importorskip("pkcs11", reason="the extra `pkcs11` is not installed")
from pseudonymisation.hsm import Pkcs11Kek  # noqa: E402  only where its library is

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
TOKEN, PIN = "verzuimpoort-test", "1234"
SECRET, AAD = b"s" * 32, b"key 1"

pytestmark = [
    pytest.mark.skipif(which("softhsm2-util") is None or not MODULE.exists(), reason="SoftHSM2 is not installed"),
    pytest.mark.xdist_group("softhsm"),
]


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A token of this test run; the library reads its configuration once in a process."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    command = ["softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", "5678"]
    subprocess.run(command, check=True, capture_output=True)
    yield TOKEN
    del os.environ["SOFTHSM2_CONF"]


@pytest.fixture
def kek(token: str) -> Iterator[Pkcs11Kek]:
    """The token with one fresh key-encryption key."""
    made = Pkcs11Kek("kek", MODULE, token, PIN)
    for _, key in made._keys():
        key.destroy()
    made.create()
    yield made
    made.close()


def test_wrapped_secrets_open_again(kek: Pkcs11Kek) -> None:
    """What the token wrapped it opens, and two wrappings look different."""
    one, two = kek.wrap(SECRET, AAD), kek.wrap(SECRET, AAD)
    assert kek.unwrap(*one, AAD) == kek.unwrap(*two, AAD) == SECRET
    assert one[1] != two[1]


def test_other_bytes_do_not_open(kek: Pkcs11Kek) -> None:
    """A changed byte or another associated text is one clear error."""
    kek_id, wrapped = kek.wrap(SECRET, AAD)
    altered = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    for bad, aad in ((altered, AAD), (wrapped, b"key 2")):
        with pytest.raises(KeyringError, match="altered"):
            kek.unwrap(kek_id, bad, aad)


# The library says of each search in a lost session that it cannot be ended.
lost = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@lost
@pytest.mark.parametrize("act", ["wrap", "unwrap", "current", "renew", "retire", "is_empty"])
def test_a_session_that_was_lost_is_opened_again(kek: Pkcs11Kek, act: str) -> None:
    """A token that was taken out and put back serves on: every act gives what it gives without that."""
    wrapped = kek.wrap(SECRET, AAD)
    acts: dict[str, Callable[[], object]] = {
        "wrap": lambda: kek.unwrap(*kek.wrap(SECRET, AAD), AAD),
        "unwrap": lambda: kek.unwrap(*wrapped, AAD),
        "current": lambda: [*kek.current()] == [wrapped[0]] and SECRET,
        "renew": lambda: kek.renew(kek.current()) or kek.unwrap(*wrapped, AAD),
        "retire": lambda: kek.retire() or kek.unwrap(*wrapped, AAD),
        "is_empty": lambda: not kek.is_empty() and SECRET,
    }
    kek._session.close()
    assert acts[act]() == SECRET


@lost
def test_a_token_that_stays_away_is_said(kek: Pkcs11Kek, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is called altered or gone because the token does not answer, and when it is back all is as before."""
    wrapped = kek.wrap(SECRET, AAD)
    kek._session.close()
    with monkeypatch.context() as away:
        away.setattr("pseudonymisation.hsm.pkcs11.lib", Mock(side_effect=pkcs11.NoSuchToken()))
        for act in (
            lambda: kek.wrap(SECRET, AAD),
            lambda: kek.unwrap(*wrapped, AAD),
            lambda: kek.renew(()),
            kek.retire,
        ):
            with pytest.raises(KeyringError, match="cannot be opened"):
                act()
    assert kek.unwrap(*wrapped, AAD) == SECRET


def test_the_key_never_comes_out(kek: Pkcs11Kek) -> None:
    """The token refuses to show the value of the key."""
    ((_, key),) = kek._keys()
    with pytest.raises(pkcs11.PKCS11Error):
        key[pkcs11.Attribute.VALUE]


def test_renewal_keeps_the_old_until_it_is_retired(kek: Pkcs11Kek) -> None:
    """Between renew and retire both open; after it only the new one; a second renew does nothing."""
    old = kek.wrap(SECRET, AAD)
    kek.renew([old[0]])
    kek.renew(kek.current())
    new = kek.wrap(SECRET, AAD)
    assert old[0] < new[0]
    assert kek.unwrap(*old, AAD) == kek.unwrap(*new, AAD) == SECRET
    kek.retire()
    assert kek.unwrap(*new, AAD) == SECRET
    with pytest.raises(KeyringError, match="gone"):
        kek.unwrap(*old, AAD)


def test_a_key_is_created_once(kek: Pkcs11Kek) -> None:
    """A second first key is refused."""
    with pytest.raises(KeyringError, match="already"):
        kek.create()


def test_a_destroyed_key_is_gone_from_every_backup(kek: Pkcs11Kek, tmp_path: Path) -> None:
    """A keyring over the token lives and shreds as one over a file does."""
    keyring = Keyring(tmp_path / "keys", kek)
    span = {"not_before": date(2026, 8, 1), "not_after": date(2027, 9, 1)}
    doomed, survivor = keyring.create("absence-statistics", "2026-2027", **span), keyring.create("x", None, **span)
    kept = keyring.secret(survivor.key_id)
    copytree(tmp_path / "keys", tmp_path / "backup")
    keyring.destroy(doomed.key_id)
    assert keyring.secret(survivor.key_id) == kept
    for key_id in (doomed.key_id, survivor.key_id):
        with pytest.raises(KeyringError, match="gone"):
            Keyring(tmp_path / "backup", kek).secret(key_id)


@pytest.mark.parametrize("name", ["service-kek", "0123456789abcdef-kek", "kek-0"])
def test_two_names_on_one_token_leave_each_other_alone(kek: Pkcs11Kek, token: str, name: str) -> None:
    """Of whoever shares a token, also under a longer name: what one renews and retires the other does not lose."""
    service = Pkcs11Kek(name, MODULE, token, PIN)
    assert service.is_empty()
    service.create()
    wrapped = service.wrap(SECRET, AAD)
    kek.renew(kek.current())
    kek.retire()
    assert service.unwrap(*wrapped, AAD) == SECRET
    for _, key in service._keys():
        key.destroy()
    service.close()


@pytest.mark.parametrize(("label", "pin"), [("another", PIN), (TOKEN, "9999")])
def test_a_token_that_does_not_open_is_said(token: str, label: str, pin: str) -> None:
    """A wrong label or PIN is one clear error, without the PIN in it."""
    with pytest.raises(KeyringError, match="cannot be opened") as error:
        Pkcs11Kek("kek", MODULE, label, pin)
    assert pin not in str(error.value)


def test_an_empty_token_wraps_nothing(token: str) -> None:
    """Without a key-encryption key nothing is wrapped with something else instead."""
    made = Pkcs11Kek("kek", MODULE, token, PIN)
    for _, key in made._keys():
        key.destroy()
    with pytest.raises(KeyringError, match="holds no key-encryption key"):
        made.wrap(SECRET, AAD)
    made.close()
