"""Work in the background: jobs, the log's sequencer, the asking of witnesses; a process of its own, or threads."""

import logging
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import SimpleQueue

from audit.errors import AuditError
from gateway import consents, lawbook, retention, witnesses
from gateway.app import demand_workable, open_gateway, yearly_log
from gateway.context import Gateway
from gateway.database import UNAVAILABLE, forget_log
from gateway.executors import executor_of
from gateway.jobs import Work, run_until
from gateway.publish import asking, building
from gateway.settings import Home
from gateway.telemetry import set_up_logging
from gateway.yearly import YearlyLog

AWAY_SECONDS = 1.0
FORGET_SECONDS = 60.0
_logger = logging.getLogger(__name__)


def _build(gateway: Gateway, release_id: str) -> None:
    """Build a release where the settings say."""
    with executor_of(gateway.settings) as executor:
        building.build(gateway, release_id, executor)


def _tend(gateway: Gateway, subject: str) -> None:
    """The day's work: erase what is past its term, and keep the law where a purpose started or ended by its date."""
    retention.run_job(gateway, subject)
    lawbook.keep(gateway)


WORK: Mapping[str, Work] = {
    asking.JOB: Work(_build, building.give_up),
    consents.DESTROY_KEY: Work(consents.destroy_key, consents.key_survives),
    retention.JOB: Work(_tend, retention.give_up),
}


def run_worker(where: Home) -> None:
    """Run jobs and sequence the log until told to stop; exit 1 where the log contradicts itself, which was said."""
    set_up_logging()
    gateway = open_gateway(where)
    stop = threading.Event()
    _heed_signals(stop)
    try:
        work_until(gateway, stop)
    except AuditError:
        sys.exit(1)


def _heed_signals(stop: threading.Event) -> None:
    """Set an event once the process is asked to end.

    A signal comes in the midst of anything, of the waiting for that very event too, whose lock the handler would then
    wait for in vain: it only leaves word in a queue made for that, and a thread of its own sets the event.
    """
    told = SimpleQueue[int]()

    def set_it() -> None:
        told.get()
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, _: told.put(number))
    threading.Thread(target=set_it, name="signals", daemon=True).start()


def work_until(gateway: Gateway, stop: threading.Event) -> None:
    """Run jobs and sequence the log until told to stop; a database that is away, also at the start, is waited for.

    Raises:
        AuditError: the log contradicts itself.
        MendableError: the database was restored and not settled, or is of another version or another deployment.
    """
    while not stop.is_set():
        try:
            with background(gateway, stop):
                stop.wait()
        except UNAVAILABLE as error:
            _logger.warning("the worker waits for its database (%s)", type(error).__name__)
            stop.wait(AWAY_SECONDS)


@contextmanager
def background(gateway: Gateway, stop: threading.Event) -> Iterator[None]:
    """Worker, sequencer, the asking of witnesses and SQLite's forgetting as threads, for as long as the block runs.

    Raises:
        AuditError: the log contradicts itself; the event told all of them to stop, and it is raised after the block.
        MendableError: the database was restored and not settled, or is of another version or another deployment:
            nothing is signed or erased.
    """
    demand_workable(gateway)
    log, broken = yearly_log(gateway), list[AuditError]()
    lawbook.keep(gateway)
    retention.schedule(gateway)
    threads = [
        threading.Thread(target=run_until, args=(gateway, WORK, stop), name="worker", daemon=True),
        threading.Thread(target=_sequence, args=(log, stop, broken), name="sequencer", daemon=True),
        threading.Thread(target=witnesses.ask_until, args=(gateway, stop), name="witnesses", daemon=True),
        threading.Thread(target=_forget, args=(gateway, stop), name="forgetting", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for error in broken:
        raise error


def _sequence(log: YearlyLog, stop: threading.Event, broken: list[AuditError]) -> None:
    """Sequence the log; where it contradicts itself all other work stops too."""
    try:
        log.run(stop)
    except AuditError as error:
        broken.append(error)
        stop.set()


def _forget(gateway: Gateway, stop: threading.Event) -> None:
    """Every minute, what was erased leaves SQLite's write-ahead log too, whoever held on to it when it was."""
    while not stop.wait(FORGET_SECONDS):
        with suppress(*UNAVAILABLE):
            forget_log(gateway.database, within=1)
