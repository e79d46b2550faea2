"""What an outsider knew before the release, or is told by the rule: bounds of some cells, and how far they reach.

Nothing of that can be promised. A known cell speaks of the rows of its own area that hold it, that it holds, or that
share a public total with it; units speak together of their area; and a part of an area has what that is known or told
to have, less what everything else in it has at most or at least.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from disclosure.attacker.layout import Layout

ENDLESS = 1 << 30  # an upper bound from here on says nothing
Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Areas x rows: the least and the most a cell can have, and whether some known cell has a say in it."""

    least: np.ndarray
    most: np.ndarray
    heard: np.ndarray

    def narrow(self, layout: Layout, small: np.ndarray, told: Pair, ends: Pair) -> Pair:
        """The ends of small cells, within what is known and what a known area around leaves; told: of single cells."""
        members, units = layout.members, layout.members.shape[1]
        least, most = np.maximum(self.least, told[0]), np.minimum(self.most, told[1])
        low, high = np.maximum(ends[0], least), np.minimum(ends[1], most)
        whole = members @ least[:units], members @ most[:units]
        for part in np.flatnonzero(small.any(axis=1)).tolist():
            inside = np.zeros(units, np.int64)
            inside[members[[part]].indices] = 1
            for area in np.flatnonzero(members @ inside == inside.sum()).tolist():
                rows = np.flatnonzero(small[part] & self.heard[area])
                other_least, other_most = (total[area, rows] - total[part, rows] for total in whole)
                low[part, rows] = np.maximum(low[part, rows], least[area, rows] - other_most)
                high[part, rows] = np.minimum(high[part, rows], most[area, rows] - other_least)
        return low, high


def learn(layout: Layout, values: np.ndarray, public: np.ndarray, room: np.ndarray, known: Pair) -> Knowledge:
    """What known cells say, and what that says: a part of which little is left leaves much of its total.

    Args:
        layout: areas and rows.
        values: areas x rows, the true cells; only those that are public are used.
        public: which those are.
        room: areas x rows, the most that public cells leave.
        known: areas x rows, the least and the most of known cells; 0 and `ENDLESS` of others.
    """
    least, most = known
    size = layout.sums(layout.possible.astype(np.int64))
    for _ in range(2):
        area, row = np.nonzero((least > 0) | (most < ENDLESS))
        low, high = least[area, row][:, None], most[area, row][:, None]
        least, most = least.copy(), most.copy()
        for which in np.unique(row).tolist():
            at, said = area[row == which], (low[row == which], high[row == which])
            for rows, lowest, highest in _sayings(layout, values, public, size, which=which, at=at, said=said):
                spot = np.ix_(at, rows)
                least[spot], most[spot] = np.maximum(least[spot], lowest), np.minimum(most[spot], highest)
    heard = (least > 0) | (most < ENDLESS)
    units = layout.members.shape[1]
    most = np.minimum(most, room)
    return Knowledge(
        np.maximum(least, layout.members @ least[:units]),
        np.minimum(most, layout.members @ most[:units]),
        heard | (layout.members @ heard[:units].astype(np.int64) > 0),
    )


def _sayings(
    layout: Layout,
    values: np.ndarray,
    public: np.ndarray,
    size: np.ndarray,
    *,
    which: int,
    at: np.ndarray,
    said: Pair,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, and the least and the most that a known row says of them, in the areas where it is known."""
    low, high = said
    own = layout.rows[which]
    holding, held = np.flatnonzero((layout.rows >= own).all(axis=1)), np.flatnonzero((layout.rows <= own).all(axis=1))
    own_size = size[at][:, [which]]
    yield holding, low + 0 * holding, np.where(size[np.ix_(at, holding)] == own_size, high, ENDLESS)
    yield held, np.where(size[np.ix_(at, held)] == own_size, low, 0), high + 0 * held
    for whole in holding[public[np.ix_(at, holding)].any(axis=0)].tolist():
        rest = np.flatnonzero((layout.rows <= layout.rows[whole] - own).all(axis=1))
        open_to, total = public[at][:, [whole]], values[at][:, [whole]]
        complete = open_to & (size[np.ix_(at, rest)] + own_size == size[at][:, [whole]])
        yield rest, np.where(complete, total - high, 0), np.where(open_to, total - low, ENDLESS)
