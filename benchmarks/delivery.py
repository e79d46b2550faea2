"""Delivery over real HTTP: every check, policy, audit entry and signed receipt. Servers and client share the machine.

`python -m benchmarks.delivery [table]` counts and records of 500 sites, against the bare parse as a floor
`python -m benchmarks.delivery national --database postgresql` the whole country, and the large schools apart
`python -m benchmarks.delivery soak --seconds 600` 64 clients that deliver and confirm without a pause

The last columns are processor time, which a neighbour on the machine disturbs less than the clock.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.client import Client
from benchmarks.delivering import (
    A_COUNTRYS,
    CONNECTIONS,
    COUNTS,
    PERIODS,
    RECORDS,
    Delivery,
    Deployment,
    database,
    deployed,
    invented,
    measure,
    prepare,
)
from gateway.collections import load_contracts
from gateway.records import Expected, Parsed, parse
from gateway.settings import Home
from gateway.synthetic.export import counts_csv
from gateway.synthetic.pupils import draw_pupils
from gateway.synthetic.region import Site
from tests.gateway.documents import records_document

LARGE = range(550, 751)  # pupils; the goal is stated for 650
_CONTRACTS = load_contracts()


def document(site: Site, index: int, period: str, collection: str = RECORDS, seed: int = 1) -> bytes:
    """What a site delivers."""
    pupils = draw_pupils(site, index=index, period=1, seed=seed)
    if collection == COUNTS:
        return counts_csv(pupils, _CONTRACTS[COUNTS])
    return records_document(pupils, _CONTRACTS[RECORDS], site=site.code, period=period)


def written(folder: Path, numbered: tuple[int, Site], *, period: str) -> Path:
    """A site's document as a file, made outside the time that is measured."""
    index, site = numbered
    path = folder / f"{period}-{site.code}.json"
    path.write_bytes(document(site, index, period))
    return path


def floor(deliveries: Sequence[Delivery], sites: Sequence[Site]) -> float:
    """Seconds to read and check the files alone, in this process."""
    began = time.perf_counter()
    for one, site in zip(deliveries, sites, strict=True):
        contract = _CONTRACTS[one.collection]
        expected = Expected(contract, site.code, one.period, site.sector, site.subdivisions, None)
        if not isinstance(parse(one.content, expected), Parsed):
            raise SystemExit("a file of the benchmark has faults")
    return time.perf_counter() - began


def report(
    name: str, deployment: Deployment, deliveries: Sequence[Delivery], *, connections: int = CONNECTIONS
) -> None:
    """Deliver and print a line of the table."""
    before = deployment.processor_seconds()
    seconds, times = measure(deployment.port, deliveries, connections)
    spent = {part: used - before[part] for part, used in deployment.processor_seconds().items()}
    p50, p95 = statistics.median(times) * 1000, statistics.quantiles(times, n=20)[-1] * 1000
    number = len(deliveries)
    parts = " | ".join(f"{1000 * used / number:.1f}" for used in spent.values())
    rate, took = f"{seconds:.1f} | {number / seconds:.0f}", f"{p50:.1f} | {p95:.1f}"
    print(f"| {name} | {number} | {connections} | {rate} | {took} | {parts} |")


def heading(options: argparse.Namespace) -> None:
    """What was run where, and the head of the table."""
    where = f"{options.servers} server processes, {os.cpu_count()} cores"
    print(f"Delivery over HTTP, {options.database}, {where}, load {os.getloadavg()[0]:.1f}.\n")
    print(
        "| files | number | senders | s | files/s | p50 ms | p95 ms | ms a file: server | worker | database | client |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")


def table(options: argparse.Namespace, folder: Path) -> None:
    """Counts and records of one region."""
    sites, regions = invented(options.files or 500)
    with database(options.database, folder) as (url, processes):
        gateway, tokens = prepare(Home(folder, url), sites, regions)
        forms = [
            [
                Delivery(collection, site.code, period, tokens[site.code], document(site, i, period, collection))
                for i, site in enumerate(sites)
            ]
            for collection, period in zip((COUNTS, RECORDS), PERIODS, strict=False)
        ]
        with deployed(gateway, options.servers, processes) as deployment:
            heading(options)
            for deliveries in forms:
                size = sum(len(one.content) for one in deliveries) / len(deliveries) / 1000
                report(f"`{deliveries[0].collection}`, {size:.0f} kB each", deployment, deliveries)
            print(f"\nPeak memory of a server process: {deployment.peak_mb():.0f} MB.")
        for deliveries in forms:
            alone = len(deliveries) / floor(deliveries, sites)
            print(f"Checking `{deliveries[0].collection}` alone: {alone:.0f} files a second.")


def national(options: argparse.Namespace, folder: Path) -> None:
    """Records of every site of the country, then those of large schools once more."""
    sites, regions = invented(options.files or 7_500)
    large = [(i, site) for i, site in enumerate(sites) if site.pupils in LARGE][:400]
    with database(options.database, folder) as (url, processes), ProcessPoolExecutor(2) as pool:
        gateway, tokens = prepare(Home(folder, url), sites, regions)
        rounds = []
        for numbered, period in ((list(enumerate(sites)), PERIODS[0]), (large, PERIODS[1])):
            paths = pool.map(partial(written, folder, period=period), numbered, chunksize=50)
            rounds.append([
                Delivery(RECORDS, site.code, period, tokens[site.code], path)
                for (_, site), path in zip(numbered, paths, strict=True)
            ])  # fmt: skip
        pupils = sum(site.pupils for site in sites)
        with deployed(gateway, options.servers, processes) as deployment:
            heading(options)
            report(f"national, {pupils:,} enrolments", deployment, rounds[0], connections=A_COUNTRYS)
            if len(large) > 1:
                mean = statistics.mean(site.pupils for _, site in large)
                report(f"large schools, {mean:.0f} pupils each", deployment, rounds[1])
            print(f"\nPeak memory of a server process: {deployment.peak_mb():.0f} MB.")


def soak(options: argparse.Namespace, folder: Path) -> None:
    """Clients that deliver another version and confirm it, again and again; memory at start, middle and end."""
    sites, regions = invented(max(options.clients, 10))
    with database(options.database, folder) as (url, processes):
        gateway, tokens = prepare(Home(folder, url), sites, regions)
        versions = [[document(site, i, PERIODS[0], seed=s) for s in (1, 2)] for i, site in enumerate(sites)]
        with deployed(gateway, options.servers, processes) as deployment:
            client = Client(f"127.0.0.1:{deployment.port}")
            end = time.monotonic() + options.seconds

            def work(number: int) -> tuple[int, int]:
                site, done, wrong = sites[number], 0, 0
                about = f"collection={RECORDS}&party={site.code}&period={PERIODS[0]}"
                for turn in count():
                    if time.monotonic() > end:
                        return done, wrong
                    token, body = tokens[site.code], versions[number][turn % 2]
                    answer = client.send("POST", f"/v1/submissions?{about}", token, body)
                    good = answer.status_code == 201
                    if good:
                        path = f"/v1/submissions/{answer.json()['id']}/confirmation"
                        good = client.send("POST", path, token).status_code == 200
                    done, wrong = done + 1, wrong + (not good)
                raise AssertionError

            with ThreadPoolExecutor(options.clients) as pool:
                running = [pool.submit(work, number) for number in range(options.clients)]
                memory = []
                for part in (0.1, 0.5, 0.98):
                    time.sleep(max(0.0, end - options.seconds * (1 - part) - time.monotonic()))
                    memory.append(deployment.resident_mb())
                done, wrong = map(sum, zip(*(each.result() for each in running), strict=True))
    print(f"Soak, {options.database}: {options.clients} clients, {options.seconds} s, {options.servers} servers.")
    print(f"{done} deliveries confirmed, {done / options.seconds:.0f} a second; errors: {wrong}.")
    print("Memory of a server process at 10, 50 and 98 %:", ", ".join(f"{each:.0f}" for each in memory), "MB.")


def main() -> None:
    """Run one of the three."""
    runs = {"table": table, "national": national, "soak": soak}
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", nargs="?", choices=runs, default="table")
    options.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options.add_argument("--files", type=int, default=0, help="sites, in table and national")
    options.add_argument("--servers", type=int, default=2)
    options.add_argument("--clients", type=int, default=64)
    options.add_argument("--seconds", type=int, default=600)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs[chosen.run](chosen, Path(folder) / "data")


if __name__ == "__main__":
    main()
