"""What an operator copies and reads: units that start what there is, settings that can be read, pages that hold."""

import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from getpass import getuser
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool
from typer.main import get_command

from gateway.backup import backup, restore
from gateway.cli import app
from gateway.cli.failing import _trouble
from gateway.database import open_database
from gateway.settings import Home
from tests.databases import running_postgresql

from .conftest import World

FOLDER = Path(__file__).parents[2] / "gateway"
UNITS = sorted((FOLDER / "deploy").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_a_unit_starts_a_command_that_there_is(unit: Path) -> None:
    """Command and options of ExecStart are those of the command line; each process is confined and starts again."""
    lines = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and line[0] != "#")
    _, command, *options = lines["ExecStart"].split()
    known = get_command(app).commands[command]  # type: ignore[attr-defined]  # a group of commands
    flags = {flag for parameter in known.params for flag in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= flags
    assert lines["Restart"] == "always"
    assert {"NoNewPrivileges", "ProtectSystem", "CapabilityBoundingSet", "SystemCallFilter", "UMask"} <= lines.keys()
    assert (lines["LimitCORE"], lines["MemorySwapMax"]) == ("1", "0")


@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_the_service_manager_understands_a_unit(unit: Path, tmp_path: Path) -> None:
    """Systemd finds nothing to complain of but that the program is not installed here."""
    analyse = shutil.which("systemd-analyze")
    if analyse is None:
        pytest.skip("no systemd-analyze: apt install systemd")
    copy = tmp_path / unit.name.replace("@", "@1")
    copy.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", unit.read_text()))
    found = subprocess.run([analyse, "verify", str(copy)], capture_output=True, text=True, check=False)
    complaints = [line for line in found.stderr.splitlines() if unit.name.split(".")[0].rstrip("@") in line]
    assert not complaints


def test_a_crash_leaves_no_core(tmp_path: Path) -> None:
    """A process of the command line that dies writes nothing of its memory, whatever its shell allows."""
    crash = (
        "import atexit, os, resource, sys; from gateway.cli import main; atexit.register(os.abort);"
        " resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2);"
        " atexit.register(lambda: print(resource.getrlimit(resource.RLIMIT_CORE), flush=True));"
        " sys.argv = ['verzuimpoort', '--version']; main()"
    )
    path = {"PYTHONPATH": str(FOLDER.parent), "PATH": os.environ["PATH"]}
    died = subprocess.run([sys.executable, "-c", crash], cwd=tmp_path, env=path, capture_output=True, check=False)
    assert died.returncode == -signal.SIGABRT
    assert died.stdout.split(b"\n")[1] in {b"(1, 1)", b"(0, 0)"}
    assert [*tmp_path.iterdir()] == []


def test_every_file_is_named_by_the_page_about_running() -> None:
    """OPERATIONS.md tells of each file, and of no command that does not exist."""
    page = (FOLDER / "OPERATIONS.md").read_text()
    stems = {re.sub(r"-(serve@|worker|pseudonym)\.service$", "", file.name) for file in (FOLDER / "deploy").iterdir()}
    assert [stem for stem in stems if stem not in page] == []
    commands = get_command(app).commands  # type: ignore[attr-defined]  # a group of commands
    named = re.findall(r"`verzuimpoort ([a-z-]+)|`(?:VERZUIMPOORT_DATABASE=… )?verzuimpoort ([a-z-]+)", page)
    assert {first or second for first, second in named} <= set(commands)


def test_the_database_takes_the_connections_of_every_process() -> None:
    """What OPERATIONS.md says a process opens at most is what its pool may, and the server takes those of four."""
    page = (FOLDER / "OPERATIONS.md").read_text()
    (said, most), *_ = re.findall(r"opens at most (\d+) connections[^.]*`max_connections = (\d+)`", page)
    pool = open_database("postgresql:///verzuimpoort").pool
    assert isinstance(pool, QueuePool)
    assert int(said) == pool.size() + pool._max_overflow
    assert int(most) >= 4 * int(said)


def test_each_thread_of_a_server_finds_a_connection_to_sqlite() -> None:
    """As many readers at once as there are threads wait for no connection."""

    async def threads() -> float:
        return anyio.to_thread.current_default_thread_limiter().total_tokens

    pool = open_database("sqlite://").pool
    assert isinstance(pool, QueuePool)
    assert pool.size() + pool._max_overflow >= anyio.run(threads)


def test_setting_up_brings_schools_in_with_commands_that_there_are() -> None:
    """From an empty register to a school that can log in: each command and each of its options is there."""
    setting_up = (FOLDER / "OPERATIONS.md").read_text().split("\n## ")[1]
    named = [span.split() for span in re.findall(r"`([a-z][^`]*)`", setting_up)]
    for wanted in ("party add", "party import", "agreement register", "login-link"):
        words = wanted.split()
        command = get_command(app)
        for word in words:
            command = command.commands[word]  # type: ignore[attr-defined]  # a group of commands
        flags = {flag for parameter in command.params for flag in parameter.opts}
        uses = [span for span in named if span[: len(words)] == words]
        assert uses
        assert {word for span in uses for word in span if word.startswith("--")} <= flags


def test_the_processes_log_in_by_the_lines_that_operations_gives(tmp_path: Path) -> None:
    """By peer, as the logins of the settings; without those lines nobody is let in, and a command says so."""
    block = (
        (FOLDER / "OPERATIONS.md")
        .read_text()
        .split("```\n")[1]
        .replace("verzuimpoort verzuimpoort", f"verzuimpoort {getuser()}")
    )
    idents, rule = block.strip().split("\n\n")
    urls = re.findall(
        "postgresql://.*", "".join((FOLDER / "deploy" / f"{name}.env").read_text() for name in ("serve", "worker"))
    )
    urls.append(urls[0].replace("web", "verzuimpoort", 1))
    with running_postgresql() as server:
        folder, engine = Path(server.split("host=")[1]), create_engine(server, isolation_level="AUTOCOMMIT")
        (folder / "pg_hba.conf").write_text(f"local all postgres trust\n{rule}\n")
        with engine.connect() as connection:
            for name in ("verzuimpoort", "web", "worker"):
                connection.exec_driver_sql(f"CREATE USER {name}")
            connection.exec_driver_sql("CREATE DATABASE verzuimpoort")
            for lines, wrong in ((idents, ""), ("", "login-refused")):
                (folder / "pg_ident.conf").write_text(f"{lines}\n")
                connection.exec_driver_sql("SELECT pg_reload_conf(), pg_sleep(0.5)")
                assert {trouble(url.replace("/run/postgresql", str(folder))) for url in urls} == {wrong}
        engine.dispose()


def trouble(url: str) -> str:
    """What a command would say of logging in there; nothing where it is let in."""
    engine = open_database(url)
    try:
        engine.connect().close()
    except OperationalError as error:
        return _trouble(error)
    finally:
        engine.dispose()
    return ""


def test_what_operations_says_to_bring_along_is_enough_to_restore(
    new_world: Callable[..., World], tmp_path: Path
) -> None:
    """A new machine with the two files of a backup, and what the page says is in neither."""
    page = (FOLDER / "OPERATIONS.md").read_text()
    said = page.partition("bring along what is in neither file:")[2].partition(". ")[0]
    world, home = new_world(), Home(tmp_path / "new", f"sqlite:///{tmp_path}/new/gateway.sqlite")
    home.keys.mkdir(mode=0o700, parents=True)
    home.folder.chmod(0o700)
    for name in re.findall(r"`(keys/\S+)`", said):
        shutil.copy(world.gateway.home.folder / name, home.folder / name)
    files = tmp_path / "data.zip", tmp_path / "keys.zip"
    assert backup(world.desk, data=files[0], keys=files[1]) is None
    assert restore(home, *files).refused == 0


def test_the_table_of_modules_is_whole() -> None:
    """README.md names every module and package of the hallway, and none that is not there."""
    table = (FOLDER / "README.md").read_text().partition("\n## Modules\n")[2].partition("\n## ")[0]
    named = {name for line in table.splitlines() for name in re.findall(r"`(\w+)/?`", line.split("|")[1])}
    modules = {name for _, name, _ in pkgutil.iter_modules([str(FOLDER)])}
    assert modules <= named
    assert named - modules <= {folder.name for folder in FOLDER.iterdir()}


def test_every_test_the_security_page_names_is_there() -> None:
    """SECURITY.md rests on tests that exist."""
    root = FOLDER.parent / "tests"
    named = set(re.findall(r"`(?:tests/web/)?(test_[a-z_]+\.py)`", (FOLDER / "SECURITY.md").read_text()))
    assert named
    assert named <= {path.name for path in root.rglob("test_*.py")}
