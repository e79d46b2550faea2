"""Insiders: parties that know every cell of their own units and subtract it from a margin."""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from scipy import sparse

from disclosure.following import Following, owners
from disclosure.grid import Grid
from disclosure.primary import FAR, Primary, small_ends, smallest_total
from disclosure.rules import ThresholdRule

_AT_ONCE = 8_192  # pairs of an area and an insider: all of the country's in a correction would take gigabytes


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
    grid: Grid,
    values: np.ndarray,
    primary: Primary,
    watched: np.ndarray,
    following: Following,
    *,
    rule: ThresholdRule,
    insider: np.ndarray,
) -> Remainders:
    """Small remainders of the watched margins, and of what an insider can work out besides.

    A remainder in which nobody can be, as everybody knows, is not a cell. Where an outsider is told a bound of the
    margin, the insider inherits what it leaves for the remainder; the definition itself then narrows, not the release.

    Args:
        grid: the layout.
        values: A x R counts.
        primary: totals and told bounds.
        watched: A x R, the cells to look at.
        following: what else to look at for one insider, and what not.
        rule: when a count is small.
        insider: U x most, numbers of the insiders that own a unit, then -1.
    """
    areas, who, share = _shares(grid.members, insider, following.insiders[:, [0, 2]])
    watched = watched & ~primary.known
    parts = [
        _small(
            grid, values, primary, watched, following, rule=rule, areas=areas[some], who=who[some], share=share[some]
        )
        for some in (slice(first, first + _AT_ONCE) for first in range(0, max(len(areas), 1), _AT_ONCE))
    ]
    return Remainders(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Remainders)))


def _small(
    grid: Grid,
    values: np.ndarray,
    primary: Primary,
    watched: np.ndarray,
    following: Following,
    *,
    rule: ThresholdRule,
    areas: np.ndarray,
    who: np.ndarray,
    share: sparse.csr_array,
) -> Remainders:
    """Those of some pairs of an area and an insider, whose part of it is `share`."""
    taken = share @ values[: grid.areas.leaves]
    small, low, high = _ends(grid, primary, areas, share, value=values[areas] - taken, taken=taken, rule=rule)
    pair, row = np.nonzero(small & _looked(areas, who, share, watched[areas], following))
    area = areas[pair]
    taken, told = taken[pair, row], primary.told[area, row]
    return Remainders(
        area=area,
        row=row,
        insider=who[pair],
        value=values[area, row] - taken,
        low_end=np.maximum(low[pair, row], np.where(told, primary.lower[area, row], -FAR) - taken),
        high_end=np.minimum(high[pair, row], np.where(told, primary.upper[area, row], FAR) - taken),
    )


def _ends(
    grid: Grid,
    primary: Primary,
    areas: np.ndarray,
    share: sparse.csr_array,
    *,
    value: np.ndarray,
    taken: np.ndarray,
    rule: ThresholdRule,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs x R: whether a remainder (`value`, after `taken`) is small and can be more than 0, and its open ends."""
    units = grid.areas.leaves
    totals = primary.totals[:, areas]
    for total, of in zip(totals, primary.totals, strict=True):
        total[:] = np.where(total >= 0, total - share @ np.maximum(of[:units], 0), -1)
    most, least = (
        (grid.members @ each[:units])[areas] - share @ each[:units] for each in (primary.most, primary.least)
    )
    room = np.minimum(most, primary.most[areas] - taken)
    small, low, high = small_ends(rule, value, totals, room)
    filled = np.minimum(room, smallest_total(totals)) > 0
    return small & filled, np.maximum(low, np.maximum(least, primary.least[areas] - taken)), high


def _looked(
    areas: np.ndarray, who: np.ndarray, share: sparse.csr_array, watched: np.ndarray, following: Following
) -> np.ndarray:
    """Pairs x R: the watched cells, and those that only this insider works out; none that public figures tell it."""
    watched &= np.asarray(share.sum(axis=1)).ravel()[:, None] > 0
    pairs = pd.MultiIndex.from_arrays([areas, who])
    for cells, wanted in ((following.insiders, True), (following.given, False)):
        line = pairs.get_indexer(pd.MultiIndex.from_arrays([cells[:, 0], cells[:, 2]]))
        watched[line[line >= 0], cells[line >= 0, 1]] = wanted
    return watched


def _shares(
    members: sparse.csr_array, insider: np.ndarray, more: np.ndarray
) -> tuple[np.ndarray, np.ndarray, sparse.csr_array]:
    """Pairs of an area and an insider that owns part of it, and `more`; which units are that part (pairs x U)."""
    own = sparse.coo_array(owners(insider))
    above = sparse.coo_array(sparse.csr_array(members.T)[own.row])
    area, who, unit = above.col, own.col[above.row], own.row[above.row]
    held = sparse.csr_array((np.ones(len(unit), int), (area, who)), shape=(members.shape[0], own.shape[1]))
    partial = held[area, who] < np.asarray(members.sum(axis=1)).ravel()[area]
    areas, whose = np.unique(np.concatenate([np.stack([area, who], axis=1)[partial], more]), axis=0).T
    pair = pd.MultiIndex.from_arrays([areas, whose]).get_indexer(pd.MultiIndex.from_arrays([area, who]))
    there = pair >= 0
    shape = len(areas), members.shape[1]
    return areas, whose, sparse.csr_array((np.ones(there.sum(), int), (pair[there], unit[there])), shape=shape)
