"""Every guard is needed: leave one out, and a forgery that all of them together refuse is accepted."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from audit.guards import guards
from tests.audit.forgeries import EVERYWHERE, POSTGRESQL, SQLITE
from tests.audit.world import DAY, MORNING, World, entry, make_world
from tests.databases import KINDS, database_of

TRICKS = {"sqlite": (*EVERYWHERE, *SQLITE), "postgresql": (*EVERYWHERE, *POSTGRESQL)}
CLOSED = ("DELETE FROM audit_closing", "UPDATE audit_closing SET keep_until = 1")


@pytest.fixture(scope="module", params=KINDS)
def worlds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    """A log of five entries, one cosigned, one more waiting; and a log that was closed."""
    urls = [database_of(request, tmp_path_factory.mktemp("guards")) for _ in range(2)]
    with make_world(urls[0]) as open_, make_world(urls[1]) as closed:
        for world in (open_, closed):
            world.grow(4)
        open_.sql("INSERT INTO audit_cosignature VALUES (1, 5, 'key of a witness', 'its line')")
        open_.sql("INSERT INTO audit_subject SELECT hash, '2026-2027', hash FROM audit_entry")
        open_.append(entry())
        closed.sequencer.close(MORNING, MORNING + 6 * 365 * DAY)
        yield open_, closed


def _guards_of(kind: str) -> dict[str, str]:
    """Each guard with the statement that lifts it."""
    found = {}
    for statement in guards(kind):
        words = statement.split()
        name = next((word for word in words if word.endswith("_guard")), "")
        if name and words[0] == "CREATE":
            found[name] = f"DROP TRIGGER {name}" + (
                f" ON {words[words.index('ON') + 1]}" if kind == "postgresql" else ""
            )
    return found


def _accepts(connection: Connection, statement: str) -> bool:
    try:
        with connection.begin_nested() as attempt:
            connection.exec_driver_sql(statement)
            attempt.rollback()
    except DBAPIError:
        return False
    return True


def test_without_any_one_guard_a_forgery_gets_through(worlds: tuple[World, World]) -> None:
    """Each trigger stops something that no other stops; all is undone in the end."""
    kind, needless = worlds[0].engine.dialect.name, []
    for name, lift in _guards_of(kind).items():
        accepted = []
        for world, tricks in zip(worlds, (TRICKS[kind], CLOSED), strict=True):
            with world.engine.connect() as connection:
                connection.exec_driver_sql(lift)
                accepted += [each for each in tricks if _accepts(connection, each)]
                connection.rollback()
        if not accepted:
            needless.append(name)
    assert needless == []
    assert len(_guards_of(kind)) >= 19
