"""A consent in good order, and its events."""

import datetime as dt
from collections.abc import Sequence

from policies.consent import (
    AgeGroup,
    Asked,
    Confirmed,
    Event,
    Expired,
    Given,
    Giver,
    Narrowed,
    Refused,
    Signature,
    State,
    Terms,
    Withdrawn,
    fold,
)
from policies.consent_problems import problems_of
from policies.parties import Kind
from tests.policies.world import AMSTERDAM, ILLNESS, JGZ, law

EVIDENCE = "ab" * 32
PURPOSE = law().purposes["care-with-consent"]


def moment(day: str) -> dt.datetime:
    """Nine o'clock in Amsterdam on a day."""
    return dt.datetime.fromisoformat(day).replace(hour=9, tzinfo=AMSTERDAM)


def terms(**more: object) -> Terms:
    """Asked on 1 September 2026 for a child of ten, until 1 March 2027."""
    usual: dict[str, object] = {
        "purpose": "care-with-consent", "recipient": JGZ.code, "recipient_is": Kind.YOUTH_HEALTH_CARE, "scope": ILLNESS,
        "first_day": dt.date(2026, 9, 1), "last_day": dt.date(2027, 3, 1), "notice": "uitleg-2026-1", "language": "nl",
        "age_group": AgeGroup.UNDER_12,
    }  # fmt: skip
    return Terms.model_validate(usual | more)


def signed(*givers: Giver, day: str = "2026-09-01") -> tuple[Signature, ...]:
    """Who consented."""
    return tuple(Signature(giver=giver, date=dt.date.fromisoformat(day), evidence=EVIDENCE) for giver in givers)


def asked(day: str = "2026-09-01", **more: object) -> Asked:
    """The question."""
    return Asked(at=moment(day), terms=terms(**more))


def given(day: str = "2026-09-01", *givers: Giver) -> Given:
    """Yes, by a parent unless said otherwise."""
    return Given(at=moment(day), signatures=signed(*(givers or (Giver.PARENT,)), day=day))


def refused(day: str = "2026-09-01") -> Refused:
    """No."""
    return Refused(at=moment(day))


def withdrawn(day: str, by: Giver = Giver.PARENT) -> Withdrawn:
    """No more."""
    return Withdrawn(at=moment(day), by=by)


def narrowed(day: str, scope: frozenset[str] = frozenset({"case_reference"}), last_day: str = "2027-03-01") -> Narrowed:
    """Less."""
    return Narrowed.model_validate(
        {"at": moment(day), "scope": scope, "last_day": dt.date.fromisoformat(last_day)}, strict=False
    )


def confirmed(day: str, age: int = 16, giver: Giver = Giver.PUPIL, signed_on: str = "") -> Confirmed:
    """The pupil, older now, agrees."""
    return Confirmed.model_validate(
        {"event": f"confirmed-{age}", "at": moment(day), "signature": signed(giver, day=signed_on or day)[0]}
    )


def expired(day: str) -> Expired:
    """The run that destroys the key."""
    return Expired(at=moment(day))


def state(events: Sequence[Event], day: str) -> State:
    """What holds on a day."""
    return fold(events, moment(day))


def codes(events: Sequence[Event], new: Event, day: str) -> tuple[str, ...]:
    """What keeps an event from being taken on a day."""
    return tuple(problem.code for problem in problems_of(events, new, purpose=PURPOSE, now=moment(day)))
