"""A machine that stops at the worst moment: the service is killed while schools are being served."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Timer

import httpx
import pytest
from sqlalchemy import text

from pseudonymisation.client import Delivery, ServiceSource, open_cache, pseudonymise
from pseudonymisation.client.cache import Cache
from pseudonymisation.domain import number_input, service_info
from pseudonymisation.oprf import known_output
from pseudonymisation.pseudonym import pseudonym_text
from tests.pseudonymisation.serve import free_port, running
from tests.pseudonymisation.world import BANDS, HEADER, PERIOD, SITE, YEAR, World, export_rows, numbers, token_of

DIGITS = numbers(400)
PUPILS = 400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The folder of a service whose processes come and go."""
    with World(tmp_path, pupils=PUPILS) as made:
        assert made.key
        assert made.registers
        yield made


class Machine(httpx.HTTPTransport):
    """Carries requests to the service's process; pulls the plug during some; restarts it when asked to wait."""

    def __init__(self, world: World, stack: ExitStack, fatal: dict[int, float]) -> None:
        super().__init__()
        self._world, self._stack, self._fatal = world, stack, fatal
        self._port, self._requests = free_port(), 0
        self.kills = 0
        self.start()

    def start(self) -> None:
        """Start the service on the files it left."""
        self.process = self._stack.enter_context(running(self._world.folder, self._port, PUPILS))
        self._dying = False

    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request; a fatal one has so many seconds to live."""
        self._requests += 1
        if self._requests in self._fatal:
            Timer(self._fatal[self._requests], self.process.kill).start()
            self.kills, self._dying = self.kills + 1, True
        return super().handle_request(request)

    def wait(self, _: float) -> None:
        """What the client does between two tries, the process being killed or only slow."""
        if self._dying:
            self.process.wait()
            self.start()


def used(world: World) -> tuple[int, int]:
    """Elements charged, and elements in stored answers."""
    with world.engine.connect() as connection:
        charged = connection.execute(text("SELECT sum(used) FROM service_quota")).scalar_one()
        return charged, connection.execute(text("SELECT sum(elements) FROM service_batch")).scalar_one()


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes a service started."""
    return [int(one) for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_kills_lose_and_double_nothing(world: World) -> None:
    """Killed three times in the middle, the run ends with the right document, and each pupil was charged once."""
    draw = random.Random(3)  # noqa: S311  moments that can be repeated, as far as a machine allows
    fatal = {at: draw.uniform(0, 0.02) for at in (1, 4, 7)}
    with ExitStack() as stack:
        machine = Machine(world, stack, fatal)
        headers = {"Authorization": f"Bearer {token_of(SITE)}"}
        http = stack.enter_context(httpx.Client(transport=machine, base_url=machine.url(), headers=headers))
        cache = stack.enter_context(cache_of(world))
        outcome = pseudonymise(
            HEADER, export_rows(DIGITS), site=SITE, period=PERIOD,
            source=ServiceSource(http, world.key, PERIOD, wait=machine.wait), cache=cache, bands=BANDS,
            output=world.folder / "submission.json",
        )  # fmt: skip
    assert isinstance(outcome, Delivery)
    assert machine.kills == 3
    assert used(world) == (len(DIGITS), len(DIGITS))
    assert world.events().count("evaluation-answered") == len(DIGITS) // 50
    seed = world.keyring.secret(world.key.key_id)
    document = (world.folder / "submission.json").read_text()
    expected = [pseudonym_text(known_output(seed, service_info(YEAR), number_input(digits))) for digits in DIGITS]
    assert all(document.count(pseudonym) == 1 for pseudonym in expected)


def cache_of(world: World) -> Cache:
    """A new cache of the year."""
    cache = open_cache(world.folder / "school", YEAR)
    assert isinstance(cache, Cache)
    return cache


def test_killed_workers_are_replaced_and_orphans_end(world: World) -> None:
    """Without its workers the service makes new ones; workers without their service end, and their seeds with them."""
    headers = {"Authorization": f"Bearer {token_of(SITE)}"}
    port = free_port()
    with (
        running(world.folder, port, PUPILS) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as http,
    ):
        assert http.post("/v1/evaluations", json=world.request(5)).status_code == 200
        for child in children(process):
            os.kill(child, signal.SIGKILL)
        body = world.request(5)
        answers = [http.post("/v1/evaluations", json=body).status_code for _ in range(2)]
        assert answers == [503, 200]
        orphans = children(process)
        assert orphans
        process.kill()
        process.wait()
        assert all(ends(orphan) for orphan in orphans)


def test_a_service_stopped_at_the_keyboard_leaves_in_order(world: World) -> None:
    """Ctrl-C reaches the workers too, while they still start or wait for work: nobody prints a traceback."""
    with running(world.folder, free_port(), PUPILS) as process:
        for pid in (*children(process), process.pid):
            os.kill(pid, signal.SIGINT)
        process.wait()
    said = (world.folder / "service.log").read_text()
    assert "Application shutdown complete" in said
    assert not [line for line in said.splitlines() if "Traceback" in line or "Error" in line]


def ends(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    for _ in range(200):
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
