"""The key-encryption key in a PKCS#11 token, chosen in the settings: real processes with a real token (SoftHSM2)."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from gateway.settings import Home, Pkcs11, Settings, read_settings, write_settings

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "1234"


@pytest.mark.skipif(which("softhsm2-util") is None or not MODULE.exists(), reason="SoftHSM2 is not installed")
def test_a_deployment_lives_on_a_token(tmp_path: Path) -> None:
    """Init, keys, and a second process that opens them: no key-encryption key is in any file of the deployment."""
    pytest.importorskip("pkcs11", reason="the extra `pkcs11` is not installed")
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    environment = os.environ | {"SOFTHSM2_CONF": str(configuration), "VERZUIMPOORT_DATA": str(tmp_path / "data")}
    token = ["softhsm2-util", "--init-token", "--free", "--label", "poort", "--pin", PIN, "--so-pin", "5678"]
    subprocess.run(token, check=True, capture_output=True, env=environment)
    home = Home(tmp_path / "data", f"sqlite:///{tmp_path}/data/gateway.sqlite")
    home.folder.mkdir(mode=0o700)
    (home.folder / "pin").touch(mode=0o600)
    (home.folder / "pin").write_text(PIN)
    write_settings(home, Settings(pkcs11=Pkcs11(module=MODULE, token="poort", pin=Path("pin"))))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway.cli", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    for words in (("init",), ("key", "create", "2026-2027"), ("key", "rotate", "2026-2027")):
        assert (run(*words).returncode, run("party", "list").returncode) == (0, 0), words
    assert "decrypt-only" in run("key", "list").stdout
    assert not (home.keys / "kek.json").exists()
    (home.folder / "pin").write_text("9999")
    refused = run("key", "list")
    assert (refused.returncode, "cannot be opened" in refused.stderr, PIN in refused.stderr) == (1, True, False)


def test_the_place_of_the_pin_counts_from_the_data_folder(tmp_path: Path) -> None:
    """What is written to `gateway.toml` is read back, with the PIN's file under the data folder."""
    home = Home(tmp_path, "sqlite://")
    write_settings(home, Settings(pkcs11=Pkcs11(module=MODULE, token="poort", pin=Path("pin"))))
    assert read_settings(home).pkcs11 == Pkcs11(module=MODULE, token="poort", pin=tmp_path / "pin")
