"""A small deployment to act on: ten invented sites, an open exercise period, a clock that stands still."""

import atexit
import dataclasses
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import uvicorn

from audit import guards
from gateway.app import create_deployment, open_consent_keys, open_keyring, yearly_log
from gateway.asgi import create_app
from gateway.context import Gateway, wall_clock
from gateway.database import open_database
from gateway.demo.people import IN_FORCE, MINISTER, must
from gateway.grants import register_agreements
from gateway.identity import Identity
from gateway.operate import Desk
from gateway.periods import school_year_on
from gateway.running import SERVER
from gateway.settings import Home, Settings, database_url
from gateway.synthetic.export import counts_csv
from gateway.synthetic.pupils import draw_pupils
from gateway.synthetic.region import Region, codes, make_region
from gateway.working import background
from tests.databases import KINDS, copy_database, drop_database, new_database

NOW = datetime(2026, 11, 2, 10, tzinfo=UTC)
PERIOD = "2026-2027-1"
TABLE = "absence-counts"
SINCE, COUNTED, LEFT = timedelta(days=93), timedelta(days=32), timedelta(days=28)
"""From registering to now, from counting to now, from now to the deadline: 1 August, 1 October and 30 November."""


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

    @property
    def period(self) -> str:
        """The first period of the present school year: `PERIOD`, unless the deployment is at another moment."""
        return f"{school_year_on(self.gateway.clock().date())}-1"

    def about(self, index: int) -> dict[str, str]:
        """What a site says about its counts of the open period."""
        return {"collection": TABLE, "party": self.region.sites[index].code, "period": self.period}

    def by(self, clock: Callable[[], datetime]) -> "World":
        """The same deployment by another clock."""
        log = dataclasses.replace(self.gateway.log, clock=lambda: int(clock().timestamp() * 1000))
        return World(dataclasses.replace(self.gateway, clock=clock, log=log), self.region)

    def at(self, moment: datetime) -> "World":
        """The same deployment at another moment."""
        return self.by(lambda: moment)

    def ticking(self) -> "World":
        """The same deployment with a clock that goes on from its moment: for what takes time."""
        moment, began = self.gateway.clock(), time.monotonic()
        return self.by(lambda: moment + timedelta(seconds=time.monotonic() - began))


def build_world(
    folder: Path, *, sites: int = 10, database: str = "", settings: Settings | None = None, moment: datetime = NOW
) -> World:
    """A fresh deployment in a folder, with its region registered and its first period open as an exercise.

    The clock of its database stands still at that moment too: the guards of the log count five years by it.
    """
    home = Home(folder, database or database_url(folder / "gateway.sqlite"))
    with pytest.MonkeyPatch.context() as same_time:
        for engine in guards.NOW:
            same_time.setitem(guards.NOW, engine, str(int(moment.timestamp() * 1000)))
        deployment = create_deployment(home, settings or Settings(in_force=IN_FORCE))
    world = World(deployment, make_region(sites, 1)).at(moment)
    entries = [site.entry for site in world.region.sites]
    parties = [*codes(world.region), (MINISTER, "minister", "Minister")]
    day, began = moment.date(), moment.date() - SINCE
    must(world.desk.register(entries, parties, began))
    must(register_agreements(world.desk, [site.code for site in world.region.sites], began))
    dates = {"reference_date": day - COUNTED, "deadline": day + LEFT}
    must(world.desk.open_period(TABLE, world.period, **dates, exercise=True))
    return world


def present_world(folder: Path, *, database: str = "", settings: Settings | None = None) -> World:
    """A fresh deployment at the real present: for processes, certificates and providers that go by the clock."""
    made = build_world(folder, database=database, settings=settings, moment=wall_clock())
    return made.by(wall_clock)


@contextmanager
def copied_world(request: pytest.FixtureRequest, folder: Path) -> Iterator[World]:
    """What `build_world` makes, as a copy of the one that this process made once: a fifth of the time, often.

    Its database is of the kind that the fixture is parametrised with; the law, of which nothing is kept, is the same.
    """
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else ""
    made = _pattern(server)
    shutil.copytree(made.home.folder, folder)
    home = Home(folder, copy_database(made.home.database) if server else database_url(folder / "gateway.sqlite"))
    rings = {"keyring": open_keyring(home, made.settings), "consent_keys": open_consent_keys(home, made.settings)}
    gateway = dataclasses.replace(made, home=home, database=open_database(home.database), **rings)
    yield World(gateway, make_region(10, 1)).at(NOW)
    gateway.database.dispose()
    if server:
        drop_database(home.database)


@cache
def _pattern(server: str) -> Gateway:
    """A closed deployment, on SQLite or on a server, to copy from; no longer there than this process."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    made = build_world(Path(folder.name) / "data", database=new_database(server) if server else "").gateway
    made.database.dispose()
    return made


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A small deployment, on SQLite and on PostgreSQL."""
    with copied_world(request, tmp_path / "data") as made:
        yield made


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
        expires = self.world.gateway.clock() + timedelta(days=1)
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
    """The small deployment over HTTP, with a clock that goes on: sessions, tokens and the log go by it."""
    with running(world.ticking()) as made:
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
    with running(new_world().ticking()) as site:
        yield site
