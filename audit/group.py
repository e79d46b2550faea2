"""Group commit for SQLite: one writer thread runs what many callers hand it, and one commit makes all of it durable.

SQLite lets one transaction write at a time, and a durable commit waits for the disk. Callers that each commit for
themselves queue for both. Here they queue once: whatever came while the disk was busy shares the next commit. Each
piece of work runs in a savepoint of its own, so one that fails takes nothing of the others with it, and a caller
returns only when its work is on disk.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine

from audit.driver import execute
from audit.errors import AuditError

Result = TypeVar("Result")

MOST_TOGETHER: Final = 256


class _Job:
    """Work of one caller, who waits for the lock to open: a Future does the same in three times the time."""

    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work, self.done = work, threading.Lock()
        self.result: Any = None
        self.error: BaseException | None = None
        self.done.acquire()  # the writer opens it


class GroupCommit:
    """Runs transactions for many threads on one connection.

    Args:
        engine: Of a SQLite database; it must begin its transactions with BEGIN IMMEDIATE.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._open = True
        self._thread = threading.Thread(target=self._write, name="audit-group-commit", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in a transaction and return what it returns once it is durable.

        Raises:
            AuditError: It was closed.
            Exception: Whatever `work` raised, or the commit; then nothing of `work` is stored.
        """
        if not self._open:
            raise AuditError("the group commit was closed")
        job = _Job(work)
        self._jobs.put(job)
        job.done.acquire()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[no-any-return]  # what `work` returned

    def close(self) -> None:
        """Finish what was handed in before, and stop."""
        self._open = False
        self._jobs.put(None)
        self._thread.join()

    def _write(self) -> None:
        stopping = False
        while not stopping:
            jobs = [self._jobs.get()]
            while len(jobs) < MOST_TOGETHER and not self._jobs.empty():
                jobs.append(self._jobs.get())
            stopping = None in jobs
            _commit(self._engine, [job for job in jobs if job])


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
    for job in jobs:
        job.done.release()
