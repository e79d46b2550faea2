"""Shapes of the API's JSON bodies: field names in camelCase, as the design rules ask."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from gateway.collections import TOTAL
from gateway.deliveries import Seen, are_erased
from gateway.notices import Notified
from gateway.publish.asking import EXPIRED
from gateway.publish.downloading import Listed
from gateway.receive import Received
from gateway.store import Submission


def instant(moment: datetime) -> str:
    """A moment as every answer says it: UTC, RFC 3339, with milliseconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


Instant = Annotated[
    datetime, PlainSerializer(instant, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]


class Body(BaseModel):
    """A body of the API; an unknown field in a request is refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


def notice_body(notified: Notified | None) -> dict[str, object] | None:
    """The notice that a consent has ended: the last day to answer, and what its recipient answered."""
    if notified is None:
        return None
    answer = notified.answer
    told = answer and {"at": instant(answer.at), "outcome": answer.outcome, "basis": answer.basis}
    return {"answerBy": str(notified.answer_by), "answer": told}


class CountBody(Body):
    """One leaf count of the caller's own site."""

    subdivision: str
    kind: str
    band: str
    pupils: int = Field(ge=0)


class SubmissionBody(Body):
    """A submission as its own site sees it; one that is `erased` lost counts and receipts at the end of their term."""

    id: str
    collection: str
    site: str
    period: str
    version: int
    state: str
    received_at: Instant
    confirmed_at: Instant | None
    erased: bool
    counts: list[CountBody]
    receipt: str | None = None
    notes: list[str] = []

    @classmethod
    def of(cls, submission: Submission, period: str, seen: Seen | Received) -> Self:
        """The body of a submission."""
        return cls(
            id=submission.id,
            collection=submission.collection,
            site=submission.site,
            period=period,
            version=submission.version,
            state=str(submission.state),
            received_at=submission.received_at,
            confirmed_at=submission.confirmed_at,
            erased=are_erased(submission),
            counts=[CountBody(subdivision=s, kind=k, band=b, pupils=n) for (s, k, b), n in sorted(seen.counts.items())],
            receipt=seen.receipt if isinstance(seen, Received) else None,
            notes=list(seen.notes) if isinstance(seen, Received) else [],
        )


class CheckedBody(Body):
    """A dry run without faults."""

    pupils: int
    notes: list[str]


class ReportBody(Body):
    """The report of a submission that was accepted: no faults, and the rules it was held against."""

    collection: str
    faults: list[str]
    rules: list[str]


class SubmissionItem(Body):
    """A submission in a list, without its counts."""

    id: str
    collection: str
    period: str
    version: int
    state: str
    received_at: Instant
    confirmed_at: Instant | None

    @classmethod
    def of(cls, submission: Submission, period: str) -> Self:
        """The item of a submission."""
        fields = cls.model_fields.keys() - {"period"}
        return cls(period=period, **{name: getattr(submission, name) for name in fields})


class ReleaseItem(Body):
    """A release in the catalogue; of two published ones of a period, the one that `corrects` the other holds.

    One that is `expired` was erased because its retention term is over; nobody undid it.
    """

    id: str
    collection: str
    period: str
    exercise: bool
    state: str
    purposes: list[str]
    published_at: Instant | None
    corrects: str | None
    expired: bool

    @classmethod
    def of(cls, listed: Listed) -> Self:
        """The item of a release."""
        return cls(
            id=listed.release.id,
            collection=listed.period.table_id,
            period=listed.period.code,
            exercise=listed.period.exercise,
            state=str(listed.release.state),
            purposes=listed.release.purposes.split(),
            published_at=listed.release.published_at,
            corrects=listed.release.corrects,
            expired=listed.release.failure == EXPIRED,
        )


Text = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[^\x00]*$")]  # PostgreSQL keeps no NUL


class BuildBody(Body):
    """What to build."""

    collection: Text
    period: Text


class ReasonBody(Body):
    """Why: compulsory for publication and withdrawal."""

    reason: Text


class ApprovalBody(ReasonBody):
    """A verdict on a release that somebody else built."""

    approved: bool


def head_count(seen: dict[tuple[str, str, str], int]) -> int:
    """Pupils in a file: the total of its first kind."""
    kind = next(iter(seen), ("", TOTAL, ""))[1]
    return sum(pupils for (_, of_kind, _), pupils in seen.items() if of_kind == kind)
