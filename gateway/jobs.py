"""Work for later: enqueued in the transaction of its cause, leased to one worker, done again after a crash.

A handler must be idempotent: a worker that died renews its lease no more, and another does the job from the start.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, update
from sqlmodel import Session, col, or_, select

from gateway.context import Gateway
from gateway.store import Job, JobState

LEASE = timedelta(seconds=30)
_FARTHEST_LEASE = 2 * LEASE  # clocks of two workers differ a little
_FARTHEST_DUE = timedelta(days=2)  # tomorrow, at most
_RENEW_SECONDS = 5.0
ATTEMPTS = 5
PAUSE_SECONDS = 0.2
_logger = logging.getLogger(__name__)

Handler = Callable[[Gateway, str], None]


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of job: what to do with its subject, and what to do when it failed for good."""

    do: Handler
    give_up: Handler


def enqueue(session: Session, gateway: Gateway, kind: str, subject: str, *, after: timedelta = timedelta()) -> None:
    """Put a job in the queue, in the transaction of its cause; it is due at once, or `after` some time."""
    session.add(Job(kind=kind, subject=subject, due_at=gateway.clock() + after))


def run_one(gateway: Gateway, work: Mapping[str, Work]) -> bool:
    """Claim one job that is due and do it; False when there is none.

    A job that fails is tried again later, each time after a longer pause; after five attempts it has failed for good,
    also when they ended without a word, because the worker was killed by what it did.
    """
    claimed = _claim(gateway)
    if claimed is None:
        return False
    kind = work[claimed.kind]
    if claimed.attempts > ATTEMPTS:
        _logger.error("job %s failed, %d workers died of it", claimed.kind, ATTEMPTS)
        kind.give_up(gateway, claimed.subject)
        _settle(gateway, claimed, JobState.FAILED)
        return True
    try:
        with _renewing(gateway, claimed):
            kind.do(gateway, claimed.subject)
    except Exception:
        _logger.exception("job %s failed, attempt %d", claimed.kind, claimed.attempts)
        if claimed.attempts >= ATTEMPTS:
            kind.give_up(gateway, claimed.subject)
        _settle(gateway, claimed, JobState.FAILED if claimed.attempts >= ATTEMPTS else JobState.WAITING)
        return True
    _settle(gateway, claimed, JobState.DONE)
    return True


def run_until(gateway: Gateway, work: Mapping[str, Work], stop: threading.Event) -> None:
    """Work until told to stop; looks again after a short pause when there is nothing to do, or no database."""
    while not stop.is_set():
        try:
            worked = run_one(gateway, work)
        except Exception:
            _logger.exception("a job could not be claimed or settled; it is tried again")
            worked = False
        if not worked:
            stop.wait(PAUSE_SECONDS)


@contextmanager
def _renewing(gateway: Gateway, claimed: Job) -> Iterator[None]:
    """Keep the lease of a job alive for as long as the block runs."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(_RENEW_SECONDS):
            try:
                with gateway.writing() as session:
                    session.exec(update(Job).where(*_still_ours(claimed)).values(leased_until=gateway.clock() + LEASE))
            except Exception:
                _logger.exception("a lease could not be renewed; it is tried again")

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _still_ours(claimed: Job) -> tuple[ColumnElement[bool], ...]:
    """Each claim counts as an attempt, so the number of attempts tells a claim from a later one."""
    return col(Job.id) == claimed.id, col(Job.state) == JobState.LEASED, col(Job.attempts) == claimed.attempts


def _claim(gateway: Gateway) -> Job | None:
    """The oldest job that is due and not leased, leased to this worker.

    What is put off or leased for longer than anything is, was so by a clock that ran ahead: it counts as due, or free.
    """
    now = gateway.clock()
    with gateway.writing() as session:
        until = col(Job.leased_until)
        free = or_(until.is_(None), until <= now, until > now + _FARTHEST_LEASE)
        due = or_(col(Job.due_at) <= now, col(Job.due_at) > now + _FARTHEST_DUE)
        open_states = col(Job.state).in_([JobState.WAITING, JobState.LEASED])
        query = (
            select(Job)
            .where(open_states, due, free)
            .order_by(col(Job.due_at), col(Job.id))
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        job = session.exec(query).first()
        if job is not None:
            job.state, job.leased_until, job.attempts = JobState.LEASED, now + LEASE, job.attempts + 1
        return job


def _settle(gateway: Gateway, claimed: Job, state: JobState) -> None:
    """End a claim; a worker that lost its lease meanwhile leaves the job to the one that has it."""
    with gateway.writing() as session:
        job = session.exec(select(Job).where(*_still_ours(claimed)).with_for_update()).first()
        if job is None:
            return
        job.state, job.leased_until = state, None
        if state == JobState.WAITING:
            job.due_at = gateway.clock() + timedelta(seconds=2**claimed.attempts)
