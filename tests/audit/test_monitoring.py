"""Who kept a checkpoint is told how the log went on, or finds out that it did not."""

import pytest
from sqlalchemy import delete

from audit.checkpoint import Checkpoint, open_checkpoint
from audit.continuation import Continuation, verify_continues
from audit.errors import LogBrokenError, LogExpiredError, NoteError, NotLoggedError
from audit.merkle import EMPTY_ROOT, leaf_hash
from audit.monitoring import continue_from
from audit.proofs import checkpoint
from audit.schema import NODE
from tests.audit.world import DAY, MORNING, ORIGIN, World, entry, signer


def _seen(world: World) -> str:
    return world.read(lambda c: checkpoint(c, 1))[1]


def test_a_kept_checkpoint_is_continued_to_the_latest(world: World) -> None:
    """After more entries, and after none; the text survives the way to the monitor."""
    world.grow(5)
    kept = _seen(world)
    for more in (7, 0):
        world.grow(more) if more else world.step()
        answer = Continuation.parse(str(world.read(lambda c: continue_from(c, kept, MORNING))))
        old, new = (open_checkpoint(each, [world.key]).checkpoint for each in (kept, answer.checkpoint))
        verify_continues(old, new, answer.proof)
        assert new.size == 13


def test_a_checkpoint_of_an_earlier_year_is_continued_to_its_end(world: World) -> None:
    """The log it names is closed; the answer is its final checkpoint, not the next log's."""
    world.grow(3)
    kept = _seen(world)
    final = world.sequencer.close(MORNING, MORNING + 6 * 365 * DAY)
    world.append(entry())
    world.sequencer_of("verzuimpoort.example/audit/2027-2028", 2).step(MORNING)
    assert world.read(lambda c: continue_from(c, kept, MORNING)).checkpoint == final


def test_the_empty_log_is_continued_without_a_proof(world: World) -> None:
    """Who starts from nothing gets the latest checkpoint."""
    world.grow(3)
    nothing = str(signer().sign(Checkpoint(ORIGIN, 0, EMPTY_ROOT).text()))
    answer = world.read(lambda c: continue_from(c, nothing, MORNING))
    assert (answer.old, answer.proof, answer.checkpoint) == (0, [], _seen(world))


def test_a_signed_contradiction_raises_the_alarm(world: World) -> None:
    """A checkpoint with our signature and another root means that somebody signed two histories."""
    world.grow(3)
    other = str(signer().sign(Checkpoint(ORIGIN, 2, leaf_hash(b"another history")).text()))
    with pytest.raises(LogBrokenError, match="another root at size 2"):
        world.read(lambda c: continue_from(c, other, MORNING))


def test_a_checkpoint_that_is_larger_or_of_a_stranger_is_not_continued(world: World) -> None:
    """Larger than the log: rolled back. Signed by another key: not ours."""
    world.grow(3)
    larger = str(signer().sign(Checkpoint(ORIGIN, 99, leaf_hash(b"")).text()))
    with pytest.raises(NotLoggedError):
        world.read(lambda c: continue_from(c, larger, MORNING))
    for foreign in (str(signer(seed=2).sign(Checkpoint(ORIGIN, 2, leaf_hash(b"")).text())), "no note"):
        with pytest.raises(NoteError):
            world.read(lambda c, foreign=foreign: continue_from(c, foreign, MORNING))


def test_a_log_that_was_erased_in_time_contradicts_nobody(small_world: World) -> None:
    """Once its retention has ended its tree is gone: that is said; before that end it is no excuse."""
    small_world.grow(3)
    kept, end = _seen(small_world), MORNING + 6 * 365 * DAY
    small_world.grow(3)
    small_world.sequencer.close(MORNING, end)
    small_world.sql("DROP TRIGGER audit_node_delete_guard")
    with small_world.engine.begin() as connection:
        connection.execute(delete(NODE))
    for now, error in ((end, NotLoggedError), (end + 1, LogExpiredError)):
        with pytest.raises(error):
            small_world.read(lambda c, now=now: continue_from(c, kept, now))
