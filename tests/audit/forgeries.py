"""Statements with which somebody who has SQL would rewrite the log, on a log of five entries, one of them cosigned."""

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from audit.schema import DERIVED, EVIDENCE, PENDING

KEPT = [table.name for table in (*EVIDENCE, *DERIVED)]

EVERYWHERE = [
    *(f"DELETE FROM {table}" for table in KEPT if table != "audit_closing"),  # noqa: S608  our own tables
    "UPDATE audit_entry SET idx = idx + 100",
    "UPDATE audit_entry SET data = hash",
    "UPDATE audit_node SET hash = hash WHERE position = 0",
    "UPDATE audit_checkpoint SET note = 'another'",
    "UPDATE audit_cosignature SET line = 'another'",
    "UPDATE audit_log SET key = 'another'",
    "UPDATE audit_index SET decision = 'permit'",
    "UPDATE audit_mark SET word = 'party:00XX00'",
    "UPDATE audit_subject SET slots = root",
    "DELETE FROM audit_pending",
    "UPDATE audit_pending SET data = data",
    "INSERT INTO audit_closing VALUES (1, 5, 1)",
    "INSERT INTO audit_closing VALUES (1, 4, 99999999999999)",
    "INSERT INTO audit_checkpoint VALUES (1, 4, 'another root', 1)",
    "INSERT INTO audit_checkpoint VALUES (1, 3, 'an earlier root', 1)",
    "INSERT INTO audit_checkpoint VALUES (1, 99, 'a root of entries to come', 1)",
    "INSERT INTO audit_cosignature VALUES (1, 99, 'w', 'of no checkpoint')",
    "INSERT INTO audit_log VALUES (1, 'another origin', 'key')",
    "INSERT INTO audit_node SELECT log, position + 50, hash FROM audit_node WHERE position = 0",
    "INSERT INTO audit_node SELECT log, position, hash FROM audit_node WHERE position = 0",
    "INSERT INTO audit_entry SELECT log, idx + 50, hash, source + 50, data FROM audit_entry WHERE idx = 0",
    "INSERT INTO audit_entry SELECT log, idx + 5, hash, source, data FROM audit_entry WHERE idx = 0",
    "INSERT INTO audit_entry SELECT log, idx, hash, source + 50, data FROM audit_entry WHERE idx = 2",
]
# On SQLite: table with a rowid of its own → a row that may come next in it; with a rowid that is taken, or is no place.
NEXT = {
    "audit_entry": {"log": "1", "idx": "idx + 1", "hash": "hash", "source": "900", "data": "x'7b7d'"},
    "audit_checkpoint": {"log": "2", "size": "0", "note": "'another'", "made": "1"},
    "audit_cosignature": {"log": "log", "size": "size", "witness": "'another'", "line": "'its line'"},
    "audit_index": {"log": "1", "idx": "99", "ts": "1", "event": "'x'", "decision": "'x'"},
}
SQLITE = [
    "INSERT OR REPLACE INTO audit_entry SELECT log, idx, hash, source, x'7b7d' FROM audit_entry WHERE idx = 2",
    "INSERT OR REPLACE INTO audit_entry SELECT log, 5, hash, source, x'7b7d' FROM audit_entry WHERE idx = 2",
    "REPLACE INTO audit_node VALUES (1, 3, zeroblob(32))",
    "REPLACE INTO audit_checkpoint SELECT log, size, 'another', made FROM audit_checkpoint",
    "REPLACE INTO audit_log SELECT 2, origin, key FROM audit_log",
    "REPLACE INTO audit_index (log, idx, ts, event, decision) SELECT log, idx, ts, 'x', decision FROM audit_index",
    "REPLACE INTO audit_pending SELECT id, x'7b7d' FROM audit_pending",
    *(
        f"REPLACE INTO {table} (rowid, {', '.join(row)}) SELECT {rowid}, {', '.join(row.values())} FROM {table} "  # noqa: S608
        "ORDER BY rowid DESC LIMIT 1"
        for table, row in NEXT.items()
        for rowid in ("rowid", "-1")
    ),
    "UPDATE OR REPLACE audit_entry SET rowid = 2 WHERE rowid = 3",
    "INSERT INTO audit_pending (id, data) VALUES (-1, x'7b7d')",
    "INSERT INTO audit_pending SELECT id, data FROM audit_pending WHERE 1 ON CONFLICT (id) DO UPDATE SET id = 9",
    "UPDATE OR REPLACE audit_entry SET idx = 1 WHERE idx = 2",
    "INSERT INTO audit_pending (data) VALUES (x'7b0a7d')",
    "INSERT INTO audit_pending (data) VALUES (zeroblob(4097))",
    "INSERT INTO audit_pending (data) VALUES ('text')",
]
POSTGRESQL = [
    *(f"TRUNCATE {table} CASCADE" for table in [*KEPT, PENDING.name]),
    "INSERT INTO audit_pending OVERRIDING SYSTEM VALUE VALUES (6, '\\x7b7d') ON CONFLICT (id) DO UPDATE SET id = 9",
    "INSERT INTO audit_node VALUES (1, 3, '\\x00') ON CONFLICT (log, position) DO UPDATE SET hash = excluded.hash",
    "MERGE INTO audit_node n USING (SELECT 3 AS p) s ON n.position = s.p WHEN MATCHED THEN UPDATE SET hash = '\\x00'",
    "WITH gone AS (DELETE FROM audit_entry WHERE idx = 2 RETURNING *) SELECT * FROM gone",
    "INSERT INTO audit_pending (data) VALUES ('\\x7b0a7d')",
]

# A temporary table hides a table of the same name, also from a trigger that does not say which one it means.
SHADOWS = [
    (
        "CREATE TEMP TABLE audit_entry AS SELECT id AS source, data FROM audit_pending",
        "DELETE FROM audit_pending",
    ),
    (
        "CREATE TEMP TABLE audit_closing (log bigint, keep_until bigint)",
        "INSERT INTO pg_temp.audit_closing VALUES (1, 0)",
        "DELETE FROM audit_entry",
    ),
    (
        "CREATE TEMP TABLE audit_checkpoint (log bigint, size bigint)",
        "INSERT INTO public.audit_checkpoint VALUES (1, 4, 'another root', 1)",
    ),
    (
        "CREATE TEMP TABLE audit_entry (log bigint, idx bigint)",
        "INSERT INTO public.audit_entry SELECT 1, 0, '\\x00', 900, '\\x7b7d'",
    ),
    (
        "CREATE TEMP TABLE audit_node (log bigint, position bigint)",
        "INSERT INTO public.audit_node VALUES (2, 7, '\\x00')",
    ),
]


def passes(engine: Engine, *statements: str) -> bool:
    """Whether the database accepts these statements in one transaction; if so they are committed."""
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    except DBAPIError:
        return False
    return True
