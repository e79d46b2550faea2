"""The adversary wants data about a pupil's health without a consent that holds now, for it, and for these data."""

# ruff: noqa: E501  a table is read by its rows

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.decision import Permit
from policies.engine import Engine
from policies.errors import BadPolicy
from policies.parties import Kind
from policies.purpose import DataCategory
from policies.question import Action, Request
from policies.things import ConsentedRecord
from tests.policies.strategies import DAYS
from tests.policies.strategies import requests as questions
from tests.policies.world import CALLERS, DELIVERY, DEPLOYMENT, ILLNESS, RECORD, SLICE, TWO, law, noon

NOW = noon("2026-11-02")
HEALTH = sorted(category for category in DataCategory if category.health)


@pytest.mark.parametrize("category", HEALTH)
@pytest.mark.parametrize("action", [Action.SUBMIT, Action.CHECK, Action.CONFIRM])
def test_no_delivery_carries_health_data(category: DataCategory, action: Action) -> None:
    """Under no purpose, not even one of a deployment that lists it."""
    thing = replace(DELIVERY, data=frozenset({category}), agreement=True)
    for purpose in law().purposes:
        request = Request(CALLERS["school"], action, thing, (purpose,), "absence-counts", TWO)
        assert not isinstance(law().decide(request, at=NOW), Permit)


def test_a_purpose_of_a_deployment_cannot_open_deliveries_to_health_data(tmp_path: Path) -> None:
    """It lists hours of illness, senders and a collection: no process starts with it."""
    shutil.copy(DEPLOYMENT / "sources.toml", tmp_path)
    text = (DEPLOYMENT / "test-limited.toml").read_text(encoding="utf-8")
    text = text.replace('["absence_counts", "illness_counts"]', '["illness_hours"]').replace("2026-11-02", "2026-12-31")
    (tmp_path / "test-limited.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BadPolicy, match="health"):
        Engine.load(purposes=[tmp_path])


@pytest.mark.parametrize("category", HEALTH)
def test_no_download_carries_health_data(category: DataCategory) -> None:
    """By no caller, for no purpose."""
    piece = replace(SLICE, data=frozenset({category}))
    for caller in CALLERS.values():
        for purpose in law().purposes:
            request = Request(caller, Action.DOWNLOAD_RELEASE, piece, (purpose,))
            assert not isinstance(law().decide(request, at=NOW), Permit)


@pytest.mark.parametrize(
    ("flaw", "change"),
    [
        ("asked, not given", {"consent_state": "asked"}),
        ("refused", {"consent_state": "refused"}),
        ("withdrawn", {"consent_state": "withdrawn"}),
        ("expired", {"consent_state": "expired"}),
        ("not confirmed by the pupil", {"consent_state": "unconfirmed"}),
        ("never asked", {"consent_state": "none"}),
        ("a state nobody knows", {"consent_state": "GIVEN"}),
        ("not yet", {"consent_from": dt.date(2026, 11, 3)}),
        ("no longer", {"consent_until": dt.date(2026, 11, 1)}),
        ("another school's", {"consent_party": "00CD00"}),
        ("for another recipient", {"consent_recipient": "ORG-JGZ2"}),
        ("for nobody", {"consent_recipient": ""}),
        ("for less", {"consent_scope": frozenset({DataCategory.CASE_REFERENCE})}),
        ("for nothing", {"consent_scope": frozenset()}),
        ("of more than the purpose", {"data": ILLNESS | {DataCategory.MEDICAL_FACTS}, "consent_scope": frozenset(DataCategory)}),
        ("not sealed", {"sealed": False}),
    ],
)  # fmt: skip
def test_a_consent_with_one_flaw_lets_nothing_in(flaw: str, change: dict[str, object]) -> None:
    """Everything else is in order."""
    record = replace(RECORD, **change)  # type: ignore[arg-type]  # the flaw
    request = Request(CALLERS["school"], Action.SUBMIT_CONSENTED_RECORD, record, ("care-with-consent",))
    assert isinstance(law().decide(replace(request, thing=RECORD), at=NOW), Permit)
    assert not isinstance(law().decide(request, at=NOW), Permit), flaw


@pytest.mark.parametrize("who", sorted(CALLERS))
def test_only_the_named_recipient_reads_it(who: str) -> None:
    """Of all callers, under all purposes."""
    readable = any(
        isinstance(
            law().decide(Request(CALLERS[who], Action.READ_CONSENTED_RECORD, RECORD, (purpose,)), at=NOW), Permit
        )
        for purpose in law().purposes
    )
    assert readable == (who in {"youth health care", "youth health care's program"})


@settings(max_examples=600)
@given(request=questions(), day=DAYS)
def test_a_permit_about_health_has_a_consent_that_holds(request: Request, day: dt.date) -> None:
    """Random questions: health data pass only as a consented record whose consent holds that day for that recipient."""
    if isinstance(law().decide(request, at=noon(day.isoformat())), Permit) and request.thing.health:
        assert_holds(request.thing, day)


@settings(max_examples=300)
@given(
    request=questions([Action.SUBMIT_CONSENTED_RECORD, Action.READ_CONSENTED_RECORD]),
    change=st.fixed_dictionaries({}, optional={
        "consent_state": st.sampled_from(["given", "withdrawn"]), "consent_until": DAYS, "sealed": st.booleans(),
    }),
    day=DAYS,
)  # fmt: skip
def test_near_the_good_record_a_permit_needs_the_consent(
    request: Request, change: dict[str, object], day: dt.date
) -> None:
    """Starting from a record in good order, so that permits occur: each one has a consent that holds."""
    who = "school" if request.action is Action.SUBMIT_CONSENTED_RECORD else "youth health care"
    near = replace(request, caller=CALLERS[who], thing=replace(RECORD, **change), purposes=("care-with-consent",))  # type: ignore[arg-type]  # the change
    if isinstance(law().decide(near, at=noon(day.isoformat())), Permit):
        assert_holds(near.thing, day)


def assert_holds(thing: object, day: dt.date) -> None:
    """Given, for this day, recipient and data, to a kind of party the purpose names."""
    assert isinstance(thing, ConsentedRecord)
    assert thing.consent_state == "given"
    assert thing.consent_from <= day <= thing.consent_until
    assert thing.consent_recipient == thing.recipient
    assert thing.data <= thing.consent_scope
    assert thing.recipient_is is Kind.YOUTH_HEALTH_CARE
