"""Keys after a leak: followed, renounced, destroyed; each act logged with what it did."""

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta

import pytest
from sqlalchemy import Connection, text

from gateway import receive, working
from gateway.access import Held, answer
from gateway.changes import change_numbers
from gateway.database import UNAVAILABLE
from gateway.deliveries import confirm, own_submissions
from gateway.demo.people import must
from gateway.identity import Identity, identify_token
from gateway.keys import Rotated, destroy, renew_keks, renounce, rotate
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.prepared import SUBJECTS, Prepared
from gateway.retention import run
from pseudonymisation import rotation
from pseudonymisation.errors import KeyringError
from pseudonymisation.keyring import KeyRecord, Keyring, KeyState

from .conftest import PERIOD, TABLE, World
from .records import delivered, elsewhere, events, full_disk, rows, sent
from .test_changes import document

YEAR, PURPOSE = "2026-2027", "counting-for-school"


def rotated(world: World) -> Rotated:
    made = rotate(world.desk, PURPOSE, YEAR)
    assert isinstance(made, Rotated), made
    return made


def test_after_a_leak_every_pid_is_another(world: World) -> None:
    """Rows keep their figures under pids of the new key; none is left under the leaked one."""
    delivered(world)
    before = rows(world)
    made = rotated(world)
    after = rows(world)
    assert made.rows == len(before) == len(after)
    assert {row.key_id for row in after} == {made.key_id}
    assert not {row.pid for row in before} & {row.pid for row in after}
    assert sorted((row.subdivision, row.scheduled, row.hours) for row in after) == sorted(
        (row.subdivision, row.scheduled, row.hours) for row in before
    )


def test_no_school_notices_a_rotation(world: World) -> None:
    """The same pupil is found again, and delivered again under the same pid."""
    pseudonyms = delivered(world, 0)
    rotated(world)
    world.sequence()
    held = answer(world.gateway, Identity(world.region.sites[0].code, "school"), year=YEAR, pseudonym=pseudonyms[0])
    assert isinstance(held, Held)
    assert len(held.rows) == 1


def test_a_delivery_across_a_rotation_stands_under_the_new_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared before a rotation, kept after it: no row stands under the leaked key, and the pupil is found."""
    prepare, rotations = receive.prepare, [SUBJECTS, PURPOSE]

    def then_rotated(*given: object, **named: object) -> object:
        made = prepare(*given, **named)  # type: ignore[arg-type]  # passed on as it came
        if rotations:
            assert isinstance(rotate(world.desk, rotations.pop(), YEAR), Rotated)
        return made

    monkeypatch.setattr(receive, "prepare", then_rotated)
    pseudonyms = delivered(world)
    current = world.gateway.keyring.active(PURPOSE, YEAR)
    assert current is not None
    assert {row.key_id for row in rows(world)} == {current.key_id}
    world.sequence()
    held = answer(world.gateway, Identity(world.region.sites[0].code, "school"), year=YEAR, pseudonym=pseudonyms[0])
    assert isinstance(held, Held)
    assert len(held.rows) == 1


@pytest.mark.parametrize("consents", [False, True])
def test_after_a_leak_of_the_key_encryption_key_every_key_stands_under_another(world: World, consents: bool) -> None:
    """The keys of that ring stay and those of the other are not touched; the act is in the log."""
    span = {"not_before": date(2026, 8, 1), "not_after": date(2027, 8, 1)}
    rings = [world.gateway.keyring, world.gateway.consent_keys]
    rings[1].create("one", None, **span)
    renewed, other = rings[::-1] if consents else rings
    secrets = {one.key_id: renewed.secret(one.key_id) for one in renewed.records()}
    before, untouched = {one.kek_id for one in renewed.records()}, other.records()
    assert renew_keks(world.desk, consents=consents) is None
    assert secrets == {one.key_id: renewed.secret(one.key_id) for one in renewed.records()}
    assert not before & {one.kek_id for one in renewed.records()}
    assert other.records() == untouched
    assert events(world).count("key.rotated") == 1


def test_a_rotation_waits_for_a_delivery_that_is_being_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the key and the commit no other key comes into use."""
    keep = Prepared.store

    def rotating(made: Prepared, connection: Connection) -> None:
        with pytest.raises(UNAVAILABLE):
            rotate(other, PURPOSE, YEAR)
        keep(made, connection)

    before = world.gateway.keyring.active(PURPOSE, YEAR)
    with monkeypatch.context() as patch, elsewhere(world) as other:
        patch.setattr("gateway.database.BUSY_SECONDS", 0)
        patch.setattr(Prepared, "store", rotating)
        delivered(world)
    assert world.gateway.keyring.active(PURPOSE, YEAR) == before


def acts(patch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """From now on this is done when pids were re-keyed, before their transaction ends."""
    rekey = rotation.rekey

    def then_act(*given: object, **named: object) -> int:
        moved = rekey(*given, **named)  # type: ignore[arg-type]  # passed on as it came
        act()
        return moved

    patch.setattr(rotation, "rekey", then_act)


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_a_party_is_locked_out_while_pids_are_rekeyed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes keeps nobody from ending at once what opens a door; on SQLite there is one writer."""
    delivered(world)
    party, ended = world.region.sites[0].code, list[object]()
    with monkeypatch.context() as patch, elsewhere(world) as other:
        acts(patch, lambda: ended.append(other.end_credentials(party)))
        rotated(world)
    assert ended == [0]


def waiting(world: World) -> int:
    """How many wait for a lock."""
    of_ours = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with world.gateway.database.connect() as connection:
        return int(connection.scalar(text(of_ours)) or 0)


def confirming(world: World, identity: Identity) -> object:
    return confirm(world.gateway, identity, own_submissions(world.gateway, identity)[0][0].id)


def changing(world: World, identity: Identity) -> object:
    return change_numbers(world.gateway, identity, document(world, (bytes([1]) * 64, bytes([2]) * 64)))


def destroying_tags(world: World, _: Identity) -> object:
    tags = world.gateway.keyring.active(SUBJECTS, YEAR)
    assert tags is not None
    return destroy(world.desk, tags.key_id)


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
@pytest.mark.parametrize("act", [confirming, changing, destroying_tags])
def test_who_waits_for_a_rotation_keeps_nobody_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch, act: Callable[[World, Identity], object]
) -> None:
    """Meanwhile its own party is locked out and the period closed, at once; what waited then comes to nothing."""
    delivered(world)
    party, now = world.region.sites[0].code, world.gateway.clock()
    token = must(world.desk.issue_token(party, scopes=["all"], expires_at=now + timedelta(days=1)))
    with world.gateway.reading() as session:
        shown = identify_token(session, token, now)
    assert shown is not None
    done = list[object]()

    def meanwhile() -> None:
        waits.append(pool.submit(act, world, shown))
        while not waiting(world):
            assert not waits[0].done()
        done.extend([other.end_credentials(party), must(other.close_period(TABLE, PERIOD)).state])

    waits = list[Future[object]]()
    with monkeypatch.context() as patch, elsewhere(world) as other, ThreadPoolExecutor(1) as pool:
        acts(patch, meanwhile)
        rotated(world)
    assert done == [1, "closed"]
    assert (waits[0].result() == Refused("unauthenticated")) is (act is not destroying_tags)


def test_no_key_is_destroyed_before_the_pids_that_come_under_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who destroys the key in use while pids are re-keyed to it waits, and erases them too."""
    delivered(world)

    def destroying() -> None:
        current = world.gateway.keyring.active(PURPOSE, YEAR)
        assert current is not None
        with pytest.raises(UNAVAILABLE):
            destroy(other, current.key_id)

    with monkeypatch.context() as patch, elsewhere(world) as other:
        patch.setattr("gateway.database.BUSY_SECONDS", 0)
        acts(patch, destroying)
        made = rotated(world)
    assert {row.key_id for row in rows(world)} == {made.key_id}
    assert world.gateway.keyring.active(PURPOSE, YEAR) is not None


def test_tags_of_the_new_key_stay_when_those_of_a_leaked_one_are_erased(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delivered as soon as the new key is in use: the log still leads to that pupil, and to none of before."""
    before, act = delivered(world), Desk.act
    after: list[bytes] = []

    def then_delivered(desk: Desk, *given: object, **named: object) -> object:
        done = act(desk, *given, **named)  # type: ignore[arg-type]  # passed on as it came
        after[:] = after or delivered(world, 1)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "act", then_delivered)
        assert isinstance(rotate(world.desk, SUBJECTS, YEAR), Rotated)
    world.sequence()
    uses = []
    for index, pseudonym in enumerate((before[0], after[0])):
        held = answer(world.gateway, Identity(world.region.sites[index].code, "school"), year=YEAR, pseudonym=pseudonym)
        assert isinstance(held, Held)
        uses.append(len(held.uses))
    assert uses == [0, 1]


def test_a_rotation_that_broke_off_is_completed_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the new key was made: the next rotation carries every row through both keys."""
    pseudonyms = delivered(world)
    with monkeypatch.context() as patch:
        patch.setattr("gateway.keys._rekey", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rotate(world.desk, PURPOSE, YEAR)
    made = rotated(world)
    assert {row.key_id for row in rows(world)} == {made.key_id}
    world.sequence()
    held = answer(world.gateway, Identity(world.region.sites[0].code, "school"), year=YEAR, pseudonym=pseudonyms[0])
    assert isinstance(held, Held)
    assert len(held.rows) == 1


def test_a_rotation_is_logged_with_its_rows(world: World) -> None:
    """The new key has an entry, and the re-keying one in the transaction of the rows."""
    delivered(world)
    rotated(world)
    assert events(world)[-2:] == ["key.created", "key.rotated"]


def test_renouncing_destroys_the_leaked_key(world: World) -> None:
    """From the next period on a fresh key alone is in use, and the leaked one opens no more."""
    leaked = world.gateway.keyring.active(PURPOSE, YEAR)
    assert leaked is not None
    rotated(world)
    fresh = renounce(world.desk, PURPOSE, YEAR)
    assert isinstance(fresh, Rotated)
    current = world.gateway.keyring.active(PURPOSE, YEAR)
    assert current is not None
    assert (current.key_id, current.previous) == (fresh.key_id, None)
    with pytest.raises(KeyringError):
        world.gateway.keyring.secret(leaked.key_id)
    assert events(world)[-1] == "key.retired"


def test_no_key_is_destroyed_while_rows_stand_under_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a rotation that broke off renouncing names the command that completes it; then no row is lost."""
    delivered(world)
    many = len(rows(world))
    with monkeypatch.context() as patch:
        patch.setattr("gateway.keys._rekey", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rotate(world.desk, PURPOSE, YEAR)
    assert renounce(world.desk, PURPOSE, YEAR) == Refused("rows-left")
    rotated(world)
    assert isinstance(renounce(world.desk, PURPOSE, YEAR), Rotated)
    run(world.gateway, world.desk.identity)
    assert len(rows(world)) == many


def before_a_key_is_active(store: Callable[..., KeyRecord]) -> Callable[..., KeyRecord]:
    """Death in place of the second of two files: the key before it is put away, the new one is not in use."""

    def stored(keyring: Keyring, record: KeyRecord, *, shredding: bool = False) -> KeyRecord:
        if record.state is KeyState.ACTIVE:
            raise KeyboardInterrupt
        return store(keyring, record, shredding=shredding)

    return stored


@pytest.mark.parametrize("purpose", [PURPOSE, SUBJECTS])
def test_no_key_comes_between_two_of_a_rotation_that_broke_off(
    world: World, monkeypatch: pytest.MonkeyPatch, purpose: str
) -> None:
    """Making keys, or opening a period, names the command that completes it: no third key leaves rows behind."""
    delivered(world)
    with monkeypatch.context() as patch:
        patch.setattr(Keyring, "_store", before_a_key_is_active(Keyring._store))
        with pytest.raises(KeyboardInterrupt):
            rotate(world.desk, purpose, YEAR)
    unfinished = Refused("rotation-unfinished", facts={"purpose": purpose})
    days = {"reference_date": date(2026, 12, 1), "deadline": date(2026, 12, 31)}
    assert world.desk.create_keys(YEAR) == unfinished
    assert world.desk.open_period(TABLE, f"{YEAR}-2", exercise=True, **days) == unfinished
    made = must(rotate(world.desk, purpose, YEAR))
    assert world.desk.create_keys(YEAR) == 0
    assert purpose == SUBJECTS or {row.key_id for row in rows(world)} == {made.key_id}


def test_a_rotation_that_broke_off_between_two_keys_is_completed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when the leaked key was put away and the new one not in use: the next rotation brings it into use."""
    delivered(world)
    with monkeypatch.context() as patch:
        patch.setattr(Keyring, "_store", before_a_key_is_active(Keyring._store))
        with pytest.raises(KeyboardInterrupt):
            rotate(world.desk, PURPOSE, YEAR)
    assert world.gateway.keyring.active(PURPOSE, YEAR) is None
    made = rotated(world)
    assert {row.key_id for row in rows(world)} == {made.key_id}


@pytest.mark.parametrize("step", ["activate", "destroy"])
def test_renouncing_that_broke_off_is_completed(world: World, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Killed after the key in use was put away, or before the leaked ones are destroyed: run again, none opens."""
    leaked = world.gateway.keyring.active(PURPOSE, YEAR)
    assert leaked is not None
    last = rotated(world)
    with monkeypatch.context() as patch:
        if step == "destroy":
            patch.setattr(Keyring, "destroy", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        else:
            patch.setattr(Keyring, "_store", before_a_key_is_active(Keyring._store))
        with pytest.raises(KeyboardInterrupt):
            renounce(world.desk, PURPOSE, YEAR)
    fresh = renounce(world.desk, PURPOSE, YEAR)
    assert isinstance(fresh, Rotated)
    current = world.gateway.keyring.active(PURPOSE, YEAR)
    assert current is not None
    assert (current.key_id, current.previous) == (fresh.key_id, None)
    assert fresh.key_id != last.key_id
    with pytest.raises(KeyringError):
        world.gateway.keyring.secret(leaked.key_id)
    assert renounce(world.desk, PURPOSE, YEAR) == Refused("unknown-key")


def test_a_commit_that_fails_leaves_no_key_renounced_without_entry(world: World) -> None:
    """The leaked key opens until the entry is kept; run again, there is one, and it opens no more."""
    leaked = world.gateway.keyring.active(PURPOSE, YEAR)
    assert leaked is not None
    rotated(world)
    with full_disk(world), pytest.raises(OSError, match="no space"):
        renounce(world.desk, PURPOSE, YEAR)
    assert world.gateway.keyring.secret(leaked.key_id)
    assert isinstance(renounce(world.desk, PURPOSE, YEAR), Rotated)
    assert events(world)[-1] == "key.retired"
    with pytest.raises(KeyringError):
        world.gateway.keyring.secret(leaked.key_id)


def test_without_a_leak_there_is_nothing_to_renounce(world: World) -> None:
    """A key that follows no other stays."""
    assert renounce(world.desk, PURPOSE, YEAR) == Refused("unknown-key")


def test_destroying_a_key_erases_what_stands_under_it(world: World) -> None:
    """Rows and key go together, with one entry; the key does not come back."""
    delivered(world)
    key = world.gateway.keyring.active(PURPOSE, YEAR)
    assert key is not None
    gone = destroy(world.desk, key.key_id)
    assert isinstance(gone, Rotated)
    assert gone.rows > 0
    assert rows(world) == []
    record = world.gateway.keyring.record(key.key_id)
    assert record is not None
    assert record.state is KeyState.DESTROYED
    assert events(world)[-1] == "key.destroyed"
    assert destroy(world.desk, key.key_id) == Refused("unknown-key")


@pytest.mark.parametrize("times", [1, 2])
def test_a_key_that_others_follow_is_not_destroyed(world: World, times: int) -> None:
    """Deliveries pass through the leaked key and every one after it: it is needed, and the next delivery passes."""
    leaked = world.gateway.keyring.active(PURPOSE, YEAR)
    assert leaked is not None
    for _ in range(times):
        rotated(world)
    assert destroy(world.desk, leaked.key_id) == Refused("key-needed")
    delivered(world)
    assert rows(world)


def test_tags_of_two_keys_are_not_told_apart(world: World) -> None:
    """A key of tags that was put away is not destroyed while its tags stand among those of the one in use."""
    assert isinstance(rotate(world.desk, SUBJECTS, YEAR), Rotated)
    first = delivered(world, 0)[0]
    put_away = world.gateway.keyring.active(SUBJECTS, YEAR)
    assert put_away is not None
    assert isinstance(renounce(world.desk, SUBJECTS, YEAR), Rotated)
    second = delivered(world, 1)[0]
    assert destroy(world.desk, put_away.key_id) == Refused("tags-shared")
    assert [uses(world, 0, first), uses(world, 1, second)] == [1, 1]


def test_destroying_a_key_of_tags_leaves_those_of_the_key_in_use(world: World) -> None:
    """Once a rotation erased the tags of a key that was put away, it is destroyed and nothing else goes."""
    assert isinstance(rotate(world.desk, SUBJECTS, YEAR), Rotated)
    put_away = world.gateway.keyring.active(SUBJECTS, YEAR)
    assert put_away is not None
    assert isinstance(renounce(world.desk, SUBJECTS, YEAR), Rotated)
    assert isinstance(rotate(world.desk, SUBJECTS, YEAR), Rotated)
    pseudonym = delivered(world)[0]
    assert isinstance(destroy(world.desk, put_away.key_id), Rotated)
    assert uses(world, 0, pseudonym) == 1


def uses(world: World, index: int, pseudonym: bytes) -> int:
    """How many entries the log leads a site to, of a pupil."""
    world.sequence()
    held = answer(world.gateway, Identity(world.region.sites[index].code, "school"), year=YEAR, pseudonym=pseudonym)
    assert isinstance(held, Held)
    return len(held.uses)


Act = Callable[[World], Rotated | Refused]


def rotating(world: World) -> Rotated | Refused:
    return rotate(world.desk, PURPOSE, YEAR)


def renouncing(world: World) -> Rotated | Refused:
    return renounce(world.desk, PURPOSE, YEAR)


def destroying(world: World) -> Rotated | Refused:
    """Destroy the key that is in use at this moment."""
    key = world.gateway.keyring.active(PURPOSE, YEAR)
    assert key is not None
    return destroy(world.desk, key.key_id)


@pytest.mark.parametrize(
    ("late", "early", "refusal"),
    [
        (renouncing, renouncing, "unknown-key"),
        (renouncing, destroying, "unknown-key"),
        (destroying, rotating, "key-needed"),
        (destroying, destroying, "unknown-key"),
        (rotating, destroying, "unknown-key"),
        (rotating, renouncing, None),
    ],
)
def test_who_comes_second_finds_what_the_first_one_did(
    world: World, monkeypatch: pytest.MonkeyPatch, late: Act, early: Act, refusal: str | None
) -> None:
    """Of two operators one acts while the other waits for a turn: that one is refused, or goes on from there."""
    rotated(world)
    act, left = Desk.act, [early]

    def then_early(desk: Desk, *given: object, **named: object) -> object:
        while left:
            assert isinstance(left.pop()(world), Rotated)
        return act(desk, *given, **named)  # type: ignore[arg-type]  # passed on as it came

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "act", then_early)
        outcome = late(world)
    in_use = [one for one in world.gateway.keyring.records() if (one.purpose, one.state) == (PURPOSE, KeyState.ACTIVE)]
    assert len(in_use) == (0 if early is destroying else 1)
    if refusal is None:
        assert isinstance(outcome, Rotated)
    else:
        assert outcome == Refused(refusal)
        assert events(world)[-1] == "request.refused"


@pytest.mark.parametrize("moment", ["prepared", "committed"])
@pytest.mark.parametrize("purpose", [PURPOSE, SUBJECTS])
def test_nothing_is_kept_under_a_key_that_is_being_destroyed(
    world: World, monkeypatch: pytest.MonkeyPatch, purpose: str, moment: str
) -> None:
    """Prepared before, or sent between the erasing and the end of the key: the school is told, and no row stays."""
    key = world.gateway.keyring.active(purpose, YEAR)
    assert key is not None
    prepare, end, told, ends = receive.prepare, Keyring.destroy, list[object](), ["once"]

    def then_destroyed(*given: object, **named: object) -> object:
        made = prepare(*given, **named)  # type: ignore[arg-type]  # passed on as it came
        while ends:
            ends.pop()
            assert isinstance(destroy(world.desk, key.key_id), Rotated)
        return made

    def ending(keyring: Keyring, *key_ids: str) -> None:
        told.append(sent(world))
        end(keyring, *key_ids)

    if moment == "prepared":
        monkeypatch.setattr(receive, "prepare", then_destroyed)
        told.append(sent(world))
    else:
        monkeypatch.setattr(Keyring, "destroy", ending)
        assert isinstance(destroy(world.desk, key.key_id), Rotated)
    assert told == [Refused("key-missing")]
    assert rows(world) == []


def test_only_the_operator_turns_keys(world: World) -> None:
    """A school that tries is refused by law, and every key and row stays as it was."""
    delivered(world)
    key = world.gateway.keyring.active(PURPOSE, YEAR)
    assert key is not None
    desk = Desk(world.gateway, world.site(0))
    for outcome in (rotate(desk, PURPOSE, YEAR), destroy(desk, key.key_id)):
        assert isinstance(outcome, Refused)
    assert world.gateway.keyring.active(PURPOSE, YEAR) == key
    assert {row.key_id for row in rows(world)} == {key.key_id}


def left(world: World, old: list[bytes]) -> list[bytes]:
    """Those of some pids that stand in a file of the database."""
    files = list(world.gateway.home.folder.glob("gateway.sqlite*"))
    assert files
    held = b"".join(file.read_bytes() for file in files)
    return [pid for pid in old if pid in held]


def test_old_pids_leave_the_files_of_sqlite(world: World) -> None:
    """After a rotation no byte of an old pid is left in the database file or its write-ahead log."""
    if world.gateway.database.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's dead rows last until vacuum")
    delivered(world)
    before = [row.pid for row in rows(world)]
    rotated(world)
    assert not left(world, before)


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_old_pids_that_a_reader_held_on_to_leave_the_files_a_moment_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody reads while pids are re-keyed, as a backup does: once that is done they go by the worker's hand."""
    monkeypatch.setattr(working, "FORGET_SECONDS", 0.05)
    delivered(world)
    before = [row.pid for row in rows(world)]
    with (
        closing(sqlite3.connect(world.gateway.home.folder / "gateway.sqlite")) as reader,
        monkeypatch.context() as patch,
    ):
        patch.setattr("gateway.database.BUSY_SECONDS", 0.1)
        reader.executescript("BEGIN; SELECT count(*) FROM enrolment")
        rotated(world)
        assert left(world, before)
    until = time.monotonic() + 60
    with working.background(world.gateway, threading.Event()):
        while left(world, before):
            assert time.monotonic() < until
            time.sleep(0.05)
