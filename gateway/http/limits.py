"""What one process allows: how often a party may ask in a minute, what is held of bodies, turns at what takes long."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from anyio import CapacityLimiter
from starlette.requests import Request

from gateway.formats.sheet import MAX_BYTES
from gateway.http.edge import WAIT_SECONDS
from gateway.outcome import Refused

WINDOW = timedelta(minutes=1)
RECEIVED_AT_ONCE = 3
"""Files that one process reads and stores: with more, threads only take one another's turn on its one core."""
CHECKS_PER_MINUTE = 60
PEOPLE_PER_MINUTE = 600
# A body as large as deliveries are has its place always, as many as a process lets in; above that it takes room.
PLACE = 256_000
ROOM_OF_ONE, ROOM = 2 * MAX_BYTES, 4 * MAX_BYTES
Hold = Callable[[int], bool]
Read = TypeVar("Read")


@dataclass
class Limit:
    """At most so many requests a minute of one party.

    Attributes:
        most: Requests a minute.
        clock: Tells the moment.
    """

    most: int
    clock: Callable[[], datetime]
    _seen: dict[str, deque[datetime]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, party: str) -> Refused | None:
        """Count a request; a refusal with the seconds to wait when the party had its share of this minute."""
        now = self.clock()
        with self._lock:
            seen = self._seen.setdefault(party, deque())
            while seen and not now - WINDOW < seen[0] <= now:  # later than now: of a clock that ran ahead, once
                seen.popleft()
            if len(seen) >= self.most:
                wait = seen[0] + WINDOW - now
                return Refused("rate-limited", retry_after=max(1, round(wait.total_seconds())))
            seen.append(now)
            return None


@dataclass
class Bodies:
    """How many bytes of bodies a process holds at once, of one party and of all, until each was answered.

    Only the event loop asks, so nothing is locked.
    """

    _held: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def of(self, party: str) -> Iterator[Hold]:
        """The way to ask for room for the next bytes of a body; what it was given is given back at the end."""
        seen = given = 0

        def hold(size: int) -> bool:
            nonlocal seen, given
            seen += size
            more = max(seen - PLACE, 0) - given
            if self._held[party] + more > ROOM_OF_ONE or self._held.total() + more > ROOM:
                return False
            given += more
            self._held[party] += more
            return True

        try:
            yield hold
        finally:
            self._held[party] -= given
            self._held += Counter()  # a party that holds nothing is forgotten


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process allows, over the API and for pages together.

    Attributes:
        requests: Of the machines of a party.
        people: Of those of a party who are logged in.
        public: Of nobody in particular.
        checks: Files of a party that are only checked.
        bodies: What is held of bodies.
        receiving: Turns to read a file.
        whole_log: The one turn to read all of the log, which takes seconds a year and a thread as long.
    """

    requests: Limit
    people: Limit
    public: Limit
    checks: Limit
    bodies: Bodies
    receiving: CapacityLimiter
    whole_log: threading.Lock

    @classmethod
    def of(cls, clock: Callable[[], datetime], *, requests: int, public: int) -> "Limits":
        """The limits of a process that starts.

        Args:
            clock: Tells the moment.
            requests: Of a party, a minute.
            public: Of the public together, a minute.
        """
        return cls(
            requests=Limit(requests, clock),
            people=Limit(min(PEOPLE_PER_MINUTE, requests), clock),
            public=Limit(public, clock),
            checks=Limit(CHECKS_PER_MINUTE, clock),
            bodies=Bodies(),
            receiving=CapacityLimiter(RECEIVED_AT_ONCE),
            whole_log=threading.Lock(),
        )


def limits_of(request: Request) -> Limits:
    """The limits of the process that answers."""
    limits: Limits = request.app.state.limits
    return limits


def alone_with_log(request: Request, read: Callable[[], Read | Refused]) -> Read | Refused:
    """Do what reads the whole log, unless somebody else has it read in this process at this moment.

    Who comes meanwhile is told to come again, for one who waited would keep a thread that deliveries need.
    """
    turn = limits_of(request).whole_log
    if not turn.acquire(blocking=False):
        return Refused("busy", retry_after=WAIT_SECONDS)
    try:
        return read()
    finally:
        turn.release()


def take_person(request: Request, party: str) -> Refused | None:
    """Count a request with a session, over the API or for a page: a program may have it, and each can leave an entry.

    Args:
        request: Of somebody who is logged in.
        party: Of that person; what its machines ask has a limit of its own.
    """
    return limits_of(request).people.take(party)


def take_public(request: Request, what: str) -> Refused | None:
    """Count a request of nobody in particular that can leave an entry in the log: all together are one party.

    Args:
        request: Over the API or for a page.
        what: `figures`, `sign-ins`, `logins` or `monitors`, each with a limit of its own: the one is no way to shut out
            the other.
    """
    return limits_of(request).public.take(what)


def take_check(request: Request, party: str) -> Refused | None:
    """Count a file of a party that is only checked, over the API or on a page: both together have one limit."""
    return limits_of(request).checks.take(party)
