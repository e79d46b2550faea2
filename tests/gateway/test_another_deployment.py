"""A folder that is given the database of another deployment: to its keys every row there is without a key."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway import demo
from gateway.app import create_deployment, migrate, open_gateway, renew_log_key
from gateway.consents import load
from gateway.context import Gateway, operator_of
from gateway.database import open_database
from gateway.demo.people import must
from gateway.messages import MendableError
from gateway.retention import Erased, run
from gateway.running import free_port, run_server
from gateway.settings import Home, Settings, database_url
from gateway.working import background
from gateway.yearly import LOG_KEY
from policies.consent import Stage

from .conftest import World
from .records import delivered, events, rows
from .test_backup import refused_by_command
from .test_consents import care, given

AUGUST = datetime(2027, 8, 1, 10, tzinfo=UTC)


def start_worker(gateway: Gateway) -> None:
    with background(gateway, threading.Event()):
        pass


def by(act: Callable[[Gateway], object]) -> Callable[[Home], None]:
    """An act of the deployment of a folder."""

    def acting(where: Home) -> None:
        gateway = open_gateway(where)
        try:
            act(gateway)
        finally:
            gateway.database.dispose()

    return acting


def run_demo(where: Home) -> None:
    demo._job(where, sites=10, seed=1, progress=lambda _: None)


def serve_by_two(where: Home) -> None:
    run_server(where, host="127.0.0.1", port=free_port(), workers=2)


ACTS = [
    pytest.param(lambda where: create_deployment(where, Settings()), False, id="init"),
    pytest.param(run_demo, False, id="demo"),
    pytest.param(serve_by_two, True, id="servers"),
    pytest.param(by(start_worker), True, id="worker"),
    pytest.param(by(lambda gateway: run(gateway, operator_of(gateway))), True, id="retention"),
]


@pytest.mark.parametrize(("act", "has_keys"), ACTS)
def test_nothing_is_done_to_the_database_of_another(
    world: World, tmp_path: Path, act: Callable[[Home], object], has_keys: bool
) -> None:
    """Every row stays, the log gets no entry, no key is made; and the error says how to go on."""
    delivered(world)
    world.sequence()
    before, told = len(rows(world)), events(world)
    folder = tmp_path / "other"
    if has_keys:
        create_deployment(Home(folder, database_url(folder / "gateway.sqlite")), Settings()).database.dispose()
    with pytest.raises(MendableError, match="--data"):
        act(Home(folder, world.gateway.home.database))
    assert (len(rows(world)), events(world)) == (before, told)
    assert has_keys or not any(folder.rglob("*.key"))


def test_no_consent_of_another_ends(world: World, tmp_path: Path) -> None:
    """The command that ends those without a key takes a folder that has none of the keys for the wrong one."""
    care(world)
    standing = given(world)
    world.sequence()
    folder = tmp_path / "other"
    create_deployment(Home(folder, database_url(folder / "gateway.sqlite")), Settings()).database.dispose()
    assert "--data" in refused_by_command(Home(folder, world.gateway.home.database), "consent", "end-keyless")
    assert load(world.gateway, standing.id).state.stage is Stage.GIVEN


def test_a_renewed_key_of_the_log_is_its_own(world: World) -> None:
    """The folder that renewed it goes on, also when a former year's log was signed with the key of before."""
    delivered(world)
    world.sequence()
    must(renew_log_key(world.desk))
    later = world.at(AUGUST)
    later.sequence()
    assert isinstance(run(later.gateway, operator_of(later.gateway)), Erased)
    start_worker(later.gateway)
    create_deployment(world.gateway.home, Settings()).database.dispose()


def test_a_renewal_that_broke_off_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the new key and the new log the folder looks like another's: the error says what completes it."""
    world.sequence()
    with monkeypatch.context() as crash:
        crash.setattr("gateway.yearly.YearlyLog.take_over", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            renew_log_key(world.desk)
    with pytest.raises(MendableError, match="key renew-log --yes"):
        start_worker(world.gateway)
    must(renew_log_key(world.desk))
    start_worker(world.gateway)


def test_a_database_that_was_migrated_first_is_nobodys(database: str, tmp_path: Path) -> None:
    """Tables without a log belong to who makes the first folder."""
    engine = open_database(database)
    migrate(engine)
    engine.dispose()
    made = create_deployment(Home(tmp_path / "data", database), Settings())
    start_worker(made)
    made.database.dispose()
    assert (made.home.keys / LOG_KEY).exists()
