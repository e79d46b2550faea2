"""A release before its decision: who judges does not read what another judged."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from sqlmodel import delete, select

from gateway.store import Approval, Party, Period, Person, Release, ReleaseState
from tests.gateway.conftest import NOW
from tests.web.conftest import OPEN_PERIOD, Stage, Visit, age, csrf

REASON = "Twee cellen te veel, naar mijn smaak."
ID = "b" * 32


@pytest.fixture
def judged(stage: Stage) -> Iterator[str]:
    """A built release of which one person gave a verdict."""
    people = stage.people
    with stage.gateway.writing() as session:
        period = session.exec(select(Period).where(Period.code == OPEN_PERIOD)).one()
        facts = {"purposes": "absence-insight-swv", "builder_id": people["builder"], "seed": b"x"}
        session.add(Release(id=ID, period_id=period.id or 0, state=ReleaseState.BUILT, built_at=NOW, **facts))
        session.flush()
        verdict = {"person_id": people["controller-officer"], "approved": False, "reason": REASON, "at": NOW}
        session.add(Approval(release_id=ID, **verdict))
    yield ID
    with stage.gateway.writing() as session:
        session.execute(delete(Approval).where(Approval.release_id == ID))  # type: ignore[arg-type]  # a column, to SQLAlchemy
        session.execute(delete(Release).where(Release.id == ID))  # type: ignore[arg-type]  # likewise


def test_a_judge_does_not_read_the_verdict_of_another(stage: Stage, judged: str) -> None:
    """Before the decision the page says that there is one, and not what it says; afterwards it stands there."""
    with stage.client("approver") as approver, stage.client("builder") as builder:
        before = [client.get(f"/operator/releases/{judged}").text for client in (approver, builder)]
        with stage.gateway.writing() as session:
            session.get_one(Release, judged).state = ReleaseState.REJECTED
        after = approver.get(f"/operator/releases/{judged}").text
    assert all("Er is al een oordeel van een ander" in page and REASON not in page for page in before)
    assert "Keur goed" in before[0]
    assert "Keur goed" not in before[1]
    assert REASON in after


def test_a_party_of_one_long_word_stays_on_the_page(stage: Stage, visit: Visit) -> None:
    """The name in the bar of every page is broken where the page ends, also on a phone."""
    with stage.gateway.writing() as session:
        party = session.get_one(Party, session.get_one(Person, stage.people["swv"]).party)
        before, party.name = party.name, "Samenwerkingsverbandpassendonderwijsnoordoost"
        code = party.code
    try:
        page = visit("swv", viewport={"width": 320, "height": 800})
        page.goto("/releases")
        assert page.locator(".who").inner_text().startswith("Samenwerkingsverbandpassend")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
    finally:
        with stage.gateway.writing() as session:
            session.get_one(Party, code).name = before


def test_a_reason_of_one_long_word_stays_on_the_page(stage: Stage, judged: str, visit: Visit) -> None:
    """An address or a hash is broken where the page ends, also on a phone."""
    with stage.gateway.writing() as session:
        session.get_one(Release, judged).state = ReleaseState.REJECTED
        session.exec(select(Approval).where(Approval.release_id == judged)).one().reason = "x" * 300
    page = visit("approver", viewport={"width": 320, "height": 800})
    page.goto(f"/operator/releases/{judged}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("role", ["builder", "approver"])
@pytest.mark.parametrize("state", [ReleaseState.BUILT, ReleaseState.APPROVED])
def test_the_page_lets_a_release_be_stopped(stage: Stage, judged: str, state: ReleaseState, role: str) -> None:
    """As long as it is not out, whoever built it and whoever judges it find the button."""
    with stage.gateway.writing() as session:
        session.get_one(Release, judged).state = state
    with stage.client(role) as client:
        assert 'value="reject"' in client.get(f"/operator/releases/{judged}").text


def test_a_missing_reason_is_told_at_its_own_form(stage: Stage, judged: str) -> None:
    """An approved release can be published or stopped: the form that had no reason says so, and the other does not."""
    with stage.gateway.writing() as session:
        session.get_one(Release, judged).state = ReleaseState.APPROVED
    with stage.client("approver") as client:
        told = decide(client, judged, act="publish", reason="").text
    ids = re.findall(r' id="(reason-[^"]+)"', told)
    assert sorted(ids) == ["reason-fault-publish", "reason-publish", "reason-reject"]
    assert 'href="#reason-publish"' in told


def test_a_reason_stays_when_the_proof_is_too_old(stage: Stage, judged: str) -> None:
    """Who proved it too long ago reads so above the form; what was typed all the same comes back, with the way."""
    with stage.gateway.writing() as session:
        session.get_one(Release, judged).state = ReleaseState.APPROVED
    with stage.fresh("approver") as client:
        age(stage, client.cookies, proven_at=stage.gateway.settings.proven_for)
        way = re.compile('<a href="/session">[^<]+ wie u bent</a>')
        before = way.findall(client.get(f"/operator/releases/{judged}").text)
        told = decide(client, judged, act="publish", reason=REASON)
        assert (told.status_code, len(before), len(way.findall(told.text))) == (403, 1, 2)
        typed = re.findall(r'<textarea id="reason-(\w+)"[^>]*>([^<]*)</textarea>', told.text)
    assert typed == [("publish", REASON), ("reject", "")]


def test_a_withdrawal_that_was_refused_stands_open_with_its_reason(stage: Stage, judged: str) -> None:
    """The folded form of a published release is unfolded again, with what was typed, for who proved it too long ago."""
    with stage.gateway.writing() as session:
        session.get_one(Release, judged).state = ReleaseState.PUBLISHED
        session.get_one(Release, judged).published_at = NOW
    with stage.fresh("approver") as client:
        age(stage, client.cookies, proven_at=stage.gateway.settings.proven_for)
        told = decide(client, judged, act="withdraw", reason=REASON).text
    assert re.findall("<details open><summary>([^<]*)", told) == ["Trek in"]
    assert f">{REASON}</textarea>" in told


def decide(client: httpx.Client, release: str, **fields: str) -> httpx.Response:
    """Send one of the forms of its page."""
    address = f"/operator/releases/{release}"
    return client.post(address, data={"csrf": csrf(client.get(address).text), **fields})


def test_the_page_names_the_rule_that_the_figures_were_made_by(stage: Stage, judged: str) -> None:
    """Made when counts were shown from seven in one sector and from nine in the other: it says seven, not today's."""
    rule = {"zeros_are_small": True, "complements": True, "min_denominator": 25}
    cells = {"listed": 1, "published": 1, "suppressed": 0}
    sectors = {sector: {"rule": rule | {"minimum": least}, "cells": cells} for sector, least in (("po", 7), ("vo", 9))}
    said = {"attacker": {"exact": 0, "narrowed": 0}, "sectors": sectors}
    with stage.gateway.writing() as session:
        session.get_one(Release, judged).certificate = json.dumps(said)
    with stage.client("approver") as approver:
        page = approver.get(f"/operator/releases/{judged}").text
    assert "<dt>Kleinste aantal</dt><dd>7</dd>" in page
    assert "<dd>25</dd>" in page


def test_a_build_shows_no_figures_before_it_is_published(stage: Stage, judged: str) -> None:
    """Who judges it reads why, and how safe and how useful it is."""
    with stage.client("approver") as client:
        page = client.get(f"/operator/releases/{judged}").text
    assert "Cijfers ziet u pas na publicatie" in page
    assert "De landelijke regels" not in page
