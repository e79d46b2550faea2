"""One log a school year: the turn of the year happens by itself, once, and loses nothing."""

import dataclasses
import itertools
import threading
import zipfile
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from audit import verify
from audit.errors import ClockError, LogClosedError
from audit.proofs import LogState, log_note, logs, prove
from audit.quorum import parse_policy
from audit.receipt import Verdict, verify_receipt
from audit.sequencer import Sequencer
from audit.timeline import Filter, find
from gateway import exports, periods
from gateway.app import renew_log_key, yearly_log
from gateway.deliveries import receipt_of
from gateway.demo.people import MINISTER, must
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.oversight import policy_text
from gateway.yearly import KEEP, YearlyLog

from .conftest import TABLE, World
from .test_receive import received

JULY = datetime(2027, 7, 31, 21, 59, 59, tzinfo=UTC)  # a second before midnight in Amsterdam
AUGUST = JULY + timedelta(seconds=1)
NAME = "127.0.0.1/audit"
OFFICER = Identity(MINISTER, "controller-officer")


def chain(world: World) -> list[LogState]:
    with world.gateway.reading() as session:
        return logs(session.connection())


def _past_the_guards(connection: Connection, table: str, statement: str) -> None:
    """Bring a log to its end without waiting five years for it."""
    if connection.dialect.name == "sqlite":
        for moment in ("update", "delete"):
            connection.exec_driver_sql(f"DROP TRIGGER {table}_{moment}_guard")
    else:
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    connection.exec_driver_sql(statement)


def last_leaf(world: World) -> bytes:
    """The leaf of the newest thing that was done here."""
    with world.gateway.reading() as session:
        return sha256(b"\0" + find(session.connection(), Filter(), limit=1)[0].data).digest()


def test_on_the_first_of_august_one_log_ends_and_the_next_commits_to_it(world: World) -> None:
    """The old log has its final checkpoint and its end of retention; the first entry of the new one holds on to it."""
    world.at(JULY).sequence()
    last = last_leaf(world)
    assert [log.origin for log in chain(world)] == [f"{NAME}/2026-2027"]
    world.at(AUGUST).sequence()
    old, new = chain(world)
    assert (old.is_closed, new.origin, new.is_closed) == (True, f"{NAME}/2027-2028", False)
    assert old.keep_until == int((AUGUST + KEEP).timestamp() * 1000)
    with world.gateway.reading() as session:
        connection = session.connection()
        end = log_note(connection, old.log, old.size).partition("\n\n")[0] + "\n"
        first = find(connection, Filter(event="log.opened"), limit=1)[0].fields()
        proof = prove(connection, last)
    assert first["object"]["commitment"] == sha256(end.encode()).hexdigest()
    assert proof.checkpoint.startswith(f"{NAME}/2026-2027\n")


def test_a_receipt_of_either_year_is_checked_with_one_policy(world: World) -> None:
    """Both logs have one key and two names: the file of keys holds both, and nobody reads it as a doubled line."""
    made = received(world)
    world.sequence()
    old = str(receipt_of(world.gateway, world.site(0), made.submission.id))
    world.at(AUGUST).sequence()
    policy = parse_policy(policy_text(world.gateway))
    assert [key.name for key in policy.logs] == [f"{NAME}/2026-2027", f"{NAME}/2027-2028"]
    assert verify_receipt(old, policy, world.counts(0)).verdict is Verdict.PROVEN


@pytest.mark.parametrize("name", ["2026-2027", f"{NAME}/2026-2027", "1"])
def test_a_closed_log_is_taken_out_by_name(world: World, name: str) -> None:
    """Its bundle is whole and ends at the final checkpoint; other forms hold its entries only."""
    world.at(JULY).sequence()
    world.at(AUGUST).sequence()
    old = chain(world)[0]
    with must(exports.take_out(world.gateway, OFFICER, name=name)) as bundle, zipfile.ZipFile(bundle) as opened:
        checked = verify.check_bundle(opened, verify.Policy(policy_text(world.gateway)), [])
    assert (checked.whole, checked.entries, checked.tree.origin) == (True, old.size, old.origin)
    with must(exports.take_out(world.gateway, OFFICER, exports.Form.CSV, name=name)) as lines:
        rows = lines.read().decode().splitlines()[1:]
    assert [int(row.partition(";")[0]) for row in rows] == [*range(old.size)][::-1]
    assert exports.take_out(world.gateway, OFFICER, name="2019-2020") == Refused("not-found")


def test_a_school_year_means_every_log_of_it(world: World) -> None:
    """After a renewal a year has two: tables hold both, a bundle is of one and says which there are."""
    world.at(JULY).sequence()
    name = must(renew_log_key(world.at(JULY).desk))
    world.at(JULY).sequence()
    world.at(AUGUST).sequence()
    first, second, _ = chain(world)
    whole, part, other = f"{NAME}/2026-2027", name.rpartition("/")[2], "2"
    for asked, sizes in (("2026-2027", [second.size, first.size]), (whole, [first.size])):
        with must(exports.take_out(world.gateway, OFFICER, exports.Form.CSV, name=asked)) as lines:
            rows = lines.read().decode().splitlines()[1:]
        assert [int(row.partition(";")[0]) for row in rows] == [at for size in sizes for at in reversed(range(size))]
    for asked, log in ((whole, first), (name, second), (part, second), (other, second)):
        with must(exports.take_out(world.gateway, OFFICER, name=asked)) as bundle, zipfile.ZipFile(bundle) as opened:
            checked = verify.check_bundle(opened, verify.Policy(policy_text(world.gateway)), [])
        assert (checked.tree.origin, checked.entries) == (log.origin, log.size)
    refused = Refused("log-several", facts={"logs": "1, 2"})
    for wanted in (None, Filter(event="log.opened")):
        assert exports.take_out(world.gateway, OFFICER, wanted=wanted, name="2026-2027") == refused


def test_a_log_whose_retention_has_ended_is_told_to_be_over(world: World) -> None:
    """Its name is still known, its entries are not: nobody takes an empty file for a year without acts."""
    world.at(JULY).sequence()
    world.at(AUGUST).sequence()
    with world.gateway.writing() as session:
        for table in ("audit_entry", "audit_index", "audit_mark", "audit_node"):
            _past_the_guards(session.connection(), table, f"DELETE FROM {table} WHERE log = 1")  # noqa: S608  our own tables
        _past_the_guards(session.connection(), "audit_closing", "UPDATE audit_closing SET keep_until = 1")
    own = Identity(world.region.sites[0].code, "privacy-officer")
    over = Refused("log-expired", facts={"logs": "1"})
    for officer, form in itertools.product((OFFICER, own), exports.Form):
        assert exports.take_out(world.gateway, officer, form, name="2026-2027") == over
    must(exports.take_out(world.gateway, own, name="2027-2028")).close()


def test_a_year_that_was_closed_but_not_signed_is_signed_by_the_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the closing and its checkpoint is mended, and then the new log begins."""
    world.at(JULY).sequence()
    with monkeypatch.context() as crash:
        crash.setattr("audit.sequencer.Sequencer._publish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.at(AUGUST).sequence()
    assert chain(world)[0].is_closed
    world.at(AUGUST).sequence()
    old, new = chain(world)
    with world.gateway.reading() as session:
        assert log_note(session.connection(), old.log, old.size)
    assert new.size > 0


def test_a_log_of_another_key_is_not_taken_over_by_mistake(world: World) -> None:
    """With a key that never signed the open log, nothing is closed and nothing is signed."""
    world.at(JULY).sequence()
    other = dataclasses.replace(yearly_log(world.at(AUGUST).gateway), seed=bytes(32))
    with pytest.raises(LogClosedError, match="another key"):
        other.sequencer()
    assert [log.is_closed for log in chain(world)] == [False]


def test_a_running_sequencer_turns_the_year_itself(world: World) -> None:
    """It stops at midnight, closes the log and goes on under the new origin, without a restart."""
    stop, ticks = threading.Event(), itertools.count()

    def clock() -> int:
        tick = next(ticks)
        if tick > 40:
            stop.set()
        return int((JULY if tick < 20 else AUGUST).timestamp() * 1000)

    gateway = world.gateway
    YearlyLog(gateway.database, dataclasses.replace(gateway.log, clock=clock), NAME, yearly_log(gateway).seed).run(stop)
    assert [(log.origin[-9:], log.is_closed) for log in chain(world)] == [("2026-2027", True), ("2027-2028", False)]


def test_after_a_summer_without_a_worker_each_act_is_in_the_log_of_its_own_year(world: World) -> None:
    """Nobody sequenced from July to October while the servers went on: the export of either year lacks nothing."""
    world.sequence()
    done = {"2026-2027": JULY, "2027-2028": AUGUST}
    for year, moment in done.items():
        last = periods.last_day(year)
        period = {"reference_date": last, "deadline": last, "exercise": True}
        must(world.at(moment).desk.open_period(TABLE, f"{year}-4", **period))
    world.at(AUGUST + timedelta(days=80)).sequence()
    for year in done:
        with must(exports.take_out(world.gateway, OFFICER, exports.Form.CSV, name=year)) as lines:
            rows = lines.read().decode()
        assert [each for each in done if f"exercise:{TABLE}/{each}-4" in rows] == [year]


def test_the_year_turns_after_the_database_was_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No database at midnight: it is tried again, and the next log opens."""
    world.at(JULY).sequence()
    monkeypatch.setattr("gateway.yearly.TRY_AGAIN_SECONDS", 0)
    turn, stop, turns = YearlyLog.sequencer, threading.Event(), itertools.count()

    def sequencer(log: YearlyLog) -> Sequencer:
        if next(turns) == 0:
            raise OperationalError("away", None, Exception())
        stop.set()
        made = turn(log)
        made.step(log.log.clock())
        return made

    monkeypatch.setattr(YearlyLog, "sequencer", sequencer)
    yearly_log(world.at(AUGUST).gateway).run(stop)
    assert [(log.origin[-9:], log.is_closed) for log in chain(world)] == [("2026-2027", True), ("2027-2028", False)]


def test_a_clock_that_goes_back_over_the_first_of_august_closes_nothing(world: World) -> None:
    """The log of the new year stays open, and takes entries again as soon as the clock is right."""
    world.at(JULY).sequence()
    world.at(AUGUST).sequence()
    behind = yearly_log(world.at(AUGUST - timedelta(minutes=2)).gateway)
    with pytest.raises(ClockError, match="set the clock"):
        behind.sequencer()
    before = chain(world)
    must(world.at(AUGUST).desk.issue_token("ORG-POORT", scopes=("audit",), expires_at=AUGUST + timedelta(days=1)))
    world.at(AUGUST + timedelta(minutes=1)).sequence()
    after = chain(world)
    assert [(log.origin[-9:], log.is_closed) for log in after] == [("2026-2027", True), ("2027-2028", False)]
    assert after[1].size > before[1].size


def test_a_sequencer_waits_for_its_clock_to_be_set(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that comes up in an earlier year says so again and again, and goes on once it knows the time."""
    world.at(AUGUST).sequence()
    monkeypatch.setattr("gateway.yearly.TRY_AGAIN_SECONDS", 0)
    stop, ticks = threading.Event(), itertools.count()

    def clock() -> int:
        tick = next(ticks)
        if tick > 20:
            stop.set()
        return int((JULY - timedelta(days=2_000) if tick < 10 else AUGUST).timestamp() * 1000)

    gateway = world.gateway
    YearlyLog(gateway.database, dataclasses.replace(gateway.log, clock=clock), NAME, yearly_log(gateway).seed).run(stop)
    assert [(log.origin[-9:], log.is_closed) for log in chain(world)] == [("2027-2028", False)]


def test_after_two_years_without_work_the_operator_lets_the_log_go_on(world: World) -> None:
    """More likely the clock is wrong: nothing turns by itself; `key renew-log` is the word of somebody who looked."""
    world.at(JULY).sequence()
    later = world.at(AUGUST + timedelta(days=366))
    with pytest.raises(ClockError, match="key renew-log"):
        later.sequence()
    assert [log.is_closed for log in chain(world)] == [False]
    name = must(renew_log_key(later.desk))
    later.sequence()
    assert [(log.origin, log.is_closed) for log in chain(world)][1:] == [(name, False)]


def test_a_year_that_began_too_early_begins_again_under_a_name_of_its_own(world: World) -> None:
    """A clock ran ahead over 1 August: at the operator's word the old year goes on, and the new one comes in time."""
    world.at(JULY - timedelta(days=1)).sequence()
    world.at(AUGUST).sequence()
    name = must(renew_log_key(world.at(JULY).desk))
    world.at(JULY).sequence()
    for _ in range(2):
        world.at(AUGUST).sequence()
    logs_of = [log.origin for log in chain(world)]
    assert logs_of[:3] == [f"{NAME}/2026-2027", f"{NAME}/2027-2028", name]
    assert [each.startswith(f"{NAME}/2027-2028/") for each in logs_of[3:]] == [True]


def test_after_a_leak_the_log_goes_on_under_another_key(world: World) -> None:
    """The old log ends, the new one commits to it; old receipts stay good, and the leaked key signs nothing more."""
    made, later = received(world), world.at(JULY)
    leaked = yearly_log(later.gateway)
    later.sequence()
    receipt = str(receipt_of(world.gateway, world.site(0), made.submission.id))
    name = must(renew_log_key(later.desk))
    later.sequence()
    old, new = chain(world)
    assert (old.is_closed, new.origin, new.key == old.key) == (True, name, False)
    assert name.startswith(f"{NAME}/2026-2027/")
    assert verify_receipt(receipt, parse_policy(policy_text(world.gateway)), world.counts(0)).verdict is Verdict.PROVEN
    with pytest.raises(LogClosedError, match="another key"):
        leaked.sequencer().step(later.gateway.log.clock())
