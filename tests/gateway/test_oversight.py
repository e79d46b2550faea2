"""Who sends a checkpoint he kept: what contradicts is an alarm, once; what was erased in time is none."""

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import select

from audit.checkpoint import Checkpoint
from audit.merkle import verify_consistency
from audit.note import Signer, decode_base64
from audit.proofs import checkpoint, logs, root
from audit.quorum import parse_policy
from audit.receipt import Verdict, verify_receipt
from audit.schema import ENTRY, PENDING
from gateway import trail
from gateway.app import renew_log_key, yearly_log
from gateway.asgi import create_app
from gateway.deliveries import receipt_of
from gateway.demo.people import MINISTER, must
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.oversight import go_on_from, policy_text
from gateway.settings import FORMER_RECEIPTS_FILE
from gateway.yearly import KEEP

from .conftest import NOW, World
from .test_receive import received

NAME = "127.0.0.1/audit/2026-2027"
AUGUST = datetime(2027, 8, 1, tzinfo=UTC)


@pytest.fixture
def lone(new_world: Callable[..., World]) -> World:
    """A deployment on SQLite, whose log has a checkpoint."""
    made = new_world()
    made.sequence()
    return made


def test_a_receipt_counts_on_after_its_key_was_renewed(lone: World) -> None:
    """The policy kept before the renewal names the key of before: with its proof the receipt is in order."""
    submission, policy = received(lone).submission.id, policy_text(lone.gateway)
    lone.sequence()
    (lone.gateway.home.folder / FORMER_RECEIPTS_FILE).write_text(policy)
    assert policy_text(lone.gateway) == policy
    renewed = dataclasses.replace(lone.gateway, receipts=Signer(lone.gateway.receipts.key.name, bytes([7]) * 32))
    receipt = str(receipt_of(renewed, lone.site(0), submission))
    verdicts = [
        verify_receipt(each, parse_policy(policy_text(renewed))).verdict for each in (receipt, proofless(receipt))
    ]
    assert verdicts == [Verdict.PROVEN, Verdict.FORMER]


def proofless(receipt: str) -> str:
    """A receipt as it was given at once."""
    return receipt.partition("\n\nc2sp")[0] + "\n"


def alarms(world: World) -> int:
    """How many alarms were logged, those that wait for their index included."""
    with world.gateway.reading() as session:
        rows = [session.connection().scalars(select(table.c.data)).all() for table in (ENTRY, PENDING)]
    return sum(b'"witness.alarmed"' in data for table in rows for data in table)


def false(world: World, size: int, root: bytes) -> str:
    """A checkpoint under the log's key that is not what the log holds."""
    return str(Signer(NAME, yearly_log(world.gateway).seed).sign(Checkpoint(NAME, size, root).text()))


def test_one_contradiction_is_one_entry_however_often_it_is_sent(lone: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the alarm has its index, after it, and in another process; another contradiction is another entry."""
    sent = false(lone, 2, bytes(32))
    for number in range(10):
        assert go_on_from(lone.gateway, sent) == Refused("checkpoint-contradicted")
        if number == 5:
            lone.sequence()
    assert alarms(lone) == 1
    monkeypatch.setattr("gateway.witnesses._raised", {})
    assert go_on_from(lone.gateway, sent) == Refused("checkpoint-contradicted")
    assert alarms(lone) == 1
    go_on_from(lone.gateway, false(lone, 900, bytes(32)))
    assert alarms(lone) == 2


def test_a_log_that_was_erased_in_time_raises_no_alarm(lone: World) -> None:
    """Whoever kept a checkpoint for more than five years is told that its log is gone, and nobody is called."""
    with lone.gateway.reading() as session:
        kept = checkpoint(session.connection(), 1)[1]
    lone.at(AUGUST).sequence()
    with lone.gateway.writing() as session:
        for table in ("audit_entry", "audit_node"):
            session.connection().exec_driver_sql(f"DROP TRIGGER {table}_delete_guard")
            session.connection().exec_driver_sql(f"DELETE FROM {table} WHERE log = 1")  # noqa: S608  our own tables
    assert go_on_from(lone.at(AUGUST + 2 * KEEP).gateway, kept) == Refused("checkpoint-expired")
    assert alarms(lone) == 0


def test_the_public_together_compares_so_often_a_minute(lone: World) -> None:
    """Over that it is 429, so that nobody fills the log; a machine has its own share."""
    settings = lone.gateway.settings.model_copy(update={"public_per_minute": 3})
    app = create_app(dataclasses.replace(lone.gateway, settings=settings, clock=lambda: NOW))
    expires = NOW.replace(year=2027)
    token = lone.desk.issue_token(lone.region.sites[0].code, scopes=("all",), expires_at=expires)

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
            heads = [{}] * 4 + [{"Authorization": f"Bearer {token}"}]
            path = "/v1/audit/continuation"
            return [(await http.post(path, content=b"x", headers=each)).status_code for each in heads]

    assert asyncio.run(ask()) == [400, 400, 400, 429, 400]


def test_the_proof_between_two_sizes_of_a_closed_log_can_be_fetched(lone: World) -> None:
    """Whoever kept a checkpoint of last year compares it with the end of that log, and not with the log in use."""
    lone.at(AUGUST).sequence()
    with lone.gateway.reading() as session:
        old, _ = logs(session.connection())
        begin, end = (root(session.connection(), old.log, size) for size in (2, old.size))

    async def fetch() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(lone.gateway))) as http:
            address = "http://127.0.0.1:8000/v1/audit/proofs/consistency"
            return await http.get(address, params={"old": 2, "new": old.size, "log": old.log})

    answer = asyncio.run(fetch())
    assert answer.status_code == 200
    proof = [decode_base64(line) for line in answer.text.split()]
    verify_consistency(old=2, new=old.size, old_root=begin, new_root=end, proof=proof)


def test_an_entry_of_an_unsigned_end_is_told_to_have_no_proof(
    new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ordered, and then the log ended before it signed: nobody is told to ask again in a second, for ever."""
    world = new_world()
    world.sequence()
    made, officer = received(world), Identity(MINISTER, "controller-officer")
    with monkeypatch.context() as cut_short:
        cut_short.setattr("audit.sequencer.Sequencer._publish", lambda *_: None)
        world.sequence()
    leaf = made.submission.entry_id
    early = receipt_of(world.gateway, world.site(0), made.submission.id)
    must(renew_log_key(world.desk))
    world.sequence()
    late = receipt_of(world.gateway, world.site(0), made.submission.id)
    assert [early, late] == [Refused("proof-follows", retry_after=1), Refused("proof-never")]
    assert trail.entry(world.gateway, officer, leaf) == Refused("proof-never")

    async def fetch() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(world.gateway))) as http:
            address = "http://127.0.0.1:8000/v1/audit/proofs/inclusion"
            return (await http.get(address, params={"leaf": leaf})).status_code

    assert asyncio.run(fetch()) == 410
