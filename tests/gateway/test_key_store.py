"""The key-encryption key in a PKCS#11 token, chosen in the settings: real processes with a real token (SoftHSM2)."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from shutil import copy2, which
from zipfile import ZipFile

import pytest

from gateway.context import wall_clock
from gateway.periods import last_day, school_year_on
from gateway.settings import Home, Pkcs11, Settings, read_settings, write_settings
from pseudonymisation.private_file import write_private

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "1234"
YEAR = school_year_on(wall_clock().date())  # real processes go by the real clock
NEXT = school_year_on(last_day(YEAR) + timedelta(days=1))


@dataclass(frozen=True)
class Deployment:
    """A data folder whose key-encryption keys are on a token of its own, and real processes that use it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What a command says, as a process."""
        command = [sys.executable, "-m", "gateway.cli", *words]
        environment = self.environment | {"VERZUIMPOORT_DATA": str(self.folder)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def written(self, *words: str) -> str:
        """What a command that succeeds says."""
        done = self.run(*words)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout.strip()

    def ring(self) -> list[dict[str, str]]:
        """What the ring holds, without secrets."""
        return json.loads(self.written("key", "list", "--json"))  # type: ignore[no-any-return]


@pytest.fixture
def on_token(tmp_path: Path) -> Deployment:
    """A fresh token, and settings that name it."""
    if which("softhsm2-util") is None or not MODULE.exists():
        pytest.skip("SoftHSM2 is not installed")
    pytest.importorskip("pkcs11", reason="the extra `pkcs11` is not installed")
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    environment = os.environ | {"SOFTHSM2_CONF": str(configuration)}
    token = ["softhsm2-util", "--init-token", "--free", "--label", "poort", "--pin", PIN, "--so-pin", "5678"]
    subprocess.run(token, check=True, capture_output=True, env=environment)
    home = Home(tmp_path / "data", f"sqlite:///{tmp_path}/data/gateway.sqlite")
    home.folder.mkdir(mode=0o700)
    (home.folder / "pin").touch(mode=0o600)
    (home.folder / "pin").write_text(PIN)
    write_settings(home, Settings(pkcs11=Pkcs11(module=MODULE, token="poort", pin=Path("pin"))))
    return Deployment(home.folder, environment)


def test_a_deployment_lives_on_a_token(on_token: Deployment) -> None:
    """Init, keys, and a second process that opens them: no key-encryption key is in any file of the deployment."""
    for words in (("init",), ("key", "create", YEAR), ("key", "rotate", YEAR), ("party", "list")):
        on_token.written(*words)
    assert "decrypt-only" in on_token.written("key", "list")
    assert list((on_token.folder / "keys").glob("*kek.json")) == []
    (on_token.folder / "pin").write_text("9999")
    refused = on_token.run("key", "list")
    assert (refused.returncode, "gaat niet open" in refused.stderr, PIN in refused.stderr) == (1, True, False)


def test_two_deployments_on_one_token_leave_each_other_alone(on_token: Deployment) -> None:
    """A trial that destroys a key of its own takes nothing from the deployment whose token it shares."""
    trial = Deployment(on_token.folder.with_name("trial"), on_token.environment)
    trial.folder.mkdir(mode=0o700)
    for name in ("gateway.toml", "pin"):
        copy2(on_token.folder / name, trial.folder / name)
    for one in (on_token, trial):
        one.written("init")
        one.written("key", "create", YEAR)
    said = trial.written("key", "destroy", trial.ring()[0]["key_id"], "--yes")
    said += trial.written("key", "renew-kek", "--yes")
    assert ("in het token" in said, "kek.json" in said) == (True, False)
    on_token.written("key", "rotate", YEAR)
    assert len({key["kek_id"] for one in (on_token, trial) for key in one.ring() if key["kek_id"]}) == 2


def test_keys_under_a_label_without_a_name_open_and_end_as_before(on_token: Deployment) -> None:
    """A deployment that has no name for its token, as none had once, keeps its label through a renewal."""
    keys = on_token.folder / "keys"
    for folder in (keys, keys / "ring"):
        folder.mkdir(mode=0o700)
    first = f'import pseudonymisation.hsm as h; h.Pkcs11Kek("kek", "{MODULE}", "poort", "{PIN}").create()'
    subprocess.run([sys.executable, "-c", first], check=True, env=on_token.environment)
    on_token.written("init")
    on_token.written("key", "create", YEAR)
    doomed, *_ = on_token.ring()
    on_token.written("key", "destroy", doomed["key_id"], "--yes")
    on_token.written("init")
    on_token.written("key", "rotate", YEAR)
    assert {key["kek_id"] for key in on_token.ring() if key["kek_id"]} == {"verzuimpoort-kek-000002"}
    assert not (keys / "token.name").exists()


def test_a_lost_name_is_said_and_comes_back_from_the_file_of_keys(on_token: Deployment) -> None:
    """Without its name nothing is taken for destroyed: the message names the file that a backup of the keys holds."""
    on_token.written("init")
    on_token.written("key", "create", YEAR)
    on_token.written("backup", "--keys", str(on_token.folder / "keys.zip"))
    name = on_token.folder / "keys" / "token.name"
    name.unlink()
    for words in (("init",), ("key", "rotate", YEAR)):
        refused = on_token.run(*words)
        assert (refused.returncode, "keys/token.name" in refused.stderr) == (1, True)
    name.touch(0o600)
    with ZipFile(on_token.folder / "keys.zip") as kept:
        name.write_bytes(kept.read("token.name"))
    on_token.written("key", "rotate", YEAR)


def test_the_pseudonym_service_lives_on_the_same_token(on_token: Deployment) -> None:
    """Its seeds open after the gateway destroyed a key on that token, until its own school year is closed."""
    on_token.written("init")
    service = on_token.folder / "pseudonym"
    service.mkdir(mode=0o700)
    lines = [
        'operator = "ORG-DIENST"',
        f'gateway_key = "{on_token.written("service", "gateway-key")}"',
        f'database = "sqlite:///{service}/service.sqlite"',
        "[pkcs11]",
        f'module = "{MODULE}"',
        'token = "poort"',
        'pin = "pin"',
    ]
    copy2(on_token.folder / "pin", service / "pin")
    write_private(service / "service.toml", "\n".join(lines).encode())
    init = ("service", "init", "--folder", str(service), "--operator", "ORG-DIENST", "--gateway-key", "00" * 32)
    on_token.written(*init)
    on_token.written("service", "register", "-o", str(service / "register.json"))
    opened = on_token.written("service", "open-year", NEXT, "--folder", str(service))
    on_token.written("key", "create", YEAR)
    ours = on_token.written("key", "list").split()[0]
    on_token.written("key", "destroy", ours, "--yes")
    file = on_token.folder / "keys.json"
    on_token.written("service", "renew-kek", "--folder", str(service), "--yes")
    on_token.written("service", "key-file", "--folder", str(service), "-o", str(file))
    assert opened in file.read_text()
    assert not (service / "keys" / "kek.json").exists()
    on_token.written("service", "close-year", NEXT, "--folder", str(service), "--yes")
    on_token.written("service", "key-file", "--folder", str(service), "-o", str(file))
    assert opened not in file.read_text()


def test_a_token_in_the_settings_is_read_back(tmp_path: Path) -> None:
    """What is written to `gateway.toml` is read back, as it was."""
    home, token = Home(tmp_path, "sqlite://"), Pkcs11(module=MODULE, token="poort", pin=Path("pin"))
    write_settings(home, Settings(pkcs11=token))
    assert read_settings(home).pkcs11 == token
