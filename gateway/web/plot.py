"""A line chart of published shares over periods, for a page: where each stroke, dot and mark stands.

Positions along the chart are per cent of its width, heights are pixels, so that it fills any screen and its words keep
their size. Only whole per cents that are published come in, and a gap stays a gap: nothing is drawn across it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

HEIGHT, TOP, FLOOR = 220, 20, 176
"""Height of the picture, where 100 % of the scale is drawn and where 0 is, in pixels from above."""
LINES = (196, 214)
"""Where the words under the chart stand: the number of a period, and its school year."""
_SCALES = (5, 10, 20, 40, 60, 80, 100)
_LEFT, _WIDTH = 8.0, 92.0


@dataclass(frozen=True, slots=True)
class Dot:
    """One published share."""

    x: float
    y: float
    share: int


@dataclass(frozen=True, slots=True)
class Series:
    """One line of the chart: its name, its dots, and the strokes between dots of periods that follow each other."""

    name: str
    dots: Sequence[Dot]
    strokes: Sequence[tuple[Dot, Dot]]


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart.

    Attributes:
        ticks: Lines of the scale: height and per cent.
        marks: Where something changed between two periods, in per cent of the width.
        columns: Middle of each period, in per cent of the width.
        floor: Where 0 is drawn, in pixels from above; `lines` are where the words under it stand.
    """

    series: Sequence[Series]
    ticks: Sequence[tuple[float, int]]
    marks: Sequence[float]
    columns: Sequence[float]
    height: int = HEIGHT
    floor: int = FLOOR
    lines: tuple[int, int] = LINES


def plot(shares: Mapping[str, Sequence[int | None]], changed: Sequence[bool]) -> Plot | None:
    """Draw one line for each name; None where fewer than two periods have a share, for then nothing runs.

    Args:
        shares: Name → whole per cent of each period, None where there is none.
        changed: For each period whether something changed since the one before.
    """
    known = [share for values in shares.values() for share in values if share is not None]
    if max((sum(v is not None for v in values) for values in shares.values()), default=0) <= 1:
        return None
    highest = next(scale for scale in _SCALES if scale >= max(known))
    step = _WIDTH / len(changed)
    columns = [_rounded(_LEFT + (i + 0.5) * step) for i in range(len(changed))]
    drawn = [_series(name, values, columns, highest) for name, values in shares.items()]
    return Plot(
        [each for each in drawn if each.dots],
        [(_height(share, highest), share) for share in (0, highest // 2, highest)],
        [_rounded(_LEFT + i * step) for i, change in enumerate(changed) if change],
        columns,
    )


def _series(name: str, values: Sequence[int | None], columns: Sequence[float], highest: int) -> Series:
    placed = [
        None if share is None else Dot(x, _height(share, highest), share)
        for x, share in zip(columns, values, strict=True)
    ]
    strokes = [(before, after) for before, after in pairwise(placed) if before is not None and after is not None]
    return Series(name, [dot for dot in placed if dot is not None], strokes)


def _height(share: int, highest: int) -> float:
    return _rounded(FLOOR - (FLOOR - TOP) * share / highest)


def _rounded(place: float) -> float:
    return round(place, 2)
