"""How to get in, said to whoever stands before the door."""

import dataclasses
from pathlib import Path

import pytest

from gateway.context import Gateway
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


@pytest.mark.parametrize(("base", "talks"), [("http://127.0.0.1:8000", True), ("https://poort.example", False)])
def test_only_an_exercise_without_tls_talks_to_its_operator(small_world: World, base: str, talks: bool) -> None:
    """A link that no longer works says how the demonstration makes new ones, but not on a real deployment."""
    page = said(under(small_world, base_url=base), login.look, secret="nobody-made-this")
    assert text("pages", "login.expired", "nl") in page
    assert ("verzuimpoort login-link" in page) is talks
