"""Credentials: what opens a door, and that everything else looks the same from outside."""

import json
from datetime import timedelta
from functools import partial

import pytest
from sqlmodel import select

from audit.schema import PENDING
from gateway import identity
from gateway.demo.people import must
from gateway.identity import (
    ABSOLUTE,
    IDLE,
    LINK_LIFE,
    add_person,
    caller_of,
    close_session,
    close_sessions_of,
    identify_oin,
    identify_token,
    issue_link,
    issue_token,
    keep_alive,
    revoke_token,
    still_good,
)
from gateway.operate import Desk
from gateway.outcome import GatewayError, Refused
from gateway.overview import oins_of
from gateway.pseudonyms import export_service_register, issue_service_tokens, register_public_key
from gateway.settings import Settings
from gateway.store import LoginLink, Token, WebSession
from policies.parties import Kind
from pseudonymisation.service import load_register

from .conftest import NOW, World

PROVEN = Settings().proven_for
identify_session = partial(identity.identify_session, proven_for=PROVEN)
open_session = partial(identity.open_session, proven_for=PROVEN)
start_session = partial(identity.start_session, proven_for=PROVEN)


def test_a_token_identifies_its_party(world: World) -> None:
    """A fresh token gives party, role and scopes; only its hash is stored."""
    code = world.region.sites[0].code
    with world.gateway.writing() as session:
        _, token = issue_token(session, code, scopes=["submit"], expires_at=NOW + timedelta(days=1))
        identity = identify_token(session, token, NOW)
        stored = session.exec(select(Token)).one()
    assert identity is not None
    assert (identity.party, identity.role, identity.scopes) == (code, "machine", {"submit"})
    assert token.split("_", 2)[2].encode() not in stored.secret_hash  # a secret may hold, and begin with, that mark


def test_a_token_ends(world: World) -> None:
    """Expired, revoked, malformed and unknown tokens all give nothing."""
    with world.gateway.writing() as session:
        code = world.region.sites[0].code
        _, expired = issue_token(session, code, scopes=["submit"], expires_at=NOW)
        token_id, revoked = issue_token(session, code, scopes=["submit"], expires_at=NOW + timedelta(days=1))
        revoke_token(session, token_id, NOW)
        guesses = [expired, revoked, "", "vp_x", revoked[:-1], f"vp_{'0' * 32}_{'A' * 43}"]
        assert [identify_token(session, guess, NOW) for guess in guesses] == [None] * len(guesses)


@pytest.mark.parametrize("whole", [False, True])
def test_a_token_is_ended_by_its_id_or_by_itself(world: World, whole: bool) -> None:
    """Who finds a token that leaked has all of it; neither what is answered nor the log's entry says its secret."""
    code = world.region.sites[0].code
    token = must(world.desk.issue_token(code, scopes=["submit"], expires_at=NOW + timedelta(days=1)))
    token_id = token.split("_")[1]
    assert must(world.desk.revoke_token(token if whole else token_id)) == token_id
    with world.gateway.reading() as session:
        assert identify_token(session, token, NOW) is None
        logged = [json.loads(data) for data in session.connection().scalars(select(PENDING.c.data))]
    assert (logged[-1]["event"], logged[-1]["object"]) == ("token.revoked", {"id": f"token:{token_id}"})


def test_a_link_opens_one_session(world: World) -> None:
    """A login link works once."""
    with world.gateway.writing() as session:
        person = add_person(session, world.region.sites[0].code, "school", "secretaris")
        secret = issue_link(session, person, NOW)
        opened = open_session(session, secret, NOW)
        assert opened is not None
        assert open_session(session, secret, NOW) is None
        found = identify_session(session, opened.secret, NOW)
    assert found is not None
    assert found[0] == opened.identity


def test_a_link_expires(world: World) -> None:
    """After an hour a link opens nothing."""
    with world.gateway.writing() as session:
        person = add_person(session, world.region.sites[0].code, "school", "secretaris")
        secret = issue_link(session, person, NOW)
        assert open_session(session, secret, NOW + LINK_LIFE) is None


@pytest.mark.parametrize("idle", [IDLE, ABSOLUTE])
def test_a_session_ends_by_itself(world: World, idle: timedelta) -> None:
    """Fifteen minutes of silence, or eight hours in all, end a session."""
    with world.gateway.writing() as session:
        person = add_person(session, world.region.sites[0].code, "school", "secretaris")
        opened = open_session(session, issue_link(session, person, NOW), NOW)
        assert opened is not None
        row = session.exec(select(WebSession)).one()
        row.seen_at = NOW + idle - IDLE
        assert identify_session(session, opened.secret, NOW + idle) is None


@pytest.mark.parametrize("moment", ["seen_at", "started_at", "proven_at"])
def test_a_clock_that_ran_ahead_lets_no_session_live_longer(world: World, moment: str) -> None:
    """A moment of a session lies an hour after now: the session, or the proof of who it is, is over."""
    with world.gateway.writing() as session:
        person = add_person(session, world.region.sites[0].code, "school", "secretaris")
        opened = start_session(session, person, NOW, proven_at=NOW)
        setattr(session.exec(select(WebSession)).one(), moment, NOW + timedelta(hours=1))
        found = identify_session(session, opened.secret, NOW)
    assert not (found and found[0].proven)
    assert (found is None) == (moment != "proven_at")


def test_logging_out_ends_the_session(world: World) -> None:
    """A closed session identifies nobody."""
    with world.gateway.writing() as session:
        person = add_person(session, world.region.sites[0].code, "school", "secretaris")
        opened = open_session(session, issue_link(session, person, NOW), NOW)
        assert opened is not None
        close_session(session, opened.secret)
        assert identify_session(session, opened.secret, NOW) is None


def test_no_secret_is_stored(world: World) -> None:
    """Of links and sessions only hashes of 32 bytes are in the database."""
    with world.gateway.writing() as session:
        person = add_person(session, world.region.sites[0].code, "school", "secretaris")
        secret = issue_link(session, person, NOW)
        opened = open_session(session, secret, NOW)
        assert opened is not None
        kept = [session.exec(select(LoginLink)).one().secret_hash, session.exec(select(WebSession)).one().secret_hash]
    assert all(len(each) == 32 for each in kept)
    assert secret.encode() not in kept
    assert opened.secret.encode() not in kept


def test_there_is_no_other_role(world: World) -> None:
    """A person has one of the roles of the house."""
    with world.gateway.writing() as session, pytest.raises(GatewayError):
        add_person(session, world.region.sites[0].code, "admin", "x")


def test_a_caller_has_the_facts_of_its_party(world: World) -> None:
    """A site's caller carries its sector; a party nobody registered has no rights to offer."""
    with world.gateway.reading() as session:
        site = caller_of(session, world.site(0), NOW.date())
        stranger = caller_of(session, world.site(0), NOW.date().replace(year=2020))
    assert (site.party.kind, site.party.sectors) == (Kind.SITE, {world.region.sites[0].sector})
    assert not stranger.party.registered


OIN = "00000003123456780000"


def test_an_oin_speaks_for_one_party(world: World) -> None:
    """A certificate's number gives its party and scopes; another party cannot take it, and an unknown one is nobody."""
    code, other = world.region.sites[0].code, world.region.sites[1].code
    must(world.desk.register_oin(code, OIN, scopes=["submit"]))
    taken = world.desk.register_oin(other, OIN, scopes=["submit"])
    wrong = world.desk.register_oin(other, "123", scopes=["submit"])
    with world.gateway.reading() as session:
        found, unknown = identify_oin(session, OIN), identify_oin(session, OIN[::-1])
    assert found is not None
    assert (found.party, found.role, found.scopes, unknown) == (code, "machine", {"submit"}, None)
    assert isinstance(taken, Refused)
    assert isinstance(wrong, Refused)
    assert (taken.code, wrong.code) == ("oin-taken", "faults-in-request")


def test_a_number_that_was_revoked_is_free(world: World) -> None:
    """A certificate's number is seen at its party and ended as a token is: then another party can have it."""
    code, other = world.region.sites[0].code, world.region.sites[1].code
    must(world.desk.register_oin(code, OIN, scopes=["submit"]))
    with world.gateway.reading() as session:
        shown = identify_oin(session, OIN)
        assert [each.number for each in oins_of(session, code)] == [OIN]
    assert [must(world.desk.revoke_token(OIN)) for _ in range(2)] == [OIN, None]
    with world.gateway.reading() as session:
        assert identify_oin(session, OIN) is None
    must(world.desk.register_oin(other, OIN, scopes=["download"]))
    with world.gateway.writing() as session:
        found = identify_oin(session, OIN)
        assert [each is not None and still_good(session, each, NOW) for each in (found, shown)] == [True, False]
        logged = [json.loads(data) for data in session.connection().scalars(select(PENDING.c.data))]
    assert found is not None
    assert found.party == other
    revoked = [(each["party"], OIN in str(each)) for each in logged if each["event"] == "token.revoked"]
    assert revoked == [(code, False)]


def test_all_credentials_of_a_party_end_at_once(world: World) -> None:
    """Session, unused link, token and certificate of a party end together; those of another party stay."""
    expires = NOW + timedelta(days=1)
    with world.gateway.writing() as session:
        cookies = []
        for site in world.region.sites[:2]:
            person = add_person(session, site.code, "school", "secretaris")
            opened = open_session(session, issue_link(session, person, NOW), NOW)
            assert opened is not None
            cookies.append(opened.secret)
            issue_link(session, person, NOW)
            issue_token(session, site.code, scopes=["submit"], expires_at=expires)
    must(world.desk.register_oin(world.region.sites[0].code, OIN, scopes=["submit"]))
    assert must(world.desk.end_credentials(world.region.sites[0].code)) == 4
    with world.gateway.reading() as session:
        there = [identify_session(session, cookie, NOW) is not None for cookie in cookies]
        assert identify_oin(session, OIN) is None
    assert there == [False, True]


def test_who_is_shut_out_gets_no_link_until_it_is_let_in(world: World) -> None:
    """Letting in is an act with an entry; of a party that is not shut out, or unknown, it is none."""
    code = world.region.sites[0].code
    must(world.desk.end_credentials(code))
    refused = world.desk.invite(code, "school", "secretaris")
    assert isinstance(refused, Refused)
    assert refused.code == "party-locked"
    assert must(world.desk.invite(world.region.sites[1].code, "school", "secretaris"))
    assert [world.desk.let_in(code) for _ in range(2)] == [True, False]
    with world.gateway.reading() as session:
        logged = [json.loads(row.data) for row in session.connection().execute(select(PENDING))]
    assert [one["event"] for one in logged if one.get("party") == code][-1] == "party.let-in"
    assert must(world.desk.invite(code, "school", "secretaris"))
    assert isinstance(world.desk.let_in("ORG-NOBODY"), Refused)


def test_who_is_shut_out_has_no_token_for_the_pseudonym_service(world: World) -> None:
    """The register that is exported next names no token of that school; those of another stay."""
    shut_out, other = (site.code for site in world.region.sites[:2])
    tokens = must(issue_service_tokens(world.desk, [shut_out, other], days=365))
    assert must(world.desk.end_credentials(shut_out)) == 1
    register = load_register(must(export_service_register(world.desk)).document, register_public_key(world.gateway))
    assert [register.holder(tokens[site], world.gateway.today) for site in (shut_out, other)] == [None, other]


def test_a_credential_that_was_ended_is_no_longer_good(world: World) -> None:
    """Token, certificate and session are good until their party is shut out; the command line shows none."""
    gateway, code = world.gateway, world.region.sites[0].code
    must(world.desk.register_oin(code, OIN, scopes=["submit"]))
    with gateway.writing() as session:
        opened = start_session(session, add_person(session, code, "school", "secretaris"), NOW, proven_at=NOW)
        _, token = issue_token(session, code, scopes=["submit"], expires_at=NOW + timedelta(days=1))
    with gateway.reading() as session:
        shown = [opened.identity, identify_token(session, token, NOW), identify_oin(session, OIN), world.desk.identity]
    for good in (True, False):
        with gateway.writing() as session:
            found = [each is not None and still_good(session, each, NOW) for each in shown]
        assert found == [good, good, good, True]
        must(world.desk.end_credentials(code))


def test_a_credential_ends_by_itself_while_something_is_under_way(world: World) -> None:
    """A token past its last moment and a session past its eight hours are no longer good."""
    gateway, code = world.gateway, world.region.sites[0].code
    with gateway.writing() as session:
        opened = start_session(session, add_person(session, code, "school", "secretaris"), NOW, proven_at=NOW)
        _, token = issue_token(session, code, scopes=["submit"], expires_at=NOW + ABSOLUTE)
        machine = identify_token(session, token, NOW)
        assert machine is not None
    with gateway.writing() as session:
        assert not still_good(session, machine, NOW + ABSOLUTE)
        assert not still_good(session, opened.identity, NOW + ABSOLUTE)


def test_a_person_ends_its_sessions_everywhere(world: World) -> None:
    """Two sessions of one person end with one act."""
    with world.gateway.writing() as session:
        person = add_person(session, world.region.sites[0].code, "school", "secretaris")
        opened = [open_session(session, issue_link(session, person, NOW), NOW) for _ in range(2)]
        close_sessions_of(session, person.id or 0)
        assert all(each is not None and identify_session(session, each.secret, NOW) is None for each in opened)


def test_a_proof_of_who_one_is_fades(world: World) -> None:
    """A quarter of an hour after logging in, a session no longer hands out credentials."""
    with world.gateway.writing() as session:
        person = add_person(session, world.gateway.settings.operator, "operator", "beheerder")
        opened = open_session(session, issue_link(session, person, NOW), NOW)
        assert opened is not None
        early = identify_session(session, opened.secret, NOW)
        session.exec(select(WebSession)).one().seen_at = NOW + PROVEN
        late = identify_session(session, opened.secret, NOW + PROVEN)
    assert early is not None
    assert late is not None
    code, expires = world.region.sites[0].code, NOW + timedelta(days=1)
    assert isinstance(must(Desk(world.gateway, early[0]).issue_token(code, scopes=["submit"], expires_at=expires)), str)
    refused = Desk(world.gateway, late[0]).issue_token(code, scopes=["submit"], expires_at=expires)
    assert isinstance(refused, Refused)
    assert refused.code == "step-up"


def test_a_session_that_was_ended_stays_ended_when_a_request_of_it_goes_on(world: World) -> None:
    """Somebody logs out everywhere while a request runs: keeping that session alive does not bring it back."""
    gateway = world.gateway
    with gateway.writing() as session:
        person = add_person(session, gateway.settings.operator, "operator", "x")
        opened = start_session(session, person, gateway.clock(), proven_at=gateway.clock())
    with gateway.writing() as session:
        close_sessions_of(session, person.id or 0)
        keep_alive(session, opened.secret, gateway.clock())
    with gateway.reading() as session:
        assert identify_session(session, opened.secret, gateway.clock()) is None
