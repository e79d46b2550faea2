"""Consent: events on the left, what holds on a day on the right."""

# ruff: noqa: E501  a table is read by its rows

import datetime as dt
import json
from collections.abc import Sequence

import pytest
from hypothesis import given as having
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.consent import (
    EVENTS,
    AgeGroup,
    BrokenHistory,
    Event,
    Giver,
    Signature,
    Stage,
    commitment,
    fold,
    record_under,
)  # fmt: skip
from policies.consent_problems import PROBLEMS, problems_of
from policies.decision import Permit
from policies.errors import PolicyError
from policies.parties import Kind
from policies.purpose import DataCategory
from policies.question import Action, Request
from tests.policies.consents import (
    EVIDENCE,
    PURPOSE,
    asked,
    codes,
    confirmed,
    expired,
    given,
    moment,
    narrowed,
    refused,
    signed,
    state,
    terms,
    withdrawn,
)  # fmt: skip
from tests.policies.world import CALLERS, ILLNESS, JGZ, SITE, law

GIVEN = [asked(), given()]
TURNS_12 = [asked(older_on=dt.date(2026, 12, 1)), given()]
TURNS_16 = [
    asked(age_group=AgeGroup.FROM_12, older_on=dt.date(2026, 12, 1)),
    given("2026-09-01", Giver.PARENT, Giver.PUPIL),
]

LATER = [asked(first_day=dt.date(2026, 12, 1)), given()]


@pytest.mark.parametrize(
    ("events", "day", "stage"),
    [
        ([], "2026-09-01", Stage.NONE),
        (GIVEN, "2026-08-31", Stage.NONE),
        ([asked()], "2026-09-02", Stage.ASKED),
        ([asked(), refused()], "2026-09-02", Stage.REFUSED),
        ([asked()], "2027-03-02", Stage.EXPIRED),
        ([asked(), expired("2027-03-02")], "2027-03-03", Stage.EXPIRED),
        (GIVEN, "2026-09-02", Stage.GIVEN),
        (GIVEN, "2027-03-01", Stage.GIVEN),
        (GIVEN, "2027-03-02", Stage.EXPIRED),
        ([*GIVEN, expired("2027-03-02")], "2027-03-02", Stage.EXPIRED),
        ([*GIVEN, withdrawn("2026-10-01")], "2026-09-30", Stage.GIVEN),
        ([*GIVEN, withdrawn("2026-10-01")], "2026-10-01", Stage.WITHDRAWN),
        ([*GIVEN, withdrawn("2026-10-01")], "2028-01-01", Stage.WITHDRAWN),
        (TURNS_12, "2026-11-30", Stage.GIVEN),
        (TURNS_12, "2026-12-01", Stage.UNCONFIRMED),
        ([*TURNS_12, confirmed("2026-12-05", 12)], "2026-12-04", Stage.UNCONFIRMED),
        ([*TURNS_12, confirmed("2026-12-05", 12)], "2026-12-05", Stage.GIVEN),
        (TURNS_16, "2026-12-01", Stage.UNCONFIRMED),
        ([*TURNS_16, confirmed("2026-12-05", 16)], "2026-12-06", Stage.GIVEN),
        ([*TURNS_16, withdrawn("2026-12-05", Giver.PUPIL)], "2026-12-06", Stage.WITHDRAWN),
        (TURNS_16, "2027-03-02", Stage.EXPIRED),
        ([*GIVEN, narrowed("2026-10-01", last_day="2026-12-31")], "2026-12-31", Stage.GIVEN),
        ([*GIVEN, narrowed("2026-10-01", last_day="2026-12-31")], "2027-01-01", Stage.EXPIRED),
    ],
)  # fmt: skip
def test_events_fold_to_what_holds_that_day(events: Sequence[Event], day: str, stage: Stage) -> None:
    """Time alone ends a consent, and lets it wait once the pupil is older."""
    assert state(events, day).stage is stage


@pytest.mark.parametrize(
    "events",
    [
        [given()],
        [asked(), asked()],
        [asked(), withdrawn("2026-09-02")],
        [asked(), refused(), given("2026-09-02")],
        [*GIVEN, withdrawn("2026-10-01"), withdrawn("2026-10-02")],
        [*GIVEN, expired("2027-03-01")],
        [*GIVEN, given("2026-09-02")],
        [*GIVEN, confirmed("2026-10-01", 12)],
        [*TURNS_12, confirmed("2026-12-05", 16)],
        [*TURNS_16, confirmed("2026-12-05", 12)],
        [asked("2026-09-02"), given("2026-09-01")],
        [*GIVEN, narrowed("2027-03-02")],
    ],
)  # fmt: skip
def test_a_history_that_cannot_be_is_not_folded(events: Sequence[Event]) -> None:
    """Out of order, or impossible when it happened: somebody wrote past the checks."""
    with pytest.raises(BrokenHistory):
        state(events, "2028-01-01")


@pytest.mark.parametrize(
    ("events", "new", "day", "problems"),
    [
        ([], asked(), "2026-09-01", ()),
        ([], asked(recipient="PO2505", recipient_is=Kind.SWV), "2026-09-01", ("recipient",)),
        ([], asked(recipient_is=Kind.GEMEENTE), "2026-09-01", ("recipient",)),
        ([], asked(purpose="own-school"), "2026-09-01", ("recipient",)),
        ([], asked(scope=frozenset()), "2026-09-01", ("scope",)),
        ([], asked(scope=frozenset({DataCategory.MEDICAL_FACTS})), "2026-09-01", ("scope",)),
        ([], asked(last_day=dt.date(2027, 7, 31)), "2026-09-01", ()),
        ([], asked(last_day=dt.date(2027, 8, 1)), "2026-09-01", ("last-day",)),
        ([], asked(last_day=dt.date(2026, 8, 31), first_day=dt.date(2026, 8, 1)), "2026-09-01", ("last-day",)),
        ([], asked("2026-07-31", first_day=dt.date(2026, 7, 31), last_day=dt.date(2026, 8, 1)), "2026-07-31", ("last-day",)),
        ([], asked(first_day=dt.date(2027, 3, 2)), "2026-09-01", ("first-day",)),
        ([], asked(first_day=dt.date(2026, 8, 1)), "2026-09-01", ()),
        ([], asked(first_day=dt.date(2026, 7, 31)), "2026-09-01", ("first-day",)),
        ([asked()], given("2026-09-01").model_copy(update={"signatures": signed(Giver.PARENT, day="2026-08-01")}), "2026-09-01", ()),
        ([asked()], given("2026-09-01").model_copy(update={"signatures": signed(Giver.PARENT, day="2026-07-31")}), "2026-09-01", ("signature-date",)),
        ([], asked(older_on=dt.date(2026, 12, 1)), "2026-09-01", ()),
        ([], asked(older_on=dt.date(2026, 9, 1)), "2026-09-01", ("older-before",)),
        ([], asked(older_on=dt.date(2027, 3, 2)), "2026-09-01", ("older-after",)),
        ([], asked(age_group=AgeGroup.FROM_16, older_on=dt.date(2026, 12, 1)), "2026-09-01", ("older-sixteen",)),
        ([], asked("2026-09-02"), "2026-09-01", ("clock",)),
        ([asked("2026-09-03")], given("2026-09-02"), "2026-09-04", ("clock",)),
        ([], given(), "2026-09-01", ("not-now",)),
        ([asked()], given(), "2026-09-01", ()),
        ([asked()], given("2026-09-01", Giver.PUPIL), "2026-09-01", ("giver-parent", "giver-extra")),
        ([asked()], given("2026-09-01", Giver.PARENT, Giver.PARENT), "2026-09-01", ()),
        ([asked(age_group=AgeGroup.FROM_12)], given("2026-09-01", Giver.PUPIL), "2026-09-01", ("giver-parent",)),
        ([asked(age_group=AgeGroup.FROM_12)], given(), "2026-09-01", ("giver-pupil",)),
        ([asked(age_group=AgeGroup.FROM_12)], given("2026-09-01", Giver.PARENT, Giver.PUPIL), "2026-09-01", ()),
        ([asked(age_group=AgeGroup.FROM_12)], given("2026-09-01", Giver.PARENT, Giver.PUPIL, Giver.PUPIL), "2026-09-01", ("giver-extra",)),
        ([asked(age_group=AgeGroup.FROM_16)], given("2026-09-01", Giver.PUPIL), "2026-09-01", ()),
        ([asked(age_group=AgeGroup.FROM_16)], given(), "2026-09-01", ("giver-pupil", "giver-extra")),
        ([asked(age_group=AgeGroup.FROM_16)], given("2026-09-01", Giver.PARENT, Giver.PUPIL), "2026-09-01", ("giver-extra",)),
        ([asked()], given("2026-09-02").model_copy(update={"at": moment("2026-09-01")}), "2026-09-01", ("signature-date",)),
        ([asked()], given("2027-03-02"), "2027-03-02", ("not-now",)),
        ([asked()], expired("2027-03-02"), "2027-03-02", ()),
        ([asked()], expired("2027-03-01"), "2027-03-01", ("not-now",)),
        (TURNS_12, withdrawn("2026-12-05"), "2026-12-05", ()),
        (TURNS_16, withdrawn("2026-11-30"), "2026-11-30", ()),
        (TURNS_16, withdrawn("2026-12-01"), "2026-12-01", ("withdrawer",)),
        (TURNS_16, withdrawn("2026-12-01", Giver.PUPIL), "2026-12-01", ()),
        ([asked(age_group=AgeGroup.FROM_16), given("2026-09-01", Giver.PUPIL)], withdrawn("2026-10-01"), "2026-10-01", ("withdrawer",)),
        ([asked(older_on=dt.date(2026, 12, 1))], given("2026-12-01"), "2026-12-01", ("older-since",)),
        (TURNS_12, confirmed("2026-12-05", 12), "2026-12-05", ()),
        (TURNS_12, confirmed("2026-12-05", 16), "2026-12-05", ("not-now",)),
        (TURNS_12, confirmed("2026-12-05", 12, Giver.PARENT), "2026-12-05", ("giver-pupil",)),
        (TURNS_12, confirmed("2026-11-30", 12), "2026-11-30", ("not-now",)),
        (TURNS_16, confirmed("2026-12-05", 16).model_copy(update={"at": moment("2026-12-04")}), "2026-12-04", ("signature-date",)),
        (TURNS_12, confirmed("2026-12-05", 12, signed_on="2026-11-30"), "2026-12-05", ("signature-date",)),
        (TURNS_16, confirmed("2026-12-05", 16, signed_on="2026-11-30"), "2026-12-05", ("signature-date",)),
        (TURNS_16, confirmed("2026-12-05", 16, signed_on="2026-12-01"), "2026-12-05", ()),
        (GIVEN, narrowed("2026-10-01", ILLNESS, "2026-12-31"), "2026-10-01", ()),
        ([], asked(scope=ILLNESS | {DataCategory.CONSENT_EVENTS}), "2026-09-01", ("scope",)),
        (GIVEN, narrowed("2026-10-01"), "2026-10-01", ("withdraw-instead",)),
        (GIVEN, narrowed("2026-10-01", frozenset({"illness_hours"})), "2026-10-01", ("withdraw-instead",)),
        (GIVEN, narrowed("2026-10-01", frozenset()), "2026-10-01", ("withdraw-instead",)),
        (GIVEN, narrowed("2026-10-01", frozenset({"medical_facts"})), "2026-10-01", ("not-narrower",)),
        (GIVEN, narrowed("2026-10-01", last_day="2027-03-02"), "2026-10-01", ("not-narrower",)),
        (LATER, narrowed("2026-10-01", ILLNESS, "2026-12-01"), "2026-10-01", ()),
        (LATER, narrowed("2026-10-01", ILLNESS, "2026-11-30"), "2026-10-01", ("first-day",)),
        (GIVEN, withdrawn("2026-10-01"), "2026-10-01", ()),
        (GIVEN, expired("2027-03-01"), "2027-03-01", ("not-now",)),
        (GIVEN, expired("2027-03-02"), "2027-03-02", ()),
        ([*GIVEN, expired("2027-03-02")], expired("2027-03-03"), "2027-03-03", ("not-now",)),
        ([asked(), refused()], given("2026-09-02"), "2026-09-02", ("not-now",)),
    ],
)  # fmt: skip
def test_what_keeps_an_event_from_being_taken(
    events: Sequence[Event], new: Event, day: str, problems: tuple[str, ...]
) -> None:
    """Every problem at once, by its code."""
    assert codes(events, new, day) == problems


@pytest.mark.parametrize(("last_day", "older_on"), [("2026-12-01", dt.date(2026, 12, 1)), ("2026-11-30", None)])
def test_a_sooner_end_drops_the_birthday_after_it(last_day: str, older_on: dt.date | None) -> None:
    """The day on which the age group changes is kept only where it comes before the end."""
    narrower = state([*TURNS_16, narrowed("2026-10-01", ILLNESS, last_day)], "2026-10-01")
    assert narrower.terms is not None
    assert narrower.terms.older_on == older_on


def test_every_problem_says_how_to_mend_it() -> None:
    """A sentence in both languages, with a remedy after the colon."""
    assert all(": " in text.nl and ": " in text.en for text in PROBLEMS.values())


EVENT = st.one_of(
    st.builds(asked, st.just("2026-09-01"), age_group=st.sampled_from(AgeGroup), older_on=st.sampled_from([None, dt.date(2026, 12, 1)])),
    *(
        st.builds(make, st.sampled_from(["2026-09-01", "2026-10-01", "2026-12-05", "2027-03-01", "2027-03-02"]))
        for make in (
            given,
            lambda day: given(day, Giver.PARENT, Giver.PUPIL),
            lambda day: given(day, Giver.PUPIL),
            refused, withdrawn, narrowed, expired, confirmed,
            lambda day: confirmed(day, 12),
        )
    ),
)  # fmt: skip


@having(st.lists(EVENT, max_size=12))
def test_what_passed_the_checks_always_folds(offered: list[Event]) -> None:
    """Any events, each taken only without problems: the history folds, an end is final, nothing holds too long."""
    events: list[Event] = []
    for event in sorted(offered, key=lambda event: event.at):
        before = fold(events, event.at)
        if not problems_of(events, event, purpose=PURPOSE, now=event.at):
            assert not before.closed
            events.append(event)
    for day in ("2026-08-31", "2026-09-01", "2026-11-30", "2026-12-01", "2027-03-01", "2027-03-02", "2028-01-01"):
        now = state(events, day)
        if now.stage is Stage.GIVEN and now.terms is not None:
            assert moment(day).date() <= now.terms.last_day
            assert now.terms.older_on is None or moment(day).date() < now.terms.older_on or now.confirmed
    assert len([event for event in events if event.event == "given"]) <= 1


def test_events_survive_being_stored() -> None:
    """JSON and back, with the kind of each event."""
    history = [*TURNS_16, confirmed("2026-12-05", 16), narrowed("2026-12-06"), withdrawn("2027-01-01")]
    assert list(EVENTS.validate_json(EVENTS.dump_json(tuple(history)))) == history


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"evidence": ""}, "evidence"),
        ({"evidence": "AB" * 32}, "evidence"),
        ({"giver": "school"}, "giver"),
        ({"name": "Jan"}, "name"),
    ],
)  # fmt: skip
def test_a_signature_is_role_day_and_commitment(change: dict[str, str], where: str) -> None:
    """Missing evidence, an unknown giver and a name are refused."""
    good = {"giver": "parent", "date": "2026-09-01", "evidence": EVIDENCE}
    assert Signature.model_validate_json(json.dumps(good))
    with pytest.raises(ValidationError, match=where):
        Signature.model_validate_json(json.dumps(good | change))


@pytest.mark.parametrize("missing", ["last_day", "recipient", "scope", "notice", "age_group"])
def test_terms_are_complete_or_refused(missing: str) -> None:
    """Recipient, scope, end and notice are mandatory."""
    document = json.loads(terms().model_dump_json())
    del document[missing]
    with pytest.raises(ValidationError, match=missing):
        type(terms()).model_validate_json(json.dumps(document))


def test_evidence_is_committed_with_a_nonce() -> None:
    """Without a nonce of 32 bytes a form could be guessed from its hash."""
    assert commitment(bytes(32), b"ja") == commitment(bytes(32), b"ja") != commitment(b"\1" + bytes(31), b"ja")
    assert Signature(giver=Giver.PARENT, date=dt.date(2026, 9, 1), evidence=commitment(bytes(32), b"ja"))
    with pytest.raises(PolicyError, match="32 bytes"):
        commitment(b"", b"ja")


@pytest.mark.parametrize(
    ("events", "day", "permitted"),
    [
        (GIVEN, "2026-11-02", True),
        ([asked()], "2026-11-02", False),
        ([], "2026-11-02", False),
        ([*GIVEN, withdrawn("2026-10-01")], "2026-11-02", False),
        ([*GIVEN, narrowed("2026-10-01")], "2026-11-02", False),
        (TURNS_16, "2026-12-01", False),
        ([*TURNS_16, confirmed("2026-12-05")], "2026-12-06", True),
        (GIVEN, "2027-03-02", False),
    ],
)  # fmt: skip
def test_a_consent_is_put_to_the_rules_as_it_is_now(events: Sequence[Event], day: str, permitted: bool) -> None:
    """From events to decision: only what holds today lets a record through."""
    thing = record_under(
        state(events, day), party=SITE.code, owner=SITE.code, recipient=JGZ, data=ILLNESS, sealed=True, agreement=True
    )
    asking = Request(
        CALLERS["school"], Action.SUBMIT_CONSENTED_RECORD, thing, ("care-with-consent",), "consented-records"
    )
    assert isinstance(law().decide(asking, at=moment(day)), Permit) == permitted
