"""What a school types when something is wrong: one clear sentence, never a traceback."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.running import free_port
from gateway.settings import TOKEN_VARIABLE

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


def submit(folder: Path, document: str, gateway: str, *words: str) -> str:
    """What `submit` says of a file that does not get through; a traceback fails."""
    file = folder / "submission.json"
    file.write_text(document)
    runner = CliRunner(env={TOKEN_VARIABLE: "vp_x"})
    outcome = runner.invoke(app, ["submit", str(file), "--gateway", gateway, "-o", str(folder / "receipt"), *words])
    assert (outcome.exit_code, type(outcome.exception)) == (1, SystemExit)
    assert not (folder / "receipt").exists()
    return outcome.output


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}", "127.0.0.1:{port}", "http://[x"])
def test_a_gateway_that_does_not_answer_is_said(tmp_path: Path, address: str) -> None:
    """Nobody there, or no address at all: what to look at, in the language asked for."""
    address = address.format(port=free_port())
    assert "niet bereikbaar" in submit(tmp_path, DOCUMENT, address)
    assert "cannot be reached" in submit(tmp_path, DOCUMENT, address, "--lang", "en")


def test_another_server_is_no_gateway(tmp_path: Path, elsewhere: str) -> None:
    """An answer that is not the gateway's own is not read as one."""
    assert "HTTP 501" in submit(tmp_path, DOCUMENT, elsewhere)


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
    done = CliRunner(env={TOKEN_VARIABLE: "vp_x"}).invoke(app, words)
    assert done.exit_code == 1
    assert "niets verstuurd" in done.output
    assert "111222333" not in done.output
    assert command == "submit-changes" or "[RAW-NUMBER]" in done.output


def test_equal_faults_stand_in_one_line(tmp_path: Path) -> None:
    """Thirty rows with one fault are one line with their rows, in both languages."""
    file = tmp_path / "counts.csv"
    rows = [f"undivided;all;{'5to10' if number == 20 else 'upto5'};1" for number in range(2, 32)]
    file.write_text("\n".join(["subdivision;kind;band;pupils", *rows]))
    for language, place in (("nl", "rijen 3-19, 21-31: "), ("en", "rows 3-19, 21-31: ")):
        words = ["check", str(file), "--collection", "absence-counts", "--lang", language]
        assert place in CliRunner().invoke(app, words).output
