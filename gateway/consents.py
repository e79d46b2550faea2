"""Consent at the gateway: events appended, read by its site and its one recipient, ended with its key.

Nothing here names a pupil. Audit entries about consent name no site, recipient or class: their actor is the gateway and
their object a random id.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cache

from sqlalchemy import delete
from sqlmodel import Session, col, or_, select

from audit.entry import Entry, Object
from audit.events import Event as AuditEvent
from audit.timeline import Filter, find
from gateway.consent_keys import destroy_keys, renew_key
from gateway.context import Gateway
from gateway.database import take_turns
from gateway.identity import Identity, caller_of, still_good
from gateway.jobs import enqueue
from gateway.messages import CONSENT
from gateway.outcome import Fault, GatewayError, Refused, Report
from gateway.register import has_agreement
from gateway.standing import Standing, events_of, standing_in, standings
from gateway.store import ConsentedHealth, ConsentEvent, ConsentNotice, ConsentRecord, Party
from policies.consent import (
    EVENTS,
    Asked,
    Event,
    Given,
    Narrowed,
    Signature,
    Stage,
    State,
    Terms,
    Withdrawn,
    fold,
    happened,
)
from policies.consent_problems import Problem, problems_of
from policies.days import end_of_school_year
from policies.decision import Decision, Deny, Permit
from policies.parties import Kind
from policies.question import Action
from policies.receipt import receipt
from policies.things import Consent as ConsentThing
from policies.withdrawal import notice

PURPOSE = "care-with-consent"
COLLECTION = "consented-records"
DESTROY_KEY = "destroy-consent-key"
_LOGGED = {
    "asked": AuditEvent.CONSENT_ASKED,
    "refused": AuditEvent.CONSENT_REFUSED,
    "given": AuditEvent.CONSENT_GIVEN,
    "narrowed": AuditEvent.CONSENT_NARROWED,
    "confirmed-12": AuditEvent.CONSENT_CONFIRMED,
    "confirmed-16": AuditEvent.CONSENT_CONFIRMED,
    "withdrawn": AuditEvent.CONSENT_WITHDRAWN,
    "expired": AuditEvent.CONSENT_EXPIRED,
}
_logger = logging.getLogger(__name__)
_WAITING = (Stage.ASKED, Stage.UNCONFIRMED)
CHANGED = Refused("consent-changed")
"""What an act goes by changed while it was under way: the events, the school's agreement, the recipient's key."""
Make = Callable[[datetime], Event]


def ask(
    gateway: Gateway, identity: Identity, terms: Terms, signatures: tuple[Signature, ...] = (), *, key: str = ""
) -> Standing | Refused:
    """Register that consent was asked, and given where signatures are there.

    Refusing is as easy: a consent that was asked and not given is ended by `append` with a refusal.

    Args:
        gateway: where.
        identity: the site.
        terms: what is asked.
        signatures: who consented.
        key: an idempotency key: asked again under it, the same is the consent there is, and anything else a conflict.
    """
    now = gateway.clock()
    new: list[Event] = [Asked(at=now, terms=with_kind(gateway, terms))]
    if signatures:
        new.append(Given(at=now, signatures=signatures))
    before = _under(gateway, identity.party, key)
    fresh = Standing(before.id, identity.party, "", (), State())
    if not before.events:
        made = _append(gateway, identity, fresh, new, Action.REGISTER_CONSENT)
        if made != CHANGED:
            return made
        before = load(gateway, fresh.id)
        if not before.events:  # it was not asked at the same moment, but its school's agreement ended
            return made
    if [event.model_copy(update={"at": now}) for event in before.events if event.at == before.events[0].at] != new:
        return Refused("idempotency-conflict")
    seen = read(gateway, identity, before.id)
    return seen if isinstance(seen, Refused) else replace(seen, asked_again=True)


def _under(gateway: Gateway, site: str, key: str, again: int = 0) -> Standing:
    """The consent of a site under an idempotency key, or where a new one goes; a key holds for as long as its consent.

    The number of one that was erased is not used again: what the log says of it would be told as of the new one.
    """
    standing = load(gateway, gateway.id_for(b"consent", site, f"{key}\0{again}" if again else key))
    if standing.events or not key:
        return standing
    with gateway.reading() as session:
        erased = find(session.connection(), Filter(object=f"consent:{standing.id}"), limit=1)
    return _under(gateway, site, key, again + 1) if erased else standing


def append(gateway: Gateway, identity: Identity, consent_id: str, make: Make) -> Standing | Refused:
    """Append an event to a consent of the caller's own site; a withdrawal ends it with its key."""
    standing = load(gateway, consent_id)
    event = make(happened(standing.events, gateway.clock()))
    action = Action.WITHDRAW_CONSENT if isinstance(event, Withdrawn) else Action.REGISTER_CONSENT
    return _append(gateway, identity, standing, [event], action)


def read(gateway: Gateway, identity: Identity, consent_id: str) -> Standing | Refused:
    """A consent, for the site that holds the evidence, and once given for the recipient it names."""
    standing = load(gateway, consent_id)
    decision = decide(gateway, identity, standing, Action.READ_CONSENT)
    if isinstance(decision, Deny):
        return refuse(gateway, decision)
    undone = entry(gateway, AuditEvent.RECORD_REFUSED, gateway.new_id())
    logged = gateway.log_for(identity, entry(gateway, AuditEvent.CONSENT_READ, consent_id), decision, undone)
    return logged if isinstance(logged, Refused) else standing


def own(gateway: Gateway, identity: Identity) -> list[Standing]:
    """Every consent the caller may know of, what waits for an answer first, then the newest.

    A site knows those it registered, a recipient those that were given and name it; the law is asked once for all that
    are alike to it, as a recipient has those of hundreds of schools.
    """
    mine = or_(ConsentRecord.site == identity.party, ConsentRecord.recipient == identity.party)
    with gateway.reading() as session:
        caller = caller_of(session, identity, gateway.today)
        agreed = cache(lambda site: has_agreement(session, site, gateway.today))

        @cache
        def is_theirs(thing: ConsentThing) -> bool:
            asked = gateway.decide(caller, Action.READ_CONSENT, thing, (PURPOSE,), COLLECTION)
            return isinstance(asked, Permit)

        known = standings(session, session.exec(select(ConsentRecord.id).where(mine)).all(), gateway.clock())
        found = [one for one in known if is_theirs(_thing(gateway, one, agreement=agreed(one.site)))]
    found.sort(key=lambda one: one.events[-1].at, reverse=True)
    return sorted(found, key=lambda one: one.state.stage not in _WAITING)


def may_receive(gateway: Gateway, session: Session, code: str) -> bool:
    """Whether consent can name this party: one of the register, of a kind that the purpose lets receive."""
    party = session.get(Party, code)
    return party is not None and party.kind in gateway.law.purposes[PURPOSE].recipients


def receipt_for(gateway: Gateway, standing: Standing) -> Mapping[str, object]:
    """What the giver takes home, in the terms of ISO/IEC TS 27560."""
    address = f"{gateway.settings.base_url}/v1/consents/{standing.id}/withdrawals"
    return receipt(
        gateway.law,
        consent=standing.id,
        state=standing.state,
        site=standing.site,
        signatures=standing.signatures(),
        withdraw_at=address,
    )


def destroy_key(gateway: Gateway, consent_id: str) -> None:
    """Destroy the keys of an ended consent, or those before its narrowing; done again after a crash, finds them gone.

    From the transaction that ended the consent on, the law refuses to read what was sent under it; from here on nobody
    can, in a backup neither.
    """
    kind = "ended" if load(gateway, consent_id).state.closed else "narrowed"
    destroy_keys(gateway, **{kind: [consent_id]})


def key_survives(_gateway: Gateway, _consent_id: str) -> None:
    """Five attempts failed: the job stays failed, for somebody to look at, and the retention run goes on trying."""


def load(gateway: Gateway, consent_id: str) -> Standing:
    """A consent as it is; one that is not there has no site and no events, and is refused like somebody else's."""
    with gateway.reading() as session:
        return standing_in(session, consent_id, gateway.clock())


def decide(
    gateway: Gateway, identity: Identity, standing: Standing, action: Action, *, complete: bool = True
) -> Decision:
    """What the law says about an act on a consent."""
    with gateway.reading() as session:
        caller = caller_of(session, identity, gateway.today)
        agreement = has_agreement(session, standing.site, gateway.today)
    thing = _thing(gateway, standing, agreement=agreement, complete=complete)
    return gateway.decide(caller, action, thing, (PURPOSE,), COLLECTION)


def _thing(gateway: Gateway, standing: Standing, *, agreement: bool, complete: bool = True) -> ConsentThing:
    terms = standing.state.terms
    return ConsentThing(
        party=standing.site,
        recipient=terms.recipient if terms else "",
        recipient_is=terms.recipient_is if terms else Kind.OTHER,
        given=standing.state.given,
        complete=complete,
        until=terms.last_day if terms else date.max,
        latest=end_of_school_year(gateway.today),
        agreement=agreement,
    )


def refuse(gateway: Gateway, decision: Deny) -> Refused:
    """Log a refusal without saying whose consent it was about, and say what the caller may know."""
    return gateway.refuse(entry(gateway, AuditEvent.RECORD_REFUSED, gateway.new_id()), decision)


def undone(gateway: Gateway, refused: Refused, decision: Decision) -> Refused:
    """Log that what the law may have permitted was not done, without saying whose consent it was about."""
    gateway.log_undone(entry(gateway, AuditEvent.RECORD_REFUSED, gateway.new_id()), decision)
    return refused


def entry(gateway: Gateway, event: AuditEvent, consent_id: str) -> Entry:
    """An entry about a consent: no site, no recipient, a random id."""
    about = Entry(event=event, actor=gateway.actor, object=Object(f"consent:{consent_id}"))
    return gateway.serving(about, (PURPOSE,))


def with_kind(gateway: Gateway, terms: Terms) -> Terms:
    """Terms whose recipient has the kind the register knows, whatever the sender thought."""
    with gateway.reading() as session:
        party = session.get(Party, terms.recipient)
    return terms.model_copy(update={"recipient_is": Kind(party.kind) if party else Kind.OTHER})


def _append(
    gateway: Gateway, identity: Identity, standing: Standing, new: Sequence[Event], action: Action
) -> Standing | Refused:
    """Problems of the events, then the law, then one transaction; who may not append hears no problem.

    The law is asked about what was proposed, problems or not, so that a wrong recipient or last day is refused by its
    own article; what is left then is refused as not complete.
    """
    purpose = gateway.law.purposes[PURPOSE]
    events = standing.events
    problems: list[Problem] = []
    for event in new:
        problems += problems_of(events, event, purpose=purpose, now=happened([event], gateway.clock()))
        if problems:
            break
        events = (*events, event)
    state = fold(events, happened(events, gateway.clock()))
    proposed = new[0].terms if isinstance(new[0], Asked) else None
    about = replace(standing, events=events, state=state if state.terms else State(terms=proposed))
    decision = decide(gateway, identity, about, action)
    if isinstance(decision, Deny):
        return refuse(gateway, decision)
    if problems:
        faults = [Fault(f"{CONSENT}{problem.code.upper()}") for problem in problems]
        incomplete = decide(gateway, identity, about, action, complete=False)
        return undone(gateway, Refused("faults-in-request", report=Report.of(faults)), incomplete)
    stopped = _keep(gateway, identity, standing, about, decision)
    if stopped is not None:
        return undone(gateway, stopped, decision)
    if state.closed or isinstance(new[-1], Narrowed):
        try:
            destroy_key(gateway, standing.id)
        except Exception:
            _logger.exception("a key of a consent was not destroyed at once; a job does it, or the retention run")
    return load(gateway, standing.id)


def _keep(
    gateway: Gateway, identity: Identity, standing: Standing, proposed: Standing, decision: Decision
) -> Refused | None:
    """The one transaction of an event; what changed meanwhile of all that the law went by stops it.

    An agreement is needed by what is given or goes on, and not by what ends.
    """
    state, new = proposed.state, proposed.events[len(standing.events) :]
    with gateway.writing() as session:
        if not still_good(session, identity, gateway.clock()):
            return Refused("unauthenticated")
        if standing.events:
            session.get(ConsentRecord, standing.id, with_for_update=True)
        else:
            take_turns(session, standing.id.encode())  # two may ask under one key at once
        if events_of(session, standing.id) != standing.events:
            return CHANGED
        if state.given and not state.closed and not has_agreement(session, standing.site, gateway.today, hold=True):
            return CHANGED
        keep_events(gateway, session, standing, new, decision)
        return None


def keep_events(
    gateway: Gateway, session: Session, standing: Standing, new: Sequence[Event], decision: Decision | None
) -> None:
    """Keep events with their entries; an end also erases and notifies, and dooms the key, as narrowing does."""
    if not standing.events:
        first = new[0]
        if not isinstance(first, Asked):
            raise GatewayError("a consent begins with its question")
        row = ConsentRecord(id=standing.id, site=standing.site, recipient=first.terms.recipient, purpose=PURPOSE)
        session.add(row)
        session.flush()
    for number, event in enumerate(new, start=len(standing.events) + 1):
        session.add(ConsentEvent(consent_id=standing.id, number=number, event=_dump(event)))
        gateway.append(session, entry(gateway, _LOGGED[event.event], standing.id), decision)
    session.flush()
    events = (*standing.events, *new)
    state = fold(events, happened(events, gateway.clock()))
    row = session.get_one(ConsentRecord, standing.id)
    if state.closed:
        _end(gateway, session, standing.id, state)
    elif state.given and state.terms is not None:
        narrowed = isinstance(new[-1], Narrowed)
        if narrowed or not row.key_id:
            renew_key(gateway, session, row, state.terms)
        if narrowed:
            enqueue(session, gateway, DESTROY_KEY, standing.id)


def _end(gateway: Gateway, session: Session, consent_id: str, state: State) -> None:
    session.execute(delete(ConsentedHealth).where(col(ConsentedHealth.consent_id) == consent_id))
    enqueue(session, gateway, DESTROY_KEY, consent_id)
    if not state.given:
        return
    told = notice(consent_id, state)
    row = ConsentNotice(
        consent_id=consent_id,
        recipient=told.recipient,
        document=str(gateway.receipts.sign(_text(told.document()))),
        answer_by=told.answer_by,
    )
    session.add(row)
    gateway.append(session, entry(gateway, AuditEvent.CONSENT_NOTICE_SENT, consent_id))


def _dump(event: Event) -> str:
    return EVENTS.dump_json((event,)).decode()[1:-1]


def _text(document: dict[str, object]) -> str:
    return json.dumps(document, ensure_ascii=False, sort_keys=True) + "\n"
