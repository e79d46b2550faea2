"""A running gateway with a published exercise, and people who look at it in a real browser."""

import dataclasses
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlmodel import col, delete, select

from gateway import lawbook
from gateway.context import Gateway
from gateway.deliveries import confirm
from gateway.demo.people import IN_FORCE, MINISTER, must
from gateway.identity import Identity, add_person, issue_link
from gateway.publish.asking import request_build
from gateway.publish.deciding import publish, review
from gateway.receive import Received, Upload, receive
from gateway.store import Person, Release, ReleaseSlice, ReleaseState, WebSession
from gateway.synthetic.region import Site as InventedSite
from policies.engine import Engine
from tests.gateway.conftest import PERIOD, TABLE, Site, World, build_world, running
from tests.gateway.conftest import world as small_world

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

__all__ = ["small_world"]
# The shell opens no window of the whole browser for each test, which takes a third of the time.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
OPEN_PERIOD, SITES, BUILD_SECONDS = "2026-2027-2", 12, 600.0
CARE = "ORG-JGZ"


@dataclasses.dataclass(frozen=True)
class Stage:
    """A gateway over HTTP: one period published, one open; persons of every role."""

    site: Site
    release: str
    people: dict[str, int]
    opened: dict[str, tuple[datetime, dict[str, str]]] = dataclasses.field(default_factory=dict)

    @property
    def gateway(self) -> Gateway:
        return self.site.world.gateway

    @property
    def url(self) -> str:
        return self.site.url

    @property
    def sites(self) -> Sequence[InventedSite]:
        return self.site.world.region.sites

    def link(self, role: str) -> str:
        """A fresh one-time login link."""
        with self.gateway.writing() as session:
            person = session.get_one(Person, self.people[role])
            return f"{self.url}/login/{issue_link(session, person, self.gateway.clock())}"

    def session(self, role: str) -> dict[str, str]:
        """The session cookie of a role, opened anew before who it is would have to be proven again."""
        now = self.gateway.clock()
        if role not in self.opened or now - self.opened[role][0] > self.gateway.settings.proven_for / 3:
            self.opened[role] = now, self._log_in(role)
        return self.opened[role][1]

    def fresh(self, role: str) -> httpx.Client:
        """A client with a session of its own, which a test may age."""
        return httpx.Client(base_url=self.url, cookies=self._log_in(role), timeout=30)

    def _log_in(self, role: str) -> dict[str, str]:
        return dict(httpx.post(self.link(role), timeout=30).cookies)

    def client(self, role: str | None = None) -> httpx.Client:
        """A client without a browser, logged in or not."""
        return httpx.Client(base_url=self.url, cookies=self.session(role) if role else None, timeout=30)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Twelve invented schools: period 1 released, period 2 open; the first school has not delivered for it yet."""
    world = build_world(tmp_path_factory.mktemp("web") / "data", sites=SITES).ticking()
    lawbook.keep(dataclasses.replace(world.gateway, engine=Engine.load(in_force=IN_FORCE[1:])))
    with running(world) as site:
        deliver(world, PERIOD, range(SITES - 1), 1)
        people = register_people(world)
        must(world.desk.close_period(TABLE, PERIOD))
        release = released(world, people)
        must(
            world.desk.open_period(
                TABLE, OPEN_PERIOD, reference_date=date(2026, 11, 1), deadline=date(2026, 11, 16), exercise=True
            )
        )
        deliver(world, OPEN_PERIOD, range(1, SITES // 2), 2)
        yield Stage(site, release, people)
    world.gateway.database.dispose()


@pytest.fixture
def correction(stage: Stage) -> Iterator[str]:
    """A second published release of the period, which corrects the first."""
    with published(stage, "c" * 32, corrects=stage.release, later=timedelta(hours=2)):
        yield "c" * 32


@contextmanager
def published(stage: Stage, release: str, *, later: timedelta, **told: object) -> Iterator[None]:
    """While the block runs a release as the one that is out, built so much later; of it `told` is otherwise."""
    with stage.gateway.writing() as session:
        first = session.get_one(Release, stage.release)
        built = {"id": release, "built_at": (first.built_at or stage.gateway.clock()) + later}
        session.add(Release(**first.model_dump() | built | told))
        session.flush()
        for part in session.exec(select(ReleaseSlice).where(ReleaseSlice.release_id == first.id)).all():
            session.add(ReleaseSlice(**part.model_dump() | {"release_id": release}))
    yield
    with stage.gateway.writing() as session:
        session.execute(delete(ReleaseSlice).where(col(ReleaseSlice.release_id) == release))
        session.delete(session.get_one(Release, release))


def deliver(world: World, period: str, indexes: Iterable[int], number: int) -> None:
    for index in indexes:
        upload = Upload(TABLE, world.region.sites[index].code, period, world.counts(index, number))
        received = must(receive(world.gateway, world.site(index), upload))
        assert isinstance(received, Received)
        must(confirm(world.gateway, world.site(index), received.submission.id))


def register_people(world: World) -> dict[str, int]:
    region, operator = world.region, world.gateway.settings.operator
    must(world.desk.add_party(CARE, "youth_health_care", "Jeugdgezondheidszorg"))
    parties = {
        "school": (region.sites[0].code, "school"),
        "swv": (next(iter(region.swvs)), "recipient"),
        "gemeente": (next(iter(region.gemeenten)), "recipient"),
        "care": (CARE, "recipient"),
        "builder": (operator, "operator"),
        "approver": (operator, "operator"),
        "privacy-officer": (next(iter(region.swvs)), "privacy-officer"),
        "controller-officer": (MINISTER, "controller-officer"),
    }
    with world.gateway.writing() as session:
        return {role: add_person(session, *party, role).id or 0 for role, party in parties.items()}


def entry_page(world: World, officer: int, leaf: str) -> str:
    """The page of an entry, as this officer sees it."""
    with world.gateway.writing() as session:
        link = issue_link(session, session.get_one(Person, officer), world.gateway.clock())
    with running(world) as site:
        cookies = dict(httpx.post(f"{site.url}/login/{link}", timeout=60).cookies)
        return httpx.get(f"{site.url}/audit/entries/{leaf}", cookies=cookies, timeout=60).text


def released(world: World, people: dict[str, int]) -> str:
    """A release of the first period, built by the worker, approved by another person and published."""
    gateway, operator = world.gateway, world.gateway.settings.operator
    builder, approver = (Identity(operator, "operator", people[role], proven=True) for role in ("builder", "approver"))
    release = must(request_build(gateway, builder, TABLE, PERIOD)).id
    await_state(gateway, release, ReleaseState.BUILT)
    must(review(gateway, approver, release, approved=True, reason="Nagekeken, niets af te leiden."))
    must(publish(gateway, builder, release, reason="Oefening gepubliceerd."))
    return release


def await_state(gateway: Gateway, release: str, state: ReleaseState) -> None:
    end = time.monotonic() + BUILD_SECONDS
    while time.monotonic() < end:
        with gateway.reading() as session:
            if session.get_one(Release, release).state == state:
                return
        time.sleep(0.05)
    raise AssertionError(f"the release did not become {state}")


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """Debian's own browser; nothing is downloaded."""
    if CHROMIUM is None:
        pytest.skip("no chromium: apt install chromium-headless-shell")
    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def csrf(html: str) -> str:
    """The token in the first form of a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found
    return found[1]


def age(stage: Stage, cookies: Mapping[str, str], **ago: timedelta) -> None:
    """Moments of a session lie that much earlier."""
    (secret,) = cookies.values()
    with stage.gateway.writing() as session:
        row = session.get_one(WebSession, sha256(secret.encode()).digest())
        for name, much in ago.items():
            setattr(row, name, getattr(row, name) - much)


def speak(stage: Stage, page: "Page", language: str) -> None:
    """The next page that this window opens is in that language."""
    page.context.add_cookies([{"name": "language", "value": language, "url": stage.url}])


Visit = Callable[..., "Page"]


@pytest.fixture
def visit(stage: Stage, chromium: "Browser") -> Iterator[Visit]:
    """Opens a browser window for a role; whatever a page does against its content policy fails the test."""
    with windows(stage, chromium) as opened:
        yield opened


@contextmanager
def windows(stage: Stage, chromium: "Browser") -> Iterator[Visit]:
    """The same on any stage."""
    complaints: list[str] = []
    contexts = []

    def heard(message: "ConsoleMessage") -> None:
        refused = "status of 4" in message.text  # what a test asks for on purpose
        if message.type == "error" and not refused:
            complaints.append(message.text)

    def open_window(role: str | None = None, language: str = "nl", **options: Any) -> "Page":  # noqa: ANN401  those of playwright
        context = chromium.new_context(base_url=stage.url, **options)
        contexts.append(context)
        cookies = (stage.session(role) if role else {}) | {"language": language}
        context.add_cookies([{"name": name, "value": value, "url": stage.url} for name, value in cookies.items()])
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert not complaints
