"""From a closed period to what every recipient holds: built by one person, approved by another, downloaded by all."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from gateway.store import Release, ReleaseState
from gateway.table import TableRow, decode_rows

from .door import CONNECTIONS, Door, expect
from .stage import Person, Stage, log_in

TABLE = "absence-counts"
BUILD_SECONDS = 3_600.0


def release(stage: Stage, door: Door, period: str) -> tuple[str | None, float]:
    """Build, approve and publish a release over the API; its id, and the seconds until it was built.

    Each act is by a person of the operator who has just logged in: a session ends when a build takes long.

    Without an id there is none: whatever was hidden, a small count would have been derived.

    Raises:
        RuntimeError: the release could not be built for another reason.
    """
    began = time.perf_counter()
    asked = {"collection": TABLE, "period": period}
    made = expect(_operator(stage, door, "builder").ask("/v1/releases", asked), 202).json()["id"]
    built = _is_built(stage, made)
    seconds = time.perf_counter() - began
    if not built:
        return None, seconds
    reason = "Vergeleken met de vorige periode; de rechter vond niets."
    approval = {"approved": True, "reason": reason}
    expect(_operator(stage, door, "approver").ask(f"/v1/releases/{made}/approvals", approval), 201)
    why = {"reason": "Afgesproken dag."}
    expect(_operator(stage, door, "approver").ask(f"/v1/releases/{made}/publication", why), 201)
    return made, seconds


def _operator(stage: Stage, door: Door, label: str) -> Person:
    return log_in(stage, door, stage.gateway.settings.operator, "operator", "/operator", label=label)


def _is_built(stage: Stage, release_id: str) -> bool:
    """Wait for the worker."""
    end = time.monotonic() + BUILD_SECONDS
    while time.monotonic() < end:
        with stage.gateway.reading() as session:
            found = session.get_one(Release, release_id)
        if found.state == ReleaseState.BUILT:
            return True
        if found.failure == "not-protectable":
            return False
        if found.state != ReleaseState.BUILDING:
            raise RuntimeError(f"the release could not be built: {found.failure}")
        time.sleep(0.2)
    raise RuntimeError("the release was not built in time")


@dataclass
class Pool:
    """Everything recipients received of one release, put together: one file, every row once.

    Attributes:
        file: Rows as `gateway.table` writes them.
        statuses: How often each status stands in it.
        answers: Downloads that were handed out.
    """

    file: Path
    statuses: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    _seen: set[tuple[str, ...]] = field(default_factory=set, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, body: bytes) -> None:
        """Put a download in; rows that another recipient has too are left out."""
        lines = body.split(b"\r\n", 1)[1]
        with self._lock, self.file.open("ab") as kept:
            self.answers += 1
            for row, line in zip(decode_rows(lines), lines.splitlines(keepends=True), strict=True):
                if row[1:7] not in self._seen:
                    self._seen.add(row[1:7])
                    self.statuses[row.status] += 1
                    kept.write(line)

    def done(self) -> None:
        """No more downloads: what was seen is forgotten, the file stays."""
        self._seen.clear()

    def rows(self) -> list[TableRow]:
        """What the pool knows."""
        return list(decode_rows(self.file.read_bytes()))


def download_by_all(stage: Stage, door: Door, release_id: str, file: Path) -> Pool:
    """Every SWV and gemeente fetches its slice, the public the country; they put everything together."""
    pool = Pool(file)

    def fetch(party: str | None) -> None:
        token = stage.tokens[party] if party else None
        pool.add(
            expect(door.ask("GET", f"/v1/releases/{release_id}/table", token, params={"format": "csv"}), 200).content
        )

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(fetch, [*stage.recipients, None]))
    pool.done()
    return pool
