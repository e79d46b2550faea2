"""What a school and a verifier run works in the base install: no database, no data frames, no server."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

HEAVY = ("alembic", "cedarpy", "fastapi", "highspy", "numpy", "opendp", "pandas", "scipy", "sqlalchemy", "sqlmodel",
         "starlette", "uvicorn", "xlsxwriter")  # fmt: skip
RUN = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.split(".")[0])
sys.meta_path.insert(0, Missing())
from gateway.cli import main
main()
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["check", "submit", "pseudonymise", "download"])
def test_every_command_of_a_school_can_be_asked_for_help(command: str) -> None:
    """The commands of schools and recipients load without the gateway's packages."""
    assert run(command, "--help").returncode == 0


def test_check_runs_and_says_what_is_wrong(tmp_path: Path) -> None:
    """Offline checking needs the base install only; faults end with exit 1."""
    file = tmp_path / "counts.csv"
    file.write_text("subdivision;kind;band;pupils\nundivided;all;upto5;-3\n")
    done = run("check", str(file), "--collection", "absence-counts")
    assert done.returncode == 1
    assert "[COUNT-WHOLE]" in done.stderr


def test_a_command_of_the_gateway_says_what_to_install() -> None:
    """Without the gateway extra its commands name it instead of failing with a traceback."""
    done = run("init", "--data", "x")
    assert done.returncode == 1
    assert "verzuimpoort[gateway]" in done.stderr
    assert "Traceback" not in done.stderr


def test_says_which_version_it_is() -> None:
    """Whoever asks for help can say what runs."""
    assert run("--version").stdout == f"verzuimpoort {version('verzuimpoort')}\n"
