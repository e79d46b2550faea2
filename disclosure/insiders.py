"""Insiders: parties that know every cell of their own units and subtract it from a margin."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from disclosure.grid import Grid
from disclosure.primary import FAR, Primary, small_ends
from disclosure.rules import ThresholdRule


@dataclass(frozen=True, eq=False)
class Remainders:
    """What is left of a margin after one insider's share, where that is small. Arrays of equal length.

    Attributes:
        area, row: the margin.
        insider: who subtracts.
        value: the remainder (confidential).
        low_end, high_end: the values of it that must stay possible for this insider.
    """

    area: np.ndarray
    row: np.ndarray
    insider: np.ndarray
    value: np.ndarray
    low_end: np.ndarray
    high_end: np.ndarray


def find_remainders(
    grid: Grid, values: np.ndarray, primary: Primary, watched: np.ndarray, *, rule: ThresholdRule, insider: np.ndarray
) -> Remainders:
    """Small remainders of the watched margins.

    A remainder over no unit is not a cell. Where an outsider is told a bound of the margin, the insider inherits what
    it leaves for the remainder; the definition itself then narrows, not the release.

    Args:
        grid: the layout.
        values: A x R counts.
        primary: totals and told bounds.
        watched: A x R, the cells to look at.
        rule: when a count is small.
        insider: U, number of the insider that owns a unit, -1 for none.
    """
    areas, who, share = _shares(grid.members, insider)
    units = grid.areas.leaves
    value = values[areas] - share @ values[:units]
    left = grid.contributors[areas] - share @ grid.contributors[:units]
    inside = share @ np.maximum(primary.totals[:units], 0)
    totals = np.where(primary.totals[areas] >= 0, primary.totals[areas] - inside, -1)
    taken = values[areas] - value
    most, least = (
        (grid.members @ each[:units])[areas] - share @ each[:units] for each in (primary.most, primary.least)
    )
    most = np.minimum(most, primary.most[areas] - taken)
    small, low, high = small_ends(rule, value, totals, most)
    low = np.maximum(low, np.maximum(least, primary.least[areas] - taken))
    pair, row = np.nonzero(small & (left > 0) & (watched & ~primary.known)[areas])
    area = areas[pair]
    taken, told = taken[pair, row], primary.told[area, row]
    return Remainders(
        area=area,
        row=row,
        insider=who[pair],
        value=value[pair, row],
        low_end=np.maximum(low[pair, row], np.where(told, primary.lower[area, row], -FAR) - taken),
        high_end=np.minimum(high[pair, row], np.where(told, primary.upper[area, row], FAR) - taken),
    )


def _shares(members: sparse.csr_array, insider: np.ndarray) -> tuple[np.ndarray, np.ndarray, sparse.csr_array]:
    """Pairs of an area and an insider that owns part of it, and which units are that part (pairs x U)."""
    owned = np.flatnonzero(insider >= 0)
    count = int(insider.max(initial=-1)) + 1
    owners = sparse.csr_array((np.ones(len(owned), int), (owned, insider[owned])), shape=(len(insider), count))
    held = sparse.coo_array(members @ owners)
    partial = held.data < np.asarray(members.sum(axis=1)).ravel()[held.row]
    areas, who = held.row[partial], held.col[partial]
    lines = sparse.csr_array(members)[areas].multiply(sparse.csr_array(owners.T)[who])
    return areas, who, sparse.csr_array(lines)
