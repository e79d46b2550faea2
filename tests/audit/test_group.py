"""Group commit: many callers, one disk write, and each gets his own outcome."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, event, func, select
from sqlalchemy.exc import DatabaseError

from audit.entry import Object
from audit.errors import AuditError
from audit.group import GroupCommit
from audit.schema import PENDING
from tests.audit.world import World, entry


def _count(world: World) -> int:
    return int(world.read(lambda c: c.scalar(select(func.count()).select_from(PENDING))) or 0)


def test_many_callers_share_commits_and_each_gets_his_own_result(small_world: World) -> None:
    """200 transactions of 20 callers: all stored, every caller his own answer, far fewer commits."""
    commits = []
    event.listen(small_world.engine, "commit", commits.append)
    group = GroupCommit(small_world.engine)

    def act(number: int) -> bytes:
        made = entry(object=Object(f"submission:{number:032x}"))
        return group.run(lambda connection: small_world.log.append(connection, made).data)

    with ThreadPoolExecutor(20) as pool:
        data = list(pool.map(act, range(200)))
    group.close()
    assert [f"{number:032x}".encode() in each for number, each in enumerate(data)] == [True] * 200
    assert _count(small_world) == 200
    assert len(commits) < 200


def test_who_fails_takes_nothing_of_the_others_with_him(small_world: World) -> None:
    """Work that raises after it wrote leaves no trace; what shares its commit is stored."""
    group = GroupCommit(small_world.engine)

    def fail(connection: Connection) -> None:
        small_world.log.append(connection, entry())
        raise RuntimeError("changed my mind")

    def act(number: int) -> object:
        if number % 2:
            with pytest.raises(RuntimeError, match="changed my mind"):
                group.run(fail)
            return None
        return group.run(lambda connection: small_world.log.append(connection, entry()))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(40)))
    group.close()
    assert _count(small_world) == 20


def test_a_failing_commit_is_told_to_every_caller(small_world: World) -> None:
    """Nobody is told that his work is stored when it is not."""
    group = GroupCommit(small_world.engine)

    @event.listens_for(small_world.engine, "commit")
    def _(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT * FROM no_such_table")

    with pytest.raises(DatabaseError):
        group.run(lambda connection: small_world.log.append(connection, entry()))
    group.close()
    assert small_world.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # a queue pool


def test_closing_finishes_what_was_handed_in(small_world: World) -> None:
    """After close the thread is gone and everything handed in is stored."""
    group = GroupCommit(small_world.engine)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(group.run, lambda c: small_world.log.append(c, entry())) for _ in range(20)]
        assert all(job.result() for job in jobs)
    group.close()
    assert _count(small_world) == 20
    with pytest.raises(AuditError, match="closed"):
        group.run(lambda c: small_world.log.append(c, entry()))
