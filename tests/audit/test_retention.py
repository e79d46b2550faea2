"""The end of a log: it goes as a whole, and what it was stays provable."""

import pytest
from sqlalchemy import func, select

from audit.checkpoint import open_checkpoint
from audit.errors import NotLoggedError
from audit.proofs import logs, root, signed_note
from audit.retention import expire
from audit.schema import ENTRY
from tests.audit.world import DAY, MORNING, World, entry, signer, time_passed

LONG = 6 * 365 * DAY


def _closed(world: World) -> None:
    world.grow(3)
    world.sequencer.close(MORNING, MORNING + LONG)


def test_a_log_whose_time_is_not_over_stays(world: World) -> None:
    """Nothing goes before the moment that was set at the closing."""
    _closed(world)
    with world.engine.begin() as connection:
        assert expire(connection, MORNING + LONG) == []


def test_the_clock_of_the_database_decides_and_not_the_callers(world: World) -> None:
    """A caller who says that six years have passed is refused by the guards, and nothing is lost."""
    _closed(world)
    with pytest.raises(Exception, match="is kept"), world.engine.begin() as connection:
        expire(connection, MORNING + LONG + 1)
    assert world.read(lambda c: c.scalar(select(func.count()).select_from(ENTRY))) == 5


def test_an_expired_log_loses_its_entries_and_keeps_its_end(world: World) -> None:
    """After the end only origin, size, root and checkpoints are left; the next log is untouched."""
    _closed(world)
    following = world.sequencer_of("verzuimpoort.example/audit/2027-2028", 2)
    world.append(entry())
    following.step(MORNING)
    world.sql(*time_passed(world.engine.dialect.name))
    with world.engine.begin() as connection:
        assert expire(connection, MORNING + LONG) == [1]
        assert expire(connection, MORNING + LONG) == []
    old, new = world.read(logs)
    assert (old.size, old.is_closed, new.size) == (5, True, 2)
    assert open_checkpoint(world.read(lambda c: signed_note(c, 1, 5)), [signer().key]).checkpoint.size == 5
    with pytest.raises(NotLoggedError):
        world.read(lambda c: root(c, 1, 5))
    assert len(world.read(lambda c: root(c, 2, 2))) == 32
    assert following.step(MORNING).leader
