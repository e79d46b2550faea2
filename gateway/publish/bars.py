"""Published rows as lines, and lines as bars: bands are parts, what is not specified is one hatched part.

Only `TableRow`s of a release, or a site's own, come in here: nothing confidential can be drawn. A bar says nothing that
the table beside it does not: the hatched part is the total minus what is published, which anybody can subtract.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from gateway.collections import TOTAL, Contract
from gateway.table import CellStatus, TableRow

SUPPRESSED = CellStatus.SUPPRESSED.value
_WHOLE = 1000
_SHADES = 4
_CLEARLY = 0.8


@dataclass(frozen=True, slots=True)
class Line:
    """The cells of one area, sector, subdivision and kind.

    Attributes:
        cells: Band → its row.
    """

    level: str
    area: str
    sector: str
    subdivision: str
    kind: str
    cells: Mapping[str, TableRow]

    @property
    def delivered(self) -> int:
        """Sites behind these figures."""
        return int(next(iter(self.cells.values())).sites_delivered or 0)

    @property
    def expected(self) -> int:
        """Sites that were asked."""
        return int(next(iter(self.cells.values())).sites_expected or 0)

    @property
    def status(self) -> str:
        """Status of the line as a whole: that of its total."""
        return self.cells[TOTAL].status if TOTAL in self.cells else CellStatus.PUBLISHED.value


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar, in thousandths of its width.

    Attributes:
        band: Band, or `suppressed`.
        place: Number of the band in its row of bands, from 1; chooses its shade.
        of: Number of bands in that row.
        share: Whole per cent as published; empty for what is not specified.
    """

    band: str
    place: int
    of: int
    start: int
    width: int
    share: str

    @property
    def shade(self) -> str:
        """Name of its shade: `1` (least absence) to `4` (most), or `suppressed`."""
        if not self.place:
            return self.band
        return str(1 + (_SHADES - 1) * (self.place - 1) // max(self.of - 1, 1))


@dataclass(frozen=True, slots=True)
class Bar:
    """The parts of one line; none where there is no published total."""

    parts: Sequence[Part]

    @property
    def shown(self) -> int:
        """How much of it is specified, in thousandths."""
        return sum(part.width for part in self.parts if part.band != SUPPRESSED)


def lines(rows: Iterable[TableRow]) -> list[Line]:
    """Rows as lines, in the order of the table."""
    return [
        Line(*place, {row.band: row for row in cells})
        for place, cells in groupby(rows, lambda row: (row.level, row.area, row.sector, row.subdivision, row.kind))
    ]


def draw(found: Sequence[Line], contract: Contract) -> list[tuple[Line, Bar]]:
    """A bar for each line, all in the same bands: the single ones, unless the margins show clearly more."""
    single = [Bar(_parts(line, tuple(contract.bands.upper))) for line in found]
    margins = [Bar(_parts(line, tuple(contract.bands.margins))) for line in found]
    better = sum(bar.shown for bar in margins) * _CLEARLY > sum(bar.shown for bar in single)
    better |= not any(bar.parts for bar in single)
    return list(zip(found, margins if better else single, strict=True))


def legend(bars: Iterable[Bar]) -> list[Part]:
    """Each kind of part that occurs, once, in the order of the bands."""
    seen = {(part.band, part.of): part for bar in bars for part in bar.parts}
    return sorted(seen.values(), key=lambda part: (part.band == SUPPRESSED, part.of, part.place))


def _parts(line: Line, bands: Sequence[str]) -> list[Part]:
    whole = line.cells.get(TOTAL)
    if whole is None or whole.status != CellStatus.PUBLISHED.value or not line.cells.keys() & set(bands):
        return []
    total = int(whole.pupils)
    parts: list[Part] = []
    at = 0
    for place, band in enumerate(bands, start=1):
        row = line.cells.get(band)
        if row is not None and row.status == CellStatus.PUBLISHED.value and row.pupils:
            upto = min(at + int(row.pupils), total)
            parts.append(_part(band, (place, len(bands)), (at, upto, total), row.share))
            at = upto
    if at < total:
        parts.append(_part(SUPPRESSED, (0, 0), (at, total, total), ""))
    return parts


def _part(band: str, place: tuple[int, int], span: tuple[int, int, int], share: str) -> Part:
    """The part of a band: its place in its row, and the pupils where it starts and ends, out of all."""
    start, end, total = span
    begin, stop = _WHOLE * start // total, _WHOLE * end // total
    return Part(band, *place, begin, stop - begin, share)
