"""A deployment under load: processes that serve, clients, and what both use of the machine."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import psutil

from benchmarks.client import Client
from gateway.app import create_deployment
from gateway.context import Gateway, operator_of, wall_clock
from gateway.demo.people import IN_FORCE, must
from gateway.grants import register_agreements
from gateway.identity import issue_token
from gateway.operate import Desk
from gateway.periods import first_day, school_year_on
from gateway.running import free_port
from gateway.settings import DATABASE_VARIABLE, Home, Settings, database_url
from gateway.synthetic.region import Region, Site, codes, make_region
from policies.days import local_day
from tests.databases import new_database, running_postgresql

COUNTS, RECORDS = "absence-counts", "absence-records"
YEAR = school_year_on(local_day(wall_clock()))
PERIODS = tuple(f"{YEAR}-{number}" for number in range(1, 5))
CONNECTIONS, A_COUNTRYS = 8, 32
"""Senders at the same time: those the goal for one delivery is stated for, and those of a country that delivers."""
_AT_MOST = 500  # sites of an invented region


@dataclasses.dataclass(frozen=True)
class Delivery:
    """One file to send; a file on disk, where all together would be large."""

    collection: str
    site: str
    period: str
    token: str
    body: bytes | Path

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return self.body.read_bytes() if isinstance(self.body, Path) else self.body


@dataclasses.dataclass(frozen=True)
class Deployment:
    """A gateway with its processes.

    Attributes:
        server: The process that `serve` is, with or without processes of its own.
        worker: The process that sequences the log.
        database: Processes of PostgreSQL; none for SQLite.
    """

    gateway: Gateway
    port: int
    server: psutil.Process
    worker: psutil.Process
    database: tuple[psutil.Process, ...]

    @property
    def servers(self) -> list[psutil.Process]:
        """The processes that answer requests."""
        children = self.server.children()
        return [each for each in children if "spawn_main" in " ".join(each.cmdline())] or [self.server]

    def processor_seconds(self) -> dict[str, float]:
        """Processor time so far, by part; `client` is this process."""
        parts = {"servers": (self.server,), "worker": (self.worker,), "database": self.database}
        return {name: sum(map(_seconds, roots)) for name, roots in parts.items()} | {"client": time.process_time()}

    def peak_mb(self) -> float:
        """Peak resident memory of the largest server process."""
        statuses = (Path(f"/proc/{each.pid}/status").read_text() for each in self.servers)
        return max(int(status.split("VmHWM:")[1].split()[0]) for status in statuses) / 1024

    def resident_mb(self) -> float:
        """Resident memory of the largest server process now."""
        return max(each.memory_info().rss for each in self.servers) / 2**20


def _seconds(root: psutil.Process) -> float:
    processes = [root, *root.children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in processes)


def invented(sites: int) -> tuple[list[Site], list[Region]]:
    """Sites of as many regions as it takes, numbered through."""
    regions = [make_region(min(_AT_MOST, sites - first), 1 + first) for first in range(0, sites, _AT_MOST)]
    together = [site for region in regions for site in region.sites]
    return [dataclasses.replace(site, code=_code(number)) for number, site in enumerate(together)], regions


def _code(number: int) -> str:
    tens, rest = divmod(number, 676)
    return f"{tens:02}{chr(65 + rest // 26)}{chr(65 + rest % 26)}00"


def prepare(home: Home, sites: Sequence[Site], regions: Sequence[Region]) -> tuple[Gateway, dict[str, str]]:
    """A deployment with a register, open periods and a token for every site."""
    gateway = create_deployment(home, Settings(in_force=IN_FORCE))
    desk = Desk(gateway, operator_of(gateway))
    entries = [site.entry for site in sites]
    first = first_day(YEAR)
    places = {row[0]: row for region in regions for row in codes(region) if row[1] != "site"}
    must(desk.register(entries, list(places.values()), first))
    must(register_agreements(desk, [site.code for site in sites], first))
    for period in PERIODS:
        must(desk.open_period(COUNTS, period, reference_date=gateway.today, deadline=gateway.today, exercise=True))
    expires = datetime.now(UTC) + timedelta(days=1)
    with gateway.writing() as session:
        tokens = {s.code: issue_token(session, s.code, scopes=["submit"], expires_at=expires)[1] for s in sites}
    return gateway, tokens


@contextmanager
def database(kind: str, folder: Path) -> Iterator[tuple[str, tuple[psutil.Process, ...]]]:
    """The URL of an empty database, and the server it needs."""
    if kind == "sqlite":
        yield database_url(folder / "gateway.sqlite"), ()
        return
    before = {each.pid for each in psutil.process_iter()}
    with running_postgresql() as server:
        fresh = [each for each in psutil.process_iter(["name"]) if each.pid not in before]
        mine = [each for each in fresh if "postgres" in (each.info["name"] or "")]
        roots = tuple(each for each in mine if each.ppid() not in {other.pid for other in mine})
        yield new_database(server), roots


@contextmanager
def deployed(gateway: Gateway, servers: int, of_database: tuple[psutil.Process, ...] = ()) -> Iterator[Deployment]:
    """The processes of a deployment, as `verzuimpoort serve` and `verzuimpoort worker` start them."""
    port = free_port()
    folder = ["--data", str(gateway.home.folder)]
    commands = (["serve", *folder, "--port", str(port), "--workers", str(servers)], ["worker", *folder])
    environment = os.environ | {DATABASE_VARIABLE: gateway.home.database, "MALLOC_ARENA_MAX": "2"}
    with ExitStack() as stack:
        processes = []
        for command in commands:
            run = subprocess.Popen([sys.executable, "-m", "gateway.cli", *command], env=environment)  # noqa: S603  ours
            stack.callback(run.wait)
            stack.callback(run.terminate)
            processes.append(psutil.Process(run.pid))
        _await(port)
        yield Deployment(gateway, port, processes[0], processes[1], of_database)


def _await(port: int) -> None:
    for _ in range(1200):
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("the server did not start")


def deliver(client: Client, one: Delivery) -> float:
    """Seconds that one delivery takes."""
    content = one.content
    about = urlencode({"collection": one.collection, "party": one.site, "period": one.period})
    began = time.perf_counter()
    answer = client.send("POST", f"/v1/submissions?{about}", one.token, content)
    if answer.status_code != 201:
        raise SystemExit(answer.text)
    return time.perf_counter() - began


def measure(port: int, deliveries: Sequence[Delivery], connections: int) -> tuple[float, list[float]]:
    """Seconds in all and per request."""
    began = time.perf_counter()
    with closing(Client(f"127.0.0.1:{port}")) as client, ThreadPoolExecutor(connections) as pool:
        times = list(pool.map(partial(deliver, client), deliveries))
    return time.perf_counter() - began, times
