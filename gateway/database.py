"""One way to open the database and one way to change it, on SQLite and on PostgreSQL alike."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session

BUSY_SECONDS = 30
_READ_ONLY = "verzuimpoort_read_only"


def database_url(file: Path) -> str:
    """URL of the embedded default: a SQLite file."""
    return f"sqlite:///{file}"


def open_database(url: str) -> Engine:
    """Open a database.

    SQLite runs in write-ahead mode with every commit on disk, and takes its write lock when a writing transaction
    begins: one that first reads and then writes would fail under load. PostgreSQL ends transactions that idle, because
    one of them would hold back the sequencer of the audit log.

    Args:
        url: `sqlite:///FILE` or a PostgreSQL URL; the driver is chosen here.
    """
    if url.startswith("sqlite"):
        engine = create_engine(url, json_serializer=json.dumps, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    url = url.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+psycopg://", 1)
    return create_engine(
        url,
        pool_size=16,
        max_overflow=16,
        pool_pre_ping=True,
        connect_args={"options": "-c idle_in_transaction_session_timeout=60000 -c timezone=UTC"},
    )


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A transaction that may write: commits at the end, or leaves nothing behind."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A transaction that only reads one consistent state; on SQLite it waits for no writer."""
    options: dict[str, Any] = {_READ_ONLY: True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    connection = engine.connect().execution_options(**options)
    with connection, Session(connection, expire_on_commit=False) as session:
        yield session


def _set_up_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin in `_begin_sqlite`
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:  # noqa: ANN401  SQLAlchemy hands in its own Connection
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
