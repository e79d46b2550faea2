"""From the confidential table of a sector to the rows that may leave.

Here and nowhere else do the obligations of the purposes become the arguments of `disclosure.protect`.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields, is_dataclass
from typing import NamedTuple

import pandas as pd

from audit.receipt import equality_tag
from disclosure import Build, Hierarchy, Inequality, Terms, ThresholdRule
from disclosure import build as build_table
from gateway.collections import HALF, TOTAL, Contract, Cumulative
from gateway.delivered import LEVELS
from gateway.table import CellStatus, TableRow, share_of
from gateway.tabulate import SectorTable
from policies.release import ReleasePlan

Pattern = Mapping[str, str | Sequence[str]]
_DIMENSIONS = ("site", "subdivision", "kind", "band")


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows of one area."""

    level: str
    area: str
    sector: str
    rows: tuple[TableRow, ...]


def protect_sector(
    table: SectorTable, contract: Contract, plan: ReleasePlan, *, seed: bytes, executor: Executor | None = None
) -> Build:
    """Protect one sector for all recipients together, under the strictest terms of the purposes it serves."""
    terms = terms_of(table, contract, plan)
    return build_table(table.counts, terms, seed=seed_for(seed, table.counts, terms), executor=executor)


def seed_for(secret: bytes, *told: object) -> bytes:
    """The seed of a table: a keyed tag of its counts, its terms and what else decides it.

    Built again of equal counts, as after a restore, a table is the same bytes: one of the same counts under another
    seed hides other cells, and the two side by side give small counts away. Other counts or terms have another seed.

    Args:
        secret: the key.
        told: what the table is made of; the order of the rows of a frame is nothing.
    """
    return equality_tag(secret, repr([_written_out(one) for one in told]).encode())


def _written_out(thing: object) -> object:
    """The same for equal content, in whatever order its rows and names stand."""
    match thing:
        case pd.DataFrame():
            columns = sorted(thing.columns)
            return columns, sorted(map(repr, thing[columns].itertuples(index=False, name=None)))
        case Mapping():
            return sorted((name, _written_out(value)) for name, value in thing.items())
        case list() | tuple():
            return [_written_out(one) for one in thing]
        case _ if is_dataclass(thing):
            return [(each.name, _written_out(getattr(thing, each.name))) for each in fields(thing)]
        case _:
            return thing


def terms_of(table: SectorTable, contract: Contract, plan: ReleasePlan) -> Terms:
    """What a sector's table is, what everybody knows of it, and what may be shown."""
    return Terms(
        dimensions=dimensions(table),
        count="pupils",
        rule=ThresholdRule(
            minimum=plan.minimum,
            zeros_are_small=plan.zeros_are_small,
            complements=plan.complements,
            min_denominator=plan.min_denominator,
        ),
        public=[{"band": TOTAL}],
        publish=shown(table, contract, plan),
        structural_zeros=table.structural_zeros,
        inequalities=inequalities(contract),
        coalitions=insiders(table.boards),
    )


def insiders(boards: pd.DataFrame) -> pd.DataFrame:
    """Who knows the counts of which sites beside what everybody reads: each board, each of its schools, each site.

    A site knows less than its school, and a school (the first four characters of its sites' codes, the BRIN) less than
    its board: what is left of an area that is all its board's is of its sisters. Of a board's that know the same sites
    one stands for all.

    Args:
        boards: columns site, board, as in `SectorTable`.

    Returns:
        Columns site, insider.
    """
    ways = boards["board"], boards["board"] + "/" + boards["site"].str[:4], boards["board"] + "/" + boards["site"]
    every = pd.concat([boards.assign(insider=insider) for insider in ways], ignore_index=True)
    every["board"] = every["board"].str.split(" ").str[0]
    known = every.sort_values("site").groupby(["insider", "board"])["site"].agg(tuple).reset_index()
    first = known.drop_duplicates(["board", "site"])["insider"]
    return every.loc[every["insider"].isin(first), ["site", "insider"]].reset_index(drop=True)


def dimensions(table: SectorTable) -> dict[str, Hierarchy]:
    """The hierarchies of a sector: two region paths over the same sites where there are SWVs."""
    paths = [("gemeente", "country")] + ([("swv", "country")] if table.has_swv else [])
    margins = tuple(name for name in table.bands.columns if name != "band")
    return {
        "site": Hierarchy("site", table.sites, paths=paths),
        "subdivision": Hierarchy("subdivision", table.subdivisions, paths=[(TOTAL,)]),
        "kind": Hierarchy.separate("kind"),
        "band": Hierarchy("band", table.bands, paths=[margins]),
    }


def shown(table: SectorTable, contract: Contract, plan: ReleasePlan) -> list[dict[str, str | list[str]]]:
    """What may be shown of this sector: the plan's list, and the public head-count beside every row of it."""
    kinds = set(contract.kinds.members)
    listed = [
        {**line, "kind": [kind for kind in line["kind"] if kind in kinds]}
        for line in plan.publish(table.sector)  # type: ignore[arg-type]  # sectors of the plan are those of contracts
        if (line["site"] != "swv" or table.has_swv) and (line["band"] != HALF or contract.bands.margins)
    ]
    listed = [line for line in listed if line["kind"]]
    totals = [{**line, "band": TOTAL} for line in listed]
    return [*listed, *(line for index, line in enumerate(totals) if line not in totals[:index])]


def inequalities(contract: Contract) -> list[Inequality]:
    """The order of cumulative counts between kinds, as an outsider knows it."""

    def cells(side: Sequence[Cumulative]) -> list[dict[str, str]]:
        return [{"kind": kind, "band": band} for kind, bands in side for band in bands]

    return [Inequality(smaller=cells(order.smaller), larger=cells(order.larger)) for order in contract.orders]


def slices(period: str, table: SectorTable, contract: Contract, plan: ReleasePlan, frame: pd.DataFrame) -> list[Slice]:
    """The release of a sector by area: every cell of the list has a row, delivered or not.

    Args:
        period: code of the period.
        table: the sector.
        contract: its collection.
        plan: what may be shown.
        frame: the protected frame; figures with noise bring their interval as `lower` and `upper`.
    """
    figures = _figures(frame)
    lists: dict[str, list[tuple[str, str, str]]] = {level: [] for level in LEVELS}
    for line in shown(table, contract, plan):
        level = str(line["site"])
        for subdivision in _codes(table.subdivisions, str(line["subdivision"])):
            for band in _codes(table.bands, str(line["band"])):
                lists[level] += [(subdivision, str(kind), band) for kind in line["kind"]]
    order = {cell: place for place, cell in enumerate(_reading_order(table, contract))}
    method = "dp" if "lower" in frame.columns else "exact"
    return [
        Slice(
            level, area, table.sector, tuple(_rows(period, table, (level, area), cells, figures=figures, method=method))
        )
        for (level, area) in sorted(table.expected, key=lambda pair: (LEVELS.index(pair[0]), pair[1]))
        if (cells := sorted(set(lists[level]), key=lambda cell: order[cell]))
    ]


class _Figure(NamedTuple):
    """What a release says of a cell; a suppressed cell has no figure."""

    status: str
    pupils: str = ""
    lower: str = ""
    upper: str = ""


def _figures(frame: pd.DataFrame) -> dict[tuple[str, ...], _Figure]:
    """(level, area, subdivision, kind, band) → what is said of it."""
    with_bounds = frame if "lower" in frame.columns else frame.assign(lower=None, upper=None)
    columns = ["site_level", *_DIMENSIONS, "status", "value", "lower", "upper"]
    return {
        (level, site, subdivision, kind, band): _Figure(status, *map(_written, numbers))
        if status == CellStatus.PUBLISHED
        else _Figure(status)
        for level, site, subdivision, kind, band, status, *numbers in with_bounds[columns].itertuples(
            index=False, name=None
        )
    }


def _written(number: object) -> str:
    return "" if pd.isna(number) else str(int(number))  # type: ignore[call-overload]  # a whole number or missing


def _rows(
    period: str,
    table: SectorTable,
    place: tuple[str, str],
    cells: Sequence[tuple[str, str, str]],
    *,
    figures: Mapping[tuple[str, ...], _Figure],
    method: str,
) -> Iterator[TableRow]:
    level, area = place
    delivered = table.delivered.get(place, 0)
    said = figures if delivered else {}  # a correction has cells of a site that withdrew since
    for subdivision, kind, band in cells:
        absent = _Figure(_absent(table, place, subdivision))
        figure = said.get((level, area, subdivision, kind, band), absent)
        total = said.get((level, area, subdivision, kind, TOTAL), absent).pupils
        exact = method == "exact" or band == TOTAL  # head-counts are public, with noise too
        yield TableRow(
            period=period,
            level=level,
            area=area,
            sector=table.sector,
            subdivision=subdivision,
            kind=kind,
            band=band,
            pupils=figure.pupils,
            status=figure.status,
            share=share_of(int(figure.pupils), int(total)) if figure.pupils and total else "",
            method="exact" if exact else method,
            lower="" if exact else figure.lower,
            upper="" if exact else figure.upper,
            sites_delivered=str(delivered),
            sites_expected=str(table.expected[place]),
        )


def _absent(table: SectorTable, place: tuple[str, str], subdivision: str) -> CellStatus:
    """Why a row has no cell. Where pupils were delivered, they are of one school, which shows no more of itself."""
    if place not in table.delivered:
        return CellStatus.NOT_DELIVERED
    if subdivision == TOTAL or subdivision in table.there[place]:
        return CellStatus.SUPPRESSED
    return CellStatus.NOT_DELIVERED if subdivision in table.awaited.get(place, ()) else CellStatus.NOT_APPLICABLE


def _codes(lookup: pd.DataFrame, level: str) -> list[str]:
    return list(dict.fromkeys(lookup[level]))


def _reading_order(table: SectorTable, contract: Contract) -> Iterator[tuple[str, str, str]]:
    """Cells as people read them: totals first, then subdivisions, kinds, and bands from the total down."""
    bands = [code for level in reversed(table.bands.columns) for code in _codes(table.bands, str(level))]
    for subdivision in (TOTAL, *_codes(table.subdivisions, "subdivision")):
        for kind in contract.kinds.members:
            yield from ((subdivision, kind, band) for band in bands)
