"""A site's own figures as a table, small counts included: for that site alone."""

from collections import Counter
from collections.abc import Iterator, Mapping

from gateway.collections import TOTAL, Contract
from gateway.records.expected import Cell
from gateway.store import SiteFacts
from gateway.table import CellStatus, TableRow, share_of


def own_rows(period: str, facts: SiteFacts, contract: Contract, counts: Mapping[Cell, int]) -> Iterator[TableRow]:
    """Every subdivision the site delivered and their total, every kind, leaf bands and margins."""
    cells = _with_margins(contract, counts)
    subdivisions = [
        TOTAL,
        *(code for code in contract.subdivisions[facts.sector] if any(cell[0] == code for cell in cells)),
    ]
    for subdivision in subdivisions:
        for kind in contract.kinds.members:
            total = cells[subdivision, kind, TOTAL]
            for band in (TOTAL, *contract.bands.margins, *contract.bands.upper):
                pupils = cells[subdivision, kind, band]
                yield TableRow(
                    period=period,
                    level="site",
                    area=facts.site,
                    sector=facts.sector,
                    subdivision=subdivision,
                    kind=kind,
                    band=band,
                    pupils=str(pupils),
                    status=CellStatus.PUBLISHED.value,
                    share=share_of(pupils, total),
                    method="exact",
                    lower="",
                    upper="",
                    sites_delivered="1",
                    sites_expected="1",
                )


def _with_margins(contract: Contract, counts: Mapping[Cell, int]) -> Counter[Cell]:
    margins = {band: [TOTAL] for band in contract.bands.upper}
    for margin, bands in contract.bands.margins.items():
        for band in bands:
            margins[band].append(margin)
    cells: Counter[Cell] = Counter()
    for (subdivision, kind, band), pupils in counts.items():
        for place in (subdivision, TOTAL):
            for part in (band, *margins[band]):
                cells[place, kind, part] += pupils
    return cells
