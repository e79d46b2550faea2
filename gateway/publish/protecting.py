"""From the confidential table of a sector to the rows that may leave.

Here and nowhere else do the obligations of the purposes become the arguments of `disclosure.protect`.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import pandas as pd

from disclosure import Build, Hierarchy, Inequality, Terms, ThresholdRule
from disclosure import build as build_table
from gateway.collections import TOTAL, Contract, Cumulative
from gateway.table import CellStatus, TableRow, share_of
from gateway.tabulate import LEVELS, SectorTable
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
    terms = Terms(
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
        coalitions=table.sites[["site", "board"]].rename(columns={"board": "insider"}),
    )
    return build_table(table.counts, terms, seed=seed, executor=executor)


def dimensions(table: SectorTable) -> dict[str, Hierarchy]:
    """The hierarchies of a sector: two region paths over the same sites where there are SWVs."""
    paths = [("gemeente", "country")] + ([("swv", "country")] if table.has_swv else [])
    margins = tuple(name for name in table.bands.columns if name != "band")
    return {
        "site": Hierarchy("site", table.sites.drop(columns="board"), paths=paths),
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
        if line["site"] != "swv" or table.has_swv
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
    """The release of a sector by area: every cell of the list has a row, delivered or not."""
    figures = _figures(frame)
    lists: dict[str, list[tuple[str, str, str]]] = {level: [] for level in LEVELS}
    for line in shown(table, contract, plan):
        level = str(line["site"])
        for subdivision in _codes(table.subdivisions, str(line["subdivision"])):
            for band in _codes(table.bands, str(line["band"])):
                lists[level] += [(subdivision, str(kind), band) for kind in line["kind"]]
    order = {cell: place for place, cell in enumerate(_reading_order(table, contract))}
    return [
        Slice(level, area, table.sector, tuple(_rows(period, table, (level, area), cells, figures)))
        for (level, area) in sorted(table.expected, key=lambda pair: (LEVELS.index(pair[0]), pair[1]))
        if (cells := sorted(set(lists[level]), key=lambda cell: order[cell]))
    ]


def _figures(frame: pd.DataFrame) -> dict[tuple[str, ...], tuple[str, str]]:
    """(level, area, subdivision, kind, band) → status and figure; a suppressed cell has no figure."""
    columns = ["site_level", *_DIMENSIONS, "status", "value"]
    return {
        (level, site, subdivision, kind, band): (status, "" if status != CellStatus.PUBLISHED else str(int(value)))
        for level, site, subdivision, kind, band, status, value in frame[columns].itertuples(index=False, name=None)
    }


def _rows(
    period: str,
    table: SectorTable,
    place: tuple[str, str],
    cells: Sequence[tuple[str, str, str]],
    figures: Mapping[tuple[str, ...], tuple[str, str]],
) -> Iterator[TableRow]:
    level, area = place
    delivered = table.delivered.get(place, 0)
    absent = CellStatus.NOT_APPLICABLE if delivered else CellStatus.NOT_DELIVERED
    for subdivision, kind, band in cells:
        status, pupils = figures.get((level, area, subdivision, kind, band), (absent.value, ""))
        total = figures.get((level, area, subdivision, kind, TOTAL), ("", ""))[1]
        yield TableRow(
            period=period,
            level=level,
            area=area,
            sector=table.sector,
            subdivision=subdivision,
            kind=kind,
            band=band,
            pupils=pupils,
            status=status,
            share=share_of(int(pupils), int(total)) if pupils and total else "",
            method="exact",
            lower="",
            upper="",
            sites_delivered=str(delivered),
            sites_expected=str(table.expected[place]),
        )


def _codes(lookup: pd.DataFrame, level: str) -> list[str]:
    return list(dict.fromkeys(lookup[level]))


def _reading_order(table: SectorTable, contract: Contract) -> Iterator[tuple[str, str, str]]:
    """Cells as people read them: totals first, then subdivisions, kinds, and bands from the total down."""
    bands = [code for level in reversed(table.bands.columns) for code in _codes(table.bands, str(level))]
    for subdivision in (TOTAL, *_codes(table.subdivisions, "subdivision")):
        for kind in contract.kinds.members:
            yield from ((subdivision, kind, band) for band in bands)
