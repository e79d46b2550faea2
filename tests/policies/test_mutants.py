"""Each rule removed or changed in turn must be noticed; the few changes that change nothing are explained."""

# ruff: noqa: E501  a table is read by its rows

import pytest

from tests.policies.mutants import mutants, noticed, score
from tests.policies.world import law

# Double locks: a permit speaks of its own party, area or published state, and a concealing forbid says it again, so that
# each of the two holds when the other is lost. Taking away one of the locks changes no decision.
DOUBLE_LOCKS = {
    "deliver-own-figures: condition 2 removed": "not-your-school",
    "read-own-submission: condition 2 removed": "not-your-school",
    "read-own-table: condition 2 removed": "not-your-school",
    "see-published-release: condition 1 removed": "published-only",
    "download-own-slice: condition 1 removed": "published-only",
    "download-own-slice: condition 6 removed": "not-your-area",
    "download-what-is-public: condition 1 removed": "published-only",
    "certificate-for-officers: condition 1 removed": "published-only",
    "keep-consent: condition 2 removed": "consent-of-your-school",
    "named-recipient-knows-consent: condition 3 removed": "consent-known-to-you",
    "send-consented-record: condition 2 removed": "record-under-your-consent",
    "receive-consented-record: condition 2 removed": "record-for-you",
    "ask-for-a-parent: condition 2 removed": "not-your-records",
    "check-own-trail: condition 2 removed": "not-your-records",
    "ask-about-yourself: condition 1 removed": "not-about-another",
}


@pytest.mark.parametrize("rule", list(law().rules))
def test_every_change_of_a_rule_is_noticed_by_a_named_case(rule: str) -> None:
    """Removing the rule, an act, a condition, or changing an operator, number or word alters some named case."""
    unnoticed = {m.name for m in mutants() if m.rule == rule and not noticed(m, cases_only=True)}
    assert unnoticed == {name for name in DOUBLE_LOCKS if name.startswith(f"{rule}: ")}


def test_the_other_lock_of_a_double_lock_exists() -> None:
    """Every explanation names a rule that is there and conceals."""
    assert all(law().rules[lock].conceals for lock in DOUBLE_LOCKS.values())


@pytest.mark.soak
def test_mutation_score_over_the_whole_world() -> None:
    """With the enumerated world as a second net, the survivors are exactly the double locks."""
    found = {mutant.name: noticed(mutant) for mutant in mutants()}
    print(score(found))  # noqa: T201  the score is what this run is for
    assert {name for name, how in found.items() if not how} == set(DOUBLE_LOCKS)
