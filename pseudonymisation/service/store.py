"""The service's database: answered batches, quotas and grants; SQLite or PostgreSQL.

Holds no number, no blinded element and no pseudonym: of a batch it keeps a digest and the answer, which is random to
everybody but the school that holds the blinds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    create_engine,
    delete,
    event,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from pseudonymisation.errors import KeyringError, PseudonymisationError
from pseudonymisation.keyring import Keyring, KeyState
from pseudonymisation.private_file import make_private
from pseudonymisation.service.quota import MAX_GRANT, GrantReason

Append = Callable[[Connection, str, Mapping[str, Any]], None]
"""Writes an audit entry on the connection of the act: event name, fields of strings and integers."""

_metadata = MetaData()
_batch = Table(
    "service_batch",
    _metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("site", String(6), nullable=False),
    Column("school_year", String(9), nullable=False, index=True),
    Column("key_id", String(16), nullable=False),
    Column("elements", Integer, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("answered_at", DateTime(timezone=True), nullable=False),
)
_quota = Table(
    "service_quota",
    _metadata,
    Column("site", String(6), primary_key=True),
    Column("school_year", String(9), primary_key=True),
    Column("used", Integer, nullable=False),
    Column("granted", Integer, nullable=False),
)
_grant = Table(
    "service_grant",
    _metadata,
    Column("grant_id", Integer, primary_key=True),
    Column("site", String(6), nullable=False),
    Column("school_year", String(9), nullable=False),
    Column("elements", Integer, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("granted_at", DateTime(timezone=True), nullable=False),
)
_register = Table(
    "service_register",
    _metadata,
    Column("only", Integer, primary_key=True),
    Column("serial", Integer, nullable=False),
)

# The statements of every request, built once.
_OF = and_(_quota.c.site == bindparam("of_site"), _quota.c.school_year == bindparam("of_year"))
_STORED = select(_batch.c.answer).where(_batch.c.digest == bindparam("digest"))
_USAGE = select(_quota.c.used, _quota.c.granted).where(_OF)
_ELEMENTS = bindparam("elements", type_=Integer)
_CHARGE = (
    update(_quota)
    .where(_OF, _quota.c.used + _ELEMENTS <= bindparam("base", type_=Integer) + _quota.c.granted)
    .values(used=_quota.c.used + _ELEMENTS)
    .returning(_quota.c.used, _quota.c.granted)
)
_ENLARGE = update(_quota).where(_OF).values(granted=_quota.c.granted + _ELEMENTS)
_ALL = bindparam("base", type_=Integer) + _quota.c.granted
# Answers that are being kept are kept first, and the next ones wait; SQLite has one writer anyway.
_AFTER_ANSWERS = text("LOCK TABLE service_batch IN SHARE MODE")
_USE_UP = update(_quota).where(_OF, _quota.c.used < _ALL).values(used=_ALL)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a site has used of its quota in a school year, and what was granted on top."""

    used: int
    granted: int


def open_store(url: str) -> Engine:
    """The engine of the service's database, with its tables; a new SQLite file is readable by its owner only.

    Args:
        url: SQLAlchemy URL, `sqlite:///service.sqlite` or `postgresql+psycopg://…`.
    """
    engine = create_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        if engine.url.database:
            make_private(Path(engine.url.database), b"")
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    _metadata.create_all(engine)
    return engine


def reading(engine: Engine) -> Engine:
    """The same engine for reading only: on SQLite it does not wait for a writer."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def stored_answer(connection: Connection, digest: bytes) -> bytes | None:
    """The answer to a batch that was answered before, or None."""
    return connection.execute(_STORED, {"digest": digest}).scalar()


def usage(connection: Connection, site: str, school_year: str) -> Usage:
    """What is used and granted; zero for a site that never asked."""
    row = connection.execute(_USAGE, {"of_site": site, "of_year": school_year}).first()
    return Usage(0, 0) if row is None else Usage(row.used, row.granted)


def charge(connection: Connection, site: str, school_year: str, elements: int, base: int) -> Usage | None:
    """Take elements from a quota of `base` plus what was granted.

    One conditional update: two batches that race for the last elements cannot both have them.

    Returns:
        The usage with them; None, and nothing taken, if they are too many.
    """
    values = {"of_site": site, "of_year": school_year, "elements": elements, "base": base}
    row = connection.execute(_CHARGE, values).first()
    if row is None:  # too many, or the first batch of the year
        _ensure_quota(connection, site, school_year)
        row = connection.execute(_CHARGE, values).first()
    return None if row is None else Usage(row.used, row.granted)


def use_up(connection: Connection, school_year: str, bases: Mapping[str, int]) -> None:
    """Leave nothing of quotas but what is granted from now on: what was used since a backup, nobody here knows.

    Args:
        connection: to the database that was restored.
        school_year: such as `2026-2027`.
        bases: `base_quota` by site; one that the backup does not know may have asked since.
    """
    for site in bases:
        _ensure_quota(connection, site, school_year)
    rows = [{"of_site": site, "of_year": school_year, "base": base} for site, base in bases.items()]
    if rows:
        connection.execute(_USE_UP, rows)


def store_answer(
    connection: Connection,
    *,
    digest: bytes,
    site: str,
    school_year: str,
    key_id: str,
    elements: int,
    answer: bytes,
    now: datetime,
) -> bool:
    """Keep an answer; False if the same batch was answered in the meantime."""
    row = {
        "digest": digest, "site": site, "school_year": school_year, "key_id": key_id, "elements": elements,
        "answer": answer, "answered_at": now,
    }  # fmt: skip
    return _insert_new(connection, _batch, row)


def register_serial(connection: Connection) -> int:
    """The serial of the newest register this service worked with; 0 before the first."""
    return connection.execute(select(_register.c.serial)).scalar() or 0


def accept_register(connection: Connection, serial: int) -> bool:
    """Note the serial of a newer register; False if another request did so already."""
    _insert_new(connection, _register, {"only": 1, "serial": 0})
    newer = connection.execute(update(_register).where(_register.c.serial < serial).values(serial=serial))
    return newer.rowcount == 1


def grant_quota(
    engine: Engine,
    append: Append,
    *,
    site: str,
    school_year: str,
    elements: int,
    reason: GrantReason,
    now: datetime,
) -> Usage:
    """Enlarge a site's quota for a school year, with its audit entry.

    Args:
        engine: from `open_store`.
        append: writes the audit entry in the same transaction.
        site: the site's code.
        school_year: such as `2026-2027`.
        elements: 1 to 10,000; more takes several grants, each with its entry.
        reason: from the closed list.
        now: UTC.

    Raises:
        PseudonymisationError: the number of elements is out of range.
    """
    if not 1 <= elements <= MAX_GRANT:
        raise PseudonymisationError(f"one grant is 1 to {MAX_GRANT} elements")
    with engine.begin() as connection:
        _ensure_quota(connection, site, school_year)
        connection.execute(_ENLARGE, {"of_site": site, "of_year": school_year, "elements": elements})
        row = {"site": site, "school_year": school_year, "elements": elements, "reason": reason.value}
        connection.execute(insert(_grant).values(**row, granted_at=now))
        append(connection, "quota-granted", row)
        return usage(connection, site, school_year)


def close_year(engine: Engine, append: Append, keyring: Keyring, school_year: str) -> bool:
    """End a school year: its answers are erased and its keys destroyed; quotas and grants stay for accountability.

    Its keys go out of use first, and what was evaluated until then is waited for: nothing is answered under a key that
    the log calls destroyed, and no answer stays. The answers go next: running this again after a crash completes it.

    Returns:
        Whether it still had a key; one that was closed already gets no second entry.

    Raises:
        KeyringError: the year never had a key; nothing was done.
    """
    doomed = [record for record in keyring.records() if record.school_year == school_year]
    if not doomed:
        years = sorted({record.school_year for record in keyring.records() if record.school_year is not None})
        raise KeyringError("year-never-opened", year=school_year, years=", ".join(years))
    had_key = any(record.state is not KeyState.DESTROYED for record in doomed)
    for record in doomed:
        if record.state is KeyState.ACTIVE:
            keyring.retire(record.key_id)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(_AFTER_ANSWERS)
        connection.execute(delete(_batch).where(_batch.c.school_year == school_year))
        if had_key:
            append(connection, "school-year-closed", {"school_year": school_year})
    keyring.destroy(*(record.key_id for record in doomed))
    return had_key


def _ensure_quota(connection: Connection, site: str, school_year: str) -> None:
    _insert_new(connection, _quota, {"site": site, "school_year": school_year, "used": 0, "granted": 0})


def _insert_new(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**row).on_conflict_do_nothing().returning(literal(1))
    return connection.execute(statement).first() is not None


def _prepare_sqlite(dbapi_connection: Any, _: object) -> None:  # noqa: ANN401  SQLAlchemy hands over the driver's own
    dbapi_connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
