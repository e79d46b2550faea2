"""What goes wrong by itself: killed processes, a database that is away or full, cut connections, crowds."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event, text
from sqlmodel import select

from audit.proofs import prove
from audit.timeline import Filter, find
from gateway import lawbook
from gateway.demo.people import must
from gateway.http import edge
from gateway.running import free_port
from gateway.store import Submission
from tests.databases import Postgresql, new_database, running_postgresql
from tests.gateway.conftest import Site, World, present_world, running

ROOT = Path(__file__).parents[2]
DATABASE, SILENCE = "database", 0
SLICE, PART, PARTS = 2, 50, 20  # kill rounds: in every test run, and a thousand in parts that can be run one by one


@dataclass
class Deployment:
    """Real processes on one database: servers and a worker, which can be killed and started again.

    Attributes:
        postgresql: The server of the database, where it is this deployment's own and can be killed too.
    """

    world: World
    servers: int = 1
    postgresql: Postgresql | None = None
    lives: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    at: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Of every process there should be."""
        return [*(f"serve {number}" for number in range(self.servers)), "worker"]

    @property
    def urls(self) -> list[str]:
        """Where the servers answer."""
        return [self.at[name] for name in self.names[:-1]]

    def start(self) -> None:
        """Start every process that does not run, and wait until the servers answer."""
        if self.postgresql:
            self.postgresql.start()
        home = self.world.gateway.home
        environment = {**os.environ, "VERZUIMPOORT_DATA": str(home.folder), "VERZUIMPOORT_DATABASE": home.database}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for name in self.names:
            if name in self.lives:
                continue
            command = [name.split()[0]]
            if name != "worker":
                port = free_port()
                self.at[name] = f"http://127.0.0.1:{port}"
                command += ["--port", str(port)]
            program = [sys.executable, "-m", "gateway.cli", *command]
            self.lives[name] = subprocess.Popen(program, cwd=ROOT, env=environment, **quiet)  # type: ignore[call-overload]
        for url in self.urls:
            await_answer(url)

    @property
    def deaths(self) -> list[list[str]]:
        """What may die together."""
        if self.postgresql:
            return [[DATABASE], [DATABASE], [DATABASE, *self.names], [DATABASE, *self.names[1:]]]
        return [self.names, self.names, self.names[:1], self.names[1:]]

    def kill(self, *names: str) -> None:
        """End these, without a word of warning."""
        if self.postgresql and DATABASE in names:
            self.postgresql.kill()
        doomed = [self.lives.pop(name) for name in names if name in self.lives]
        for process in doomed:
            process.send_signal(signal.SIGKILL)
        for process in doomed:
            process.wait()

    def token(self, index: int) -> dict[str, str]:
        """What a machine of a site sends along."""
        code, expires = self.world.region.sites[index].code, self.world.gateway.clock() + timedelta(days=1)
        return {
            "Authorization": f"Bearer {must(self.world.desk.issue_token(code, scopes=['all'], expires_at=expires))}"
        }


def await_answer(url: str) -> None:
    for _ in range(1_200):
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/health/ready").is_success:
                return
        time.sleep(0.05)
    raise RuntimeError("the server does not answer")


@pytest.fixture
def deployment(database: str, tmp_path: Path) -> Iterator[Callable[[int], Deployment]]:
    """Makes a deployment with so many servers."""
    made: list[Deployment] = []

    def make(servers: int) -> Deployment:
        made.append(Deployment(present_world(tmp_path / "data", database=database), servers))
        return made[-1]

    yield make
    for each in made:
        each.kill(*each.names)
        each.world.gateway.database.dispose()


@dataclass
class Sent:
    """One delivery with its key, and what was answered; None when the connection broke."""

    site: int
    body: bytes
    key: str
    answer: str | None = None


def killed_at_any_moment(made: Deployment, rounds: int, seed: int) -> None:
    """Deliver, kill servers, worker or database in the middle of it, start again, and compare what was said and is.

    1. Ten sites deliver at once, each with a key; after a random moment something is killed. Who is not answered then
       hears nothing, or that the database is away.
    2. It starts again without a hand. What was acknowledged is there; what was not is sent again under its key.
    3. Each delivery is there once, has its one entry in the signed log, and no entry is without its delivery.
    """
    chance, tokens, all_sent = random.Random(seed), [made.token(index) for index in range(10)], []  # noqa: S311  repeatable

    def deliver(one: Sent) -> int:
        headers = {**tokens[one.site], "Idempotency-Key": one.key}
        params = made.world.about(one.site)
        answer = httpx.post(
            f"{made.urls[0]}/v1/submissions", params=params, content=one.body, headers=headers, timeout=60
        )
        if answer.is_success:
            one.answer = answer.json()["id"]
        return answer.status_code

    def try_to_deliver(one: Sent) -> int:
        with suppress(httpx.TransportError):
            return deliver(one)
        return SILENCE

    made.start()
    for number in range(rounds):
        sent = [Sent(site, made.world.counts(site, number + 1), f"{number}-{site}") for site in range(10)]
        with ThreadPoolExecutor(10) as pool:  # 1
            answers = [pool.submit(try_to_deliver, one) for one in sent]
            time.sleep(chance.uniform(0, 0.3))
            made.kill(*chance.choice(made.deaths))
            away = {503} if made.postgresql else set()
            assert {each.result() for each in answers} <= {200, 201, SILENCE} | away
        made.start()  # 2
        for one in sent:
            before = one.answer
            while (status := deliver(one)) in away:
                time.sleep(0.05)
            assert (status in {200, 201}, before in {None, one.answer}) == (True, True)
        all_sent += sent
    everything_is_there_once(made.world, [one.answer or "" for one in all_sent])  # 3


def everything_is_there_once(world: World, acknowledged: list[str]) -> None:
    with world.gateway.reading() as session:
        there = session.exec(select(Submission.id, Submission.entry_id)).all()
    assert sorted(row[0] for row in there) == sorted(set(acknowledged))
    for _, entry in there:
        await_proof(world, bytes.fromhex(entry))
    with world.gateway.reading() as session:
        found = find(session.connection(), Filter(event="submission.received"), limit=1_000_000)
    assert sorted(str(each.fields()["object"]["id"]) for each in found) == sorted(
        f"submission:{row[0]}" for row in there
    )


def await_proof(world: World, entry: bytes) -> None:
    for _ in range(3_600):
        with suppress(Exception), world.gateway.reading() as session:
            prove(session.connection(), entry)
            return
        time.sleep(0.05)
    raise AssertionError("an entry did not reach the log")


def test_nothing_acknowledged_is_lost_when_all_is_killed(deployment: Callable[[int], Deployment]) -> None:
    """Server and worker are killed in the middle of deliveries: nothing is lost, doubled or unlogged."""
    killed_at_any_moment(deployment(1), SLICE, seed=8)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_a_thousand_kills(deployment: Callable[[int], Deployment], part: int) -> None:
    """The same, a thousand times on each database: `make soak ARGS="-k thousand_kills"`, or one part of it."""
    killed_at_any_moment(deployment(1), PART, seed=100 + part)


def test_nothing_acknowledged_is_lost_when_the_database_is_killed(tmp_path: Path) -> None:
    """PostgreSQL dies in the middle of deliveries, alone or with others: nothing is lost, doubled or unlogged."""
    with mortal_database(tmp_path) as made:
        killed_at_any_moment(made, SLICE, seed=9)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_a_thousand_kills_of_the_database(tmp_path: Path, part: int) -> None:
    """The same, a thousand times: `make soak ARGS="-k kills_of_the_database"`, or one part of it."""
    with mortal_database(tmp_path) as made:
        killed_at_any_moment(made, PART, seed=200 + part)


@contextmanager
def mortal_database(folder: Path) -> Iterator[Deployment]:
    """A deployment on a PostgreSQL that nobody else uses."""
    with running_postgresql() as url:
        world = present_world(folder / "data", database=new_database(url))
        made = Deployment(world, postgresql=Postgresql(url))
        try:
            yield made
        finally:
            made.kill(*made.names)
            world.gateway.database.dispose()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_two_replicas_take_the_same_delivery_once(deployment: Callable[[int], Deployment]) -> None:
    """The same files at two servers at the same moment: one submission each, the same receipt from both."""
    made = deployment(2)
    made.start()
    tokens = [made.token(index) for index in range(10)]

    def deliver(which: tuple[str, int]) -> tuple[int, str]:
        url, site = which
        params, body = made.world.about(site), made.world.counts(site)
        answer = httpx.post(f"{url}/v1/submissions", params=params, content=body, headers=tokens[site], timeout=30)
        return answer.status_code, answer.json()["receipt"]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(deliver, [(url, site) for site in range(10) for url in made.urls * 2]))
    for site in range(10):
        statuses, receipts = zip(*answers[4 * site : 4 * site + 4], strict=True)
        assert sorted(statuses) == [200, 200, 200, 201]
        assert len(set(receipts)) == 1


def test_a_full_disk_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    """When the database can grow no more: 503 with the seconds to wait, nothing half kept; with room again it works."""
    world = present_world(tmp_path / "data")
    lawbook.keep(world.gateway)
    engine = world.gateway.database
    with engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    engine.dispose()

    def fill(connection: object, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")  # type: ignore[attr-defined]  # of sqlite3

    event.listen(engine, "connect", fill)
    with running(world) as site, site.client() as http:
        statuses = []
        token = bearer_of(world, 0, engine, fill)
        for number in range(40):
            answer = deliver_one(http, world, token, number)
            statuses.append(answer.status_code)
            if answer.status_code == 503:
                break
        assert (statuses[-1], answer.headers["retry-after"]) == (503, str(edge.WAIT_SECONDS))
        with world.gateway.reading() as session:
            assert len(session.exec(select(Submission.id)).all()) == statuses.count(201)
        event.remove(engine, "connect", fill)
        engine.dispose()
        assert deliver_one(http, world, token, 99).status_code == 201
    engine.dispose()


def bearer_of(world: World, index: int, engine: object, fill: Callable[[object, object], None]) -> dict[str, str]:
    """A token, made while there is still room."""
    event.remove(engine, "connect", fill)
    world.gateway.database.dispose()
    token = Deployment(world).token(index)
    event.listen(engine, "connect", fill)
    world.gateway.database.dispose()
    return token


def deliver_one(http: httpx.Client, world: World, token: dict[str, str], number: int) -> httpx.Response:
    body = world.counts(0, number + 1)
    return http.post("/v1/submissions", params=world.about(0), content=body, headers=token)


def test_a_database_that_goes_away_comes_back_without_a_hand(tmp_path: Path) -> None:
    """PostgreSQL is killed: not ready, 503 with the wait. It starts: all it took is there, processes and log go on."""
    with running_postgresql() as url:
        server = Postgresql(url)
        world = present_world(tmp_path / "data", database=new_database(url))
        with running(world) as site, site.client(world.region.sites[0].code) as http:
            first = http.post("/v1/submissions", params=world.about(0), content=world.counts(0))
            assert first.status_code == 201
            server.kill()
            away = http.get("/health/ready"), http.post("/v1/submissions", params=world.about(0), content=b"x")
            assert [answer.status_code for answer in away] == [503, 503]
            assert all(answer.headers["retry-after"] == str(edge.WAIT_SECONDS) for answer in away)
            server.start()
            await_answer(site.url)
            made = http.post("/v1/submissions", params=world.about(0), content=world.counts(0, 2))
            assert made.status_code == 201
            for one in (first, made):
                receipt = http.get(f"{one.headers['location']}/receipt")
                while receipt.status_code == 503:
                    receipt = http.get(f"{one.headers['location']}/receipt")
                assert receipt.status_code == 200
        world.gateway.database.dispose()


def test_a_crowd_is_told_to_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """More requests at once than the server takes: 503 with the seconds to wait at once, never a long silence."""
    monkeypatch.setattr(edge, "MOST_AT_ONCE", 0)
    with site.client() as http:
        answer = http.get("/v1/purposes")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, str(edge.WAIT_SECONDS))
    assert answer.json()["type"] == "/problems/busy"
