"""The pseudonym service's own log: everybody follows it as the gateway's, its operator takes it out and lets it expire.

The service has neither law nor officers to ask: whoever holds its folder acts for its operator, and the log says what.
"""

import io
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session

from audit import retention
from audit.entry import Actor, Entry
from audit.errors import ClockError, LogBrokenError, NotLoggedError
from audit.events import Decision as Outcome
from audit.events import Event
from audit.export import write_bundle
from audit.log import Appended, Log
from audit.proofs import logs
from gateway.outcome import Refused
from gateway.oversight import policy_text
from gateway.periods import school_year_on
from gateway.settings import Home
from gateway.yearly import YearlyLog, demand_next
from policies.days import local_day, moment_of
from pseudonymisation.service import reading

DAY_SECONDS = 86_400.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceLog:
    """A `KeepsLog`: the log of one pseudonym service.

    Attributes:
        home: Its folder, with `witnesses.txt` where somebody cosigns, and its database.
        yearly: The logs, one a school year.
        actor: The service.
        receipts: It gives none.
    """

    home: Home
    yearly: YearlyLog
    actor: Actor
    receipts: None = None

    @property
    def database(self) -> Engine:
        """Where the log is kept."""
        return self.yearly.engine

    @property
    def log(self) -> Log:
        """Writes the log's entries."""
        return self.yearly.log

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read without waiting for a writer; what a log once signed does not change meanwhile."""
        with reading(self.database).connect() as connection, Session(connection) as session:
            yield session

    def log_act(self, entry: Entry) -> Appended:
        """Log an act that changes nothing else, in a transaction of its own."""
        with self.database.begin() as connection:
            return self.log.append(connection, entry)


def take_out(kept: ServiceLog) -> Mapping[str, bytes] | Refused:
    """A bundle of each log that is kept, by file name, for whoever checks it elsewhere; logged before it leaves."""
    taken = _bundles(kept)
    outcome = Outcome.DENY if isinstance(taken, Refused) else Outcome.PERMIT
    kept.log_act(Entry(event=Event.AUDIT_EXPORTED, actor=kept.actor, decision=outcome))
    return taken


def expire(kept: ServiceLog) -> int:
    """Erase the closed logs whose term is over, with an entry where there were any; returns how many.

    Raises:
        ClockError: By this clock the log would not go on: nothing was erased, for nothing comes back.
    """
    now = kept.log.clock()
    with kept.database.begin() as connection:
        for in_use in logs(connection)[-1:]:
            demand_next(in_use.origin, school_year_on(local_day(moment_of(now))))
        gone = retention.expire(connection, now)
        if gone:
            kept.log.append(connection, Entry(event=Event.RETENTION_RUN, actor=kept.actor))
    return len(gone)


def expire_until(kept: ServiceLog, stop: threading.Event) -> None:
    """Do so at once, and once a day until told to stop."""
    while True:
        try:
            expire(kept)
        except ClockError as error:
            _logger.error("nothing is erased: %s", error)  # noqa: TRY400  its message says all
        except Exception as error:  # noqa: BLE001  whatever the database raises, tomorrow it may be back
            _logger.warning("closed logs did not expire (%s); trying again tomorrow", type(error).__name__)
        if stop.wait(DAY_SECONDS):
            return


def _bundles(kept: ServiceLog) -> Mapping[str, bytes] | Refused:
    policy, taken = policy_text(kept), dict[str, bytes]()
    with kept.reading() as session:
        connection = session.connection()
        for each in logs(connection):
            out, name = io.BytesIO(), each.origin.removeprefix(f"{kept.yearly.name}/").replace("/", "_")
            try:
                write_bundle(connection, each.log, out, policy=policy)
            except LogBrokenError as broken:
                return Refused("log-broken", facts={"log": name, "entry": str(broken.index)})
            except NotLoggedError:
                continue
            taken[f"{name}.zip"] = out.getvalue()
    return taken or Refused("log-behind", retry_after=1)
