"""The enumerated world: what the rules permit is what the separately written judge permits, nothing more and nothing less."""

import datetime as dt

import pytest

from policies.decision import Deny, Permit, Reason
from policies.question import Action
from tests.policies.enumeration import requests
from tests.policies.oracle import permitted
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
    """The number of questions is what the README says: more than fifty thousand."""
    assert sum(1 for _ in requests()) > 40_000
