"""Insiders: parties that know every cell of their own units and subtract it from a margin."""

from dataclasses import dataclass, fields
from typing import NamedTuple

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


class _Pairs(NamedTuple):
    """Pairs of an area and an insider; `share` says which units of the area are the insider's (pairs x U)."""

    area: np.ndarray
    insider: np.ndarray
    share: sparse.csr_array


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
    pairs, watched = _shares(grid.members, insider, following.insiders[:, [0, 2]]), watched & ~primary.known
    units = grid.areas.leaves
    held = grid.members @ primary.most[:units], grid.members @ primary.least[:units]
    found = []
    for first in range(0, max(len(pairs.area), 1), _AT_ONCE):
        cut = slice(first, first + _AT_ONCE)
        areas, who, share = some = _Pairs(pairs.area[cut], pairs.insider[cut], pairs.share[cut])
        taken = share @ values[:units]
        small, low, high = _ends(primary, some, held, value=values[areas] - taken, taken=taken, rule=rule)
        pair, row = np.nonzero(small & _looked(some, watched[areas], following))
        area, taken, ends = areas[pair], taken[pair, row], (low[pair, row], high[pair, row])
        found.append(_inherit(primary, (area, row), who[pair], values[area, row] - taken, taken=taken, ends=ends))
    return Remainders(*(np.concatenate([getattr(part, each.name) for part in found]) for each in fields(Remainders)))


def _inherit(
    primary: Primary,
    cell: tuple[np.ndarray, np.ndarray],
    insider: np.ndarray,
    value: np.ndarray,
    *,
    taken: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
) -> Remainders:
    """Remainders whose ends are no wider than what an outsider is told of the margin leaves."""
    told = primary.told[cell]
    return Remainders(
        area=cell[0],
        row=cell[1],
        insider=insider,
        value=value,
        low_end=np.maximum(ends[0], np.where(told, primary.lower[cell], -FAR) - taken),
        high_end=np.minimum(ends[1], np.where(told, primary.upper[cell], FAR) - taken),
    )


def _ends(
    primary: Primary,
    pairs: _Pairs,
    held: tuple[np.ndarray, np.ndarray],
    *,
    value: np.ndarray,
    taken: np.ndarray,
    rule: ThresholdRule,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs x R: whether a remainder (`value`, after `taken`) is small and can be more than 0, and its open ends.

    `held` is what the units of each area hold at most and at least together.
    """
    areas, _, share = pairs
    units = share.shape[1]
    totals = primary.totals[:, areas]
    for total, of in zip(totals, primary.totals, strict=True):
        total[:] = np.where(total >= 0, total - share @ np.maximum(of[:units], 0), -1)
    most, least = (
        whole[areas] - share @ each[:units] for whole, each in zip(held, (primary.most, primary.least), strict=True)
    )
    room = np.minimum(most, primary.most[areas] - taken)
    small, low, high = small_ends(rule, value, totals, room)
    filled = np.minimum(room, smallest_total(totals)) > 0
    return small & filled, np.maximum(low, np.maximum(least, primary.least[areas] - taken)), high


def _looked(pairs: _Pairs, watched: np.ndarray, following: Following) -> np.ndarray:
    """Pairs x R: the watched cells, and those that only this insider works out; none that public figures tell it."""
    watched &= np.asarray(pairs.share.sum(axis=1)).ravel()[:, None] > 0
    number = pd.MultiIndex.from_arrays([pairs.area, pairs.insider])
    for cells, wanted in ((following.insiders, True), (following.given, False)):
        line = number.get_indexer(pd.MultiIndex.from_arrays([cells[:, 0], cells[:, 2]]))
        watched[line[line >= 0], cells[line >= 0, 1]] = wanted
    return watched


def _shares(members: sparse.csr_array, insider: np.ndarray, more: np.ndarray) -> _Pairs:
    """Those of which the insider owns part of the area, and `more`."""
    own = sparse.coo_array(owners(insider))
    above = sparse.coo_array(sparse.csr_array(members.T)[own.row])
    area, who, unit = above.col, own.col[above.row], own.row[above.row]
    held = sparse.csr_array((np.ones(len(unit), int), (area, who)), shape=(members.shape[0], own.shape[1]))
    partial = held[area, who] < np.asarray(members.sum(axis=1)).ravel()[area]
    areas, whose = np.unique(np.concatenate([np.stack([area, who], axis=1)[partial], more]), axis=0).T
    pair = pd.MultiIndex.from_arrays([areas, whose]).get_indexer(pd.MultiIndex.from_arrays([area, who]))
    there = pair >= 0
    shape = len(areas), members.shape[1]
    return _Pairs(areas, whose, sparse.csr_array((np.ones(there.sum(), int), (pair[there], unit[there])), shape=shape))
