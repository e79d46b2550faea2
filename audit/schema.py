"""The tables of the log. Every column is declared here: what it holds and who may see it.

- Evidence, append-only (see `guards`): `audit_log`, `audit_entry`, `audit_node`, `audit_checkpoint`,
  `audit_cosignature`, `audit_closing`.
- Waiting room: `audit_pending`; an entry leaves it only for the log.
- Search help, derived from the bytes of the entries: `audit_index`, `audit_mark`.
- Erasable, and no part of the evidence: `audit_subject`.

Times are milliseconds since 1970 UTC; hashes and salts are raw bytes.
"""

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.event import listen

METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_key",
        "uq": "%(table_name)s_%(column_0_name)s_once",
        "ck": "%(table_name)s_%(constraint_name)s",
        "ix": "%(table_name)s_%(column_0_name)s",
    }
)

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_NO_NEWLINE = {"sqlite": "instr(data, x'0a') = 0", "postgresql": "position('\\x0a'::bytea in data) = 0"}


def _bytes_of_an_entry() -> list[CheckConstraint]:
    """An entry is one line of at most 4 KiB, so that the lines of an export are the entries."""
    return [
        CheckConstraint("length(data) BETWEEN 2 AND 4096", name="length"),
        *(CheckConstraint(rule, name="line").ddl_if(dialect=dialect) for dialect, rule in _NO_NEWLINE.items()),
    ]


PENDING = Table(
    "audit_pending",
    METADATA,
    Column("id", _NUMBER, Identity(always=True), primary_key=True, comment="order of arrival; never used again"),
    Column("data", LargeBinary, nullable=False, comment="exact bytes of an entry that has no index yet"),
    *_bytes_of_an_entry(),
    sqlite_autoincrement=True,
    sqlite_strict=True,
)

LOG = Table(
    "audit_log",
    METADATA,
    Column("log", _NUMBER, primary_key=True, autoincrement=False, comment="1, 2, …: one log a year"),
    Column("origin", Text, nullable=False, unique=True, comment="name in every checkpoint, public"),
    Column("key", Text, nullable=False, comment="verifier key (vkey) that signs its checkpoints, public"),
    sqlite_strict=True,
)

CLOSING = Table(
    "audit_closing",
    METADATA,
    Column("log", _NUMBER, primary_key=True, autoincrement=False),
    Column("size", _NUMBER, nullable=False, comment="size of the final checkpoint"),
    Column("keep_until", _NUMBER, nullable=False, comment="from then on its entries may be erased as a whole"),
    sqlite_strict=True,
)

ENTRY = Table(
    "audit_entry",
    METADATA,
    Column("log", _NUMBER, primary_key=True, autoincrement=False),
    Column("idx", _NUMBER, primary_key=True, autoincrement=False, comment="leaf index, from 0, without gaps"),
    Column("hash", LargeBinary, nullable=False, index=True, comment="leaf hash of the data, public"),
    Column("source", _NUMBER, nullable=False, unique=True, comment="id in the waiting room: no entry enters twice"),
    Column("data", LargeBinary, nullable=False, comment="exact bytes; privacy officers only"),
    *_bytes_of_an_entry(),
    sqlite_strict=True,
)

NODE = Table(
    "audit_node",
    METADATA,
    Column("log", _NUMBER, primary_key=True, autoincrement=False),
    Column("position", _NUMBER, primary_key=True, autoincrement=False, comment="see merkle.position, without gaps"),
    Column("hash", LargeBinary, nullable=False, comment="hash of a perfect subtree, public"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

CHECKPOINT = Table(
    "audit_checkpoint",
    METADATA,
    Column("log", _NUMBER, primary_key=True, autoincrement=False),
    Column("size", _NUMBER, primary_key=True, autoincrement=False, comment="one root for a size, for ever"),
    Column("note", Text, nullable=False, comment="signed checkpoint, public"),
    Column("made", _NUMBER, nullable=False, comment="when it was signed"),
    sqlite_strict=True,
)

COSIGNATURE = Table(
    "audit_cosignature",
    METADATA,
    Column("log", _NUMBER, primary_key=True, autoincrement=False),
    Column("size", _NUMBER, primary_key=True, autoincrement=False),
    Column("witness", Text, primary_key=True, comment="verifier key of the witness, public"),
    Column("line", Text, nullable=False, comment="its signature line, public"),
    sqlite_strict=True,
)

INDEX = Table(
    "audit_index",
    METADATA,
    Column("log", _NUMBER, primary_key=True, autoincrement=False),
    Column("idx", _NUMBER, primary_key=True, autoincrement=False),
    Column("ts", _NUMBER, nullable=False),
    Column("event", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("recipient", Text),
    Column("period", Text),
    Column("purpose", Text),
    Column("basis", Text),
    Column("object", Text),
    Index(None, "ts"),
    Index(None, "event", "log", "idx"),
    Index(None, "decision", "log", "idx"),
    Index(None, "recipient", "log", "idx"),
    Index(None, "period", "log", "idx"),
    Index(None, "purpose", "log", "idx"),
    Index(None, "object", "log", "idx"),
    sqlite_strict=True,
)

# Events, purposes and periods go together: without knowing that, PostgreSQL walks a million rows for a question that
# nothing fits.
_FACETS = (
    "CREATE STATISTICS IF NOT EXISTS audit_index_facets (mcv) ON event, decision, purpose, period FROM audit_index"
)
_statistics = DDL(_FACETS).execute_if(dialect="postgresql")  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
listen(INDEX, "after_create", _statistics)

MARK = Table(
    "audit_mark",
    METADATA,
    Column(
        "word",
        Text,
        primary_key=True,
        comment="`party:` and an organisation that is actor, party or recipient, of this or of what this corrects; "
        "`rule:` and an id; `corrects:` and a leaf hash",
    ),
    Column("log", _NUMBER, primary_key=True, autoincrement=False),
    Column("idx", _NUMBER, primary_key=True, autoincrement=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

SUBJECT = Table(
    "audit_subject",
    METADATA,
    Column("root", LargeBinary, primary_key=True, comment="subjects_root of an entry"),
    Column("school_year", Text, nullable=False, comment="whose log key made the tags; erased with that key"),
    Column("slots", LargeBinary, nullable=False, comment="salt and tag of each leaf, 48 bytes (audit.subjects)"),
    sqlite_strict=True,
)

EVIDENCE = (LOG, CLOSING, ENTRY, NODE, CHECKPOINT, COSIGNATURE)
DERIVED = (INDEX, MARK)
