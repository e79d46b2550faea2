"""A program works only with a database of its own version."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.app import migrate
from gateway.backup import backup
from gateway.messages import MendableError
from gateway.running import app_from_environment
from gateway.settings import DATA_VARIABLE, DATABASE_VARIABLE
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


def test_a_newer_database_is_not_migrated(new_world: Callable[..., World]) -> None:
    """An older program says that it is the older one."""
    world = new_world()
    of_revision(world, "9999")
    with pytest.raises(MendableError, match="install the newest"):
        migrate(world.gateway.database)
