"""Pages on figures with noise: the cost before a build, the refusal, the interval beside each figure."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlmodel import delete

from gateway.budgets import BudgetAccount
from gateway.demo.people import IN_FORCE, must
from gateway.identity import add_person, issue_link
from gateway.publish.ahead import ahead
from gateway.publish.asking import request_build
from gateway.publish.deciding import publish, review
from gateway.settings import Settings
from gateway.store import Period, Release, ReleaseSource, ReleaseState
from tests.gateway.conftest import PERIOD, TABLE, Site, build_world, running
from tests.gateway.noisy_release import SETTINGS, decree, delivered, noise, person

ADDRESS = f"/operator/periods/{TABLE}/{PERIOD}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Ten sites delivered, the period is closed, every sector leaves with noise; served over HTTP."""
    world = delivered(build_world(tmp_path / "data", settings=SETTINGS))
    with running(world.ticking()) as made:
        yield made
    world.gateway.database.dispose()


def logged_in(site: Site, party: str, role: str) -> httpx.Client:
    """A person's browser, without the browser."""
    gateway = site.world.gateway
    with gateway.writing() as session:
        secret = issue_link(session, add_person(session, party, role, "x"), gateway.clock())
    return httpx.Client(base_url=site.url, cookies=dict(httpx.post(f"{site.url}/login/{secret}").cookies), timeout=60)


def built(site: Site) -> Release:
    """The release, waiting for its review."""
    world = site.world
    release: Release = must(request_build(world.gateway, person(world, "builder"), TABLE, PERIOD))
    while in_building(site, release.id):
        time.sleep(0.05)
    return release


def released(site: Site) -> Release:
    """The release, published."""
    world, release = site.world, built(site)
    must(review(world.gateway, person(world, "approver"), release.id, approved=True, reason="x"))
    return must(publish(world.gateway, person(world, "publisher"), release.id, reason="x"))


def in_building(site: Site, release: str) -> bool:
    """Whether the worker is not done yet."""
    with site.world.gateway.reading() as session:
        return session.get_one(Release, release).state == ReleaseState.BUILDING


def test_the_operator_sees_cost_balances_and_error_before_a_build(site: Site) -> None:
    """Per sector: millionths asked and their epsilon, what is left of each account, the expected error per level."""
    gateway = site.world.gateway
    with gateway.reading() as session:
        period = session.get_one(Period, 1)
    found = ahead(gateway, period)
    assert {(each.asked, each.fits, each.unit) for each in found} == {(125_000, True, "rho")}
    assert all(0 < error < 40 for each in found for error in each.errors.values())
    with logged_in(site, gateway.settings.operator, "operator") as client:
        shown = client.get(ADDRESS).text
    for each in found:
        assert f"{each.sector}/2026-2027</code></dt><dd>0 van 500.000 besteed, 500.000 over" in shown
    assert "Bouwen kost 125.000 miljoenste rho (ε = 2,861 bij δ = 0,00000001)" in shown


def test_who_reviews_hears_that_rejecting_gives_nothing_back(site: Site) -> None:
    """It was drawn, so it is spent: that stands above the two buttons."""
    release = built(site)
    with logged_in(site, site.world.gateway.settings.operator, "operator") as client:
        shown = client.get(f"/operator/releases/{release.id}").text
    verdict = shown.split("privacybudget is besteed")[1]
    assert 'value="reject"' in verdict


def test_what_does_not_fit_is_said_before_and_after_asking(site: Site) -> None:
    """All schools delivered anew and the budget is spent: the page warns, and asking gives the four figures."""
    gateway = site.world.gateway
    release = released(site)
    with gateway.writing() as session:
        session.get_one(Release, release.id).state = ReleaseState.WITHDRAWN
        session.exec(delete(ReleaseSource))
    with logged_in(site, gateway.settings.operator, "operator") as client:
        shown = client.get(ADDRESS)
        assert "Er is niet genoeg over" in shown.text
        token = shown.text.split('name="csrf" value="')[1].split('"')[0]
        answer = client.post(ADDRESS, data={"csrf": token, "act": "build"}, headers={"Origin": site.url})
    assert answer.status_code == 409
    for term, figure in (("Plafond", "125.000"), ("Besteed", "125.000"), ("Gevraagd", "125.000"), ("Over", "0")):
        assert f"<dt>{term}</dt><dd>{figure}</dd>" in answer.text


def test_who_asks_for_another_way_reads_which_sector_and_which_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The year's budget counts in rho and the purpose files ask for Laplace noise: sector, way and wish are told."""
    gateway = site.world.gateway
    with gateway.writing() as session:
        session.add(BudgetAccount(name="po/2026-2027", mechanism="gaussian", cap=500_000, spent=1))
    decree(monkeypatch, noise(mechanism="laplace"))
    with logged_in(site, gateway.settings.operator, "operator") as client:
        token = client.get(ADDRESS).text.split('name="csrf" value="')[1].split('"')[0]
        answer = client.post(ADDRESS, data={"csrf": token, "act": "build"}, headers={"Origin": site.url})
    for told in ("primair onderwijs", "met ruis van Gauss, geteld in rho", "met ruis van Laplace, geteld in epsilon"):
        assert f"<dd>{told}</dd>" in answer.text


def test_a_recipient_reads_bounds_and_what_they_mean(site: Site) -> None:
    """The table shows an interval beside noisy counts and says in plain words what noise is."""
    release = released(site)
    with logged_in(site, next(iter(site.world.region.swvs)), "recipient") as client:
        shown = client.get(f"/releases/{release.id}", params={"level": "swv"}).text
    assert "Met ruis: " in shown
    assert "–" in shown.split('class="figures"')[1]


def test_shares_over_periods_and_beside_own_figures_are_told_as_noisy(site: Site) -> None:
    """The trend of an SWV, and the page of a school where its own figures are exact and what stands beside is not."""
    released(site)
    pages = {}
    for role, party, path in (
        ("recipient", next(iter(site.world.region.swvs)), "/releases/trend"),
        ("school", site.world.region.sites[0].code, "/school/figures"),
    ):
        with logged_in(site, party, role) as client:
            pages[path] = client.get(path).text
    assert ["In dit aandeel zit ruis" in shown for shown in pages.values()] == [True, True]


def test_which_sectors_have_noise_is_said_below_the_figures_that_have_it(tmp_path: Path) -> None:
    """Secondary schools alone leave with noise: below a gemeente's own bars, and below a table of all its sectors."""
    settings = Settings(in_force=IN_FORCE, methods={"vo": "dp"})
    world = delivered(build_world(tmp_path / "data", settings=settings))
    secondary = next(each for each in world.region.sites if each.sector == "vo")
    with running(world.ticking()) as made:
        address = f"/releases/{released(made).id}"
        with logged_in(made, secondary.gemeente, "recipient") as client:
            own, every = client.get(address).text, client.get(address, params={"level": "gemeente", "sector": "*"}).text
    assert "Met ruis: voortgezet onderwijs" in own.split('aria-labelledby="whole"')[0]
    assert "Met ruis: voortgezet onderwijs<" in every.split('aria-labelledby="whole"')[1]
    world.gateway.database.dispose()


def test_a_release_without_noise_says_nothing_of_it(tmp_path: Path) -> None:
    """Where every sector leaves exact, no cost is shown."""
    world = build_world(tmp_path / "data")
    must(world.desk.close_period(TABLE, PERIOD))
    with world.gateway.reading() as session:
        assert ahead(world.gateway, session.get_one(Period, 1)) == []
    world.gateway.database.dispose()
