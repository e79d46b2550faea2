"""Figures over periods: a line of each period with region and country beside it, and what changed in the area."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from starlette.requests import Request
from starlette.responses import Response

from gateway import overview
from gateway.collections import TOTAL, Contract
from gateway.formats.write import Format
from gateway.outcome import Refused
from gateway.publish.bars import Bar, Line, Part, draw, legend, lines
from gateway.publish.downloading import REGION, Listed, hold, hold_own
from gateway.publish.handing import Held
from gateway.register import kind_of_code
from gateway.store import Period
from gateway.table import TableRow
from gateway.web.figures import Choices, Filters, bands, choices, highest, settled
from gateway.web.forms import show
from gateway.web.pages import Visitor, gateway_of, page, refusal
from gateway.web.plot import Plot, plot
from gateway.web.sheets import beside, foremost, public_releases, published, tables

MOST = 8
WHOSE = ("own", "region", "country")


@dataclass(frozen=True, slots=True)
class Change:
    """How the sites of an area and sector that are asked to deliver differ from those of the period before."""

    joined: int
    left: int


@dataclass(frozen=True, slots=True)
class Point:
    """One period of a trend.

    Attributes:
        line: The figures of the area; None where it has none in this period.
        beside: Who → the line: `own`, and `region` and `country` beside it.
    """

    period: Period
    line: Line | None
    bar: Bar
    beside: Mapping[str, Line | None]
    change: Change


@dataclass(frozen=True, slots=True)
class Trend:
    """What a page shows: points from the oldest to the newest, and the choices behind them."""

    points: Sequence[Point]
    filters: Filters
    choices: Choices
    bands: Sequence[str]
    legend: Sequence[Part]
    highest: str

    @property
    def plot(self) -> Plot | None:
        """The shares as a chart, once there is something that runs."""
        shares = {name: [_per_cent(point.beside[name], self.highest) for point in self.points] for name in self.beside}
        return plot(shares, [bool(point.change.joined or point.change.left) for point in self.points])

    @property
    def noisy(self) -> bool:
        """Whether some share has noise."""
        return any(line.noisy for point in self.points for line in point.beside.values() if line)

    @property
    def beside(self) -> Sequence[str]:
        """Whose figures there are: those that no period has are left out, but never the own."""
        there = {name for point in self.points for name, line in point.beside.items() if _row(line, self.highest)}
        return [name for name in WHOSE if name == "own" or name in there]


def of_recipient(request: Request, who: Visitor) -> Response:
    """The own area over the newest releases; each release that is looked at is a download in the log."""
    gateway, area = gateway_of(request), who.known.party
    there = _newest(foremost(gateway, published(gateway, who.known)))[::-1]
    held: list[tuple[Period, list[Held]]] = []
    for listed in there:
        asked = hold(gateway, who.known, listed.release.id, Format.CSV)
        if isinstance(asked, Refused):
            return refusal(request, who, asked)
        held.append((listed.period, [asked]))
    return _page(request, who, held, area, partial(_changes, request, area, [period for period, _ in held]))


def of_school(request: Request, who: Visitor) -> Response:
    """The own figures over the newest confirmed deliveries of one table, with region and country where they are out."""
    gateway, site = gateway_of(request), who.known.party
    with gateway.reading() as session:
        periods = [own.period for own in foremost(gateway, overview.own_figures(gateway, session, site))]
    mine = [period for period in periods if period.table_id == periods[0].table_id][:MOST]
    public = public_releases(gateway)
    held: list[tuple[Period, list[Held]]] = []
    for period in reversed(mine):
        own = hold_own(gateway, who.known, period.table_id, period.code, Format.CSV)
        if isinstance(own, Refused):
            return refusal(request, who, own)
        held.append((period, [own, *beside(gateway, who, period.table_id, public.get(period.id))]))
    return _page(request, who, held, site, lambda _: [Change(0, 0)] * len(mine))


def _newest(there: Sequence[Listed]) -> list[Listed]:
    """One release a period, of the table of the foremost, the newest periods first."""
    of_table = [each for each in there if each.period.table_id == there[0].period.table_id]
    by_period = {each.period.code: each for each in reversed(of_table)}
    return [by_period[code] for code in sorted(by_period, reverse=True)[:MOST]]


def _changes(request: Request, area: str, periods: Sequence[Period], sector: str) -> list[Change]:
    """Sites of a sector that joined and left the area since the period before, by the register of reference dates."""
    kind = kind_of_code(area)
    if kind is None:
        return [Change(0, 0)] * len(periods)
    with gateway_of(request).reading() as session:
        sets = [overview.sites_of(session, kind, area, period.reference_date, sector=sector) for period in periods]
    later = [Change(len(now - before), len(before - now)) for before, now in pairwise(sets)]
    return [Change(0, 0), *later] if sets else []


def _page(
    request: Request,
    who: Visitor,
    held: Sequence[tuple[Period, Sequence[Held]]],
    area: str,
    changes: Callable[[str], Sequence[Change]],
) -> Response:
    rows = tables(gateway_of(request), [group for _, group in held])
    if isinstance(rows, Refused):
        return refusal(request, who, rows)
    found = [(period, each) for (period, _), each in zip(held, rows, strict=True)]
    contracts = gateway_of(request).contracts
    trend = _trend(found, area, changes, request.query_params, contracts[found[-1][0].table_id]) if found else None
    exercise = all(period.exercise for period, _ in found) if found else None
    said = {} if exercise is None else {"exercise": exercise}
    return page(request, who, "trend.html", trend=trend, school=who.role == "school", **said)


def _trend(
    found: Sequence[tuple[Period, Sequence[TableRow]]],
    area: str,
    changes: Callable[[str], Sequence[Change]],
    query: Mapping[str, str],
    contract: Contract,
) -> Trend | None:
    mine = [[line for line in lines(rows) if line.area == area and line.subdivision == TOTAL] for _, rows in found]
    every = [line for group in mine for line in group]
    if not every:
        return None
    there, asked = choices(every), Filters.of(query)
    wanted = replace(
        settled(asked, every), sector=asked.sector if asked.sector in there["sector"] else there["sector"][0]
    )
    picked, changed = [_pick(group, wanted) for group in mine], changes(wanted.sector)
    others = [[line for line in lines(rows) if line.area != area] for _, rows in found]
    bars = dict(
        zip((i for i, line in enumerate(picked) if line), draw([x for x in picked if x], contract), strict=True)
    )
    points = [
        Point(
            period,
            picked[i],
            bars[i][1] if i in bars else Bar(()),
            _beside(picked[i], others[i], wanted),
            changed[i],
        )
        for i, (period, _) in enumerate(found)
    ]
    drawn = [line for line in picked if line]
    parts = legend(point.bar for point in points)
    return Trend(points, wanted, there, bands(drawn, contract), parts, highest(contract))


def _pick(group: Sequence[Line], wanted: Filters) -> Line | None:
    asked = wanted.kind, TOTAL, wanted.sector
    return next((line for line in group if (line.kind, line.subdivision, line.sector) == asked), None)


def _beside(own: Line | None, others: Sequence[Line], wanted: Filters) -> dict[str, Line | None]:
    """The own line, that of the region of a school, and that of the country."""
    region = _pick([line for line in others if line.level == REGION], wanted)
    country = _pick([line for line in others if line.level == "country"], wanted)
    return dict(zip(WHOSE, (own, region, country), strict=True))


def _row(line: Line | None, band: str) -> TableRow | None:
    return line.cells.get(band) if line is not None else None


def _per_cent(line: Line | None, band: str) -> int | None:
    row = _row(line, band)
    return int(row.share) if row is not None and row.share else None


ROUTES = [
    show("/releases/trend", "recipient", of_recipient),
    show("/school/trend", "school", of_school),
]
