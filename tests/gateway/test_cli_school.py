"""What a school types when something is wrong: one clear sentence, never a traceback."""

import contextlib
import csv
import gzip
import http.server
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import openpyxl
import pytest
from typer.testing import CliRunner

from gateway.cli import app, remote, school
from gateway.cli.common import secret_token, table
from gateway.cli.remote import safe
from gateway.collections import load_contracts
from gateway.running import free_port
from gateway.settings import SERVICE_TOKEN_VARIABLE, TOKEN_VARIABLE
from tests.pseudonymisation import world as service

from .certificates import authority, machine
from .conftest import PERIOD, TABLE, Site

TOKEN = f"vp_{'0' * 32}_{'A' * 43}"
SERVICE_TOKEN = "A" * 43
DOCUMENT = '{"collection": "absence-records", "site": "00AB00", "period": "2026-2027-1"}'


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a server that is no gateway."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def complete(subdivision: str) -> str:
    """A file of counts without pupils; it is a template too."""
    cells = load_contracts()["absence-counts"].cells([subdivision])
    return "\n".join(["subdivision;kind;band;pupils", *(";".join((*cell, "0")) for cell in cells)])


def submit(folder: Path, document: str, gateway: str, *words: str) -> str:
    """What `submit` says of a file that does not get through; a traceback fails."""
    file = folder / "submission.json"
    file.write_text(document)
    runner = CliRunner(env={TOKEN_VARIABLE: TOKEN})
    outcome = runner.invoke(app, ["submit", str(file), "--gateway", gateway, "-o", str(folder / "receipt"), *words])
    assert (outcome.exit_code, type(outcome.exception)) == (1, SystemExit)
    assert not (folder / "receipt").exists()
    return outcome.output


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_gateway_that_does_not_answer_is_said(tmp_path: Path, scheme: str) -> None:
    """Nobody there: what to look at, in the language asked for."""
    address = f"{scheme}://127.0.0.1:{free_port()}"
    assert "niet bereikbaar" in submit(tmp_path, DOCUMENT, address)
    assert "cannot be reached" in submit(tmp_path, DOCUMENT, address, "--lang", "en")


OPEN = ["http://poort.example", "HTTP://10.0.0.5:8000", "http://127.0.0.1@poort.example", "poort.example", "http://[x"]


@pytest.mark.parametrize("address", OPEN)
def test_nothing_is_sent_where_somebody_reads_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Plain http to another computer, or no address at all, is wrong usage in both languages before a socket opens."""
    with service.World(tmp_path) as world:
        (tmp_path / "keys.json").write_bytes(world.document)
    monkeypatch.setattr(socket, "socket", None)
    monkeypatch.setattr(socket, "getaddrinfo", None)
    document, export = tmp_path / "submission.json", tmp_path / "export.csv"
    document.write_text(DOCUMENT)
    export.write_text(";".join(service.HEADER))
    at_service = ["--service", address, "--service-key", tmp_path / "keys.json", "-o", tmp_path / "made.json"]
    at_service += ["--cache", tmp_path / "cache", "--site", service.SITE, "--period", service.PERIOD]
    for command in (
        ["submit", document, "--gateway", address, "-o", tmp_path / "receipt"],
        ["pseudonymise", export, *at_service],
        ["change-numbers", export, *at_service],
    ):
        for language, said in (("nl", "meelezen"), ("en", "read along")):
            words = [str(word) for word in (*command, "--lang", language)]
            done = CliRunner(env={TOKEN_VARIABLE: TOKEN, SERVICE_TOKEN_VARIABLE: SERVICE_TOKEN}).invoke(app, words)
            assert (done.exit_code, said in done.output) == (2, True), (words, done.output)


@pytest.mark.parametrize(
    "address", ["https://poort.example", "http://127.0.0.1:8000", "http://[::1]", "http://localhost"]
)
def test_an_address_that_nobody_reads_along_to_passes(address: str) -> None:
    """Encrypted, or no further than this computer."""
    assert safe(address, "nl") == address


def test_another_server_is_no_gateway(tmp_path: Path, elsewhere: str) -> None:
    """An answer that is not the gateway's own is not read as one."""
    assert "HTTP 501" in submit(tmp_path, DOCUMENT, elsewhere)


def test_what_the_gateway_says_of_a_request_is_repeated(lite: Site, tmp_path: Path) -> None:
    """The fields that are wrong, not only that some are."""
    words = ["download", "0" * 32, "--gateway", lite.url, "-o", str(tmp_path / "table"), "--format", "pdf"]
    done = CliRunner(env={TOKEN_VARIABLE: lite.token(lite.world.region.sites[0].code)}).invoke(app, words)
    assert (done.exit_code, "format" in done.output) == (1, True)


def test_a_confirmed_file_that_is_sent_again_stays_confirmed(lite: Site, tmp_path: Path) -> None:
    """What is said of the counts is what the gateway answered."""
    code, file = lite.world.region.sites[0].code, tmp_path / "counts.csv"
    file.write_bytes(lite.world.counts(0))
    runner = CliRunner(env={TOKEN_VARIABLE: lite.token(code), "XDG_CONFIG_HOME": str(tmp_path / "school")})
    words = ["submit", str(file), "--gateway", lite.url, "-o", str(tmp_path / "receipt")]
    words += ["--collection", TABLE, "--site", code, "--period", PERIOD]
    said = [runner.invoke(app, [*words, *more]).output for more in ((), ("--confirm",), ())]
    assert ["zijn bevestigd" in each for each in said] == [False, True, True]
    assert ["als u ze bevestigt" in each for each in said] == [True, False, False]


def test_a_broken_document_is_said_before_it_is_sent(tmp_path: Path) -> None:
    """What is no JSON is named with its row, as `check` does."""
    assert "rij 2: " in submit(tmp_path, '{"collection":\n', f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("command", ["submit", "submit-changes"])
def test_a_file_that_names_pupils_does_not_leave_the_school(tmp_path: Path, command: str) -> None:
    """The export in place of the document: refused before anybody is called, with the place and without the value."""
    file = tmp_path / "export.csv"
    file.write_text("BSN;Bouw\n111222333;onderbouw\n")
    words = [command, str(file), "--gateway", f"http://127.0.0.1:{free_port()}"]
    words += ["-o", str(tmp_path / "receipt"), "--collection", "absence-counts"] if command == "submit" else []
    done = CliRunner(env={TOKEN_VARIABLE: TOKEN}).invoke(app, words)
    assert done.exit_code == 1
    assert "niets verstuurd" in done.output
    assert "111222333" not in done.output
    assert command == "submit-changes" or "[RAW-NUMBER]" in done.output


@pytest.mark.parametrize("command", ["submit", "submit-changes"])
def test_a_document_that_names_pupils_does_not_leave_the_school(tmp_path: Path, command: str) -> None:
    """A self-made document is looked through like a table, also one of number changes."""
    file = tmp_path / "made.json"
    file.write_text('{"collection": "absence-records", "changes": [{"old": "111222333", "naam": "Jansen"}]}')
    words = [command, str(file), "--gateway", f"http://127.0.0.1:{free_port()}"]
    words += ["-o", str(tmp_path / "receipt")] if command == "submit" else []
    done = CliRunner(env={TOKEN_VARIABLE: TOKEN}).invoke(app, words)
    assert (done.exit_code, "niets verstuurd" in done.output) == (1, True)
    assert "[RAW-NUMBER]" in done.output
    assert "[RAW-FIELD]" in done.output
    assert "111222333" not in done.output
    assert "Jansen" not in done.output


def test_equal_faults_stand_in_one_line(tmp_path: Path) -> None:
    """Thirty rows with one fault are one line with their rows, in both languages."""
    file = tmp_path / "counts.csv"
    rows = [f"undivided;all;{'5to10' if number == 20 else 'upto5'};1" for number in range(2, 32)]
    file.write_text("\n".join(["subdivision;kind;band;pupils", *rows]))
    for language, place in (("nl", "rijen 3-19, 21-31: "), ("en", "rows 3-19, 21-31: ")):
        words = ["check", str(file), "--collection", "absence-counts", "--lang", language]
        assert place in CliRunner().invoke(app, words).output


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_token_is_found_in_what_token_issue_said(tmp_path: Path, encoding: str) -> None:
    """Kept by a shell or an editor, with the words around it and in its encoding."""
    file = tmp_path / "token.txt"
    file.write_text(f"Token (wordt maar één keer getoond): {TOKEN}\n", encoding=encoding)
    file.chmod(0o600)
    assert secret_token(file) == TOKEN


@pytest.mark.parametrize("given", ["variable", "file"])
def test_a_token_goes_to_whom_it_is_for_and_to_nobody_else(tmp_path: Path, given: str) -> None:
    """The gateway's never goes to the pseudonym service nor the service's to the gateway: said without either."""
    with service.World(tmp_path) as world:
        (tmp_path / "keys.json").write_bytes(world.document)
    export, document = tmp_path / "export.csv", tmp_path / "submission.json"
    export.write_text(";".join(service.HEADER))
    document.write_text(DOCUMENT)
    address = f"http://127.0.0.1:{free_port()}"
    at_service = ["--service", address, "--service-key", tmp_path / "keys.json", "-o", tmp_path / "made.json"]
    at_service += ["--cache", tmp_path / "cache", "--site", service.SITE, "--period", service.PERIOD]
    at_gateway = ["--gateway", address, "-o", tmp_path / "receipt"]
    for words, variable, swapped in (
        (["pseudonymise", export, *at_service], SERVICE_TOKEN_VARIABLE, TOKEN),
        (["submit", document, *at_gateway], TOKEN_VARIABLE, SERVICE_TOKEN),
    ):
        file = tmp_path / "token"
        file.write_text(swapped)
        file.chmod(0o600)
        more = ["--token-file", file] if given == "file" else []
        done = CliRunner(env={variable: swapped}).invoke(app, [str(word) for word in (*words, *more)])
        assert (done.exit_code, "verstuurd" in done.output) == (2, True), done.output
        assert swapped not in done.output


@pytest.mark.parametrize("content", ["geheim één", f"{TOKEN} {TOKEN[:-1]}B"])
def test_a_file_without_one_token_is_said_and_not_shown(tmp_path: Path, content: str) -> None:
    """None, or two: wrong usage, without what the file holds."""
    file, document = tmp_path / "token.txt", tmp_path / "submission.json"
    file.write_text(content)
    file.chmod(0o600)
    document.write_text(DOCUMENT)
    words = ["submit", str(document), "--gateway", "https://x", "-o", str(tmp_path / "receipt")]
    done = CliRunner().invoke(app, [*words, "--token-file", str(file)])
    assert (done.exit_code, "geen token" in done.output) == (2, True)
    assert "geheim" not in done.output
    assert TOKEN not in done.output


def test_where_a_receipt_cannot_be_kept_nothing_is_sent(tmp_path: Path) -> None:
    """The place of the output is looked at first: the file is named, and the gateway is not called."""
    file = tmp_path / "submission.json"
    file.write_text(DOCUMENT)
    words = ["submit", str(file), "--gateway", f"http://127.0.0.1:{free_port()}", "-o", str(tmp_path / "no" / "r")]
    done = CliRunner(env={TOKEN_VARIABLE: TOKEN}).invoke(app, [*words, "--lang", "en"])
    assert (done.exit_code, "cannot be read or written" in done.output) == (1, True)


@pytest.mark.parametrize("template", [b"undivided;all;upto5;\n", "subdivision;kind".encode("utf-16")])
def test_a_template_that_is_none_is_said(tmp_path: Path, template: bytes) -> None:
    """Without headings or in an encoding that is not read: one line with its name and the mend."""
    counts, given = tmp_path / "counts.csv", tmp_path / "template.csv"
    counts.write_text("subdivision;kind;band;pupils\n")
    given.write_bytes(template)
    done = CliRunner().invoke(app, ["check", str(counts), "--collection", "absence-counts", "--template", str(given)])
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert "template.csv:" in done.output


@pytest.mark.parametrize(("lang", "said"), [("nl", "gelezen als Windows-1252"), ("en", "read as Windows-1252")])
def test_what_is_tolerated_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], lang: str, said: str) -> None:
    """A file of another encoding passes with a note: in words, as a code for a program, and of another table."""
    file, notes = tmp_path / "counts.csv", ["NOTE-CP1252"]
    file.write_bytes(complete("undivided").replace("undivided;all", "undivided\xa0;all", 1).encode("cp1252"))
    words = ["check", str(file), "--collection", "absence-counts", "--lang", lang]
    assert said in CliRunner().invoke(app, words).stdout
    assert json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["notes"] == notes
    table(file, (), lang)
    assert said in capsys.readouterr().err


def test_a_subdivision_that_is_not_offered_is_said_at_the_school(tmp_path: Path) -> None:
    """With its template `pseudonymise` names the row of the export; the document has another order."""
    with service.World(tmp_path) as world:
        (tmp_path / "keys.json").write_bytes(world.document)
    export, template = tmp_path / "export.csv", tmp_path / "template.csv"
    rows = [service.HEADER, *(cells for _, cells in service.export_rows(service.numbers(2)))]
    export.write_text("\n".join(map(";".join, rows)))
    template.write_text(complete("havo"))
    words = ["pseudonymise", export, "--site", service.SITE, "--period", service.PERIOD, "--offline"]
    words += ["--service", "https://x", "--service-key", tmp_path / "keys.json", "-o", tmp_path / "submission.json"]
    words += ["--cache", tmp_path / "cache", "--template", template]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert (done.exit_code, "[SUBDIVISION]" in done.output) == (1, True), done.output


def test_a_file_with_headings_only_is_empty(tmp_path: Path) -> None:
    """Without a template nothing says what is missing, but a file with nothing in it is not in order."""
    file = tmp_path / "counts.csv"
    file.write_text("subdivision;kind;band;pupils\n")
    done = CliRunner().invoke(app, ["check", str(file), "--collection", "absence-counts"])
    assert (done.exit_code, "[FILE-EMPTY]" in done.output) == (1, True)


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("cp1252", ";"), ("utf-8-sig", ";"), ("utf-8", ","), ("utf-8", "\t")]
)
def test_a_map_and_an_export_of_another_editor_are_read(tmp_path: Path, encoding: str, delimiter: str) -> None:
    """A heading with an accent is found, however the files were saved: only the connection is missing then."""
    with service.World(tmp_path) as world:
        (tmp_path / "keys.json").write_bytes(world.document)
    rows = [["Leerlíng", *service.HEADER[1:]], *(cells for _, cells in service.export_rows(service.numbers(2)))]
    export, mapping = tmp_path / "export.csv", tmp_path / "map.toml"
    with export.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    mapping.write_text('columns.number = "Leerlíng"\n', encoding=encoding)
    words = ["pseudonymise", export, "--map", mapping, "--site", service.SITE, "--period", service.PERIOD, "--offline"]
    words += ["--service", "https://x", "--service-key", tmp_path / "keys.json", "-o", tmp_path / "submission.json"]
    words += ["--cache", tmp_path / "cache"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert (done.exit_code, "Zonder verbinding" in done.output) == (1, True), done.output


@pytest.mark.parametrize(
    ("command", "header"), [("pseudonymise", ["BSN", *service.HEADER[1:]]), ("change-numbers", ["Oud_Nummer", "NAAR"])]
)
def test_a_cover_sheet_is_passed_over(tmp_path: Path, command: str, header: list[str]) -> None:
    """The sheet with the known headings is read, however they are written, and it is said which that was."""
    with service.World(tmp_path) as world:
        (tmp_path / "keys.json").write_bytes(world.document)
    book = openpyxl.Workbook()
    book.active.append(["Verzuimoverzicht", "BSN", "Gemaakt door pakket X"])
    sheet = book.create_sheet("Gegevens")
    sheet.append(header)
    sheet.append(["1"] * len(header))
    book.save(tmp_path / "export.xlsx")
    words = [command, tmp_path / "export.xlsx", "--site", service.SITE, "--period", service.PERIOD]
    words += ["--service", "https://x", "--service-key", tmp_path / "keys.json", "-o", tmp_path / "submission.json"]
    done = CliRunner(env={SERVICE_TOKEN_VARIABLE: SERVICE_TOKEN}).invoke(
        app, [str(word) for word in (*words, "--cache", tmp_path / "cache")]
    )
    assert (done.exit_code, "NUMBER-FORMAT" in done.output, "COLUMN" in done.output) == (1, True, False), done.output
    assert "“Gegevens”" in done.output


def test_a_sheet_for_each_class_is_said_to_be_one_too_many(tmp_path: Path) -> None:
    """Half of the pupils would be missing from the delivery: the second sheet is named and nothing is made."""
    with service.World(tmp_path) as world:
        (tmp_path / "keys.json").write_bytes(world.document)
    book = openpyxl.Workbook()
    for sheet in (book.active, book.create_sheet("2B")):
        sheet.append(["BSN", *service.HEADER[1:]])
        sheet.append(["1"] * len(service.HEADER))
    book.save(tmp_path / "export.xlsx")
    words = ["pseudonymise", tmp_path / "export.xlsx", "--site", service.SITE, "--period", service.PERIOD]
    words += ["--service", "https://x", "--service-key", tmp_path / "keys.json", "-o", tmp_path / "submission.json"]
    done = CliRunner().invoke(app, [str(word) for word in (*words, "--offline", "--cache", tmp_path / "cache")])
    assert (done.exit_code, "Blad 2: " in done.output, "[FILE-XLSX-SHEETS]" in done.output) == (1, True, True)


@pytest.mark.parametrize(("sector", "exits"), [("vo", 0), ("VO", 0), ("mbo", 2), ("", 2)])
def test_an_unknown_sector_is_wrong_usage(tmp_path: Path, sector: str, exits: int) -> None:
    """In capitals it is the same sector; one that is none is said with those there are, and no row is blamed."""
    file = tmp_path / "counts.csv"
    file.write_text(complete("havo"))
    done = CliRunner().invoke(app, ["check", str(file), "--collection", "absence-counts", "--sector", sector])
    assert (done.exit_code, "po, so, vo, vso" in done.output) == (exits, exits == 2), done.output


@pytest.mark.parametrize("answer", [("text/html", b"<html>"), ("application/json", b"{"), ("application/json", b"[]")])
@pytest.mark.parametrize("status", [200, 201, 404])
def test_a_page_of_the_network_is_no_answer_of_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: tuple[str, bytes], status: int
) -> None:
    """A login page with a good status, or what is no whole document: said, and no receipt is kept."""
    media_type = answer[0].replace("/json", "/problem+json") if status == 404 else answer[0]
    given = httpx.Response(status, content=answer[1], headers={"Content-Type": media_type})
    client = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(lambda _: given))
    monkeypatch.setattr(school, "connection", lambda *_: client)
    assert f"HTTP {status}" in submit(tmp_path, DOCUMENT, "http://gateway")


@pytest.mark.parametrize(
    "said",
    [
        {"errors": [{"detail": "must be a positive integer", "pointer": "#/age"}]},
        {"decision": "deny"},
        {"title": ["a"]},
    ],
)
def test_a_problem_of_another_service_is_no_answer_of_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, object]
) -> None:
    """A problem document (RFC 9457) of the network's own has other members: that somebody else answers is said."""
    given = httpx.Response(422, json=said, headers={"Content-Type": "application/problem+json"})
    client = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(lambda _: given))
    monkeypatch.setattr(school, "connection", lambda *_: client)
    assert "HTTP 422" in submit(tmp_path, DOCUMENT, "http://gateway")


def test_what_a_terminal_would_obey_is_not_written_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The title of a problem clears no screen and colours no word."""
    said = {"title": "\x1b]0;x\x07\x1b[2J\x1b[32mOntvangen\r", "detail": "Eén\N{NO-BREAK SPACE}ding"}
    given = httpx.Response(403, json=said, headers={"Content-Type": "application/problem+json"})
    client = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(lambda _: given))
    monkeypatch.setattr(school, "connection", lambda *_: client)
    assert "]0;x[2J[32mOntvangen. Eén\N{NO-BREAK SPACE}ding" in submit(tmp_path, DOCUMENT, "http://gateway")


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    """What is longer than any answer is cut off, and what would unpack to more than was sent is not unpacked."""
    body = gzip.compress(bytes(10_000)) if packed else bytes(10_000)
    headers = {"Content-Encoding": "gzip"} if packed else {}
    parts = (body[at : at + 100] for at in range(0, len(body), 100))
    monkeypatch.setattr(remote, "MOST_BYTES", 1_000)
    monkeypatch.setattr(
        httpx.HTTPTransport, "handle_request", lambda *_: httpx.Response(200, headers=headers, content=parts)
    )
    with remote.http_client("https://gateway.example", "nl", {}) as client:
        if packed:
            assert client.get("/").content == body
        else:
            with pytest.raises(httpx.RequestError):
                client.get("/")
    assert (next(parts, None) is None) is packed


@pytest.mark.parametrize(("command", "kept"), [("submit", "pipe.confirmation"), ("download", "pipe.receipt")])
def test_a_pipe_is_no_place_for_what_has_its_receipt_beside_it(tmp_path: Path, command: str, kept: str) -> None:
    """Said before anything is asked: what the command says would stand amid the table, and the receipt nowhere."""
    document, pipe = tmp_path / "document.json", tmp_path / "pipe"
    document.write_text(DOCUMENT)
    os.mkfifo(pipe)
    words = [command, str(document), "--gateway", f"http://127.0.0.1:{free_port()}", "-o", str(pipe)]
    done = CliRunner(env={TOKEN_VARIABLE: TOKEN}).invoke(app, words)
    assert (done.exit_code, kept in done.output) == (2, True), done.output


@pytest.mark.parametrize("same", ["export.csv", "keys.json", "map.toml", "token"])
def test_no_output_goes_over_what_is_read(tmp_path: Path, same: str) -> None:
    """The export, the key file, the map or the token as output too is wrong usage: it stays as it was."""
    with service.World(tmp_path) as world:
        (tmp_path / "keys.json").write_bytes(world.document)
    for name in ("export.csv", "map.toml", "token"):
        (tmp_path / name).write_text(SERVICE_TOKEN)
        (tmp_path / name).chmod(0o600)
    before = (tmp_path / same).read_bytes()
    words = ["--site", service.SITE, "--period", service.PERIOD, "--service", "https://x", "--map", "map.toml"]
    words += ["--service-key", "keys.json", "--token-file", "token", "-o", f"./{same}", "--cache", "cache"]
    runner = CliRunner()
    with contextlib.chdir(tmp_path):
        for command in ("pseudonymise", "change-numbers"):
            done = runner.invoke(app, [command, "export.csv", *words])
            assert (done.exit_code, "ander" in done.output) == (2, True), done.output
        done = runner.invoke(app, ["submit", "export.csv", "--gateway", "https://x", "-o", "export.csv"])
    assert done.exit_code == 2
    assert (tmp_path / same).read_bytes() == before


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SSL_CERT_FILE", "/nonexistent.pem"),
        ("SSL_CERT_FILE", "/dev/null"),
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("HTTPS_PROXY", "ftp://127.0.0.1:1"),
    ],
)
def test_a_setting_of_this_computer_that_does_not_work_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Certificates that cannot be read and a proxy of another kind: the variable, and no traceback."""
    monkeypatch.setenv(variable, value)
    assert variable in submit(tmp_path, DOCUMENT, "https://127.0.0.1:9")


def test_a_certificate_that_nobody_vouches_for_is_said(tmp_path: Path) -> None:
    """A server is there: what is said is about its certificate, not about the address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*machine(authority()).write(tmp_path, "poort"))
    with socket.create_server(("127.0.0.1", 0)) as listener, context.wrap_socket(listener, server_side=True) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                server.accept()

        thread = threading.Thread(target=answer)
        thread.start()
        told = submit(tmp_path, DOCUMENT, f"https://127.0.0.1:{server.getsockname()[1]}", "--lang", "en")
        thread.join(10)
    assert "certificate" in told
    assert "SSL_CERT_FILE" in told


def test_a_delivery_is_followed_confirmed_and_withdrawn_from_the_command_line(lite: Site, tmp_path: Path) -> None:
    """The counts are seen before they hold; afterwards each act has its receipt and the list its state."""
    code, file = lite.world.region.sites[0].code, tmp_path / "counts.csv"
    file.write_bytes(lite.world.counts(0))
    runner = CliRunner(env={TOKEN_VARIABLE: lite.token(code), "XDG_CONFIG_HOME": str(tmp_path / "school")})

    def told(*words: object) -> str:
        done = runner.invoke(app, [*map(str, words), "--gateway", lite.url])
        assert done.exit_code == 0, done.output
        return done.output

    about = ["--collection", TABLE, "--site", code, "--period", PERIOD]
    submitted = told("submit", file, "-o", tmp_path / "receipt", *about)
    assert all(line.replace(";", "\t") in submitted for line in file.read_text().splitlines()[1:])
    (one,) = json.loads(told("status", "--period", PERIOD, "--json"))
    assert one["state"] == "received"
    assert "bevestigd" in told("confirm", one["id"], "-o", tmp_path / "confirmation")
    assert told("status").split("\t") == [one["id"], TABLE, PERIOD, "1", "confirmed\n"]
    for receipt in ("receipt", "confirmation"):
        assert "In orde" in told("receipt", "verify", tmp_path / receipt)
    assert json.loads(told("withdraw", one["id"], "--yes", "--json"))["state"] == "withdrawn"
    told("submit", file, "-o", tmp_path / "again", "--confirm", *about)
    assert "In orde" in told("receipt", "verify", tmp_path / "again.confirmation")
