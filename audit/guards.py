"""Append-only in the database too: triggers and, on PostgreSQL, what each role may do.

What no role of the database can do while the triggers stand: change or empty a table of the log, leave a gap, store
two roots for one size, replace a row (`INSERT OR REPLACE`), take an entry from the waiting room without putting it in
the log, add to a closed log, or delete entries before the end of their retention. Whoever owns the file or is
superuser can drop triggers; then the checkpoints others hold show it.
"""

import re
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, Table

from audit.errors import AuditError
from audit.schema import (
    CHECKPOINT,
    CLOSING,
    COSIGNATURE,
    DERIVED,
    ENTRY,
    EVIDENCE,
    INDEX,
    LOG,
    METADATA,
    NODE,
    PENDING,
    SUBJECT,
)

KEEP_AT_LEAST_MS: Final = 5 * 365 * 86_400_000
"""Five years (NEN 7513): no closed log can be given an earlier end."""

_KEPT: Final = (*EVIDENCE, *DERIVED)
_EXPIRING: Final = frozenset({ENTRY, NODE, *DERIVED})
_WITH_ROWID: Final = (ENTRY, CHECKPOINT, COSIGNATURE, INDEX)
"""Tables in which SQLite gives each row a number beside its key."""

# When a row may not be inserted: (table, condition on NEW, why), in the SQL that both engines share.
_NEXT_INDEX: Final = "coalesce((SELECT max(idx) + 1 FROM audit_entry WHERE log = NEW.log), 0)"
_NEXT_POSITION: Final = "coalesce((SELECT max(position) + 1 FROM audit_node WHERE log = NEW.log), 0)"
_LAST_SIZE: Final = "coalesce((SELECT max(size) FROM audit_checkpoint WHERE log = NEW.log), -1)"
_IS_CLOSED: Final = "EXISTS (SELECT 1 FROM audit_closing WHERE log = NEW.log)"

_COSIGNED: Final = "SELECT 1 FROM audit_cosignature WHERE log = NEW.log AND size = NEW.size AND witness = NEW.witness"
_SIGNED: Final = "SELECT 1 FROM audit_checkpoint WHERE log = NEW.log AND size = NEW.size"
_ENTERED: Final = "SELECT 1 FROM audit_entry WHERE source = NEW.source"

_SMALL_RULES: Final = (
    (
        CLOSING,
        f"{_IS_CLOSED} OR NEW.size <> {_NEXT_INDEX} OR NEW.keep_until < {{now}} + {KEEP_AT_LEAST_MS}",
        "closes a log once, at its size, and keeps it five years or more",
    ),
    (CHECKPOINT, f"NEW.size <= {_LAST_SIZE} OR NEW.size > {_NEXT_INDEX}", "one root for a size, and never one back"),
    (COSIGNATURE, f"EXISTS ({_COSIGNED}) OR NOT EXISTS ({_SIGNED})", "is there already or belongs to no checkpoint"),
)
_BULK_RULES: Final = (
    (
        ENTRY,
        f"NEW.idx <> {_NEXT_INDEX} OR {_IS_CLOSED} OR EXISTS ({_ENTERED})",
        "the next entry has the next index, enters once, and a closed log gets none",
    ),
    (NODE, f"NEW.position <> {_NEXT_POSITION}", "the next node has the next position"),
)
NOW: Final = {
    "sqlite": "unixepoch() * 1000",
    "postgresql": "(extract(epoch from clock_timestamp()) * 1000)::bigint",
}
"""The clock of the database, in milliseconds since 1970 UTC."""
_MAY_EXPIRE: Final = "EXISTS (SELECT 1 FROM audit_closing c WHERE c.log = OLD.log AND c.keep_until < {now})"
_IN_THE_LOG: Final = "EXISTS (SELECT 1 FROM audit_entry e WHERE e.source = OLD.id AND e.data = OLD.data)"


def guards(dialect: str) -> tuple[str, ...]:
    """The statements that put the triggers in place, for `sqlite` or `postgresql`; they may be run again."""
    try:
        statements = {"sqlite": _sqlite, "postgresql": _postgresql}[dialect]
    except KeyError:
        raise AuditError(f"no guards for {dialect}: the log lives in SQLite or PostgreSQL") from None
    return tuple(statements())


def create(connection: Connection) -> None:
    """Make the tables and their guards where they are missing."""
    METADATA.create_all(connection)
    for statement in guards(connection.dialect.name):
        connection.exec_driver_sql(statement)


def _sqlite() -> Iterator[str]:
    now = NOW["sqlite"]

    def trigger(table: Table, moment: str, when: str, why: str, *, name: str = "", after: bool = False) -> str:
        return (
            f"CREATE TRIGGER IF NOT EXISTS {table.name}_{name or moment.lower()}_guard "
            f"{'AFTER' if after else 'BEFORE'} {moment} ON {table.name} WHEN {when} "
            f"BEGIN SELECT RAISE(ABORT, 'audit: {table.name}: {why}'); END"
        )

    for table in (*_KEPT, PENDING, SUBJECT):
        yield trigger(table, "UPDATE", "1", "is append-only")
    for table in _KEPT:
        may = _MAY_EXPIRE.format(now=now) if table in _EXPIRING else "0"
        yield trigger(table, "DELETE", f"NOT {may}", "is kept")
    yield trigger(PENDING, "DELETE", f"NOT {_IN_THE_LOG}", "leaves the waiting room only for the log")
    yield trigger(PENDING, "INSERT", "EXISTS (SELECT 1 FROM audit_pending WHERE id = NEW.id)", "is there already")
    there = "EXISTS (SELECT 1 FROM audit_index WHERE log = NEW.log AND idx = NEW.idx)"
    yield trigger(INDEX, "INSERT", there, "is there already")
    there = "EXISTS (SELECT 1 FROM audit_log WHERE log = NEW.log OR origin = NEW.origin)"
    yield trigger(LOG, "INSERT", there, "is there already")
    for table, when, why in (*_SMALL_RULES, *_BULK_RULES):
        yield trigger(table, "INSERT", when.format(now=now), why)
    # Replacing the row that has a rowid fires no DELETE. Before an insert a rowid that is not chosen reads as -1, so no
    # row may have that one, or nothing more would get in.
    for table in _WITH_ROWID:
        there = f"EXISTS (SELECT 1 FROM {table.name} WHERE rowid = NEW.rowid)"  # noqa: S608  our own tables
        yield trigger(table, "INSERT", there, "is there already", name="rowid")
    for table in (*_WITH_ROWID, PENDING):
        yield trigger(table, "INSERT", "NEW.rowid < 1", "counts from 1", name="place", after=True)


def _postgresql() -> Iterator[str]:
    now = NOW["postgresql"]
    yield _function("audit_refuse", f"{_raise('append-only')};")
    yield _check("audit_keep", f"NOT {_MAY_EXPIRE.format(now=now)}", "is kept", "OLD")
    yield _check("audit_admit", f"NOT {_IN_THE_LOG}", "leaves the waiting room only for the log", "OLD")
    for table in (*_KEPT, PENDING):
        deletes = table in _EXPIRING or table is PENDING
        moments = "UPDATE OR TRUNCATE" if deletes else "UPDATE OR DELETE OR TRUNCATE"
        yield from _trigger(table, "change", f"BEFORE {moments} ON {table.name} FOR EACH STATEMENT", "audit_refuse")
        if deletes:
            check = "audit_admit" if table is PENDING else "audit_keep"
            yield from _trigger(table, "delete", f"BEFORE DELETE ON {table.name} FOR EACH ROW", check)
    yield from _trigger(SUBJECT, "change", f"BEFORE UPDATE ON {SUBJECT.name} FOR EACH STATEMENT", "audit_refuse")
    for table, when, why in _SMALL_RULES:
        yield _check(f"{table.name}_rule", when.format(now=now), why, "NEW")
        yield from _trigger(table, "insert", f"BEFORE INSERT ON {table.name} FOR EACH ROW", f"{table.name}_rule")
    for table, column in ((ENTRY, "idx"), (NODE, "position")):
        yield _function(f"{table.name}_rule", _no_gap(table, column), _GAP_VARIABLES)
        moment = f"AFTER INSERT ON {table.name} REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT"
        yield from _trigger(table, "insert", moment, f"{table.name}_rule")


# A statement may insert many rows at once; together they must continue the log that is there.
_GAP_VARIABLES: Final = "DECLARE part record;"
_NO_GAP: Final = """
  FOR part IN SELECT log, min({column}) AS low, max({column}) AS high, count(*) AS many FROM fresh GROUP BY log LOOP
    IF part.high - part.low + 1 <> part.many
       OR part.low <> coalesce(
         (SELECT max({column}) + 1 FROM {table} WHERE log = part.log AND {column} < part.low), 0)
       OR EXISTS (SELECT 1 FROM audit_closing WHERE log = part.log) THEN
      {refusal};
    END IF;
  END LOOP;
  RETURN NULL;
"""


def _no_gap(table: Table, column: str) -> str:
    refusal = _raise("no gaps, and a closed log gets none")
    return _NO_GAP.format(table=table.name, column=column, refusal=refusal)


def _raise(why: str) -> str:
    return f"RAISE EXCEPTION USING MESSAGE = 'audit: ' || TG_OP || ' on ' || TG_TABLE_NAME || ' is refused: {why}'"


def _function(name: str, body: str, variables: str = "") -> str:
    """A trigger function that looks at the log's own schema only: else a temporary table of that name would fool it."""
    own = "PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA) || ', pg_temp', true);"
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog "
        f"AS $$ {variables} BEGIN {own} {body} END $$"
    )


def _check(name: str, when: str, why: str, row: str) -> str:
    return _function(name, f"IF {when} THEN {_raise(why)}; END IF; RETURN {row};")


def _trigger(table: Table, name: str, moment: str, function: str) -> Iterator[str]:
    full = f"{table.name}_{name}_guard"
    yield f"CREATE OR REPLACE TRIGGER {full} {moment} EXECUTE FUNCTION {function}()"
    # ALWAYS: also under session_replication_role = replica.
    yield f"ALTER TABLE {table.name} ENABLE ALWAYS TRIGGER {full}"


_ROLE: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def grants(*, app: str, sequencer: str, officer: str) -> tuple[str, ...]:
    """What three existing PostgreSQL roles may do; the owner of the tables runs this, again after each migration.

    Args:
        app: Adds entries, counts those that wait, and reads for proofs; cannot choose an entry's place or touch the
            evidence.
        sequencer: Gives indexes, stores nodes, checkpoints and cosignatures; cannot change or erase them.
        officer: Reads.
    """
    for role in (app, sequencer, officer):
        if not _ROLE.fullmatch(role):
            raise AuditError("a role is named in lower-case letters, digits and underscores")
    evidence = ", ".join(table.name for table in _KEPT)
    return (
        f"GRANT SELECT ON {evidence} TO {app}, {sequencer}, {officer}",
        f"GRANT INSERT (data) ON {PENDING.name} TO {app}, {sequencer}",
        f"GRANT SELECT (id) ON {PENDING.name} TO {app}",
        f"GRANT SELECT, DELETE ON {PENDING.name} TO {sequencer}",
        f"GRANT INSERT ON {evidence} TO {sequencer}",
        f"GRANT DELETE ON {', '.join(sorted(table.name for table in _EXPIRING))} TO {sequencer}",
        f"GRANT SELECT, INSERT, DELETE ON {SUBJECT.name} TO {app}",
    )
