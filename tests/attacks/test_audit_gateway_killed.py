"""The adversary is chance: the gateway's own web server and worker are killed while schools deliver over HTTP.

What a school was told is kept; every submission has its entry and every entry its submission.
"""

import itertools
import multiprocessing
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select

from audit.timeline import Filter, find
from gateway.app import yearly_log
from gateway.demo.people import must
from gateway.running import free_port
from gateway.store import Submission
from tests.gateway import mortal
from tests.gateway.conftest import World, present_world

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.gateway.mortal"])
START_SECONDS = 60


@pytest.fixture
def world(database: str, tmp_path: Path) -> Iterator[World]:
    """A small deployment, on SQLite and on PostgreSQL."""
    made = present_world(tmp_path / "data", database=database)
    yield made
    made.gateway.database.dispose()


class School(threading.Thread):
    """Delivers one version after another until the gateway dies under its hands; keeps the ids it was promised."""

    def __init__(self, world: World, index: int, port: int) -> None:
        super().__init__()
        self.promised: set[str] = set()
        self.served = threading.Event()
        self._bodies = itertools.cycle([world.counts(index, number) for number in (1, 2, 3)])
        site, expires = world.region.sites[index].code, world.gateway.clock() + timedelta(days=1)
        token = must(world.desk.issue_token(site, scopes=("all",), expires_at=expires))
        self._at: dict[str, Any] = {
            "base_url": f"http://127.0.0.1:{port}",
            "headers": {"Authorization": f"Bearer {token}"},
            "params": world.about(index),
            "timeout": START_SECONDS,
        }

    def run(self) -> None:
        with httpx.Client(**self._at) as http, suppress(httpx.HTTPError):
            while True:
                try:
                    answer = http.post("/v1/submissions", content=next(self._bodies))
                except httpx.ConnectError:
                    if self.served.is_set():
                        return
                    continue
                if answer.status_code in (200, 201):
                    self.promised.add(answer.json()["id"])
                    self.served.set()


def _campaign(world: World, rounds: int, seed: int) -> None:
    """Start web and worker, let three schools deliver, kill both in the middle, again and again; then count."""
    chance, home, said = random.Random(seed), world.gateway.home, set[str]()  # noqa: S311  repeatable
    for _ in range(rounds):
        port = free_port()
        schools = [School(world, index, port) for index in range(3)]
        lives = [
            PROCESSES.Process(target=work, args=(home.folder, home.database, port), daemon=True)
            for work in (mortal.web, mortal.worker)
        ]
        for each in (*lives, *schools):
            each.start()
        schools[0].served.wait(START_SECONDS)
        time.sleep(chance.uniform(0, 0.3))
        for life in chance.sample(lives, 2):
            life.kill()
            life.join()
            time.sleep(chance.uniform(0, 0.02))
        for school in schools:
            school.served.set()
            school.join()
            said |= school.promised
    _count(world, said)


def _count(world: World, said: set[str]) -> None:
    """0 promised submissions lost, 0 submissions without entry, 0 entries without submission."""
    sequencer = yearly_log(world.gateway).sequencer()
    while sequencer.step(world.gateway.log.clock()).sequenced:
        pass
    with world.gateway.reading() as session:
        rows = {row.id: row.entry_id for row in session.exec(select(Submission))}
        found = find(session.connection(), Filter(event="submission.received"), limit=1_000_000)
    logged = [str(each.fields()["object"]["id"]).removeprefix("submission:") for each in found]
    assert said
    assert said <= rows.keys()
    assert sorted(logged) == sorted(rows)


def test_a_killed_gateway_keeps_what_it_promised(world: World) -> None:
    """A seeded slice: two rounds on each database."""
    _campaign(world, 2, seed=1)


@pytest.mark.soak
def test_a_gateway_killed_often_keeps_what_it_promised(world: World) -> None:
    """Fifty rounds on each database; beside the thousand of the log alone in `test_audit_killer`."""
    _campaign(world, 50, seed=2)
