"""How often a party may ask: a window of a minute per party and kind of request, in this process."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from starlette.requests import Request

from gateway.outcome import Refused

WINDOW = timedelta(minutes=1)
CHECKS_PER_MINUTE = 60


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


def take_public(request: Request, what: str) -> Refused | None:
    """Count a request of nobody in particular that can leave an entry in the log: all together are one party.

    Args:
        request: Over the API or for a page.
        what: `figures`, `sign-ins`, `logins` or `monitors`, each with a limit of its own: the one is no way to shut out
            the other.
    """
    limit: Limit = request.app.state.public
    return limit.take(what)


def take_check(request: Request, party: str) -> Refused | None:
    """Count a file of a party that is only checked, over the API or on a page: both together have one limit."""
    limit: Limit = request.app.state.checks
    return limit.take(party)
