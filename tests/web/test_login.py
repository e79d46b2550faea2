"""How to get in, said to whoever stands before the door."""

import dataclasses
from pathlib import Path

import pytest

from audit.events import Event
from gateway.context import Gateway, of_session
from gateway.identity import Identity, caller_of
from gateway.messages import text
from gateway.settings import OpenId
from gateway.web import login
from tests.gateway.conftest import World
from tests.web.asking import said


def under(world: World, **settings: object) -> Gateway:
    """The deployment with other settings."""
    return dataclasses.replace(world.gateway, settings=world.gateway.settings.model_copy(update=settings))


def test_where_there_is_a_provider_nobody_is_sent_for_a_link(small_world: World) -> None:
    """With OpenID the page has its button and no word of links; without it, how to come by one."""
    provider = OpenId(issuer="https://idp.example", client_id="x", secret=Path("x"), roles={})
    pages = [said(under(small_world, openid=each), login.how) for each in (None, provider)]
    assert [text("pages", "login.link", "nl") in page for page in pages] == [True, False]
    assert ["link" in page.partition("<main")[2].partition("</main>")[0].lower() for page in pages] == [True, False]
    assert [text("pages", "login.provider", "nl") in page for page in pages] == [False, True]


@pytest.mark.parametrize(
    ("role", "named"), [("school", False), ("recipient", False), ("operator", True), ("privacy-officer", True)]
)
def test_a_session_of_who_acts_under_consents_names_nobody(small_world: World, role: str, named: bool) -> None:
    """Entries of consents, which name no site, stand between those of the session in which it acted."""
    gateway, code = small_world.gateway, small_world.region.sites[0].code
    with gateway.reading() as session:
        caller = caller_of(session, Identity(code, role), gateway.today)
    actor = of_session(gateway, caller, Event.SESSION_OPENED).actor
    assert actor.organisation == (code if named else gateway.settings.operator)
    assert (actor == gateway.actor) is not named


@pytest.mark.parametrize(("base", "talks"), [("http://127.0.0.1:8000", True), ("https://poort.example", False)])
def test_only_an_exercise_without_tls_talks_to_its_operator(small_world: World, base: str, talks: bool) -> None:
    """A link that no longer works says how the demonstration makes new ones, but not on a real deployment."""
    page = said(under(small_world, base_url=base), login.look, secret="nobody-made-this")
    assert text("pages", "login.expired", "nl") in page
    assert ("verzuimpoort login-link" in page) is talks
