"""Who is shut out, or whose consent has ended, while something of it is under way: it comes to nothing."""

import dataclasses
import importlib
import itertools
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import func
from sqlmodel import select

from gateway import consent_ends
from gateway.demo.people import MINISTER, must
from gateway.identity import add_person, close_sessions_of, identify_session, issue_link, start_session
from gateway.standing import standing_in
from gateway.store import ConsentedHealth
from policies.consent import Event
from tests.gateway.conftest import NOW, TABLE
from tests.gateway.test_consents import EVIDENCE

from .house import OPEN, House
from .moment import at_once, counting, entries, events

NUMBERS = itertools.count(10)


def slowly(house: House, head: str, body: bytes, meanwhile: Callable[[], object]) -> bytes:
    """Send the head of a request; once the server waits for the body something happens, and then the body comes."""
    host, port = house.site.url.removeprefix("http://").split(":")
    lines = f"{head}Host: {host}:{port}\r\nExpect: 100-continue\r\nConnection: close\r\n"
    with closing(socket.create_connection((host, int(port)), timeout=60)) as sender:
        sender.sendall(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode())
        assert sender.recv(100).startswith(b"HTTP/1.1 100")
        meanwhile()
        sender.sendall(body)
        return b"".join(iter(lambda: sender.recv(65_536), b""))


@pytest.mark.parametrize(
    ("operation", "refused"),
    [("submit", "submission"), ("registerConsent", "record"), ("sendConsentedRecord", "record")],
)
def test_a_token_that_is_revoked_keeps_nothing_of_a_slow_body(house: House, operation: str, refused: str) -> None:
    """Revoked while its file or record is under way: 401, nothing is stored, and the refusal has its entry."""
    world, door = house.site.world, house.doors[operation]
    expires = NOW + timedelta(days=3650)
    token = must(world.desk.issue_token(house.ids["code"], scopes=["all"], expires_at=expires))
    address = f"/v1{door.path}?{urlencode(door.params)}"
    head = f"POST {address} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    with counting(house) as added:
        answer = slowly(house, head, door.body or b"", lambda: must(world.desk.revoke_token(token.split("_")[1])))
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"www-authenticate: Bearer" in answer
    assert added == {"token.revoked": 1, f"{refused}.refused": 1}


def test_a_person_who_is_logged_out_publishes_nothing(house: House) -> None:
    """Logged out everywhere while a verdict on a release is under way: 401, and all that happened is that refusal."""
    person, cookie, csrf = logged_in(house, house.site.world.gateway.settings.operator, "operator")
    head = (
        f"POST /v1/releases/{house.ids['release']}/withdrawal HTTP/1.1\r\nCookie: verzuimpoort={cookie}\r\n"
        f"X-CSRF-Token: {csrf}\r\nContent-Type: application/json\r\n"
    )
    with counting(house) as added:
        answer = slowly(house, head, b'{"reason":"x"}', lambda: end_of(house, person))
    assert answer.startswith(b"HTTP/1.1 401")
    assert added == {"request.refused": 1}


def logged_in(house: House, party: str, role: str) -> tuple[int, str, str]:
    """Another person of a party, just logged in: the row, the cookie and the token of its forms."""
    gateway = house.site.world.gateway
    now, lasts = gateway.clock(), gateway.settings.proven_for
    with gateway.writing() as session:
        person = add_person(session, party, role, "another")
        opened = start_session(session, person, now, proven_at=now, proven_for=lasts)
    with gateway.reading() as session:
        found = identify_session(session, opened.secret, now, proven_for=lasts)
    assert found is not None
    return person.id or 0, opened.secret, found[1].csrf


def test_a_session_that_is_ended_keeps_nothing_of_a_slow_form(house: House) -> None:
    """Logged out everywhere while a form is under way: the page asks to log in, and nothing is delivered."""
    world, code = house.site.world, house.ids["code"]
    with world.gateway.writing() as session:
        person = add_person(session, code, "school", "secretaris")
        link = f"/login/{issue_link(session, person, world.gateway.clock())}"
    with httpx.Client(base_url=house.site.url, timeout=60) as http:
        cookie = http.post(link).cookies["verzuimpoort"]
        page = http.get(f"/school/periods/{TABLE}/{OPEN}").text
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    head = (
        f"POST /school/periods/{TABLE}/{OPEN} HTTP/1.1\r\nCookie: verzuimpoort={cookie}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
    )
    with counting(house) as added:
        answer = slowly(house, head, f"csrf={csrf}&act=deliver".encode(), lambda: end_of(house, person.id or 0))
    assert answer.startswith(b"HTTP/1.1 401")
    assert not added


READS: Mapping[str, tuple[str, str, Mapping[str, int]]] = {
    "readSubmission": ("school", "deliveries.decide_on", {"submission.refused": 1}),
    "readReceipt": ("school", "deliveries.proof_of", {"submission.refused": 1}),
    "readConsent": ("school", "consents.decide", {"record.refused": 1}),
    "requestAccess": ("school", "access._held", {"access.requested": 1, "access.refused": 1}),
    "exportLog": ("controller-officer", "exports._write", {"audit.exported": 1}),
    "listEntries": ("controller-officer", "trail.may", {"request.refused": 1}),
    "readCertificate": ("operator", "publish.downloading._decide_on_release", {"request.refused": 1}),
}
"""What is read by whom, what the session does not outlive, and the entries of it."""


@pytest.mark.parametrize("operation", READS)
def test_nothing_goes_out_to_who_was_shut_out(house: House, operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logged out once the law had answered, while a year of the log was written or counts were looked up: 401.

    Nothing goes out after the entry of what shut somebody out, and the log says that it did not.
    """
    (role, moment, left), door = READS[operation], house.doors[operation]
    operator = house.site.world.gateway.settings.operator
    party = {"school": house.ids["code"], "controller-officer": MINISTER, "operator": operator}[role]
    person, cookie, csrf = logged_in(house, party, role)
    module, name = moment.rsplit(".", 1)
    real = getattr(importlib.import_module(f"gateway.{module}"), name)

    def meanwhile(*given: object, **named: object) -> object:
        found = real(*given, **named)
        end_of(house, person)
        return found

    monkeypatch.setattr(f"gateway.{moment}", meanwhile)
    address, shown = f"{house.site.url}/v1{door.path}?{urlencode(door.params)}", {"verzuimpoort": cookie}
    with counting(house) as added:
        answer = httpx.request(
            door.method, address, cookies=shown, headers={"X-CSRF-Token": csrf}, content=door.body, timeout=60
        )
    assert (answer.status_code, added, entries(house)[-1]["decision"]) == (401, left, "deny")


def end_of(house: House, person: int) -> None:
    with house.site.world.gateway.writing() as session:
        close_sessions_of(session, person)


def test_a_token_is_revoked_before_or_after_a_file(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revoked at the moment its file is kept: kept and then revoked, or 401; nothing is kept after that entry."""
    world, code = house.site.world, house.ids["code"]
    expires = NOW + timedelta(days=3650)
    for _ in range(5):
        token = must(world.desk.issue_token(code, scopes=["submit"], expires_at=expires))
        params = {"collection": TABLE, "party": code, "period": OPEN}
        sent = {"params": params, "content": world.counts(0, next(NUMBERS)), "timeout": 60}
        headers = {"Authorization": f"Bearer {token}"}
        answer, _ = at_once(
            monkeypatch,
            lambda s=sent, h=headers: httpx.post(f"{house.site.url}/v1/submissions", headers=h, **s),
            lambda t=token: must(world.desk.revoke_token(t.split("_")[1])),
        )
        last = [event for event in events(house) if event in ("submission.received", "token.revoked")][-2:]
        assert answer.status_code in (201, 401)
        assert last[-1] == "token.revoked"
        assert (last[0] == "submission.received") >= (answer.status_code == 201)


def consent_of(house: House) -> str:
    """A fresh consent with one record."""
    asked = house.doors["registerConsent"].body or b""
    made = house.callers["school"].post("/v1/consents", content=with_signature(asked))
    assert made.status_code == 201, made.text
    assert record_under(house, made.json()["id"]).status_code == 201
    return str(made.json()["id"])


def with_signature(asked: bytes) -> bytes:
    signature = b'{"giver":"parent","date":"2026-11-01","evidence":"' + EVIDENCE.encode() + b'"}'
    return asked[:-1] + b',"signatures":[' + signature + b"]}"


def record_under(house: House, consent: str) -> httpx.Response:
    body = (house.doors["sendConsentedRecord"].body or b"").replace(house.ids["consent"].encode(), consent.encode())
    return house.callers["school"].post("/v1/consented-records", content=body)


def withdrawal_of(house: House, consent: str) -> httpx.Response:
    return house.callers["school"].post(f"/v1/consents/{consent}/withdrawals", content=b'{"by":"parent"}')


def records_of(house: House, consent: str) -> int:
    with house.site.world.gateway.reading() as session:
        query = select(func.count()).select_from(ConsentedHealth).where(ConsentedHealth.consent_id == consent)
        return session.exec(query).one()


def test_a_consent_is_withdrawn_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parents withdraw at once: one withdrawal, one notice, and the other hears that it was changed."""
    consent = consent_of(house)
    with counting(house) as added:
        answers = at_once(monkeypatch, *[lambda: withdrawal_of(house, consent)] * 2)
    told = sorted((answer.status_code, answer.json().get("type")) for answer in answers)
    assert told == [(201, None), (409, "/problems/consent-changed")]
    assert (added["consent.withdrawn"], added["consent.notice-sent"], added["record.refused"]) == (1, 1, 1)


def test_nothing_is_sent_under_a_consent_that_ends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Withdrawn while a record is sent: the record is erased with the others, or was refused; none is left."""
    consent = consent_of(house)
    with counting(house) as added:
        sent, withdrawn = at_once(
            monkeypatch, lambda: record_under(house, consent), lambda: withdrawal_of(house, consent)
        )
    assert (withdrawn.status_code, records_of(house, consent)) == (201, 0)
    assert sent.status_code in (201, 409)
    assert (added["record.stored"], added["record.refused"]) == ((1, 0) if sent.status_code == 201 else (0, 1))


def test_nothing_is_handed_out_after_a_consent_ended(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Withdrawn while its recipient reads: handed out before, or not at all; never after the withdrawal's entry."""
    consent = consent_of(house)
    read, withdrawn = at_once(
        monkeypatch, lambda: house.callers["care"].get("/v1/consented-records"), lambda: withdrawal_of(house, consent)
    )
    assert withdrawn.status_code == 201
    assert read.status_code == 200
    got = sum(record["consent"] == consent for record in read.json())
    logged = [event for event in events(house) if event in ("record.read", "consent.withdrawn")]
    assert (logged[-1] == "consent.withdrawn") or not got


def test_a_consent_ends_in_one_way(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Withdrawn after the run that ends what is over has looked: it is withdrawn, and does not expire as well."""
    consent, gateway = consent_of(house), house.site.world.gateway
    to_expire = consent_ends.to_expire
    late = dataclasses.replace(gateway, clock=lambda: gateway.clock() + timedelta(days=300))

    def overtaken(histories: Mapping[str, Sequence[Event]], at: datetime) -> tuple[str, ...]:
        found = to_expire(histories, at)
        if len(histories) > 1:
            assert withdrawal_of(house, consent).status_code == 201
        return found

    monkeypatch.setattr(consent_ends, "to_expire", overtaken)
    consent_ends.expire(late)
    with gateway.reading() as session:
        told = [event.event for event in standing_in(session, consent, late.clock()).events]
    assert told == ["asked", "given", "withdrawn"]
