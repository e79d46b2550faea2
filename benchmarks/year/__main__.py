"""Run a year and print its table; `SHARED_DIR` names the folder with the public registers of sites."""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.settings import Home, database_url
from tests.databases import new_database, running_postgresql

from .story import PeriodFigures, Plan, YearFigures, live_a_year


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.year", description=__doc__)
    parser.add_argument("--sites", type=int, default=100, help="7464 is the country")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--invented", action="store_true", help="an invented region of at most 500 sites")
    parser.add_argument("--kill-every", type=float, help="seconds; on PostgreSQL 60, on SQLite nobody is killed")
    parser.add_argument("--records-every", type=int, default=20, help="one site in so many delivers records")
    parser.add_argument("--sample", type=int, default=8, help="sites that go through the real pseudonym service")
    parser.add_argument("--regions", type=int, default=12, help="regions attacked in a table of more than 300 sites")
    parser.add_argument("--processes", type=int, default=1, help="processes beside each worker that protect a table")
    parser.add_argument("--turns", type=int, default=120, help="after how many sites faults and corrections come again")
    parser.add_argument("--keep", type=Path, help="a folder to keep everything in")
    return parser.parse_args()


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if kind == "sqlite":
        yield database_url(folder / "gateway.sqlite")
        return
    with running_postgresql() as server:
        yield new_database(server)


def main(given: argparse.Namespace) -> None:
    """Live the year, saying what is done; then the table."""
    shared = given.database == "postgresql"
    kill = given.kill_every if given.kill_every is not None else 60.0 * shared
    plan = Plan(
        sites=given.sites, invented=given.invented, servers=1 + shared, workers=1 + shared, kill_every=kill,
        records_every=given.records_every, sample=given.sample, turns=given.turns, regions=given.regions,
        processes=given.processes,
    )  # fmt: skip
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - began:7.1f}] {what}", flush=True)

    with tempfile.TemporaryDirectory(prefix="verzuimpoort-year-") as name:
        folder = given.keep or Path(name)
        data = folder / "data"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with database(given.database, data) as url:
            figures = live_a_year(plan, Home(data, url), say)
    report(figures, plan, given.database)


def report(figures: YearFigures, plan: Plan, kind: str) -> None:
    """The table of the year."""
    where = f"{kind}, {plan.servers} servers, {plan.workers} workers, {os.cpu_count()} cores"
    print(f"\nA year of {plan.sites} sites and {figures.enrolments:,} enrolments a period: {where}.\n")
    print(
        "| period | delivery s | protect s | download s | published | suppressed | small | attacked | exact "
        "| narrowed |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for period in figures.periods:
        print(_line(period))
    told = figures.reckoning
    print(f"\nDelivered {len(figures.promises.received):,}, confirmed {len(figures.promises.confirmed):,}, ", end="")
    print(f"withdrawn {len(figures.promises.withdrawn):,}, refused {figures.promises.refused:,}; ", end="")
    print(f"{figures.kills} processes killed, {figures.again} requests sent again; ", end="")
    print(f"lost {told and told.lost}, doubled {told and told.doubled}, unlogged {told and told.unlogged}.")
    print(f"Consents {figures.consents}, withdrawn {figures.withdrawn}; access requests {figures.accesses}; ", end="")
    print(f"rows under another key after the leak {figures.rekeyed:,}; erased at the end {figures.erased}, ", end="")
    print(f"left over {figures.left}. Log: {figures.entries}")
    peaks = ", ".join(f"{role} {peak:.0f}" for role, peak in sorted(figures.peaks.items()))
    refused = sum(period.unprotectable for period in figures.periods)
    print(f"Corrections that could not be protected, so that the first release stands: {refused}.")
    print(f"Peak memory of one process, MiB: {peaks}. {figures.minutes:.1f} minutes.")


def _line(period: PeriodFigures) -> str:
    published = " + ".join(f"{pool.statuses['published']:,}" for pool in period.pools)
    suppressed = " + ".join(f"{pool.statuses['suppressed']:,}" for pool in period.pools)
    protecting = " + ".join(f"{seconds:.1f}" for seconds in period.protecting)
    verdict = period.verdict
    return (
        f"| {period.number} | {period.delivering:.1f} | {protecting} | {period.downloading:.1f} | {published} "
        f"| {suppressed} | {verdict.small:,} | {verdict.attacked:,} | {verdict.exact} | {verdict.narrowed} |"
    )


if __name__ == "__main__":
    main(options())
