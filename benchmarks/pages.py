"""How long the server takes for a page of a nation: 8,500 sites, a released period, 300,000 entries in the log.

`python -m benchmarks.pages [requests]`; server and client share the machine. The released rows are invented and not
protected: only the time of pages is measured. Pages with figures wait until their entry is in a signed checkpoint.
"""

import itertools
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
from sqlalchemy import insert
from sqlmodel import select

from audit.schema import INDEX
from gateway.collections import TOTAL
from gateway.demo.people import must
from gateway.identity import add_person
from gateway.register import SiteEntry
from gateway.store import Period, Release, ReleaseSlice, ReleaseState, Submission, table_of
from gateway.table import TableRow, encode_rows, share_of
from tests.gateway.conftest import NOW, PERIOD, TABLE, World, build_world, running
from tests.web.conftest import Stage, register_people

SITES, GEMEENTEN, SWVS, LARGEST, ENTRIES = 8_500, 342, 148, 250, 300_000
PURPOSES = "absence-insight-gemeente absence-insight-swv national-picture"
KINDS = ("authorised", "illness", "unauthorised", "all")
LEAVES, MARGINS = ("upto5", "5to10", "10to20", "above20"), ("upto10", "above10")
PAGES = (
    ("start", None, "/"),
    ("national picture", None, "/national"),
    ("the rules", None, "/rules"),
    ("school: what is asked", "school", "/school"),
    ("school: the form", "school", f"/school/periods/{TABLE}/{PERIOD}"),
    (f"SWV of {LARGEST} schools: table", "swv", "/releases/RELEASE"),
    (f"SWV of {LARGEST} schools: who delivered", "swv", "/releases/RELEASE/schools"),
    ("operator: periods", "builder", "/operator"),
    ("operator: who has not delivered", "builder", f"/operator/periods/{TABLE}/{PERIOD}?state=missing"),
    ("officer: the log", "controller-officer", "/audit"),
)


def nation() -> list[SiteEntry]:
    """Sites spread over gemeenten and SWVs; one SWV is as large as the largest there is."""
    return [
        SiteEntry(
            code=f"{10 + i // 676}{chr(65 + i // 26 % 26)}{chr(65 + i % 26)}00",
            name=f"School {i}",
            sector="po",
            subdivisions=("lower_years", "upper_years"),
            board=f"ORG-{90_000 + i // 8}",
            gemeente=f"GM{9000 + i % GEMEENTEN}",
            swv="PO1000" if i < LARGEST else f"PO{1001 + i % SWVS}",
            pupils=280,
        )
        for i in range(SITES)
    ]


def rows(rng: random.Random, level: str, area: str, sites: int) -> Iterator[TableRow]:
    """Rows of one area, some of them not specified."""
    parts, bands = ((TOTAL,), MARGINS) if level == "site" else ((TOTAL, "lower_years", "upper_years"), LEAVES + MARGINS)
    for part, kind in itertools.product(parts, KINDS):
        whole = 280 * sites
        counts = {TOTAL: whole, **{band: rng.randrange(5, whole // 4) for band in bands}}
        for band, pupils in counts.items():
            shown = band == TOTAL or rng.random() > 0.1
            figure = (str(pupils), "published", share_of(pupils, whole)) if shown else ("", "suppressed", "")
            place = (PERIOD, level, area, "po", part, kind, band)
            yield TableRow(*place, *figure, "exact", "", "", str(sites), str(sites))


def slices(entries: list[SiteEntry]) -> Iterator[dict[str, object]]:
    """The released rows of every area."""
    rng, sizes = random.Random(1), dict[tuple[str, str], int]()  # noqa: S311  invented figures
    for one in entries:
        for place in (("site", one.code), ("gemeente", one.gemeente), ("swv", str(one.swv)), ("country", "NL")):
            sizes[place] = sizes.get(place, 0) + 1
    for (level, area), sites in sizes.items():
        body = encode_rows(rows(rng, level, area, sites))
        yield {"release_id": "0" * 32, "level": level, "area": area, "sector": "po", "rows": body}


def fill(world: World) -> dict[str, int]:
    """Register the nation, let it deliver, release the period, and fill the log."""
    entries = nation()
    named = [(f"PO{1000 + i}", "swv", f"Samenwerkingsverband {i}") for i in range(SWVS + 1)]
    must(world.desk.register(entries, named, date(2026, 8, 1)))
    people = register_people(world)
    sent = {"state": "confirmed", "received_at": NOW, "version": 1, "collection": TABLE, "tag": b"x", "entry_id": "y"}
    with world.gateway.writing() as session:
        period = session.exec(select(Period)).one().id or 0
        session.add_all(
            Submission(id=f"{i:032x}", period_id=period, site=one.code, sender=one.code, **sent)
            for i, one in enumerate(entries[:7_000])
        )
        release = Release(id="0" * 32, period_id=period, purposes=PURPOSES, builder_id=people["builder"], seed=b"")
        release.state, release.built_at, release.published_at = ReleaseState.PUBLISHED, NOW, NOW
        session.add(release)
        session.flush()
        session.execute(insert(table_of(ReleaseSlice)), list(slices(entries)))
    return people


def fill_log(world: World) -> None:
    """Lines of the log's index, as the timeline reads them."""
    world.sequence()
    events = ("submission.received", "submission.confirmed", "release.downloaded", "audit.viewed", "submission.refused")
    lines = [
        {
            "log": 1, "idx": 1_000_000 + i, "ts": i, "event": events[i % 5],
            "decision": "deny" if i % 5 == 4 else "permit", "organisation": f"{i % 80:02}AB00", "period": PERIOD,
            "recipient": "PO1000" if i % 5 == 2 else None, "purpose": "statutory-counts", "basis": None, "object": None,
        }
        for i in range(ENTRIES)
    ]  # fmt: skip
    with world.gateway.database.begin() as connection:
        connection.execute(insert(INDEX), lines)


def measure(client: httpx.Client, path: str, requests: int) -> tuple[list[float], float, int]:
    """Seconds per request, seconds of processor time per request (server and client), and bytes with what it loads."""
    times, size, busy = [], 0, time.process_time()
    for _ in range(requests):
        began = time.perf_counter()
        answer = client.get(path)
        times.append(time.perf_counter() - began)
        if answer.status_code != httpx.codes.OK:
            raise SystemExit(f"{path}: {answer.status_code}")
        size = len(answer.content)
    busy = time.process_time() - busy
    size += sum(len(client.get(each).content) for each in set(re.findall(r"/static/[\w./-]+", answer.text)))
    return times, busy / requests, size


def main(requests: int = 20) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        world = build_world(Path(folder) / "data").ticking()
        people = fill(world)
        fill_log(world)
        with running(world) as site:
            stage = Stage(site, "0" * 32, people | {"swv": member(world, "PO1000", "recipient")})
            print(f"Pages of {SITES:,} sites, {ENTRIES:,} entries, {os.cpu_count()} cores, {requests} requests each.\n")
            print("| page | first ms | p50 ms | p95 ms | processor ms | kB |")
            print("|---|---|---|---|---|---|")
            for name, role, path in PAGES:
                with stage.client(role) as client:
                    times, busy, size = measure(client, path.replace("RELEASE", stage.release), requests)
                p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
                told = " | ".join(f"{1000 * seconds:.0f}" for seconds in (times[0], p50, p95, busy))
                print(f"| {name} | {told} | {size / 1000:.0f} |")
        world.gateway.database.dispose()


def member(world: World, party: str, role: str) -> int:
    """Somebody of a party."""
    with world.gateway.writing() as session:
        return add_person(session, party, role, role).id or 0


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
