"""Who cosigns the log: asked about every log that is kept, and what is said when one cannot."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from audit.checkpoint import Checkpoint, Cosigner
from audit.note import parse_note
from audit.proofs import checkpoint, logs
from audit.quorum import Witness as Counted
from audit.quorum import parse_policy
from audit.witness import Witness, read_logs
from gateway.app import yearly_log
from gateway.identity import Identity
from gateway.oversight import policy_text
from gateway.witnesses import add, ask_all, ask_until, known, remove

from .conftest import World
from .test_oversight import alarms

COSIGNER = Cosigner("kennisnet.example/w1", bytes([8]) * 32)
AUGUST = datetime(2027, 8, 1, 10, tzinfo=UTC)


@pytest.fixture
def witnessed(new_world: Callable[..., World]) -> World:
    """A deployment with one witness, whose signature is needed."""
    made = new_world()
    made.sequence()
    (made.gateway.home.folder / "witnesses.txt").write_text(f"witness w {COSIGNER.key} https://w1.example\nquorum w\n")
    return made


def reached(answer: Callable[[str], tuple[int, str]], client: type[httpx.Client] = httpx.Client) -> httpx.Client:
    """A witness without a network."""

    def handle(request: httpx.Request) -> httpx.Response:
        status, text = answer(request.content.decode())
        return httpx.Response(status, text=text)

    return client(transport=httpx.MockTransport(handle))


def test_when_the_year_turns_a_witness_is_told_which_key_it_misses(
    witnessed: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With last year's file it does not know the log; once the file has the line of the warning there is a quorum."""
    file = tmp_path / "logs.txt"
    file.write_text(policy_text(witnessed.gateway))
    witness = Witness(tmp_path / "w.db", COSIGNER, read_logs(file), lambda: read_logs(file))
    with reached(lambda body: witness.add_checkpoint(body, 1)[:2]) as client:
        assert ask_all(witnessed.gateway, client) == {"w": "cosigned"}
        witnessed.at(AUGUST).sequence()
        with caplog.at_level(logging.WARNING):
            assert ask_all(witnessed.gateway, client) == {"w": "unknown-log"}
        with witnessed.gateway.reading() as session:
            newest = logs(session.connection())[-1]
        assert f"`log {newest.key}`" in caplog.text
        file.write_text(policy_text(witnessed.gateway))
        assert ask_all(witnessed.gateway, client) == {"w": "cosigned"}
    with witnessed.gateway.reading() as session:
        note = checkpoint(session.connection(), newest.log)[1]
    policy = parse_policy(policy_text(witnessed.gateway))
    assert policy.quorum == "w"
    assert COSIGNER.key.name in note


def test_a_split_is_entered_although_the_same_witness_saw_one_before(
    witnessed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alarm about the log before a restore does not hide one about the log in use; each is one entry."""
    monkeypatch.setattr("gateway.witnesses.EVERY_SECONDS", 0)
    witnessed.at(AUGUST).sequence()
    stop, asked, counted = threading.Event(), list[str](), list[int]()

    def answer(body: str) -> tuple[int, str]:
        asked.append(body)
        counted.append(alarms(witnessed))
        if len(asked) > 12:
            stop.set()
        return (422, "") if "2026-2027" in body or len(asked) > 6 else (404, "")

    monkeypatch.setattr("gateway.witnesses.httpx.Client", lambda **_: reached(answer))
    ask_until(witnessed.gateway, stop)
    assert counted[5] == 1
    assert alarms(witnessed) == 2


def origins(world: World) -> list[str]:
    """Every log, oldest first."""
    with world.gateway.reading() as session:
        return [log.origin for log in logs(session.connection())]


def test_a_new_witness_cosigns_every_log_that_is_kept(witnessed: World) -> None:
    """Receipts of closed years keep a quorum; what is cosigned is not asked about again, nor what is expired."""
    asked = list[str]()

    def cosigned(body: str) -> tuple[int, str]:
        checkpoint = parse_note(body.partition("\n\n")[2])
        asked.append(checkpoint.text.partition("\n")[0])
        return 200, str(COSIGNER.cosign(Checkpoint.parse(checkpoint.text), 1))

    for year in range(2):
        witnessed.at(AUGUST + timedelta(days=366 * year)).sequence()
    with reached(cosigned) as client:
        later = witnessed.at(AUGUST + timedelta(days=6 * 365 - 30))
        assert ask_all(later.gateway, client) == {"w": "cosigned"}
        assert asked == origins(witnessed)[1:]
        assert ask_all(witnessed.gateway, client) == {"w": "up-to-date"}
    assert sorted(asked) == origins(witnessed)


def test_after_a_restore_the_answer_is_about_the_log_in_use(witnessed: World) -> None:
    """A witness is ahead of the log of before, as it was to be: what it says of the new one is told."""
    before, new = origins(witnessed)[0], yearly_log(witnessed.gateway).take_over()
    of_new = iter([(404, ""), (422, "")])
    with reached(lambda body: (409, "999") if f"\n{before}\n" in body else next(of_new)) as client:
        assert f"\n{before}\n" not in new
        assert ask_all(witnessed.gateway, client) == {"w": "unknown-log"}
        assert ask_all(witnessed.gateway, client) == {"w": "alarm"}


def test_that_a_witness_is_ahead_of_a_log_left_behind_is_entered_once(
    witnessed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alarm stands in the log; from then on that witness is asked about the log in use only."""
    monkeypatch.setattr("gateway.witnesses.EVERY_SECONDS", 0)
    before, asked = origins(witnessed)[0], list[bool]()
    yearly_log(witnessed.gateway).take_over()

    def ahead(stop: threading.Event, body: str) -> tuple[int, str]:
        asked.append(f"\n{before}\n" in body)
        if not asked[-1]:
            stop.set()
        return (409, "999") if asked[-1] else (404, "")

    for _ in range(2):
        stop = threading.Event()
        client = reached(partial(ahead, stop))
        monkeypatch.setattr("gateway.witnesses.httpx.Client", lambda client=client, **_: client)
        ask_until(witnessed.gateway, stop)
        witnessed.sequence()
    assert (asked, alarms(witnessed)) == ([True, False, False], 1)


def counted(number: int) -> Counted:
    """A witness with a key of its own."""
    return Counted(
        f"w{number}", Cosigner(f"w.example/{number}", bytes([number]) * 32).key, f"https://w{number}.example"
    )


def test_two_witnesses_added_at_once_both_count(world: World) -> None:
    """Whoever comes second finds the first one in the file, and both are in the log and in force."""
    operator, meet = Identity(world.gateway.settings.operator, "operator"), threading.Barrier(4)

    def act(number: int) -> None:
        meet.wait()
        add(world.gateway, operator, counted(number), None)

    with ThreadPoolExecutor(4) as operators:
        [*operators.map(act, range(1, 5))]
    there = known(world.gateway.home)
    assert {one.name for one in there.witnesses} == {"w1", "w2", "w3", "w4"}
    assert there.groups["witnesses"].threshold == 3


def test_without_its_entry_a_witness_does_not_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes away before the commit: the file says what it said."""
    operator = Identity(world.gateway.settings.operator, "operator")
    add(world.gateway, operator, counted(1), None)
    with monkeypatch.context() as away:
        away.setattr("sqlalchemy.orm.SessionTransaction.commit", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            remove(world.gateway, operator, "w1", None)
    assert [one.name for one in known(world.gateway.home).witnesses] == ["w1"]
