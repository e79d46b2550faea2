"""Grow the stored tree by the entries that wait, and recount it from what was signed."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, LargeBinary, Row, Table, Text, select

from audit.checkpoint import Checkpoint
from audit.errors import LogBrokenError, NotLoggedError
from audit.merkle import Edge, cover, leaf_hash, position, stored
from audit.proofs import nodes
from audit.schema import ENTRY, INDEX, MARK, NODE, PENDING
from audit.timeline import index_rows


def waiting(
    connection: Connection, limit: int, only: bytes | None = None, *, after: int = 0
) -> Sequence[Row[int, bytes]]:
    """The first entries in the waiting room that came `after` this one, or one particular entry."""
    query = select(PENDING.c.id, PENDING.c.data).where(PENDING.c.id > after).order_by(PENDING.c.id).limit(limit)
    return connection.execute(query if only is None else query.where(PENDING.c.data == only)).all()


def grow(connection: Connection, log: int, size: int, entries: Sequence[Row[int, bytes]]) -> int:
    """Give waiting entries the indexes from `size` on; returns how many.

    Raises:
        LogBrokenError: The log lost nodes.
    """
    if not entries:
        return 0
    leaves = [leaf_hash(data) for _, data in entries]
    fresh = _edge_at(connection, log, size).extend(leaves)
    rows = [
        (log, idx, leaf, source, data)
        for idx, (leaf, (source, data)) in enumerate(zip(leaves, entries, strict=True), start=size)
    ]
    _put(connection, ENTRY, rows)
    index, marks = index_rows(connection, log, size, [data for _, data in entries])
    _put(connection, NODE, [(log, place, each) for place, each in enumerate(fresh, start=stored(size))])
    _put(connection, INDEX, index)
    _put(connection, MARK, marks)
    _take_away(connection, [source for source, _ in entries])
    return len(entries)


def _put(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows with values for all columns in order: on PostgreSQL as one statement, with an array per column."""
    if not rows:
        return
    names = ", ".join(column.name for column in table.columns)
    if connection.dialect.name == "postgresql":
        arrays = ", ".join(f"%s::{_ARRAYS[type(column.type)]}[]" for column in table.columns)
        statement = f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608  our own names
        connection.exec_driver_sql(statement, tuple(map(list, zip(*rows, strict=True))))
    else:
        marks = ", ".join("?" for _ in table.columns)
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", list(rows))  # noqa: S608  likewise


_ARRAYS: Final = {BigInteger: "bigint", LargeBinary: "bytea", Text: "text"}


def _take_away(connection: Connection, sources: list[int]) -> None:
    """Empty the waiting room of the entries that are in the log now; the guards check that each of them is."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DELETE FROM audit_pending WHERE id = ANY(%s)", (sources,))
    else:
        connection.exec_driver_sql("DELETE FROM audit_pending WHERE id = ?", [(source,) for source in sources])


def _edge_at(connection: Connection, log: int, size: int) -> Edge:
    peaks = [position(node) for node in cover(0, size)]
    try:
        found = nodes(connection, log, peaks)
    except NotLoggedError:
        raise LogBrokenError(f"log {log} lost nodes of its tree of {size} entries") from None
    return Edge(size, [found[each] for each in peaks])


def recount(connection: Connection, log: int, signed: Checkpoint) -> Edge:
    """The right edge, from the last signed root and the bytes of the entries since: stored hashes alone prove nothing.

    Raises:
        LogBrokenError: Stored nodes do not give the signed root, or do not fit the entries since.
    """
    edge = _edge_at(connection, log, signed.size)
    if edge.root() != signed.root:
        raise LogBrokenError(f"log {log} does not have the root it signed at size {signed.size}")
    entries = connection.execute(
        select(ENTRY.c.idx, ENTRY.c.data).where(ENTRY.c.log == log, ENTRY.c.idx >= signed.size).order_by(ENTRY.c.idx)
    ).all()
    fresh = edge.extend(leaf_hash(data) for _, data in entries)
    kept = connection.scalars(
        select(NODE.c.hash).where(NODE.c.log == log, NODE.c.position >= stored(signed.size)).order_by(NODE.c.position)
    ).all()
    if [idx for idx, _ in entries] != list(range(signed.size, edge.size)) or fresh != [bytes(each) for each in kept]:
        raise LogBrokenError(f"log {log} has entries after {signed.size} that do not fit its stored nodes")
    return edge
