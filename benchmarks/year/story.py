"""One school year, told in the order in which it happens."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO

from sqlmodel import func, select

import audit.verify
from gateway import keys, retention
from gateway.context import Gateway
from gateway.demo.people import METHODS, MINISTER, must
from gateway.exports import take_out
from gateway.identity import Identity
from gateway.oversight import policy_text
from gateway.settings import Home
from gateway.store import Enrolment

from .attack import Verdict, attack_period
from .country import region
from .deliver import Promises, Round
from .door import Door, expect
from .families import Families
from .fleet import Fleet, running
from .reckoning import Reckoning, reckon, sign_all
from .release import TABLE, Pool, download_by_all, release
from .schools import CHANGES_FROM, Schools
from .stage import Stage, a_year_later, folder_of, prepare, service_of

COUNTING = "counting-for-school"


@dataclass(frozen=True)
class Plan:
    """What kind of year it is.

    Attributes:
        sites: How many; of the public registers, or invented.
        kill_every: Seconds between two deaths of a process; 0: nobody dies.
        strikes: Whether one dies at the start of every round of deliveries and of every release, whatever the time.
        records_every: One site in so many delivers records of pupils.
        sample: How many of those go through the real pseudonym service.
        regions: How many regions of a national table are attacked in each period.
        processes: Processes beside each worker that protect a table.
    """

    sites: int
    invented: bool = False
    servers: int = 1
    workers: int = 1
    kill_every: float = 0.0
    strikes: bool = False
    records_every: int = 20
    sample: int = 4
    turns: int = 120
    periods: tuple[int, ...] = (1, 2, 3, 4)
    regions: int = 12
    processes: int = 1


@dataclass
class PeriodFigures:
    """What one period cost and gave."""

    number: int
    preparing: float = 0.0
    delivering: float = 0.0
    protecting: list[float] = field(default_factory=list)
    downloading: float = 0.0
    attacking: float = 0.0
    unprotectable: int = 0
    pools: list[Pool] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)


@dataclass
class YearFigures:
    """What the year cost and gave."""

    periods: list[PeriodFigures]
    enrolments: int = 0
    promises: Promises = field(default_factory=Promises)
    reckoning: Reckoning | None = None
    consents: int = 0
    withdrawn: int = 0
    accesses: int = 0
    rekeyed: int = 0
    erased: dict[str, int] = field(default_factory=dict)
    left: int = 0
    kills: int = 0
    again: int = 0
    entries: str = ""
    peaks: dict[str, float] = field(default_factory=dict)
    minutes: float = 0.0


Say = Callable[[str], None]


@dataclass(frozen=True)
class Year:
    """A year under way."""

    stage: Stage
    schools: Schools
    door: Door
    families: Families
    fleet: Fleet
    plan: Plan
    figures: YearFigures
    say: Say

    def live(self) -> None:
        """Four periods; a key leaks between the second and the third, and some pupils get another number."""
        for place, number in enumerate(self.plan.periods):
            if number == CHANGES_FROM:
                self._after_a_leak()
                self._change_numbers()
            self._period(place, number)
            self.families.live(number)

    def _period(self, place: int, number: int) -> None:
        """Deliveries, close, release, downloads; then who comes late, and the correction; then the attacker."""
        figures, period = self.figures.periods[place], self.stage.period(number)
        round_ = Round(self.schools, self.door, self.stage.tokens, self.figures.promises, number, period)
        with self._timed(f"{period} deliveries") as seconds:
            self._strike()
            round_.deliver_all()
        must(self.stage.desk.close_period(TABLE, period))
        self._release(figures, period)
        late = round_.late()
        if late:
            for site in late:
                must(self.stage.desk.reopen_for(TABLE, period, site))
            with self._timed(f"{period} late deliveries of {len(late)} schools"):
                round_.deliver_late()
            must(self.stage.desk.close_period(TABLE, period))
            self._release(figures, period)
        delivering = self.figures.promises.delivering
        figures.delivering = delivering - sum(one.delivering for one in self.figures.periods[:place])
        figures.preparing = seconds[0] - figures.delivering
        with self._timed(f"{period} attack") as seconds:
            received = [pool.rows() for pool in figures.pools]
            figures.verdict = attack_period(self.stage.gateway, figures.releases, received, self.plan.regions)
        figures.attacking = seconds[0]
        self.say(f"{period}: {figures.verdict}")

    def _release(self, figures: PeriodFigures, period: str) -> None:
        with self._timed(f"{period} release {len(figures.releases) + 1}"):
            self._strike()
            made, seconds = release(self.stage, self.door, period)
        figures.protecting.append(seconds)
        if made is None:
            if not figures.releases:
                raise RuntimeError(f"{period} cannot be protected")
            figures.unprotectable += 1  # the first release stands; late schools are not in it
            return
        figures.releases.append(made)
        file = folder_of(self.stage.gateway.home, "received") / f"{made}.csv"
        with self._timed(f"{period} downloads by {len(self.stage.recipients) + 1}") as spent:
            figures.pools.append(download_by_all(self.stage, self.door, made, file))
        figures.downloading += spent[0]

    def _strike(self) -> None:
        if self.plan.strikes:
            self.fleet.kill_one()

    def _after_a_leak(self) -> None:
        """The operator answers a leak: every stored pid gets another key, no school is asked."""
        with self._timed("key rotation"):
            self.figures.rekeyed = must(keys.rotate(self.stage.desk, COUNTING, self.stage.year)).rows

    def _change_numbers(self) -> None:
        period = self.stage.period(CHANGES_FROM)
        for index, site in enumerate(self.schools.sites):
            if self.schools.changes_number(index):
                document = self.schools.number_changes(index, period)
                expect(self.door.ask("POST", "/v1/number-changes", self.stage.tokens[site.code], json=document), 200)

    @contextmanager
    def _timed(self, what: str) -> Iterator[list[float]]:
        began, seconds = time.perf_counter(), [0.0]
        yield seconds
        seconds[0] = time.perf_counter() - began
        self.say(f"{what}: {seconds[0]:.1f} s")


def live_a_year(plan: Plan, home: Home, say: Say) -> YearFigures:
    """The year.

    Steps: (1) everybody is registered; (2) four periods with real processes, some of which are killed; (3) what was
    promised is held against what is there; (4) after the school year what is past its term goes; (5) the log is
    exported and verified by the stand-alone file.
    """
    began, figures = time.monotonic(), YearFigures([PeriodFigures(number) for number in plan.periods])
    everybody = region(plan.sites, invented=plan.invented)
    figures.enrolments = sum(site.pupils for site in everybody.sites)
    say(f"{len(everybody.sites)} sites, {figures.enrolments} enrolments")
    stage = prepare(home, everybody, processes=plan.processes)  # (1)
    say(f"registered: {time.monotonic() - began:.1f} s")
    try:
        downloads = _live(stage, plan, figures, say)  # (2)
        say("holding promises against rows and entries …")
        figures.reckoning = reckon(stage.gateway, figures.promises, downloads)  # (3)
        _end(stage, figures, say)  # (4), (5)
    finally:
        stage.gateway.database.dispose()
    figures.minutes = (time.monotonic() - began) / 60
    return figures


def _live(stage: Stage, plan: Plan, figures: YearFigures, say: Say) -> int:
    """Run the processes for four periods; how many downloads were handed out."""
    sites = stage.region.sites
    sample = [site.code for index, site in enumerate(sites) if index % plan.records_every == 0][: plan.sample]
    with ExitStack() as stack:
        service, key = stack.enter_context(service_of(stage, sample))
        fleet = stack.enter_context(
            running(stage.gateway.home, servers=plan.servers, workers=plan.workers, kill_every=plan.kill_every)
        )
        exact = frozenset(site.sector for site in sites) - set(METHODS)
        http = {code: stack.enter_context(service.client(code)) for code in sample}
        schools = Schools(stage.region, stage.gateway.contracts, key, plan.records_every, plan.turns, exact, http)
        door = stack.enter_context(closing(Door(fleet.url)))
        families = Families(stage, schools, door, plan.periods)
        Year(stage, schools, door, families, fleet, plan, figures, say).live()
        _note(figures, fleet, door, families)
        shutil.rmtree(schools.folder, ignore_errors=True)
    figures.peaks = fleet.peaks
    return sum(pool.answers for period in figures.periods for pool in period.pools)


def _note(figures: YearFigures, fleet: Fleet, door: Door, families: Families) -> None:
    figures.kills, figures.again = fleet.kills, door.heard["again"]
    figures.consents, figures.withdrawn = len(families.consents), len(families.withdrawn)
    figures.accesses = families.accesses


def _end(stage: Stage, figures: YearFigures, say: Say) -> None:
    """An officer takes the log of the year out; the next September rows and keys are past their term, in a new log."""
    figures.entries = exported(stage.gateway)
    say(figures.entries)
    later = a_year_later(stage, date(int(stage.year[5:]), 9, 15))
    operator = Identity(later.settings.operator, "machine")
    figures.erased = dict(must(retention.run(later, operator)).of)
    with later.reading() as session:
        rows = session.exec(select(func.count()).select_from(Enrolment)).one()
    figures.left = rows + retention.overdue(later)
    say(f"retention: {figures.erased}")
    say(f"the new year's log: {exported(later)}")


def exported(gateway: Gateway) -> str:
    """Take the log out as the controller's officer does, and verify it elsewhere."""
    sign_all(gateway)
    with must(take_out(gateway, Identity(MINISTER, "controller-officer"))) as bundle:
        return verified(bundle, policy_text(gateway))


def verified(bundle: IO[bytes], policy: str) -> str:
    """What the stand-alone verifier says, copied out of the project and run with nothing else.

    Raises:
        RuntimeError: the log does not verify.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(audit.verify.__file__, folder / "verify.py")
        with (folder / "bundle.zip").open("wb") as file:
            shutil.copyfileobj(bundle, file)
        (folder / "policy.txt").write_text(policy, encoding="utf-8")
        command = [sys.executable, "-I", "verify.py", "bundle.zip", "--policy", "policy.txt", "--lang", "en"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  ours
    if done.returncode:
        raise RuntimeError(f"the log does not verify: {done.stdout}{done.stderr}")
    return done.stdout.splitlines()[0]
