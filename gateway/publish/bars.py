"""Published rows as lines, and lines as bars: bands are parts, what is not specified is one hatched part.

Only `TableRow`s of a release, or a site's own, come in here: nothing confidential can be drawn. A bar says nothing that
the table beside it does not: the hatched part is the total minus what is published, which anybody can subtract.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from gateway.collections import TOTAL, Bands, Contract
from gateway.table import CellStatus, TableRow

SUPPRESSED = CellStatus.SUPPRESSED.value
_WHOLE = 1000
_SHADES = 4
_NONE, _ALL = "0", "100"


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

    @property
    def unsaid(self) -> str:
        """Why it has no bar, as a status; empty where there is nobody to divide."""
        if self.status != CellStatus.PUBLISHED.value:
            return self.status
        return "" if TOTAL in self.cells and self.cells[TOTAL].pupils == _NONE else SUPPRESSED

    @property
    def noisy(self) -> bool:
        """Whether some figure has noise."""
        return any(row.method == "dp" for row in self.cells.values())

    def shows(self, band: str) -> bool:
        """Whether the figure of a band is published."""
        row = self.cells.get(band)
        return row is not None and row.status == CellStatus.PUBLISHED.value and bool(row.pupils)

    def share(self, band: str) -> str:
        """The published share of a band as people read it: never `0%` of somebody, nor `100%` while others are left."""
        row, whole = self.cells.get(band), self.cells.get(TOTAL)
        if row is None or not row.share:
            return ""
        if row.share == _NONE and row.pupils != _NONE:
            return "<\u00a01%"
        if row.share == _ALL and whole is not None and row.pupils != whole.pupils:
            return ">\u00a099%"
        return f"{row.share}%"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar, in thousandths of its width.

    Attributes:
        band: Band or margin, or `suppressed`.
        place: Its place among all that a contract can show: bands, then margins, then what is not specified.
        shade: Name of its shade: `1` (least absence) to `4` (most), `low` or `high` of margins, or `suppressed`.
        share: As people read it; empty for what is not specified.
    """

    band: str
    place: int
    shade: str
    start: int
    width: int
    share: str


@dataclass(frozen=True, slots=True)
class Bar:
    """The parts of one line; none where there is no published total, or nobody in it."""

    parts: Sequence[Part]


def lines(rows: Iterable[TableRow]) -> list[Line]:
    """Rows as lines, in the order of the table."""
    return [
        Line(*place, {row.band: row for row in cells})
        for place, cells in groupby(rows, lambda row: (row.level, row.area, row.sector, row.subdivision, row.kind))
    ]


def draw(found: Sequence[Line], contract: Contract) -> list[tuple[Line, Bar]]:
    """A bar for each line, as fine as it is published: a margin only where one of its bands is not."""
    shades = _shades(contract.bands)
    return [(line, Bar(_parts(line, list(_finest(line, contract.bands)), shades))) for line in found]


def legend(bars: Iterable[Bar]) -> list[Part]:
    """Each kind of part that occurs, once, in the order of the bands."""
    seen = {part.band: part for bar in bars for part in bar.parts}
    return sorted(seen.values(), key=lambda part: part.place)


def _shades(bands: Bands) -> dict[str, str]:
    """Band or margin → its shade, in the order of a legend; a margin never has that of a band."""
    steps, half = max(len(bands.upper) - 1, 1), len(bands.margins) / 2
    shades = {band: str(1 + (_SHADES - 1) * place // steps) for place, band in enumerate(bands.upper)}
    shades |= {margin: "low" if place < half else "high" for place, margin in enumerate(bands.margins)}
    return {**shades, SUPPRESSED: SUPPRESSED}


def _finest(line: Line, bands: Bands) -> Iterator[str]:
    """The published bands of a line, and in the place of bands that are not all published their published margin."""
    covered: set[str] = set()
    for band in bands.upper:
        if band in covered:
            continue
        whole = next((name for name, parts in bands.margins.items() if band in parts and line.shows(name)), None)
        parts = set(bands.margins[whole]) if whole else set()
        if whole and not covered & parts and not all(map(line.shows, parts)):
            covered |= parts
            yield whole
        elif line.shows(band):
            yield band


def _parts(line: Line, names: Sequence[str], shades: Mapping[str, str]) -> list[Part]:
    total = int(line.cells[TOTAL].pupils) if line.shows(TOTAL) else 0
    if not total or not line.cells.keys() & shades.keys():
        return []
    ends = list(accumulate((int(line.cells[name].pupils) for name in names), lambda at, n: min(at + n, total)))
    spans = list(zip(names, [0, *ends], ends, strict=False))
    if total > (rest := ends[-1] if ends else 0):
        spans.append((SUPPRESSED, rest, total))
    places = list(shades)
    return [
        Part(name, places.index(name), shades[name], begin, end - begin, line.share(name))
        for name, begin, end in ((name, *(_WHOLE * at // total for at in span)) for name, *span in spans)
    ]
