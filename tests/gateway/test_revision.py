"""A program works only with a database of its own version."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from gateway.app import migrate
from gateway.backup import backup
from gateway.cli import app
from gateway.database import open_database
from gateway.messages import MendableError
from gateway.running import app_from_environment
from gateway.settings import DATA_VARIABLE, DATABASE_VARIABLE, database_url
from gateway.working import background

from .conftest import World


def of_revision(world: World, revision: str) -> None:
    with world.gateway.database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


@pytest.mark.parametrize(("revision", "mend"), [("0001", "verzuimpoort migrate"), ("9999", "install the newest")])
def test_nothing_runs_on_a_database_of_another_version(
    new_world: Callable[..., World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str, mend: str
) -> None:
    """Server, worker and backup refuse and name the mend; of the backup no file stays."""
    world, file = new_world(), tmp_path / "data.zip"
    of_revision(world, revision)
    monkeypatch.setenv(DATA_VARIABLE, str(world.gateway.home.folder))
    monkeypatch.setenv(DATABASE_VARIABLE, world.gateway.home.database)
    with pytest.raises(MendableError, match=mend):
        app_from_environment()
    with pytest.raises(MendableError, match=mend), background(world.gateway, threading.Event()):
        pass
    with pytest.raises(MendableError, match=mend):
        backup(world.desk, data=file, keys=None)
    assert not file.exists()


def test_migrating_says_of_which_database_and_from_where_to_where(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its password apart."""
    of_revision(world, "0006")
    monkeypatch.setenv(DATABASE_VARIABLE, world.gateway.home.database)
    done = CliRunner().invoke(app, ["migrate", "--data", str(world.gateway.home.folder)])
    assert done.exit_code == 0
    assert f"{make_url(world.gateway.home.database)}: revisie 0006 → " in done.output


def test_a_database_that_was_forgotten_is_not_made_beside_the_real_one(
    new_world: Callable[..., World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the variable it is another one: nothing is made there, and what was forgotten is named."""
    monkeypatch.setenv(DATABASE_VARIABLE, database_url(tmp_path / "other.sqlite"))
    done = CliRunner().invoke(app, ["migrate", "--data", str(new_world().gateway.home.folder), "--lang", "en"])
    assert (done.exit_code, DATABASE_VARIABLE in done.output) == (1, True)
    engine = open_database(database_url(tmp_path / "other.sqlite"))
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_newer_database_is_not_migrated(new_world: Callable[..., World]) -> None:
    """An older program says that it is the older one."""
    world = new_world()
    of_revision(world, "9999")
    with pytest.raises(MendableError, match="install the newest"):
        migrate(world.gateway.database)
