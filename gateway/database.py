"""One way to open the database and one way to change it, on SQLite and on PostgreSQL alike."""

import hashlib
import os
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Dialect,
    Engine,
    Integer,
    LargeBinary,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, OperationalError, TimeoutError  # noqa: A004  SQLAlchemy's, of its pool
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool
from sqlalchemy.types import TypeEngine
from sqlmodel import Session

from gateway.messages import MendableError

if sys.platform != "win32":
    import fcntl

BUSY_SECONDS = 10
_BUSY = "database-busy"
_LOOK_AGAIN = 0.0005
_READ_ONLY = "verzuimpoort_read_only"
_WRITER = "verzuimpoort_writer"
_SINCE = "verzuimpoort_since"
_IDLE_SECONDS = 1.0
_WAIT = "PRAGMA busy_timeout={:.0f}"
# On SQLite the pool is no smaller than a server has threads (40): a connection costs a file that is open.
_POOL: Mapping[str, Any] = {
    "hide_parameters": True, "poolclass": QueuePool, "pool_size": 16, "pool_timeout": BUSY_SECONDS,
}  # fmt: skip
_TURN = select(func.pg_advisory_xact_lock(bindparam("number", type_=BigInteger)))
_SHARED_TURN = select(func.pg_advisory_xact_lock_shared(bindparam("number", type_=BigInteger)))


class DatabaseBusy(MendableError):  # noqa: N818  the name says what is the matter
    """Another writer did not finish in time; the same act can succeed a little later."""


UNAVAILABLE = (DatabaseBusy, OperationalError, TimeoutError)
"""What is raised when the database is away, full or too busy: nothing was kept, and waiting helps."""


def open_database(url: str) -> Engine:
    """Open a database.

    SQLite runs in write-ahead mode with every commit on disk, and takes its write lock when a writing transaction
    begins: one that first reads and then writes would fail under load. PostgreSQL ends transactions that idle, because
    one of them would hold back the sequencer of the audit log; options in its URL count beside that.

    Args:
        url: `sqlite:///FILE` or a PostgreSQL URL; the driver is chosen here.

    Raises:
        MendableError: it is neither.
    """
    try:
        return _open(url)
    except (ArgumentError, ValueError, ModuleNotFoundError) as error:  # no URL, a port that is none, another database
        raise MendableError("database-url") from error


def _open(url: str) -> Engine:
    if url.startswith("sqlite"):
        engine = create_engine(url, **_POOL, max_overflow=32, connect_args={"timeout": BUSY_SECONDS})
        engine.dialect.colspecs = {**engine.dialect.colspecs, LargeBinary: _Bytes}
        _guard_sqlite(engine)
        return engine
    url = url.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+psycopg://", 1)
    address = make_url(url)
    asked = address.normalized_query  # what is given to the driver takes the place of the same in the URL
    options = (*asked.get("options", ()), "-c idle_in_transaction_session_timeout=60000 -c timezone=UTC")
    engine = create_engine(
        address,
        **_POOL,
        max_overflow=16,
        connect_args={"connect_timeout": asked.get("connect_timeout", (5,))[-1], "options": " ".join(options)},
    )
    _ask_who_lay_idle(engine)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A transaction that may write: commits at the end, or leaves nothing behind."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def joining(connection: Connection) -> Iterator[Session]:
    """A part of somebody else's transaction, who commits it or undoes it."""
    with Session(connection, expire_on_commit=False) as session:
        yield session
        session.flush()


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A transaction that only reads one consistent state; on SQLite it waits for no writer."""
    options: dict[str, Any] = {_READ_ONLY: True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    connection = engine.connect().execution_options(**options)
    with connection, Session(connection, expire_on_commit=False) as session:
        yield session


def take_turns(session: Session, what: bytes, *, shared: bool = False) -> None:
    """Let one transaction at a time do this, until it ends: for what no row stands for yet that could be locked.

    Those that share a turn wait for none of each other. On SQLite there is one writer anyway.
    """
    if session.connection().dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(what).digest()[:8], signed=True)
        session.connection().execute(_SHARED_TURN if shared else _TURN, {"number": number})


def forget_log(engine: Engine, *, within: float | None = None) -> None:
    """On SQLite, empty the write-ahead log, where copies of erased and re-keyed rows last; elsewhere vacuum does it.

    Who reads at this moment holds on to the log, and is waited for as a writer is, or so many seconds; what is left
    then goes with the next call, which is the worker's.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(_WAIT.format(1_000 * (BUSY_SECONDS if within is None else within)))
            try:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()
            finally:
                connection.exec_driver_sql(_WAIT.format(1_000 * BUSY_SECONDS))


def insert_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[tuple[object, ...]]
) -> None:
    """Insert many rows of plain values (text, numbers, bytes) at the speed of the driver: COPY on PostgreSQL.

    Args:
        connection: The transaction they belong to.
        table: Where they go.
        columns: Names of columns of the table, in the order of the values.
        rows: The values.
    """
    names = ", ".join(table.c[name].name for name in columns)  # of the model: nothing from outside becomes SQL
    if connection.dialect.name == "postgresql":
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([_in_copy(table.c[name].type) for name in columns])
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(columns))
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", list(rows))  # noqa: S608  likewise


def _in_copy(kind: TypeEngine[Any]) -> str:
    """PostgreSQL's name of a column's type, for COPY in binary form."""
    if isinstance(kind, Integer):
        return "int4"
    return "bytea" if isinstance(kind, LargeBinary) else "text"


class _Bytes(LargeBinary):
    """Bytes as they are: wrapping each in a buffer, which sqlite3 does not need, takes a tenth of a delivery."""

    def bind_processor(self, dialect: Dialect) -> None:
        """Nothing is done to a value on its way in."""


class _Line:
    """One writer at a time: threads of a process wait in line, and the first of each process for the locks of files.

    SQLite alone would let them sleep up to a tenth of a second each time. With one lock a process whose threads wait
    already would be served again and again; who waits for the turn holds the lock of what is next, so that processes
    take turns.
    """

    def __init__(self, database: str | None) -> None:
        self._threads = threading.Lock()
        self._turn, self._next = (_FileLock(f"{database}-{name}" if database else "") for name in ("writer", "next"))

    def enter(self) -> None:
        """Wait for one's turn.

        Raises:
            DatabaseBusy: another writer did not finish in time.
        """
        until = monotonic() + BUSY_SECONDS
        if not self._threads.acquire(timeout=BUSY_SECONDS):
            raise DatabaseBusy(_BUSY)
        try:
            self._next.take(until)
            try:
                self._turn.take(until)
            finally:
                self._next.release()
        except BaseException:
            self._threads.release()
            raise

    def leave(self) -> None:
        """Let the next one in."""
        self._turn.release()
        self._threads.release()


class _FileLock:
    """The lock of a file, which the system gives back when a process dies. On Windows, and in memory, there is none."""

    def __init__(self, path: str) -> None:
        self._path = path if sys.platform != "win32" else ""
        self._file: int | None = None

    def take(self, until: float) -> None:
        """Look every half millisecond whether it is free.

        Raises:
            DatabaseBusy: it is not at this moment.
        """
        while not self._taken():
            if monotonic() > until:
                raise DatabaseBusy(_BUSY)
            sleep(_LOOK_AGAIN)

    def release(self) -> None:
        """Give it back."""
        if self._file is not None and sys.platform != "win32":
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _taken(self) -> bool:
        if not self._path or sys.platform == "win32":
            return True
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            weakref.finalize(self, os.close, self._file)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _ask_who_lay_idle(engine: Engine) -> None:
    """Before a connection is used that lay idle, ask the server behind it whether it is still there.

    One that was used a moment ago is not asked: that question is a tenth of the conversation of a delivery, and a
    server that died in that moment makes an act fail as it would have a moment later.
    """

    def given_back(_: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info[_SINCE] = monotonic()

    def taken(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        if monotonic() - record.info.get(_SINCE, monotonic()) < _IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error  # none of the old connections is any good: the pool makes new ones

    event.listen(engine.pool, "checkin", given_back)
    event.listen(engine.pool, "checkout", taken)


def _guard_sqlite(engine: Engine) -> None:
    """Writers wait in line before they take SQLite's lock.

    The turn is over when the connection returns to the pool, which is after its commit, whatever happened.
    """
    line = _Line(engine.url.database)

    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") == "AUTOCOMMIT":
            return
        if options.get(_READ_ONLY, False):
            connection.exec_driver_sql("BEGIN")
            return
        line.enter()
        connection.info[_WRITER] = True
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def give_back(_: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        if record.info.pop(_WRITER, False):
            line.leave()

    event.listen(engine, "do_connect", _create_sqlite)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", begin)
    event.listen(engine.pool, "checkin", give_back)


def _create_sqlite(_dialect: Dialect, _record: ConnectionPoolEntry, arguments: list[str], _options: object) -> None:
    """A new file is readable by its owner only; SQLite gives those beside it the same mode."""
    if arguments[0] != ":memory:":
        with suppress(FileExistsError):  # never opened when it is there: closing it would give back SQLite's own locks
            os.close(os.open(arguments[0], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _set_up_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin in `_guard_sqlite`
    durable, private = ("journal_mode=WAL", "synchronous=FULL"), ("secure_delete=ON", "temp_store=MEMORY")
    for pragma in (*durable, *private, "foreign_keys=ON", "cache_size=-16000"):
        connection.execute(f"PRAGMA {pragma}")
