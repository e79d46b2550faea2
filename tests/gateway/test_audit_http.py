"""The log as the outside sees it, over real HTTP: proofs, monitors, officers, witnesses, the stand-alone verifier."""

import asyncio
import base64
import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select
from sqlalchemy import text as sql
from sqlalchemy.exc import DBAPIError

from audit.checkpoint import Checkpoint, Cosigner, open_checkpoint
from audit.continuation import Continuation, verify_continues
from audit.export import CSV_COLUMNS
from audit.leaf import encode
from audit.note import Signer
from audit.quorum import parse_policy
from audit.receipt import Verdict, verify_receipt
from audit.schema import ENTRY, PENDING
from audit.timeline import Filter, find
from gateway import witnesses
from gateway.app import yearly_log
from gateway.asgi import create_app
from gateway.cli.following import Followed, Seen, follow
from gateway.deliveries import confirm
from gateway.demo.people import MINISTER, must
from gateway.formats.write import Format
from gateway.outcome import Refused
from gateway.publish.downloading import own_table
from gateway.receive import Received, Upload, receive
from gateway.running import free_port
from gateway.store import Receipt
from gateway.witnesses import ask_all

from .conftest import PERIOD, TABLE, Site, World

ROOT = Path(__file__).parents[2]


def deliver(site: Site, index: int = 0) -> str:
    """One delivery; the path of its receipt."""
    params = site.world.about(index)
    with site.client(params["party"]) as http:
        made = http.post("/v1/submissions", params=params, content=site.world.counts(index))
        return f"{made.headers['location']}/receipt"


def patiently(http: httpx.Client, path: str) -> httpx.Response:
    """An answer that is there within a second or so."""
    answer = http.get(path)
    while answer.status_code == 503:
        answer = http.get(path)
    return answer


def deliver_and_wait(site: Site) -> None:
    """One delivery whose entry is in a signed checkpoint."""
    receipt = deliver(site)
    with site.client(site.world.region.sites[0].code) as school:
        patiently(school, receipt)


def events(world: World) -> list[str]:
    with world.gateway.reading() as session:
        return [str(each.fields()["event"]) for each in find(session.connection(), Filter(), limit=500)]


def run(*arguments: str, folder: Path = ROOT, database: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"VERZUIMPOORT_DATABASE": database}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_proof_is_promised_until_the_log_holds_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After before the entry has its index and its signature; the receipt with its proof after."""
    party = world.region.sites[0].code
    expires = world.gateway.clock() + timedelta(hours=1)
    token = must(world.desk.issue_token(party, scopes=("all",), expires_at=expires))
    params = {"collection": TABLE, "party": party, "period": PERIOD}

    async def visit() -> tuple[list[httpx.Response], httpx.Response]:
        """Deliver and ask for the receipt, before, halfway and after the sequencer's round."""
        at = {"base_url": "http://gateway", "headers": {"Authorization": f"Bearer {token}"}}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(world.gateway)), **at) as http:
            made = await http.post("/v1/submissions", params=params, content=world.counts(0))
            path = f"{made.headers['location']}/receipt"
            early = [await http.get(path), await http.get("/v1/audit/checkpoint")]
            with monkeypatch.context() as crash:
                crash.setattr("audit.sequencer.Sequencer._publish", lambda *_: None)
                world.sequence()
            early += [await http.get(path), await http.get("/v1/audit/checkpoint")]
            world.sequence()
            return early, await http.get(path)

    early, late = asyncio.run(visit())
    assert [(answer.status_code, answer.headers.get("retry-after")) for answer in early] == [(503, "1")] * 4
    assert "c2sp.org/tlog-proof@v1" in late.text


def test_a_confirmation_and_a_public_download_have_their_receipts(site: Site) -> None:
    """The confirmation's receipt is the site's alone; one of the public is anybody's, and no school's."""
    path = deliver(site)
    with site.client(site.world.region.sites[0].code) as http, site.client() as public:
        assert http.get(path, params={"of": "confirmation"}).status_code == 404
        http.post(path.replace("receipt", "confirmation"))
        confirmed = patiently(http, f"{path}?of=confirmation").text
        policy = parse_policy(public.get("/v1/audit/policy").text)
        checked = [verify_receipt(text, policy) for text in (confirmed, patiently(http, path).text)]
        entry_id = sha256(b"\0" + encode(checked[0].content["entry"])).hexdigest()  # type: ignore[index,arg-type]
        codes = [client.get(f"/v1/receipts/{entry_id}").status_code for client in (http, public)]
        with site.world.gateway.writing() as session:
            session.get_one(Receipt, entry_id).party = ""
        codes += [client.get(f"/v1/receipts/{entry_id}").status_code for client in (http, public)]
    assert [check.verdict for check in checked] == [Verdict.PROVEN] * 2
    assert [check.content["kind"] for check in checked if check.content] == ["confirmation", "submission"]
    assert codes == [200, 404, 404, 200]


def test_a_download_that_the_log_does_not_hold_is_not_handed_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a signed checkpoint within its time, nothing but 503; the entry of the attempt stays."""
    monkeypatch.setattr("gateway.publish.handing.PROOF_SECONDS", 0)
    identity = world.site(0)
    received = receive(world.gateway, identity, Upload(TABLE, identity.party, PERIOD, world.counts(0)))
    assert isinstance(received, Received)
    confirm(world.gateway, identity, received.submission.id)
    assert own_table(world.gateway, identity, TABLE, PERIOD, Format.CSV) == Refused("log-behind", retry_after=5)
    world.sequence()
    assert "own-table.downloaded" in events(world)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_entry SET data = hash", "DELETE FROM audit_entry", "DELETE FROM audit_pending",
     "INSERT INTO audit_checkpoint VALUES (1, 1, 'another root', 1)", "INSERT INTO audit_closing VALUES (1, 1, 1)"],
)  # fmt: skip
def test_the_gateways_own_database_refuses_to_change_the_log(world: World, statement: str) -> None:
    """As owner of the tables, in the database that the gateway made itself: the guards are there."""
    world.sequence()
    world.desk.close_period(TABLE, PERIOD)
    with world.gateway.database.begin() as connection:
        before = connection.execute(select(ENTRY.c.data)).all()
    with pytest.raises(DBAPIError, match="audit"), world.gateway.database.begin() as connection:
        connection.execute(sql(statement))
    with world.gateway.database.begin() as connection:
        assert connection.execute(select(ENTRY.c.data)).all() == before


def test_who_sends_the_last_checkpoint_he_kept_gets_the_proof_that_the_log_only_grew(site: Site) -> None:
    """The answer verifies with the log's public key; an unknown checkpoint is 400 and not repeated."""
    with site.client() as public:
        before = patiently(public, "/v1/audit/checkpoint").text
        policy = parse_policy(public.get("/v1/audit/policy").text)
        deliver(site)
        answer = Continuation.parse(public.post("/v1/audit/continuation", content=before).text)
        stranger = public.post("/v1/audit/continuation", content=before.replace("\n— ", "\n— x"))
    old, new = (open_checkpoint(note, policy.logs).checkpoint for note in (before, answer.checkpoint))
    verify_continues(old, new, answer.proof)
    assert (stranger.status_code, stranger.json()["type"]) == (400, "/problems/checkpoint-unknown")


def test_a_checkpoint_the_log_signed_and_does_not_hold_raises_the_alarm(lite: Site, tmp_path: Path) -> None:
    """A second history under the log's key: 409 for the monitor, an entry, and the client's own alarm."""
    key = yearly_log(lite.world.gateway)
    with lite.client() as public:
        true = open_checkpoint(patiently(public, "/v1/audit/checkpoint").text, _log_keys(public)).checkpoint
        signer = Signer(true.origin, key.seed)
        false = str(signer.sign(Checkpoint(true.origin, true.size, bytes(32)).text()))
        answer = public.post("/v1/audit/continuation", content=false)
        Seen(false, signer.key.public, "").write(tmp_path / "seen.json")
        followed = follow(public, tmp_path / "seen.json")
        _await(lambda: "witness.alarmed" in events(lite.world))
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/checkpoint-contradicted")
    assert followed is Followed.BROKEN


def test_a_stranger_sends_no_more_than_a_checkpoint(site: Site) -> None:
    """Of what anybody may send 64 kB are read, and not what a file may have."""
    with site.client() as public:
        answer = public.post("/v1/audit/continuation", content=b"x" * 65_000)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


def test_a_client_follows_the_log_from_one_visit_to_the_next(lite: Site, tmp_path: Path) -> None:
    """The first visit is believed, the next is proven; a gateway with another key is not believed any more."""
    kept = tmp_path / "seen.json"
    with lite.client() as public:
        patiently(public, "/v1/audit/checkpoint")
        first = follow(public, kept)
        deliver(lite)
        second = follow(public, kept)
        replace(Seen.read(kept), public=bytes(32)).write(kept)
        third = follow(public, kept)
    assert (first, second, third) == (Followed.FIRST, Followed.CONTINUES, Followed.BROKEN)


def test_entries_are_for_the_controllers_officer_and_fit_the_public_hashes(site: Site) -> None:
    """401 for the public, 403 for a school, 404 for an officer of one party; else entries that hash to the tile."""
    party = next(iter(site.world.region.swvs))
    with site.client() as public:
        size = int(patiently(public, "/v1/audit/checkpoint").text.split("\n")[1])
        path = f"/v1/audit/tiles/1/entries/000.p/{size}"
        hashes = public.get(f"/v1/audit/tiles/1/0/000.p/{size}").content
        codes = [public.get(path).status_code]
    for who, scopes in ((site.world.region.sites[0].code, ("all",)), (party, ("audit",))):
        with site.client(who, scopes=scopes) as http:
            codes.append(http.get(path).status_code)
    with site.client(MINISTER, scopes=("audit",)) as http:
        bundle = http.get(path)
    assert codes == [401, 403, 404]
    assert b"".join(sha256(b"\0" + each).digest() for each in _entries(bundle.content)) == hashes


def test_forged_bytes_stop_no_export(lite: Site) -> None:
    """Somebody writes past the log's writer, bytes that are no JSON and half a character: all can still be read."""
    half = (
        '{"actor":{"role":"x"},"cause":"\\ud800","decision":"permit","event":"e","policy":{"id":"p","sha256":"\\ud800"},'
        '"span_id":"","trace_id":"","ts":1}'
    )
    with lite.world.gateway.database.begin() as connection:
        for forged in (b"}]} no json", half.encode()):
            connection.execute(insert(PENDING).values(data=forged))
    _await(lambda: events(lite.world).count("unreadable") == 2)
    with lite.client(MINISTER, scopes=("audit",)) as http:
        found = http.get("/v1/audit/entries").json()["entries"]
        forms = {form: http.get("/v1/audit/export", params={"format": form}) for form in ("ldv", "csv")}
    assert [base64.b64decode(each["bytes"]) for each in found if each["event"] == "unreadable"] == [
        half.encode(), b"}]} no json",
    ]  # fmt: skip
    assert forms["ldv"].json()["records"]
    rows = list(csv.DictReader(io.StringIO(forms["csv"].text), delimiter=";"))
    assert [row["event"] for row in rows].count("unreadable") == 2


def test_officers_take_the_log_out_in_every_form(site: Site, tmp_path: Path) -> None:
    """The whole log verifies in a process of its own; an officer's part says that it proves presence only."""
    deliver_and_wait(site)
    swv = next(iter(site.world.region.swvs))
    with site.client(MINISTER, scopes=("audit",)) as http:
        forms = {form: http.get("/v1/audit/export", params={"format": form}) for form in ("bundle", "ldv", "csv")}
        report = http.get("/v1/audit/report").json()
        (tmp_path / "policy.txt").write_text(http.get("/v1/audit/policy").text)
    with site.client(swv, scopes=("audit",)) as http:
        own = http.get("/v1/audit/export")
    (tmp_path / "all.zip").write_bytes(forms["bundle"].content)
    (tmp_path / "own.zip").write_bytes(own.content)
    checks = [run("-m", "audit.verify", str(tmp_path / name), "--policy", str(tmp_path / "policy.txt"), "--lang", "en")
              for name in ("all.zip", "own.zip")]  # fmt: skip
    assert [check.returncode for check in checks] == [0, 0]
    assert "Verified up to entry" in checks[0].stdout
    assert "proves presence, not completeness" in checks[1].stdout
    ldv = json.loads(forms["ldv"].content)
    assert "not prove that there are no others" in ldv["statement"][1]
    received = next(each for each in ldv["records"] if each["name"] == "submission.received")
    with site.client() as public:
        proven = public.get("/v1/audit/proofs/inclusion", params={"leaf": received["attributes"]["verzuimpoort.leaf"]})
    assert proven.text.startswith("c2sp.org/tlog-proof@v1\n")
    assert received["attributes"]["dpl.core.processing_activity_id"].startswith("http://127.0.0.1:8000/register#")
    rows = list(csv.reader(io.StringIO(forms["csv"].text), delimiter=";"))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert report["event"]["submission.received"] == 1
    assert {"audit.exported", "audit.viewed"} <= set(events(site.world))


@pytest.fixture
def witness(lite: Site, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A witness run by another organisation with one command: its key and address."""
    with lite.client() as public:
        patiently(public, "/v1/audit/checkpoint")
        (tmp_path / "logs.txt").write_text(public.get("/v1/audit/policy").text)
    command = [sys.executable, "-m", "audit.witness", "--name", "kennisnet.example/w1", "--port", str(free_port())]
    files = [
        f"--{name}={tmp_path / file}" for name, file in (("logs", "logs.txt"), ("key", "w.key"), ("state", "w.db"))
    ]
    with subprocess.Popen([*command, *files], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process.stdout.readline().strip()
        process.terminate()


@pytest.fixture
def nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A running gateway asks its witnesses by itself only long after the test."""
    monkeypatch.setattr(witnesses, "EVERY_SECONDS", 3600.0)


@pytest.mark.usefixtures("nobody_asks")  # before `lite`, whose thread looks at it once it waits
def test_with_a_witness_a_receipt_is_proven_to_the_quorum(lite: Site, witness: tuple[str, str], tmp_path: Path) -> None:
    """`witness add`, and from then on what verifies is signed by the log and cosigned by another organisation."""
    key, url = witness
    home = lite.world.gateway.home
    command = ["witness", "add", "kennisnet", key, url, "--data", str(home.folder)]
    added = run("-m", "gateway.cli", *command, database=home.database)
    assert added.returncode == 0, added.stderr
    path = deliver(lite)
    with lite.client(lite.world.region.sites[0].code) as http:
        early = patiently(http, path).text
        with httpx.Client() as client:
            assert ask_all(lite.world.gateway, client) == {"kennisnet": "cosigned"}
        late = http.get(path).text
        policy = http.get("/v1/audit/policy").text
    verdicts = [verify_receipt(text, parse_policy(policy), lite.world.counts(0)).verdict for text in (early, late)]
    assert verdicts == [Verdict.UNWITNESSED, Verdict.PROVEN]
    for name, text in (("policy.txt", policy), ("receipt", late)):
        (tmp_path / name).write_text(text)
    (tmp_path / "counts.csv").write_bytes(lite.world.counts(0))
    arguments = [
        str(tmp_path / "receipt"),
        "--policy",
        str(tmp_path / "policy.txt"),
        "--file",
        str(tmp_path / "counts.csv"),
    ]
    assert run("-m", "gateway.cli", "receipt", "verify", *arguments).returncode == 0
    (tmp_path / "counts.csv").write_bytes(lite.world.counts(1))
    assert run("-m", "gateway.cli", "receipt", "verify", *arguments).returncode == 1


def test_a_witness_that_makes_its_client_fail_does_not_keep_the_others_from_being_asked(lite: Site) -> None:
    """An answer that raises is a refusal of that witness; the next one says that it saw another past."""
    keys = [Cosigner(f"{name}.example/w", sha256(name.encode()).digest()).key for name in ("first", "second")]
    lines = [f"witness {n} {key} https://{n}.example" for n, key in zip(("first", "second"), keys, strict=True)]
    (lite.world.gateway.home.folder / "witnesses.txt").write_text("\n".join([*lines, "quorum none\n"]), "utf-8")

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "first.example":
            raise ValueError("whatever goes wrong")
        return httpx.Response(422)

    with lite.client() as public:
        patiently(public, "/v1/audit/checkpoint")
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        assert ask_all(lite.world.gateway, client) == {"first": "refused", "second": "alarm"}


def test_the_command_line_of_an_auditor(lite: Site, tmp_path: Path) -> None:
    """Export, report, keys and verifier over HTTP; the verifier runs where nothing of the product is installed."""
    deliver_and_wait(lite)
    token = tmp_path / "token"
    token.write_text(lite.token(MINISTER, scopes=("audit",)))
    token.chmod(0o600)
    at = ["--gateway", lite.url, "--token-file", str(token)]
    commands = [
        ["export", "-o", f"{tmp_path}/log.zip", *at],
        ["export", "-o", f"{tmp_path}/log.csv", "--format", "csv", *at],
        ["report", "--since", "2026-08-01", "--json", *at],
        ["policy", "-o", f"{tmp_path}/policy.txt", "--gateway", lite.url],
        ["verifier", "-o", f"{tmp_path}/verify.pyz"],
        ["verify", f"{tmp_path}/log.zip", "--policy", f"{tmp_path}/policy.txt"],
        ["follow", "--gateway", lite.url, "--memory", f"{tmp_path}/seen.json"],
        ["export", "-o", f"{tmp_path}/local.zip", "--data", str(lite.world.gateway.home.folder)],
    ]
    database = lite.world.gateway.home.database
    done = [run("-m", "gateway.cli", "audit", *command, database=database) for command in commands]
    assert [each.returncode for each in done] == [0] * len(commands), [each.stderr for each in done]
    assert json.loads(done[2].stdout)["event"]["submission.received"] == 1
    bare = run("-I", "-S", "verify.pyz", "log.zip", "--policy", "policy.txt", "--lang", "en", folder=tmp_path)
    assert (bare.returncode, "In order" in bare.stdout) == (0, True)


def _log_keys(public: httpx.Client) -> tuple[object, ...]:
    return parse_policy(public.get("/v1/audit/policy").text).logs


def _entries(bundle: bytes) -> Iterator[bytes]:
    while bundle:
        length = int.from_bytes(bundle[:2])
        yield bundle[2 : 2 + length]
        bundle = bundle[2 + length :]


def _await(holds: object) -> None:
    end = time.monotonic() + 5
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
