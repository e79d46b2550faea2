"""What a school runs needs nothing that Windows does not have."""

import os
import subprocess
import sys
from pathlib import Path

from gateway.settings import SERVICE_TOKEN_VARIABLE
from tests.pseudonymisation.serve import free_port, running
from tests.pseudonymisation.world import HEADER, PERIOD, SITE, World, export_rows, numbers, token_of

# Packages of others are imported first: they look at the platform and find a real one.
RUN = """
import os, sys
import httpx, openpyxl, pydantic.main, pydantic.functional_validators, voprf.ristretto
import typer.main, typer._click._termui_impl
import cryptography.hazmat.primitives.ciphers.aead, cryptography.hazmat.primitives.asymmetric.ed25519, rich.console
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "grp", "pwd", "resource", "termios", "syslog"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
for name in ("fcntl", "grp", "pwd", "resource", "termios", "syslog"):
    sys.modules.pop(name, None)
for name in ("fchmod", "chown", "fchown", "fork", "getuid", "geteuid", "getgid", "getegid", "getpgid", "uname"):
    delattr(os, name)
import signal
del signal.pthread_sigmask, signal.SIGKILL, signal.SIGALRM
sys.meta_path.insert(0, Missing())
sys.platform = "win32"
from gateway.cli import main
main()
"""


def run(*words: object, folder: Path) -> None:
    """A command as it is on Windows; one that fails, fails the test."""
    environment = os.environ | {SERVICE_TOKEN_VARIABLE: token_of(SITE), "XDG_CONFIG_HOME": str(folder)}
    command = [sys.executable, "-c", RUN, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def test_an_export_becomes_a_document_and_is_checked(tmp_path: Path) -> None:
    """Numbers are evaluated by a service elsewhere, the document is written and passes the gateway's rules."""
    (tmp_path / "service").mkdir()
    with World(tmp_path / "service") as world:
        (tmp_path / "keys.json").write_bytes(world.document)
        assert world.registers
    rows = "\n".join(";".join(cells) for _, cells in export_rows(numbers(5)))
    (tmp_path / "export.csv").write_text(f"{';'.join(HEADER)}\n{rows}\n")
    port = free_port()
    service = ["--service", f"http://127.0.0.1:{port}", "--service-key", tmp_path / "keys.json"]
    about = ["--site", SITE, "--period", PERIOD, "-o", tmp_path / "submission.json"]
    with running(tmp_path / "service", port):
        run("pseudonymise", tmp_path / "export.csv", *about, *service, folder=tmp_path)
    run("pseudonymise", tmp_path / "export.csv", *about, *service, "--offline", folder=tmp_path)
    run("check", tmp_path / "submission.json", "--collection", "absence-records", folder=tmp_path)
    run("receipt", "--help", folder=tmp_path)
