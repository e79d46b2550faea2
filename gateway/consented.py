"""Health data of one pupil under a consent: encrypted for as long as the consent holds, read by its recipient alone.

Its site gets them back to answer the pupil or a parent (AVG art. 15), and for nothing else.

The case reference is sealed by the site to the recipient's public key (JWE, RFC 7516): the gateway can say that there
is a case, not whose.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlmodel import Session, col, select

from audit.entry import Entry, Object
from audit.events import Event as AuditEvent
from audit.receipt import NONCE_BYTES, commit, issue
from gateway.consent_keys import decrypted, encrypted, renew_key
from gateway.consents import CHANGED, COLLECTION, PURPOSE, entry, load, refuse, undone
from gateway.context import Gateway
from gateway.database import take_turns
from gateway.identity import Identity, caller_of, policy_party, still_good
from gateway.outcome import Fault, Refused, Report
from gateway.periods import school_year, school_year_on
from gateway.publish import handing
from gateway.recipient_key import read_jwk
from gateway.register import has_agreement, holding_on
from gateway.sealed import read_seal
from gateway.standing import Standing, standing_in, standings
from gateway.store import Agreement, ConsentedHealth, ConsentRecord, PartyKey
from policies.consent import record_under
from policies.days import milliseconds
from policies.decision import Decision, Deny
from policies.purpose import DataCategory
from policies.question import Action

DATA = frozenset({DataCategory.ILLNESS_HOURS, DataCategory.CASE_REFERENCE})
_CONFLICT = Refused("idempotency-conflict")
_OTHER_YEAR = Fault("RECORD-PERIOD", column="period")
Hours = Annotated[Decimal, Field(ge=0, le=10_000, decimal_places=2)]


class IllnessHours(BaseModel):
    """What is passed on: hours of illness of one pupil in a period, out of the hours scheduled."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    period: str = Field(pattern=r"^20\d\d-20\d\d-[1-4]$")
    hours_illness: Hours
    hours_scheduled: Hours

    @model_validator(mode="after")
    def _ill_in_scheduled_hours_only(self) -> Self:
        if self.hours_illness > self.hours_scheduled:
            raise ValueError("more hours of illness than were scheduled")
        return self


@dataclass(frozen=True, slots=True)
class Sent:
    """A record as its site sent it, with the receipt: it is not kept here, for it joins the site to the entry.

    Without a receipt it was sent before, under the same idempotency key.
    """

    record: ConsentedHealth = field(repr=False)
    receipt: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """A record as its recipient reads it, with the receipt of the reading, which is not kept here either."""

    id: str
    consent: str
    sent_at: datetime
    reference: str = field(repr=False)
    hours: IllnessHours = field(repr=False)
    entry_id: str
    receipt: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeldHours:
    """Hours that are held under a consent, and when its site sent them."""

    sent_at: datetime
    hours: IllnessHours = field(repr=False)


def send(  # noqa: PLR0917  a record's parts, by name at its callers
    gateway: Gateway, identity: Identity, consent_id: str, reference: str, hours: IllnessHours, key: str = ""
) -> Sent | Refused:
    """Store one record under a consent; the same once more under an idempotency key stores nothing.

    Steps: (1) the consent as it is now; (2) the law: given, in date, this recipient, this scope, sealed; (3) the hours
    are of the school year for which the consent was asked; (4) in one transaction, in which the consent must still be
    the same: the ciphertext under its key, the entry.
    """
    standing = load(gateway, consent_id)  # (1)
    with gateway.reading() as session:
        sealed = _is_sealed(session, standing, reference)
    decision = _decide(gateway, identity, standing, Action.SUBMIT_CONSENTED_RECORD, sealed=sealed)
    if isinstance(decision, Deny):  # (2)
        return refuse(gateway, decision)
    if standing.state.terms is None or school_year(hours.period) != school_year_on(standing.state.terms.last_day):
        return undone(gateway, Refused("faults-in-request", report=Report.of([_OTHER_YEAR])), decision)  # (3)
    record_id = gateway.id_for(b"record", identity.party, key)
    sent = _keep(gateway, identity, standing, record_id, reference, hours, decision)  # (4)
    return undone(gateway, sent, decision) if isinstance(sent, Refused) else sent


def _keep(  # noqa: PLR0917  one act, split where its transaction begins
    gateway: Gateway,
    identity: Identity,
    standing: Standing,
    record_id: str,
    reference: str,
    hours: IllnessHours,
    decision: Decision,
) -> Sent | Refused:
    consent_id = standing.id
    with gateway.writing() as session:
        if not still_good(session, identity, gateway.clock()):
            return Refused("unauthenticated")
        row = session.get(ConsentRecord, consent_id, with_for_update=True)
        now = standing_in(session, consent_id, gateway.clock())
        if row is None or now.state != standing.state or not _is_sealed(session, now, reference, hold=True):
            return CHANGED
        if not has_agreement(session, row.site, gateway.today, hold=True):
            return CHANGED
        take_turns(session, record_id.encode())  # a site may use one key under two consents at once
        before = session.get(ConsentedHealth, record_id)
        if before is not None:
            same = (before.consent_id, before.reference) == (consent_id, reference)
            return Sent(before, None) if same and _open(gateway, now, before) == hours else _CONFLICT
        if not row.key_id and standing.state.terms is not None:  # its site has an agreement anew
            renew_key(gateway, session, row, standing.state.terms)
        record = _encrypted(gateway, row, record_id, reference, hours)
        session.add(record)
        _, receipt = _log(gateway, session, entry(gateway, AuditEvent.RECORD_STORED, consent_id), hours, decision)
        return Sent(record, receipt)


def _encrypted(
    gateway: Gateway, row: ConsentRecord, record_id: str, reference: str, hours: IllnessHours
) -> ConsentedHealth:
    """The record as it is stored: hours under the consent's own key."""
    sealed = encrypted(gateway, row.key_id, (row.id, record_id), hours.model_dump_json().encode())
    return ConsentedHealth(
        id=record_id, consent_id=row.id, reference=reference, ciphertext=sealed, sent_at=gateway.clock()
    )


def read_all(gateway: Gateway, identity: Identity) -> list[Opened]:
    """Every record for the caller that its consent still allows to read; each reading is an entry.

    Of a site whose processor agreement ended none is looked up: a refusal each would tell the log's reader how many.
    """
    with gateway.reading() as session:
        served = select(Agreement.site).where(holding_on(gateway.today, model=Agreement))
        query = select(ConsentedHealth).join(ConsentRecord).where(ConsentRecord.recipient == identity.party)
        query = query.where(col(ConsentRecord.site).in_(served))
        rows = session.exec(query.order_by(col(ConsentedHealth.sent_at))).all()
        known = sorted({row.consent_id for row in rows})
        under = {one.id: one for one in standings(session, known, gateway.clock())}
    opened = []
    for row in rows:
        standing = under.get(row.consent_id)
        if standing is None:
            continue
        decision = _decide(gateway, identity, standing, Action.READ_CONSENTED_RECORD, sealed=True)
        if isinstance(decision, Deny):
            refuse(gateway, decision)
            continue
        read = _hand_out(gateway, identity, standing, row, decision)
        if isinstance(read, Refused):
            undone(gateway, read, decision)
            continue
        opened.append(read)
    return opened


def _hand_out(
    gateway: Gateway, identity: Identity, standing: Standing, row: ConsentedHealth, decision: Decision
) -> Opened | Refused:
    """Open one record and log its reading, while its consent is kept from ending: its end is the end of its key."""
    with gateway.writing() as session:
        if not still_good(session, identity, gateway.clock()):
            return Refused("unauthenticated")
        session.get(ConsentRecord, row.consent_id, with_for_update={"read": True})
        now, kept = standing_in(session, row.consent_id, gateway.clock()), session.get(ConsentedHealth, row.id)
        if kept is None or now.state != standing.state:
            return CHANGED
        if not has_agreement(session, now.site, gateway.today, hold=True):
            return CHANGED
        hours = _open(gateway, now, kept)
        reading = entry(gateway, AuditEvent.RECORD_READ, row.consent_id)
        entry_id, receipt = _log(gateway, session, reading, hours, decision)
    return Opened(row.id, row.consent_id, row.sent_at, row.reference, hours, entry_id, receipt)


def held_under(gateway: Gateway, site: str, consent_id: str) -> tuple[Standing, list[HeldHours]] | None:
    """A consent of a site with all that is held under it, for the pupil (AVG art. 15); None where it is none of its.

    The consent is kept from ending until its records are open: its end is the end of its key.
    """
    with gateway.writing() as session:
        session.get(ConsentRecord, consent_id, with_for_update={"read": True})
        standing = standing_in(session, consent_id, gateway.clock())
        if standing.site != site:
            return None
        query = select(ConsentedHealth).where(ConsentedHealth.consent_id == consent_id)
        rows = session.exec(query.order_by(col(ConsentedHealth.sent_at))).all()
        return standing, [HeldHours(row.sent_at, _open(gateway, standing, row)) for row in rows]


def proven(gateway: Gateway, opened: Sequence[Opened]) -> list[Opened] | Refused:
    """The same records, once a signed checkpoint holds the reading of each; their receipts have the proof in them."""
    found = []
    for one in opened:
        receipt = handing.proven(gateway, one.receipt, one.entry_id)
        if isinstance(receipt, Refused):
            return receipt
        found.append(replace(one, receipt=receipt))
    return found


def _log(gateway: Gateway, session: Session, act: Entry, hours: IllnessHours, decision: Decision) -> tuple[str, str]:
    """Log that these hours were stored or read, committed to and not told; the entry's id and its receipt."""
    nonce = gateway.random(NONCE_BYTES)
    about = Object(act.object.id if act.object else "", commit(nonce, hours.model_dump_json().encode()))
    appended = gateway.append(session, replace(act, object=about), decision)
    details, made = {"operators": gateway.operators}, milliseconds(gateway.clock())
    text = issue(gateway.receipts, kind=act.event.value, entry=appended.data, made=made, nonce=nonce, details=details)
    return appended.entry_id, text


def _decide(gateway: Gateway, identity: Identity, standing: Standing, action: Action, *, sealed: bool) -> Decision:
    """What the law says about a record under this consent, for the recipient the consent names."""
    with gateway.reading() as session:
        caller = caller_of(session, identity, gateway.today)
        named = standing.state.terms.recipient if standing.state.terms else "nobody"
        recipient = policy_party(session, named, gateway.today)
        site = identity.party if action is Action.SUBMIT_CONSENTED_RECORD else standing.site or "nobody"
        agreement = has_agreement(session, site, gateway.today)
    thing = record_under(
        standing.state,
        party=site,
        owner=standing.site,
        recipient=recipient,
        data=DATA,
        sealed=sealed,
        agreement=agreement,
    )
    return gateway.decide(caller, action, thing, (PURPOSE,), COLLECTION)


def _is_sealed(session: Session, standing: Standing, reference: str, *, hold: bool = False) -> bool:
    """Whether a case reference is a JWE to a registered key of the recipient; what is in it stays unknown here.

    Held, the key is not withdrawn before this transaction ends.
    """
    seal = read_seal(reference)
    if standing.state.terms is None or seal is None:
        return False
    key = session.get(PartyKey, seal.kid, with_for_update={"read": True} if hold else None)
    return key is not None and key.party == standing.state.terms.recipient and seal.fits(read_jwk(key.jwk))


def _open(gateway: Gateway, standing: Standing, row: ConsentedHealth) -> IllnessHours:
    return IllnessHours.model_validate_json(decrypted(gateway, standing.key_id, row))
