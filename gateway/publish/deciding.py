"""Four eyes on a release: approved by another person than its builder, then published; and always why.

Whoever of the operator sees a fault stops it, the builder and those who approved included.
"""

from dataclasses import dataclass

from sqlmodel import Session, select

from audit.entry import Entry, Object
from audit.events import Event
from gateway.context import Gateway, actor_of, take_the_desk
from gateway.identity import Identity, caller_of, still_good
from gateway.outcome import Refused
from gateway.periods import school_year
from gateway.publish.asking import decide_for_any, methods_used, other_table, outdated, plan_of, release_thing
from gateway.publish.ledger import fix_methods, forgotten, not_known
from gateway.store import Approval, Period, Release, ReleaseState
from policies.decision import Decision, Deny
from policies.parties import Caller
from policies.question import Action

_ACTIONS = {
    Event.RELEASE_APPROVED: Action.APPROVE_RELEASE,
    Event.RELEASE_REJECTED: Action.REJECT_RELEASE,
    Event.RELEASE_PUBLISHED: Action.PUBLISH_RELEASE,
    Event.RELEASE_WITHDRAWN: Action.WITHDRAW_RELEASE,
}
_FROM = {
    Event.RELEASE_APPROVED: (ReleaseState.BUILT,),
    Event.RELEASE_REJECTED: (ReleaseState.BUILT, ReleaseState.APPROVED),
    Event.RELEASE_PUBLISHED: (ReleaseState.APPROVED,),
    Event.RELEASE_WITHDRAWN: (ReleaseState.PUBLISHED,),
}
_ONWARDS = (Event.RELEASE_APPROVED, Event.RELEASE_PUBLISHED)
_GRAVE = (Event.RELEASE_PUBLISHED, Event.RELEASE_WITHDRAWN)  # only shortly after proving who one is
MAX_REASON = 2_000


def review(gateway: Gateway, identity: Identity, release_id: str, *, approved: bool, reason: str) -> Release | Refused:
    """Approve a release that somebody else built; or reject one that is not out yet, also after its approval."""
    event = Event.RELEASE_APPROVED if approved else Event.RELEASE_REJECTED
    return _act(gateway, identity, release_id, event, reason)


def publish(gateway: Gateway, identity: Identity, release_id: str, *, reason: str) -> Release | Refused:
    """Publish an approved release: from now on its recipients can download their slices of these very bytes."""
    return _act(gateway, identity, release_id, Event.RELEASE_PUBLISHED, reason)


def withdraw_release(gateway: Gateway, identity: Identity, release_id: str, *, reason: str) -> Release | Refused:
    """Withdraw a published release: no more downloads; what was downloaded stays in the log."""
    return _act(gateway, identity, release_id, Event.RELEASE_WITHDRAWN, reason)


def _act(gateway: Gateway, identity: Identity, release_id: str, event: Event, reason: str) -> Release | Refused:
    """Ask the law with the facts of this moment, then act and log in the same transaction."""
    reason = reason.strip()[:MAX_REASON]
    with gateway.reading() as session:
        asked = _ask(gateway, session, identity, release_id, event=event, reason=reason)
    if isinstance(asked, Refused):
        return asked
    entry = Entry(event=Event.REQUEST_REFUSED, actor=actor_of(asked.caller), object=Object(f"release:{release_id}"))
    if isinstance(asked.decision, Deny):
        return gateway.refuse(entry, asked.decision)
    done = _act_now(gateway, identity, release_id, event, reason)
    if isinstance(done, Refused):
        gateway.log_undone(entry, asked.decision)
    return done


def _act_now(gateway: Gateway, identity: Identity, release_id: str, event: Event, reason: str) -> Release | Refused:
    """Ask again with the facts of the transaction, and act in it."""
    with gateway.writing() as session:
        release, period = _held(session, release_id, event)
        if not still_good(session, identity, gateway.clock()):
            return Refused("unauthenticated")
        again = _ask(gateway, session, identity, release_id, event=event, reason=reason)
        if isinstance(again, Refused) or isinstance(again.decision, Deny) or release.state not in _FROM[event]:
            return Refused("release-state", facts={"state": release.state})
        hindered = _hindered(gateway, session, release, period, event)
        if hindered is not None:
            session.rollback()
            return hindered
        _change(gateway, session, release, again, event=event, person=identity.person or 0, reason=reason)
        entry = Entry(
            event=event,
            actor=actor_of(again.caller),
            period=period.code,
            object=Object(f"release:{release.id}", bytes.fromhex(release.commitment)),
        )
        gateway.append(session, entry, again.decision)
        return release


def _held(session: Session, release_id: str, event: Event) -> tuple[Release, Period]:
    """A release that nobody else acts on until the transaction ends, and its period.

    Where it goes on, nothing that it counts changes either: neither the register nor a delivery.
    """
    goes_on = event in _ONWARDS
    if goes_on:
        take_the_desk(session, _ACTIONS[event])
    of_it = session.get_one(Release, release_id).period_id
    period = session.get_one(Period, of_it, with_for_update=goes_on)
    return session.get_one(Release, release_id, with_for_update=True), period


def _hindered(gateway: Gateway, session: Session, release: Release, period: Period, event: Event) -> Refused | None:
    """Why the law's permit is not enough for a release to go on: its sources, its method, a restore, another table."""
    if event in _ONWARDS:
        hindered = forgotten(session, period)
        if hindered is not None or outdated(session, release, period):
            return hindered or Refused("release-outdated")
    if event is Event.RELEASE_PUBLISHED:
        methods = methods_used(release)
        return (
            not_known(session, period)
            or fix_methods(session, methods, school_year(period.code))  # also keeps another publication of them waiting
            or other_table(gateway, session, period, methods)
        )
    return None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the law said about an act on a release, with the facts it was told."""

    caller: Caller
    needed: int
    approvals: int
    decision: Decision


def _ask(
    gateway: Gateway, session: Session, identity: Identity, release_id: str, *, event: Event, reason: str
) -> _Asked | Refused:
    release = session.get(Release, release_id)
    caller = caller_of(session, identity, gateway.today)
    if release is None or identity.person is None:
        return Refused("not-found" if release is None else "person-needed")
    if event in _GRAVE and not identity.proven:
        return Refused("step-up")
    period = session.get_one(Period, release.period_id)
    plan, purposes = plan_of(gateway, release), tuple(release.purposes.split())
    approvers = set(
        session.exec(
            select(Approval.person_id).where(Approval.release_id == release_id, Approval.approved == True)  # noqa: E712  SQL
        )
    )
    thing = release_thing(
        release,
        period,
        plan,
        built_by_caller=release.builder_id == identity.person,
        approved_by_caller=identity.person in approvers,
        approvals=len(approvers - {release.builder_id}),
        reasoned=bool(reason),
    )
    if event in _ONWARDS:
        decision = gateway.decide(caller, _ACTIONS[event], thing, purposes, period.table_id)
    else:  # stopped as long as any of its purposes is in force
        table = period.table_id
        decision = decide_for_any(gateway, caller, _ACTIONS[event], thing, purposes=purposes, table=table)
    return _Asked(caller, plan.approvals if plan else 1, len(approvers), decision)


def _change(
    gateway: Gateway, session: Session, release: Release, asked: _Asked, *, event: Event, person: int, reason: str
) -> None:
    now = gateway.clock()
    if event in (Event.RELEASE_APPROVED, Event.RELEASE_REJECTED):
        approved = event is Event.RELEASE_APPROVED
        session.add(Approval(release_id=release.id, person_id=person, approved=approved, reason=reason, at=now))
        if not approved:
            release.state = ReleaseState.REJECTED
        elif asked.approvals + 1 >= asked.needed:
            release.state = ReleaseState.APPROVED
    elif event is Event.RELEASE_PUBLISHED:
        release.state, release.published_at = ReleaseState.PUBLISHED, now
    else:
        release.state = ReleaseState.WITHDRAWN
