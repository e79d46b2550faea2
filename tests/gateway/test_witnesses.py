"""Who cosigns the log: asked about the log in use and the one before it, and what is said when one cannot."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from audit.checkpoint import Cosigner
from audit.proofs import checkpoint, logs
from audit.quorum import parse_policy
from audit.witness import Witness, read_logs
from gateway.oversight import policy_text
from gateway.witnesses import ask_all, ask_until

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
