"""A purpose that asks for two blind verdicts: two judges and a publisher, each in a browser of their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import policies
from gateway.demo.people import IN_FORCE, must
from gateway.identity import Identity, add_person
from gateway.publish.asking import request_build
from gateway.settings import Settings
from gateway.store import ReleaseState
from policies.purpose import InForce
from tests.gateway.conftest import NOW, PERIOD, TABLE, build_world, running
from tests.web.conftest import OPEN_PERIOD, Stage, Visit, await_state, deliver, register_people, windows
from tests.web.walking import Page, expect, said, sound

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BLIND = "absence-insight-blind"
LENIENT = Path(policies.__file__).parent / "purposes" / "absence-insight-gemeente.toml"
SITES = 12


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A deployment whose own purpose asks for two blind verdicts; two periods are closed."""
    folder = tmp_path_factory.mktemp("strict")
    text = LENIENT.read_text(encoding="utf-8").replace('"absence-insight-gemeente"', f'"{BLIND}"')
    text = text.replace('recipients = ["gemeente"]', 'recipients = ["researcher"]')
    text = text.replace("approvals = 1\nblind = false", "approvals = 2\nblind = true")
    (folder / f"{BLIND}.toml").write_text(text, encoding="utf-8")
    in_force = (*IN_FORCE, InForce(purpose=BLIND, from_date=IN_FORCE[0].from_date, citation="test"))
    settings = Settings(in_force=in_force, purposes=(folder,))
    world = build_world(folder / "data", sites=SITES, settings=settings).ticking()
    day = NOW.date()
    with running(world) as site:
        people = register_people(world)
        with world.gateway.writing() as session:
            people["second"] = add_person(session, settings.operator, "operator", "second").id or 0
        must(world.desk.open_period(TABLE, OPEN_PERIOD, reference_date=day, deadline=day, exercise=True))
        for number, period in enumerate((PERIOD, OPEN_PERIOD), start=1):
            deliver(world, period, range(SITES), number)
            must(world.desk.close_period(TABLE, period))
        yield Stage(site, "", people)
    world.gateway.database.dispose()


@pytest.fixture
def visit_strict(strict: Stage, chromium: "Browser") -> Iterator[Visit]:
    """Windows on it."""
    with windows(strict, chromium) as opened:
        yield opened


def built(strict: Stage, period: str) -> str:
    """The address of a release that waits for its judges."""
    builder = Identity(strict.gateway.settings.operator, "operator", strict.people["builder"], proven=True)
    release = must(request_build(strict.gateway, builder, TABLE, period)).id
    await_state(strict.gateway, release, ReleaseState.BUILT)
    return f"/operator/releases/{release}"


def judge(page: Page, reason: str, button: str) -> None:
    """Give a verdict with its reason."""
    page.locator("textarea:visible").fill(reason)
    page.get_by_role("button", name=said(page, button), exact=True).click()


@pytest.mark.parametrize(("language", "period"), [("nl", PERIOD), ("en", OPEN_PERIOD)])
def test_two_judges_who_do_not_read_each_other(strict: Stage, visit_strict: Visit, language: str, period: str) -> None:
    """The first verdict does not suffice and is hidden from all others; after the second everybody reads both."""
    here = built(strict, period)
    builder, first, second = (visit_strict(role, language=language) for role in ("builder", "approver", "second"))
    for page in (builder, first, second):
        page.goto(here)
    expect(builder.get_by_text(said(builder, "review.own"), exact=True)).to_be_visible()
    judge(first, "Eerste oordeel: niets vreemds.", "review.approve")
    expect(first.locator("h1 .state-built")).to_be_visible()
    expect(first.get_by_text("Eerste oordeel")).to_be_visible()
    assert first.get_by_role("button", name=said(first, "review.approve"), exact=True).count() == 0
    for page in (builder, second):
        page.reload()
        expect(page.get_by_text(said(page, "review.hidden"))).to_be_visible()
        assert "Eerste oordeel" not in page.content()
        assert page.get_by_role("button", name=said(page, "review.publish")).count() == 0
        sound(page)
    judge(second, "Tweede oordeel: ook niets.", "review.approve")
    expect(second.locator("h1 .state-approved")).to_be_visible()
    builder.reload()
    expect(builder.get_by_text("Eerste oordeel")).to_be_visible()
    expect(builder.get_by_text("Tweede oordeel")).to_be_visible()
    judge(builder, "Afgesproken dag.", "review.publish")
    expect(builder.locator("h1 .state-published")).to_be_visible()
