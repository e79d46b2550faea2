"""The adversary has SQL: as the application, as an officer, as the owner of the tables, as superuser with every trick.

He wants a row to change, vanish, stand in another place, be replaced, or never to reach the log.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, func, select

from audit.errors import AuditError
from audit.export import write_bundle
from audit.guards import grants, guards
from audit.log import Log
from audit.proofs import prove
from audit.quorum import Policy
from audit.schema import ENTRY, PENDING
from audit.sequencer import Sequencer
from audit.verify import Fault, check_bundle
from audit.verify import Policy as VerifierPolicy
from tests.audit.forgeries import EVERYWHERE, KEPT, POSTGRESQL, SHADOWS, SQLITE, passes
from tests.audit.world import DAY, MORNING, VOCABULARY, World, entry, make_world, signer
from tests.databases import new_database

ROLES = {"app": "audit_app", "sequencer": "audit_sequencer", "officer": "audit_officer"}


def _content(world: World) -> dict[str, list[tuple[object, ...]]]:
    def rows(table: str) -> list[tuple[object, ...]]:
        found = world.read(lambda c: c.exec_driver_sql(f"SELECT * FROM {table}").all())  # noqa: S608  our tables
        return sorted((tuple(map(_plain, row)) for row in found), key=repr)

    return {table: rows(table) for table in [*KEPT, PENDING.name]}


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else value


@pytest.fixture
def filled(database: str) -> Iterator[World]:
    """Five entries in the log, one waiting; once on SQLite and once on PostgreSQL."""
    with make_world(database) as world:
        world.grow(4)
        world.sql("INSERT INTO audit_cosignature VALUES (1, 5, 'key of a witness', 'its line')")
        world.sql("INSERT INTO audit_subject SELECT hash, '2026-2027', hash FROM audit_entry")
        world.append(entry())
        yield world


def test_no_statement_changes_a_row_leaves_a_gap_or_loses_an_entry(filled: World) -> None:
    """Each trick of the owner of the tables is refused, and everything is as it was."""
    before = _content(filled)
    own = SQLITE if filled.engine.dialect.name == "sqlite" else POSTGRESQL
    accepted = [statement for statement in [*EVERYWHERE, *own] if passes(filled.engine, statement)]
    assert accepted == []
    assert _content(filled) == before


def test_an_entry_leaves_the_waiting_room_only_for_the_log(filled: World) -> None:
    """Deleting it is refused; deleting it after entering other bytes under its number is refused too."""
    forged = (
        "INSERT INTO audit_entry SELECT 1, 5, hash, (SELECT id FROM audit_pending), data FROM audit_entry WHERE idx = 1"
    )
    assert not passes(filled.engine, "DELETE FROM audit_pending")
    assert not passes(filled.engine, forged, "DELETE FROM audit_pending")
    assert filled.step().sequenced == 1


def test_a_closed_log_gets_no_entry(filled: World) -> None:
    """After its closing nothing can be added to it, and the closing cannot be undone."""
    filled.sequencer.close(MORNING, MORNING + 6 * 365 * DAY)
    assert not passes(filled.engine, "DELETE FROM audit_closing")
    assert not passes(filled.engine, "UPDATE audit_closing SET keep_until = 1")
    size = filled.read(lambda c: c.scalar(select(func.count()).select_from(ENTRY)))
    late = f"INSERT INTO audit_entry SELECT 1, {size}, hash, 900, data FROM audit_entry WHERE idx = 1"  # noqa: S608
    assert not passes(filled.engine, late)


def test_making_the_guards_again_changes_nothing(filled: World) -> None:
    """A migration may run them a second time."""
    before = _content(filled)
    filled.sql(*guards(filled.engine.dialect.name))
    assert _content(filled) == before


def test_guards_exist_for_the_two_databases_only() -> None:
    """Another database is refused instead of left unguarded."""
    with pytest.raises(AuditError, match="SQLite or PostgreSQL"):
        guards("mysql")


@pytest.fixture(scope="module")
def in_production(postgresql: str) -> Iterator[World]:
    """A log on PostgreSQL with the three roles of production."""
    with make_world(new_database(postgresql)) as world:
        existing = world.read(lambda c: c.exec_driver_sql("SELECT rolname FROM pg_roles").scalars().all())
        world.sql(*(f"CREATE ROLE {role} LOGIN" for role in ROLES.values() if role not in existing), *grants(**ROLES))
        world.grow(4)
        world.append(entry())
        yield world


def _as(world: World, role: str) -> Engine:
    return create_engine(world.engine.url.set(username=ROLES[role]))


def test_a_replica_role_does_not_silence_the_guards(in_production: World) -> None:
    """A superuser who pretends to replay replication is stopped by the same triggers."""
    replica = "SET LOCAL session_replication_role = replica"
    own = [each for each in [*EVERYWHERE, *POSTGRESQL] if each.split()[0] in {"UPDATE", "DELETE", "TRUNCATE"}]
    assert [each for each in own if passes(in_production.engine, replica, each)] == []


@pytest.mark.parametrize("role", ["app", "officer", "sequencer"])
def test_no_role_can_do_more_than_its_work(in_production: World, role: str) -> None:
    """Every trick, and lifting the guards, is refused to each role."""
    lifting = [
        "SET session_replication_role = replica",
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_entry_change_guard ON audit_entry",
        "DROP TABLE audit_entry",
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "ALTER TABLE audit_entry OWNER TO CURRENT_USER",
        "CREATE TRIGGER mine AFTER INSERT ON audit_pending FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    ]
    before, engine = _content(in_production), _as(in_production, role)
    assert [each for each in [*EVERYWHERE, *POSTGRESQL, *lifting] if passes(engine, each)] == []
    engine.dispose()
    assert _content(in_production) == before


@pytest.mark.parametrize("role", ["sequencer", "owner"])
def test_a_temporary_table_does_not_hide_the_log_from_its_guards(in_production: World, role: str) -> None:
    """Who may delete from the waiting room puts a false log before the true one: the guards look at the true one."""
    before = _content(in_production)
    engine = in_production.engine if role == "owner" else _as(in_production, role)
    assert [each for each in SHADOWS if passes(engine, *each)] == []
    assert _content(in_production) == before
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_pending (id, data) OVERRIDING SYSTEM VALUE VALUES (1, '\\x7b7d')",
        "INSERT INTO audit_pending (id, data) VALUES (99, '\\x7b7d')",
        "SELECT data FROM audit_pending",
        "INSERT INTO audit_checkpoint VALUES (1, 5, 'mine', 1)",
        "INSERT INTO audit_entry SELECT 1, 5, hash, 900, data FROM audit_entry WHERE idx = 1",
        "INSERT INTO audit_log VALUES (2, 'mine', 'key')",
        "SELECT nextval('audit_pending_id_seq')",
        "SELECT setval('audit_pending_id_seq', 1)",
    ],
)
def test_the_application_cannot_choose_a_place_or_sign(in_production: World, statement: str) -> None:
    """It hands in bytes and nothing else: no number, no index, no checkpoint, no look at what others wrote."""
    engine = _as(in_production, "app")
    assert not passes(engine, statement)
    engine.dispose()


def test_an_officer_reads_and_does_nothing_else(in_production: World) -> None:
    """The log can be read; an entry cannot be added."""
    engine = _as(in_production, "officer")
    assert all(passes(engine, f"SELECT * FROM {table}") for table in KEPT)  # noqa: S608  our tables
    assert not passes(engine, "INSERT INTO audit_pending (data) VALUES ('\\x7b7d')")
    assert not passes(engine, "SELECT slots FROM audit_subject")
    engine.dispose()


def test_each_role_can_do_its_work(in_production: World) -> None:
    """With its grants only, the application appends and proves, and the sequencer orders, signs and closes nothing."""
    app, sequencer = _as(in_production, "app"), _as(in_production, "sequencer")
    log = Log(VOCABULARY)
    with app.begin() as connection:
        made = log.append(connection, entry())
    assert Sequencer(sequencer, log, signer()).step(MORNING).signed
    with app.connect() as connection:
        prove(connection, made.leaf).verify(made.leaf, Policy(logs=(signer().key,)))
    app.dispose()
    sequencer.dispose()


@pytest.mark.parametrize("role", ["x; DROP TABLE audit_log", "Robert", '"quoted"', ""])
def test_a_role_is_a_plain_name(role: str) -> None:
    """Nothing that is not a name gets into a statement."""
    with pytest.raises(AuditError, match="lower-case"):
        grants(app=role, sequencer="a", officer="b")


def test_who_owns_the_file_can_lift_the_guards_and_is_found_out_by_the_signature(tmp_path: Path) -> None:
    """The last line: the triggers are gone, an entry is changed, and the signed checkpoint does not fit any more."""
    with make_world(f"sqlite:///{tmp_path}/log.sqlite") as world:
        world.grow(4)
        world.sql("DROP TRIGGER audit_entry_update_guard", "UPDATE audit_entry SET data = x'7b7d' WHERE idx = 2")
        policy, out = f"log {signer().key}\nquorum none\n", io.BytesIO()
        with world.engine.connect() as connection:
            write_bundle(connection, 1, out, policy=policy)
        with pytest.raises(Fault) as found:
            check_bundle(zipfile.ZipFile(out), VerifierPolicy(policy), [])
        assert (found.value.kind, found.value.index) == ("changed", 2)
