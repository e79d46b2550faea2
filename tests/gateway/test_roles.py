"""In PostgreSQL each process has a role of its own: everything it must do works, and nothing else."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, ProgrammingError

from audit.schema import ENTRY, PENDING, SUBJECT
from gateway.app import migrate, renew_log_key
from gateway.backup import backup
from gateway.database import open_database
from gateway.deliveries import confirm
from gateway.messages import MendableError
from gateway.receive import Received, Upload, receive
from gateway.retention import Erased, run
from gateway.roles import Roles, demand_sequencing, roles_of
from tests.databases import new_database

from .conftest import PERIOD, TABLE, World, build_world

As = Callable[[str], World]
APP, SEQUENCER, OFFICER = Roles._fields
GRANTED = text(
    "SELECT relname, relacl::text, (SELECT string_agg(attname || attacl::text, ' ' ORDER BY attname) FROM pg_attribute"
    " WHERE attrelid = pg_class.oid AND attacl IS NOT NULL) FROM pg_class WHERE relacl::text LIKE '%_app=%' ORDER BY 1"
)


@pytest.fixture(scope="module")
def as_role(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[As]:
    """A deployment on PostgreSQL as `migrate --roles` leaves it, opened by a login of a role."""
    url = new_database(postgresql)
    owner, opened = build_world(tmp_path_factory.mktemp("roles") / "data", database=url), []
    migrate(owner.gateway.database, roles=True)

    def opened_by(role: str) -> World:
        login = f"login_{uuid4().hex}"
        with owner.gateway.database.begin() as connection:
            connection.exec_driver_sql(f"CREATE USER {login} IN ROLE {getattr(roles_of(connection), role)}")
        engine = open_database(make_url(url).set(username=login).render_as_string(hide_password=False))
        opened.append(engine)
        return World(dataclasses.replace(owner.gateway, database=engine), owner.region)

    yield opened_by
    for engine in (owner.gateway.database, *opened):
        engine.dispose()


def deliver(world: World) -> None:
    upload = Upload(TABLE, world.region.sites[0].code, PERIOD, world.counts(0))
    received = receive(world.gateway, world.site(0), upload)
    assert isinstance(received, Received)
    confirm(world.gateway, world.site(0), received.submission.id)


def allowed(world: World, statement: str) -> bool:
    """Whether PostgreSQL lets this login do it; undone in any case."""
    with world.gateway.database.connect() as connection:
        try:
            connection.execute(text(statement))
        except ProgrammingError as error:
            assert "permission denied" in str(error) or "must be owner" in str(error)  # noqa: PT017  which of them
            return False
        finally:
            connection.rollback()
    return True


def test_web_delivers_and_the_worker_sequences(as_role: As) -> None:
    """A delivery by the web's login waits in the log until the worker's login gives it its place and signs."""
    web, worker = as_role(APP), as_role(SEQUENCER)
    deliver(web)
    with pytest.raises(ProgrammingError, match="permission denied"):
        web.sequence()
    worker.sequence()
    with worker.gateway.reading() as session:
        assert session.connection().execute(PENDING.select()).all() == []
    worker.desk.close_period(TABLE, PERIOD)


def test_the_key_of_the_log_stays_where_the_login_cannot_go_on_with_another(as_role: As) -> None:
    """The web's login is refused before anything is changed, and told whose may: the worker's."""
    web, worker = as_role(APP), as_role(SEQUENCER)
    key = web.gateway.home.keys / "log.key"
    before = key.read_bytes()
    with pytest.raises(MendableError, match="the worker's login"):
        renew_log_key(web.desk)
    assert key.read_bytes() == before
    with worker.gateway.reading() as session:
        demand_sequencing(session.connection())


@pytest.mark.parametrize(
    ("role", "statement", "may"),
    [
        (APP, "SELECT pupils FROM count", True),
        (APP, "SELECT count(*) FROM audit_pending", True),
        (APP, "SELECT data FROM audit_pending", False),
        (APP, "INSERT INTO audit_checkpoint VALUES (1, 99, 'mine', 1)", False),
        (APP, "UPDATE audit_entry SET data = hash", False),
        (APP, "DROP TABLE party", False),
        (APP, "SELECT version_num FROM alembic_version", True),
        (APP, "SELECT nextval('audit_pending_id_seq')", False),
        (SEQUENCER, "UPDATE audit_entry SET data = hash", False),
        (SEQUENCER, "ALTER TABLE audit_entry DISABLE TRIGGER ALL", False),
        (OFFICER, "SELECT data FROM audit_entry", True),
        (OFFICER, "SELECT slots FROM audit_subject", False),
        (OFFICER, "SELECT pupils FROM count", False),
        (OFFICER, "INSERT INTO audit_pending (data) VALUES ('\\x7b7d')", False),
    ],
)
def test_a_role_has_its_own_rights_only(as_role: As, role: str, statement: str, may: bool) -> None:
    """What is not its work is refused by the database itself."""
    assert allowed(as_role(role), statement) is may


def test_a_migration_leaves_each_role_the_rights_it_has_by_now(postgresql: str) -> None:
    """A second run of `migrate --roles` changes nothing, and takes what a role was given by an older version."""
    engine, given = create_engine(new_database(postgresql)), []
    for _ in range(3):
        migrate(engine, roles=True)
        with engine.begin() as connection:
            given.append(connection.execute(GRANTED).all())
            app = roles_of(connection).app
            connection.exec_driver_sql(f"GRANT UPDATE (slots) ON {SUBJECT.name} TO {app}")
            connection.exec_driver_sql(f"GRANT DELETE ON {ENTRY.name} TO {app}")
    engine.dispose()
    assert given[0] == given[1] == given[2] != []


def test_a_role_keeps_nothing_that_an_older_version_gave_it(postgresql: str) -> None:
    """Migrating takes what is no longer given: of a table, and of a column."""
    engine, given = create_engine(new_database(postgresql)), []
    migrate(engine, roles=True)
    for older in ("UPDATE (slots) ON audit_subject", "TRUNCATE ON party"):
        with engine.begin() as connection:
            given.append(connection.execute(GRANTED).all())
            connection.exec_driver_sql(f"GRANT {older} TO {', '.join(roles_of(connection))}")
        migrate(engine)
    with engine.connect() as connection:
        given.append(connection.execute(GRANTED).all())
        columns = connection.scalar(text("SELECT attacl FROM pg_attribute WHERE attname = 'slots' AND attnum > 0"))
    engine.dispose()
    assert (given[0] == given[1] == given[2] != [], columns) == (True, None)


def test_the_worker_backs_up_and_erases_and_a_server_does_neither(as_role: As, tmp_path: Path) -> None:
    """As the commands that are typed say when they are refused."""
    for role, may in ((SEQUENCER, True), (APP, False)):
        world = as_role(role)
        with nullcontext() if may else pytest.raises(ProgrammingError, match="permission denied"):
            assert backup(world.desk, data=tmp_path / f"{role}.zip", keys=None) is None
        with nullcontext() if may else pytest.raises(ProgrammingError, match="permission denied"):
            assert isinstance(run(world.gateway, world.desk.identity), Erased)


@contextmanager
def acting(url: str, login: str) -> Iterator[Connection]:
    """A transaction in a database by a login."""
    engine = create_engine(make_url(url).set(username=login))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def roles_made(url: str, owner: str) -> None:
    """`migrate --roles` by an owner."""
    engine = create_engine(make_url(url).set(username=owner))
    try:
        migrate(engine, roles=True)
    finally:
        engine.dispose()


def owned_database(server: str) -> tuple[str, str]:
    """A database on the server, and the login of its owner, who may make roles."""
    url, owner = new_database(server), f"owner_{uuid4().hex}"
    with acting(server, "postgres") as connection:
        connection.exec_driver_sql(f"CREATE USER {owner} CREATEROLE")
        connection.exec_driver_sql(f"ALTER DATABASE {make_url(url).database} OWNER TO {owner}")
    return url, owner


def test_two_deployments_on_one_server_are_strangers(postgresql: str) -> None:
    """Each owner makes the roles of its own database, twice; a login of the one does not get into the other."""
    both, login = [owned_database(postgresql) for _ in range(2)], f"login_{uuid4().hex}"
    for url, owner in both * 2:
        roles_made(url, owner)
    (mine, owner), (others, _) = both
    with acting(mine, owner) as connection:
        connection.exec_driver_sql(f"CREATE USER {login} IN ROLE {roles_of(connection).app}")
    with acting(mine, login) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM party").scalar() == 0
    with pytest.raises(OperationalError, match="permission denied for database"), acting(others, login):
        pass


def test_another_owner_of_a_database_makes_its_roles_again(postgresql: str) -> None:
    """What the first one granted is not granted once more, for which the second has no right."""
    (url, first), (_, second) = (owned_database(postgresql) for _ in range(2))
    roles_made(url, first)
    with acting(url, "postgres") as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {make_url(url).database} OWNER TO {second}")
        connection.exec_driver_sql(f"REASSIGN OWNED BY {first} TO {second}")
    roles_made(url, second)
    with acting(url, second) as connection:
        app, sequencer, _ = roles_of(connection)
        assert connection.exec_driver_sql(f"SELECT pg_has_role('{sequencer}', '{app}', 'MEMBER')").scalar()


def test_a_database_whose_name_makes_no_role_is_told(postgresql: str) -> None:
    """Nothing is made there; without roles it works."""
    former, name = make_url(new_database(postgresql)).database, f"Poort-{uuid4().hex}"
    with acting(postgresql, "postgres") as connection:
        connection.exec_driver_sql(f'ALTER DATABASE {former} RENAME TO "{name}"')
    engine = create_engine(make_url(postgresql).set(database=name))
    with pytest.raises(MendableError, match=name):
        migrate(engine, roles=True)
    migrate(engine)
    engine.dispose()
