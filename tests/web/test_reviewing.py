"""A release before its decision: who judges does not read what another judged."""

import json
import re
from collections.abc import Iterator

import pytest
from sqlmodel import delete, select

from gateway.store import Approval, Period, Release, ReleaseState
from tests.web.conftest import NOW, OPEN_PERIOD, Stage

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


@pytest.mark.parametrize("role", ["builder", "approver"])
@pytest.mark.parametrize("state", [ReleaseState.BUILT, ReleaseState.APPROVED])
def test_the_page_lets_a_release_be_stopped(stage: Stage, judged: str, state: ReleaseState, role: str) -> None:
    """As long as it is not out, whoever built it and whoever judges it find the button."""
    with stage.gateway.writing() as session:
        session.get_one(Release, judged).state = state
    with stage.client(role) as client:
        assert 'value="reject"' in client.get(f"/operator/releases/{judged}").text


def test_a_missing_reason_is_told_at_each_form(stage: Stage, judged: str) -> None:
    """An approved release can be published or stopped: a form without its reason points at a text of its own."""
    with stage.gateway.writing() as session:
        session.get_one(Release, judged).state = ReleaseState.APPROVED
    with stage.client("approver") as client:
        page = client.get(f"/operator/releases/{judged}").text
        token = re.findall(r'name="csrf" value="([^"]+)"', page)
        fields = {"csrf": token[0] if token else "", "act": "publish", "reason": ""}
        told = client.post(f"/operator/releases/{judged}", data=fields, headers={"Origin": stage.url}).text
    ids = re.findall(r' id="(reason-[^"]+)"', told)
    assert sorted(ids) == ["reason-fault-publish", "reason-fault-reject", "reason-publish", "reason-reject"]


def test_the_page_names_the_rule_that_the_figures_were_made_by(stage: Stage, judged: str) -> None:
    """Made when counts were shown from seven in one sector and from nine in the other: it says seven, not today's."""
    rule = {"zeros_are_small": True, "complements": True, "min_denominator": 25}
    sectors = {sector: {"rule": rule | {"minimum": least}} for sector, least in (("po", 7), ("vo", 9))}
    said = {"attacker": {"exact": 0, "narrowed": 0}, "sectors": sectors}
    with stage.gateway.writing() as session:
        session.get_one(Release, judged).certificate = json.dumps(said)
    with stage.client("approver") as approver:
        page = approver.get(f"/operator/releases/{judged}").text
    assert "<dt>Kleinste aantal</dt><dd>7</dd>" in page
    assert "<dd>25</dd>" in page
