"""How often a party may ask within a minute, and how many files are read at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway import exports
from gateway.demo.people import IN_FORCE, MINISTER
from gateway.http import submissions
from gateway.http.limits import PLACE, RECEIVED_AT_ONCE, ROOM, ROOM_OF_ONE, WINDOW, Bodies, Limit
from gateway.identity import add_person, issue_link
from gateway.outcome import Refused
from gateway.settings import Settings
from tests.web.conftest import csrf

from .conftest import NOW, Site, World, running


def test_a_clock_that_ran_ahead_shuts_nobody_out() -> None:
    """What was counted an hour after now stands in no minute of now; what was counted now does."""
    moments = [NOW + timedelta(hours=1), NOW, NOW]
    limit = Limit(1, lambda: moments.pop(0))
    assert (limit.take("a"), limit.take("a")) == (None, None)
    assert limit.take("a") == Refused("rate-limited", retry_after=WINDOW.seconds)


def test_bodies_have_room_together_and_each_party_its_part() -> None:
    """A party holds two files of the largest kind at once and no third, all together four; what ended gives it back."""
    bodies = Bodies()
    with bodies.of("a") as first, bodies.of("a") as second, bodies.of("a") as third, bodies.of("b") as other:
        whole = ROOM_OF_ONE // 2 + PLACE
        assert (first(whole), second(whole), third(PLACE), third(1)) == (True, True, True, False)
        assert (other(PLACE + ROOM_OF_ONE), other(1)) == (True, False)
        with bodies.of("c") as late:
            assert (late(PLACE), late(ROOM - 2 * ROOM_OF_ONE + 1)) == (True, False)
    with bodies.of("a") as again:
        assert again(whole)


def test_who_is_logged_in_is_counted_too(new_world: Callable[..., World]) -> None:
    """A program with a session is ended by the same 429 as one with a token, over the API and on pages together."""
    world = new_world(settings=Settings(in_force=IN_FORCE, requests_per_minute=4)).ticking()
    with world.gateway.writing() as session:
        person = add_person(session, world.region.sites[0].code, "school", "Wim")
        link = issue_link(session, person, world.gateway.clock())
    with running(world) as site:
        cookies = dict(httpx.post(f"{site.url}/login/{link}").cookies)
        with httpx.Client(base_url=site.url, cookies=cookies) as school:
            answers = [school.get(path) for path in ("/v1/submissions", "/school", "/operator", "/school/history")]
            ended = [school.get(path) for path in ("/v1/submissions", "/school")]
    assert [each.status_code for each in answers] == [200, 200, 404, 200]
    assert [each.status_code for each in ended] == [429, 429]
    assert all(0 < int(each.headers["retry-after"]) <= WINDOW.seconds for each in ended)


def test_the_whole_log_is_read_by_one_at_a_time(lite: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who checks it or takes it out meanwhile, over the API or on a page, is told to come again, and can."""
    began, on, take_out = threading.Event(), threading.Event(), exports.take_out
    officer = lite.client(MINISTER, scopes=("audit",))
    with lite.world.gateway.writing() as session:
        person = add_person(session, MINISTER, "controller-officer", "Ans")
        link = issue_link(session, person, lite.world.gateway.clock())
    desk = httpx.Client(base_url=lite.url, cookies=dict(httpx.post(f"{lite.url}/login/{link}").cookies), timeout=60)

    def slowly(*asked: Any, **named: Any) -> object:  # noqa: ANN401  passed on as they came
        began.set()
        on.wait(60)
        return take_out(*asked, **named)

    monkeypatch.setattr(exports, "take_out", slowly)
    with officer, desk, ThreadPoolExecutor(1) as elsewhere:
        form = {"csrf": csrf(desk.get("/audit/check").text)}
        first = elsewhere.submit(officer.get, "/v1/audit/export", params={"format": "csv"})
        assert began.wait(60)
        meanwhile = [
            officer.get("/v1/audit/export"),
            *(desk.post(f"/audit/{act}", data=form) for act in ("check", "bundle")),
        ]
        on.set()
        assert first.result().status_code == 200
        assert officer.get("/v1/audit/export", params={"format": "csv"}).status_code == 200
    assert [(each.status_code, "retry-after" in each.headers) for each in meanwhile] == [(503, True)] * 3


@pytest.mark.parametrize("path", ["/v1/submissions", "/v1/number-changes"])
def test_a_body_without_room_is_told_to_come_again(lite: Site, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """What a process holds already is held; an ordinary delivery has its place all the same."""
    monkeypatch.setattr("gateway.http.limits.ROOM_OF_ONE", 0)
    about = lite.world.about(0)
    with lite.client(about["party"]) as school:
        asked = {} if path.endswith("changes") else about
        busy = school.post(path, params=asked, content=b" " * (2 * PLACE))
        taken = school.post("/v1/submissions", params=about, content=lite.world.counts(0))
    assert (busy.status_code, busy.json()["type"], taken.status_code) == (503, "/problems/busy", 201)
    assert int(busy.headers["retry-after"]) > 0


def test_a_crowd_of_files_is_read_a_few_at_a_time(lite: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as a process reads without its threads being in one another's way; the rest wait, and get their turn."""
    together, inside, most = threading.Barrier(RECEIVED_AT_ONCE), set[int](), set[int]()

    def read(*_: object, **__: object) -> Refused:
        inside.add(threading.get_ident())
        together.wait(60)
        most.add(len(inside))
        together.wait(60)
        inside.discard(threading.get_ident())
        return Refused("unknown-period")

    monkeypatch.setattr(submissions, "receive", read)
    about = lite.world.about(0)
    with lite.client(about["party"]) as school, ThreadPoolExecutor(4 * RECEIVED_AT_ONCE) as senders:
        sent = [senders.submit(school.post, "/v1/submissions", params=about) for _ in range(4 * RECEIVED_AT_ONCE)]
        assert {each.result().status_code for each in sent} == {404}
    assert most == {RECEIVED_AT_ONCE}
