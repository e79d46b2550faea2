"""One log a school year: the turn of the year, on the normal path, in whichever process notices it first.

On 1 August the log of the year that ended gets its last entry and final checkpoint, and the log of the new year begins
with an entry that commits to it. A process that was down over the summer does the same when it starts.
"""

import logging
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import Engine

from audit.errors import AuditError, LogClosedError
from audit.log import Log
from audit.note import Signer
from audit.proofs import LogState, logs, signed_size
from audit.sequencer import Sequencer
from gateway.periods import last_day, school_year_on
from policies.days import LOCAL

KEEP = timedelta(days=5 * 365 + 7)
"""Five years after its closing (NEN 7513), and a week so that no difference between clocks makes it less."""
TRY_AGAIN_SECONDS = 10.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class YearlyLog:
    """The logs of one deployment, one a school year, all signed with one key under another origin each.

    Attributes:
        engine: Database of the log; on SQLite it begins its transactions with BEGIN IMMEDIATE.
        log: Writes the log's own entries and tells the time.
        name: Origin of every log, up to the school year.
        seed: Of the signing key, 32 bytes.
    """

    engine: Engine
    log: Log
    name: str
    seed: bytes = field(repr=False)

    def sequencer(self) -> Sequencer:
        """The sequencer of this school year's log, once the log of another year is finished.

        Raises:
            LogClosedError: The log before it is signed with another key.
        """
        origin = f"{self.name}/{self._year()}"
        with self.engine.connect() as connection:
            chain = logs(connection)
            if chain and chain[-1].origin.startswith(f"{origin}/"):
                origin = chain[-1].origin
            unsigned = bool(chain) and signed_size(connection, chain[-1].log) != chain[-1].size
        if chain and chain[-1].origin != origin:
            self._finish(chain[-1], unsigned=unsigned)
        return self._sequencer(origin)

    def take_over(self) -> str:
        """Go on under a name of its own, after a backup was restored or the key of before had leaked; returns it.

        The name of before may have signed what this database knows nothing of: it never signs anything new. The new one
        was never used before: `<name>/<school year>/<moment>-<something random>`.
        """
        with self.engine.connect() as connection:
            chain = logs(connection)
        now = self.log.clock()
        moment = f"{datetime.fromtimestamp(now / 1000, UTC):%Y%m%dt%H%M%S}-{self.log.random(4).hex()}"
        origin = f"{self.name}/{self._year()}/{moment}"
        fresh = self._sequencer(origin)
        if chain and not chain[-1].is_closed:
            fresh.take_over(now, now + KEEP // timedelta(milliseconds=1))
        fresh.step(now)
        return origin

    def run(self, stop: threading.Event) -> None:
        """Sequence until told to stop, and turn the year when it ends.

        Raises:
            AuditError: The log contradicts itself: somebody must look before anything is signed again.
        """
        while not stop.is_set():
            year = self._year()
            end = datetime.combine(last_day(year) + timedelta(days=1), time(), LOCAL)
            try:
                self.sequencer().run(stop, until=int(end.timestamp() * 1000))
            except LogClosedError as error:  # another process turned the year an instant before, or the key is wrong
                _logger.error("the log is not sequenced: %s", error)  # noqa: TRY400  its message says all
                stop.wait(TRY_AGAIN_SECONDS)
            except AuditError:
                raise
            except Exception as error:  # noqa: BLE001  whatever the database raises, it may be back next time
                _logger.warning("the year is not turned yet (%s); trying again", type(error).__name__)
                stop.wait(TRY_AGAIN_SECONDS)

    def _finish(self, last: LogState, *, unsigned: bool) -> None:
        """Close the log of another year; when it was closed but not signed, sign it."""
        now, old = self.log.clock(), self._sequencer(last.origin)
        if not last.is_closed:
            old.close(now, now + KEEP // timedelta(milliseconds=1))
        elif unsigned:
            old.step(now)

    def _sequencer(self, origin: str) -> Sequencer:
        return Sequencer(self.engine, self.log, Signer(origin, self.seed))

    def _year(self) -> str:
        return school_year_on(datetime.fromtimestamp(self.log.clock() / 1000, UTC).astimezone(LOCAL).date())
