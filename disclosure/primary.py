"""Which cells are unsafe by themselves, what an outsider is told about them, and what must stay possible."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from disclosure.grid import Grid
from disclosure.rules import Pattern, ThresholdRule

FAR = 1 << 30


@dataclass(frozen=True, eq=False)
class Primary:
    """A x R masks and bounds, all following from the rule.

    Attributes:
        totals: L x A x R, the known totals of the rows a cell belongs to, one layer per public margin, -1 where none.
        most: what a cell cannot exceed, given the known cells of it and of its units; from FAR where nothing says so.
        least: what a cell cannot be below, given what is known from elsewhere of it and of its units.
        known: cells everybody knows because they are public, or equal to a public total by structure.
        withheld: cells of rows with a total below the floor.
        small: watched cells that are small themselves or whose rest is small.
        lower, upper: what an outsider knows of hidden cells; -FAR, FAR where nothing.
        told: where those bounds merely say that a cell is small.
        low_end, high_end: the values that must stay possible for a small cell.
    """

    totals: np.ndarray
    most: np.ndarray
    least: np.ndarray
    known: np.ndarray
    withheld: np.ndarray
    small: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    told: np.ndarray
    low_end: np.ndarray
    high_end: np.ndarray


def row_totals(grid: Grid, values: np.ndarray, public: Sequence[Pattern]) -> tuple[np.ndarray, np.ndarray]:
    """L x A x R: the known totals each cell is part of (-1: none); and A x R, whether a cell is itself known."""
    layers = [np.zeros((0, *values.shape), np.int64)]
    known = grid.contributors == 0
    for pattern in public:
        areas, rows = grid.select(pattern)
        known |= np.outer(areas, rows)
        inner = {name: level for name, level in pattern.items() if name != grid.areas.name}
        for above in grid.above(inner):
            held = np.outer(areas, above >= 0)
            layers.append(np.where(held, values[:, above], -1)[None])
            known |= held & (grid.support[:, above] == grid.support)
    return np.concatenate(layers), known


def find_listed(
    grid: Grid, values: np.ndarray, publish: Sequence[Pattern] | None, public: Sequence[Pattern]
) -> tuple[np.ndarray, np.ndarray]:
    """A x R: the cells of a release, by its list and by public figures; and those that everybody knows."""
    totals, known = row_totals(grid, values, public)
    filled = grid.offered & (smallest_total(totals[:, : grid.areas.leaves]) > 0)
    return grid.listed(publish, filled), known


def ceilings(grid: Grid, values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A x R: what no cell can exceed: of every unit in it the smallest known cell around; FAR for a unit without one.

    A cell that is never published is bounded so by public ones: of three pupils at most three can have been dropped. A
    known cell is around another of a unit in which nothing of the other can exist outside it.
    """
    units = slice(grid.areas.leaves)
    known, values = known[units] & grid.offered, values[units]
    most, rows = np.where(grid.offered, FAR, 0), grid.rows.astype(float)
    there, kind = np.unique(grid.available, axis=0, return_inverse=True)
    support = there @ rows.T
    for row in np.flatnonzero(known.any(axis=0)):
        inside = ((there * rows[row]) @ rows.T == support) & (support > 0)
        unit, held = np.flatnonzero(known[:, row]), np.flatnonzero(inside.any(axis=0))
        bound = np.where(inside[np.ix_(kind.ravel()[unit], held)], values[unit, row][:, None], FAR)
        most[np.ix_(unit, held)] = np.minimum(most[np.ix_(unit, held)], bound)
    return np.asarray(grid.members @ most)


def small_ends(
    rule: ThresholdRule, values: np.ndarray, totals: np.ndarray, most: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether a count (or a rest) is small, and the lowest and highest (`most` at most) value it must keep open.

    A reader is told that a cell is small, not which of its rests is: what must stay open is what any of them leaves.
    """
    small = (values >= rule.lowest) & (values <= rule.highest)
    least = smallest_total(totals)
    reach = np.minimum(rule.highest, least)
    low = np.where(small, np.minimum(rule.lowest, reach), FAR)
    high = np.where(small, reach, -FAR)
    for total in totals if rule.complements else ():
        rest, reach = total - values, np.minimum(rule.highest, total)
        above = (total >= 0) & (rest >= rule.lowest) & (rest <= rule.highest)
        low = np.where(above, np.minimum(low, total - reach), low)
        high = np.where(above, np.maximum(high, total - np.minimum(rule.lowest, reach)), high)
        small |= above
    return small, low, np.where(small, np.minimum(high, np.minimum(most, least)), high)


def smallest_total(totals: np.ndarray) -> np.ndarray:
    """The least known total of each cell, FAR where there is none."""
    return np.asarray(np.where(totals >= 0, totals, FAR).min(axis=0, initial=FAR))


def find_primary(
    grid: Grid,
    values: np.ndarray,
    listed: np.ndarray,
    watched: np.ndarray,
    *,
    rule: ThresholdRule,
    public: Sequence[Pattern],
) -> Primary:
    """Apply the rule to every watched cell.

    Args:
        grid: the layout.
        values: A x R counts.
        listed: A x R, the cells of the release.
        watched: A x R, those and the cells that follow from them by subtraction.
        rule: when a count is small.
        public: margins everybody knows.
    """
    totals, known = row_totals(grid, values, public)
    most = ceilings(grid, values, known)
    withheld = smallest_total(totals) < rule.floor
    small, low, high = small_ends(rule, values, totals, most)
    small &= watched & ~known
    told = small & listed & ~withheld
    return Primary(
        totals=totals,
        most=most,
        least=np.zeros(values.shape, np.int64),
        known=known,
        withheld=withheld,
        small=small,
        lower=np.where(told, low, -FAR),
        upper=np.where(told, high, FAR),
        told=told,
        low_end=low,
        high_end=high,
    )
