"""The register: parties, and what holds of a site on a date.

Facts carry `[valid_from, valid_to)`; a change closes the old facts and opens new ones, so that every release can be
explained with the register of its reference date.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations, groupby
from operator import attrgetter
from typing import Any, get_args

from sqlalchemy import BindParameter, ColumnElement, Date, bindparam, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from audit.events import Event
from audit.schema import INDEX
from gateway.outcome import Fault, GatewayError
from gateway.store import Agreement, Mandate, Party, SiteFacts, table_of
from policies.parties import Kind
from policies.release import Sector

SECTORS: tuple[str, ...] = get_args(Sector)
KINDS = tuple(kind.value for kind in Kind if kind is not Kind.PUBLIC)
EXPORT_DAYS = 120  # for so long the pseudonym service takes the register that is exported to it
_LONGEST_NAME = 200
_FORMS = {
    "site": re.compile(r"[0-9]{2}[A-Z]{2}[0-9]{2}"),
    "gemeente": re.compile(r"GM[0-9]{4}"),
    "swv": re.compile(r"(PO|VO)[0-9]{4}"),
}
_OTHER = re.compile(r"ORG-[A-Z0-9][A-Z0-9-]{0,30}")


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """A site to be registered, with the facts that hold from a date on."""

    code: str
    name: str
    sector: str
    subdivisions: tuple[str, ...]
    board: str
    gemeente: str
    swv: str | None
    pupils: int | None
    funded: bool = True

    def facts(self, valid_from: date) -> SiteFacts:
        """The row that holds from a date on."""
        return SiteFacts(
            site=self.code,
            valid_from=valid_from,
            sector=self.sector,
            subdivisions=" ".join(self.subdivisions),
            board=self.board,
            gemeente=self.gemeente,
            swv=self.swv,
            pupils=self.pupils,
            funded=self.funded,
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """What an import did, in numbers of sites."""

    added: int
    changed: int
    unchanged: int


def party_fault(code: str, kind: str) -> str | None:
    """The rule that a party's code breaks, if any."""
    if kind not in KINDS:
        return "PARTY-KIND"
    form = _FORMS.get(kind, _OTHER)
    return None if form.fullmatch(code) else "PARTY-CODE"


def name_fits(name: str) -> bool:
    """Whether a name says something, and is no longer than a page can show."""
    return bool(name.strip()) and len(name) <= _LONGEST_NAME


def kind_of_code(code: str) -> str | None:
    """What kind of region or site a code names by its form; None for other organisations."""
    return next((kind for kind, form in _FORMS.items() if form.fullmatch(code)), None)


def holding_on(day: date | BindParameter[date], *, model: type[SiteFacts | Agreement | Mandate]) -> ColumnElement[bool]:
    """The condition that a dated row holds on a day."""
    return (col(model.valid_from) <= day) & lasting(day, model=model)


def lasting(day: date | BindParameter[date], *, model: type[SiteFacts | Agreement | Mandate]) -> ColumnElement[bool]:
    """The condition that a dated row does not end by a day: it holds then, or begins later."""
    return or_(col(model.valid_to).is_(None), col(model.valid_to) > day)


def exports(session: Session) -> list[int]:
    """When the register was exported to the pseudonym service, the last one last: milliseconds since 1970 UTC."""
    made = select(INDEX.c.ts).where(INDEX.c.event == Event.REGISTER_EXPORTED).order_by(INDEX.c.log, INDEX.c.idx)
    return list(session.connection().scalars(made))


# Statements of every delivery are built once: building one costs more than SQLite needs to answer it.
_DAY: BindParameter[date] = bindparam("day", type_=Date())
_FACTS = select(SiteFacts).where(SiteFacts.site == bindparam("site"), holding_on(_DAY, model=SiteFacts))
_OF_SITE = select(table_of(SiteFacts).c.sector, table_of(SiteFacts).c.funded).where(
    SiteFacts.site == bindparam("site"), holding_on(_DAY, model=SiteFacts)
)
_AGREEMENT = select(table_of(Agreement).c.id).where(
    Agreement.site == bindparam("site"), holding_on(_DAY, model=Agreement)
)
_MANDATES = (
    select(Mandate)
    .where(Mandate.supplier == bindparam("supplier"), Mandate.site == bindparam("site"))
    .where(holding_on(_DAY, model=Mandate))
    .order_by(col(Mandate.id))
)


def site_facts(session: Session, site: str, day: date) -> SiteFacts | None:
    """What holds of a site on a day, or None when it is not registered then."""
    return session.exec(_FACTS, params={"site": site, "day": day}).first()


def sector_of(session: Session, site: str, day: date) -> tuple[str, bool] | None:
    """Sector of a site and whether it is funded, on a day; None when it is not registered then."""
    found = session.connection().execute(_OF_SITE, {"site": site, "day": day}).first()
    return found and (found.sector, found.funded)


def sites_on(session: Session, day: date, **where: str) -> Sequence[SiteFacts]:
    """All sites registered on a day, by code; `where` narrows by a column, e.g. `gemeente="GM0344"`."""
    query = select(SiteFacts).where(holding_on(day, model=SiteFacts)).order_by(SiteFacts.site)
    for name, value in where.items():
        query = query.where(getattr(SiteFacts, name) == value)
    return session.exec(query).all()


def boards_since(session: Session, day: date) -> Sequence[tuple[str, str]]:
    """Each site with every board that it has on a day, had since or is to have, as far as is registered by now.

    A board that gets a site, or gives it to another, on a later day knows less before or since: what it has from one
    such day to another stands under a name of its own, such as `ORG-1 2026-10-01--2027-01-01`.
    """
    rows = session.exec(select(SiteFacts).where(lasting(day, model=SiteFacts)))
    had: dict[str, list[tuple[date, date, str]]] = {}
    for site, of_site in groupby(sorted(rows, key=attrgetter("site", "valid_from")), key=attrgetter("site")):
        boards = [(board, next(of_board).valid_from) for board, of_board in groupby(of_site, key=attrgetter("board"))]
        begins = [day, *(begin for _, begin in boards[1:])]  # who ended keeps its board, who is to begin has it
        for (board, _), begin, end in zip(boards, begins, [*begins[1:], date.max], strict=True):
            had.setdefault(board, []).append((begin, end, site))
    known = (each for board in sorted(had) for each in _known(board, had[board]))
    return [(site, board) for board, sites in known for site in sorted(sites)]


def _known(board: str, had: Sequence[tuple[date, date, str]]) -> Iterator[tuple[str, frozenset[str]]]:
    """The sites that a board had at any time, and those of each span between days on which it got or gave one."""
    days = sorted({begin for begin, _, _ in had} | {end for _, end, _ in had if end < date.max})
    at_once = [frozenset(site for begin, end, site in had if begin <= day < end) for day in days]
    yield board, frozenset[str]().union(*at_once)
    for first, end in combinations(range(len(days) + 1), 2):
        if end - first < len(days):
            span = f"{days[first]}--{days[end] if end < len(days) else ''}"
            yield f"{board} {span}", frozenset[str]().union(*at_once[first:end])


def stays_of(
    session: Session, day: date, *, before: date, still: Mapping[str, date]
) -> Iterator[tuple[SiteFacts, date | None]]:
    """Every site that is registered on a day, or first after it and before another: its facts then, and its end.

    Facts that change on a day end no site: the end is the first day without any, or None. One that is `still` known
    until a later day ends then, with the facts it had last.
    """
    rows = session.exec(select(SiteFacts).order_by(SiteFacts.site, col(SiteFacts.valid_from)))
    for site, of_site in groupby(rows, key=attrgetter("site")):
        known = list(of_site)
        first, *later = [facts for facts in known if facts.valid_to is None or facts.valid_to > day] or known[-1:]
        until = first.valid_to
        for facts in later:
            until = facts.valid_to if facts.valid_from == until else until
        until = until and max(until, still.get(site, until))
        if first.valid_from < before and (until is None or until > day):
            yield first, until


def has_agreement(session: Session, site: str, day: date, *, hold: bool = False) -> bool:
    """Whether a processor agreement of the site holds on a day (AVG art. 28).

    Held, it does not end before this transaction does.
    """
    query = _AGREEMENT.with_for_update(read=True) if hold else _AGREEMENT
    return session.connection().execute(query, {"site": site, "day": day}).first() is not None


def agreed(day: date) -> SelectOfScalar[str]:
    """Sites with a processor agreement that holds on a day or begins later: what is kept for others goes."""
    return select(Agreement.site).where(lasting(day, model=Agreement))


def mandates(session: Session, supplier: str, site: str, day: date, *, hold: bool = False) -> Sequence[Mandate]:
    """The mandates under which a supplier may act for a site on a day, the oldest first.

    Held, none of them ends before this transaction does.
    """
    query = _MANDATES.with_for_update(read=True) if hold else _MANDATES
    return session.exec(query, params={"supplier": supplier, "site": site, "day": day}).all()


def add_parties(session: Session, parties: Iterable[tuple[str, str, str]]) -> int:
    """Register parties (code, kind, name) that are not there yet; returns how many were new.

    Raises:
        GatewayError: a code that does not fit its kind; callers check with `party_fault` first.
    """
    wanted = {code: (kind, name) for code, kind, name in parties}
    for code, (kind, _) in wanted.items():
        if party_fault(code, kind) is not None:
            raise GatewayError(f"not a code of a {kind}")
    known = set(session.exec(select(Party.code)).all())
    fresh = [Party(code=code, kind=kind, name=name) for code, (kind, name) in wanted.items() if code not in known]
    session.add_all(fresh)
    session.flush()
    return len(fresh)


def place_party(session: Session, code: str, kind: str, name: str) -> Event | None:
    """Register a party, or give a registered one of that kind another name: what the log says, None for nothing."""
    if add_parties(session, [(code, kind, name)]):
        return Event.PARTY_ADDED
    renamed = session.get_one(Party, code).kind == kind and _rename(session, {code: name})
    return Event.PARTY_CHANGED if renamed else None


def _rename(session: Session, now: Mapping[str, str]) -> Collection[str]:
    """Give registered parties the names (by code) they go by now; returns the codes of which it is another one."""
    differ = [row for row in session.exec(select(Party)) if row.code in now and row.name != now[row.code]]
    for row in differ:
        row.name = now[row.code]
    return {row.code for row in differ}


def not_listed(session: Session, entries: Collection[SiteEntry], day: date) -> list[str]:
    """Codes of sites that hold on a day and are not in a list, of its sectors: closed, if the list is whole."""
    sectors, listed = {entry.sector for entry in entries}, {entry.code for entry in entries}
    return [facts.site for facts in sites_on(session, day) if facts.sector in sectors and facts.site not in listed]


def end_site(session: Session, site: str, day: date) -> bool:
    """Let a site be registered no more from a day on, whatever was to hold of it then; False when it was not."""
    rows = session.exec(select(SiteFacts).where(SiteFacts.site == site, lasting(day, model=SiteFacts))).all()
    for facts in rows:
        if facts.valid_from < day:
            facts.valid_to = day
        else:
            session.delete(facts)
    return bool(rows)


def register_sites(
    session: Session, entries: Sequence[SiteEntry], valid_from: date, named: Sequence[tuple[str, str, str]] = ()
) -> Changes | list[Fault]:
    """Register sites, or close their old facts and open new ones where something changed.

    What is registered from a later day on stays: new facts hold until then, and the same facts begin earlier. Boards,
    gemeenten and SWVs that a site names are registered with it, and the parties (code, kind, name) that are `named`. A
    name has no dates: it is the newest that was told.

    Returns:
        What changed, or the faults; then nothing is changed.
    """
    current = {facts.site: facts for facts in sites_on(session, valid_from)}
    coming = _next_facts(session, valid_from)
    faults = [
        Fault(rule, where=entry.code)
        for entry in entries
        if (rule := _entry_fault(entry, current.get(entry.code) or coming.get(entry.code))) is not None
    ]
    if faults:
        return faults
    add_parties(session, [*_with_sites(entries), *named])
    renamed = _rename(session, {code: name for code, _, name in named} | {each.code: each.name for each in entries})
    added = changed = 0
    for entry in entries:
        old, after, new = current.get(entry.code), coming.get(entry.code), entry.facts(valid_from)
        if old is not None and _same(old, new):
            changed += entry.code in renamed
            continue
        added += old is None and after is None
        changed += old is not None or after is not None
        _put(session, new, old, after)
    session.flush()
    return Changes(added, changed, len(entries) - added - changed)


def _put(session: Session, new: SiteFacts, old: SiteFacts | None, after: SiteFacts | None) -> None:
    """Let new facts hold in the place of the old ones, or before those that come after; the same begin earlier."""
    if old is None and after is not None and _same(after, new):
        after.valid_from = new.valid_from
        return
    if old is not None:
        new.valid_to, old.valid_to = old.valid_to, new.valid_from
        if old.valid_from == new.valid_from:
            session.delete(old)
            session.flush()
    elif after is not None:
        new.valid_to = after.valid_from
    session.add(new)


def _next_facts(session: Session, day: date) -> Mapping[str, SiteFacts]:
    """Of each site what begins to hold first after a day."""
    later = select(SiteFacts).where(col(SiteFacts.valid_from) > day).order_by(col(SiteFacts.valid_from).desc())
    return {facts.site: facts for facts in session.exec(later)}


def names(session: Session, codes: Iterable[str]) -> Mapping[str, str]:
    """Names of parties by code."""
    query = select(Party.code, Party.name).where(col(Party.code).in_(sorted(set(codes))))
    return dict(session.exec(query).all())


def _with_sites(entries: Iterable[SiteEntry]) -> Iterable[tuple[str, str, str]]:
    for entry in entries:
        yield entry.code, "site", entry.name
        yield entry.board, "board", entry.board
        yield entry.gemeente, "gemeente", entry.gemeente
        if entry.swv is not None:
            yield entry.swv, "swv", entry.swv


def _entry_fault(entry: SiteEntry, current: SiteFacts | None) -> str | None:
    if party_fault(entry.code, "site") is not None:
        return "SITE-CODE"
    if entry.sector not in SECTORS:
        return "SITE-SECTOR"
    if current is not None and current.sector != entry.sector:
        return "SITE-OTHER-SECTOR"
    if not name_fits(entry.name):
        return "PARTY-NAME"
    return None if entry.subdivisions else "SITE-SUBDIVISIONS"


def _same(old: SiteFacts, new: SiteFacts) -> bool:
    def facts(row: SiteFacts) -> dict[str, Any]:
        return row.model_dump(exclude={"id", "valid_from", "valid_to"})

    return facts(old) == facts(new)
