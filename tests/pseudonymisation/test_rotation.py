"""Re-keying, number changes and erasure on real databases of both kinds."""

import random
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
    select,
)

from pseudonymisation.domain import Domain
from pseudonymisation.errors import KeyringError, PseudonymisationError
from pseudonymisation.kek import FileKek
from pseudonymisation.keyring import Keyring, KeyState
from pseudonymisation.pseudonym import pids, pids_through, rekeyer
from pseudonymisation.rotation import NumberConflict, change_numbers, erase, keyless, rekey, renounce, succeed

DOMAIN = Domain("absence-statistics", "2026-2027")
SPAN = {"not_before": date(2026, 8, 1), "not_after": date(2027, 9, 1)}
ROWS = Table(
    "row",
    MetaData(),
    Column("submission", Integer, primary_key=True),
    Column("pid", LargeBinary(16), primary_key=True),
    Column("key_id", String(16), nullable=False),
    Column("hours", Integer, nullable=False),
    sqlite_with_rowid=False,
)
YS = [bytes([index]) * 64 for index in range(40)]


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """A database with the table of rows."""
    made = create_engine(database)
    ROWS.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """The gateway's keys, with an active one for the domain."""
    made = Keyring(tmp_path / "keys", FileKek.create(tmp_path / "kek" / "kek.json"))
    made.open(DOMAIN.purpose, DOMAIN.school_year, **SPAN)
    return made


def active(keyring: Keyring) -> str:
    """The key id in use."""
    record = keyring.active(DOMAIN.purpose, DOMAIN.school_year)
    assert record is not None
    return record.key_id


def deliver(connection: Connection, keyring: Keyring, key_id: str, submission: int, ys: Sequence[bytes]) -> None:
    """What a gateway does with the pseudonyms of a submission."""
    made = pids_through(keyring.chain(key_id), DOMAIN, ys)
    rows = [{"submission": submission, "pid": pid, "key_id": key_id, "hours": at} for at, pid in enumerate(made)]
    connection.execute(insert(ROWS), rows)


def stored(engine: Engine) -> list[tuple[int, bytes, str, int]]:
    """Every row, in order of submission and hours."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(ROWS).order_by(ROWS.c.submission, ROWS.c.hours))]


def heal(engine: Engine, keyring: Keyring, leaked: str) -> int:
    """The gateway's answer to a leak: the steps of the room, until nothing is left."""
    successor = succeed(keyring, leaked).key_id
    with engine.begin() as connection:
        secret = keyring.secret(successor)
        return rekey(connection, ROWS, leaked=leaked, successor=successor, key=secret, domain=DOMAIN)


def test_after_a_leak_old_rows_and_new_deliveries_meet(engine: Engine, keyring: Keyring) -> None:
    """A pupil's pids from before and after the leak are equal, and not what they were; all else is as it was."""
    leaked = active(keyring)
    with engine.begin() as connection:
        deliver(connection, keyring, leaked, 1, YS)
    before = stored(engine)
    assert heal(engine, keyring, leaked) == len(YS)
    with engine.begin() as connection:
        deliver(connection, keyring, active(keyring), 2, YS)
    after = stored(engine)
    assert [row[1] for row in after[: len(YS)]] == [row[1] for row in after[len(YS) :]]
    assert not {row[1] for row in before} & {row[1] for row in after}
    assert [row[3] for row in after[: len(YS)]] == [row[3] for row in before]


def test_running_it_again_takes_the_late_ones_only(engine: Engine, keyring: Keyring) -> None:
    """A delivery that was under way under the leaked key is re-keyed by the next run; a further run finds nothing."""
    leaked = active(keyring)
    with engine.begin() as connection:
        deliver(connection, keyring, leaked, 1, YS)
    assert heal(engine, keyring, leaked) == len(YS)
    with engine.begin() as connection:
        deliver(connection, keyring, leaked, 2, YS[:3])
    assert heal(engine, keyring, leaked) == 3
    assert heal(engine, keyring, leaked) == 0
    rows = stored(engine)
    assert {row[1] for row in rows if row[0] == 2} == {row[1] for row in rows if row[0] == 1 and row[3] < 3}


def test_a_rotation_that_is_rolled_back_changed_nothing(engine: Engine, keyring: Keyring) -> None:
    """The re-keying commits with its audit entry or not at all."""
    leaked = active(keyring)
    with engine.begin() as connection:
        deliver(connection, keyring, leaked, 1, YS)
    before = stored(engine)
    successor = succeed(keyring, leaked).key_id
    with engine.connect() as connection:
        secret = keyring.secret(successor)
        rekey(connection, ROWS, leaked=leaked, successor=successor, key=secret, domain=DOMAIN)
        connection.rollback()
    assert stored(engine) == before


def test_other_keys_are_left_alone(engine: Engine, keyring: Keyring) -> None:
    """Rows of another purpose's key in the same table keep their pids."""
    other = keyring.open("care-with-consent", DOMAIN.school_year, **SPAN).key_id
    with engine.begin() as connection:
        deliver(connection, keyring, other, 1, YS)
    before = stored(engine)
    assert heal(engine, keyring, active(keyring)) == 0
    assert stored(engine) == before


def test_succeeding_twice_makes_one_successor(keyring: Keyring) -> None:
    """A run that stopped after making the key goes on with that key."""
    leaked = active(keyring)
    assert succeed(keyring, leaked).key_id == succeed(keyring, leaked).key_id
    assert keyring.record(leaked).state is KeyState.DECRYPT_ONLY  # type: ignore[union-attr]  it is there


def test_a_second_leak_makes_a_longer_chain(engine: Engine, keyring: Keyring) -> None:
    """After two leaks the rows of all three times meet."""
    for submission in (1, 2, 3):
        with engine.begin() as connection:
            deliver(connection, keyring, active(keyring), submission, YS)
        if submission < 3:
            heal(engine, keyring, active(keyring))
    rows = stored(engine)
    assert len({row[1] for row in rows}) == len(YS)


def test_from_the_next_period_a_fresh_key_stands_alone(keyring: Keyring) -> None:
    """Renouncing gives a key without a past, so that every leaked one may end; running it again changes nothing."""
    first = active(keyring)
    second = succeed(keyring, first).key_id
    third = succeed(keyring, second).key_id
    fresh = renounce(keyring, third, not_before=date(2026, 11, 15))
    assert renounce(keyring, third, not_before=date(2026, 11, 15)).key_id == fresh.key_id == active(keyring)
    assert len(keyring.chain(fresh.key_id)) == 1
    keyring.destroy(*keyring.links(third)[:-1])
    states = {record.key_id: record.state for record in keyring.records()}
    assert states[first] is states[second] is KeyState.DESTROYED
    assert states[third] is KeyState.DECRYPT_ONLY


def test_only_a_key_in_use_can_have_leaked(keyring: Keyring) -> None:
    """An unknown key, a new one or one without a past is refused."""
    new = keyring.create("care-with-consent", None, **SPAN).key_id
    for refused in (
        lambda: succeed(keyring, "0123456789abcdef"),
        lambda: succeed(keyring, new),
        lambda: renounce(keyring, active(keyring), not_before=date(2026, 11, 15)),
    ):
        with pytest.raises(KeyringError):
            refused()


def test_a_key_does_not_succeed_itself(engine: Engine) -> None:
    """Re-keying under the same key id would make rows that no chain gives."""
    with engine.begin() as connection, pytest.raises(PseudonymisationError):
        rekey(connection, ROWS, leaked="a" * 16, successor="a" * 16, key=b"k" * 32, domain=DOMAIN)


def changed(engine: Engine, keyring: Keyring, pairs: Sequence[tuple[int, int]]) -> int | NumberConflict:
    """Number changes between the world's pseudonyms, by position."""
    made = pids(keyring.secret(active(keyring)), DOMAIN, YS)
    with engine.begin() as connection:
        return change_numbers(
            connection,
            ROWS,
            key_id=active(keyring),
            pairs=[(made[old], made[new]) for old, new in pairs],
            unit=ROWS.c.submission,
        )


def test_a_pupil_goes_on_under_the_new_number(engine: Engine, keyring: Keyring) -> None:
    """Every row of the old number, in every submission, gets the pid of the new one; again changes nothing."""
    with engine.begin() as connection:
        deliver(connection, keyring, active(keyring), 1, YS[:5])
        deliver(connection, keyring, active(keyring), 2, YS[:5])
    assert changed(engine, keyring, [(0, 30), (1, 31)]) == 4
    assert changed(engine, keyring, [(0, 30), (1, 31)]) == 0
    made = pids(keyring.secret(active(keyring)), DOMAIN, YS)
    expected = [made[30], made[31], *made[2:5]]
    assert [row[1] for row in stored(engine)] == expected * 2


@pytest.mark.parametrize("pairs", [[(0, 0)], [(0, 1), (1, 2)], [(0, 1), (2, 1)], [(0, 1), (0, 2)], [(0, 1), (1, 0)]])
def test_ambiguous_changes_change_nothing(engine: Engine, keyring: Keyring, pairs: list[tuple[int, int]]) -> None:
    """Chains, swaps and doubles in one request depend on their order, so none is made."""
    with engine.begin() as connection:
        deliver(connection, keyring, active(keyring), 1, YS[:1])
    before = stored(engine)
    assert changed(engine, keyring, pairs) == NumberConflict(len(pairs) - 1, "ambiguous")
    assert stored(engine) == before


def test_two_pupils_are_never_merged_into_one(engine: Engine, keyring: Keyring) -> None:
    """If one submission has both numbers they are two pupils: nothing is changed, not even the good pairs."""
    with engine.begin() as connection:
        deliver(connection, keyring, active(keyring), 1, YS[:5])
    before = stored(engine)
    assert changed(engine, keyring, [(0, 30), (1, 2)]) == NumberConflict(1, "both-present")
    assert stored(engine) == before


def test_erasing_removes_the_rows_of_a_key(engine: Engine, keyring: Keyring) -> None:
    """At the end of the retention the rows of that key go, and no others."""
    gone, kept = active(keyring), keyring.open("care-with-consent", DOMAIN.school_year, **SPAN).key_id
    with engine.begin() as connection:
        deliver(connection, keyring, gone, 1, YS)
        deliver(connection, keyring, kept, 2, YS[:2])
    with engine.begin() as connection:
        assert erase(connection, ROWS, [gone]) == len(YS)
    assert {row[2] for row in stored(engine)} == {kept}


def test_rows_without_a_key_are_named(engine: Engine, keyring: Keyring) -> None:
    """After a restore the rows of destroyed and unknown keys are found."""
    destroyed = active(keyring)
    with engine.begin() as connection:
        deliver(connection, keyring, destroyed, 1, YS[:2])
        connection.execute(insert(ROWS), {"submission": 2, "pid": b"p" * 16, "key_id": "f" * 16, "hours": 0})
    keyring.destroy(destroyed)
    with engine.begin() as connection:
        assert keyless(connection, ROWS, keyring) == sorted([destroyed, "f" * 16])


@pytest.mark.soak
def test_the_whole_country_is_rekeyed_in_one_transaction(engine: Engine, keyring: Keyring) -> None:
    """2.3 million rows get their successors; a sample of each thousandth row is right."""
    count, leaked = 2_300_000, active(keyring)
    draw = random.Random(2)  # noqa: S311  made-up pids
    old = [draw.randbytes(16) for _ in range(count)]
    with engine.begin() as connection:
        for start in range(0, count, 100_000):
            rows = [
                {"submission": at // 300, "pid": old[at], "key_id": leaked, "hours": at}
                for at in range(start, min(start + 100_000, count))
            ]
            connection.execute(insert(ROWS), rows)
    started = time.perf_counter()
    assert heal(engine, keyring, leaked) == count
    print(f"{engine.dialect.name}: {time.perf_counter() - started:.1f} s")  # noqa: T201  a figure for the reader, no assertion
    with engine.connect() as connection:
        function = rekeyer(keyring.secret(active(keyring)), DOMAIN)
        for at in range(0, count, 1000):
            wanted = (ROWS.c.submission == at // 300, ROWS.c.pid == function(old[at]))
            assert connection.execute(select(ROWS.c.hours).where(*wanted)).scalar() == at
