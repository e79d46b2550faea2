"""Logging in through OpenID Connect: an honest provider opens a session, a lying one opens nothing."""

import asyncio
import dataclasses
import itertools
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select

from audit.schema import PENDING
from gateway import openid
from gateway.asgi import create_app
from gateway.context import Gateway, wall_clock
from gateway.demo.people import IN_FORCE, must
from gateway.identity import Identity, Opened, identify_session
from gateway.openid import Begun
from gateway.outcome import Refused
from gateway.settings import OpenId, Settings
from gateway.store import Person, WebSession
from tests.attacks.moment import at_once

from .conftest import NOW, World, present_world, running
from .providers import CLIENT, Liar, honest_provider, log_in

ROLES = {"beheer": "operator", "school": "school", "fg": "privacy-officer"}


@pytest.fixture(scope="module")
def honest() -> Iterator[str]:
    """A real provider process."""
    with honest_provider() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    """A provider that lies as told."""
    with Liar().running() as made:
        yield made


@pytest.fixture(scope="module")
def lied_to(liar: Liar, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A deployment that trusts the liar."""
    return world_with(liar.issuer, tmp_path_factory.mktemp("lied-to"))


def world_with(issuer: str, folder: Path, database: str = "") -> World:
    secret = folder / "client-secret"
    secret.write_text("s3cret")
    secret.chmod(0o600)
    provider = OpenId(issuer=issuer, client_id=CLIENT, secret=secret, roles=ROLES)
    return present_world(folder / "data", database=database, settings=Settings(in_force=IN_FORCE, openid=provider))


def when(world: World, moment: datetime) -> Gateway:
    return dataclasses.replace(world.gateway, clock=lambda: moment)


def begun(world: World, *, again: bool = False) -> tuple[Begun, dict[str, str]]:
    made = openid.begin(world.gateway, again=again)
    assert isinstance(made, Begun)
    return made, dict(httpx.URL(made.url).params)


def lied(world: World, liar: Liar, *, again: bool = False, former: str = "") -> Opened | Refused:
    """One login at the lying provider, in a browser that may have a session."""
    made, asked = begun(world, again=again)
    liar.claims = {"nonce": asked["nonce"], "organisation": world.region.sites[0].code, "roles": ["school"]}
    return openid.finish(world.gateway, made.secret, {"state": asked["state"], "code": "c"}, former=former)


@pytest.mark.parametrize("claim", [["school", "elders"], "school"])
def test_a_person_logs_in_at_a_real_provider(honest: str, tmp_path: Path, claim: object) -> None:
    """Over HTTP: to the provider and back gives a session of the party and role in the claims, once registered."""
    world = world_with(honest, tmp_path)
    code = world.region.sites[0].code
    httpx.put(f"{honest}/users/p1", json={"organisation": code, "roles": claim, "name": "A. Secretaris"})
    with running(world) as site, httpx.Client(base_url=site.url) as browser:
        for _ in range(2):
            away = browser.get("/sign-in")
            assert away.status_code == 303
            back = browser.get(openid.CALLBACK, params=log_in(away.headers["location"], "p1"))
            assert (back.status_code, back.headers["location"]) == (303, "/school")
            assert browser.get("/school").status_code == 200
            assert "A. Secretaris" in browser.get("/session").text
    with world.gateway.reading() as session:
        people = session.exec(select(Person).where(Person.subject != b"")).all()
    assert [(one.party, one.role) for one in people] == [(code, "school")]
    assert b"p1" not in people[0].subject


def test_logging_out_everywhere_ends_other_browsers_too(honest: str, tmp_path: Path) -> None:
    """A person with two browsers presses one button."""
    world = world_with(honest, tmp_path)
    httpx.put(f"{honest}/users/p2", json={"organisation": world.region.sites[0].code, "roles": ["school"]})
    with running(world) as site, httpx.Client(base_url=site.url) as one, httpx.Client(base_url=site.url) as two:
        for browser in (one, two):
            back = log_in(browser.get("/sign-in").headers["location"], "p2")
            browser.get(openid.CALLBACK, params=back)
        csrf = one.get("/session").text.split('name="csrf" value="')[1].split('"')[0]
        assert one.post("/logout", data={"csrf": csrf, "everywhere": "yes"}).status_code == 303
        assert two.get("/school").status_code == 401


def test_an_honest_login_opens_a_session(liar: Liar, lied_to: World) -> None:
    """The lying provider, told to be honest, opens a session that counts as proven."""
    opened = lied(lied_to, liar)
    assert isinstance(opened, Opened)
    assert opened.identity.proven


def test_who_is_shut_out_does_not_log_in_again_at_the_provider(liar: Liar, tmp_path: Path) -> None:
    """Whoever holds the account that leaked is out until its party is let in; its earlier session stays ended."""
    world = world_with(liar.issuer, tmp_path)
    code = world.region.sites[0].code
    opened = lied(world, liar)
    assert isinstance(opened, Opened)
    assert must(world.desk.end_credentials(code)) == 1
    assert isinstance(lied(world, liar), Refused)
    must(world.desk.let_in(code))
    assert isinstance(lied(world, liar), Opened)
    assert session_of(world, opened) is None


def test_who_logs_in_while_being_shut_out_is_out(
    liar: Liar, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the same moment: whichever of the two is first, no session is left."""
    world = world_with(liar.issuer, tmp_path, database)
    code = world.region.sites[0].code
    made, asked = begun(world)
    liar.claims = {"nonce": asked["nonce"], "organisation": code, "roles": ["school"]}
    back = {"state": asked["state"], "code": "c"}
    acts: list[Callable[[], object]] = [
        lambda: openid.finish(world.gateway, made.secret, back),
        lambda: world.desk.end_credentials(code),
    ]
    at_once(monkeypatch, *acts, law=False)
    with world.gateway.reading() as session:
        assert session.exec(select(WebSession)).all() == []
    world.gateway.database.dispose()


SPOILED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another nonce": lambda claims: claims | {"nonce": "n"},
    "no nonce": lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
    "another issuer": lambda claims: claims | {"iss": "https://elsewhere.example"},
    "another audience": lambda claims: claims | {"aud": "somebody-else"},
    "another authorised party": lambda claims: claims | {"aud": [CLIENT, "b"], "azp": "b"},
    "expired": lambda claims: claims | {"exp": claims["iat"] - 3600},
    "no subject": lambda claims: {name: value for name, value in claims.items() if name != "sub"},
    "unknown organisation": lambda claims: claims | {"organisation": "ORG-NOBODY"},
    "no organisation": lambda claims: claims | {"organisation": None},
    "unknown role": lambda claims: claims | {"roles": ["admin"]},
    "a role of another kind of party": lambda claims: claims | {"roles": ["beheer"]},
    "two roles": lambda claims: claims | {"roles": ["school", "fg"]},
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_spoiled_token_opens_nothing(
    liar: Liar, lied_to: World, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Every claim that is wrong, missing or not for us ends in the same refusal."""
    monkeypatch.setattr(liar, "spoil", spoil)
    outcome = lied(lied_to, liar)
    assert isinstance(outcome, Refused)
    assert outcome.code == "sign-in-failed"


def test_a_token_of_another_key_or_without_signature_opens_nothing(
    liar: Liar, lied_to: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A foreign key and `alg: none` are both refused."""
    monkeypatch.setattr(liar, "signs_with", liar.other_key)
    assert isinstance(lied(lied_to, liar), Refused)
    monkeypatch.undo()
    signed = liar.id_token
    monkeypatch.setattr(liar, "id_token", lambda: f"eyJhbGciOiJub25lIn0.{signed().split('.')[1]}.")
    assert isinstance(lied(lied_to, liar), Refused)


def test_a_configuration_of_another_issuer_is_not_used(
    liar: Liar, lied_to: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that calls itself otherwise ends the login before anybody is sent there."""
    monkeypatch.setattr(liar, "configured_issuer", "https://elsewhere.example")
    assert isinstance(openid.begin(when(lied_to, NOW)), Refused)


def test_a_provider_is_not_asked_at_each_login(liar: Liar, lied_to: World) -> None:
    """Its configuration holds five minutes, whoever begins; then it is asked again."""
    before = liar.asked
    for minutes in (10, 12, 14, 15):
        assert isinstance(openid.begin(when(lied_to, NOW + timedelta(minutes=minutes))), Begun)
    assert liar.asked - before == 2


def test_beginning_a_login_is_limited_and_does_not_shut_out_who_comes_back(liar: Liar, tmp_path: Path) -> None:
    """A provider that fails leaves three entries a minute, the fourth is 429; who comes back is counted apart."""
    gateway = when(world_with(f"{liar.issuer}/away", tmp_path), NOW)
    settings = gateway.settings.model_copy(update={"public_per_minute": 3})
    app = create_app(dataclasses.replace(gateway, settings=settings))

    async def go() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=settings.base_url) as browser:
            return [(await browser.get(path)).status_code for path in (*["/sign-in"] * 4, openid.CALLBACK)]

    assert asyncio.run(go()) == [403, 403, 403, 429, 403]
    with gateway.reading() as session:
        kept = session.connection().scalars(select(PENDING.c.data)).all()
    assert sum(b'"session.refused"' in bytes(data) for data in kept) == 4


def test_a_provider_that_hangs_hinders_no_delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight wait for it, the others are told to come again; a school delivers meanwhile."""
    monkeypatch.setattr(openid, "_TIMEOUT", 60)
    with socket.create_server(("127.0.0.1", 0)) as hanging, ThreadPoolExecutor(50) as people:
        world = world_with(f"http://127.0.0.1:{hanging.getsockname()[1]}", tmp_path)
        with running(world) as site, site.client(world.region.sites[0].code) as school:
            begun = [people.submit(httpx.get, f"{site.url}/sign-in", timeout=30) for _ in range(50)]
            told = [done.result() for done in itertools.islice(as_completed(begun), 42)]
            made = school.post("/v1/submissions", params=world.about(0), content=world.counts(0))
            waiting = sum(not each.done() for each in begun)
            hanging.close()
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in told} == {(503, "5")}
    assert (made.status_code, waiting) == (201, 8)


def test_an_answer_to_another_login_opens_nothing(liar: Liar, lied_to: World) -> None:
    """Another browser's answer, an old one, one without a cookie or of another issuer: refused, and logged."""
    mine, asked = begun(lied_to)
    other, _ = begun(lied_to)
    answer = {"state": asked["state"], "code": "c"}
    later = dataclasses.replace(lied_to.gateway, clock=lambda: wall_clock() + openid.LIFE + timedelta(seconds=1))
    outcomes = [
        openid.finish(lied_to.gateway, other.secret, answer),
        openid.finish(lied_to.gateway, "", answer),
        openid.finish(lied_to.gateway, mine.secret, {"code": "c"}),
        openid.finish(lied_to.gateway, mine.secret, {"state": asked["state"], "error": "access_denied"}),
        openid.finish(lied_to.gateway, mine.secret, {**answer, "iss": "https://elsewhere.example"}),
        openid.finish(later, mine.secret, answer),
    ]
    assert all(isinstance(outcome, Refused) for outcome in outcomes)


def test_a_fresh_proof_needs_a_fresh_login(liar: Liar, lied_to: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to prove anew, a provider that answers with yesterday's login is refused; with a fresh one it is not."""
    assert begun(lied_to, again=True)[1]["prompt"] == "login"
    assert isinstance(lied(lied_to, liar, again=True), Opened)
    for old in ({"auth_time": 86_400}, {"auth_time": 120}, {}):
        monkeypatch.setattr(liar, "spoil", lambda claims, old=old: proven_before(claims, **old))
        assert isinstance(lied(lied_to, liar, again=True), Refused)


@pytest.mark.parametrize(("old", "enough"), [({"auth_time": 60}, [15, 480]), ({"auth_time": 28_740}, [480]), ({}, [])])
def test_a_login_on_yesterdays_proof_may_not_publish(
    liar: Liar, lied_to: World, monkeypatch: pytest.MonkeyPatch, old: dict[str, int], enough: list[int]
) -> None:
    """Single sign-on lets in whoever sits at the desk: proven is who proved it to the provider in the minutes set."""
    monkeypatch.setattr(liar, "spoil", lambda claims: proven_before(claims, **old))
    proven = []
    for minutes in (15, 480):
        settings = lied_to.gateway.settings.model_copy(update={"proven_minutes": minutes})
        world = dataclasses.replace(lied_to, gateway=dataclasses.replace(lied_to.gateway, settings=settings))
        opened = lied(world, liar)
        assert isinstance(opened, Opened)
        assert opened.identity == session_of(world, opened)
        proven += [minutes] * opened.identity.proven
    assert proven == enough


def session_of(world: World, opened: Opened) -> Identity | None:
    """Whom the session that was opened stands for, at this moment."""
    gateway = world.gateway
    with gateway.reading() as session:
        found = identify_session(session, opened.secret, gateway.clock(), proven_for=gateway.settings.proven_for)
    return found and found[0]


def proven_before(claims: Mapping[str, object], **seconds: int) -> dict[str, object]:
    """Claims of somebody who logged in at the provider so many seconds ago; it may not say when."""
    rest = {name: value for name, value in claims.items() if name != "auth_time"}
    return rest | {name: int(str(claims["iat"])) - ago for name, ago in seconds.items()}


def test_a_new_login_ends_the_session_that_this_browser_had(liar: Liar, lied_to: World) -> None:
    """ASVS 5, 7.2.4: after a step-up or another person's login the former cookie opens nothing."""
    former = lied(lied_to, liar)
    assert isinstance(former, Opened)
    assert isinstance(lied(lied_to, liar, former=former.secret), Opened)
    assert session_of(lied_to, former) is None


def test_no_provider_no_login(world: World) -> None:
    """Without a provider in the settings the addresses do not exist."""
    begun, finished = openid.begin(world.gateway), openid.finish(world.gateway, "", {})
    assert isinstance(begun, Refused)
    assert isinstance(finished, Refused)
    assert (begun.code, finished.code) == ("not-found", "not-found")


def test_a_secret_that_others_can_read_is_not_used(liar: Liar, tmp_path: Path) -> None:
    """The client's secret must be a private file."""
    world = world_with(liar.issuer, tmp_path)
    os.chmod(tmp_path / "client-secret", 0o644)  # noqa: PTH101  what a careless operator does
    with pytest.raises(Exception, match="client-secret"):
        lied(world, liar)


def test_two_first_logins_at_once_are_one_person(
    liar: Liar, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes back from the provider twice at the same moment does not become two persons, who are four eyes."""
    world = world_with(liar.issuer, tmp_path, database)
    made, asked = begun(world)
    liar.claims = {"nonce": asked["nonce"], "organisation": world.region.sites[0].code, "roles": ["school"]}
    back = {"state": asked["state"], "code": "c"}
    opened = at_once(monkeypatch, *[lambda: openid.finish(world.gateway, made.secret, back)] * 2, law=False)
    assert all(isinstance(one, Opened) for one in opened)
    with world.gateway.reading() as session:
        assert len(session.exec(select(Person)).all()) == 1
    world.gateway.database.dispose()
