"""Consent as append-only events; what holds at a moment is their fold. Never a name, and never a birth date.

Who must consent follows UAVG art. 5 (16) and, for health data, the KNMG guide: below twelve the parents, from twelve to
fifteen parents and child, from sixteen the pupil alone.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints, TypeAdapter

from policies.days import local_day
from policies.errors import PolicyError
from policies.parties import Kind, Party
from policies.purpose import NEVER, DataCategory
from policies.sources import Key, Strict
from policies.things import ConsentedRecord

Commitment = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PartyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{1,39}$")]


class Giver(StrEnum):
    """Who consents."""

    PARENT = "parent"
    PUPIL = "pupil"


class AgeGroup(StrEnum):
    """The age group of the pupil, which decides who must consent; no birth date is kept."""

    UNDER_12 = "under-12"
    FROM_12 = "12-15"
    FROM_16 = "16-plus"


REQUIRED: Mapping[AgeGroup, frozenset[Giver]] = {
    AgeGroup.UNDER_12: frozenset({Giver.PARENT}),
    AgeGroup.FROM_12: frozenset({Giver.PARENT, Giver.PUPIL}),
    AgeGroup.FROM_16: frozenset({Giver.PUPIL}),
}


class Signature(Strict):
    """That somebody consented: role, day and a commitment to the evidence, which stays at the school."""

    giver: Giver
    date: dt.date
    evidence: Commitment


class Terms(Strict):
    """What is asked.

    Attributes:
        recipient: code of the one party that may receive; `recipient_is` its kind in the register.
        scope: categories of data.
        first_day: first and last day on which it holds, both included.
        notice: version of the text that was read out or handed over, and its language.
        age_group: of the pupil when asked.
        older_on: the day on which the age group changes, only where that is before `last_day`.
    """

    purpose: Key
    recipient: PartyCode
    recipient_is: Kind
    scope: frozenset[DataCategory]
    first_day: dt.date
    last_day: dt.date
    notice: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")]
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
    age_group: AgeGroup
    older_on: dt.date | None = None


class _Event(Strict):
    at: AwareDatetime


class Asked(_Event):
    """The question was put, with these terms."""

    event: Literal["asked"] = "asked"
    terms: Terms


class Given(_Event):
    """Everybody who must consent did."""

    event: Literal["given"] = "given"
    signatures: Annotated[tuple[Signature, ...], Field(min_length=1, max_length=3)]


class Refused(_Event):
    """No. Nothing more is asked, and from the next retention run on nothing about it is kept but the moment."""

    event: Literal["refused"] = "refused"


class Narrowed(_Event):
    """A sooner end. With less data no record can be: then it is withdrawn."""

    event: Literal["narrowed"] = "narrowed"
    scope: frozenset[DataCategory]
    last_day: dt.date


class Confirmed(_Event):
    """The pupil, twelve or sixteen by now, confirms; until then nothing new goes out."""

    event: Literal["confirmed-12", "confirmed-16"]
    signature: Signature

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """The pupil's, as those of whoever gave it."""
        return (self.signature,)


class Withdrawn(_Event):
    """Any one who has a say may withdraw, as easily as it was given (AVG art. 7(3)); from sixteen that is the pupil."""

    event: Literal["withdrawn"] = "withdrawn"
    by: Giver


class Expired(_Event):
    """The last day has passed and the key was destroyed."""

    event: Literal["expired"] = "expired"


Event = Annotated[Asked | Given | Refused | Narrowed | Confirmed | Withdrawn | Expired, Field(discriminator="event")]
EVENTS: TypeAdapter[tuple[Event, ...]] = TypeAdapter(tuple[Event, ...])


class Stage(StrEnum):
    """Where a consent stands."""

    NONE = "none"
    ASKED = "asked"
    REFUSED = "refused"
    GIVEN = "given"
    UNCONFIRMED = "unconfirmed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


_POSSIBLE: Mapping[Stage, frozenset[str]] = {
    Stage.NONE: frozenset({"asked"}),
    Stage.ASKED: frozenset({"given", "refused"}),
    Stage.GIVEN: frozenset({"narrowed", "withdrawn"}),
    Stage.UNCONFIRMED: frozenset({"narrowed", "withdrawn", "confirmed-12", "confirmed-16"}),
    Stage.REFUSED: frozenset(),
    Stage.WITHDRAWN: frozenset(),
    Stage.EXPIRED: frozenset({"expired"}),
}
_ENDS = {"refused": Stage.REFUSED, "withdrawn": Stage.WITHDRAWN, "expired": Stage.EXPIRED}
CONFIRMS = {AgeGroup.UNDER_12: "confirmed-12", AgeGroup.FROM_12: "confirmed-16"}


class BrokenHistory(PolicyError):  # noqa: N818  the outcome's name
    """The stored events contradict each other: somebody wrote past `consent_problems`."""


@dataclass(frozen=True, slots=True)
class State:
    """What holds at a moment: a fold over the events up to it.

    Attributes:
        stage: where it stands that day.
        terms: as narrowed since; none before the question was put.
        given: it was given at some time: only then has the recipient ever known of it.
        confirmed: the pupil confirmed since growing older.
        number: how many events count, and so the number of the last one.
        last: moment of the last event.
        closed: an event ended it for good.
    """

    stage: Stage = Stage.NONE
    terms: Terms | None = None
    given: bool = False
    confirmed: bool = False
    number: int = 0
    last: dt.datetime | None = None
    closed: bool = False


def fold(events: Sequence[Event], at: dt.datetime) -> State:
    """What holds at a moment.

    Raises:
        BrokenHistory: the events are out of order, or one was not possible when it happened.
    """
    state = State()
    for event in events:
        if event.at > at:
            break
        state = _step(state, event)
    return _on(state, local_day(at))


def happened(events: Sequence[Event], at: dt.datetime) -> dt.datetime:
    """The moment to fold stored events at, and to stamp the next: they have happened, whoever's clock was ahead."""
    return max([at, *(event.at for event in events)])


def _step(state: State, event: Event) -> State:
    before = _on(state, local_day(event.at))
    if event.event not in possible_events(before) or (state.last is not None and event.at < state.last):
        raise BrokenHistory(f"event {state.number + 1}, {event.event}, was not possible then")
    after = replace(before, number=state.number + 1, last=event.at)
    match event:
        case Asked(terms=terms):
            return replace(after, stage=Stage.ASKED, terms=terms)
        case Given():
            return replace(after, stage=Stage.GIVEN, given=True)
        case Confirmed():
            return replace(after, stage=Stage.GIVEN, confirmed=True)
        case Narrowed() if after.terms is not None:
            return replace(after, terms=_narrow(after.terms, event))
        case _:
            return replace(after, stage=_ENDS[event.event], closed=True)


def _narrow(terms: Terms, less: Narrowed) -> Terms:
    """Terms with a sooner end; the day on which the age group changes goes where it is not before that end any more."""
    older = terms.older_on if terms.older_on is not None and terms.older_on <= less.last_day else None
    return terms.model_copy(update={"scope": less.scope, "last_day": less.last_day, "older_on": older})


def _on(state: State, day: dt.date) -> State:
    """The state as time alone has changed it by a day: it ends with its last day, and waits once the pupil is older."""
    terms = state.terms
    if terms is None or state.closed:
        return state
    if day > terms.last_day:
        return replace(state, stage=Stage.EXPIRED)
    if state.stage is Stage.ASKED:
        return state
    older = terms.older_on is not None and day >= terms.older_on
    return replace(state, stage=Stage.UNCONFIRMED if older and not state.confirmed else Stage.GIVEN)


def possible_events(state: State) -> frozenset[str]:
    """Names of the events that can follow."""
    if state.closed:
        return frozenset()
    wrong = {"confirmed-12", "confirmed-16"} - {CONFIRMS.get(state.terms.age_group) if state.terms else None}
    return _POSSIBLE[state.stage] - wrong


def commitment(nonce: bytes, evidence: bytes) -> str:
    """What is registered of a piece of evidence: SHA-256 over a nonce and its bytes, in hexadecimal.

    Args:
        nonce: 32 random bytes that stay at the school with the evidence.
        evidence: the signed form or the recorded answer.

    Raises:
        PolicyError: the nonce has another length; without it a form could be guessed from its hash.
    """
    if len(nonce) != NONCE_BYTES:
        raise PolicyError(f"the nonce has {NONCE_BYTES} bytes")
    return hashlib.sha256(nonce + evidence).hexdigest()


NONCE_BYTES = 32


def record_under(
    state: State,
    *,
    party: str,
    owner: str,
    recipient: Party,
    data: frozenset[DataCategory],
    sealed: bool,
    agreement: bool,
) -> ConsentedRecord:
    """A record and the consent it would stand under, as the rules look at it.

    Args:
        state: the consent as it is now; `State()` where there is none.
        party: the site that sends the record.
        owner: the site the consent belongs to; empty where there is none.
        recipient: the party the record is for.
        data: categories in the record.
        sealed: its case reference is sealed to the recipient's key.
        agreement: the processor agreement of the site that sends it holds.
    """
    terms = state.terms
    return ConsentedRecord(
        party=party,
        recipient=recipient.code,
        recipient_is=recipient.kind,
        data=data,
        consent_state=state.stage.value,
        consent_party=owner,
        consent_recipient=terms.recipient if terms else "",
        consent_scope=terms.scope if terms else frozenset(),
        consent_from=terms.first_day if terms else NEVER,
        consent_until=terms.last_day if terms else dt.date.min,
        sealed=sealed,
        agreement=agreement,
    )
