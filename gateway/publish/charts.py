"""The chart of an area as a picture: drawn once, when a release is built, and approved and published with it.

Only protected rows come in here, so a chart says nothing that the table does not. The SVG has attributes only, no style
and no script: it passes the strictest content policy, and equal rows give equal bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from textwrap import wrap
from xml.sax.saxutils import escape, quoteattr

from gateway.collections import TOTAL, Contract
from gateway.messages import LANGUAGES, Language, named, number, text
from gateway.publish.bars import SUPPRESSED, Bar, Line, Part, draw, legend, lines
from gateway.publish.protecting import Slice
from gateway.store import ReleaseChart
from gateway.table import TableRow

_WIDTH, _MARGIN, _LABEL, _ROW, _BAR = 760, 24, 214, 52, 20
_NAME = 60  # characters of a name on a line
_SHADES = {
    "1": "#b9dade", "2": "#6fb0b8", "3": "#d58a4a", "4": "#9c4a10",
    "low": "#b9bbe0", "high": "#84508f", SUPPRESSED: "url(#hatch)",
}  # fmt: skip
_INK, _SOFT = "#1b2528", "#4c5a5e"
_HATCH = (
    '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="7" height="7" fill="#ebe8e0"/><rect width="2.5" height="7" fill="#a9a498"/></pattern></defs>'
)


def chart(
    rows: Sequence[TableRow], name: str, contract: Contract, language: Language, *, exercise: bool = False
) -> bytes:
    """Draw the rows of one area: for each sector one bar per kind of absence.

    Args:
        rows: All rows of the area in a release, sector by sector.
        name: What the area is called.
        contract: The collection the rows are of.
        language: Of the words in the picture.
        exercise: Whether the figures are invented; the title says so.
    """
    drawn = draw([line for line in lines(rows) if line.subdivision == TOTAL], contract)
    title = text("files", "chart_exercise" if exercise else "chart", language, period=rows[0].period)
    body = _Canvas(title, name, language)
    for sector, found in groupby(drawn, lambda pair: pair[0].sector):
        group = list(found)
        body.sector(sector, [line for line, _ in group])
        for line, bar in group:
            body.bar(line, bar)
    body.legend(legend(bar for _, bar in drawn))
    height, label = body.y + _MARGIN, quoteattr(f"{title}: {name}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        f'lang="{language}" role="img" aria-label={label} font-family="sans-serif" font-size="14">'
        f'{_HATCH}<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>{"".join(body.parts)}</svg>\n'
    ).encode()


def charts(
    release_id: str, parts: Sequence[Slice], names: Mapping[str, str], contract: Contract, *, exercise: bool = False
) -> Iterator[ReleaseChart]:
    """Draw every region of a release, in each language; sites have no chart of their own."""
    regions = sorted((part for part in parts if part.level != "site"), key=lambda part: (part.level, part.area))
    for (level, area), group in groupby(regions, lambda part: (part.level, part.area)):
        rows = [row for part in group for row in part.rows]
        for language in LANGUAGES:
            svg = chart(rows, names.get(area, named(level, language)), contract, language, exercise=exercise)
            yield ReleaseChart(release_id=release_id, level=level, area=area, language=language, svg=svg)


class _Canvas:
    """Where the next thing goes, and what was drawn."""

    def __init__(self, title: str, name: str, language: Language) -> None:
        self.parts: list[str] = []
        self.y = _MARGIN + 20
        self._language = language
        self._text(_MARGIN, title, size=20, weight="bold")
        for line in wrap(name, _NAME, break_on_hyphens=False):
            self.y += 24
            self._text(_MARGIN, line, size=16)

    def sector(self, sector: str, its: Sequence[Line]) -> None:
        """A heading, with how many sites delivered, and whether there is noise in its lines."""
        self.y += 38
        self._text(_MARGIN, named(sector, self._language), size=16, weight="bold")
        sites = {"delivered": its[0].delivered, "expected": its[0].expected}
        counted = {name: number(count, self._language) for name, count in sites.items()}
        words = [text("files", "chart_coverage", self._language, **counted)]
        words += [text("files", "chart_noise", self._language)] if any(line.noisy for line in its) else []
        self.y += 20
        self._text(_MARGIN, " · ".join(words), colour=_SOFT, size=12)
        self.y += 14

    def bar(self, line: Line, bar: Bar) -> None:
        """A bar with its kind in front, its pupils behind and its shares below."""
        left, width = _MARGIN + _LABEL, _WIDTH - 2 * _MARGIN - _LABEL - 100
        self.y += 18
        self._text(_MARGIN, named(line.kind, self._language))
        for part in bar.parts:
            x, wide = left + width * part.start / 1000, width * part.width / 1000
            self.parts.append(_rect(x, self.y - 15, wide, _SHADES[part.shade]))
        total = line.cells.get(TOTAL)
        self._text(left + width + 10, f"n = {number(total.pupils, self._language)}" if total and total.pupils else "")
        self.y += 18
        self._text(left, " · ".join(_shares(line, bar, self._language)), colour=_SOFT, size=12)
        self.y += _ROW - 2 * 18 - 8

    def legend(self, parts: Sequence[Part]) -> None:
        """Each shade with its meaning, one a line."""
        self.y += 12
        for part in parts:
            self.y += 22
            self.parts.append(_rect(_MARGIN, self.y - 12, 28, _SHADES[part.shade], 14))
            self._text(_MARGIN + 38, _named(part.band, self._language), colour=_SOFT, size=12)

    def _text(self, x: float, words: str, *, colour: str = _INK, size: int = 14, weight: str = "normal") -> None:
        self.parts.append(
            f'<text x="{x:.0f}" y="{self.y}" fill="{colour}" font-size="{size}" font-weight="{weight}">'
            f"{escape(words)}</text>"
        )


def _rect(x: float, y: float, width: float, fill: str, height: int = _BAR) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" fill="{fill}" stroke="#ffffff" '
        'stroke-width="1"/>'
    )


def _shares(line: Line, bar: Bar, language: Language) -> Iterator[str]:
    for part in bar.parts:
        yield part.share or _named(part.band, language)
    if not bar.parts and line.unsaid:
        yield _named(line.unsaid, language)


def _named(code: str, language: Language) -> str:
    return text("files", "hidden", language) if code == SUPPRESSED else named(code, language)
