"""The map of data flows as decisions: who, what, when → permit or reason, and the rules that decided."""

import pytest

from policies.decision import Deny
from tests.policies.cases import BESIDE, CASES, ELSEWHERE
from tests.policies.world import Case, law, noon


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} ({case.who})")
def test_each_flow_is_decided_as_the_map_says(case: Case) -> None:
    """Decision, reason and deciding rules are those of the table."""
    decision = law().decide(case.request, at=noon(case.day))
    assert (decision.reason.value if isinstance(decision, Deny) else "permit") == case.decision
    assert decision.rules == case.rules


def test_every_flow_has_a_case_or_a_reason_to_have_none() -> None:
    """All 39 flows of the map are accounted for."""
    shown = {int(case.name.split()[0]) for case in CASES if case.name.split()[0].isdigit()}
    assert shown | set(ELSEWHERE) | set(BESIDE) == set(range(1, 40))
    assert not shown & set(ELSEWHERE)


def test_every_rule_decides_some_case() -> None:
    """No rule is dead text."""
    assert set(law().rules) == {rule for case in CASES for rule in case.rules}


def test_flows_in_purpose_files_are_those_of_their_cases() -> None:
    """A purpose that names a flow is used by a case of that flow."""
    used = {(case.purpose, int(case.name.split()[0])) for case in CASES if case.name.split()[0].isdigit()}
    named = {(purpose.id, flow) for purpose in law().purposes.values() for flow in purpose.flows if flow not in BESIDE}
    assert named - used == {("absence-insight-gemeente", 13)}  # flow 13 is shown with the purpose of the partnership
