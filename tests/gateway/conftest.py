"""A small deployment to act on: ten invented sites, an open exercise period, a clock that stands still."""

import dataclasses
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn

from audit.log import Log
from gateway.app import create_deployment, yearly_log
from gateway.asgi import create_app
from gateway.context import Gateway, wall_clock
from gateway.demo.people import IN_FORCE, MINISTER, must
from gateway.grants import register_agreements
from gateway.identity import Identity
from gateway.operate import Desk
from gateway.register import SiteEntry
from gateway.running import SERVER
from gateway.settings import Home, Settings, database_url
from gateway.synthetic.export import counts_csv
from gateway.synthetic.pupils import draw_pupils
from gateway.synthetic.region import Region, codes, make_region
from gateway.working import background

NOW = datetime(2026, 11, 2, 10, tzinfo=UTC)
PERIOD = "2026-2027-1"
TABLE = "absence-counts"


@dataclasses.dataclass(frozen=True)
class World:
    """A deployment with its region; acts are done by `desk` and by sites."""

    gateway: Gateway
    region: Region

    @property
    def desk(self) -> Desk:
        """The operator's desk."""
        return Desk(self.gateway, Identity(self.gateway.settings.operator, "operator"))

    def site(self, index: int) -> Identity:
        """A machine of a site."""
        return Identity(self.region.sites[index].code, "machine", scopes=frozenset({"all"}))

    def counts(self, index: int, period: int = 1) -> bytes:
        """The counts file of a site."""
        pupils = draw_pupils(self.region.sites[index], index=index, period=period, seed=1)
        return counts_csv(pupils, self.gateway.contracts[TABLE])

    def sequence(self) -> None:
        """Let the sequencer do one round, so that proofs can be had."""
        yearly_log(self.gateway).sequencer().step(self.gateway.log.clock())

    def at(self, moment: datetime) -> "World":
        """The same deployment at another moment."""
        clock = dataclasses.replace(self.gateway.log, clock=lambda: int(moment.timestamp() * 1000))
        return World(dataclasses.replace(self.gateway, clock=lambda: moment, log=clock), self.region)


def build_world(folder: Path, *, sites: int = 10, database: str = "", settings: Settings | None = None) -> World:
    """A fresh deployment in a folder, with its region registered and its first period open as an exercise."""
    home = Home(folder, database or database_url(folder / "gateway.sqlite"))
    world = World(create_deployment(home, settings or Settings(in_force=IN_FORCE)), make_region(sites, 1)).at(NOW)
    entries = [
        SiteEntry(s.code, s.name, s.sector, s.subdivisions, s.board, s.gemeente, s.swv, s.pupils)
        for s in world.region.sites
    ]
    parties = [*codes(world.region), (MINISTER, "minister", "Minister")]
    must(world.desk.register(entries, parties, date(2026, 8, 1)))
    must(register_agreements(world.desk, [site.code for site in world.region.sites], date(2026, 8, 1)))
    must(
        world.desk.open_period(
            TABLE, PERIOD, reference_date=date(2026, 10, 1), deadline=date(2026, 11, 30), exercise=True
        )
    )
    must(world.desk.create_keys(PERIOD))
    return world


@pytest.fixture
def world(database: str, tmp_path: Path) -> Iterator[World]:
    """A small deployment, on SQLite and on PostgreSQL."""
    made = build_world(tmp_path / "data", database=database)
    yield made
    made.gateway.database.dispose()


@pytest.fixture
def new_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes deployments of any size or setting."""
    made: list[World] = []

    def make(**options: object) -> World:
        made.append(build_world(tmp_path / f"data{len(made)}", **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.gateway.database.dispose()


@dataclasses.dataclass(frozen=True)
class Site:
    """A running gateway: real HTTP, with worker and sequencer."""

    world: World
    url: str

    def token(self, party: str, *, scopes: tuple[str, ...] = ("all",)) -> str:
        """A party's token."""
        expires = datetime.now(UTC) + timedelta(days=1)
        made: str = must(self.world.desk.issue_token(party, scopes=scopes, expires_at=expires))
        return made

    def client(self, party: str | None = None, *, scopes: tuple[str, ...] = ("all",)) -> httpx.Client:
        """A client with a party's token; without a party, the public."""
        headers = {}
        if party is not None:
            headers["Authorization"] = f"Bearer {self.token(party, scopes=scopes)}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    """The small deployment over HTTP, at the real present: sessions, tokens and the log go by the clock."""
    with running(
        World(dataclasses.replace(world.gateway, clock=wall_clock, log=Log(world.gateway.log.vocabulary)), world.region)
    ) as made:
        yield made


@contextmanager
def running(world: World) -> Iterator[Site]:
    """Serve a deployment on a free port, ours from the start, for as long as the block runs."""
    options = {**SERVER, "log_level": "error", "lifespan": "off"}
    server = uvicorn.Server(uvicorn.Config(create_app(world.gateway), **options))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    with background(world.gateway, threading.Event()):
        thread.start()
        while not server.started:
            assert thread.is_alive()
            threading.Event().wait(0.01)
        try:
            yield Site(world, f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def lite(new_world: Callable[..., World]) -> Iterator[Site]:
    """A running gateway on SQLite: for what does not depend on the database."""
    made = new_world()
    now = dataclasses.replace(made.gateway, clock=wall_clock, log=Log(made.gateway.log.vocabulary))
    with running(World(now, made.region)) as site:
        yield site
