"""Every table of a backup as a member of JSON lines, out of one database and into another, of either kind.

A line is the list of a row's values in the order of the columns; what JSON has no form for says what it is.
"""

import base64
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, func, insert, select, text, update
from sqlmodel import SQLModel

from audit import schema as audit_schema
from gateway import budgets, shelf  # noqa: F401  their tables are part of a backup
from gateway.messages import MendableError

_GATEWAY: Final = SQLModel.metadata  # complete once `budgets` and `shelf` are imported
_CHUNK: Final = 5_000


def tables() -> list[Table]:
    """Every table, those first to which others refer."""
    return [*_GATEWAY.sorted_tables, *audit_schema.METADATA.sorted_tables]


def lines_of(connection: Connection, table: Table) -> Iterator[bytes]:
    """The lines of one table, in the order of its primary key."""
    keys = list(table.primary_key.columns)
    found = connection.execution_options(yield_per=_CHUNK).execute(select(table).order_by(*keys))
    for row in found:
        yield json.dumps([_plain(value) for value in row], ensure_ascii=False).encode() + b"\n"


def _plain(value: object) -> object:
    """A value as JSON; what JSON has no form for says what it is."""
    match value:
        case bytes():
            return {"bytes": base64.b64encode(value).decode()}
        case datetime():
            return {"moment": value.isoformat()}
        case date():
            return {"day": value.isoformat()}
        case _:
            return value


def _value(plain: Any) -> object:  # noqa: ANN401  JSON
    if not isinstance(plain, dict):
        return plain
    ((form, written),) = plain.items()
    return _FORMS[form](written)


_FORMS: Final[Mapping[str, Callable[[str], object]]] = {
    "bytes": base64.b64decode,
    "moment": datetime.fromisoformat,
    "day": date.fromisoformat,
}


def rows_in(archive: zipfile.ZipFile, table: Table) -> Iterator[dict[str, object]]:
    """The rows of one table in a backup, by column.

    Raises:
        MendableError: the backup lacks the table.
    """
    names, member = [column.name for column in table.columns], f"{table.name}.jsonl"
    if member not in archive.namelist():
        raise MendableError("backup-torn", name=member)
    with archive.open(member) as lines:
        for line in lines:
            yield dict(zip(names, map(_value, json.loads(line)), strict=True))


def fill(connection: Connection, archive: zipfile.ZipFile) -> int:
    """Bring every row of a backup into empty tables, and let numbers go on after the last one; how many rows.

    Raises:
        MendableError: the backup lacks a table.
    """
    many = sum(_load(connection, table, rows_in(archive, table)) for table in tables())
    _go_on_counting(connection)
    return many


def _load(connection: Connection, table: Table, found: Iterator[dict[str, object]]) -> int:
    """The rows of one table; what refers to one of its own, such as a correction, is told once all are there."""
    own = [column.name for column in table.columns if any(key.references(table) for key in column.foreign_keys)]
    referring: list[dict[str, object]] = []
    always = table is audit_schema.PENDING and connection.dialect.name == "postgresql"
    statement = text(_OVERRIDING) if always else insert(table)
    many = 0
    while rows := list(islice(found, _CHUNK)):
        if own:
            referring += [row for row in rows if any(row[name] is not None for name in own)]
            rows = [row | dict.fromkeys(own) for row in rows]
        connection.execute(statement, rows)
        many += len(rows)
    for row in referring:
        mine = and_(*(column == row[column.name] for column in table.primary_key))
        connection.execute(update(table).where(mine).values({name: row[name] for name in own}))
    return many


def _go_on_counting(connection: Connection) -> None:
    """Numbers that the database gives out go on after the last one used, in the waiting room of the log too."""
    entry, pending = audit_schema.ENTRY, audit_schema.PENDING
    used = [connection.scalar(select(func.max(column))) or 0 for column in (entry.c.source, pending.c.id)]
    if connection.dialect.name == "sqlite":
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'audit_pending'"))
        connection.execute(text("INSERT INTO sqlite_sequence VALUES ('audit_pending', :last)"), {"last": max(used)})
        return
    last = {(pending.name, "id"): max(used)}
    for table in _GATEWAY.sorted_tables:
        counted = table.autoincrement_column
        if counted is not None and not counted.foreign_keys:
            last[table.name, counted.name] = connection.scalar(select(func.max(counted))) or 0
    for (of, column), number in last.items():
        sequence = func.pg_get_serial_sequence(of, column)
        connection.execute(select(func.setval(sequence, max(number, 1), number > 0)))


_OVERRIDING: Final = "INSERT INTO audit_pending (id, data) OVERRIDING SYSTEM VALUE VALUES (:id, :data)"
