"""Differential privacy at full scale: error beside raw OpenDP noise of the same draw, time, memory, reservations.

The sites are the real ones with a head-count (see `disclosure_data`), the absence is synthetic. Errors are mean
absolute errors of a leaf cell, in pupils, at rho 0.125 with the shares of the purpose files.
"""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.disclosure_data import BANDS, KINDS, Sector, sector
from disclosure.hierarchy import Hierarchy
from disclosure.keys import Keys
from disclosure.perturb import Ask, Design, estimate, measure
from gateway.app import create_deployment
from gateway.collections import load_contracts
from gateway.publish.ledger import Request, reserve
from gateway.publish.protecting import inequalities
from gateway.settings import Home, Settings, database_url
from policies.release import Noise

GOALS = {"site x subdivision": 0.47, "site": 0.33, "gemeente": 0.46, "swv": 0.69, "country": 0.95}
QUERIES = {
    "site x subdivision": ({"site": "site"}, 62_500),
    "site": ({"site": "site", "subdivision": "total"}, 12_500),
    "gemeente": ({"site": "gemeente"}, 12_500),
    "swv": ({"site": "swv"}, 12_500),
    "country": ({"site": "country"}, 25_000),
}
DESIGN = Design("gaussian", tuple(Ask(query, part) for query, part in QUERIES.values()), "band")
ORDERS = inequalities(load_contracts()["absence-counts"])
THREADS, RESERVATIONS, REPEATS = 8, 2_000, 3


@dataclass
class Level:
    """Sums over all cells of a level: how many there are, their raw and their final absolute errors."""

    cells: int = 0
    raw: float = 0.0
    final: float = 0.0


def dimensions(data: Sector) -> dict[str, Hierarchy]:
    """The hierarchies of a sector, every member named."""
    subdivisions = sorted(data.heads["subdivision"].unique())
    half = ["upto10", "upto10", "above10", "above10"]
    return {
        "site": Hierarchy(
            "site", data.sites.drop(columns="board"), paths=[("gemeente", "country"), ("swv", "country")]
        ),
        "subdivision": Hierarchy(
            "subdivision", pd.DataFrame({"subdivision": subdivisions, "total": "total"}), paths=[("total",)]
        ),
        "kind": Hierarchy("kind", pd.DataFrame({"kind": KINDS})),
        "band": Hierarchy(
            "band", pd.DataFrame({"band": BANDS, "half": half, "total": "total"}), paths=[("half", "total")]
        ),
    }


def missing(data: Sector) -> pd.DataFrame:
    """What a site does not offer."""
    there = set(data.heads[["site", "subdivision"]].itertuples(index=False, name=None))
    pairs = ((site, code) for site in data.sites["site"] for code in sorted(data.heads["subdivision"].unique()))
    return pd.DataFrame([pair for pair in pairs if pair not in there], columns=["site", "subdivision"])


def one_draw(data: Sector, levels: dict[str, Level]) -> np.ndarray:
    """Draw and make consistent once; adds the errors to `levels`.

    Returns:
        Wall and processor seconds of the draw, then of the rest.
    """
    laid = {"dimensions": dimensions(data), "count": "pupils", "structural_zeros": missing(data)}
    began = np.array([time.perf_counter(), time.process_time()])
    answers = measure(data.counts, design=DESIGN, **laid)  # type: ignore[arg-type]  # named arguments
    drawn = np.array([time.perf_counter(), time.process_time()])
    made = estimate(answers, design=DESIGN, inequalities=ORDERS, **laid)  # type: ignore[arg-type]  # likewise
    done = np.array([time.perf_counter(), time.process_time()])
    keys = Keys.of(laid["dimensions"], moves="band", structural_zeros=laid["structural_zeros"])  # type: ignore[arg-type]
    true, got = (keys.table(frame, "pupils").reshape(keys.shape[0], -1) for frame in (data.counts, made.counts))
    for (name, (query, _)), answer in zip(QUERIES.items(), answers.answers, strict=True):
        members = keys.cells(query)
        truth = members @ true
        levels[name].cells += truth.size
        levels[name].raw += float(np.abs(answer.reshape(truth.shape) - truth).sum())
        levels[name].final += float(np.abs(members @ got - truth).sum())
    return np.array([drawn - began, done - drawn])


def reservations(url: str) -> float:
    """Reservations a second: threads that each book small amounts, audit entry and durable commit included."""
    noise = Noise(
        mechanism="gaussian", per_release=1, per_period=250_000, per_school_year=1_000_000,
        shares={"country": 100}, decided_by="benchmark",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        gateway = create_deployment(
            Home(Path(folder) / "data", url or database_url(Path(folder) / "b.sqlite")), Settings()
        )

        def book(thread: int) -> None:
            for number in range(RESERVATIONS // THREADS):
                asked = Request(
                    f"{thread:08x}{number:024x}", "absence-counts", "2026-2027-1", "vo", ("insight",), noise
                )
                with gateway.writing() as session:
                    if reserve(gateway, session, [asked]) is not None:
                        raise RuntimeError("refused")

        began = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(book, range(THREADS)))
        seconds = time.perf_counter() - began
        gateway.database.dispose()
    return RESERVATIONS / seconds


def rows() -> Iterator[str]:
    """The table, line by line."""
    levels = {name: Level() for name in GOALS}
    sectors = [sector("po"), sector("vo")]
    seconds = [sum(one_draw(data, levels) for data in sectors) for _ in range(REPEATS)]
    yield "| measured | value | goal |"
    yield "|---|---|---|"
    for name, level in levels.items():
        raw, final = level.raw / level.cells, level.final / level.cells
        yield f"| error {name}: raw {raw:.2f}, consistent {final:.2f}, ratio | {final / raw:.2f} | {GOALS[name]} |"
    (draw, draw_busy), (rest, rest_busy) = np.median(np.array(seconds), axis=0)
    sites = sum(len(data.sites) for data in sectors)
    yield f"| {sites:,} sites: draw {draw:.1f} s + consistent whole table {rest:.1f} s | {draw + rest:.1f} s | 20 s |"
    yield f"| the same in processor time | {draw_busy + rest_busy:.1f} s | |"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    yield f"| peak memory | {peak:.2f} GiB | 4 GiB |"
    yield f"| reservations, SQLite, {THREADS} threads | {reservations(''):.0f} /s | 500 /s |"
    from tests.databases import new_database, running_postgresql  # noqa: PLC0415  needs the development packages

    with running_postgresql() as server:
        yield f"| reservations, PostgreSQL, {THREADS} threads | {reservations(new_database(server)):.0f} /s | 500 /s |"


if __name__ == "__main__":
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {sys.platform}\n")
    for line in rows():
        print(line, flush=True)
