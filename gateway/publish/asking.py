"""Ask for a release, and what may be asked: all that goes before the figures, without the tools that make them."""

import json
from collections.abc import Iterable
from itertools import chain
from typing import Any

from sqlmodel import Session, col, select

from audit.entry import Actor, Entry, Object
from audit.events import Event
from gateway.collections import Contract
from gateway.context import Gateway, actor_of
from gateway.delivered import counted, delivered_sectors, of_another_contract, sectors_of
from gateway.identity import Identity, caller_of, still_good
from gateway.jobs import enqueue
from gateway.outcome import Refused
from gateway.periods import counts_are_over, find_period, reopened_for, school_year
from gateway.publish.ledger import Request, forgotten, not_known, other_method, reserve
from gateway.store import Period, PeriodState, Release, ReleaseSource, ReleaseState, Submission
from policies.decision import Decision, Deny, Permit
from policies.parties import Caller
from policies.question import Action
from policies.release import Method, ReleasePlan
from policies.things import Release as ReleaseThing
from policies.things import Thing

JOB = "build-release"
EXPIRED = "expired"  # why a release failed, or is withdrawn: its term is over
OUT = (ReleaseState.PUBLISHED, ReleaseState.WITHDRAWN)
UNDER_WAY = (ReleaseState.BUILDING, ReleaseState.BUILT, ReleaseState.APPROVED)
_NAMED = 20  # sites that a refusal names
_JUDGED = ("minimum", "zeros_are_small", "complements")  # facts of a release to the law
_RULE = (*_JUDGED, "min_denominator")


def request_build(gateway: Gateway, identity: Identity, collection: str, period_code: str) -> Release | Refused:
    """Ask for a release of a closed period; a worker builds it.

    It serves every purpose that lets tables of this collection out and that the law allows today.
    """
    if identity.person is None:
        return Refused("person-needed")
    contract = gateway.contracts.get(collection)
    if contract is None:
        return Refused("unknown-collection")
    with gateway.reading() as session:
        period = find_period(session, contract.table, period_code)
        if period is None:
            return Refused("unknown-period")
        caller = caller_of(session, identity, gateway.today)
    decision, actor = _decide(gateway, caller, contract, period), actor_of(caller)
    refusal = Entry(event=Event.REQUEST_REFUSED, actor=actor, period=period_code)
    if isinstance(decision, Refused):
        return decision
    if isinstance(decision, Deny):
        return gateway.refuse(refusal, decision)
    made = _enqueue(gateway, identity, actor, period, decision)
    if isinstance(made, Refused):
        gateway.log_undone(refusal, decision)
    return made


def _enqueue(gateway: Gateway, identity: Identity, actor: Actor, period: Period, decision: Permit) -> Release | Refused:
    """Keep the wish for a release, with what it costs of the budget, for a worker; one at a time for a period."""
    with gateway.writing() as session:
        if not still_good(session, identity, gateway.clock()):
            return Refused("unauthenticated")
        period = session.get_one(Period, period.id, with_for_update=True)
        corrects = _in_the_way(gateway, session, period) or to_correct(session, period)
        if isinstance(corrects, Refused):
            return corrects
        sectors = delivered_sectors(session, period)
        if not sectors:  # a release of nothing would use up the one correction
            return Refused("nothing-delivered")
        release = Release(
            id=gateway.new_id(),
            period_id=period.id or 0,
            purposes=" ".join(decision.purposes),
            builder_id=identity.person or 0,
            seed=gateway.tag(b"release-seed", period.table_id.encode(), period.code.encode()),
            corrects=corrects,
        )
        plan = gateway.law.purposes.plan(decision.purposes)
        methods = methods_of(sectors, plan)
        due = built_anew(session, period, corrects, methods)
        refused = (
            other_method(session, methods, school_year(period.code))
            or other_table(gateway, session, period, methods)
            or reserve(gateway, session, requests_of(release.id, period, plan, due))
        )
        if refused is not None:
            return refused
        session.add(release)
        enqueue(session, gateway, JOB, release.id)
        about = Object(f"release:{release.id}")
        asked = Entry(event=Event.RELEASE_ASKED, actor=actor, period=period.code, object=about)
        gateway.append(session, asked, decision)
        return release


def _in_the_way(gateway: Gateway, session: Session, period: Period) -> Refused | None:
    """Why nothing is built of a period as it stands."""
    if period.state != PeriodState.CLOSED or reopened_for(session, period):
        return Refused("period-open")
    if counts_are_over(gateway.law.purposes, period, gateway.today):  # nor would a correction be held against them
        return Refused("counts-erased")
    if odd := of_another_contract(session, gateway.contracts, period):
        return Refused("contract-changed", facts={"sites": " ".join(sorted(odd)[:_NAMED]), "number": str(len(odd))})
    return not_known(session, period) or forgotten(session, period)


def to_correct(session: Session, period: Period) -> str | Refused | None:
    """The release that one built now corrects, None for the first of its period; or why none may be built."""
    releases = session.exec(select(Release).where(Release.period_id == period.id)).all()
    if any(release.state in UNDER_WAY for release in releases):
        return Refused("release-exists")
    out = [release for release in releases if release.state in OUT]
    if not out:
        return None
    if len(out) > 1:
        return Refused("corrected-once")
    changed = changed_since(session, period, out[0].id)
    return out[0].id if changed or out[0].state == ReleaseState.WITHDRAWN else Refused("release-exists")


def sources_of(session: Session, release: str) -> list[str]:
    """The submissions that were counted in a release."""
    query = select(ReleaseSource.submission_id).where(col(ReleaseSource.release_id) == release)
    return list(session.exec(query).all())


def changed_sectors(session: Session, period: Period, corrects: str | None) -> set[str] | None:
    """Sectors of which other deliveries count now than in the release that is corrected; None: there is no such."""
    if corrects is None:
        return None
    differ = changed_since(session, period, corrects)
    return set(sectors_of(session, period, col(Submission.id).in_(differ)))


def changed_since(session: Session, period: Period, release: str) -> set[str]:
    """The submissions that counted in a release and do not count now, or count now and did not then."""
    return set(counted(session, period)) ^ set(sources_of(session, release))


def built_anew(
    session: Session, period: Period, corrects: str | None, methods: Iterable[tuple[str, Method]]
) -> list[tuple[str, Method]]:
    """Those of `methods` whose sector a build makes anew: all but what a correction leaves as it was."""
    changed = changed_sectors(session, period, corrects)
    return [(sector, method) for sector, method in methods if changed is None or sector in changed]


def methods_of(sectors: Iterable[str], plan: ReleasePlan) -> list[tuple[str, Method]]:
    """How the figures of each of these sectors leave, as far as the plan shows them."""
    return [(sector, method) for sector, method in plan.methods.items() if sector in set(sectors)]


def requests_of(
    release_id: str, period: Period, plan: ReleasePlan, methods: Iterable[tuple[str, Method]]
) -> list[Request]:
    """What a release asks of the privacy budgets: once for every sector whose figures leave with noise."""
    if plan.noise is None:
        return []
    return [
        Request(release_id, period.table_id, period.code, sector, plan.purposes, plan.noise)
        for sector, method in methods
        if method == "dp"
    ]


def plan_of(gateway: Gateway, release: Release) -> ReleasePlan | None:
    """What the purposes of a release ask today, without those that are gone or let no table out; None: none is left."""
    known = map(gateway.law.purposes.get, release.purposes.split())
    left = [purpose.id for purpose in known if purpose is not None and purpose.release is not None]
    return gateway.law.purposes.plan(left) if left else None


def is_withdrawn(release: Release) -> bool:
    """Whether it was undone after it was out; of one that went with its term nobody said that it was wrong."""
    return release.state == ReleaseState.WITHDRAWN and release.failure != EXPIRED


def release_thing(release: Release, period: Period, plan: ReleasePlan | None, **more: bool | int) -> ReleaseThing:
    """A release as the law sees it."""
    facts: dict[str, bool | int] = {
        "published": release.state in OUT,
        "withdrawn": is_withdrawn(release),
        "exercise": period.exercise,
        "attacker_failed": attacker_failed(release),
        **{name: kept for name, kept in rule_of(release, plan).items() if name in _JUDGED},
    }
    return ReleaseThing(**(facts | more))  # type: ignore[arg-type]  # each fact has the type of its field


def certificate_of(release: Release) -> dict[str, Any]:
    """What the certificate of a release says; empty before it was built.

    One that was stored with numbers of small cells is read without them: they tell which hidden cells are small.
    """
    said: dict[str, Any] = json.loads(release.certificate or "{}")
    for verdicts in (said.get("attacker"), *(sector.get("verdicts") for sector in said.get("sectors", {}).values())):
        if verdicts is not None:
            verdicts.pop("small", None)
            verdicts["safe"] = "all"
    return said


def rule_of(release: Release, plan: ReleasePlan | None) -> dict[str, int | bool]:
    """The rule that a release's figures were made by, the weakest over its sectors; of one not built yet, the plan's.

    Of one that was not built and has no purpose left there is none.

    A law that became stricter since is held against the figures as they are.
    """
    sectors = certificate_of(release).get("sectors", {}).values()
    rules = [sector["rule"] for sector in sectors] or ([{name: getattr(plan, name) for name in _RULE}] if plan else [])
    return {name: min(rule[name] for rule in rules) for name in _RULE if rules}


def methods_used(release: Release) -> list[tuple[str, Method]]:
    """How the figures of each sector that it shows were made, by the release's own certificate."""
    sectors = sorted(certificate_of(release)["sectors"].items())
    return [(sector, "dp" if "privacy" in found else "exact") for sector, found in sectors if found["cells"]["listed"]]


def other_table(
    gateway: Gateway, session: Session, period: Period, methods: Iterable[tuple[str, Method]]
) -> Refused | None:
    """The refusal of exact figures beside another table of the period; None where no kind and sector is in both.

    Each is protected by itself: of the same pupils one shows what the other hides. What was withdrawn is known too, and
    nobody knows how much of an exercise is invented. Noise beside exact figures, or other noise, is for the ledger.
    """
    exact, kinds = {sector for sector, method in methods if method == "exact"}, _kinds(gateway, period.table_id)
    beside = select(Release, col(Period.table_id)).join(Period)
    beside = beside.where(Period.code == period.code, Period.id != period.id, col(Release.state).in_(OUT))
    for release, table in session.exec(beside):
        shared = kinds & _kinds(gateway, table) if table in gateway.contracts else kinds  # it may have had any
        sectors = exact & {sector for sector, _ in methods_used(release)}
        if shared and sectors:
            both = {"sectors": " ".join(sorted(sectors)), "kinds": " ".join(sorted(shared))}
            return Refused("other-table", facts={"period": period.code, "table": table} | both)
    return None


def _kinds(gateway: Gateway, table: str) -> set[str]:
    return set(gateway.contracts[table].kinds.members)


def attacker_failed(release: Release) -> bool:
    """Whether the judge found nothing exact and nothing narrowed in these bytes."""
    verdict = certificate_of(release).get("attacker", {})
    return bool(verdict.get("exact") == 0 and verdict.get("narrowed") == 0)


def decide_for_any(
    gateway: Gateway, caller: Caller, action: Action, thing: Thing, *, purposes: Iterable[str], table: str
) -> Decision:
    """The permit of the first purpose that gives one, else the refusal of the first of them."""
    decided = (gateway.decide(caller, action, thing, (purpose,), table) for purpose in purposes)
    first = next(decided)
    return next((each for each in chain([first], decided) if isinstance(each, Permit)), first)


def outdated(session: Session, release: Release, period: Period) -> bool:
    """Whether other deliveries count by now than those of a release, so that it would be corrected at once.

    A release with noise stays as it is: to build another one costs a budget that may not be there any more.
    """
    if any(method == "dp" for _, method in methods_used(release)):
        return False
    return set(sources_of(session, release.id)) != set(counted(session, period))


def _decide(gateway: Gateway, caller: Caller, contract: Contract, period: Period) -> Decision | Refused:
    """The permit for all purposes the law allows today, or the first refusal; without any there is nothing to ask."""
    refusal: Deny | None = None
    allowed = []
    for purpose in gateway.law.purposes.releasing(contract.table):
        decided = _decide_for(gateway, caller, contract, period, purpose)
        if isinstance(decided, Permit):
            allowed.append(purpose)
        elif refusal is None:
            refusal = decided
    if not allowed:
        return Refused("no-purpose") if refusal is None else refusal
    return _decide_for(gateway, caller, contract, period, *allowed)


def _decide_for(gateway: Gateway, caller: Caller, contract: Contract, period: Period, *purposes: str) -> Decision:
    """What the law says of a release that would be built for these purposes."""
    wish = Release(id="", period_id=0, purposes="", builder_id=0, seed=b"")
    thing = release_thing(wish, period, gateway.law.purposes.plan(purposes))
    return gateway.decide(caller, Action.BUILD_RELEASE, thing, purposes, contract.table)
