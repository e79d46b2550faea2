"""What a withdrawal sets going."""

# ruff: noqa: E501  a table is read by its rows

import datetime as dt

import pytest

from policies.consent import State
from policies.errors import PolicyError
from policies.withdrawal import Answer, Notice, notice, overdue, to_expire
from tests.policies.consents import asked, expired, given, moment, refused, state, withdrawn

GIVEN = [asked(), given()]


def test_the_recipient_gets_a_notice_that_must_be_answered() -> None:
    """Which consent, why, since when, and by when to answer; nothing about the pupil."""
    sent = notice("c-1", state([*GIVEN, withdrawn("2026-10-01")], "2026-10-01"))
    assert sent == Notice("c-1", "ORG-JGZ", 3, "withdrawn", moment("2026-10-01"), dt.date(2026, 10, 15))
    document = sent.document()
    assert document["answer_by"] == "2026-10-15"
    assert document["at"] == "2026-10-01T09:00:00.000+02:00"
    assert set(document) == {
        "type",
        "consent",
        "recipient",
        "event",
        "cause",
        "at",
        "answer_by",
        "legal_basis",
        "request",
    }


def test_an_expiry_is_told_as_well() -> None:
    """The recipient must stop then too."""
    assert notice("c-1", state([*GIVEN, expired("2027-03-02")], "2027-03-02")).cause == "expired"


@pytest.mark.parametrize(
    "now",
    [State(), state([asked()], "2026-09-02"), state([asked(), expired("2027-03-02")], "2027-03-02"), state(GIVEN, "2026-09-02"), state([asked(), refused()], "2026-09-02"), state(GIVEN, "2027-03-02")],
)  # fmt: skip
def test_there_is_no_notice_about_what_an_event_did_not_end(now: State) -> None:
    """Not asked, asked, given, refused, or over without its key being destroyed."""
    with pytest.raises(PolicyError, match="was given, and was withdrawn or has expired"):
        notice("c-1", now)


def test_overdue_answers_are_listed_oldest_first() -> None:
    """On the last day it is not overdue, the day after it is, once answered it never is."""
    late = notice("late", state([*GIVEN, withdrawn("2026-10-01")], "2026-10-01"))
    later = notice("later", state([*GIVEN, withdrawn("2026-10-02")], "2026-10-02"))
    assert overdue([later, late], (), dt.date(2026, 10, 15)) == ()
    assert overdue([later, late], (), dt.date(2026, 10, 16)) == (late,)
    assert overdue([later, late], (), dt.date(2026, 10, 17)) == (late, later)
    assert overdue([later, late], {"late"}, dt.date(2026, 10, 17)) == (later,)


def test_what_must_expire_is_found_once() -> None:
    """Past its last day, and the event that destroys the key not there yet."""
    histories = {
        "running": [asked(last_day=dt.date(2027, 6, 1)), given()],
        "over": GIVEN,
        "done": [*GIVEN, expired("2027-03-02")],
        "withdrawn": [*GIVEN, withdrawn("2026-10-01")],
        "never answered": [asked()],
    }
    assert to_expire(histories, moment("2027-03-02")) == ("never answered", "over")
    assert to_expire(histories, moment("2027-03-01")) == ()


@pytest.mark.parametrize(
    ("outcome", "basis", "accepted"),
    [("erased", None, True), ("kept", "17(3)(b)", True), ("kept", None, False), ("erased", "17(3)(b)", False)],
)  # fmt: skip
def test_keeping_needs_a_basis_and_erasing_none(outcome: str, basis: str | None, accepted: bool) -> None:
    """AVG art. 17(3) is the only way to keep it."""
    document = {"at": moment("2026-10-05"), "outcome": outcome, "basis": basis}
    if accepted:
        assert Answer.model_validate(document).outcome == outcome
    else:
        with pytest.raises(ValueError, match="a basis belongs to outcome kept"):
            Answer.model_validate(document)
