"""Suppression on the real sites: `python -m benchmarks.disclosure [S|M|L/4|L/2|L] [DEFAULT|FULL|CORRECTION] [workers]`.

Four kinds jointly, their inequalities, every board and every site as an insider. S is one SWV, M ten, L the country,
L/4 every fourth region of it. CORRECTION is what it costs to correct a default release when one site in a hundred
delivers late.
With `cpu` seconds are those of this process alone; with `dask` the workers are processes of a Dask cluster.
"""

import os
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pandas as pd
from distributed import LocalCluster

from benchmarks.disclosure_data import Sector, sector
from disclosure import Build, Hierarchy, Proof, Terms, ThresholdRule, build, correct
from disclosure.attacker import judge
from gateway.collections import load_contracts
from gateway.executors import executor_of
from gateway.publish.protecting import inequalities, insiders
from gateway.settings import Settings
from policies.purpose import load_purposes

MARGINS = {
    "upto5": ("upto10", "total"),
    "5to10": ("upto10", "total"),
    "10to20": ("above10", "total"),
    "above20": ("above10", "total"),
}
SIZES: dict[str, dict[str, list[str] | int]] = {
    "S": {"po": ["PO3106"]},
    "M": {
        "po": ["PO3106", "PO2203", "PO2305", "PO2401", "PO2505", "PO2602", "PO2801", "PO3001"],
        "vo": ["VO2505", "VO3106"],
    },
    "L/4": {"po": 4, "vo": 4},
    "L/2": {"po": 2, "vo": 2},
    "L": {"po": 1, "vo": 1},
}
CLOCK = time.process_time if "cpu" in sys.argv else time.perf_counter
SEED = bytes(range(32))
SPECS = ("DEFAULT", "FULL", "CORRECTION")
LATE = 100  # one site in so many


@dataclass
class Timed:
    """What one size and list cost and gave."""

    sites: int = 0
    seconds: float = 0.0
    judged: float = 0.0
    small: int = 0
    narrowed: int = 0
    hidden: int = 0
    listed: int = 0
    published: list[pd.DataFrame] = field(default_factory=list)


def terms(part: Sector, spec: str) -> Terms:
    """The terms of the default list, or (FULL) of every cell there is."""
    total = [{"band": "total"}]
    codes = sorted(part.heads["subdivision"].unique())
    levels = pd.DataFrame({"subdivision": codes, "total": "total"})
    bands = pd.DataFrame([(band, *margins) for band, margins in MARGINS.items()], columns=["band", "half", "total"])
    pairs = pd.MultiIndex.from_product([part.sites["site"], codes], names=["site", "subdivision"])
    offered = pairs.to_frame(index=False).merge(part.heads, on=["site", "subdivision"], how="left")
    plan = load_purposes().plan(["absence-insight-swv", "absence-insight-gemeente", "national-picture"])
    lines = [dict(line) for line in plan.publish(part.name)]
    return Terms(
        dimensions={
            "site": Hierarchy(
                "site", part.sites.drop(columns="board"), paths=[("gemeente", "country"), ("swv", "country")]
            ),
            "subdivision": Hierarchy("subdivision", levels, paths=[("total",)]),
            "kind": Hierarchy.separate("kind"),
            "band": Hierarchy("band", bands, paths=[("half", "total")]),
        },
        count="pupils",
        rule=ThresholdRule(min_denominator=17),
        public=total,
        publish=None if spec == "FULL" else [*lines, *({**line, "band": "total"} for line in lines)],
        structural_zeros=offered.loc[offered["pupils"].isna(), ["site", "subdivision"]],
        inequalities=inequalities(load_contracts()["absence-counts"]),
        coalitions=insiders(part.sites[["site", "board"]]),
    )


def measure(size: str, spec: str, executor: Executor | None) -> Timed:
    """Protect every sector of a size, and judge it once more by itself."""
    found = Timed()
    for name, regions in SIZES[size].items():
        whole = sector(name)
        part = whole.part(sorted(whole.sites["swv"].unique())[::regions] if isinstance(regions, int) else regions)
        given = terms(part, spec)
        if spec == "CORRECTION":
            made, seconds = corrected(part, given, executor)
            found.seconds += seconds
            frame, verdicts = made.protected.frame, made.verdicts
        else:
            start = CLOCK()
            made = build(part.counts, given, seed=SEED, executor=executor)
            found.seconds += CLOCK() - start
            frame = made.protected.frame
            start = CLOCK()
            verdicts = judge(frame, part.counts, given, made.witnesses)
            found.judged += CLOCK() - start
        cells = made.protected.certificate["cells"]
        found.sites += len(part.sites)
        found.small += verdicts.small
        found.narrowed += verdicts.small - verdicts.safe + verdicts.margins - verdicts.margins_safe
        found.hidden += cells["suppressed"]
        found.listed += cells["listed"]
        found.published.append(frame.assign(sector=name))
    return found


def corrected(part: Sector, given: Terms, executor: Executor | None) -> tuple[Build, float]:
    """Some sites come late, after a release without them: its correction, and the seconds that took."""
    late = sorted(part.sites["site"][::LATE])
    codes = sorted(part.heads["subdivision"].unique())
    away = pd.MultiIndex.from_product([late, codes], names=["site", "subdivision"]).to_frame(index=False)
    before = replace(given, structural_zeros=pd.concat([given.structural_zeros, away]).drop_duplicates())
    old = part.counts[~part.counts["site"].isin(late)]
    first = build(old, before, seed=SEED, executor=executor)
    start, released, proof = CLOCK(), first.protected.frame, Proof(before, first.witnesses)
    touched, seed = {"site": late}, SEED[::-1]
    made = correct(old, part.counts, released, given, touched=touched, seed=seed, executor=executor, proof=proof)
    return made, CLOCK() - start


def above(frames: list[pd.DataFrame]) -> str:
    """Per cent of sites whose share above 10 % is published, by sector and kind."""
    table = pd.concat(frames)
    table = table[
        (table["site_level"] == "site") & (table["band"] == "above10") & (table["subdivision_level"] == "total")
    ]
    shares = (table["status"] == "published").groupby([table["sector"], table["kind"]]).mean() * 100
    return ", ".join(f"{name} {kind} {share:.0f}" for (name, kind), share in shares.items())


@contextmanager
def _executor(workers: int) -> Iterator[Executor | None]:
    """Where regions are searched."""
    if "dask" in sys.argv:
        quiet = {"dashboard_address": None, "worker_dashboard_address": None, "silence_logs": "ERROR"}
        with (
            LocalCluster(host="127.0.0.1", n_workers=workers, threads_per_worker=1, **quiet) as cluster,
            executor_of(Settings(cluster=cluster.scheduler_address)) as executor,
        ):
            yield executor
    elif workers > 1:
        with ProcessPoolExecutor(workers) as executor:
            yield executor
    else:
        yield None


def main(sizes: list[str], specs: list[str], workers: int) -> None:
    """Print one line per size and list; MiB is the peak of a process so far: earlier lines count."""
    print("| size | list | sites | small | hidden | of cells | narrowed | s | judge s | MiB | sites with above10, % |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for size in sizes:
        for spec in specs:
            with _executor(workers) as executor:
                found = measure(size, spec, executor)
            memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
            print(
                f"| {size} | {spec} | {found.sites:,} | {found.small:,} | {found.hidden:,} | {found.listed:,} "
                f"| {found.narrowed} | {found.seconds:.1f} | {found.judged:.1f} | {memory // 1024} "
                f"| {above(found.published)} |",
                flush=True,
            )


if __name__ == "__main__":
    words = sys.argv[1:]
    main(
        [word for word in words if word in SIZES] or ["S", "M"],
        [word for word in words if word in SPECS] or ["DEFAULT", "FULL"],
        next((int(word) for word in words if word.isdigit()), os.cpu_count() or 1),
    )
