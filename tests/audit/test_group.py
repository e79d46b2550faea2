"""Group commit: many callers, one disk write, and each gets his own outcome."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import Connection, event, func, select
from sqlalchemy.exc import DatabaseError

from audit.entry import Object
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
    assert _count(small_world) == 20


def test_a_failing_commit_is_told_to_every_caller(small_world: World) -> None:
    """Nobody is told that his work is stored when it is not."""
    group = GroupCommit(small_world.engine)

    @event.listens_for(small_world.engine, "commit")
    def _(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT * FROM no_such_table")

    with pytest.raises(DatabaseError):
        group.run(lambda connection: small_world.log.append(connection, entry()))
    assert small_world.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # a queue pool


def test_the_lead_goes_on_after_work_that_failed(small_world: World) -> None:
    """Whose work raises while he leads hands the lead on like anybody else: nobody is left waiting."""
    group = GroupCommit(small_world.engine)

    def fail(_: Connection) -> None:
        raise KeyboardInterrupt

    def act(number: int) -> int:
        with pytest.raises(KeyboardInterrupt):
            group.run(fail)
        return group.run(lambda _: number)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(act, range(60))) == list(range(60))


def test_work_that_undoes_everything_is_told_to_all_of_its_commit(small_world: World) -> None:
    """SQLite may end a whole transaction at a fault, a full disk for one: then nobody's work is stored."""
    group, leads = GroupCommit(small_world.engine), Event()

    def hold(_: Connection) -> None:
        leads.set()
        while len(group._waiting) < 2:  # until both wait for the commit after this one
            Event().wait(0.001)

    def first(connection: Connection) -> None:
        small_world.log.append(connection, entry())

    def second(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")  # as SQLite does by itself

    with ThreadPoolExecutor(3) as pool:
        held = pool.submit(group.run, hold)
        leads.wait()
        told = [pool.submit(group.run, work) for work in (first, second)]
    assert held.exception() is None
    assert [isinstance(each.exception(), DatabaseError) for each in told] == [True, True]
    assert _count(small_world) == 0
