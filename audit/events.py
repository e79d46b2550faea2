"""The closed list of what the log records, and which fields each event may carry.

A field that does not stand here for an event cannot be logged with it. No event carries a count of pupils, a name, a
number of a pupil, a reason in free words, a file name or an address; consent events name no site, recipient or class.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, get_args


class Decision(StrEnum):
    """Outcome of what was asked; a denial is a normal outcome, an error is not."""

    PERMIT = "permit"
    DENY = "deny"
    ERROR = "error"


class Role(StrEnum):
    """In what capacity an organisation acted; a person is never named."""

    SCHOOL = "school"
    SUPPLIER = "supplier"
    RECIPIENT = "recipient"
    OPERATOR = "operator"
    PRIVACY_OFFICER = "privacy-officer"
    CONTROLLER_OFFICER = "controller-officer"
    YOUTH_HEALTH_CARE = "youth-health-care"
    PUBLIC = "public"
    GATEWAY = "gateway"
    PSEUDONYM_SERVICE = "pseudonym-service"


class Event(StrEnum):
    """Everything the product does that must be accounted for."""

    SUBMISSION_RECEIVED = "submission.received"
    SUBMISSION_CHECKED = "submission.checked"
    SUBMISSION_REFUSED = "submission.refused"
    SUBMISSION_CONFIRMED = "submission.confirmed"
    SUBMISSION_WITHDRAWN = "submission.withdrawn"
    SUBMISSION_READ = "submission.read"
    PERIOD_OPENED = "period.opened"
    PERIOD_CLOSED = "period.closed"
    PERIOD_REOPENED = "period.reopened"
    PARTY_ADDED = "party.added"
    PARTY_CHANGED = "party.changed"
    PARTY_LET_IN = "party.let-in"
    REGISTER_EXPORTED = "register.exported"
    REGISTER_READ = "register.read"
    MANDATE_GRANTED = "mandate.granted"
    MANDATE_REVOKED = "mandate.revoked"
    AGREEMENT_REGISTERED = "agreement.registered"
    AGREEMENT_ENDED = "agreement.ended"
    TOKEN_ISSUED = "token.issued"  # noqa: S105  the name of an event, not a secret
    TOKEN_REVOKED = "token.revoked"  # noqa: S105  likewise
    LINK_ISSUED = "link.issued"
    SESSION_OPENED = "session.opened"
    SESSION_RAISED = "session.raised"
    SESSION_CLOSED = "session.closed"
    SESSION_REFUSED = "session.refused"
    REQUEST_REFUSED = "request.refused"
    DECISION_ASKED = "decision.asked"
    RELEASE_ASKED = "release.asked"
    RELEASE_BUILT = "release.built"
    RELEASE_REFUSED = "release.refused"
    RELEASE_APPROVED = "release.approved"
    RELEASE_REJECTED = "release.rejected"
    RELEASE_PUBLISHED = "release.published"
    RELEASE_WITHDRAWN = "release.withdrawn"
    RELEASE_DOWNLOADED = "release.downloaded"
    OWN_TABLE_DOWNLOADED = "own-table.downloaded"
    CERTIFICATE_READ = "certificate.read"
    POLICY_LOADED = "policy.loaded"
    SETTING_CHANGED = "setting.changed"
    KEY_CREATED = "key.created"
    KEY_PUBLISHED = "key.published"
    KEY_ROTATED = "key.rotated"
    KEY_RETIRED = "key.retired"
    KEY_DESTROYED = "key.destroyed"
    PSEUDONYM_MERGED = "pseudonym.merged"
    QUOTA_GRANTED = "quota.granted"
    BATCH_EVALUATED = "batch.evaluated"
    BATCH_REPEATED = "batch.repeated"
    BATCH_REFUSED = "batch.refused"
    CONSENT_ASKED = "consent.asked"
    CONSENT_REFUSED = "consent.refused"
    CONSENT_GIVEN = "consent.given"
    CONSENT_NARROWED = "consent.narrowed"
    CONSENT_CONFIRMED = "consent.confirmed"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    CONSENT_EXPIRED = "consent.expired"
    CONSENT_READ = "consent.read"
    CONSENT_NOTICE_SENT = "consent.notice-sent"
    CONSENT_NOTICE_ANSWERED = "consent.notice-answered"
    RECORD_STORED = "record.stored"
    RECORD_REFUSED = "record.refused"
    RECORD_READ = "record.read"
    ACCESS_REQUESTED = "access.requested"
    ACCESS_REFUSED = "access.refused"
    ACCESS_ANSWERED = "access.answered"
    AUDIT_VIEWED = "audit.viewed"
    AUDIT_EXPORTED = "audit.exported"
    AUDIT_VERIFIED = "audit.verified"
    AUDIT_REVIEWED = "audit.reviewed"
    RETENTION_RUN = "retention.run"
    BACKUP_MADE = "backup.made"
    BACKUP_RESTORED = "backup.restored"
    BUDGET_RESERVED = "budget.reserved"
    BUDGET_SPENT = "budget.spent"
    BUDGET_REFUSED = "budget.refused"
    WITNESS_ADDED = "witness.added"
    WITNESS_REMOVED = "witness.removed"
    WITNESS_ALARMED = "witness.alarmed"
    LOG_OPENED = "log.opened"
    LOG_HEARTBEAT = "log.heartbeat"
    LOG_CLOSED = "log.closed"
    ENTRY_CORRECTED = "entry.corrected"


Column = Literal["event", "decision", "recipient", "period", "purpose", "basis", "rule"]
COLUMNS: Final[tuple[Column, ...]] = get_args(Column)
"""By what entries are counted and chosen."""

GROUNDS: Final = frozenset({"purpose", "basis", "activity", "policy", "rules"})
"""On what a decision rests."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which fields an event may carry besides `event`, `decision` and `actor`.

    Attributes:
        fields: Allowed optional fields.
        required: Those that must be there; an act of the public has no recipient.
        unlinkable: The acting organisation is the operator itself and the trace ids are fresh, so that nothing in the
            entry leads to the site that asked; what its place in the log tells is said in the README, invariant 2.
    """

    fields: frozenset[str]
    required: frozenset[str] = frozenset()
    unlinkable: bool = False


def _shape(*fields: str, required: tuple[str, ...] = ()) -> Shape:
    return Shape(GROUNDS | {"object", "cause", *fields}, frozenset(required))


_DELIVERY = _shape("party", "period", "subjects_root", required=("party", "period"))
_RELEASE = _shape("period", "party", required=("object",))
_HANDED_OUT = _shape("period", "party", "recipient", required=("object", "recipient"))
_REGISTER = _shape("party", "recipient", "period")
_CREDENTIAL = _shape("party", required=("object",))
_ACCOUNT = _shape("period", "party", "amount", required=("object", "amount"))
_CONSENT = Shape(GROUNDS | {"object"}, frozenset({"object"}), unlinkable=True)
_LOOK = _shape("party", "period", "recipient")
_PLAIN = _shape("party", "period")

_OF_FAMILY: Final = {
    "submission": _DELIVERY,
    "period": _shape("period", "party", required=("period",)),
    "party": _shape("party", required=("party",)),
    "register": _REGISTER,
    "mandate": _REGISTER,
    "agreement": _REGISTER,
    "token": _CREDENTIAL,
    "link": _CREDENTIAL,
    "session": _shape("party"),
    "request": _LOOK,
    "decision": _LOOK,
    "release": _RELEASE,
    "own-table": _HANDED_OUT,
    "certificate": _HANDED_OUT,
    "policy": _shape(required=("policy",)),
    "setting": _PLAIN,
    "key": _shape("period", "party", required=("object",)),
    "pseudonym": _shape("party", "period", "subjects_root", required=("party",)),
    "quota": _shape("party", "period", required=("party", "object")),
    "batch": _shape("party", "period", required=("party",)),
    "consent": _CONSENT,
    "record": _CONSENT,
    "access": _shape("party", "period", "subjects_root"),
    "audit": _LOOK,
    "retention": _PLAIN,
    "backup": _PLAIN,
    "budget": _ACCOUNT,
    "witness": _PLAIN,
    "log": _PLAIN,
    "entry": _shape("party", "period", "recipient", required=("cause",)),
}
_OF_EVENT: Final = {Event.RELEASE_DOWNLOADED: _HANDED_OUT, Event.SUBMISSION_REFUSED: _LOOK}

SHAPES: Final = {event: _OF_EVENT.get(event, _OF_FAMILY[event.split(".")[0]]) for event in Event}
