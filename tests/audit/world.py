"""A log on a real database of either kind, with a clock and a source of salt that tests can repeat."""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, insert
from sqlalchemy.engine.interfaces import DBAPIConnection

from audit.checkpoint import Cosigner, open_checkpoint
from audit.entry import Activity, Actor, Entry, Object, Policy, Vocabulary
from audit.events import Event, Role
from audit.guards import create
from audit.log import Appended, Log
from audit.merkle import Edge
from audit.note import Key, Signer
from audit.proofs import log_note, signed_size
from audit.schema import CLOSING, COSIGNATURE
from audit.sequencer import Sequencer, Step

T = TypeVar("T")
ORIGIN = "verzuimpoort.example/audit/2026-2027"
SITE, SWV, OPERATOR = "00AB00", "PO2505", "ORG-POORT"
MORNING = 1_795_420_800_000  # 2026-11-23 08:00 UTC
HOUR, DAY = 3_600_000, 86_400_000
ACTIVITY = Activity("https://verzuimpoort.example/register/statutory-counts", "3")
VOCABULARY = Vocabulary(
    operator=OPERATOR,
    purposes=frozenset({"statutory-counts", "absence-insight-swv", "care-with-consent"}),
    bases=frozenset({"AVG 6(1)(e); WPO 40a"}),
    activities=frozenset({ACTIVITY}),
    policies=frozenset({"flows"}),
    rules=frozenset({"COUNT-TOTAL", "COUNT-ORDER", "swv-no-personal-data"}),
    names=frozenset({"statutory-counts", "absence-counts"}),
)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root hash over leaf hashes."""
    edge = Edge()
    edge.extend(leaves)
    return edge.root()


def signer(origin: str = ORIGIN, seed: int = 1) -> Signer:
    """A signing key that every run makes again."""
    return Signer(origin, bytes([seed]) * 32)


def entry(**changes: object) -> Entry:
    """A submission that was received, with the changes a test asks for."""
    usual: dict[str, Any] = {
        "event": Event.SUBMISSION_RECEIVED,
        "actor": Actor(Role.SCHOOL, SITE),
        "party": SITE,
        "period": "2026-2027-1",
        "purpose": "statutory-counts",
        "basis": "AVG 6(1)(e); WPO 40a",
        "activity": ACTIVITY,
        "policy": Policy("flows", bytes(32)),
        "object": Object(f"submission:{0:032x}", bytes(32)),
    }
    return Entry(**(usual | changes))


@dataclass
class World:
    """A database with an empty log, and what writes to it."""

    engine: Engine
    now: int = MORNING
    log: Log = field(init=False)
    sequencer: Sequencer = field(init=False)

    def __post_init__(self) -> None:
        self.log = Log(VOCABULARY, clock=lambda: self.now, random=random.Random(7).randbytes)  # noqa: S311  a test repeats itself
        self.sequencer = self.sequencer_of()

    @property
    def key(self) -> Key:
        """Key of the log."""
        return signer().key

    def sequencer_of(
        self, origin: str = ORIGIN, seed: int = 1, *, heartbeat: int = HOUR, batch: int = 2_000
    ) -> Sequencer:
        """Another sequencer on the same database."""
        return Sequencer(self.engine, self.log, signer(origin, seed), heartbeat=heartbeat, batch=batch)

    def append(self, *entries: Entry) -> list[Appended]:
        """Append in one transaction."""
        with self.engine.begin() as connection:
            return [self.log.append(connection, each) for each in entries]

    def step(self) -> Step:
        """One round of the sequencer."""
        return self.sequencer.step(self.now)

    def grow(self, count: int) -> list[Appended]:
        """Append entries that differ and sequence them."""
        made = self.append(*(entry(object=Object(f"submission:{number:032x}")) for number in range(count)))
        while self.step().more:
            pass
        return made

    def cosign(self, *cosigners: Cosigner, size: int | None = None) -> int:
        """Store the lines of witnesses under a checkpoint, the latest by default; returns its size."""
        with self.engine.begin() as connection:
            at = signed_size(connection, 1) if size is None else size
            tree = open_checkpoint(log_note(connection, 1, at), [self.key]).checkpoint
            for each in cosigners:
                line = str(each.cosign(tree, self.now // 1000))
                connection.execute(insert(COSIGNATURE).values(log=1, size=at, witness=str(each.key), line=line))
        return at

    def read(self, ask: Callable[[Connection], T]) -> T:
        """Ask something of the database."""
        with self.engine.connect() as connection:
            return ask(connection)

    def sql(self, *statements: str) -> None:
        """Run SQL past the product in one transaction, as an adversary would."""
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


def time_passed(dialect: str) -> list[str]:
    """Moves the end of every closed log into the past, which only who owns the database can: the guard is lifted."""
    lift, restore = ["DROP TRIGGER audit_closing_update_guard"], list[str]()
    if dialect == "postgresql":
        lift = ["ALTER TABLE audit_closing DISABLE TRIGGER audit_closing_change_guard"]
        restore = ["ALTER TABLE audit_closing ENABLE ALWAYS TRIGGER audit_closing_change_guard"]
    return [*lift, f"UPDATE {CLOSING.name} SET keep_until = 1", *restore]  # noqa: S608  our own table


def engine_of(url: str) -> Engine:
    """An engine as the product opens it; on SQLite: WAL, every commit durable, write transactions from their start."""
    if not url.startswith("sqlite"):
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _(connection: DBAPIConnection, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def make_world(url: str) -> Iterator[World]:
    """A world on an empty database; closed at the end."""
    engine = engine_of(url)
    try:
        with engine.begin() as connection:
            create(connection)
        yield World(engine)
    finally:
        engine.dispose()


@pytest.fixture
def world(database: str) -> Iterator[World]:
    """A log on SQLite, and the same on PostgreSQL."""
    with make_world(database) as made:
        yield made


@pytest.fixture
def small_world(tmp_path: Path) -> Iterator[World]:
    """A log on SQLite only: for what does not depend on the database."""
    with make_world(f"sqlite:///{tmp_path}/log.sqlite") as made:
        yield made
