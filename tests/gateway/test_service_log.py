"""The pseudonym service's own log as those outside meet it: followed, taken out, cosigned, gone after its term."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from typer.testing import CliRunner

from audit import verify
from audit.checkpoint import Checkpoint, Cosigner
from audit.errors import ClockError
from audit.events import Event
from audit.note import Signer, parse_note
from audit.proofs import logs
from audit.schema import ENTRY
from audit.timeline import Filter, find
from gateway.cli import app
from gateway.cli.following import Followed, Seen, follow
from gateway.outcome import Refused
from gateway.oversight import policy_text
from gateway.pseudonyms import Service, create_service_folder, open_service, service_app
from gateway.service_log import ServiceLog, expire, take_out
from gateway.witnesses import ask_all
from gateway.yearly import KEEP
from policies.days import milliseconds
from pseudonymisation.service import export_register
from tests.audit.world import time_passed
from tests.pseudonymisation.world import InProcess

SEED = bytes([3]) * 32
NOW = datetime.now(UTC)


@pytest.fixture
def service(tmp_path: Path, database: str) -> Iterator[Service]:
    """A service with a register of nobody, whose log has a checkpoint."""
    gateway_key = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    folder = tmp_path / "service"
    create_service_folder(folder, operator="ORG-DIENST", gateway_key=gateway_key, database=database)
    last = (NOW + timedelta(days=9)).date()
    register = export_register([], serial=1, operator="ORG-POORT", issued=NOW, expires=last, secret=SEED)
    (folder / "register.json").write_bytes(register)
    opened = open_service(folder)
    step(opened.log)
    yield opened
    opened.engine.dispose()


def step(kept: ServiceLog) -> None:
    """What waits gets its place, and is signed."""
    kept.yearly.sequencer().step(kept.log.clock())


def at(kept: ServiceLog, moment: datetime) -> ServiceLog:
    """The same log by another clock."""
    log = dataclasses.replace(kept.log, clock=lambda: milliseconds(moment))
    return dataclasses.replace(kept, yearly=dataclasses.replace(kept.yearly, log=log))


@contextmanager
def outside(service: Service) -> Iterator[httpx.Client]:
    """Somebody without a credential."""
    with start_blocking_portal() as portal:
        carried = InProcess(service_app(service), portal)
        with httpx.Client(base_url="https://dienst.example", transport=carried) as http:
            yield http


def seen(kept: ServiceLog, event: Event) -> int:
    """How many entries of an event have their place."""
    step(kept)
    with kept.reading() as session:
        return len(find(session.connection(), Filter(event=event.value), limit=100))


def test_anybody_follows_the_log_of_the_service_as_that_of_the_gateway(service: Service, tmp_path: Path) -> None:
    """The client of the gateway's log, word for word: believed at first, and then proven to have only grown."""
    memory = tmp_path / "seen.json"
    with outside(service) as http:
        first = follow(http, memory)
        take_out(service.log)
        step(service.log)
        second = follow(http, memory)
    assert (first, second) == (Followed.FIRST, Followed.CONTINUES)


def test_another_history_under_its_key_is_an_alarm_on_both_sides(service: Service, tmp_path: Path) -> None:
    """Who kept a checkpoint that the log does not hold is told so, and the service's own log says it too, once."""
    with outside(service) as http:
        true = Checkpoint.parse(parse_note(http.get("/v1/audit/checkpoint").text).text)
        signer = Signer(true.origin, service.log.yearly.seed)
        false = str(signer.sign(Checkpoint(true.origin, true.size, bytes(32)).text()))
        Seen(false, signer.key.public, "").write(tmp_path / "seen.json")
        outcomes = {follow(http, tmp_path / "seen.json") for _ in range(2)}
    assert outcomes == {Followed.BROKEN}
    assert seen(service.log, Event.WITNESS_ALARMED) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "entries", 404), ("GET", "export", 404), ("GET", "policy?x=1", 400), ("GET", "checkpoint?log=x", 400),
     ("GET", "checkpoint?log=9", 404), ("GET", "continuation", 405), ("POST", "continuation", 400)],
)  # fmt: skip
def test_no_other_door_of_the_log_is_open(service: Service, method: str, path: str, status: int) -> None:
    """Entries are for nobody outside, a token of a school opens nothing more, and what is wrong reads as elsewhere."""
    with outside(service) as http:
        answer = http.request(method, f"/v1/audit/{path}", headers={"Authorization": "Bearer x"})
        assert http.get("/v1/keys").status_code == 200
    assert answer.status_code == status
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)
    if status != 200:
        assert answer.headers["content-type"].startswith("application/problem+json")


def test_its_operator_takes_the_log_out_for_an_auditor(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle of every year that has to be kept, in order for the stand-alone verifier under the service's keys."""
    step(at(service.log, NOW + timedelta(days=366)))
    monkeypatch.setattr("gateway.cli.audit.anonymous", lambda *_: outside(service))
    for words in (
        ["service", "audit-export", "--folder", str(service.log.home.folder), "-o", str(tmp_path)],
        ["audit", "policy", "--gateway", "https://dienst.example", "-o", str(tmp_path / "policy.txt")],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
    bundles = sorted(tmp_path.glob("*.zip"))
    assert len(bundles) == 2
    for bundle in bundles:
        assert verify.main([str(bundle), "--policy", str(tmp_path / "policy.txt"), "--lang", "en"]) == 0
    assert "In order" in capsys.readouterr().out


def test_what_is_taken_out_is_an_entry(service: Service) -> None:
    """Before it leaves; of a log that signed nothing yet there is none, and that is an entry too."""
    assert not isinstance(take_out(service.log), Refused)
    assert seen(service.log, Event.AUDIT_EXPORTED) == 1


def test_a_log_that_signed_nothing_yet_cannot_be_taken_out(tmp_path: Path) -> None:
    """As at the gateway: it is behind."""
    create_service_folder(tmp_path / "new", operator="ORG-DIENST", gateway_key=bytes(32))
    opened = open_service(tmp_path / "new")
    assert take_out(opened.log) == Refused("log-behind", retry_after=1)
    opened.engine.dispose()


def test_a_witness_that_its_folder_names_cosigns(service: Service) -> None:
    """`witnesses.txt` as at the gateway: the policy asks for it, and the checkpoint has its line."""
    cosigner = Cosigner("w1.example/w", bytes([9]) * 32)
    file = service.log.home.folder / "witnesses.txt"
    file.write_text(f"witness w {cosigner.key} https://w1.example\nquorum w\n")

    def answer(request: httpx.Request) -> httpx.Response:
        checkpoint = Checkpoint.parse(parse_note(request.content.decode().partition("\n\n")[2]).text)
        return httpx.Response(200, text=str(cosigner.cosign(checkpoint, 1)))

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        assert ask_all(service.log, client) == {"w": "cosigned"}
    with outside(service) as http:
        assert "w1.example/w" in http.get("/v1/audit/checkpoint").text
    assert "quorum w" in policy_text(service.log)


def entries(kept: ServiceLog) -> set[int]:
    """Logs that have entries."""
    with kept.reading() as session:
        return set(session.connection().scalars(select(ENTRY.c.log).distinct()))


def test_a_closed_log_goes_when_its_term_is_over(service: Service) -> None:
    """The first day not, afterwards with an entry, once; the log in use stays."""
    later = at(service.log, NOW + timedelta(days=366))
    step(later)
    assert expire(later) == 0
    with service.engine.begin() as connection:
        for statement in time_passed(connection.dialect.name):
            connection.exec_driver_sql(statement)
    assert entries(later) == {1, 2}
    assert [expire(later), expire(later)] == [1, 0]
    assert entries(later) == {2}
    assert seen(later, Event.RETENTION_RUN) == 1


def test_by_a_clock_by_which_the_log_would_not_go_on_nothing_goes(service: Service) -> None:
    """It is five years later than the log in use: set the clock first."""
    step(later := at(service.log, NOW + timedelta(days=366)))
    with pytest.raises(ClockError):
        expire(at(service.log, NOW + KEEP + timedelta(days=400)))
    with later.reading() as session:
        assert [log.size > 0 for log in logs(session.connection())] == [True, True]
