"""The adversary runs the log and has its key: he shows two histories, or takes back what he showed.

One honest witness, or one school that kept a checkpoint, finds him out.
"""

import shutil
from pathlib import Path

import httpx
import pytest

from audit.checkpoint import Cosigner, open_checkpoint
from audit.continuation import verify_continues
from audit.cosigning import Answer, ask_witness
from audit.entry import Object
from audit.errors import LogBrokenError, ProofError
from audit.note import Signer
from audit.proofs import checkpoint, consistency, prove, root
from audit.quorum import Witness as Known
from audit.quorum import parse_policy
from audit.receipt import Verdict, issue, verify_receipt, with_proof
from audit.witness import Witness
from tests.audit.world import MORNING, World, engine_of, entry, make_world, signer

COSIGNER = Cosigner("honest.example/w1", bytes([8]) * 32)
BRIBED = Cosigner("bribed.example/w2", bytes([9]) * 32)
RECEIPTS = Signer("verzuimpoort.example/receipts", bytes([10]) * 32)
NOW = 1_795_420_900


def _client(*witnesses: tuple[str, Witness]) -> httpx.Client:
    """Witnesses reached without a network."""
    by_host = dict(witnesses)

    def handle(request: httpx.Request) -> httpx.Response:
        answer = by_host[request.url.host].add_checkpoint(request.content.decode(), NOW)
        return httpx.Response(answer.status, text=answer.body)

    return httpx.Client(transport=httpx.MockTransport(handle))


def _copy(world: World, folder: Path) -> World:
    """The log as it is now, to go on in another way: same key, another future."""
    world.sql("SELECT 1")
    with world.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    shutil.copy(str(world.engine.url.database), folder / "other.sqlite")
    return World(engine_of(f"sqlite:///{folder}/other.sqlite"))


@pytest.fixture
def honest(tmp_path: Path) -> Witness:
    """A witness nobody can bribe."""
    return Witness(tmp_path / "honest.db", COSIGNER, (signer().key,))


def test_one_honest_witness_cosigns_one_of_two_histories_and_raises_the_alarm_at_the_other(
    tmp_path: Path, honest: Witness
) -> None:
    """Two logs with one past, one key and different presents: the second gets no cosignature, whatever it tries."""
    with make_world(f"sqlite:///{tmp_path}/log.sqlite") as world:
        world.grow(5)
        other = _copy(world, tmp_path)
        world.grow(3)
        other.append(entry(object=Object(f"submission:{99:032x}")))
        other.grow(4)
        known = Known("w", COSIGNER.key, "https://honest.example")
        with _client(("honest.example", honest)) as client:
            assert ask_witness(world.engine, 1, known, client) is Answer.COSIGNED
            assert ask_witness(other.engine, 1, known, client) is Answer.ALARM
        assert open_checkpoint(other.read(lambda c: checkpoint(c, 1))[1], [signer().key], [COSIGNER.key]).cosigned == ()
        other.engine.dispose()


def test_a_log_that_was_rolled_back_is_found_by_the_witness(tmp_path: Path, honest: Witness) -> None:
    """An old copy put back says less than the witness saw: alarm, also when it has grown past that size again."""
    with make_world(f"sqlite:///{tmp_path}/log.sqlite") as world:
        world.grow(5)
        old = _copy(world, tmp_path)
        world.grow(3)
        known = Known("w", COSIGNER.key, "https://honest.example")
        with _client(("honest.example", honest)) as client:
            assert ask_witness(world.engine, 1, known, client) is Answer.COSIGNED
            old.append(entry(object=Object(f"submission:{99:032x}")))
            old.step()
            assert ask_witness(old.engine, 1, known, client) is Answer.ALARM
            old.grow(10)
            assert ask_witness(old.engine, 1, known, client) is Answer.ALARM
        old.engine.dispose()


def test_a_quorum_with_one_honest_member_cannot_be_met_by_the_false_history(tmp_path: Path, honest: Witness) -> None:
    """The other witness is bribed and signs everything; who asks for both does not believe the false log."""
    with make_world(f"sqlite:///{tmp_path}/log.sqlite") as world:
        world.grow(5)
        other = _copy(world, tmp_path)
        made = other.append(entry(object=Object(f"submission:{99:032x}")))[0]
        other.step()
        world.grow(3)
        policy = parse_policy(
            f"log {signer().key}\nreceipt {RECEIPTS.key}\nwitness a {COSIGNER.key} https://honest.example\n"
            f"witness b {BRIBED.key} https://bribed.example\ngroup both all a b\nquorum both\n"
        )
        for number, engine in enumerate((world.engine, other.engine)):
            forgetful = Witness(tmp_path / f"bribed{number}.db", BRIBED, (signer().key,))
            with _client(("honest.example", honest), ("bribed.example", forgetful)) as client:
                answers = [ask_witness(engine, 1, known, client) for known in policy.witnesses]
        assert answers == [Answer.ALARM, Answer.COSIGNED]
        receipt = issue(RECEIPTS, kind="submission", entry=made.data, made=MORNING, details={})
        with other.engine.connect() as connection:
            receipt = with_proof(receipt, prove(connection, made.leaf))
        assert verify_receipt(receipt, policy).verdict is Verdict.UNWITNESSED
        other.engine.dispose()


def test_every_school_is_a_monitor(tmp_path: Path) -> None:
    """Who kept the last checkpoint asks for the proof from it: the true log has one, the false one cannot make it."""
    with make_world(f"sqlite:///{tmp_path}/log.sqlite") as world:
        world.grow(5)
        other = _copy(world, tmp_path)
        world.grow(3)
        kept = open_checkpoint(world.read(lambda c: checkpoint(c, 1))[1], [signer().key]).checkpoint
        other.append(entry(object=Object(f"submission:{99:032x}")))
        other.grow(9)
        world.grow(4)
        for log, is_true in ((world, True), (other, False)):
            with log.engine.connect() as connection:
                size, note = checkpoint(connection, 1)
                proof = consistency(connection, 1, kept.size, size)
            new = open_checkpoint(note, [signer().key]).checkpoint
            if is_true:
                verify_continues(kept, new, proof)
            else:
                with pytest.raises(ProofError, match="does not continue"):
                    verify_continues(kept, new, proof)
        other.engine.dispose()


def test_a_sequencer_does_not_sign_over_a_checkpoint_of_another_history(tmp_path: Path) -> None:
    """A checkpoint of the other history slipped into the table stops the sequencer: it fits no tree it has."""
    with make_world(f"sqlite:///{tmp_path}/log.sqlite") as world:
        world.grow(5)
        other = _copy(world, tmp_path)
        other.append(entry(object=Object(f"submission:{99:032x}")))
        other.step()
        with other.engine.connect() as connection:
            size, note = checkpoint(connection, 1)
            false_root = root(connection, 1, size)
        world.append(entry())
        crashed = world.sequencer_of()
        crashed._publish = lambda *_: None  # type: ignore[assignment]  # orders, and dies before it signs
        crashed.step(MORNING)
        world.sql(f"INSERT INTO audit_checkpoint VALUES (1, {size}, '{note}', {MORNING})")  # noqa: S608  a forger's SQL
        world.append(entry())
        with pytest.raises(LogBrokenError):
            world.step()
        with world.engine.connect() as connection:
            assert false_root != root(connection, 1, size)
        other.engine.dispose()
