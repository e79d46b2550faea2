"""A witness and its client: what is cosigned, what is refused, and two processes that talk over HTTP."""

import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256, sha512
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checkpoint import Checkpoint, Cosigner, open_checkpoint, verify_cosignature
from audit.continuation import Continuation
from audit.cosigning import Answer, ask_witness
from audit.errors import NoteError
from audit.merkle import Edge, consistency_ranges, cover, fold, leaf_hash, position
from audit.note import ED25519_COSIGNATURE, Key, Signature, parse_signatures
from audit.proofs import checkpoint, prove
from audit.quorum import Witness as Known
from audit.quorum import parse_policy
from audit.verify import Policy, Tree
from audit.witness import MAX_BODY, Witness, load_cosigner, main, read_logs, serve
from tests.audit.world import ORIGIN, World, entry, root_of, signer

COSIGNER = Cosigner("witness.example/w1", bytes([8]) * 32)
STRANGER = Cosigner("witness.example/w1", bytes(32))
_LOG = f"{ORIGIN}+{signer().key.id.hex()}"
NOW = 1_795_420_900
LEAVES = [leaf_hash(str(number).encode()) for number in range(20)]


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    """A witness that knows the log."""
    return Witness(tmp_path / "witness.db", COSIGNER, (signer().key,))


def _request(old: int, new: int, leaves: list[bytes] = LEAVES, *, origin: str = ORIGIN, seed: int = 1) -> str:
    kept = Edge().extend(leaves[:new])
    ranges = consistency_ranges(old, new) if 0 < old <= new else []
    proof = [fold([kept[position(node)] for node in cover(*each)]) for each in ranges]
    tree = Checkpoint(origin, new, root_of(leaves[:new]))
    return str(Continuation(old, proof, str(signer(origin, seed).sign(tree.text()))))


@contextmanager
def _served(witness: Witness) -> Iterator[str]:
    server = serve(witness, ("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_witness_cosigns_what_continues_what_it_saw(witness: Witness) -> None:
    """The first time without a proof, later with one; the line holds for the checkpoint and has its time."""
    for old, new in ((0, 3), (3, 8), (8, 8)):
        answer = witness.add_checkpoint(_request(old, new), NOW)
        assert answer.status == 200
        note = Continuation.parse(_request(old, new)).checkpoint + answer.body
        assert open_checkpoint(note, [signer().key], [COSIGNER.key]).cosigned == ((COSIGNER.key, NOW),)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("nonsense", 400),
        ("old 3\n\nno note", 400),
        (_request(9, 8), 400),
        (_request(0, 8, origin="unknown.example"), 404),
        (_request(3, 8, seed=2), 403),
        (_request(3, 8).replace("\n8\n", "\n9\n"), 403),
        (_request(0, 8), 409),
        (_request(4, 8), 409),
        (_request(3, 8, [bytes(32), *LEAVES[1:]]), 422),
        (_request(3, 3, [bytes(32), *LEAVES[1:]]), 422),
        (_request(3, 8).replace("old 3\n", "old 3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"), 422),
    ],
)
def test_everything_else_is_refused_as_the_protocol_says_and_changes_nothing(
    witness: Witness, body: str, status: int
) -> None:
    """Malformed 400, unknown log 404, wrong signature 403, another size 409, another past 422."""
    witness.add_checkpoint(_request(0, 3), NOW)
    answer = witness.add_checkpoint(body, NOW)
    assert answer.status == status
    assert (answer.body, answer.kind) == (("3\n", "text/x.tlog.size") if status == 409 else ("", answer.kind))
    assert witness.add_checkpoint(_request(3, 8), NOW).status == 200


def test_a_split_is_kept_as_proof_once(witness: Witness, tmp_path: Path) -> None:
    """Two checkpoints of one size that cannot both be true, each signed by the log: that is what the witness keeps."""
    forged = _request(3, 3, [bytes(32), *LEAVES[1:]])
    line = witness.add_checkpoint(_request(0, 3), NOW).body
    for later in range(3):
        assert witness.add_checkpoint(forged, NOW + later).status == 422
    seen, other = (Continuation.parse(each).checkpoint for each in (_request(0, 3), forged))
    assert _splits(tmp_path) == [(_LOG, 3, NOW, seen + line, other)]


def test_two_honest_logs_of_one_name_raise_no_alarm(tmp_path: Path) -> None:
    """A trial beside the real one, or a deployment made anew: another key is another log, with a past of its own."""
    known = [signer().key]
    witness = Witness(tmp_path / "witness.db", COSIGNER, (known[0],), lambda: tuple(known))
    assert witness.add_checkpoint(_request(0, 3), NOW).status == 200
    assert witness.add_checkpoint(_request(0, 3, LEAVES[5:], seed=2), NOW).status == 403
    known.append(signer(seed=2).key)
    assert witness.add_checkpoint(_request(0, 3, LEAVES[5:], seed=2), NOW).status == 200
    assert [witness.add_checkpoint(_request(3, 8, *rest), NOW).status for rest in ((LEAVES[5:],), ())] == [422, 200]
    assert witness.add_checkpoint(_request(3, 8, LEAVES[5:], seed=2), NOW).status == 200
    assert _splits(tmp_path) == []


def test_a_state_of_when_names_told_logs_apart_goes_on(tmp_path: Path) -> None:
    """What it cosigned last, and the proof of a split, stand under name and key from then on."""
    honest, forged = (Continuation.parse(_request(0, 3, leaves)).checkpoint for leaves in (LEAVES, LEAVES[5:]))
    with closing(sqlite3.connect(tmp_path / "witness.db")) as state:
        state.execute("CREATE TABLE seen (origin TEXT UNIQUE, hash TEXT UNIQUE, size INTEGER, root BLOB, note TEXT)")
        state.execute("CREATE TABLE split (origin TEXT, size INTEGER, at INTEGER, seen TEXT, other TEXT)")
        hashed = sha256(ORIGIN.encode()).hexdigest()
        state.execute("INSERT INTO seen VALUES (?, ?, 3, ?, ?)", (ORIGIN, hashed, root_of(LEAVES[:3]), honest))
        state.execute("INSERT INTO split VALUES (?, 3, ?, ?, ?)", (ORIGIN, NOW, honest, forged))
        state.commit()
    for _ in range(2):
        witness = Witness(tmp_path / "witness.db", COSIGNER, (signer().key,))
        assert _splits(tmp_path) == [(_LOG, 3, NOW, honest, forged)]
    assert witness.add_checkpoint(_request(0, 3, LEAVES[5:]), NOW).body == "3\n"
    assert witness.add_checkpoint(_request(3, 8), NOW).status == 200


def test_nobody_fills_a_witness_with_proof_against_an_honest_log(witness: Witness, tmp_path: Path) -> None:
    """Under a public checkpoint anybody can put a proof that does not hold: it is refused, and nothing is kept."""
    witness.add_checkpoint(_request(0, 3), NOW)
    for new in range(3, 9):
        false = Continuation(3, [bytes(32)] * 3, Continuation.parse(_request(3, new)).checkpoint)
        assert witness.add_checkpoint(str(false), NOW).status == 422
    assert _splits(tmp_path) == []
    assert witness.add_checkpoint(_request(3, 8), NOW).status == 200


def _splits(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "witness.db")) as state:
        return state.execute("SELECT log, size, at, seen, other FROM split").fetchall()


def test_a_log_that_was_added_is_known_without_a_restart(world: World, tmp_path: Path) -> None:
    """The file of logs is read again for a log that is not known; while it is wrong, what was known stays so."""
    file, other = tmp_path / "logs.txt", signer("verzuimpoort.example/audit/2027-2028")
    file.write_text(f"log {world.key}\nquorum none\n")
    witness = Witness(tmp_path / "witness.db", COSIGNER, read_logs(file), lambda: read_logs(file))
    fresh = _request(0, 3, origin=other.key.name)
    assert witness.add_checkpoint(fresh, NOW).status == 404
    file.write_text(f"log {world.key}\nlog {other.key}\nquo")
    assert [witness.add_checkpoint(each, NOW).status for each in (fresh, _request(0, 3))] == [404, 200]
    file.write_text(f"log {world.key}\nlog {other.key}\nquorum none\n")
    assert witness.add_checkpoint(fresh, NOW).status == 200


def test_a_witness_remembers_across_a_restart(witness: Witness, tmp_path: Path) -> None:
    """What was cosigned is on disk before the answer: the next process goes on from there."""
    witness.add_checkpoint(_request(0, 3), NOW)
    again = Witness(tmp_path / "witness.db", COSIGNER, (signer().key,))
    assert again.add_checkpoint(_request(0, 3), NOW).status == 409
    assert again.add_checkpoint(_request(3, 4), NOW).status == 200


def test_the_known_request_is_cosigned(shared: Path, tmp_path: Path) -> None:
    """The request of the vectors, made from another implementation's log: first old 0, then from 7 to 15."""
    folder = shared / "vectors/audit"
    body = json.loads((folder / "cosignatures_and_receipts.json").read_text())["derived_add_checkpoint_body"]
    small = json.loads((folder / "small_log_16_checkpoints.json").read_text())
    witness = Witness(tmp_path / "witness.db", COSIGNER, (Key.parse(small["vkey"]),))
    first = str(Continuation(0, [], small["checkpoints"][7]))
    assert [witness.add_checkpoint(each, NOW).status for each in (body, first, body)] == [409, 200, 200]


def test_a_log_gets_its_cosignature_over_http_and_receipts_carry_it(world: World, witness: Witness) -> None:
    """Ask, store, ask again; the proof of an entry then satisfies a quorum of that witness."""
    made = world.grow(5)[0]
    with _served(witness) as url, httpx.Client() as client:
        known = Known("w", COSIGNER.key, url + "/")
        assert ask_witness(world.engine, 1, known, client) is Answer.COSIGNED
        assert ask_witness(world.engine, 1, known, client) is Answer.UP_TO_DATE
        world.grow(3)
        assert ask_witness(world.engine, 1, known, client) is Answer.COSIGNED
        served = client.get(f"{url}/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint")
    assert served.text == world.read(lambda c: checkpoint(c, 1))[1]
    policy = parse_policy(f"log {world.key}\nwitness w {COSIGNER.key}\nquorum w\n")
    tree = world.read(lambda c: prove(c, made.leaf, policy)).verify(made.leaf, policy)
    assert policy.is_met({key for key, _ in tree.cosigned})


def test_proofs_rather_use_a_checkpoint_that_was_cosigned(world: World, witness: Witness) -> None:
    """While the latest has no cosignature yet, an entry is proven in the one before it; a later entry is not."""
    early = world.grow(5)[0]
    with _served(witness) as url, httpx.Client() as client:
        ask_witness(world.engine, 1, Known("w", COSIGNER.key, url), client)
    late = world.grow(2)[0]
    policy = parse_policy(f"log {world.key}\nwitness w {COSIGNER.key}\nquorum w\n")
    proofs = [world.read(lambda c, leaf=each.leaf: prove(c, leaf, policy)) for each in (early, late)]
    trees = [proof.verify(each.leaf, policy) for proof, each in zip(proofs, (early, late), strict=True)]
    assert [(tree.checkpoint.size, len(tree.cosigned)) for tree in trees] == [(6, 1), (8, 0)]


def test_a_witness_that_forgot_is_brought_up_to_date(world: World, tmp_path: Path) -> None:
    """A new witness under the old key knows nothing: it answers 409, and gets the proof from the start."""
    world.grow(5)
    for name in ("first.db", "second.db"):
        with _served(Witness(tmp_path / name, COSIGNER, (world.key,))) as url, httpx.Client() as client:
            assert ask_witness(world.engine, 1, Known("w", COSIGNER.key, url), client) is Answer.COSIGNED
        world.grow(2)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (httpx.Response(404), Answer.UNKNOWN),
        (httpx.Response(403), Answer.REFUSED),
        (httpx.Response(500), Answer.REFUSED),
        (httpx.Response(422), Answer.ALARM),
        (httpx.Response(409, text="900\n"), Answer.ALARM),
        (httpx.Response(409, text="none"), Answer.REFUSED),
        (httpx.Response(409, text="9" * 5000), Answer.REFUSED),
        (httpx.Response(200, text="fine"), Answer.REFUSED),
        (httpx.Response(200, text=str(STRANGER.cosign(Checkpoint(ORIGIN, 3, LEAVES[0]), NOW))), Answer.REFUSED),
        (httpx.Response(200, text=str(COSIGNER.cosign(Checkpoint(ORIGIN, 3, LEAVES[0]), NOW))), Answer.REFUSED),
        (httpx.ConnectError("no route"), Answer.UNREACHABLE),
    ],
)  # fmt: skip
def test_what_a_witness_answers_is_a_value_and_nothing_false_is_stored(
    small_world: World, reply: httpx.Response | httpx.HTTPError, answer: Answer
) -> None:
    """A refusal, an alarm, silence, a line of a stranger, a line about another tree: no cosignature is kept."""

    def handle(_: httpx.Request) -> httpx.Response:
        if isinstance(reply, httpx.HTTPError):
            raise reply
        return reply

    small_world.grow(2)
    before = small_world.read(lambda c: checkpoint(c, 1))
    with httpx.Client(transport=httpx.MockTransport(handle)) as client:
        known = Known("w", COSIGNER.key, "https://witness.example")
        assert ask_witness(small_world.engine, 1, known, client) is answer
    assert small_world.read(lambda c: checkpoint(c, 1)) == before


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/add-checkpoint", b"\xff", 400),
        ("POST", "/add-checkpoint", b"x" * (MAX_BODY + 1), 413),
        ("POST", "/other", b"", 404),
        ("GET", "/" + "0" * 64 + "/checkpoint", b"", 404),
        ("GET", "/", b"", 404),
    ],
)
def test_the_server_refuses_what_it_does_not_serve(
    witness: Witness, method: str, path: str, content: bytes, status: int
) -> None:
    """Bytes that are no text, too much, another call, an unknown log."""
    with _served(witness) as url, httpx.Client() as client:
        assert client.request(method, url + path, content=content).status_code == status


def test_the_server_refuses_a_length_of_thousands_of_digits(witness: Witness) -> None:
    """A number that Python will not read is too much, not a dropped connection."""
    with _served(witness) as url, socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=30) as caller:
        caller.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
        assert caller.recv(12) == b"HTTP/1.1 413"


def test_another_organisation_runs_a_witness_with_one_command(world: World, tmp_path: Path) -> None:
    """The program makes its key, readable by its owner only, prints its vkey and address, and cosigns."""
    logs, key = tmp_path / "logs.txt", tmp_path / "witness.key"
    logs.write_text(f"log {world.key}\nquorum none\n")
    run = [sys.executable, "-m", "audit.witness", "--name", "witness.example/w1", "--port", "0"]
    files = ["--logs", str(logs), "--key", str(key), "--state", str(tmp_path / "witness.db")]
    world.grow(2)
    with subprocess.Popen([*run, *files], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        vkey, url = process.stdout.readline().strip(), process.stdout.readline().strip()
        try:
            with httpx.Client() as client:
                assert ask_witness(world.engine, 1, Known("w", Key.parse(vkey), url), client) is Answer.COSIGNED
        finally:
            process.terminate()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert load_cosigner("witness.example/w1", key).key == Key.parse(vkey)


def test_a_witness_without_a_good_list_of_logs_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fault is told on one line; no key is made."""
    logs, key = tmp_path / "logs.txt", tmp_path / "witness.key"
    logs.write_text("log nonsense\n")
    files = ["--logs", str(logs), "--key", str(key), "--state", str(tmp_path / "witness.db")]
    assert main(["--name", "w", *files]) == 2
    assert "line 1" in capsys.readouterr().err
    assert not os.path.lexists(key)


@pytest.mark.parametrize(
    ("state", "port", "told"),
    [
        ("nowhere/w.db", "0", "--state"),
        ("logs.txt", "0", "--state"),
        ("w.db", "70000", "--port"),
        ("w.db", "", "--port"),
    ],
)
def test_a_witness_that_cannot_start_says_why_on_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str, port: str, told: str
) -> None:
    """No folder for its state, a file that is none, a port that cannot be or that somebody has: the option is named."""
    (tmp_path / "logs.txt").write_text(f"log {signer(ORIGIN).key}\nquorum none\n")
    files = [f"--{name}={tmp_path / file}" for name, file in (("logs", "logs.txt"), ("key", "w.key"), ("state", state))]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--name", "w", *files, "--port", port or str(taken.getsockname()[1])]) == 2
    said = capsys.readouterr().err
    assert (told in said, len(said.splitlines())) == (True, 1)


def test_a_start_that_is_killed_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stops it before the key is on disk, the next start makes one; no other file is left."""
    key = tmp_path / "witness.key"
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            load_cosigner("w", key)
    first = load_cosigner("w", key).key
    assert load_cosigner("w", key).key == first
    assert list(tmp_path.iterdir()) == [key]


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_file_that_is_no_key_is_named_with_what_to_do(tmp_path: Path, length: int) -> None:
    """As a full disk may have left it: nobody has to guess which of three files is wrong."""
    key = tmp_path / "witness.key"
    key.touch(0o600)
    key.write_bytes(bytes(length))
    with pytest.raises(NoteError, match=r"witness\.key is no key.*put back its copy, or remove it"):
        load_cosigner("w", key)
    assert key.stat().st_size == length


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    """A key file with loose permissions stops the witness, and the message says how to mend it."""
    key = tmp_path / "witness.key"
    first = load_cosigner("w", key).key
    key.chmod(0o644)
    with pytest.raises(NoteError, match="chmod 600"):
        load_cosigner("w", key)
    key.chmod(0o600)
    assert load_cosigner("w", key).key == first


def test_an_entry_that_waits_is_not_yet_shown_to_a_witness(small_world: World) -> None:
    """Only signed checkpoints are sent: with none there is nothing to ask."""
    small_world.append(entry())
    with httpx.Client() as client:
        known = Known("w", COSIGNER.key, "https://witness.example")
        assert ask_witness(small_world.engine, 1, known, client) is Answer.UP_TO_DATE


def test_a_round_gives_one_checkpoint_all_its_lines_while_the_log_grows(small_world: World, tmp_path: Path) -> None:
    """Asked about one size, two witnesses make a quorum of it, and a receipt takes it rather than a later lone line."""
    other = Cosigner("witness.example/w2", bytes([9]) * 32)
    known = [Known(each.key.name, each.key, f"https://{each.key.name[-2:]}") for each in (COSIGNER, other)]
    both = {each.key.name[-2:]: each for each in (COSIGNER, other)}
    kept = {name: Witness(tmp_path / name, each, (signer().key,)) for name, each in both.items()}
    first = small_world.grow(3)[0]
    with _reached(kept) as client:
        for each in known:
            assert ask_witness(small_world.engine, 1, each, client, 4) is Answer.COSIGNED
            small_world.grow(3)
        assert ask_witness(small_world.engine, 1, known[0], client) is Answer.COSIGNED
        assert ask_witness(small_world.engine, 1, known[0], client, 4) is Answer.UP_TO_DATE
    lines = "".join(f"witness {one.name[-2:]} {one.key}\n" for one in known)
    policy = parse_policy(f"{lines}group both all w1 w2\nquorum both\n")
    proof = small_world.read(lambda c: prove(c, first.leaf, policy))
    seen = open_checkpoint(proof.checkpoint, [signer().key], [COSIGNER.key, other.key])
    assert (seen.checkpoint.size, len(seen.cosigned)) == (4, 2)


def _line_by_anybody(public: bytes) -> tuple[Known, str]:
    """A witness whose key is a point of order one under a second spelling, and its line: nobody need hold a secret."""
    base = Ed25519PrivateKey.from_private_bytes(bytes(32))
    point, scalar = base.public_key().public_bytes_raw(), bytearray(sha512(bytes(32)).digest()[:32])
    scalar[0], scalar[31] = scalar[0] & 248, scalar[31] & 63 | 64
    s = int.from_bytes(scalar, "little") % (2**252 + 27742317777372353535851937790883648493)
    key = Key("witness.example/w1", ED25519_COSIGNATURE, public)
    payload = NOW.to_bytes(8) + point + s.to_bytes(32, "little")
    return Known("w", key, "https://witness.example"), str(Signature(key.name, key.id, payload))


@pytest.mark.parametrize("wrong", ["milliseconds", "spelling of a point"])
def test_a_line_that_the_verifier_calls_wrong_is_not_stored(small_world: World, wrong: str) -> None:
    """It would stay under its checkpoint for ever, and every bundle and receipt of it would be `not in order`."""
    small_world.grow(2)
    tree = open_checkpoint(small_world.read(lambda c: checkpoint(c, 1))[1], [signer().key]).checkpoint
    known, line = _line_by_anybody((2**255 - 18).to_bytes(32, "little"))
    if wrong == "milliseconds":
        known, line = Known("w", COSIGNER.key, "https://witness.example"), str(COSIGNER.cosign(tree, NOW * 1000))
    else:
        signature = parse_signatures(line)[0]
        assert verify_cosignature(known.key, signature, tree) == NOW  # the library takes it
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, text=line))) as client:
        assert ask_witness(small_world.engine, 1, known, client) is Answer.REFUSED
    policy = Policy(f"log {small_world.key}\nwitness w {known.key}\nquorum none\n")
    assert Tree.parse(small_world.read(lambda c: checkpoint(c, 1))[1], policy).cosigned == {}


def test_what_another_process_had_cosigned_meanwhile_is_no_alarm(small_world: World, tmp_path: Path) -> None:
    """The witness is ahead of this round, and not ahead of the log: the line of the other process is on its way."""
    kept = {"w1": Witness(tmp_path / "w1", COSIGNER, (signer().key,))}
    known = Known("w", COSIGNER.key, "https://w1")
    small_world.grow(3)
    small_world.grow(3)
    with _reached(kept) as client:
        note = small_world.read(lambda c: checkpoint(c, 1))[1]
        assert kept["w1"].add_checkpoint(str(Continuation(0, [], note)), NOW).status == 200
        assert ask_witness(small_world.engine, 1, known, client, 4) is Answer.UP_TO_DATE


def test_a_witness_that_signs_an_older_size_again_gives_no_line(small_world: World) -> None:
    """A line for the size it signed before is good by itself and says nothing of the checkpoint it was asked about."""
    small_world.grow(3)
    old = open_checkpoint(small_world.read(lambda c: checkpoint(c, 1))[1], [signer().key]).checkpoint
    small_world.grow(3)
    line = str(COSIGNER.cosign(old, NOW))
    known = Known("w", COSIGNER.key, "https://w1")
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, text=line))) as client:
        assert ask_witness(small_world.engine, 1, known, client) is Answer.REFUSED


def test_a_proof_takes_the_first_checkpoint_that_holds_its_entry(small_world: World) -> None:
    """The path is short and stays the same: a receipt fetched after a year is the receipt of the first day."""
    first = small_world.grow(3)[0]
    early = small_world.read(lambda c: prove(c, first.leaf))
    for _ in range(4):
        small_world.grow(9)
    assert small_world.read(lambda c: prove(c, first.leaf)) == early


def _reached(witnesses: dict[str, Witness]) -> httpx.Client:
    """Witnesses by host name, reached without a network."""

    def handle(request: httpx.Request) -> httpx.Response:
        answer = witnesses[request.url.host].add_checkpoint(request.content.decode(), NOW)
        return httpx.Response(answer.status, text=answer.body)

    return httpx.Client(transport=httpx.MockTransport(handle))
