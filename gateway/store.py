"""Everything the gateway keeps, as SQLModel tables; the audit log brings its own.

Each column says in `info` what it holds: `public` facts, `operational` data, `personal` data of people who work with
the gateway, `confidential` figures of a site, `pseudonymous` data of pupils, or a `secret`. See `gateway.retention`.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, Table, UniqueConstraint, text
from sqlmodel import Field, MetaData, SQLModel

_NAMES = {kind: f"{kind}_%(table_name)s_%(column_0_N_name)s" for kind in ("ix", "uq", "fk")}
SQLModel.metadata = MetaData(naming_convention=_NAMES | {"pk": "pk_%(table_name)s"})
_WHERE_KNOWN: Any = dict.fromkeys(("sqlite_where", "postgresql_where"), text("length(subject) > 0"))


def column(kind: str, **options: Any) -> Any:  # noqa: ANN401  SQLModel's Field is typed so
    """A column that declares what kind of data it holds; a row shows what is public or operational, nothing else."""
    return Field(sa_column_kwargs={"info": {"kind": kind}}, repr=kind in ("public", "operational"), **options)


class Party(SQLModel, table=True):
    """An organisation or region with a code: site, board, gemeente, SWV, or another organisation."""

    code: str = column("public", primary_key=True)
    kind: str = column("public", index=True)
    name: str = column("public")
    locked_at: datetime | None = column("operational", default=None)  # its people do not log in while this is set


class SiteFacts(SQLModel, table=True):
    """What holds of a site in [valid_from, valid_to)."""

    __tablename__ = "site_facts"
    __table_args__ = (UniqueConstraint("site", "valid_from"),)
    id: int | None = column("operational", default=None, primary_key=True)
    site: str = column("public", foreign_key="party.code")
    valid_from: date = column("public")
    valid_to: date | None = column("public", default=None)
    sector: str = column("public")
    subdivisions: str = column("public")  # codes joined by a space
    board: str = column("public")
    gemeente: str = column("public", index=True)
    swv: str | None = column("public", default=None, index=True)
    pupils: int | None = column("public", default=None)  # registered head-count; None where the source hides it
    funded: bool = column("public", default=True)


class Agreement(SQLModel, table=True):
    """A processor agreement (AVG art. 28) between a site's controller and the gateway, in [valid_from, valid_to)."""

    id: int | None = column("operational", default=None, primary_key=True)
    site: str = column("public", foreign_key="party.code", index=True)
    valid_from: date = column("public")
    valid_to: date | None = column("public", default=None)


class Mandate(SQLModel, table=True):
    """Leave of a site for a supplier to act on its behalf, in [valid_from, valid_to)."""

    id: int | None = column("operational", default=None, primary_key=True)
    supplier: str = column("public", foreign_key="party.code", index=True)
    site: str = column("public", foreign_key="party.code", index=True)
    scope: str = column("public")  # actions, a `|`, collections; each joined by a space
    valid_from: date = column("public")
    valid_to: date | None = column("public", default=None)


class PeriodState(StrEnum):
    """A period takes deliveries while it is open."""

    OPEN = "open"
    CLOSED = "closed"


class Period(SQLModel, table=True):
    """One delivery round of a table, e.g. `2026-2027-1`."""

    __table_args__ = (UniqueConstraint("table_id", "code"),)
    id: int | None = column("operational", default=None, primary_key=True)
    table_id: str = column("public")
    code: str = column("public")
    reference_date: date = column("public")  # the register of this day holds for the whole period
    deadline: date = column("public")
    exercise: bool = column("public", default=False)
    state: str = column("public", default=PeriodState.OPEN)
    counts_erased_on: date | None = column("operational", default=None)  # by their term, where any had been sent


class Reopening(SQLModel, table=True):
    """A closed period that takes a late change of one site; it leads to a correction release."""

    id: int | None = column("operational", default=None, primary_key=True)
    period_id: int = column("operational", foreign_key="period.id", index=True)
    site: str = column("public", foreign_key="party.code")
    closed_at: datetime | None = column("operational", default=None)


class SubmissionState(StrEnum):
    """A submission counts at close only when confirmed; a newer confirmed one replaces it."""

    RECEIVED = "received"
    CONFIRMED = "confirmed"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


class Submission(SQLModel, table=True):
    """One version of what a site sent for a period."""

    __table_args__ = (
        UniqueConstraint("period_id", "site", "version"),
        Index("ix_submission_delivery", "period_id", "state", "site"),
    )
    id: str = column("operational", primary_key=True)
    period_id: int = column("operational", foreign_key="period.id")
    site: str = column("public", foreign_key="party.code", index=True)
    collection: str = column("public")
    version: int = column("operational")
    state: str = column("operational", default=SubmissionState.RECEIVED)
    received_at: datetime = column("operational")
    confirmed_at: datetime | None = column("operational", default=None)
    sender: str = column("operational")  # the party that sent it: the site itself or its supplier
    tag: bytes = column("secret")  # keyed tag of the bytes: recognises the same file; empty once its counts are erased
    key_id: str = column("operational", default="")  # key of the pseudonym service
    pid_key_id: str = column("operational", default="")  # key the pids of its rows were made with
    entry_id: str = column("operational")  # audit entry of the receipt
    subjects_root: bytes = column("operational", default=b"")  # of the pupils it is about; says nothing by itself


class Count(SQLModel, table=True):
    """A leaf cell of a submission: the number of pupils, small ones included."""

    __table_args__ = {"sqlite_with_rowid": False}
    submission_id: str = column("operational", primary_key=True, foreign_key="submission.id")
    subdivision: str = column("operational", primary_key=True)
    kind: str = column("operational", primary_key=True)
    band: str = column("operational", primary_key=True)
    pupils: int = column("confidential")


class Enrolment(SQLModel, table=True):
    """One pseudonymous row of a submission; hours in 1/100 hour."""

    __table_args__ = {"sqlite_with_rowid": False}
    submission_id: str = column("operational", primary_key=True, foreign_key="submission.id")
    pid: bytes = column("pseudonymous", primary_key=True)
    key_id: str = column("operational")
    subdivision: str = column("pseudonymous")
    scheduled: int = column("pseudonymous")
    hours: str = column("pseudonymous")  # hours missed by kind, in the order of the contract, joined by a space


class ServiceKey(SQLModel, table=True):
    """A public key of the pseudonym service that this gateway has pinned, with the signed document it came in."""

    __tablename__ = "service_key"
    key_id: str = column("public", primary_key=True)
    school_year: str = column("public", index=True)
    document: str = column("public")
    pinned_at: datetime = column("operational")


class ServiceCredential(SQLModel, table=True):
    """A site's credential for the pseudonym service, as the exported register names it; only the hash is kept."""

    __tablename__ = "service_credential"
    sha256: str = column("secret", primary_key=True)
    site: str = column("public", foreign_key="party.code", index=True)
    not_after: date = column("operational")


class PartyKey(SQLModel, table=True):
    """A public key of a recipient, to which sites seal case references; the gateway can read none of them."""

    __tablename__ = "party_key"
    kid: str = column("public", primary_key=True)
    party: str = column("public", foreign_key="party.code", index=True)
    jwk: str = column("public")


class ConsentRecord(SQLModel, table=True):
    """A consent: whose it is, and the key of what was sent under it; what holds is the fold of its events."""

    __tablename__ = "consent"
    id: str = column("operational", primary_key=True)
    site: str = column("confidential", foreign_key="party.code", index=True)
    recipient: str = column("confidential", foreign_key="party.code", index=True)
    purpose: str = column("public")
    key_id: str = column("operational", default="")


class ConsentEvent(SQLModel, table=True):
    """One event of a consent, append-only, as `policies.consent` writes it: roles, days, commitments, never a name."""

    __tablename__ = "consent_event"
    consent_id: str = column("operational", primary_key=True, foreign_key="consent.id")
    number: int = column("operational", primary_key=True)
    event: str = column("confidential")


class ConsentedHealth(SQLModel, table=True):
    """Health data of one pupil under a consent: ciphertext, and a case reference that only the recipient can open."""

    __tablename__ = "consented_record"
    id: str = column("operational", primary_key=True)
    consent_id: str = column("operational", foreign_key="consent.id", index=True)
    reference: str = column("pseudonymous")
    ciphertext: bytes = column("pseudonymous")
    sent_at: datetime = column("operational")


class ConsentNotice(SQLModel, table=True):
    """The signed notice to a recipient that a consent has ended, and its answer."""

    __tablename__ = "consent_notice"
    consent_id: str = column("operational", primary_key=True, foreign_key="consent.id")
    recipient: str = column("confidential", foreign_key="party.code", index=True)
    document: str = column("confidential")
    answer_by: date = column("operational")
    answer: str = column("operational", default="")


class Receipt(SQLModel, table=True):
    """The signed receipt of an upload or download, with its nonce: private to its party, erasable."""

    entry_id: str = column("operational", primary_key=True)
    party: str = column("operational", index=True)
    subject: str = column("operational", index=True)  # submission or release it is of
    text: str = column("confidential")


class Idempotency(SQLModel, table=True):
    """The answer to a request that carried an idempotency key: the key as a keyed tag, erased after a day."""

    __table_args__ = (Index("ix_idempotency_at", "at"),)
    key_tag: bytes = column("secret", primary_key=True)
    body_tag: bytes = column("secret")
    submission_id: str = column("operational", foreign_key="submission.id")
    at: datetime = column("operational")


class ReleaseState(StrEnum):
    """Built by one person, approved by another, then published; or rejected, or withdrawn after publication."""

    BUILDING = "building"
    FAILED = "failed"
    BUILT = "built"
    APPROVED = "approved"
    REJECTED = "rejected"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Release(SQLModel, table=True):
    """One table for all recipients of a period."""

    id: str = column("operational", primary_key=True)
    period_id: int = column("operational", foreign_key="period.id", index=True)
    purposes: str = column("public")  # ids joined by a space
    state: str = column("operational", default=ReleaseState.BUILDING, index=True)
    builder_id: int = column("personal", foreign_key="person.id")
    built_at: datetime | None = column("operational", default=None)
    published_at: datetime | None = column("operational", default=None)
    corrects: str | None = column("operational", default=None, foreign_key="release.id")
    certificate: str = column("public", default="")  # canonical JSON: totals per verdict, rule, attacker, versions
    utility: str = column("operational", default="")  # JSON: share published per level and kind, for the approvers
    seed: bytes = column("secret")  # of the period: the key of the tags that are the seeds of its tables
    witnesses: bytes = column("confidential", default=b"")  # moves away from the truth: never leave the operator
    nonce: bytes = column("secret", default=b"")
    commitment: str = column("operational", default="")
    failure: str = column("operational", default="")


class ReleaseSource(SQLModel, table=True):
    """A submission that was counted in a release."""

    __tablename__ = "release_source"
    __table_args__ = {"sqlite_with_rowid": False}
    release_id: str = column("operational", primary_key=True, foreign_key="release.id")
    submission_id: str = column("operational", primary_key=True, foreign_key="submission.id")


class ReleaseSlice(SQLModel, table=True):
    """The rows of one area in a release: the stored bytes every download serves."""

    __tablename__ = "release_slice"
    __table_args__ = {"sqlite_with_rowid": False}
    release_id: str = column("operational", primary_key=True, foreign_key="release.id")
    level: str = column("public", primary_key=True)
    area: str = column("public", primary_key=True)
    sector: str = column("public", primary_key=True)
    rows: bytes = column("public")


class ReleaseChart(SQLModel, table=True):
    """The chart of one region in a release, drawn once from its rows."""

    __tablename__ = "release_chart"
    __table_args__ = {"sqlite_with_rowid": False}
    release_id: str = column("operational", primary_key=True, foreign_key="release.id")
    level: str = column("public", primary_key=True)
    area: str = column("public", primary_key=True)
    language: str = column("public", primary_key=True)
    svg: bytes = column("public")


class Approval(SQLModel, table=True):
    """A person's verdict on a release that somebody else built; the reason goes with their label, or with the table."""

    id: int | None = column("operational", default=None, primary_key=True)
    release_id: str = column("operational", foreign_key="release.id", index=True)
    person_id: int = column("personal", foreign_key="person.id")
    approved: bool = column("operational")
    reason: str = column("personal")
    at: datetime = column("operational")


class Person(SQLModel, table=True):
    """Somebody who works with the gateway: a label and a role at a party; without a label once that was erased."""

    __table_args__ = (Index("ix_person_subject", "subject", "party", "role", unique=True, **_WHERE_KNOWN),)
    id: int | None = column("operational", default=None, primary_key=True)
    party: str = column("operational", foreign_key="party.code", index=True)
    role: str = column("operational")
    label: str = column("personal")
    subject: bytes = column("personal", default=b"")  # keyed tag of who the OpenID provider says it is
    seen_on: date | None = column("personal", default=None)  # last login; the first retention run stands for none


class LoginLink(SQLModel, table=True):
    """A one-time link; only the hash of its secret is kept."""

    __tablename__ = "login_link"
    secret_hash: bytes = column("secret", primary_key=True)
    person_id: int = column("personal", foreign_key="person.id")
    expires_at: datetime = column("operational")
    used_at: datetime | None = column("operational", default=None)


class WebSession(SQLModel, table=True):
    """A person's session in a browser; only the hash of its secret is kept."""

    __tablename__ = "web_session"
    secret_hash: bytes = column("secret", primary_key=True)
    person_id: int = column("personal", foreign_key="person.id", index=True)
    csrf: str = column("secret")
    started_at: datetime = column("operational")
    proven_at: datetime = column("operational")  # when the person last proved who it is: needed anew for grave acts
    seen_at: datetime = column("operational")


class Token(SQLModel, table=True):
    """A machine's credential: scoped, expiring, revocable; only the hash of its secret is kept."""

    id: str = column("operational", primary_key=True)
    secret_hash: bytes = column("secret", unique=True)
    party: str = column("operational", foreign_key="party.code", index=True)
    role: str = column("operational")
    scopes: str = column("operational")  # actions joined by a space
    expires_at: datetime = column("operational")
    revoked_at: datetime | None = column("operational", default=None)


class Oin(SQLModel, table=True):
    """The number in a machine's client certificate (`Subject.serialNumber`) and the party it speaks for."""

    number: str = column("public", primary_key=True)
    party: str = column("operational", foreign_key="party.code", index=True)
    scopes: str = column("operational")  # actions joined by a space
    revoked_at: datetime | None = column("operational", default=None)


class JobState(StrEnum):
    """A job is waiting, leased to a worker, done, or failed for good."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"


class Job(SQLModel, table=True):
    """Work for later, enqueued in the transaction of its cause."""

    __table_args__ = (Index("ix_job_state_due", "state", "due_at"),)
    id: int | None = column("operational", default=None, primary_key=True)
    kind: str = column("operational")
    subject: str = column("operational")
    state: str = column("operational", default=JobState.WAITING)
    attempts: int = column("operational", default=0)
    due_at: datetime = column("operational")
    leased_until: datetime | None = column("operational", default=None)


def table_of(model: type[SQLModel]) -> Table:
    """The plain table of a model, for statements over many rows that need no objects."""
    return model.__table__  # type: ignore[attr-defined,no-any-return]  # set by SQLModel for `table=True`
