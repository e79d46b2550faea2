"""The two kinds of new key, number changes, and the end of pids; the table and the transaction are the caller's.

**A school year** starts with a key of its own: `Keyring.open`. Nothing moves, and two years do not join.

**After a leak** the stored pids are re-keyed, and no school is asked. Steps; running them again completes them:

1. `succeed`: a new key follows the leaked one; deliveries from now on pass through both (`Keyring.chain`);
   `half_succeeded` finds the key to name again when that broke off;
2. `rekey`, in one transaction with its audit entry: every pid under the leaked key becomes one under the new key.
   A delivery that was under way in step 1 must not commit under the leaked key later: whoever stores it looks again;
3. `renounce`, at the start of the next period: a fresh key alone. Once that is logged the leaked ones are destroyed
   (`Keyring.links`, `Keyring.destroy`); `half_renounced` finds the key to name again when that broke off.

**At the end of the retention** `erase` removes the rows and `Keyring.destroy` the key, in this order. After a restore
`keyless` names the key ids whose rows came back without a key; `erase` removes those too.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, TableClause, and_, column, delete, func, select, text, update
from sqlalchemy import table as sql_table

from pseudonymisation.domain import Domain
from pseudonymisation.errors import KeyringError, PseudonymisationError
from pseudonymisation.keyring import KeyRecord, Keyring, KeyState
from pseudonymisation.pseudonym import rekeyer

_CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class NumberConflict:
    """Number changes that cannot be made; nothing was changed.

    Attributes:
        index: position of the pair, from 0.
        reason: `ambiguous` if a pseudonym stands in two pairs, `both-present` if one delivery has both numbers.
    """

    index: int
    reason: str


def succeed(keyring: Keyring, leaked: str) -> KeyRecord:
    """A new active key in the place of a leaked one, whose pids it re-keys; the leaked one becomes decrypt-only.

    Raises:
        KeyringError: the key is unknown or was never in use.
    """
    record = keyring.record(leaked)
    if record is None or record.state not in (KeyState.ACTIVE, KeyState.DECRYPT_ONLY):
        raise KeyringError("not-in-use", key=leaked)
    for other in keyring.records():
        if other.previous == leaked and other.state in (KeyState.PRE_ACTIVE, KeyState.ACTIVE):
            return keyring.activate(other.key_id)
    if record.state is not KeyState.ACTIVE:
        raise KeyringError("succeeded", key=leaked)
    made = keyring.create(
        record.purpose,
        record.school_year,
        not_before=record.not_before,
        not_after=record.not_after,
        previous=leaked,
    )
    return keyring.activate(made.key_id)


def half_succeeded(keyring: Keyring, purpose: str, school_year: str) -> KeyRecord | None:
    """The leaked key to `succeed` once more, because that broke off: out of use, and its successor not yet in use."""
    for record in keyring.of(purpose, school_year, KeyState.PRE_ACTIVE):
        leaked = keyring.record(record.previous or "")
        if leaked is not None and leaked.state is KeyState.DECRYPT_ONLY:
            return leaked
    return None


def renounce(keyring: Keyring, active: str, *, not_before: date) -> KeyRecord:
    """A fresh key alone from the next period on; no active key passes through the leaked ones any more.

    Args:
        keyring: the gateway's.
        active: the key in use since the leak.
        not_before: first day of the next period.

    Raises:
        KeyringError: the key is unknown, or no key was leaked before it.
    """
    record = keyring.record(active)
    if record is None or record.previous is None:
        raise KeyringError("follows-none", key=active)
    current = keyring.active(record.purpose, record.school_year)
    if current is None or current.key_id == active:
        made = keyring.ready(record.purpose, record.school_year, not_before=not_before, not_after=record.not_after)
        current = keyring.activate(made.key_id)
    return current


def half_renounced(keyring: Keyring, purpose: str, school_year: str) -> KeyRecord | None:
    """The key to `renounce` once more, because that broke off: out of use, and a leaked key before it still opens."""
    records = {record.key_id: record for record in keyring.records()}
    followed = {record.previous for record in records.values()}
    for record in keyring.of(purpose, school_year, KeyState.DECRYPT_ONLY):
        leaked = [] if record.key_id in followed else keyring.links(record.key_id)[:-1]
        if any(records[one].state is not KeyState.DESTROYED for one in leaked):
            return record
    return None


def rekey(connection: Connection, table: Table, *, leaked: str, successor: str, key: bytes, domain: Domain) -> int:
    """Give every pid under the leaked key its successor, in the transaction of the connection.

    On SQLite the pids never leave the database: the keyed function is called by it. On PostgreSQL pairs go through a
    temporary table that ends with the transaction, so that no key reaches the server. Deleted bytes are overwritten on
    SQLite (`secure_delete`); copies in a write-ahead log or a dead tuple last until the next checkpoint or vacuum.

    Args:
        connection: SQLite or PostgreSQL, in a transaction that the caller commits together with the audit entry.
        table: has the columns `key_id` and `pid`.
        leaked: key id of the rows to re-key.
        successor: key id they get.
        key: the secret of the successor, 32 bytes.
        domain: of both keys.

    Returns:
        How many rows were re-keyed.

    Raises:
        PseudonymisationError: another database, or the two keys are the same.
    """
    if leaked == successor:
        raise PseudonymisationError("a key cannot succeed itself")
    function = rekeyer(key, domain)
    match connection.dialect.name:
        case "sqlite":
            pid = _sqlite_function(connection, function)(table.c.pid)
            statement = update(table).where(table.c.key_id == leaked)
        case "postgresql":
            pairs = _postgresql_pairs(connection, table, leaked, function)
            pid = pairs.c.new
            statement = update(table).where(table.c.key_id == leaked, table.c.pid == pairs.c.old)
        case other:
            raise PseudonymisationError(f"re-keying knows SQLite and PostgreSQL, not {other}")
    return connection.execute(statement.values(key_id=successor, pid=pid)).rowcount


def change_numbers(
    connection: Connection,
    table: Table,
    *,
    key_id: str,
    pairs: Sequence[tuple[bytes, bytes]],
    unit: ColumnElement[Any],
    within: ColumnElement[bool] | None = None,
) -> int | NumberConflict:
    """Let pupils whose number changed go on under the new one, in the transaction of the connection.

    Args:
        connection: in a transaction that the caller commits together with the audit entry.
        table: has the columns `key_id` and `pid`.
        key_id: of both pids of each pair.
        pairs: old and new pid, 16 bytes each.
        unit: the column within which a pid stands at most once, such as the submission.
        within: which rows may change, such as those of the school that asks; all of them if None.

    Returns:
        How many rows changed; or the conflict that kept all of them from changing.
    """
    if (ambiguous := _ambiguous(pairs)) is not None:
        return NumberConflict(ambiguous, "ambiguous")
    under = table.c.key_id == key_id if within is None else and_(table.c.key_id == key_id, within)
    for index, pair in enumerate(pairs):
        both = select(unit).where(under, table.c.pid.in_(pair)).group_by(unit)
        if connection.execute(both.having(func.count() > 1)).first() is not None:
            return NumberConflict(index, "both-present")
    changed = 0
    for old, new in pairs:
        statement = update(table).where(under, table.c.pid == old).values(pid=new)
        changed += connection.execute(statement).rowcount
    return changed


def erase(connection: Connection, table: Table, key_ids: Collection[str]) -> int:
    """Delete every row under these keys, in the transaction of the connection; how many there were."""
    _overwrite_deleted(connection)
    return connection.execute(delete(table).where(table.c.key_id.in_(key_ids))).rowcount


def keyless(connection: Connection, table: Table, keyring: Keyring) -> list[str]:
    """The key ids of rows whose key is unknown or destroyed: what a restored backup brings back and may not keep."""
    found = connection.execute(select(table.c.key_id).distinct()).scalars()
    records = {record.key_id: record for record in keyring.records()}
    return sorted(one for one in found if one not in records or records[one].state is KeyState.DESTROYED)


def _ambiguous(pairs: Sequence[tuple[bytes, bytes]]) -> int | None:
    seen: set[bytes] = set()
    for index, (old, new) in enumerate(pairs):
        if old == new or old in seen or new in seen:
            return index
        seen |= {old, new}
    return None


def _overwrite_deleted(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA secure_delete=ON"))


def _sqlite_function(
    connection: Connection, function: Callable[[bytes], bytes]
) -> Callable[[ColumnElement[bytes]], ColumnElement[bytes]]:
    _overwrite_deleted(connection)
    driver: Any = connection.connection.driver_connection
    driver.create_function("nl_verzuim_rekey", 1, function, deterministic=True)
    return func.nl_verzuim_rekey


def _postgresql_pairs(
    connection: Connection, table: Table, leaked: str, function: Callable[[bytes], bytes]
) -> TableClause:
    """A temporary table of every pid under the leaked key and its successor."""
    connection.execute(text("CREATE TEMP TABLE nl_verzuim_rekey (old bytea, new bytea) ON COMMIT DROP"))
    found = select(table.c.pid).where(table.c.key_id == leaked).distinct()
    driver: Any = connection.connection.driver_connection
    rows = connection.execute(found, execution_options={"stream_results": True, "yield_per": _CHUNK})
    for chunk in rows.scalars().partitions():
        with driver.cursor() as cursor, cursor.copy("COPY nl_verzuim_rekey FROM STDIN BINARY") as copy:
            copy.set_types(["bytea", "bytea"])
            for old in chunk:
                copy.write_row((old, function(old)))
    connection.execute(text("ANALYZE nl_verzuim_rekey"))
    return sql_table("nl_verzuim_rekey", column("old"), column("new"))
