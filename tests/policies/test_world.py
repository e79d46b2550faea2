"""The enumerated world: what the rules permit is what the separately written judge permits, nothing more and nothing less."""

import datetime as dt

import pytest
from hypothesis import given, settings

from policies.decision import Deny, Permit, Reason
from policies.question import Action, Request
from tests.policies.enumeration import requests
from tests.policies.oracle import permitted
from tests.policies.strategies import DAYS
from tests.policies.strategies import requests as questions
from tests.policies.world import law, noon


@pytest.mark.parametrize("action", list(Action), ids=lambda action: action.value)
def test_rules_and_judge_agree_on_the_whole_world(action: Action) -> None:
    """All callers × things × purposes × days: decision and judge agree, the engine never fails, every answer has grounds."""
    engine = law()
    seen = {True: 0, False: 0}
    for request, today in requests(frozenset({action})):
        decision = engine.decide(request, at=noon(today.isoformat()))
        purpose = engine.purposes[request.purposes[0]]
        judged = permitted(request, purpose, today)
        assert isinstance(decision, Permit) == judged, (request, today, decision.rules)
        if isinstance(decision, Deny):
            assert decision.reason is not Reason.FAULT
            assert decision.why
        else:
            assert decision.rules
        assert any(ground.rule == f"purpose:{purpose.id}" for ground in decision.grounds)
        seen[judged] += 1
    assert seen[False] > 100  # noqa: PLR2004  the world is no handful
    assert (seen[True] > 0) == (action not in {Action.REQUEST_DATA, Action.SEND_DATA})


def test_the_world_is_large_enough() -> None:
    """More than a hundred thousand questions, as the README says."""
    assert sum(1 for _ in requests()) > 100_000


@settings(max_examples=1500)
@given(request=questions(), today=DAYS)
def test_rules_and_judge_agree_on_random_questions(request: Request, today: dt.date) -> None:
    """Parties, mandates and things in any combination, sensible or not."""
    agree(request, today)


@pytest.mark.soak
@settings(max_examples=200_000)
@given(request=questions(), today=DAYS)
def test_rules_and_judge_agree_on_very_many_random_questions(request: Request, today: dt.date) -> None:
    """The same, for long."""
    agree(request, today)


def agree(request: Request, today: dt.date) -> None:
    """The engine answers, and as the judge does."""
    decision = law().decide(request, at=noon(today.isoformat()))
    assert not isinstance(decision, Deny) or decision.reason is not Reason.FAULT
    assert isinstance(decision, Permit) == permitted(request, law().purposes[request.purposes[0]], today)
