"""What recipients get: their slice of the stored bytes, each download with its own entry and receipt."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from audit.entry import Entry, Object
from audit.events import Event
from gateway.context import Gateway, actor_of
from gateway.delivered import COUNTRY, LEVELS, own_counts
from gateway.formats.package import write_package
from gateway.formats.write import EXERCISE, FILES, Format, write_table
from gateway.identity import Identity, caller_of
from gateway.messages import Language
from gateway.outcome import Refused
from gateway.periods import find_period
from gateway.publish.asking import EXPIRED, OUT, certificate_of, decide_for_any, is_withdrawn, plan_of, release_thing
from gateway.publish.handing import PUBLIC, Download, Held, alone, keep
from gateway.publish.own import own_rows
from gateway.register import SECTORS, kind_of_code, site_facts, sites_on
from gateway.store import Period, Release, ReleaseChart, ReleaseSlice, ReleaseState, SiteFacts
from gateway.table import encode_rows
from policies.decision import Decision, Deny, Permit
from policies.parties import ANYBODY, Caller, Kind
from policies.question import Action
from policies.things import Area, OwnTable
from policies.things import Slice as SliceThing

REGION = "swv"
_REGION_FOR_SCHOOL = "region-for-school"

_SECTORS = {"PO": ["po", "so"], "VO": ["vo", "vso"]}  # of an SWV without a site, by its code


@dataclass(frozen=True, slots=True)
class Listed:
    """A release in the catalogue.

    Attributes:
        corrected_by: The published release that holds in its place.
        correction_withdrawn: It was corrected, and the correction was withdrawn: no other one comes.
    """

    release: Release
    period: Period
    corrected_by: str | None
    correction_withdrawn: bool


def caller_or_anybody(gateway: Gateway, session: Session, identity: Identity | None) -> Caller:
    """The caller, or the public."""
    return ANYBODY if identity is None else caller_of(session, identity, gateway.today)


def catalogue(gateway: Gateway, identity: Identity | None) -> list[Listed]:
    """Releases the caller may know of, of the newest period first; looking at the catalogue is not logged."""
    with gateway.reading() as session:
        caller = caller_or_anybody(gateway, session, identity)
        newest = col(Period.code).desc(), col(Release.built_at).desc().nulls_first(), col(Release.id)
        query = select(Release, Period).join(Period).order_by(*newest)
        found = []
        undone: set[str | None] = set()
        for release, period in session.exec(query):
            if is_withdrawn(release):
                undone.add(release.corrects)
            decided = _decide_on_release(gateway, caller, release, period, Action.READ_RELEASE)
            if isinstance(decided, Permit):
                found.append((release, period))
    holds = {release.corrects: release.id for release, _ in found if release.state == ReleaseState.PUBLISHED}
    return [Listed(release, period, holds.get(release.id), release.id in undone) for release, period in found]


def regions_open(gateway: Gateway, table: str) -> bool:
    """Whether the law lets schools see their region in this table today: asking in vain would only fill the log."""
    listed = table in gateway.law.purposes[_REGION_FOR_SCHOOL].collections
    return listed and isinstance(gateway.engine.standing(gateway.clock())[_REGION_FOR_SCHOOL], Permit)


def download(
    gateway: Gateway,
    identity: Identity | None,
    release_id: str,
    form: Format,
    *,
    level: str | None = None,
    language: Language = "nl",
) -> Download | Refused:
    """Hand a recipient its slice, or the chart of its region: `hold` it and `let_go` of it."""
    return alone(gateway, hold(gateway, identity, release_id, form, level=level, language=language))


def own_table(
    gateway: Gateway, identity: Identity, collection: str, period_code: str, form: Format
) -> Download | Refused:
    """Hand a site its own delivered figures, small counts included: `hold_own` and `let_go` of it."""
    return alone(gateway, hold_own(gateway, identity, collection, period_code, form))


def hold(
    gateway: Gateway,
    identity: Identity | None,
    release_id: str,
    form: Format,
    *,
    level: str | None = None,
    language: Language = "nl",
) -> Held | Refused:
    """Prepare what a recipient asks for; several at once wait for one checkpoint together.

    A site gets its own figures, unsuppressed; asked for the level `swv` those of its region as a whole, and no others.

    Steps: (1) which areas are the caller's by the register of the period, and does the law allow them; (2) the file
    from the stored bytes; (3) entry and receipt in one transaction; `let_go` waits until a signed checkpoint holds it.
    """
    with gateway.reading() as session:  # (1)
        release = session.get(Release, release_id)
        period = session.get(Period, release.period_id) if release else None
        of_site = identity is not None and kind_of_code(identity.party) == Kind.SITE and level in (None, "site")
        found = None if of_site else _slice_of(gateway, session, identity, release_id, level)
    if identity is not None and of_site:
        return hold_own(gateway, identity, period.table_id, period.code, form) if period else Refused("not-found")
    if found is None or isinstance(found, _Shut):
        return _refuse(gateway, found.caller, found.decision) if found else Refused("not-found")
    body = None if found.expired else _written(gateway, found, form, language)  # (2)
    if body is None:
        return _refuse(gateway, found.caller, found.decision, "table-expired" if found.expired else "not-found")
    recipient = PUBLIC if found.caller.acting.kind is Kind.PUBLIC else found.caller.acting.code
    entry = Entry(
        event=Event.RELEASE_DOWNLOADED,
        actor=actor_of(found.caller),
        recipient=recipient or None,
        period=found.period.code,
        object=Object(f"release:{release_id}"),
    )
    return keep(gateway, identity, entry, found.decision, body=body, form=form, state=found.state)


def hold_own(gateway: Gateway, identity: Identity, collection: str, period_code: str, form: Format) -> Held | Refused:
    """Prepare a site's own figures, the only way a confidential table leaves; without counts there are none."""
    contract = gateway.contracts.get(collection)
    if contract is None:
        return Refused("unknown-collection")
    with gateway.reading() as session:
        period = find_period(session, contract.table, period_code)
        if period is None:
            return Refused("unknown-period")
        caller = caller_of(session, identity, gateway.today)
        facts = site_facts(session, identity.party, period.reference_date)
        thing = OwnTable(party=identity.party if facts is not None else "")
        decision = gateway.decide(caller, Action.READ_OWN_TABLE, thing, ("own-school",), collection)
        counts = own_counts(session, period, identity.party)
    if isinstance(decision, Deny) or facts is None:
        return _refuse(gateway, caller, decision)
    if not counts:
        return _refuse(gateway, caller, decision, "no-own-figures")
    rows = encode_rows(own_rows(period.code, facts, contract, counts))
    body = _file(gateway, rows, form, {**_about(period), "area": identity.party}, own=True)
    if body is None:
        return _refuse(gateway, caller, decision)
    entry = Entry(
        event=Event.OWN_TABLE_DOWNLOADED,
        actor=actor_of(caller),
        recipient=identity.party,
        period=period.code,
        object=Object(f"table:{contract.table}/{period.code}"),
    )
    return keep(gateway, identity, entry, decision, body=body, form=form, own=period)


def read_certificate(gateway: Gateway, identity: Identity | None, release_id: str) -> str | Refused:
    """The signed statement of what the judge found: totals only."""
    with gateway.reading() as session:
        release = session.get(Release, release_id)
        if release is None:
            return Refused("not-found")
        period = session.get_one(Period, release.period_id)
        caller = caller_or_anybody(gateway, session, identity)
    decision = _decide_on_release(gateway, caller, release, period, Action.READ_CERTIFICATE)
    if isinstance(decision, Deny):
        return _refuse(gateway, caller, decision)
    entry = Entry(
        event=Event.CERTIFICATE_READ,
        actor=actor_of(caller),
        recipient=None if caller.acting.kind is Kind.PUBLIC else caller.acting.code,
        period=period.code,
        object=Object(f"release:{release_id}"),
    )
    logged = gateway.log_for(identity, entry, decision)
    if isinstance(logged, Refused):
        return logged
    return str(gateway.receipts.sign(json.dumps(certificate_of(release), sort_keys=True) + "\n"))


@dataclass(frozen=True, slots=True)
class _Found:
    """A caller's slice of a release, and the decision that opens it."""

    caller: Caller
    decision: Decision
    period: Period
    release: str
    state: str
    expired: bool
    places: Sequence[tuple[str, str, str]]
    rows: bytes


@dataclass(frozen=True, slots=True)
class _Shut:
    """Whom the law opens nothing of a release, and what it said where there was something to ask it."""

    caller: Caller
    decision: Decision | None


def _slice_of(
    gateway: Gateway, session: Session, identity: Identity | None, release_id: str, level: str | None
) -> _Found | _Shut | None:
    caller = caller_or_anybody(gateway, session, identity)
    release = session.get(Release, release_id)
    if release is None:
        return None
    period = session.get_one(Period, release.period_id)
    purposes = _purposes(gateway, caller, release)
    if caller.acting.kind is Kind.SITE:
        plan = plan_of(gateway, release)
        if plan is None or all(line.site != REGION for line in plan.show):
            return None  # nothing of regions was released that a school could see
        purposes = [_REGION_FOR_SCHOOL]
    allowed: list[tuple[str, str, str]] = []
    decisions: dict[tuple[str, Area], Decision] = {}
    for place, relation in _areas(session, caller, period):
        if level not in (None, place[0]):
            continue
        if (place[0], relation) not in decisions:
            thing = SliceThing(
                published=release.state in OUT,
                withdrawn=is_withdrawn(release),
                level=place[0],
                area=relation,
            )
            decisions[place[0], relation] = decide_for_any(
                gateway, caller, Action.DOWNLOAD_RELEASE, thing, purposes=purposes, table=period.table_id
            )
        if isinstance(decisions[place[0], relation], Permit):
            allowed.append(place)
    permits = [decision for decision in decisions.values() if isinstance(decision, Permit)]
    if not permits:
        return _Shut(caller, next(iter(decisions.values()), None))
    rows = _stored(session, release_id, allowed)
    expired = release.failure == EXPIRED
    return _Found(caller, permits[0], period, release_id, release.state, expired, allowed, rows)


def _decide_on_release(gateway: Gateway, caller: Caller, release: Release, period: Period, action: Action) -> Decision:
    """What the law says about reading of a release."""
    thing = release_thing(release, period, plan_of(gateway, release))
    purposes = _purposes(gateway, caller, release)
    return decide_for_any(gateway, caller, action, thing, purposes=purposes, table=period.table_id)


def _purposes(gateway: Gateway, caller: Caller, release: Release) -> list[str]:
    """Purposes that a release was made for: those meant for this kind of party, then the public ones, then the others.

    It was built, judged and approved for these and no others; while the own one is not in force, what is public is.
    One that the law knows no more comes last, and opens nothing.
    """

    def far(name: str) -> tuple[bool, bool]:
        purpose = gateway.law.purposes.get(name)
        recipients = purpose.recipients if purpose else ()
        return caller.acting.kind not in recipients, Kind.PUBLIC not in recipients

    return sorted(release.purposes.split(), key=far)


def _written(gateway: Gateway, found: _Found, form: Format, language: Language) -> bytes | None:
    if form is Format.SVG:
        with gateway.reading() as session:
            return _chart(session, found, language)
    return _file(gateway, found.rows, form, {**_about(found.period), "release": found.release})


def _about(period: Period) -> dict[str, str]:
    """What a file says of its period: of an exercise everything in it is invented."""
    return {"period": period.code} | ({EXERCISE: "yes"} if period.exercise else {})


def _file(gateway: Gateway, rows: bytes, form: Format, about: Mapping[str, str], *, own: bool = False) -> bytes | None:
    if form is Format.ZIP:
        return write_package(rows, about, gateway.receipts.sign, own=own)
    return write_table(rows, form, about, own=own) if form in FILES else None


def _chart(session: Session, found: _Found, language: Language) -> bytes | None:
    """The stored picture of the caller's first region, where every sector in it is the caller's."""
    region = next(((level, area) for level, area, _ in found.places if level != "site"), None)
    if region is None:
        return None
    query = select(ReleaseSlice.sector).where(
        ReleaseSlice.release_id == found.release, ReleaseSlice.level == region[0], ReleaseSlice.area == region[1]
    )
    if {(*region, sector) for sector in session.exec(query)} - set(found.places):
        return None
    row = session.get(ReleaseChart, (found.release, *region, language))
    return row.svg if row else None


def _refuse(gateway: Gateway, caller: Caller, decision: Decision | None, code: str = "not-found") -> Refused:
    """A denial, or a permit for what is not there, such as the picture of a table: each has its entry."""
    entry = Entry(event=Event.REQUEST_REFUSED, actor=actor_of(caller))
    if isinstance(decision, Deny):
        return gateway.refuse(entry, decision)
    if decision is not None:
        gateway.log_undone(entry, decision)
    return Refused(code)


def _areas(session: Session, caller: Caller, period: Period) -> Iterator[tuple[tuple[str, str, str], Area]]:
    """(level, area, sector) of everything that is the caller's by the register of the period, and how it relates."""
    party = caller.acting
    if party.kind is Kind.SITE:
        facts = site_facts(session, party.code, period.reference_date)
        if facts is not None and facts.swv is not None:
            yield ((REGION, facts.swv, facts.sector), Area.OWN)
        return
    mine: Sequence[SiteFacts] = ()
    if party.kind in (Kind.GEMEENTE, Kind.SWV):
        mine = sites_on(session, period.reference_date, **{party.kind.value: party.code})
    sectors = sorted({facts.sector for facts in mine})
    yield from (((party.kind.value, party.code, sector), Area.OWN) for sector in sectors)
    yield from ((("site", facts.site, facts.sector), Area.OWN_SITE) for facts in mine)
    everywhere = sectors or _SECTORS[party.code[:2]] if party.kind is Kind.SWV else SECTORS
    yield from ((("country", COUNTRY, sector), Area.COUNTRY) for sector in everywhere)


def _stored(session: Session, release_id: str, places: Sequence[tuple[str, str, str]]) -> bytes:
    """The stored lines of these places, in the order of levels and areas."""
    wanted = set(places)
    levels, areas = {place[0] for place in wanted}, {place[1] for place in wanted}
    query = select(ReleaseSlice).where(
        ReleaseSlice.release_id == release_id, col(ReleaseSlice.level).in_(levels), col(ReleaseSlice.area).in_(areas)
    )
    parts = [part for part in session.exec(query) if (part.level, part.area, part.sector) in wanted]
    parts.sort(key=lambda part: (-LEVELS.index(part.level), part.sector, part.area))
    return b"".join(part.rows for part in parts)
