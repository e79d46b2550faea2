"""What is said when a command fails: one line, what is wrong and how to mend it, in the language asked for."""

import io
import os
import re
import socket
import sqlite3
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from psycopg.errors import DiskFull, InsufficientPrivilege
from sqlalchemy.exc import OperationalError, ProgrammingError
from typer.testing import CliRunner

import pseudonymisation.errors
from audit.errors import AuditError, EntryError
from gateway import cli
from gateway.app import CONSENTS, open_gateway
from gateway.cli.common import say
from gateway.consent_ends import end_keyless
from gateway.consents import load
from gateway.messages import catalogue
from gateway.settings import DATA_VARIABLE, DATABASE_VARIABLE, demand_owner

from .conftest import NOW, World
from .test_consents import care, given

SOURCE = "\n".join(file.read_text(encoding="utf-8") for file in Path(cli.__file__).parents[1].rglob("*.py"))
ROOM = Path(pseudonymisation.errors.__file__).parent
KEYS = tomllib.loads((ROOM / "errors.toml").read_text(encoding="utf-8"))


def fails(*words: object, **environment: str) -> str:
    """What a command that fails says; a traceback or another exit code than 1 fails the test."""
    outcome = CliRunner(env=environment).invoke(cli.app, [str(word) for word in words])
    assert (outcome.exit_code, type(outcome.exception)) == (1, SystemExit), (outcome.output, outcome.exception)
    return outcome.output


def test_a_fault_of_the_machine_is_told_in_dutch_and_by_a_switch_in_english(tmp_path: Path) -> None:
    """No folder, no settings, a missing key, a file in the way: each in both languages, by option or environment."""
    data, made = {DATA_VARIABLE: str(tmp_path / "data")}, tmp_path / "data"
    assert "geen gegevensmap: geef --data" in fails("release", "show")
    assert "no data folder: give --data" in fails("release", "show", "--lang", "en")
    assert "no data folder: give --data" in fails("release", "show", VERZUIMPOORT_LANGUAGE="en")
    assert "gateway.toml ontbreekt" in fails("party", "list", **data)
    assert CliRunner(env=data).invoke(cli.app, ["init"]).exit_code == 0
    (tmp_path / "there.zip").touch()
    assert "bestaat al" in fails("backup", "-o", tmp_path / "there.zip", **data)
    assert "is there already" in fails("backup", "-o", tmp_path / "there.zip", "--lang", "en", **data)
    (made / "keys" / "kek.json").rename(tmp_path / "kek.json")
    assert "leg de sleutel der sleutels terug" in fails("key", "list", **data)
    assert "put the key-encryption key back" in fails("key", "list", "--lang", "en", **data)


def test_without_the_key_of_consents_what_is_advised_works(new_world: Callable[..., World]) -> None:
    """No copy of it exists: its keys are put aside, every consent ends, and the next one is given as before."""
    world = new_world()
    care(world)
    standing, keys = given(world), world.gateway.home.keys
    data = {DATA_VARIABLE: str(world.gateway.home.folder)}
    (keys / "consent-kek.json").unlink()
    assert "daarvan bestaat met opzet geen kopie" in fails("consent", "end-keyless", **data)
    told = fails("consent", "end-keyless", "--lang", "en", **data)
    assert f"move the folder {keys / CONSENTS} to another name and run `verzuimpoort consent end-keyless`" in told
    (keys / CONSENTS).rename(keys / "consents-lost")
    again = World(open_gateway(world.gateway.home), world.region).at(NOW + timedelta(days=1))
    assert end_keyless(again.gateway) == 1
    assert load(again.gateway, standing.id).state.closed
    assert given(again).state.given
    again.gateway.database.dispose()


def test_wrong_rules_and_a_wrong_log_are_told_in_both_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A purpose that cannot be read and every fault of the log: what it means and what to do, then the place."""
    data = {DATA_VARIABLE: str(tmp_path / "data")}
    assert CliRunner(env=data).invoke(cli.app, ["init"]).exit_code == 0
    (tmp_path / "purposes").mkdir()
    (tmp_path / "purposes" / "x.toml").write_text('id = "x"\n')
    settings = tmp_path / "data" / "gateway.toml"
    right = settings.read_text()
    settings.write_text(right.replace("purposes = []", f'purposes = ["{tmp_path / "purposes"}"]'))
    for language, begin in (("nl", "de regels of doelen kloppen niet"), ("en", "the rules or purposes are wrong")):
        told = fails("party", "list", "--lang", language, **data)
        assert begin in told
        assert "x.toml: title: this key is missing" in told
    settings.write_text(right)
    kinds = [kind for kind in AuditError.__subclasses__() if kind is not EntryError]
    for error in (EntryError("purpose", "is not known"), *(kind("the detail") for kind in kinds)):
        monkeypatch.setattr("gateway.cli.operator.deployment", Mock(side_effect=error))
        told = [fails("party", "list", "--lang", language, **data) for language in ("nl", "en")]
        assert len(set(told)) == 2
        assert all(str(error) in each for each in told)


def test_a_file_that_cannot_be_written_and_a_database_that_is_not_there_are_one_line(tmp_path: Path) -> None:
    """Neither is a traceback, and both say where to look."""
    data = {DATA_VARIABLE: str(tmp_path / "data")}
    assert CliRunner(env=data).invoke(cli.app, ["init"]).exit_code == 0
    nowhere = tmp_path / "nowhere" / "policy.txt"
    assert f"{nowhere} kan niet worden" in fails("audit", "policy", "-o", nowhere, **data)
    for url in ("postgresql://127.0.0.1:9/x", f"sqlite:///{tmp_path}/empty.sqlite"):
        assert DATABASE_VARIABLE in fails("party", "list", **data, **{DATABASE_VARIABLE: url})


@pytest.mark.parametrize("language", ["nl", "en"])
def test_what_the_database_says_is_told_in_one_line(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is not there sends nobody to `migrate` alone; what follows the first line may hold values."""
    said = OperationalError("SELECT", {}, Exception('root certificate file "/x.pem" does not exist\nmore'))
    monkeypatch.setattr("gateway.cli.operator.deployment", Mock(side_effect=said))
    told = fails("party", "list", "--lang", language)
    assert ('root certificate file "/x.pem" does not exist' in told, "more" in told) == (True, False)


def test_a_login_that_may_not_connect_is_not_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """One outside the roles of the database: nobody is sent to `migrate`."""
    said = OperationalError("SELECT", {}, Exception('FATAL: permission denied for database "poort"'))
    monkeypatch.setattr("gateway.cli.operator.deployment", Mock(side_effect=said))
    assert "does not let this login in" in fails("party", "list", "--lang", "en")


@pytest.mark.parametrize(("language", "told"), [("nl", "maak ruimte"), ("en", "make room")])
def test_a_full_disk_is_one_line(language: str, told: str, tmp_path: Path) -> None:
    """The disk names no file when it takes no more bytes of it."""
    data = {DATA_VARIABLE: str(tmp_path / "data")}
    assert CliRunner(env=data).invoke(cli.app, ["init"]).exit_code == 0
    said = fails("audit", "export", "--format", "ldv", "-o", "/dev/full", "--lang", language, **data)
    assert told in said
    assert len(said.splitlines()) == 1


def of_sqlite(name: str) -> sqlite3.Error:
    """An error as the driver raises it."""
    made = sqlite3.OperationalError("the words of SQLite")
    made.sqlite_errorname = name
    return made


@pytest.mark.parametrize(
    "error", [*map(of_sqlite, ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_READONLY_DIRECTORY")), DiskFull("no room")]
)
@pytest.mark.parametrize(("language", "told"), [("nl", "maak ruimte"), ("en", "make room")])
def test_a_database_that_cannot_write_is_not_one_that_is_to_be_made(
    language: str, told: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or a file that may not be written: nobody is sent to `migrate`."""
    monkeypatch.setattr("gateway.cli.operator.deployment", Mock(side_effect=OperationalError("INSERT", {}, error)))
    said = fails("party", "list", "--lang", language)
    assert (told in said, str(error) in said, "migrate" in said) == (True, True, False)


@pytest.mark.parametrize(("language", "told"), [("nl", "geen database"), ("en", "no database")])
def test_a_file_that_is_no_database_is_said(language: str, told: str, tmp_path: Path) -> None:
    """Overwritten or damaged: what is advised is the last backup, not to make it."""
    data = {DATA_VARIABLE: str(tmp_path / "data")}
    assert CliRunner(env=data).invoke(cli.app, ["init"]).exit_code == 0
    for file in (tmp_path / "data").glob("gateway.sqlite*"):
        file.write_bytes(b"no database at all. " * 500)
    assert told in fails("party", "list", "--lang", language, **data)


@pytest.mark.parametrize(("language", "told"), [("nl", "de eigenaar van"), ("en", "the owner of")])
def test_a_login_without_the_right_is_told_which_one_has_it(
    language: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is there and says no: nobody goes looking whether it is away."""
    refused = ProgrammingError("SELECT", {}, InsufficientPrivilege("permission denied for table audit_pending"))
    monkeypatch.setattr("gateway.cli.operator.deployment", Mock(side_effect=refused))
    assert told in fails("party", "list", "--lang", language)


def test_a_name_that_the_screen_has_no_letters_for_is_said_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent is confirmed too: saying where the receipt is does not end the command."""
    screen = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(cli, "app", lambda: say("Paweł/bewijs.txt"))
    cli.main()
    screen.seek(0)
    assert screen.read() == "Pawe\\u0142/bewijs.txt\n"


@pytest.mark.parametrize(
    ("package", "extra"),
    [
        ("pkcs11.mechanisms", "gateway,pkcs11"),
        ("sqlmodel", "gateway"),
        ("opentelemetry", "gateway"),
        ("opentelemetry.sdk", "gateway,telemetry"),
        ("opentelemetry.exporter", "gateway,telemetry"),
    ],
)
def test_a_package_of_an_extra_that_is_missing_names_the_extra(
    package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever put the keys in a token and did not install its library reads what to install."""
    monkeypatch.setattr("gateway.cli.operator.deployment", Mock(side_effect=ModuleNotFoundError(name=package)))
    assert f"[{extra}]'" in fails("party", "list")


@pytest.fixture
def busy() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("words", [("serve",), ("demo",), ("pseudonym-service", "--folder", ".")])
def test_a_busy_port_is_named_with_the_next_that_is_free(words: tuple[str, ...], busy: int, tmp_path: Path) -> None:
    """Said before anything is opened, so that nothing is half started."""
    told = fails(*words, "--port", busy, **{DATA_VARIABLE: str(tmp_path)})
    match = re.search(rf"poort {busy} is bezet; probeer --port ([0-9]+)", told)
    assert match is not None
    assert int(match[1]) > busy
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="files have no owner there")
def test_who_does_not_own_the_folder_is_told_who_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What root writes stops the processes: refused, before anything is written; a new folder is not."""
    data, service = tmp_path / "data", tmp_path / "service"
    data.mkdir()
    service.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    for words in (
        ("init", "--data", data),
        ("worker", "--data", data),
        ("service", "open-year", "2027-2028", "--folder", service),
    ):
        assert f"sudo -u {tmp_path.owner()} verzuimpoort" in fails(*words)
    assert [*data.iterdir(), *service.iterdir()] == []
    demand_owner(tmp_path / "new")


def test_every_text_is_said_somewhere_in_both_languages() -> None:
    """What nobody says is deleted, and a translation fills in the same facts."""
    facts = [[sorted(re.findall(r"\{(\w+)\}", each)) for each in (one["nl"], one["en"])]
             for name in ("mends", "cli") for one in catalogue(name).values()]  # fmt: skip
    facts += [[sorted(re.findall(r"\{(\w+)\}", each)) for each in one] for one in KEYS.values()]
    assert all(dutch == english for dutch, english in facts)
    assert not [key for key in catalogue("mends") if f'"{key}"' not in SOURCE]
    built = ("receipt-", "log-", "report-", "unchecked-", "again-")
    told = [key.removesuffix("-subjects") for key in catalogue("cli") if not key.startswith(built)]
    assert not [key for key in told if f'"{key}"' not in SOURCE]
    room = "\n".join(file.read_text(encoding="utf-8") for file in ROOM.rglob("*.py")) + SOURCE
    assert not [key for key in KEYS if f'KeyringError("{key}"' not in room]
