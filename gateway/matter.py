"""What an act on a delivery goes by: looked up, told to the law, and looked at once more by whoever acts.

Between the law's answer and the act a mandate or an agreement can end, a site be listed under another sector, a caller
be shut out. So every act on a delivery begins its transaction with `hold`: all that the law was told holds still, and
does until that transaction ends, or nothing is done. Keys are looked at again where they are used (`prepared`), and the
period where it has to be open (`periods.keep_open`).

Locks are taken in this order: pids, credential, mandate, the site with its agreement (`hold`), period, versions, rows;
who receives holds the period first. Who waits for a rotation or a retention run holds nothing, and looks afterwards.
"""

from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import Date, bindparam, select
from sqlmodel import Session

from audit.entry import Actor, Entry
from audit.events import Event
from gateway.collections import Contract
from gateway.context import Gateway, actor_of
from gateway.identity import Identity, mandate_of, sender_of, still_good
from gateway.outcome import CHANGED, Refused
from gateway.periods import find_period, rows_end, school_year, takes
from gateway.register import has_agreement, holding_on, site_facts
from gateway.store import Agreement, Period, ServiceKey, SiteFacts, table_of
from policies.decision import Decision, Deny, Permit
from policies.parties import Caller, Kind
from policies.purpose import DataCategory
from policies.question import Action
from policies.things import Delivery
from pseudonymisation.pseudonym import UNSAFE_KEYED_LOCAL

# Statements of every delivery are built once, and ask for columns: to make an object of a row costs as much again.
_KEYS = select(table_of(ServiceKey).c.key_id).where(table_of(ServiceKey).c.school_year == bindparam("year"))
_SITE, _AGREED = table_of(SiteFacts), table_of(Agreement)
_FACTS = select(_SITE.c.sector, _SITE.c.subdivisions, _SITE.c.funded).where(
    _SITE.c.site == bindparam("site"), holding_on(bindparam("reference", type_=Date()), model=SiteFacts)
)
_HELD = {
    False: _FACTS.with_for_update(),
    True: _FACTS.join(_AGREED, _AGREED.c.site == _SITE.c.site)
    .where(holding_on(bindparam("day", type_=Date()), model=Agreement))
    .with_for_update(),
}


@dataclass(frozen=True, slots=True)
class Matter:
    """What a delivery is about, looked up once.

    Attributes:
        facts: What holds of the site on the period's reference date; None when it is not registered then.
        keys: Ids of the pseudonym service's keys that rows of this period may be made with.
    """

    caller: Caller
    contract: Contract
    period: Period
    facts: SiteFacts | None
    thing: Delivery
    keys: frozenset[str] = frozenset()

    @property
    def actor(self) -> Actor:
        """Who acts, for the log."""
        return actor_of(self.caller)

    def stands(self, session: Session, today: date) -> bool:
        """Whether mandate, facts and agreement are those of then; they stay so until the transaction ends."""
        site, given = self.caller.acting.code, self.caller.mandate
        about = self.contract.collection.id
        if given and given != mandate_of(session, given.holder, site, today, collection=about, hold=True):
            return False
        asked = {"site": site, "reference": self.period.reference_date, "day": today}
        held = session.connection().execute(_HELD[self.thing.agreement], asked).first()
        return held == (self.facts and (self.facts.sector, self.facts.subdivisions, self.facts.funded))


def look_up(
    gateway: Gateway, session: Session, identity: Identity, *, collection: str, site: str, period: str
) -> Matter | Refused:
    """Everything the law and the rules need to know about a delivery.

    A site that nobody registered looks exactly like somebody else's site.
    """
    contract = gateway.contracts.get(collection)
    if contract is None:
        return Refused("unknown-collection")
    found = find_period(session, contract.table, period)
    if found is None:
        return Refused("unknown-period")
    day, about = found.reference_date, contract.collection.id
    caller = sender_of(session, identity, gateway.today, site=site, reference_date=day, collection=about)
    facts = site_facts(session, site, day)
    thing = Delivery(
        party=site if facts else "",
        sector=facts.sector if facts else "",
        data=contract.collection.data,
        period_open=takes(session, found, site),
        exercise=found.exercise,
        agreement=has_agreement(session, site, gateway.today),
    )
    return Matter(caller, contract, found, facts, thing, _keys_for(session, found))


def _keys_for(session: Session, period: Period) -> frozenset[str]:
    """The pinned keys of the period's school year; an exercise also takes rows made with a local key."""
    found = session.connection().execute(_KEYS, {"year": school_year(period.code)}).scalars()
    return frozenset(found) | (frozenset({UNSAFE_KEYED_LOCAL}) if period.exercise else frozenset())


def decide_on(gateway: Gateway, matter: Matter, action: Action) -> Decision:
    """What the law says about an act on this delivery, for every purpose that takes such data from a site today.

    Where none does, the first one's refusal: a purpose that ended, or is not law yet, shuts nobody out of the others.
    Confirming rows also delivers what they were counted as: both must be permitted, and that delivery is the ground.
    """
    decision = _decide(gateway, matter, action, matter.thing)
    if action is not Action.CONFIRM or isinstance(decision, Deny):
        return decision
    counted = replace(matter.thing, data=gateway.contracts[matter.contract.table].collection.data)
    return decision if counted == matter.thing else _decide(gateway, matter, action, counted)


def _decide(gateway: Gateway, matter: Matter, action: Action, thing: Delivery) -> Decision:
    collection = matter.contract.collection.id
    accepting = gateway.law.purposes.accepting(collection, Kind.SITE, thing.data)
    standing = gateway.engine.standing(gateway.clock())
    asked = tuple(purpose for purpose in accepting if isinstance(standing[purpose], Permit))
    return gateway.decide(matter.caller, action, thing, asked or accepting[:1] or ("",), collection)


def rows_are_over(gateway: Gateway, matter: Matter) -> bool:
    """Whether this delivery is of rows that may not be there any more, nor the keys they would stand under."""
    if DataCategory.ABSENCE_ROWS not in matter.thing.data:
        return False
    return rows_end(gateway.law.purposes, school_year(matter.period.code)) <= gateway.today


def refuse(gateway: Gateway, matter: Matter, decision: Deny) -> Refused:
    """Log a refusal of the law and say what the caller may know of it."""
    entry = Entry(event=Event.SUBMISSION_REFUSED, actor=matter.actor, period=matter.period.code)
    refused = gateway.refuse(entry, decision)
    own = matter.caller.on_behalf_of is None and matter.caller.party.kind is Kind.SITE
    if own and matter.facts is None and matter.period.id is not None:
        return Refused("site-not-registered")
    return refused


def hold(gateway: Gateway, session: Session, identity: Identity, matter: Matter) -> Refused | None:
    """Why nothing is done any more of what the law permitted; None where all that it was told holds still.

    It begins the transaction of every act on a delivery, and holds until that ends.
    """
    if not still_good(session, identity, gateway.clock()):
        return Refused("unauthenticated")
    return None if matter.stands(session, gateway.today) else CHANGED
