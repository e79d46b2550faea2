"""Jobs: one worker at a time, tried again after a failure, started again after a crash."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select

from gateway.context import Gateway
from gateway.demo.people import must
from gateway.jobs import ATTEMPTS, LEASE, Work, _claim, enqueue, run_one
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.retention import dismiss_jobs, run
from gateway.store import Job, JobState

from .conftest import NOW, World
from .records import events


def queued(world: World) -> None:
    with world.gateway.writing() as session:
        enqueue(session, world.gateway, "try", "it")


def job(world: World) -> Job:
    with world.gateway.reading() as session:
        return session.exec(select(Job)).one()


class Tries:
    """Counts what was done and given up; fails as often as told."""

    def __init__(self, failures: int) -> None:
        self.failures, self.done, self.given_up = failures, 0, 0

    def work(self) -> dict[str, Work]:
        return {"try": Work(self.do, self.give_up)}

    def do(self, _: Gateway, subject: str) -> None:
        assert subject == "it"
        self.done += 1
        if self.done <= self.failures:
            raise RuntimeError

    def give_up(self, _: Gateway, _subject: str) -> None:
        self.given_up += 1


@pytest.mark.parametrize("by", ["dismissed", "erased"])
def test_a_job_that_failed_is_not_listed_for_ever(world: World, by: str) -> None:
    """The operator dismisses it, which is logged, or retention erases it after its term; one that waits stays."""
    queued(world)
    queued(world)
    with world.gateway.writing() as session:
        session.exec(select(Job)).first().state = JobState.FAILED
    if by == "dismissed":
        assert [dismiss_jobs(world.desk), dismiss_jobs(world.desk)] == [1, 0]
        assert events(world)[-2:].count("setting.changed") == 1
    else:
        after = world.at(NOW + timedelta(days=401))
        assert must(run(after.gateway, after.desk.identity)).of["jobs"] == 1
    assert job(world).state == JobState.WAITING


def test_only_the_operator_dismisses_a_job(world: World) -> None:
    """A school's machine is refused."""
    assert isinstance(dismiss_jobs(Desk(world.gateway, world.site(0))), Refused)


def test_a_job_is_done_once(world: World) -> None:
    """A finished job is not taken again."""
    tries = Tries(0)
    queued(world)
    assert [run_one(world.gateway, tries.work()) for _ in range(2)] == [True, False]
    assert (tries.done, job(world).state) == (1, "done")


def test_a_failing_job_waits_longer_each_time_and_then_gives_up(world: World) -> None:
    """After five failures the job has failed for good and its subject is told."""
    tries = Tries(99)
    queued(world)
    pauses = []
    moment = NOW
    for _ in range(ATTEMPTS):
        gateway = replace(world.gateway, clock=lambda at=moment: at)
        assert run_one(gateway, tries.work())
        pauses.append((job(world).due_at - moment).total_seconds())
        moment = job(world).due_at
    assert pauses[:4] == [2, 4, 8, 16]
    assert (tries.given_up, job(world).state) == (1, "failed")


def test_a_job_of_a_dead_worker_is_taken_over(world: World) -> None:
    """While the lease holds nobody else gets the job; when it has run out, the next worker does."""
    queued(world)
    assert _claim(world.gateway) is not None
    assert not run_one(world.gateway, Tries(0).work())
    later = replace(world.gateway, clock=lambda: NOW + LEASE + timedelta(seconds=1))
    tries = Tries(0)
    assert run_one(later, tries.work())
    assert (tries.done, job(world).state) == (1, "done")


@pytest.mark.parametrize(("ahead", "is_free"), [(timedelta(seconds=20), False), (timedelta(days=200), True)])
def test_a_lease_of_the_far_future_is_none(world: World, ahead: timedelta, is_free: bool) -> None:
    """A worker whose clock ran ahead died: its lease does not last as long; that of one a little ahead holds."""
    queued(world)
    assert _claim(replace(world.gateway, clock=lambda: NOW + ahead)) is not None
    assert run_one(world.gateway, Tries(0).work()) is is_free


def test_a_job_that_kills_its_workers_fails_for_good(world: World) -> None:
    """Five claims ended without a word: nobody does it a sixth time, and its subject is told."""
    queued(world)
    moment = NOW
    for _ in range(ATTEMPTS):
        assert _claim(replace(world.gateway, clock=lambda at=moment: at)) is not None
        moment += LEASE + timedelta(seconds=1)
    tries = Tries(0)
    assert run_one(replace(world.gateway, clock=lambda: moment), tries.work())
    assert (tries.done, tries.given_up, job(world).state) == (0, 1, "failed")


def test_a_job_that_is_not_due_waits(world: World) -> None:
    """A job for later is left alone until then."""
    queued(world)
    earlier = replace(world.gateway, clock=lambda: NOW - timedelta(seconds=1))
    assert not run_one(earlier, Tries(0).work())
