"""Backup and restore: what comes back, what may not, and that the log never tells two stories."""

import dataclasses
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert, inspect, text
from sqlalchemy import select as sql
from sqlmodel import select
from typer.testing import CliRunner

from audit import leaf
from audit.proofs import logs, signed_size
from audit.schema import ENTRY, PENDING
from audit.subjects import find, tag
from gateway import retention
from gateway.access import Held, answer
from gateway.app import create_deployment, open_gateway, renew_log_key, yearly_log
from gateway.backup import Restored, backup, restore, settle
from gateway.budgets import Restoration
from gateway.cli import app
from gateway.consents import load
from gateway.context import Gateway, wall_clock
from gateway.database import open_database
from gateway.delivered import counted
from gateway.deliveries import confirm, withdraw
from gateway.demo.people import must
from gateway.grants import grant_mandate
from gateway.identity import Identity, add_person, identify_token
from gateway.keys import destroy, renounce, rotate
from gateway.messages import MendableError
from gateway.notices import notices_of
from gateway.operate import Desk
from gateway.outcome import GatewayError, Refused
from gateway.periods import last_day, school_year_on
from gateway.prepared import SUBJECTS
from gateway.pseudonyms import issue_service_tokens
from gateway.repeat import to_repeat
from gateway.roles import create_roles, roles_of
from gateway.running import free_port
from gateway.settings import DATABASE_VARIABLE, WITNESSES_FILE, Home, Settings, database_url
from gateway.store import Enrolment, Period, Release, ReleaseState, ServiceCredential, Submission
from gateway.witnesses import quorum_text
from gateway.working import background
from policies.consent import Stage
from policies.errors import PolicyError
from pseudonymisation.errors import KeyringError
from pseudonymisation.kek import FileKek
from pseudonymisation.keyring import KeyRecord
from tests.databases import KINDS, new_database

from .conftest import PERIOD, TABLE, World, build_world
from .records import delivered, events, rows, sent
from .test_consents import care, given

PURPOSE, YEAR = "counting-for-school", "2026-2027"


@dataclasses.dataclass(frozen=True)
class Copies:
    """The two files of a backup."""

    data: Path
    keys: Path


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    """Where a backup goes."""
    return Copies(tmp_path / "data.zip", tmp_path / "keys.zip")


@pytest.fixture
def lite_world(new_world: Callable[..., World]) -> World:
    """A deployment on SQLite, where only the database that is restored into matters."""
    return new_world()


def made(world: World, copies: Copies) -> None:
    assert backup(world.desk, data=copies.data, keys=copies.keys) is None


def elsewhere(world: World, tmp_path: Path) -> Home:
    """A new machine, to which the key-encryption key came back from its safe."""
    home = Home(tmp_path / "new", f"sqlite:///{tmp_path}/new/gateway.sqlite")
    home.keys.mkdir(mode=0o700, parents=True)
    home.folder.chmod(0o700)
    shutil.copy(world.gateway.home.keys / "kek.json", home.keys / "kek.json")
    return home


def restored(world: World, copies: Copies, tmp_path: Path, *, lost: int = 0) -> tuple[Restored, Gateway]:
    home = elsewhere(world, tmp_path)
    outcome = restore(home, copies.data, copies.keys, lost=lost)
    return outcome, open_gateway(home)


def test_everything_comes_back_on_another_machine(world: World, copies: Copies, tmp_path: Path) -> None:
    """From either database into SQLite: rows, keys and receipts work on, and a pupil is found again."""
    pseudonyms = delivered(world)
    world.sequence()
    before = rows(world)
    made(world, copies)
    outcome, gateway = restored(world, copies, tmp_path)
    assert outcome.refused == 0
    after = rows(World(gateway, world.region))
    assert [row.pid for row in after] == [row.pid for row in before]
    held = answer(gateway, Identity(world.region.sites[0].code, "school"), year=YEAR, pseudonym=pseudonyms[0])
    assert isinstance(held, Held)
    assert len(held.rows) == len(held.uses) == 1
    gateway.database.dispose()


def test_a_backup_comes_back_into_postgresql(world: World, copies: Copies, tmp_path: Path, postgresql: str) -> None:
    """And numbers that the database gives out go on after the last one."""
    delivered(world)
    made(world, copies)
    home = dataclasses.replace(elsewhere(world, tmp_path), database=new_database(postgresql))
    restore(home, copies.data, copies.keys)
    gateway = open_gateway(home)
    desk = Desk(gateway, Identity(gateway.settings.operator, "operator"))
    assert desk.add_party("ORG-NEW", "supplier", "Nieuw") == "party.added"
    assert not isinstance(desk.invite("ORG-NEW", "privacy-officer", "x"), Refused)
    assert len(rows(World(gateway, world.region))) == len(rows(world))
    gateway.database.dispose()


@pytest.mark.parametrize("newest_keys", [False, True])
def test_what_was_destroyed_stays_destroyed(world: World, copies: Copies, tmp_path: Path, newest_keys: bool) -> None:
    """Rows whose key was destroyed after the backup relink nothing and are erased, with old and newest keys alike."""
    delivered(world)
    made(world, copies)
    key = world.gateway.keyring.active(PURPOSE, YEAR)
    assert key is not None
    destroy(world.desk, key.key_id)
    if newest_keys:
        copies.keys.unlink()
        assert backup(world.desk, data=None, keys=copies.keys) is None
    outcome, gateway = restored(world, copies, tmp_path, lost=0 if newest_keys else 2)
    assert outcome.refused == (0 if newest_keys else 2)
    assert outcome.erased["rows"] > 0
    with gateway.reading() as session:
        assert session.exec(select(Enrolment)).all() == []
        assert session.exec(select(Submission)).all()
    with pytest.raises(KeyringError):
        gateway.keyring.secret(key.key_id)
    assert (gateway.keyring.active("audit-subjects", YEAR) is not None) is newest_keys
    gateway.database.dispose()


def older_kek(world: World, copies: Copies, _: Home) -> int:
    """The copy in the safe was not renewed when one of the two keys was destroyed; the keys file was."""
    subjects = world.gateway.keyring.active(SUBJECTS, YEAR)
    assert subjects is not None
    destroy(world.desk, subjects.key_id)
    made(world, copies)
    return 1


def older_keys(world: World, copies: Copies, _: Home) -> int:
    """The keys file is of before the keys of this school year were made: nothing of them is in it."""
    made(world, copies)
    with zipfile.ZipFile(copies.keys) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if not name.startswith("ring/")}
    with zipfile.ZipFile(copies.keys, "w") as archive:
        for name, data in kept.items():
            archive.writestr(name, data)
    return 1


def foreign_kek(world: World, copies: Copies, home: Home) -> int:
    """The key-encryption key is that of another deployment."""
    made(world, copies)
    (home.keys / "kek.json").unlink()
    FileKek.create(home.keys / "kek.json")
    return 2


@pytest.mark.parametrize("outdated", [older_kek, older_keys, foreign_kek])
def test_keys_that_only_were_not_brought_along_erase_nothing(
    lite_world: World, copies: Copies, tmp_path: Path, outdated: Callable[[World, Copies, Home], int]
) -> None:
    """The restore says how many keys stay away and what would go, and fills nothing; with the right files it works."""
    delivered(lite_world)
    home, many = elsewhere(lite_world, tmp_path), len(rows(lite_world))
    away = outdated(lite_world, copies, home)
    with pytest.raises(MendableError, match=f"open: {away}; rows of pupils under them: {many}.*--lost {away}"):
        restore(home, copies.data, copies.keys, lost=away - 1)
    assert tables(home) == []
    shutil.copy(lite_world.gateway.home.keys / "kek.json", home.keys)
    copies.keys.unlink()
    assert backup(lite_world.desk, data=None, keys=copies.keys) is None
    outcome = restore(home, copies.data, copies.keys)
    assert (outcome.refused, "rows" in outcome.erased) == (0, False)


def test_a_ring_that_does_not_belong_to_the_database_settles_nothing(world: World, tmp_path: Path) -> None:
    """After a restore by the database's own means: a folder whose keys know none of the rows erases none of them."""
    delivered(world)
    world.sequence()
    folder = tmp_path / "other"
    create_deployment(Home(folder, database_url(folder / "gateway.sqlite")), Settings()).database.dispose()
    other = open_gateway(Home(folder, world.gateway.home.database))
    before = len(rows(world)), events(world)
    with pytest.raises(MendableError, match="--lost 1"):
        settle(other)
    other.database.dispose()
    assert (len(rows(world)), events(world)) == before


def test_a_folder_that_init_made_does_not_stay_under_a_backup(
    lite_world: World, copies: Copies, tmp_path: Path
) -> None:
    """Its receipts, log and tags have other keys: first all of it goes, as the error says, then everything is back."""
    delivered(lite_world)
    made(lite_world, copies)
    home = Home(tmp_path / "new", f"sqlite:///{tmp_path}/new/gateway.sqlite")
    create_deployment(home, Settings()).database.dispose()
    with pytest.raises(MendableError, match="move the whole folder away"):
        restore(home, copies.data, copies.keys)
    for file in home.folder.glob("gateway.sqlite*"):
        file.unlink()
    with pytest.raises(MendableError, match=r"receipts\.key, log\.key, tags\.key.*the whole data folder"):
        restore(home, copies.data, copies.keys)
    shutil.rmtree(home.folder)
    outcome, gateway = restored(lite_world, copies, tmp_path)
    assert gateway.tag_key == lite_world.gateway.tag_key
    assert outcome.refused == 0
    gateway.database.dispose()


@pytest.mark.parametrize("renounced", [False, True])
def test_what_was_rotated_after_a_backup_is_rotated_again(
    world: World, copies: Copies, tmp_path: Path, renounced: bool
) -> None:
    """Where the keys stayed nothing comes back under the leaked ones, neither row nor tag, and the answer says so."""
    pseudonyms, keyring = delivered(world), world.gateway.keyring
    leaked = keyring.active(SUBJECTS, YEAR)
    assert leaked is not None
    secret, before = keyring.secret(leaked.key_id), rows(world)
    made(world, copies)
    followed = [must(rotate(world.desk, purpose, YEAR)) for purpose in (PURPOSE, SUBJECTS)]
    for purpose in (PURPOSE, SUBJECTS) if renounced else ():
        must(renounce(world.desk, purpose, YEAR))
    home = dataclasses.replace(world.gateway.home, database=f"sqlite:///{tmp_path}/again.sqlite")
    restore(home, copies.data, copies.keys)
    gateway = open_gateway(home)
    after = rows(World(gateway, world.region))
    assert ({row.key_id for row in after}, len(after)) == ({followed[0].key_id}, len(before))
    assert not {row.pid for row in after} & {row.pid for row in before}
    with gateway.reading() as session:
        assert find(session.connection(), [tag(secret, pseudonym) for pseudonym in pseudonyms[:5]]) == []
    held = answer(gateway, Identity(world.region.sites[0].code, "school"), year=YEAR, pseudonym=pseudonyms[0])
    assert isinstance(held, Held)
    assert (len(held.rows), held.beyond_reach, held.uses_beyond_reach) == (int(not renounced), renounced, True)
    gateway.database.dispose()


def test_the_witnesses_come_back_where_they_are_missing(lite_world: World, copies: Copies, tmp_path: Path) -> None:
    """A new machine asks for the same quorum, so that receipts keep theirs; what is written there already stays."""
    (lite_world.gateway.home.folder / WITNESSES_FILE).write_text("quorum none  # of before\n")
    made(lite_world, copies)
    _, gateway = restored(lite_world, copies, tmp_path)
    gateway.database.dispose()
    assert quorum_text(gateway.home) == quorum_text(lite_world.gateway.home)
    (gateway.home.folder / WITNESSES_FILE).write_text("quorum none  # of now\n")
    restore(dataclasses.replace(gateway.home, database=f"sqlite:///{tmp_path}/again.sqlite"), copies.data, copies.keys)
    assert quorum_text(gateway.home) == "quorum none  # of now\n"


def test_the_settings_are_for_their_owner_only(lite_world: World, copies: Copies, tmp_path: Path) -> None:
    """As they are written first, and as they come back: they name the folders of secrets."""
    made(lite_world, copies)
    _, gateway = restored(lite_world, copies, tmp_path)
    for one in (lite_world.gateway, gateway):
        assert stat.S_IMODE(one.home.settings_file.stat().st_mode) == 0o600
    gateway.database.dispose()


def test_the_log_goes_on_under_a_new_name(world: World, copies: Copies, tmp_path: Path) -> None:
    """Entries of after the backup are gone here; the old name, which signed them, never signs again."""
    delivered(world)
    world.sequence()
    made(world, copies)
    delivered(world, 1)
    world.sequence()
    outcome, gateway = restored(world, copies, tmp_path)
    with gateway.reading() as session:
        old, new = logs(session.connection())
    assert old.is_closed
    assert new.origin.startswith(f"{old.origin}/")
    with gateway.reading() as session:
        assert logs(session.connection())[-1].origin == new.origin
    yearly_log(gateway).sequencer().step(gateway.log.clock())
    with gateway.reading() as session:
        told = session.connection().scalars(sql(ENTRY.c.data).order_by(ENTRY.c.source)).all()
    events = [json.loads(bytes(data))["event"] for data in told]
    assert {"backup.made", "backup.restored", "retention.run"} <= set(events)
    assert outcome.made == world.gateway.clock()
    gateway.database.dispose()


def test_who_was_let_in_is_let_in_anew(world: World, copies: Copies, tmp_path: Path) -> None:
    """Tokens, links and sessions of the backup open nothing, here or at the pseudonym service: some were revoked."""
    expires = world.gateway.clock() + timedelta(days=30)
    token = world.desk.issue_token(world.region.sites[0].code, scopes=["all"], expires_at=expires)
    must(issue_service_tokens(world.desk, [world.region.sites[0].code], days=30))
    made(world, copies)
    _, gateway = restored(world, copies, tmp_path)
    with gateway.reading() as session:
        assert identify_token(session, str(token), gateway.clock()) is None
        assert session.exec(select(ServiceCredential)).all() == []
    gateway.database.dispose()


def test_the_two_files_are_private_and_hold_no_key_encryption_key(world: World, copies: Copies) -> None:
    """Nobody else can read them, and what wraps the keys is in neither."""
    made(world, copies)
    kek = json.loads((world.gateway.home.keys / "kek.json").read_text())
    for file in (copies.data, copies.keys):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with zipfile.ZipFile(file) as archive:
            everything = b"".join(archive.read(name) for name in archive.namelist())
        assert not [one for one in kek["keks"] if one["key"].encode() in everything]


def test_without_the_key_encryption_key_nothing_is_restored(world: World, copies: Copies, tmp_path: Path) -> None:
    """It comes back first; the refusal says so and leaves no database."""
    made(world, copies)
    home = elsewhere(world, tmp_path)
    (home.keys / "kek.json").unlink()
    with pytest.raises(KeyringError, match="safe"):
        restore(home, copies.data, copies.keys)
    assert not (home.folder / "gateway.sqlite").exists()


def test_where_the_key_encryption_key_is_gone_for_good_all_else_comes_back(
    world: World, copies: Copies, tmp_path: Path
) -> None:
    """The operator says how many keys go with it, which the refusal counts; only what stands under them is erased."""
    delivered(world)
    made(world, copies)
    home = elsewhere(world, tmp_path)
    (home.keys / "kek.json").unlink()
    with pytest.raises(MendableError, match="--lost 2"):
        restore(home, copies.data, copies.keys, lost=1)
    outcome = restore(home, copies.data, copies.keys, lost=2)
    assert outcome.refused == 2
    assert outcome.erased["rows"] > 0
    gateway = open_gateway(home)
    again = World(gateway, world.region).at(world.gateway.clock())
    assert must(again.desk.create_keys(PERIOD)) == 2
    delivered(again, 1)
    assert rows(again)
    gateway.database.dispose()


def test_a_deployment_that_lost_its_key_encryption_key_goes_on_without_those_rows(world: World) -> None:
    """As the runbook says: the ring is put away, `init` makes another key, and a retention run erases the rows."""
    delivered(world)
    home = world.gateway.home
    (home.keys / "kek.json").unlink()
    (home.keys / "ring").rename(home.keys / "ring-lost")
    made_anew = create_deployment(home, Settings())
    again = World(made_anew, world.region).at(world.gateway.clock())
    assert must(retention.run(again.gateway, again.desk.identity)).of["rows"] > 0
    assert must(again.desk.create_keys(PERIOD)) == 2
    delivered(again, 1)
    assert rows(again)
    made_anew.database.dispose()


def test_a_restore_overwrites_nothing(world: World, copies: Copies) -> None:
    """A database with tables in it is left as it is; so is a backup that is there already."""
    delivered(world)
    made(world, copies)
    with pytest.raises(GatewayError, match="not empty"):
        restore(world.gateway.home, copies.data, copies.keys)
    assert rows(world)
    with pytest.raises(GatewayError, match="there already"):
        backup(world.desk, data=copies.data, keys=copies.keys)


def test_a_consent_given_while_a_backup_is_made_is_not_over(
    lite_world: World, copies: Copies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given once the keys were read, it is not among the data without a key; one given before still stands."""
    care(lite_world)
    before, read = given(lite_world), lite_world.gateway.consent_keys.records

    def meanwhile() -> list[KeyRecord]:
        found = list(read())
        given(lite_world)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(lite_world.gateway.consent_keys, "records", meanwhile)
        made(lite_world, copies)
    home = elsewhere(lite_world, tmp_path)
    shutil.copy(lite_world.gateway.home.keys / "consent-kek.json", home.keys)
    assert restore(home, copies.data, copies.keys).ended == 0
    gateway = open_gateway(home)
    assert load(gateway, before.id).state.stage == Stage.GIVEN
    gateway.database.dispose()


@pytest.mark.parametrize("failing", ["data", "keys"])
def test_a_backup_that_fails_leaves_neither_file(lite_world: World, copies: Copies, failing: str) -> None:
    """So that the next one is not refused for what this one left."""
    gateway = lite_world.gateway
    if failing == "data":
        with gateway.database.begin() as connection:
            connection.execute(text("CREATE TABLE foreigner (id INTEGER)"))
    else:
        (gateway.home.keys / "tags.key").chmod(0o644)
    with pytest.raises((MendableError, KeyringError)):
        made(lite_world, copies)
    assert not copies.data.exists()
    assert not copies.keys.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signal and no such pipe")
@pytest.mark.parametrize(("option", "waits_for"), [("-o", WITNESSES_FILE), ("--keys", "keys/register.key")])
def test_a_backup_that_is_stopped_leaves_nothing(
    lite_world: World, copies: Copies, option: str, waits_for: str
) -> None:
    """Neither a torn file under its name, for which the next would be refused, nor a hidden one with what it holds."""
    home, target = lite_world.gateway.home, copies.data.parent / "backups" / "one.zip"
    target.parent.mkdir()
    os.mkfifo(home.folder / waits_for, 0o600)
    command = [sys.executable, "-m", "gateway.cli", "backup", option, str(target), "--data", str(home.folder)]
    with (
        subprocess.Popen(command, env=os.environ | {DATABASE_VARIABLE: home.database}) as running,
        (home.folder / waits_for).open("wb"),  # opens once the backup reads
    ):
        (half,) = target.parent.iterdir()
        assert (half == target, stat.S_IMODE(half.stat().st_mode)) == (False, 0o600)
        running.terminate()
        assert running.wait() == 1
    assert list(target.parent.iterdir()) == []


def test_a_school_makes_no_backup(world: World, copies: Copies) -> None:
    """A backup holds everything: only the operator takes one."""
    assert isinstance(backup(Desk(world.gateway, world.site(0)), data=copies.data, keys=copies.keys), Refused)
    assert not copies.data.exists()


def test_a_consent_that_ran_out_after_the_backup_stops_no_restore(world: World) -> None:
    """Its key went with its last day, of which the restored events say nothing yet: it has run out, told once."""
    recipient, standing = care(world), given(world)
    world.gateway.consent_keys.destroy(*(record.key_id for record in world.gateway.consent_keys.records()))
    later = world.at(datetime(2027, 8, 5, 10, tzinfo=UTC))  # its last day was 31 July
    assert settle(later.gateway)[0] == 1
    state = load(later.gateway, standing.id).state
    assert (state.stage, state.closed) == (Stage.EXPIRED, True)
    assert len(notices_of(later.gateway, recipient)) == 1
    assert settle(later.gateway)[0] == 0


@pytest.fixture(params=KINDS)
def home(request: pytest.FixtureRequest, lite_world: World, tmp_path: Path) -> Home:
    """A new machine with an empty database, of either kind."""
    made = elsewhere(lite_world, tmp_path)
    if request.param == "postgresql":
        return dataclasses.replace(made, database=new_database(request.getfixturevalue("postgresql")))
    return made


def tables(home: Home) -> list[str]:
    engine = open_database(home.database)
    with engine.connect() as connection:
        found = inspect(connection).get_table_names()
    engine.dispose()
    return found


def refused_by_command(home: Home, *arguments: str) -> str:
    """What a command says that ends with 1."""
    command = [sys.executable, "-m", "gateway.cli", *arguments, "--data", str(home.folder)]
    environment = {"VERZUIMPOORT_DATABASE": home.database}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1, done.stderr
    return done.stderr


def test_nothing_runs_on_what_was_restored_half(
    lite_world: World, copies: Copies, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the rows and their settling servers and worker refuse; settling completes it, and then they run."""
    delivered(lite_world)
    lite_world.sequence()
    made(lite_world, copies)
    with monkeypatch.context() as patch:
        patch.setattr("gateway.backup.settle", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            restore(home, copies.data, copies.keys)
    gateway = open_gateway(home)
    with pytest.raises(MendableError, match="settle-restore"), background(gateway, threading.Event()):
        pass
    for command in (["serve", "--port", str(free_port())], ["worker"]):
        assert "settle-restore" in refused_by_command(home, *command)
    with pytest.raises(MendableError, match="settle-restore"):
        restore(home, copies.data, copies.keys)
    with gateway.reading() as session:
        assert [log.is_closed for log in logs(session.connection())] == [False]
    many = len(rows(World(gateway, lite_world.region)))
    assert many == len(rows(lite_world))
    settle(gateway)
    with background(gateway, threading.Event()):
        assert len(rows(World(gateway, lite_world.region))) == many
    gateway.database.dispose()


def test_a_backup_of_another_version_names_it(lite_world: World, copies: Copies, home: Home, tmp_path: Path) -> None:
    """That is what restores it, and this version migrates it then."""
    made(lite_world, copies)
    other = Copies(tmp_path / "other.zip", copies.keys)
    with zipfile.ZipFile(copies.data) as old, zipfile.ZipFile(other.data, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"revision": "0', b'"revision": "1'))
    with pytest.raises(MendableError, match=f"{re.escape(version('verzuimpoort'))}.* migrate"):
        restore(home, other.data, other.keys)
    assert tables(home) == []


def test_a_restore_that_cannot_be_settled_fills_nothing(lite_world: World, copies: Copies, home: Home) -> None:
    """A folder that is not on the new machine is told before any table is there; mended, the same command works."""
    delivered(lite_world)
    made(lite_world, copies)
    with zipfile.ZipFile(copies.data) as archive:
        told = archive.read("gateway.toml").decode()
    assert "purposes = []" in told
    home.settings_file.write_text(told.replace("purposes = []", f'purposes = ["{home.folder}/nowhere"]'))
    with pytest.raises(PolicyError):
        restore(home, copies.data, copies.keys)
    assert tables(home) == []
    home.settings_file.write_text(told)
    outcome = restore(home, copies.data, copies.keys)
    assert (outcome.refused, "rows" in outcome.erased) == (0, False)


def test_the_operator_goes_through_what_may_have_ended_since(
    lite_world: World, copies: Copies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release, a mandate, a recipient's key that came back: each is named with the command that ends it again."""
    care(lite_world)
    desk, gateway, now = lite_world.desk, lite_world.gateway, lite_world.gateway.clock()
    desk.add_party("ORG-SUP", "supplier", "S")
    days = {"valid_from": date(2020, 1, 1), "valid_to": now.date() + timedelta(days=300)}
    grant_mandate(desk, "ORG-SUP", lite_world.region.sites[0].code, actions=["submit"], collections=[TABLE], **days)
    with gateway.writing() as session:
        person = add_person(session, gateway.settings.operator, "operator", "a")
        facts = {"purposes": "national-picture", "builder_id": person.id, "seed": b"x", "published_at": now}
        session.add(Release(id="a" * 32, period_id=1, **facts, state=ReleaseState.PUBLISHED))
        session.add(Release(id="b" * 32, period_id=1, **facts, state=ReleaseState.WITHDRAWN))
    made(lite_world, copies)
    home = elsewhere(lite_world, tmp_path)
    monkeypatch.setenv(DATABASE_VARIABLE, home.database)
    for command in (["restore", copies.data, "--keys", copies.keys], ["settle-restore", "--yes"]):
        told = CliRunner().invoke(app, [*map(str, command), "--data", str(home.folder)]).output
        assert f"release withdraw {'a' * 32} --as" in told
        assert "b" * 32 not in told
        assert "mandate end ORG-SUP SITE" in told
        assert "party withdraw-key ORG-JGZ care-key-2026" in told


def test_deliveries_of_after_the_backup_are_asked_for(world: World, copies: Copies, tmp_path: Path) -> None:
    """One that its school withdrew counts again and one that came is gone: the period is named, before it is built."""
    site, other = world.site(0), world.site(1)
    wrong, kept = (must(sent(world, index)).submission.id for index in (0, 1))
    must(confirm(world.gateway, site, wrong))
    must(confirm(world.gateway, other, kept))
    made(world, copies)
    must(withdraw(world.gateway, site, wrong))
    must(confirm(world.gateway, site, must(sent(world, 0, drawn=2)).submission.id))
    _, gateway = restored(world, copies, tmp_path)
    with gateway.reading() as session:
        assert set(counted(session, session.exec(select(Period)).one())) == {wrong, kept}
        again = dict(to_repeat(session, gateway.today))
    assert again["deliveries"] == {"collection": TABLE, "period": PERIOD, "sites": "2"}
    assert again["sites"] == {"number": "10"}
    gateway.database.dispose()


def test_a_period_whose_counts_are_over_is_not_asked_for(world: World) -> None:
    """Nothing of it is built any more."""
    with world.gateway.writing() as session:
        session.exec(select(Period)).one().counts_erased_on = world.gateway.today
    with world.gateway.reading() as session:
        assert "deliveries" not in dict(to_repeat(session, world.gateway.today))


def test_a_correction_comes_back_with_what_it_corrects(lite_world: World, copies: Copies, home: Home) -> None:
    """Also where its random id stands before the one it refers to."""
    gateway = lite_world.gateway
    with gateway.writing() as session:
        person = add_person(session, gateway.settings.operator, "operator", "a")
        facts = {"period_id": 1, "purposes": "absence-insight-swv", "builder_id": person.id, "seed": b"x"}
        session.add(Release(id="f" * 32, **facts))
        session.flush()
        session.add(Release(id="0" * 32, **facts, corrects="f" * 32))
    made(lite_world, copies)
    restore(home, copies.data, copies.keys)
    gateway = open_gateway(home)
    with gateway.reading() as session:
        assert {one.id: one.corrects for one in session.exec(select(Release))} == {"0" * 32: "f" * 32, "f" * 32: None}
    gateway.database.dispose()


def with_roles(world: World, copies: Copies, folder: Path, server: str) -> tuple[Home, Engine]:
    """A backup, and an empty database for it on a server that knows the roles."""
    made(world, copies)
    home = dataclasses.replace(elsewhere(world, folder), database=new_database(server))
    engine = open_database(home.database)
    with engine.begin() as connection:
        create_roles(connection)
    return home, engine


def test_after_a_restore_the_roles_have_their_rights(
    lite_world: World, copies: Copies, tmp_path: Path, postgresql: str
) -> None:
    """Where the server knows the roles, the web's role reads and the worker's sequences, as after `migrate`."""
    home, engine = with_roles(lite_world, copies, tmp_path, postgresql)
    restore(home, copies.data, copies.keys)
    with engine.begin() as connection:
        roles = roles_of(connection)
        connection.exec_driver_sql(f"SET LOCAL ROLE {roles.app}")
        assert connection.exec_driver_sql("SELECT count(*) FROM party").scalar()
        connection.exec_driver_sql(f"SET LOCAL ROLE {roles.sequencer}")
        assert connection.exec_driver_sql("SELECT count(*) FROM audit_pending").scalar() is not None
    engine.dispose()


def test_after_a_restore_nobody_else_connects(
    lite_world: World, copies: Copies, tmp_path: Path, postgresql: str
) -> None:
    """A database made anew lets every login of the server in: restoring shuts it, and so does settling by itself."""
    home, engine = with_roles(lite_world, copies, tmp_path, postgresql)
    with engine.begin() as connection:
        assert all_connect(connection)
    restore(home, copies.data, copies.keys)
    with engine.begin() as connection:
        assert not all_connect(connection)
        connection.exec_driver_sql(f'GRANT CONNECT ON DATABASE "{engine.url.database}" TO PUBLIC')
    gateway = open_gateway(home)
    settle(gateway)
    with engine.begin() as connection:
        assert not all_connect(connection)
    for each in (engine, gateway.database):
        each.dispose()


def all_connect(connection: Connection) -> bool:
    """Whether any login of the server may connect to this database."""
    return bool(
        connection.exec_driver_sql("SELECT has_database_privilege('public', current_database(), 'CONNECT')").scalar()
    )


DAY = timedelta(days=1)


def moments(world: World) -> list[datetime]:
    """Of which moments the backups were that were restored here."""
    with world.gateway.reading() as session:
        return [one.known_until for one in session.exec(select(Restoration))]


@pytest.fixture
def today(database: str, tmp_path: Path) -> Iterator[World]:
    """A deployment of this moment: the database lets no log be closed by a clock that is behind its own."""
    made = build_world(tmp_path / "data", database=database, moment=wall_clock().replace(microsecond=0))
    yield made
    made.gateway.database.dispose()


def test_a_settling_that_is_run_again_still_names_the_moment_of_the_backup(
    today: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what the log says of itself nor what the first attempt did makes the backup younger than it is."""
    now = today.gateway.clock()
    today.sequence()
    today.at(now + DAY).sequence()
    with monkeypatch.context() as patch:
        patch.setattr("gateway.consent_ends.end_keyless", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            settle(today.at(now + 2 * DAY).gateway)
    settle(today.at(now + 3 * DAY).gateway)
    assert moments(today) == [now]
    settle(today.at(now + 4 * DAY).gateway)
    assert moments(today) == [now, now + 3 * DAY]


def test_a_database_of_another_version_is_settled_after_its_migration(today: World) -> None:
    """Until then nothing of it is changed, its log included."""
    today.sequence()
    with today.gateway.writing() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0004'")
    with pytest.raises(MendableError, match="migrate"):
        settle(today.gateway)
    with today.gateway.reading() as session:
        assert [log.is_closed for log in logs(session.connection())] == [False]


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("forged", [False, True])
def test_bytes_that_are_no_entry_stop_no_restore(today: World, forged: bool, waits: bool) -> None:
    """Nor do they tell when the backup was made, or an entry of the future: somebody wrote past the log's writer."""
    now = today.gateway.clock()
    today.sequence()
    with today.gateway.writing() as session:
        last = session.connection().scalar(sql(ENTRY.c.data).order_by(ENTRY.c.idx.desc()).limit(1))
        later = {**leaf.parse(last), "ts": int((now + 900 * DAY).timestamp() * 1000)}
        data = leaf.encode(later) if forged else b"not an entry"
        session.connection().execute(insert(PENDING).values(data=data))
    if not waits:
        today.sequence()
    settle(today.at(now + DAY).gateway)
    assert moments(today) == [now]


@pytest.mark.parametrize("renewed", [False, True])
def test_a_log_that_was_closed_and_not_signed_is_taken_over(
    today: World, monkeypatch: pytest.MonkeyPatch, renewed: bool
) -> None:
    """After a crash at the turn of the year a restore and a new key alike begin the next log at its end."""
    year = school_year_on(today.gateway.today)
    turn = datetime.combine(last_day(year), time(10), UTC) + DAY
    today.sequence()
    later = today.at(turn)
    with monkeypatch.context() as crash:
        crash.setattr("audit.sequencer.Sequencer._publish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            later.sequence()
    must(renew_log_key(later.desk)) if renewed else settle(later.gateway)
    later.sequence()
    with today.gateway.reading() as session:
        connection = session.connection()
        old, new = logs(connection)
        sizes = [signed_size(connection, log.log) for log in (old, new)]
    assert (old.is_closed, old.size > sizes[0], new.size) == (True, True, sizes[1])
    assert new.origin.startswith(f"127.0.0.1/audit/{school_year_on(turn.date())}/")
