"""A small town in which a school year passes: a calendar turned by hand, people who log in, machines that ask."""

import dataclasses
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx

from audit.log import Log
from gateway.demo.people import must
from gateway.identity import add_person, issue_link
from gateway.store import Person as Row
from gateway.store import Release, ReleaseState
from tests.gateway.conftest import NOW, TABLE, Site, World, build_world, running

YEAR = "2026-2027"
CARE = "ORG-JGZ"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_TAG = re.compile(r"<[^>]+>|\s+")
PATIENCE_SECONDS = 300.0


@dataclass
class Calendar:
    """What day it is; time stands still until somebody turns a page."""

    moment: datetime = NOW

    def now(self) -> datetime:
        """The moment."""
        return self.moment

    def turn_to(self, day: str) -> None:
        """Go to ten in the morning of a later day."""
        year, month, number = map(int, day.split("-"))
        self.moment = datetime(year, month, number, 10, tzinfo=UTC)


@dataclass
class Person:
    """Somebody with a browser."""

    town: "Town"
    row: int
    http: httpx.Client = field(repr=False)
    page: str = ""
    at: str = ""

    def log_in(self) -> None:
        """Follow a one-time link; a session does not outlive the day."""
        with self.town.world.gateway.writing() as session:
            secret = issue_link(session, session.get_one(Row, self.row), self.town.calendar.now())
        self.http.cookies.clear()
        assert self.http.post(f"/login/{secret}").status_code == 303

    def see(self, path: str, status: int = 200) -> str:
        """Open a page; its words, without the marks of HTML."""
        end = time.monotonic() + PATIENCE_SECONDS
        answer = self.http.get(path, follow_redirects=True)
        while answer.status_code == 503 != status and time.monotonic() < end:  # the log is behind: "try again"
            answer = self.http.get(path, follow_redirects=True)
        assert answer.status_code == status, (path, answer.status_code, words(answer.text)[:500])
        self.page = answer.text
        return words(answer.text)

    def reload_until(self, path: str, sign: str) -> None:
        """Open a page again until something stands on it: an act is in the log only once it has its index."""
        end = time.monotonic() + PATIENCE_SECONDS
        self.see(path)
        while sign not in self.page and time.monotonic() < end:
            self.see(path)
        assert sign in self.page, (path, sign)

    def fetch(self, path: str) -> bytes:
        """Save a file."""
        answer = patiently(self.http, path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.content

    def press(self, path: str, status: int = 200, *, file: bytes | None = None, **fields: str) -> str:
        """Send a form of the page that is open; the words of the page that follows."""
        found = _CSRF.search(self.page)
        assert found, "no page is open"
        files = {"file": ("telling.csv", file)} if file is not None else None
        end, data = time.monotonic() + PATIENCE_SECONDS, {"csrf": found[1], **fields}
        answer = self.http.post(path, data=data, files=files, follow_redirects=True)
        while answer.status_code == 503 and not answer.history and time.monotonic() < end:  # the log is behind
            answer = self.http.post(path, data=data, files=files, follow_redirects=True)
        if answer.status_code == 503 and answer.history:  # done; the page that follows waits for the log
            self.at = answer.url.path
            return self.see(str(answer.url))
        assert answer.status_code == status, (path, answer.status_code, words(answer.text)[:800])
        self.page, self.at = answer.text, answer.url.path
        return words(answer.text)


@dataclass
class Town:
    """Twelve invented schools with a running gateway."""

    world: World
    site: Site
    calendar: Calendar
    clients: ExitStack = field(repr=False)

    def person(self, party: str, role: str) -> Person:
        """Somebody of a party, logged in."""
        with self.world.gateway.writing() as session:
            row = add_person(session, party, role, role).id or 0
        made = Person(self, row, self._client())
        made.log_in()
        return made

    def machine(self, party: str, *scopes: str) -> httpx.Client:
        """A program of a party, with a token for the whole year."""
        expires = self.calendar.now() + timedelta(days=400)
        token = must(self.world.desk.issue_token(party, scopes=scopes or ("all",), expires_at=expires))
        return self._client(Authorization=f"Bearer {token}")

    def anybody(self) -> httpx.Client:
        """The public."""
        return self._client()

    def _client(self, **headers: str) -> httpx.Client:
        return self.clients.enter_context(httpx.Client(base_url=self.site.url, headers=headers, timeout=60))

    def school(self, index: int) -> str:
        """The code of a school."""
        return self.world.region.sites[index].code

    def open_period(self, number: int, reference: str, deadline: str) -> str:
        """The operator opens a period."""
        days = {"reference_date": date.fromisoformat(reference), "deadline": date.fromisoformat(deadline)}
        return str(must(self.world.desk.open_period(TABLE, f"{YEAR}-{number}", **days, exercise=True)).code)

    def deliver(self, index: int, period: str, number: int) -> None:
        """A school's program delivers its counts and confirms them."""
        about = {"collection": TABLE, "party": self.school(index), "period": period}
        http = self.machine(self.school(index), "submit")
        made = http.post("/v1/submissions", params=about, content=self.world.counts(index, number))
        assert made.status_code == 201, made.text
        assert http.post(f"/v1/submissions/{made.json()['id']}/confirmation").status_code == 200

    def release(self, period: str) -> str:
        """Two people of the operator close a period, build, approve and publish its release over the API."""
        must(self.world.desk.close_period(TABLE, period))
        builder, approver = (self.person(self.world.gateway.settings.operator, "operator") for _ in range(2))
        made = self._say(builder, "/v1/releases", collection=TABLE, period=period)["id"]
        self.await_release(made)
        self._say(approver, f"/v1/releases/{made}/approvals", approved=True, reason="Nagekeken.")
        self._say(builder, f"/v1/releases/{made}/publication", reason="Afgesproken dag.")
        return made

    def await_release(self, release_id: str) -> None:
        """Wait until the worker has built a release."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            with self.world.gateway.reading() as session:
                state = session.get_one(Release, release_id).state
            if state != ReleaseState.BUILDING:
                assert state == ReleaseState.BUILT
                return
            time.sleep(0.05)
        raise AssertionError("the release was not built")

    @staticmethod
    def _say(person: Person, path: str, **body: object) -> dict[str, str]:
        found = _CSRF.search(person.http.get("/operator").text)
        assert found
        answer = person.http.post(path, json=body, headers={"X-CSRF-Token": found[1]})
        assert answer.is_success, answer.text
        return dict(answer.json())


def words(html: str) -> str:
    """What a page says."""
    return _TAG.sub(" ", html)


def patiently(http: httpx.Client, path: str) -> httpx.Response:
    """An answer that waits for the log, asked again while it says so."""
    end = time.monotonic() + PATIENCE_SECONDS
    answer = http.get(path)
    while answer.status_code == 503 and time.monotonic() < end:
        time.sleep(0.1)
        answer = http.get(path)
    return answer


@contextmanager
def living(folder: Path, *, sites: int = 12) -> Iterator[Town]:
    """A town in November 2026 with its first period open, for as long as the block runs."""
    calendar, made = Calendar(), build_world(folder / "data", sites=sites)
    log = Log(made.gateway.log.vocabulary, clock=lambda: int(calendar.now().timestamp() * 1000))
    world = World(dataclasses.replace(made.gateway, clock=calendar.now, log=log), made.region)
    must(world.desk.add_party(CARE, "youth_health_care", "Jeugdgezondheidszorg"))
    try:
        with running(world) as site, ExitStack() as clients:
            yield Town(world, site, calendar, clients)
    finally:
        world.gateway.database.dispose()
