"""Delivery over real HTTP: every check, policy, audit entry and signed receipt, against the bare parse as a floor.

`python -m benchmarks.delivery [sites [servers]]`; servers and client share the machine. The servers' processor time is
what to compare: a neighbour on the machine disturbs the clock more.
"""

import dataclasses
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import psutil

from gateway.app import create_deployment
from gateway.context import Gateway
from gateway.demo.people import IN_FORCE, must, operator_of
from gateway.operate import Desk
from gateway.records import Expected, Parsed, parse
from gateway.register import SiteEntry
from gateway.running import free_port
from gateway.settings import Home, Settings, database_url
from gateway.synthetic.export import counts_csv
from gateway.synthetic.pupils import draw_pupils
from gateway.synthetic.region import Region, codes, make_region
from tests.gateway.documents import records_document

COUNTS, RECORDS = "absence-counts", "absence-records"
CONNECTIONS = 8


@dataclasses.dataclass(frozen=True)
class Delivery:
    """One file to send."""

    site: str
    token: str
    body: bytes


def prepare(folder: Path, sites: int) -> tuple[Gateway, Region, dict[str, str]]:
    """A deployment with a region, open periods and a token for every site."""
    home = Home(folder, database_url(folder / "gateway.sqlite"))
    gateway, region = create_deployment(home, Settings(in_force=IN_FORCE)), make_region(sites, 1)
    desk = Desk(gateway, operator_of(gateway))
    names = [field.name for field in dataclasses.fields(SiteEntry) if field.name != "funded"]
    entries = [SiteEntry(**{name: getattr(site, name) for name in names}) for site in region.sites]
    first = date(gateway.today.year - 1, 8, 1)
    must(desk.register(entries, list(codes(region)), first))
    must(desk.register_agreements([site.code for site in region.sites], first))
    for number in range(1, 5):
        period = f"2026-2027-{number}"
        must(desk.open_period(COUNTS, period, reference_date=gateway.today, deadline=gateway.today, exercise=True))
    must(desk.create_keys("2026-2027-1"))
    expires = datetime.now(UTC) + timedelta(days=1)
    tokens = {s.code: must(desk.issue_token(s.code, scopes=["submit"], expires_at=expires)) for s in region.sites}
    return gateway, region, tokens


def measure(url: str, collection: str, period: str, deliveries: list[Delivery]) -> tuple[float, list[float]]:
    """Seconds in all and per request, eight connections at a time."""
    with httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=CONNECTIONS)) as http:

        def send(one: Delivery) -> float:
            began = time.perf_counter()
            answer = http.post(
                "/v1/submissions",
                params={"collection": collection, "party": one.site, "period": period},
                content=one.body,
                headers={"Authorization": f"Bearer {one.token}"},
            )
            if answer.status_code != httpx.codes.CREATED:
                raise SystemExit(answer.text)
            return time.perf_counter() - began

        began = time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            times = list(pool.map(send, deliveries))
        return time.perf_counter() - began, times


def floor(bodies: list[bytes], expected: Callable[[int], Expected]) -> float:
    """Seconds to read and check the files alone, in this process."""
    began = time.perf_counter()
    for index, body in enumerate(bodies):
        if not isinstance(parse(body, expected(index)), Parsed):
            raise SystemExit("a file of the benchmark has faults")
    return time.perf_counter() - began


def memory_mb(pid: int) -> float:
    """Peak resident memory of a process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def processor_seconds(pid: int) -> float:
    """Processor time of a process and of its children so far, in seconds."""
    process = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])


def main(sites: int = 500, servers: int = 1) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        gateway, region, tokens = prepare(Path(folder) / "data", sites)
        port = free_port()
        serve = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(gateway.home.folder), "--port", str(port)]
        serve += ["--workers", str(servers)]
        work = [sys.executable, "-m", "gateway.cli", "worker", "--data", str(gateway.home.folder)]
        processes = [subprocess.Popen(command) for command in (serve, work)]  # noqa: S603  our own program
        try:
            await_server(f"http://127.0.0.1:{port}")
            url, server = f"http://127.0.0.1:{port}", psutil.Process(processes[0].pid)
            rows = table(gateway, region, tokens, url, lambda: processor_seconds(server.pid))
            pids = [each.pid for each in server.children(recursive=True) if servers > 1] or [server.pid]
            memory = max(map(memory_mb, pids))
        finally:
            for process in processes:
                process.terminate()
                process.wait()
    where = f"{servers} server processes, {CONNECTIONS} connections, {os.cpu_count()} cores"
    print(f"Delivery over HTTP: {sites} sites, {where}, load {os.getloadavg()[0]:.1f}.\n")
    print("| form | files/s | p50 ms | p95 ms | servers' processor ms a file | check alone, files/s |")
    print("|---|---|---|---|---|---|")
    for name, seconds, times, alone, spent in rows:
        p95 = statistics.quantiles(times, n=20)[-1] * 1000
        p50 = statistics.median(times) * 1000
        figures = f"{p50:.1f} | {p95:.1f} | {spent / sites * 1000:.1f} | {sites / alone:.0f}"
        print(f"| {name} | {sites / seconds:.0f} | {figures} |")
    client = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory: a server process {memory:.0f} MB, this client {client:.0f} MB.")


def table(
    gateway: Gateway, region: Region, tokens: dict[str, str], url: str, spent: Callable[[], float]
) -> list[tuple[str, float, list[float], float, float]]:
    """Measure both forms; `spent` tells the servers' processor time so far."""
    pupils = [draw_pupils(site, index=i, period=1, seed=1) for i, site in enumerate(region.sites)]
    forms = {
        COUNTS: [counts_csv(each, gateway.contracts[COUNTS]) for each in pupils],
        RECORDS: [
            records_document(each, gateway.contracts[RECORDS], site=site.code, period="2026-2027-2")
            for each, site in zip(pupils, region.sites, strict=True)
        ],
    }
    rows = []
    for (collection, bodies), period in zip(forms.items(), ("2026-2027-1", "2026-2027-2"), strict=True):

        def expected(index: int, collection: str = collection, period: str = period) -> Expected:
            site = region.sites[index]
            return Expected(gateway.contracts[collection], site.code, period, site.sector, site.subdivisions, None)

        deliveries = [Delivery(s.code, tokens[s.code], body) for s, body in zip(region.sites, bodies, strict=True)]
        before = spent()
        seconds, times = measure(url, collection, period, deliveries)
        used = spent() - before
        size = sum(map(len, bodies)) / len(bodies) / 1000
        rows.append((f"`{collection}`, {size:.0f} kB each", seconds, times, floor(bodies, expected), used))
    return rows


def await_server(url: str) -> None:
    """Wait until the server answers."""
    for _ in range(600):
        try:
            httpx.get(f"{url}/health/ready").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
