"""Give entries their index, keep the tree, sign checkpoints. The only place that holds the log's signing key.

Any number of processes may run a sequencer on one database: each transaction takes the lead for itself (SQLite: the
write lock, so the engine must begin with BEGIN IMMEDIATE; PostgreSQL: a transaction-level advisory lock), reads what
is committed, and goes on from there. Nothing is remembered between two rounds, so a restart, a take-over and the
normal path are one path.

Order of indexes: order of arrival in the waiting room among the entries that are committed. An entry whose
transaction commits later comes later; it holds nobody up. (Ordering by transaction id below the snapshot's xmin, as
first designed, waits for the longest open transaction, and loses entries when a database is restored into a cluster
whose transaction ids are lower.)
"""

import logging
import threading
from dataclasses import dataclass, replace
from hashlib import sha256

from sqlalchemy import Connection, Engine, insert

from audit.checkpoint import Checkpoint, open_checkpoint
from audit.entry import Actor, Entry, Object
from audit.errors import AuditError, ClockError, LogClosedError
from audit.events import Event, Role
from audit.lead import take_lead
from audit.log import Appended, Log
from audit.merkle import EMPTY_ROOT
from audit.note import Signer
from audit.proofs import LogState, is_finished, log_note, logs, root, signed_at, signed_note, signed_size
from audit.schema import CHECKPOINT, CLOSING, LOG
from audit.timeline import done_at
from audit.tree import grow, recount, waiting

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """What one round did.

    Attributes:
        leader: False when another process had the lead; then nothing was done.
        sequenced: Entries that got an index.
        signed: The new checkpoint, if there was something new.
        more: Whether a full batch was taken, so that another round should follow at once.
    """

    leader: bool
    sequenced: int = 0
    signed: str | None = None
    more: bool = False


class Sequencer:
    """Sequences one log at a time and signs for its origin.

    Args:
        engine: Database of the log; on SQLite it must begin its transactions with BEGIN IMMEDIATE.
        log: Writes the log's own entries (opened, heartbeat, closed) and tells the time.
        signer: Signing key; its name is the origin, e.g. `verzuimpoort.example.nl/audit/2026-2027`.
        heartbeat: Milliseconds of silence after which the log says that it lives.
        batch: Most entries to sequence in one round.
    """

    def __init__(
        self, engine: Engine, log: Log, signer: Signer, *, heartbeat: int = 3_600_000, batch: int = 2_000
    ) -> None:
        self._engine, self._log, self._signer = engine, log, signer
        self._heartbeat, self._batch = heartbeat, batch
        self._actor = Actor(Role.GATEWAY, log.vocabulary.operator)

    def step(self, now: int) -> Step:
        """One round.

        1. Take the lead, or leave it to who has it.
        2. Find the open log, or open the next one.
        3. Say that the log lives, if it was silent for long.
        4. Give the waiting entries their index and store their nodes. With this commit their order is final.
        5. In a second transaction: recount from the last signed root and the bytes of the entries since, compare with
           the stored nodes, sign, store. With this commit the checkpoint is public. A crash between 4 and 5 is
           harmless: the next round signs the same root.

        Args:
            now: Milliseconds since 1970 UTC.

        Raises:
            LogBrokenError: What is stored contradicts what was signed; nothing was signed.
            LogClosedError: The log of this origin is closed, or another origin's log is open.
        """
        with self._engine.begin() as connection:
            if not take_lead(connection):  # 1
                return Step(leader=False)
            state, count = self._open(connection, now), 0  # 2
            if not state.is_closed:
                self._beat(connection, state, now)  # 3
                count = grow(connection, state.log, state.size, waiting(connection, self._batch))  # 4
            unsigned = signed_size(connection, state.log) != state.size + count
        if state.is_closed and not unsigned:
            raise LogClosedError(f"log {state.origin} has its final checkpoint: go on under a new origin")
        signed = self._publish(state, now) if unsigned else None  # 5
        return Step(leader=True, sequenced=count, signed=signed, more=count >= self._batch)

    def close(self, now: int, keep_until: int, *, until: int | None = None) -> str:
        """End the log: everything that waits, an entry that closes it, the final checkpoint. It never grows again.

        A sequencer with a new signer, and so a new origin, opens the next log with an entry that commits to this end.

        Args:
            now: Milliseconds since 1970 UTC.
            keep_until: When its entries may be erased, at least five years from now.
            until: The end of its time, where it is closed later: what was done from then on waits for the next log.

        Returns:
            The final checkpoint.

        Raises:
            LogClosedError: It is closed already.
            NotLoggedError: Another log took over before its final checkpoint.
            ClockError: Its newest checkpoint was made after `now`.
        """
        with self._engine.begin() as connection:
            take_lead(connection, wait=True)
            state = self._open(connection, now)
            if state.is_closed:
                raise LogClosedError(f"log {state.origin} is closed already")
            if now < signed_at(connection, state.log):
                raise ClockError(f"log {state.origin} was signed later than this clock says it is: set the clock")
            size, seen = state.size, 0
            while batch := waiting(connection, self._batch, after=seen):
                seen = batch[-1].id
                mine = [each for each in batch if until is None or done_at(each.data) < until]
                size += grow(connection, state.log, size, mine)
            last = self._say(connection, now, Event.LOG_CLOSED, state.log)
            size += grow(connection, state.log, size, waiting(connection, 1, last.data))
            connection.execute(insert(CLOSING).values(log=state.log, size=size, keep_until=keep_until))
        self._publish(state, now)
        with self._engine.connect() as connection:
            return signed_note(connection, state.log, size)

    def take_over(self, now: int, keep_until: int) -> None:
        """Go on under this new origin after a backup was restored: the old origin must never sign again.

        The world may have seen checkpoints of the old log that the restored database knows nothing of; whatever
        its key signed now would be a second history. So the old log is closed as it is found, without a
        signature, if it was not closed already, and the first entry of this one commits to it; entries that
        waited in the backup follow here. By a clock that is behind the old log's newest checkpoint its
        retention would end too early: it is longer by the difference.

        Args:
            now: Milliseconds since 1970 UTC.
            keep_until: When the entries of the old log may be erased, at least five years from now.

        Raises:
            LogClosedError: There is no log of another origin that is open or lacks its final checkpoint.
        """
        with self._engine.begin() as connection:
            take_lead(connection, wait=True)
            chain = logs(connection)
            last = chain[-1] if chain else None
            if last is None or last.origin == self._signer.key.name or is_finished(connection, last):
                raise LogClosedError("there is no open log of another origin to take over")
            if not last.is_closed:
                keep_until += max(signed_at(connection, last.log) - now, 0)
                connection.execute(insert(CLOSING).values(log=last.log, size=last.size, keep_until=keep_until))
            self._begin(connection, now, last.log + 1, _end_of(connection, last))

    def run(self, stop: threading.Event, interval: float = 0.1, until: int | None = None) -> None:
        """Step until told to stop: `interval` seconds apart, at once after a full batch, slower while it fails.

        Args:
            stop: Set to end it.
            interval: Seconds between two rounds.
            until: Milliseconds since 1970 UTC at which it ends by itself, e.g. to turn the year.

        Raises:
            AuditError: The log contradicts itself, or is closed: somebody must look before anything is signed again.
        """
        pause = interval
        while not stop.is_set() and (until is None or self._log.clock() < until):
            try:
                step = self.step(self._log.clock())
                pause = 0 if step.more else interval
            except AuditError:
                raise
            except Exception as error:  # noqa: BLE001  whatever the caller's database raises, it may be back next time
                _logger.warning("sequencing failed (%s); trying again", type(error).__name__)
                pause = min(max(2 * pause, interval), 10.0)
            stop.wait(pause)

    def _open(self, connection: Connection, now: int) -> LogState:
        """The log of this origin; opened if it is not there and the one before it is finished."""
        chain = logs(connection)
        last = chain[-1] if chain else None
        mine = self._signer.key
        if last and last.origin == mine.name:
            if last.key != mine:
                raise LogClosedError(f"log {mine.name} is signed with another key: `key renew-log` begins a new origin")
            return last
        if last and not last.is_closed:
            raise LogClosedError(f"log {last.origin} is open: close it before {mine.name} begins")
        if last and not is_finished(connection, last):
            raise LogClosedError(f"log {last.origin} lacks its final checkpoint: finish it with its own key")
        return self._begin(connection, now, last.log + 1 if last else 1, _end_of(connection, last) if last else None)

    def _begin(self, connection: Connection, now: int, log: int, end: bytes | None) -> LogState:
        """Open a log of this origin; its first entry commits to the end of the one before."""
        mine = self._signer.key
        connection.execute(insert(LOG).values(log=log, origin=mine.name, key=str(mine)))
        first = self._say(connection, now, Event.LOG_OPENED, log, end)
        size = grow(connection, log, 0, waiting(connection, 1, first.data))
        return LogState(log, mine.name, mine, size, None)

    def _beat(self, connection: Connection, state: LogState, now: int) -> None:
        last = signed_at(connection, state.log)
        if last and now - last >= self._heartbeat:
            self._say(connection, now, Event.LOG_HEARTBEAT, state.log)

    def _say(
        self, connection: Connection, now: int, event: Event, log: int, commitment: bytes | None = None
    ) -> Appended:
        """Append an entry of the log about itself."""
        entry = Entry(event=event, actor=self._actor, object=Object(f"log:audit/{log}", commitment))
        return replace(self._log, clock=lambda: now).append(connection, entry)

    def _publish(self, state: LogState, now: int) -> str | None:
        """Recount what is committed but not signed, sign it, store the checkpoint; nothing once another log goes on."""
        with self._engine.begin() as connection:
            take_lead(connection, wait=True)
            if logs(connection)[-1].log != state.log:  # a take-over: for what this key signed now nobody would answer
                return None
            size = signed_size(connection, state.log)
            if size:
                signed = open_checkpoint(log_note(connection, state.log, size), [self._signer.key]).checkpoint
            else:
                signed = Checkpoint(state.origin, 0, EMPTY_ROOT)
            edge = recount(connection, state.log, signed)
            if edge.size == signed.size:
                return None
            text = Checkpoint(state.origin, edge.size, edge.root()).text()
            fresh = str(self._signer.sign(text))
            connection.execute(insert(CHECKPOINT).values(log=state.log, size=edge.size, note=fresh, made=now))
            return fresh


def _end_of(connection: Connection, last: LogState) -> bytes:
    """SHA-256 of the checkpoint text of a log's last size, as public as its root: the next log holds on to it."""
    return sha256(Checkpoint(last.origin, last.size, root(connection, last.log, last.size)).text().encode()).digest()
