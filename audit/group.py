"""Group commit for SQLite: one caller runs what many handed in, and one commit makes all of it durable.

SQLite lets one transaction write at a time, and a durable commit waits for the disk. Callers that each commit for
themselves queue for both. Here they queue once: whatever came while the disk was busy shares the next commit. Each
piece of work runs in a savepoint of its own, so one that fails takes nothing of the others with it, and a caller
returns only when its work is on disk.

There is no thread to start and to stop: the first who comes leads, and hands the lead to the first who waits when its
commit is done.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine

from audit.driver import execute

Result = TypeVar("Result")

MOST_TOGETHER: Final = 256
_BREATH: Final = 0.0001  # who was just told comes back in that time: without it two halves of the callers take turns


class _Job:
    """Work of one caller, who waits for the lock to open: a Future does the same in three times the time."""

    __slots__ = ("done", "error", "result", "turn", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work, self.done = work, False
        self.result: Any = None
        self.error: BaseException | None = None
        self.turn = threading.Lock()  # opens when the work is done, or when its caller is to lead
        self.turn.acquire()


class GroupCommit:
    """Runs transactions for many threads, as many together as wait.

    Args:
        engine: Of a SQLite database; it must begin its transactions with BEGIN IMMEDIATE.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._waiting: list[_Job] = []
        self._led = False

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in a transaction, in this thread or another, and return what it returns once it is durable.

        Raises:
            Exception: Whatever `work` raised, or the commit; then nothing of `work` is stored.
        """
        job = _Job(work)
        with self._lock:
            self._waiting.append(job)
            leads, self._led = not self._led, True
        if not leads:
            job.turn.acquire()
            if not job.done:
                time.sleep(_BREATH)
        if not job.done:
            self._lead()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[no-any-return]  # what `work` returned

    def _lead(self) -> None:
        """Commit for all who wait, this caller among them; then the lead is the next one's."""
        with self._lock:
            jobs, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
        _commit(self._engine, jobs)
        with self._lock:
            self._led = bool(self._waiting)
            following = self._waiting[:1]
        for job in jobs:
            job.done = True
        for job in [*jobs, *following]:
            job.turn.release()


def _commit(engine: Engine, jobs: list[_Job]) -> None:
    """One transaction for all; who fails alone is told alone, and if the commit fails everybody is told."""
    try:
        with engine.begin() as connection:
            for job in jobs:
                execute(connection, "SAVEPOINT work")
                try:
                    job.result = job.work(connection)
                except BaseException as error:  # noqa: BLE001  it is the caller's, who gets it
                    execute(connection, "ROLLBACK TO work")
                    job.error = error
                execute(connection, "RELEASE work")
    except BaseException as error:  # noqa: BLE001  likewise, for every caller of this commit
        for job in jobs:
            job.error = job.error or error
