"""A receipt is checked at the desk of who got it, with the keys of the gateway as they were kept there."""

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from audit.checkpoint import Checkpoint
from audit.continuation import Continuation
from audit.note import Signer
from gateway.cli import app, reading
from gateway.cli.common import keep
from gateway.cli.following import Followed, Seen, follow, memory_of, told, watch
from gateway.settings import TOKEN_VARIABLE
from pseudonymisation.client.cache import Cache, open_cache

from .conftest import PERIOD, TABLE, Site


@pytest.fixture
def school(lite: Site, tmp_path: Path) -> list[str]:
    """A file of counts was submitted from this computer: the words of `receipt verify` for it."""
    code, file, receipt = lite.world.region.sites[0].code, tmp_path / "counts.csv", tmp_path / "counts.receipt"
    file.write_bytes(lite.world.counts(0))
    about = ["--collection", TABLE, "--site", code, "--period", PERIOD]
    words = ["submit", str(file), "--gateway", lite.url, "-o", str(receipt), *about]
    environment = {TOKEN_VARIABLE: lite.token(code), "XDG_CONFIG_HOME": str(tmp_path / "school")}
    done = CliRunner(env=environment).invoke(app, words)
    assert done.exit_code == 0, done.output
    return ["receipt", "verify", str(receipt), "--file", str(file)]


def said(folder: Path, *words: str, exits: int) -> str:
    """What the command says to the user of this folder."""
    done = CliRunner(env={"XDG_CONFIG_HOME": str(folder)}).invoke(app, list(words))
    assert done.exit_code == exits, done.output
    return done.output


def test_a_receipt_is_checked_with_the_keys_kept_at_the_submission(school: list[str], tmp_path: Path) -> None:
    """Without keys given: in order for the file that was sent, and not in order for another."""
    assert "In orde" in said(tmp_path / "school", *school, exits=0)
    (tmp_path / "counts.csv").write_bytes(b"another file")
    assert "van een ander bestand" in said(tmp_path / "school", *school, exits=1)


def test_who_never_met_the_gateway_asks_it_for_its_keys(school: list[str], lite: Site, tmp_path: Path) -> None:
    """On another computer nothing is believed by itself: it asks for an address or a file of keys."""
    assert "--policy" in said(tmp_path / "elsewhere", *school, exits=1)
    assert "Give --gateway" in said(tmp_path / "elsewhere", *school, "--lang", "en", exits=1)
    assert "In orde" in said(tmp_path / "elsewhere", *school, "--gateway", lite.url, exits=0)


def test_only_its_owner_reads_a_receipt(school: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a submission and that of a download alike: whoever reads one can guess at the file that it is about."""

    def answer(request: httpx.Request) -> httpx.Response:
        link = {"Link": '</receipt>; rel="receipt"'} if request.url.path.endswith("table") else {}
        return httpx.Response(200, text="what it is", headers=link)

    client = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(answer))
    monkeypatch.setattr(reading, "connection", lambda *_: client)
    monkeypatch.setattr(reading, "watch", lambda *_: None)
    said(tmp_path, "download", "0" * 32, "--gateway", "http://gateway", "-o", str(tmp_path / "table"), exits=0)
    for receipt in (Path(school[2]), tmp_path / "table.receipt"):
        assert receipt.stat().st_mode & 0o777 == 0o600


def test_what_is_kept_goes_through_a_pipe_too(tmp_path: Path) -> None:
    """A pipe gets the text and stays a pipe; only a file is replaced."""
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    keep(pipe, "a receipt")
    reader.join(10)
    assert (read, pipe.is_fifo()) == (["a receipt"], True)


LOG = Signer("poort.example/audit/2026-2027", bytes([1]) * 32)
NOTE = str(LOG.sign(Checkpoint(LOG.key.name, 1, bytes(32)).text()))
ANSWERS = {
    "/v1/audit/checkpoint": NOTE,
    "/v1/audit/continuation": str(Continuation(1, [], NOTE)),
    "/v1/audit/policy": f"log {LOG.key}\nquorum none\n",
}


def asked(answers: Mapping[str, str | httpx.Response]) -> httpx.Client:
    """A gateway that has one entry; what is not among its answers it is asked too often for."""

    def answer(request: httpx.Request) -> httpx.Response:
        known = answers.get(request.url.path, httpx.Response(429))
        return known if isinstance(known, httpx.Response) else httpx.Response(200, text=known)

    return httpx.Client(base_url="https://poort.example", transport=httpx.MockTransport(answer))


def test_programs_that_follow_one_log_at_once_raise_no_alarm(tmp_path: Path) -> None:
    """Each finds a whole file, whoever wrote it last, and leaves nothing beside it."""
    memory = tmp_path / "checkpoints" / "poort.json"
    with asked(ANSWERS) as http, ThreadPoolExecutor(8) as programs:
        assert follow(http, memory) is Followed.FIRST
        outcomes = set(programs.map(lambda _: follow(http, memory), range(400)))
    assert outcomes == {Followed.CONTINUES}
    assert [*memory.parent.iterdir()] == [memory]


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"checkpoint": 1}'])
def test_a_memory_that_cannot_be_read_is_no_alarm(tmp_path: Path, kept: str) -> None:
    """It is told as what it is, and stays for whoever looks."""
    memory = tmp_path / "poort.json"
    memory.write_text(kept)
    with asked(ANSWERS) as http:
        assert follow(http, memory) is Followed.UNREADABLE
    assert memory.read_text() == kept


def test_a_policy_that_cannot_be_had_is_no_comparison(tmp_path: Path) -> None:
    """The act was done; the next one compares."""
    memory = tmp_path / "poort.json"
    with asked({name: text for name, text in ANSWERS.items() if "policy" not in name}) as http:
        assert follow(http, memory) is Followed.UNKNOWN
    assert not memory.exists()


def test_a_school_that_submitted_first_can_pseudonymise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that the memory is kept in is as private as the cache beside it has to be."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    memory = memory_of("https://poort.example")
    with asked(ANSWERS) as http:
        assert follow(http, memory) is Followed.FIRST
    assert isinstance(open_cache(memory.parents[1], "2026-2027"), Cache)


PAGE = "<html>Welkom op het gastnetwerk</html>"


@pytest.mark.parametrize("words", [["export", "-o"], ["export", "--format", "csv", "-o"], ["policy", "-o"], ["report"]])
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_a_page_of_the_network_replaces_nothing_of_an_auditor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], kind: str
) -> None:
    """A login page with a good status, whatever it says to be, is no log, report or keys: what was kept stays."""
    kept = tmp_path / "kept"
    kept.write_text("kept before")
    page = httpx.MockTransport(lambda _: httpx.Response(200, text=PAGE, headers={"Content-Type": kind}))
    client = httpx.Client(base_url="http://gateway", transport=page)
    monkeypatch.setattr("gateway.cli.audit.connection", lambda *_: client)
    monkeypatch.setattr("gateway.cli.audit.anonymous", lambda *_: client)
    where = [str(kept)] if words[-1] == "-o" else []
    assert "HTTP 200" in said(tmp_path, "audit", *words, *where, "--gateway", "http://gateway", exits=1)
    assert kept.read_text() == "kept before"


def test_what_an_auditor_takes_out_is_kept_as_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of the answer, of more than one part, are those of the file."""
    sent = bytes(range(256)) * 1_000
    log = httpx.MockTransport(lambda _: httpx.Response(200, content=sent, headers={"Content-Type": "application/zip"}))
    client = httpx.Client(base_url="http://gateway", transport=log)
    monkeypatch.setattr("gateway.cli.audit.connection", lambda *_: client)
    said(tmp_path, "audit", "export", "-o", str(tmp_path / "log.zip"), "--gateway", "http://gateway", exits=0)
    assert (tmp_path / "log.zip").read_bytes() == sent


OTHER = str(LOG.sign(Checkpoint(LOG.key.name, 1, bytes([7]) * 32).text()))
STRANGER = Signer(LOG.key.name, bytes([2]) * 32)
AWAY = str(STRANGER.sign(Checkpoint(LOG.key.name, 1, bytes(32)).text()))
AT = "/v1/audit/checkpoint", "/v1/audit/continuation", "/v1/audit/policy"


def refusal(
    media_type: str = "application/problem+json", *, status: int = 409, code: str = "checkpoint-contradicted"
) -> httpx.Response:
    """A refusal that says the checkpoint is contradicted, or what else the gateway says of it."""
    return httpx.Response(status, json={"type": f"/problems/{code}"}, headers={"Content-Type": media_type})


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({AT[0]: PAGE, AT[1]: PAGE}, Followed.UNKNOWN),
        ({AT[1]: PAGE}, Followed.UNKNOWN),
        ({AT[1]: httpx.Response(409, text=PAGE)}, Followed.UNKNOWN),
        ({AT[1]: refusal("text/html")}, Followed.UNKNOWN),
        ({AT[0]: PAGE, AT[1]: refusal()}, Followed.UNKNOWN),
        ({AT[1]: refusal()}, Followed.BROKEN),
        ({AT[0]: OTHER, AT[1]: refusal()}, Followed.BROKEN),
        ({AT[0]: OTHER, AT[1]: str(Continuation(1, [], OTHER))}, Followed.BROKEN),
        ({AT[0]: AWAY, AT[1]: str(Continuation(1, [], AWAY))}, Followed.BROKEN),
    ],
)
def test_only_a_gateway_that_contradicts_is_an_alarm(
    tmp_path: Path, changed: dict[str, str | httpx.Response], outcome: Followed
) -> None:
    """The login page of a network shows nothing, whatever its status; what was kept stays, and it is said where."""
    memory = tmp_path / "poort.json"
    with asked(ANSWERS) as http:
        assert follow(http, memory) is Followed.FIRST
    before = memory.read_bytes()
    with asked({**ANSWERS, **changed}) as http:
        assert follow(http, memory) is outcome
    assert memory.read_bytes() == before
    assert str(memory) in told(outcome, memory, "nl")


NEWER = Signer("poort.example/audit/2032-2033", bytes([1]) * 32)
ODD = str(Signer(NEWER.key.name, bytes([2]) * 32).sign(Checkpoint(NEWER.key.name, 1, bytes(32)).text()))
NEW = str(NEWER.sign(Checkpoint(NEWER.key.name, 1, bytes(32)).text()))


@pytest.mark.parametrize(
    ("newest", "outcome"), [(NEW, Followed.CONTINUES), (ODD, Followed.BROKEN), (NOTE, Followed.UNKNOWN)]
)
def test_after_a_log_that_was_erased_in_time_the_newest_is_followed(
    tmp_path: Path, newest: str, outcome: Followed
) -> None:
    """Years later nothing can be compared with what was kept; before that, or under another key, it is not believed."""
    memory = tmp_path / "poort.json"
    with asked(ANSWERS) as http:
        assert follow(http, memory) is Followed.FIRST
    expired = refusal(status=410, code="checkpoint-expired")
    with asked({**ANSWERS, AT[0]: newest, AT[1]: expired, AT[2]: f"log {NEWER.key}\nquorum none\n"}) as http:
        assert follow(http, memory) is outcome
    seen = Seen.read(memory)
    assert seen
    assert (NEWER.key.name in seen.note, NEWER.key.name in seen.policy) == (outcome is Followed.CONTINUES,) * 2


@pytest.mark.parametrize("path", [AT[0], AT[2]])
def test_a_page_is_not_believed_at_first_sight(tmp_path: Path, path: str) -> None:
    """Where nothing is kept yet nothing can be contradicted: it is no alarm, and nothing is kept."""
    memory = tmp_path / "poort.json"
    with asked({**ANSWERS, path: PAGE}) as http:
        assert follow(http, memory) is Followed.UNKNOWN
    assert not memory.exists()
    assert "nog geen controlepunt" in told(Followed.UNKNOWN, memory, "nl")


def test_what_was_done_is_done_though_the_log_was_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A connection that ends, and a memory that cannot be written, are said and end no command."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def gone(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("gone")

    with httpx.Client(base_url="https://poort.example", transport=httpx.MockTransport(gone)) as http:
        watch(http, "en")
    (tmp_path / "config").write_text("a file in the way")
    with asked(ANSWERS) as http:
        watch(http, "en")
    said_of_both = capsys.readouterr().err
    assert "no checkpoint of the log yet" in said_of_both
    assert "was not kept" in said_of_both


def answering(
    monkeypatch: pytest.MonkeyPatch, table: httpx.Response, proof: httpx.Response | httpx.RequestError
) -> None:
    """A gateway that hands out this table, and then this proof."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("table"):
            return table
        if isinstance(proof, httpx.RequestError):
            raise proof
        return proof

    client = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(answer))
    monkeypatch.setattr(reading, "connection", lambda *_: client)
    monkeypatch.setattr(reading, "watch", lambda *_: None)


LINK = {"Link": '</receipt>; rel="receipt"'}


@pytest.mark.parametrize("proof", [httpx.ConnectError("gone"), httpx.Response(200, html=PAGE)], ids=["gone", "page"])
def test_a_download_without_its_receipt_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proof: httpx.Response | httpx.RequestError
) -> None:
    """The table is there, private, and it is said that the receipt can come later."""
    answering(monkeypatch, httpx.Response(200, content=b"table", headers=LINK), proof)
    words = ["download", "0" * 32, "--gateway", "http://gateway", "-o", str(tmp_path / "table")]
    assert "komt het hele ontvangstbewijs" in said(tmp_path, *words, exits=0)
    assert (tmp_path / "table").read_bytes() == b"table"
    assert (tmp_path / "table").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "table.receipt").exists()


def test_a_page_in_place_of_a_table_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No link to a receipt, no gateway: what was there stays."""
    answering(monkeypatch, httpx.Response(200, html=PAGE), httpx.Response(200))
    (tmp_path / "table").write_text("of last time")
    words = ["download", "0" * 32, "--gateway", "http://gateway", "-o", str(tmp_path / "table")]
    assert "geen verzuimpoort" in said(tmp_path, *words, exits=1)
    assert (tmp_path / "table").read_text() == "of last time"
