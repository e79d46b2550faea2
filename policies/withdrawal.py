"""What a withdrawal sets going: a notice to the recipient, its answer, and the list of answers that are overdue."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from policies.consent import Event, Stage, State, fold, happened
from policies.days import local_day
from policies.errors import PolicyError
from policies.sources import Strict, Text

ANSWER_DAYS = 14


@dataclass(frozen=True, slots=True)
class Notice:
    """What the recipient is told (AVG art. 19), to be signed by the gateway.

    Attributes:
        consent: id of the consent; the recipient knows the pupil through its own sealed reference.
        number: of the event that ended the consent.
        cause: withdrawn, or expired on its last day.
        answer_by: the last day to answer.
    """

    consent: str
    recipient: str
    number: int
    cause: Literal["withdrawn", "expired"]
    at: dt.datetime
    answer_by: dt.date

    def document(self) -> dict[str, object]:
        """The notice as JSON values, with what the recipient must do."""
        return {
            "type": "consent-ended",
            "consent": self.consent,
            "recipient": self.recipient,
            "event": self.number,
            "cause": self.cause,
            "at": self.at.isoformat(timespec="milliseconds"),
            "answer_by": self.answer_by.isoformat(),
            "legal_basis": "AVG art. 7(3), 17(1)(b), 19",
            "request": {"nl": REQUEST.nl, "en": REQUEST.en},
        }


REQUEST = Text(
    nl="Stop met het gebruik, wis wat u ontving tenzij u een andere grondslag hebt, en antwoord op tijd.",
    en="Stop using it, erase what you received unless you have another legal basis, and answer in time.",
)


class Answer(Strict):
    """What the recipient did; no free text, for it could name somebody.

    Attributes:
        outcome: erased, or kept on another legal basis.
        basis: paragraph of AVG art. 17(3) that allows keeping it.
    """

    at: AwareDatetime
    outcome: Literal["erased", "kept"]
    basis: Annotated[Literal["17(3)(b)", "17(3)(c)", "17(3)(e)"] | None, Field()] = None

    @model_validator(mode="after")
    def _basis_where_kept(self) -> Self:
        if (self.outcome == "kept") != (self.basis is not None):
            raise ValueError("a basis belongs to outcome kept, and only there: name 17(3)(b), 17(3)(c) or 17(3)(e)")
        return self


def notice(consent: str, state: State) -> Notice:
    """The notice about a consent that an event just ended.

    Raises:
        PolicyError: no event ended it; there is nothing to tell.
    """
    if not (state.closed and state.given) or state.terms is None or state.last is None:
        raise PolicyError("a notice is about a consent that was given, and was withdrawn or has expired")
    return Notice(
        consent=consent,
        recipient=state.terms.recipient,
        number=state.number,
        cause="withdrawn" if state.stage is Stage.WITHDRAWN else "expired",
        at=state.last,
        answer_by=local_day(state.last) + dt.timedelta(days=ANSWER_DAYS),
    )


def overdue(notices: Iterable[Notice], answered: Collection[str], today: dt.date) -> tuple[Notice, ...]:
    """Notices without an answer after their last day, the oldest first: for the privacy officer's page.

    Args:
        notices: all notices sent.
        answered: ids of the consents whose notice was answered.
        today: the day to judge by.
    """
    late = [sent for sent in notices if sent.consent not in answered and today > sent.answer_by]
    return tuple(sorted(late, key=lambda sent: (sent.answer_by, sent.consent)))


def to_expire(histories: Mapping[str, Sequence[Event]], at: dt.datetime) -> tuple[str, ...]:
    """Ids of consents whose last day has passed without an event that ends them: the retention run appends `Expired`.

    Questions that were never answered are among them; there is no notice about those.
    """
    states = {consent: fold(events, happened(events, at)) for consent, events in histories.items()}
    return tuple(sorted(c for c, state in states.items() if state.stage is Stage.EXPIRED and not state.closed))
