"""What a refused caller is told, and what it is not."""

# ruff: noqa: E501  a table is read by its rows

from dataclasses import replace

import pytest

from policies.decision import Deny, NearMiss, Reason
from policies.question import Action, Request
from policies.refusal import NOTHING_THERE, of_purpose, refuse, telling
from policies.sources import Text
from policies.things import Slice, Thing
from tests.policies.world import CALLERS, DELIVERY, READY, SLICE, TWO, law, noon

NOW = noon("2026-11-02")


def decide(who: str, action: Action, thing: Thing, purpose: str) -> Deny:
    """The refusal of a question."""
    decision = law().decide(Request(CALLERS[who], action, thing, (purpose,), "absence-counts", TWO), at=NOW)
    assert isinstance(decision, Deny)
    return decision


def test_a_near_miss_names_the_permit_and_what_it_still_asked() -> None:
    """An swv that wants a level its purpose does not have hears just that."""
    refused = decide("swv", Action.DOWNLOAD_RELEASE, replace(SLICE, level="gemeente"), "absence-insight-swv")
    assert refused.near == NearMiss(
        "download-own-slice",
        (Text(nl="het gevraagde niveau hoort bij de niveaus van het doel", en="the level asked for is among the levels of the purpose"),),
    )  # fmt: skip


def test_the_nearest_permit_is_the_one_most_of_which_held() -> None:
    """A program that builds a release is told about the kind of party, not about unrelated permits."""
    refused = decide("school's program", Action.BUILD_RELEASE, READY, "absence-insight-swv")
    assert refused.near is not None
    assert refused.near.rule == "build-release"


def test_who_may_publish_hears_every_fault_and_a_stranger_none() -> None:
    """The operator learns that approvals and attack are missing; an swv learns nothing about the release."""
    unready = replace(READY, approvals=0, attacker_failed=False)
    operator = decide("operator", Action.PUBLISH_RELEASE, unready, "absence-insight-swv")
    assert operator.rules == ("enough-approvals", "attacker-must-fail")
    stranger = decide("swv", Action.PUBLISH_RELEASE, unready, "absence-insight-swv")
    assert stranger == decide("swv", Action.PUBLISH_RELEASE, READY, "absence-insight-swv")
    assert stranger.rules == ()


def test_a_switched_off_purpose_gives_its_own_reason() -> None:
    """Rule and file each say why."""
    refused = decide("inspectorate", Action.DOWNLOAD_RELEASE, SLICE, "inspection")
    assert refused.reason is Reason.FORBIDDEN
    assert refused.why[-1] == law().purposes["inspection"].reason


def test_what_is_concealed_says_nothing_else() -> None:
    """Even when other rules refuse as well, only the concealing one is told and recorded."""
    refused = decide("unfunded school", Action.SUBMIT, replace(DELIVERY, period_open=False), "provinces")
    assert refused.reason is Reason.NOT_FOUND
    assert refused.why == (NOTHING_THERE,)
    assert refused.rules == ("not-your-school",)
    assert of_purpose(law().purposes["provinces"], refused.reason) == ()


def test_an_action_without_any_permit_has_no_near_miss() -> None:
    """There is nothing to come close to."""
    refusal = refuse(forbids=[], permits=[], held=frozenset)
    assert (refusal.reason, refusal.near) == (Reason.NO_PERMIT, None)


@pytest.mark.parametrize("published", [True, False])
def test_a_near_miss_on_a_fact_that_may_not_be_told_is_no_such_thing(published: bool) -> None:
    """Permits that failed on `published` alone look like nothing there."""
    rules = law().rules
    permit = rules["see-published-release"]
    permits = [telling(rule, law().law.vocabulary) for rule in (permit, rules["certificate-for-officers"])]
    held = {f"{permit.id}#{number}" for number in range(len(permit.conditions)) if number or published}
    refusal = refuse(forbids=[], permits=permits, held=lambda: held - {f"{permit.id}#1"})
    assert refusal.reason is (Reason.NO_PERMIT if published else Reason.NOT_FOUND)


def test_the_same_thing_unknown_and_not_yours() -> None:
    """Equal in every part: reason, rules, sentences, grounds, near miss."""
    foreign = decide("other school", Action.READ_SUBMISSION, DELIVERY, "statutory-counts")
    assert foreign == decide("other school", Action.READ_SUBMISSION, replace(DELIVERY, party=""), "statutory-counts")
    draft = decide("swv", Action.DOWNLOAD_RELEASE, replace(SLICE, published=False), "absence-insight-swv")
    nothing = Slice(published=False, level=SLICE.level, area=SLICE.area)
    assert draft == decide("swv", Action.DOWNLOAD_RELEASE, nothing, "absence-insight-swv")
