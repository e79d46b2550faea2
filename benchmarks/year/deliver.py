"""The deliveries of a period over HTTP, and what the schools were promised: nothing of it may be lost or doubled."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.client import Answer

from .door import CONNECTIONS, Door, expect
from .schools import OTHER_YEAR, Habit, Schools

AT_ONCE = 1_000  # schools whose files are in memory at the same time


@dataclass
class Promises:
    """What the gateway told the schools, by the ids it gave.

    Attributes:
        refused: Files with faults that were refused.
        delivering: Seconds in which files were under way; making them is the schools' own time.
    """

    received: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    refused: int = 0
    delivering: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, kind: set[str], submission: str) -> None:
        """Note a promise."""
        with self._lock:
            kind.add(submission)

    def refuse(self) -> None:
        """Note a refusal."""
        with self._lock:
            self.refused += 1


@dataclass(frozen=True)
class Files:
    """What one school sends in a period, in order."""

    index: int
    habit: Habit
    right: bytes
    wrong: bytes = b""


@dataclass(frozen=True)
class Round:
    """One period of deliveries."""

    schools: Schools
    door: Door
    tokens: dict[str, str] = field(repr=False)
    promises: Promises
    number: int
    period: str

    def deliver_all(self) -> None:
        """Every school that delivers in time, a thousand files in memory at a time."""
        self._send(range(len(self.schools.sites)), late=False)

    def late(self) -> list[str]:
        """Sites that come late, or correct themselves after the close."""
        of = (Habit.LATE, Habit.CORRECTS_LATE)
        return [site.code for i, site in enumerate(self.schools.sites) if self.schools.habit(i, self.number) in of]

    def deliver_late(self) -> None:
        """Those sites, each after the operator reopened the period for it."""
        late = set(self.late())
        self._send((i for i, site in enumerate(self.schools.sites) if site.code in late), late=True)

    def _send(self, indexes: Iterable[int], *, late: bool) -> None:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for files in self._made(indexes, late=late):
                began = time.perf_counter()
                list(pool.map(self._deliver_late if late else self._deliver, files))
                self.promises.delivering += time.perf_counter() - began

    def _made(self, indexes: Iterable[int], *, late: bool) -> Iterator[list[Files]]:
        """Files of some schools at a time; while these are under way the next are made."""
        with ThreadPoolExecutor(1) as desk:
            coming = None
            for some in _some(indexes):
                before, coming = coming, desk.submit(lambda some=some: [self._files(one, late=late) for one in some])
                if before:
                    yield before.result()
            if coming:
                yield coming.result()

    def _files(self, index: int, *, late: bool) -> Files:
        schools, habit = self.schools, self.schools.habit(index, self.number)
        right = schools.file(index, self.number, self.period)
        if late or habit in (Habit.USUAL, Habit.LATE, Habit.AWAY, Habit.WITHDRAWS):
            return Files(index, habit, right)
        if habit is Habit.ERRS:
            return Files(index, habit, right, schools.faulty(index, right))
        return Files(index, habit, right, schools.file(index, self.number + OTHER_YEAR, self.period))

    def _deliver(self, files: Files) -> None:
        """What a school does before the close, by its habit."""
        habit = files.habit
        if habit in (Habit.AWAY, Habit.LATE):
            return
        if habit is Habit.ERRS:
            self._refused(files)
        if habit is Habit.CORRECTS:
            self._confirm(files.index, self._submit(files.index, files.wrong, "wrong"))
        if habit is Habit.WITHDRAWS:
            mistaken = self._submit(files.index, files.right, "mistaken")
            self._confirm(files.index, mistaken)
            self._withdraw(files.index, mistaken)
        body = files.wrong if habit is Habit.CORRECTS_LATE else files.right
        self._confirm(files.index, self._submit(files.index, body, "right"))

    def _deliver_late(self, files: Files) -> None:
        self._confirm(files.index, self._submit(files.index, files.right, "late"))

    def _submit(self, index: int, body: bytes, what: str) -> str:
        answer = expect(self._post(index, body, what), 200, 201)
        submission = str(answer.json()["id"])
        self.promises.keep(self.promises.received, submission)
        return submission

    def _refused(self, files: Files) -> None:
        expect(self._post(files.index, files.wrong, "faulty"), 400)
        self.promises.refuse()

    def _post(self, index: int, body: bytes, what: str) -> Answer:
        site = self.schools.sites[index].code
        about = {"collection": self.schools.form(index), "party": site, "period": self.period}
        key = {"Idempotency-Key": f"{self.period}-{site}-{what}"}
        return self.door.ask("POST", "/v1/submissions", self.tokens[site], params=about, content=body, headers=key)

    def _confirm(self, index: int, submission: str) -> None:
        token = self.tokens[self.schools.sites[index].code]
        expect(self.door.ask("POST", f"/v1/submissions/{submission}/confirmation", token), 200)
        self.promises.keep(self.promises.confirmed, submission)

    def _withdraw(self, index: int, submission: str) -> None:
        """Said again after a broken connection, it may be withdrawn already."""
        token = self.tokens[self.schools.sites[index].code]
        expect(self.door.ask("POST", f"/v1/submissions/{submission}/withdrawal", token), 200, 409)
        self.promises.keep(self.promises.withdrawn, submission)


def _some(indexes: Iterable[int]) -> Iterator[Sequence[int]]:
    these = list(indexes)
    return (these[first : first + AT_ONCE] for first in range(0, len(these), AT_ONCE))
