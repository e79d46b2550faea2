"""The sequencer: order, one root for one size, restart, several processes, and what stops it."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, insert, select

from audit.checkpoint import Checkpoint, open_checkpoint
from audit.errors import AuditError, ClockError, LogBrokenError, LogClosedError
from audit.export import ldv_records, write_csv
from audit.lead import ADVISORY_LOCK
from audit.leaf import parse
from audit.merkle import leaf_hash
from audit.proofs import LogState, locate, logs, root, signed_size
from audit.schema import CHECKPOINT, ENTRY, PENDING
from audit.sequencer import Sequencer
from audit.timeline import UNREADABLE, Filter, find
from tests.audit.world import DAY, HOUR, MORNING, ORIGIN, World, entry, make_world, root_of, signer
from tests.databases import new_database

YEARS = 6 * 365 * DAY


def _events(world: World) -> list[str]:
    rows = world.read(lambda c: c.scalars(select(ENTRY.c.data).order_by(ENTRY.c.log, ENTRY.c.idx)).all())
    return [str(parse(data)["event"]) for data in rows]


def _roots(world: World) -> dict[int, bytes]:
    notes = world.read(lambda c: c.scalars(select(CHECKPOINT.c.note)).all())
    trees = [open_checkpoint(note, [world.key]).checkpoint for note in notes]
    return {tree.size: tree.root for tree in trees}


def test_entries_get_indexes_in_the_order_they_came_and_a_signed_root(world: World) -> None:
    """The log opens with an entry of its own; then entries stand as they were appended, and the root is theirs."""
    made = world.append(entry(), entry(), entry())
    step = world.step()
    assert (step.leader, step.sequenced, step.more) == (True, 3, False)
    assert [world.read(lambda c, each=each: locate(c, each.leaf)).index for each in made] == [1, 2, 3]
    data = world.read(lambda c: c.scalars(select(ENTRY.c.data).order_by(ENTRY.c.idx)).all())
    assert parse(data[0])["event"] == "log.opened"
    assert open_checkpoint(step.signed or "", [world.key]).checkpoint.root == root_of(map(leaf_hash, data))
    assert world.read(lambda c: c.scalar(select(func.count()).select_from(PENDING))) == 0


def test_a_round_with_nothing_new_signs_nothing(world: World) -> None:
    """The second round finds nothing and stays silent."""
    world.grow(2)
    assert world.step() == world.step()
    assert len(_roots(world)) == 1


def test_a_rolled_back_action_has_no_entry(world: World) -> None:
    """The entry goes with the caller's transaction."""
    with world.engine.begin() as connection:
        world.log.append(connection, entry())
        connection.rollback()
    world.step()
    assert _events(world) == ["log.opened"]


def test_an_hour_of_silence_is_broken_by_a_heartbeat(world: World) -> None:
    """So that a log that stopped can be told from a log with nothing to say."""
    world.step()
    world.now += HOUR - 1
    assert world.step().sequenced == 0
    world.now += 1
    assert world.step().sequenced == 1
    assert _events(world) == ["log.opened", "log.heartbeat"]


def test_a_full_batch_asks_for_another_round(world: World) -> None:
    """Work is cut in batches; the checkpoint of each covers it, and the roots continue each other."""
    world.append(*[entry()] * 5)
    sequencer = world.sequencer_of(batch=2)
    assert [sequencer.step(MORNING).more for _ in range(3)] == [True, True, False]
    assert sorted(_roots(world)) == [3, 5, 6]


def test_another_process_continues_where_the_last_one_stopped(world: World) -> None:
    """Nothing is remembered between rounds: a new sequencer goes on, also right after an unsigned commit."""
    world.grow(3)
    world.append(entry())
    crashed = world.sequencer_of()
    crashed._publish = lambda *_: None  # type: ignore[assignment]  # dies after the order is final, before it signs
    crashed.step(MORNING)
    assert max(_roots(world)) == 4
    world.append(entry())
    assert world.sequencer_of().step(MORNING).sequenced == 1
    assert max(_roots(world)) == 6


def test_a_crash_between_order_and_signature_is_signed_later_with_the_same_root(world: World) -> None:
    """Whoever signs later signs what was committed: the root of the entries in their final order."""
    world.append(entry(), entry())
    crashed = world.sequencer_of()
    crashed._publish = lambda *_: None  # type: ignore[assignment]  # as above
    crashed.step(MORNING)
    data = world.read(lambda c: c.scalars(select(ENTRY.c.data).order_by(ENTRY.c.idx)).all())
    assert world.step().sequenced == 0
    assert _roots(world) == {3: root_of(map(leaf_hash, data))}


def test_a_round_that_dies_at_any_statement_is_finished_by_the_next(world: World) -> None:
    """Fail the first statement of a round, then the second, …: nothing is lost, doubled or signed twice."""
    leaves, place = [], 0

    def fail(*_: object) -> None:
        nonlocal countdown
        countdown -= 1
        if countdown < 0:
            raise ConnectionError

    event.listen(world.engine, "before_cursor_execute", fail)
    died = True
    while died:
        countdown = 1_000
        leaves.append(world.append(entry())[0].leaf)
        countdown, died = place, False
        try:
            world.sequencer_of().step(MORNING)
        except ConnectionError:
            died = True
        place += 1
    countdown = 1_000
    world.step()
    stored = world.read(lambda c: c.scalars(select(ENTRY.c.hash).order_by(ENTRY.c.idx)).all())
    assert [bytes(each) for each in stored[1:]] == leaves
    assert place > 15
    for size, signed in _roots(world).items():
        assert signed == root_of(bytes(each) for each in stored[:size])


def test_there_is_one_root_for_one_size(world: World) -> None:
    """A second checkpoint of a size is refused by the database, whoever tries."""
    world.grow(2)
    with pytest.raises(Exception, match=r"(?i)one root|unique|duplicate"), world.engine.begin() as connection:
        connection.execute(insert(CHECKPOINT).values(log=1, size=3, note="another", made=MORNING))


def test_many_processes_on_one_database_make_one_log(world: World) -> None:
    """Four writers and three sequencers at once: every entry once, one chain of roots, nothing left waiting."""
    stop = threading.Event()

    def sequence() -> None:
        sequencer = world.sequencer_of(batch=7)
        while not stop.is_set():
            sequencer.step(MORNING)

    def write() -> list[bytes]:
        return [world.append(entry())[0].leaf for _ in range(25)]

    with ThreadPoolExecutor(7) as pool:
        loops = [pool.submit(sequence) for _ in range(3)]
        leaves = [leaf for job in [pool.submit(write) for _ in range(4)] for leaf in job.result()]
        stop.set()
        assert not [loop.result() for loop in loops if loop.result()]
    while world.step().signed:
        pass
    stored = world.read(lambda c: c.scalars(select(ENTRY.c.hash).order_by(ENTRY.c.idx)).all())
    assert sorted(leaves) == sorted(bytes(each) for each in stored[1:])
    for size, signed in _roots(world).items():
        assert signed == root_of(bytes(each) for each in stored[:size])


def test_on_postgresql_the_leader_keeps_others_out(postgresql: str) -> None:
    """While one process holds the lead, another does nothing and says so."""
    with make_world(new_database(postgresql)) as world:
        world.append(entry())
        with world.engine.begin() as leader:
            leader.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            assert not world.step().leader
        assert world.step().sequenced == 1


def test_on_postgresql_an_open_transaction_holds_nobody_up_and_loses_nothing(postgresql: str) -> None:
    """An entry whose transaction commits last comes last, though it was written first."""
    with make_world(new_database(postgresql)) as world:
        with world.engine.begin() as slow:
            late = world.log.append(slow, entry())
            early = world.append(entry())[0]
            assert world.step().sequenced == 1
        assert world.step().sequenced == 1
        assert [world.read(lambda c, each=each: locate(c, each.leaf)).index for each in (early, late)] == [1, 2]


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE audit_node SET hash = zeroblob(32) WHERE position = 6",
        "UPDATE audit_node SET hash = zeroblob(32) WHERE position = 9",
        "UPDATE audit_entry SET data = x'7b7d' WHERE idx = 5",
        "DELETE FROM audit_node WHERE position >= 9",
        "DELETE FROM audit_node WHERE position = 6",
        "DELETE FROM audit_entry WHERE idx = 5",
    ],
)
def test_what_contradicts_the_signed_past_stops_the_sequencer(small_world: World, harm: str) -> None:
    """Somebody with the file drops the triggers and changes nodes or entries: nothing is signed over it."""
    small_world.grow(4)
    small_world.append(entry(), entry())
    crashed = small_world.sequencer_of()
    crashed._publish = lambda *_: None  # type: ignore[assignment]  # leaves two entries unsigned
    crashed.step(MORNING)
    guards = [f"{table}_{moment}_guard" for table in ("audit_node", "audit_entry") for moment in ("update", "delete")]
    small_world.sql(*(f"DROP TRIGGER {guard}" for guard in guards), harm)
    with pytest.raises(LogBrokenError):
        small_world.step()
    assert max(_roots(small_world)) == 5


@given(rows=st.lists(st.binary(min_size=2, max_size=60).filter(lambda data: b"\n" not in data), max_size=4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_that_are_no_entry_cannot_stop_the_log(small_world: World, rows: list[bytes]) -> None:
    """Whoever writes past the log's writer gets his bytes logged as they are, findable as unreadable."""
    with small_world.engine.begin() as connection:
        for data in rows:
            connection.execute(insert(PENDING).values(data=data))
    before = len(small_world.read(lambda c: find(c, Filter(event=UNREADABLE), limit=10_000)))
    assert small_world.step().sequenced == len(rows)
    after = small_world.read(lambda c: find(c, Filter(event=UNREADABLE), limit=10_000))
    assert len(after) == before + len(rows)


@pytest.mark.parametrize(
    "word", ['"\\u0000"', '"\\ud800"', '"\u00e9"', "3", "null", "1e400", '["a"]', f'"{"x" * 3_000}"']
)
@pytest.mark.parametrize("field", ["event", "decision", "actor", "organisation", "ts", "object", "rules", "activity"])
def test_an_entry_with_a_poisoned_word_stops_neither_log_nor_page(world: World, field: str, word: str) -> None:
    """Words a database cannot store or an index cannot hold, or that are no words, are kept out of the columns."""
    fields = dict.fromkeys(("event", "decision", "span_id", "trace_id"), '"x"') | {
        "ts": "1",
        "actor": '{"role":"x"}',
    }
    fields |= {"actor": f'{{"organisation":{word},"role":"x"}}'} if field == "organisation" else {field: word}
    poison = "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"
    with world.engine.begin() as connection:
        connection.execute(insert(PENDING).values(data=poison.encode()))
    assert world.step().sequenced == 1
    found = world.read(lambda c: find(c, Filter()))
    assert len(found) == 2
    assert len(list(ldv_records(found, resource={}))) == 2
    write_csv(found, io.StringIO())


def test_a_year_ends_with_a_final_checkpoint_and_the_next_holds_on_to_it(world: World) -> None:
    """Close: what waits, the closing entry, a last signature. Then a new origin opens with a commitment to that end."""
    world.append(entry())
    final = world.sequencer.close(MORNING, MORNING + YEARS)
    assert _events(world) == ["log.opened", "submission.received", "log.closed"]
    assert open_checkpoint(final, [world.key]).checkpoint.size == 3
    world.append(entry())
    with pytest.raises(LogClosedError, match="new origin"):
        world.step()
    following = world.sequencer_of("verzuimpoort.example/audit/2027-2028", 2)
    assert following.step(MORNING).sequenced == 1
    first, second = world.read(logs)
    assert (first.size, first.is_closed, second.size, second.is_closed) == (3, True, 2, False)
    opened = parse(world.read(lambda c: c.scalar(select(ENTRY.c.data).where(ENTRY.c.log == 2, ENTRY.c.idx == 0))))
    assert len(opened["object"]["commitment"]) == 64  # type: ignore[index, call-overload]  # JSON


def test_a_log_is_closed_with_everything_that_waits_before_its_last_entry(world: World) -> None:
    """More than a batch waits: all of it comes before the closing entry."""
    world.append(*[entry()] * 9)
    world.sequencer_of(batch=4).close(MORNING, MORNING + YEARS)
    assert _events(world)[-2:] == ["submission.received", "log.closed"]
    assert len(_events(world)) == 11


def test_a_log_that_is_closed_late_takes_only_what_was_done_in_its_time(world: World) -> None:
    """Whatever order it came in: the rest waits, past a whole batch of it, and is the next log's, in that order."""
    end, made = MORNING + DAY, dict[int, list[bytes]]()
    for later in (end, end + 1, MORNING, end + DAY, end - 1, MORNING):
        world.now = later
        made.setdefault(later < end, []).append(world.append(entry())[0].leaf)
    world.now = end + 9 * DAY
    world.sequencer_of(batch=2).close(world.now, world.now + YEARS, until=end)
    world.sequencer_of("verzuimpoort.example/audit/2027-2028").step(world.now)
    stored = world.read(lambda c: c.execute(select(ENTRY.c.log, ENTRY.c.hash).order_by(ENTRY.c.log, ENTRY.c.idx)).all())
    assert [bytes(leaf) for log, leaf in stored if log == 1][1:-1] == made[True]
    assert [bytes(leaf) for log, leaf in stored if log == 2][1:] == made[False]


def test_a_year_that_crashed_before_its_last_signature_is_finished_by_its_own_key(world: World) -> None:
    """The next log cannot open before the final checkpoint is there; the old key makes it in a normal round."""
    crashed = world.sequencer_of()
    crashed._publish = lambda *_: None  # type: ignore[assignment]  # dies after closing, before signing
    world.append(entry())
    with pytest.raises(AuditError):
        crashed.close(MORNING, MORNING + YEARS)
    following = world.sequencer_of("verzuimpoort.example/audit/2027-2028", 2)
    with pytest.raises(LogClosedError, match="lacks its final checkpoint"):
        following.step(MORNING)
    assert world.step().signed
    assert following.step(MORNING).leader


def test_after_a_restored_backup_a_new_origin_takes_over_and_the_old_key_stays_silent(world: World) -> None:
    """Entries signed and unsigned stay where they are; the new log commits to them, and takes what waited."""
    world.grow(2)
    world.append(entry())
    crashed = world.sequencer_of()
    crashed._publish = lambda *_: None  # type: ignore[assignment]  # the backup was made before it signed
    crashed.step(MORNING)
    world.append(entry())
    following = world.sequencer_of("verzuimpoort.example/audit/2026-2027/2", 2)
    following.take_over(MORNING, MORNING + YEARS)
    assert following.step(MORNING).sequenced == 1
    old, new = world.read(logs)
    assert (old.size, old.is_closed, new.size) == (4, True, 2)
    assert _events(world)[4:] == ["log.opened", "submission.received"]
    last = Checkpoint(ORIGIN, 4, world.read(lambda c: root(c, 1, 4)))
    opened = parse(world.read(lambda c: c.scalar(select(ENTRY.c.data).where(ENTRY.c.log == 2, ENTRY.c.idx == 0))))
    assert opened["object"]["commitment"] == sha256(last.text().encode()).hexdigest()  # type: ignore[index, call-overload]
    with pytest.raises(LogClosedError):
        world.step()
    with pytest.raises(LogClosedError, match="no open log of another"):
        following.take_over(MORNING, MORNING + YEARS)


def test_a_log_that_was_taken_over_between_order_and_signature_signs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was under way when its key was renewed leaves its entries as the next log found them."""
    world.step()
    world.append(entry())
    following, publish = world.sequencer_of("verzuimpoort.example/audit/2026-2027/2", 2), Sequencer._publish

    def late(sequencer: Sequencer, state: LogState, now: int) -> str | None:
        following.take_over(MORNING, MORNING + YEARS)
        return publish(sequencer, state, now)

    monkeypatch.setattr(Sequencer, "_publish", late)
    step = world.step()
    old = world.read(logs)[0]
    assert (step.sequenced, step.signed) == (1, None)
    assert (old.size, world.read(lambda c: signed_size(c, old.log))) == (2, 1)


def test_a_log_is_not_closed_before_its_newest_checkpoint(world: World) -> None:
    """A clock that is behind would let its retention end too early: nothing is closed."""
    world.grow(1)
    with pytest.raises(ClockError, match="set the clock"):
        world.sequencer.close(MORNING - 1, MORNING + YEARS)
    assert [log.is_closed for log in world.read(logs)] == [False]


def test_a_take_over_by_a_clock_that_is_behind_keeps_the_old_log_long_enough(world: World) -> None:
    """Its retention counts from its newest checkpoint at least."""
    world.grow(1)
    following = world.sequencer_of("verzuimpoort.example/audit/2026-2027/2", 2)
    following.take_over(MORNING - 9 * DAY, MORNING - 9 * DAY + YEARS)
    assert world.read(logs)[0].keep_until == MORNING + YEARS


def test_a_log_is_closed_once(world: World) -> None:
    """Closing it again is refused, before and after its final checkpoint."""
    world.sequencer.close(MORNING, MORNING + YEARS)
    with pytest.raises(LogClosedError, match="already"):
        world.sequencer.close(MORNING, MORNING + YEARS)


def test_a_closed_log_cannot_be_given_an_end_within_five_years(world: World) -> None:
    """The database refuses a shorter retention than the norm."""
    world.grow(1)
    now = world.log.clock() if world.now else 0
    with pytest.raises(Exception, match="five years"):
        world.sequencer.close(now, now + 365 * DAY)


def test_two_origins_cannot_be_open_at_once(world: World) -> None:
    """Another origin waits until the open log is closed; another key needs another origin."""
    world.step()
    with pytest.raises(LogClosedError, match="close it before"):
        world.sequencer_of("verzuimpoort.example/audit/2027-2028").step(MORNING)
    with pytest.raises(LogClosedError, match="another key"):
        world.sequencer_of(ORIGIN, 2).step(MORNING)


def test_the_loop_runs_until_it_is_told_to_stop_and_survives_a_lost_database(small_world: World) -> None:
    """A failing round is tried again; a log that contradicts itself ends the loop."""
    stop, rounds = threading.Event(), []
    sequencer = small_world.sequencer_of()
    real = sequencer.step

    def step(now: int) -> object:
        rounds.append(now)
        if len(rounds) == 1:
            small_world.sql("SELECT * FROM no_such_table")
        if len(rounds) == 2:
            raise TimeoutError
        if len(rounds) == 4:
            stop.set()
        return real(now)

    sequencer.step = step  # type: ignore[assignment, method-assign]  # fails first, then works
    sequencer.run(stop, interval=0)
    assert len(rounds) == 4
    assert _events(small_world) == ["log.opened"]
    sequencer.close(MORNING, MORNING + YEARS)
    with pytest.raises(LogClosedError):
        sequencer.run(threading.Event(), interval=0)


def test_the_signing_key_is_not_shown() -> None:
    """Neither a sequencer nor its signer prints a private key."""
    assert (bytes([1]) * 32).hex() not in repr(signer())
