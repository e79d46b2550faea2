"""The enumerated world: what the rules permit is what the separately written judge permits, no more and no less."""

import datetime as dt
from itertools import islice

import pytest
from hypothesis import given, settings

from policies.decision import Decision, Deny, Permit, Reason
from policies.question import Action, Request
from tests.policies.enumeration import requests
from tests.policies.oracle import permitted
from tests.policies.strategies import DAYS
from tests.policies.strategies import requests as questions
from tests.policies.world import law, noon

ACTIONS = pytest.mark.parametrize("action", list(Action), ids=lambda action: action.value)


@ACTIONS
def test_rules_and_judge_agree_on_a_slice_of_the_world(action: Action) -> None:
    """Every fourth question about each action."""
    agree_on_world(action, every=4)


@pytest.mark.soak
@ACTIONS
def test_rules_and_judge_agree_on_the_whole_world(action: Action) -> None:
    """All callers × things × purposes × days."""
    agree_on_world(action, every=1)


def agree_on_world(action: Action, *, every: int) -> None:
    """Decision and judge agree, every answer has grounds and words, and both outcomes occur where both are possible."""
    seen = {True: 0, False: 0}
    for request, today in islice(requests(frozenset({action})), 0, None, every):
        decision = agree(request, today)
        assert not isinstance(decision, Deny) or decision.why
        assert isinstance(decision, Deny) or decision.rules
        of_purpose = any(ground.rule == f"purpose:{request.purposes[0]}" for ground in decision.grounds)
        assert of_purpose == isinstance(decision, Permit)
        seen[isinstance(decision, Permit)] += 1
    assert seen[False] > 100
    assert (seen[True] > 0) == (action not in {Action.REQUEST_DATA, Action.SEND_DATA})


def test_the_world_is_large_enough() -> None:
    """More than a hundred thousand questions, as the README says."""
    assert sum(1 for _ in requests()) > 100_000


@settings(max_examples=1000)
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


def agree(request: Request, today: dt.date) -> Decision:
    """The engine answers without failing, and as the judge does."""
    decision = law().decide(request, at=noon(today.isoformat()))
    assert not isinstance(decision, Deny) or decision.reason is not Reason.FAULT
    judged = permitted(request, law().purposes[request.purposes[0]], today)
    assert isinstance(decision, Permit) == judged, (request, today, decision.rules)
    return decision
