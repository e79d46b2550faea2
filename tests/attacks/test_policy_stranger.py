"""The adversary asks about things of others, and watches every part of the answer for a sign that they exist."""

# ruff: noqa: E501  a table is read by its rows

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.decision import Deny, Permit, Reason
from policies.parties import Caller
from policies.question import Action, Request
from policies.things import (
    Area,
    Consent,
    ConsentedRecord,
    Delivery,
    Hypothesis,
    OwnTable,
    Records,
    Release,
    Slice,
    Thing,
)  # fmt: skip
from tests.policies.strategies import DATA, DAYS
from tests.policies.world import CALLERS, CONSENT, DELIVERY, ILLNESS, PUBLISHED, RECORD, SLICE, TWO, law, noon

OTHERS = "00ZZ00"
STRANGERS = ["other school", "swv", "gemeente", "public", "youth health care", "supplier for itself", "operator"]
ABSENT_RECORD = replace(RECORD, party="", recipient="", consent_party="", consent_recipient="", consent_state="none")


def answers(caller: Caller, action: Action, thing: Thing, day: str = "2026-11-02") -> list[Deny | Permit]:
    """The answers under every purpose."""
    asked = [Request(caller, action, thing, (key,), "absence-counts", TWO) for key in law().purposes]
    return [law().decide(request, at=noon(day)) for request in asked]


@pytest.mark.parametrize("who", STRANGERS)
@pytest.mark.parametrize(
    ("action", "foreign", "absent"),
    [
        *((action, replace(DELIVERY, party=OTHERS), Delivery("", "po", DELIVERY.data)) for action in (
            Action.SUBMIT, Action.CHECK, Action.CONFIRM, Action.WITHDRAW_SUBMISSION, Action.READ_SUBMISSION)),
        (Action.READ_OWN_TABLE, OwnTable(OTHERS), OwnTable("")),
        *((action, replace(CONSENT, party=OTHERS, recipient="ORG-ANDER"), Consent("")) for action in (
            Action.READ_CONSENT, Action.WITHDRAW_CONSENT, Action.ANSWER_NOTICE)),
        (Action.READ_CONSENTED_RECORD, replace(RECORD, party=OTHERS, recipient="ORG-ANDER"), ABSENT_RECORD),
        (Action.SUBMIT_CONSENTED_RECORD, replace(RECORD, consent_party=OTHERS), replace(RECORD, consent_party="", consent_state="none", consent_recipient="", consent_scope=frozenset())),
        *((action, Records(OTHERS), Records("")) for action in (
            Action.REQUEST_ACCESS, Action.READ_AUDIT, Action.EXPORT_AUDIT, Action.REVIEW_AUDIT)),
    ],
)  # fmt: skip
def test_unknown_and_not_yours_are_one_answer(who: str, action: Action, foreign: Thing, absent: Thing) -> None:
    """For every purpose the two refusals are equal in reason, rules, sentences, grounds and near miss."""
    for one, other in zip(answers(CALLERS[who], action, foreign), answers(CALLERS[who], action, absent), strict=True):
        assert isinstance(one, Deny)
        assert one == other
        assert one.reason in {Reason.NOT_FOUND, Reason.FORBIDDEN}


@pytest.mark.parametrize("who", ["swv", "gemeente", "public", "school", "school's privacy officer"])
@pytest.mark.parametrize("action", [Action.READ_RELEASE, Action.READ_CERTIFICATE])
def test_a_draft_does_not_exist(who: str, action: Action) -> None:
    """Its progress does not show either: built, approved, attacked."""
    drafts = [Release(), Release(approvals=2, attacker_failed=True, reasoned=True, minimum=5), Release(withdrawn=True)]
    first, *rest = (answers(CALLERS[who], action, draft) for draft in drafts)
    assert all(other == first for other in rest)
    assert not any(isinstance(decision, Permit) for decision in first)


@pytest.mark.parametrize(
    ("who", "action"),
    [
        *((who, action) for who in ("swv", "gemeente", "public", "school", "minister") for action in (
            Action.BUILD_RELEASE, Action.APPROVE_RELEASE, Action.REJECT_RELEASE, Action.PUBLISH_RELEASE,
            Action.WITHDRAW_RELEASE)),
        *(("operator's program", action) for action in (Action.APPROVE_RELEASE, Action.REJECT_RELEASE, Action.PUBLISH_RELEASE)),
    ],
)  # fmt: skip
def test_the_progress_of_a_release_is_nobodys_business(who: str, action: Action) -> None:
    """Whoever may not act on it hears the same, whatever its state."""
    states = [Release(), PUBLISHED, Release(approvals=2, attacker_failed=True, minimum=5, withdrawn=True)]
    first, *rest = (answers(CALLERS[who], action, state) for state in states)
    assert all(other == first for other in rest)


@settings(max_examples=300)
@given(
    who=st.sampled_from(STRANGERS),
    one=st.builds(Delivery, st.just(OTHERS), st.just("po"), DATA, st.booleans(), st.just(False), st.booleans()),
    day=DAYS,
)  # fmt: skip
def test_no_fact_of_a_foreign_delivery_shows(who: str, one: Delivery, day: object) -> None:
    """Whatever the state of it, the refusal is that of nothing at all with the same data, which the asker named."""
    nothing = Delivery("", "po", one.data)
    asked = Request(CALLERS[who], Action.READ_SUBMISSION, one, ("statutory-counts",), "absence-counts", TWO)
    moment = noon(str(day))
    assert law().decide(asked, at=moment) == law().decide(replace(asked, thing=nothing), at=moment)


@pytest.mark.parametrize("level", ["site", "gemeente", "swv", "wijk"])
def test_a_foreign_area_and_one_that_does_not_exist_are_one_answer(level: str) -> None:
    """The gateway says `foreign` for both; published or not makes no difference either."""
    for who in ("swv", "gemeente", "public"):
        published = answers(
            CALLERS[who], Action.DOWNLOAD_RELEASE, Slice(published=True, level=level, area=Area.FOREIGN)
        )
        assert all(isinstance(decision, Deny) for decision in published)
        reasons = {decision.reason for decision in published if isinstance(decision, Deny)}
        assert reasons == {Reason.NOT_FOUND}


def test_asking_about_another_party_is_refused_before_anything_is_looked_at() -> None:
    """The what-if question tells nothing about others."""
    known, unknown = (answers(CALLERS["swv"], Action.ASK_DECISION, Hypothesis(code)) for code in ("00AB00", "99ZZ99"))
    assert known == unknown
    assert all(isinstance(decision, Deny) and decision.reason is Reason.NOT_FOUND for decision in known)


def test_a_refusal_never_repeats_what_was_asked() -> None:
    """Codes and values of the question are in no part of a refusal."""
    marker = "123456782"
    things: list[tuple[Action, Thing]] = [
        (Action.SUBMIT, Delivery(marker, marker, ILLNESS)),
        (Action.DOWNLOAD_RELEASE, replace(SLICE, level=marker, form=marker)),
        (Action.READ_OWN_TABLE, OwnTable(marker)),
        (Action.READ_AUDIT, Records(marker)),
        (Action.READ_CONSENT, Consent(marker, marker)),
        (Action.READ_CONSENTED_RECORD, ConsentedRecord(**{
            name: getattr(RECORD, name) for name in RECORD.__slots__} | {"recipient": marker, "consent_state": marker})),
    ]  # fmt: skip
    for action, thing in things:
        for who in CALLERS.values():
            for decision in answers(who, action, thing):
                assert isinstance(decision, Permit) or marker not in repr(decision)
