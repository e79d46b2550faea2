"""One log a school year: the turn of the year, on the normal path, in whichever process notices it first.

On 1 August the log of the year that ended gets its last entry and final checkpoint, and the log of the new year begins
with an entry that commits to it. A process that was down over the summer does the same when it starts: what waited goes
to the log of the year in which it was done. What is committed only after that goes to the next one, with its own time.
"""

import logging
import threading
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection, Engine, inspect

from audit.errors import AuditError, ClockError, LogClosedError
from audit.log import Log
from audit.note import Signer
from audit.proofs import LogState, is_finished, logs, signed_size
from audit.schema import LOG
from audit.sequencer import Sequencer
from gateway.messages import MendableError
from gateway.periods import is_school_year, last_day, school_year_on
from gateway.settings import DATABASE_VARIABLE, Home
from policies.days import beginning_of, local_day, milliseconds, moment_of
from pseudonymisation.private_file import read_private

KEEP = timedelta(days=5 * 365 + 7)
"""Five years after its closing (NEN 7513), and a week so that no difference between clocks makes it less."""
TRY_AGAIN_SECONDS = 10.0
LOG_KEY = "log.key"
BROKEN = "the log contradicts itself: nothing is signed before somebody has looked"
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
            ClockError: The log before it is of a later year, or of more than a year ago: nothing was closed.
        """
        year = self._year()
        origin = f"{self.name}/{year}"
        with self.engine.connect() as connection:
            chain = logs(connection)
            unsigned = bool(chain) and signed_size(connection, chain[-1].log) != chain[-1].size
        if chain and f"{chain[-1].origin}/".startswith(f"{origin}/"):
            return self._sequencer(chain[-1].origin)
        if chain:
            demand_next(chain[-1].origin, year)
            self._finish(chain[-1], unsigned=unsigned)
        return self._sequencer(self._unused(origin) if origin in {log.origin for log in chain} else origin)

    def take_over(self) -> str:
        """Go on under a name of its own, after a backup was restored or the key of before had leaked; returns it.

        The name of before may have signed what this database knows nothing of: it never signs anything new. The new one
        was never used before: `<name>/<school year>/<moment>-<something random>`.
        """
        with self.engine.connect() as connection:
            chain = logs(connection)
            goes_on = bool(chain) and not is_finished(connection, chain[-1])
        now = self.log.clock()
        origin = self._unused(f"{self.name}/{self._year()}")
        fresh = self._sequencer(origin)
        if goes_on:
            fresh.take_over(now, now + KEEP // timedelta(milliseconds=1))
        fresh.step(now)
        return origin

    def run(self, stop: threading.Event) -> None:
        """Sequence until told to stop, and turn the year when it ends.

        Raises:
            AuditError: The log contradicts itself, and that was said: nothing is signed before somebody has looked.
        """
        while not stop.is_set():
            try:
                self.sequencer().run(stop, until=_end(self._year()))
            except (LogClosedError, ClockError) as error:  # another process turned the year, or the key is wrong
                _logger.error("the log is not sequenced: %s", error)  # noqa: TRY400  its message says all
                stop.wait(TRY_AGAIN_SECONDS)
            except AuditError:
                _logger.critical(BROKEN, exc_info=True)
                raise
            except Exception as error:  # noqa: BLE001  whatever the database raises, it may be back next time
                _logger.warning("the year is not turned yet (%s); trying again", type(error).__name__)
                stop.wait(TRY_AGAIN_SECONDS)

    def _finish(self, last: LogState, *, unsigned: bool) -> None:
        """Close the log of another year; when it was closed but not signed, sign it."""
        now, old = self.log.clock(), self._sequencer(last.origin)
        if not last.is_closed:
            until = _end(_year_of(last.origin, self._year()))
            old.close(now, now + KEEP // timedelta(milliseconds=1), until=until)
        elif unsigned:
            old.step(now)

    def _unused(self, origin: str) -> str:
        """A name that no log had before, in the year of this one."""
        moment = moment_of(self.log.clock())
        return f"{origin}/{moment:%Y%m%dt%H%M%S}-{self.log.random(4).hex()}"

    def _sequencer(self, origin: str) -> Sequencer:
        return Sequencer(self.engine, self.log, Signer(origin, self.seed))

    def _year(self) -> str:
        return school_year_on(local_day(moment_of(self.log.clock())))


def demand_next(origin: str, year: str) -> None:
    """Refuse to go from a log to one of an earlier year, or past a whole year: more likely the clock is wrong.

    Raises:
        ClockError: Says what to do, also when the clock is right.
    """
    if not 0 <= int(year[:4]) - int(_year_of(origin, year)[:4]) <= 1:
        right = "`verzuimpoort key renew-log` goes on if the clock is right"
        raise ClockError(f"log {origin} is in use and this clock says {year}: set the clock; {right}")


def demand_own(connection: Connection, where: Home) -> None:
    """Refuse to work on the database of another deployment: to this one, all that stands there is without a key.

    The newest log tells whose it is: those of former years have the same key, or the one of before `key renew-log`.

    Raises:
        MendableError: its key is not the one of this folder.
    """
    chain, file = logs(connection) if inspect(connection).has_table(LOG.name) else [], where.keys / LOG_KEY
    if chain and not (file.exists() and Signer(chain[-1].origin, read_private(file)).key == chain[-1].key):
        raise MendableError("database-of-another", folder=where.folder, variable=DATABASE_VARIABLE)


def demand_name(connection: Connection, name: str, where: Home) -> None:
    """Refuse to go on with the log under another name: no receipt of before would be one of this gateway's any more.

    Raises:
        MendableError: says what its name is.
    """
    chain = logs(connection)
    if chain and not chain[-1].origin.startswith(f"{name}/"):
        had = chain[-1].origin.partition(f"/{_year_of(chain[-1].origin, '')}")[0]
        raise MendableError("log-name-fixed", file=where.settings_file, log=had)


def _year_of(origin: str, year: str) -> str:
    """The school year in the name of a log, or this one where it names none."""
    return next((part for part in reversed(origin.split("/")) if is_school_year(part)), year)


def _end(year: str) -> int:
    """When a school year ends: milliseconds since 1970 UTC, exclusive."""
    return milliseconds(beginning_of(last_day(year) + timedelta(days=1)))
