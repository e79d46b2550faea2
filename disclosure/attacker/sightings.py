"""Which small cells have been seen at which end, by whom."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from disclosure.attacker.layout import Layout, owned
from disclosure.attacker.stakes import Stakes


@dataclass(frozen=True, eq=False)
class Moved:
    """Changes by witness and area: arrays of equal length, and (witness, insider) pairs of whose units are changed."""

    which: np.ndarray
    area: np.ndarray
    rows: np.ndarray
    touched: np.ndarray


def shares(layout: Layout, insider: np.ndarray) -> np.ndarray:
    """Areas x insiders (one column at least): whether an insider owns a unit of an area."""
    held = sparse.csr_array(layout.members @ owned(insider)).astype(bool).toarray()
    return held if held.shape[1] else np.zeros((len(held), 1), bool)


class Sightings:
    """Collects, over all witnesses, the changes of cells that matter.

    Args:
        layout, stakes: the release.
        insider: per unit who own it, then -1.
        serves: per witness the insider it is for, -1 for everyone.
    """

    def __init__(self, layout: Layout, stakes: Stakes, insider: np.ndarray, serves: np.ndarray) -> None:
        self.stakes, self.serves = stakes, serves
        self.shared = shares(layout, insider)
        self.insiders = self.shared.shape[1]
        self.margin = np.zeros(stakes.small.shape, bool)
        self.margin[stakes.margins[:, 0], stakes.margins[:, 1]] = True
        self._ends = [np.zeros((0, 2), np.int64)]
        self._moves = [np.zeros((0, 3), np.int64)]
        self._touched = [np.zeros((0, 2), np.int64)]

    def add(self, moved: Moved, first: int) -> None:
        """Note what some witnesses, numbered from `first`, change."""
        stakes = self.stakes
        place, row = np.nonzero((moved.rows != 0) & (stakes.small | self.margin)[moved.area])
        area, which, by = moved.area[place], moved.which[place] + first, moved.rows[place, row]
        cell = area * stakes.small.shape[1] + row
        after = stakes.true[area, row] + by
        for end, value in enumerate((stakes.low[area, row], stakes.high[area, row])):
            hit = stakes.small[area, row] & (after == value)
            self._ends.append(np.stack([cell[hit] * 2 + end, which[hit]], axis=1))
        kept = self.margin[area, row]
        self._moves.append(np.stack([cell[kept], by[kept], which[kept]], axis=1))
        self._touched.append(moved.touched + np.array([first, 0]))

    def safe(self) -> int:
        """How many small cells everybody has to think possible at both ends."""
        area, row = np.nonzero(self.stakes.small)
        cell = area * self.stakes.small.shape[1] + row
        missing = self._missing()
        fine = np.ones(len(cell), bool)
        for end, value in enumerate((self.stakes.low[area, row], self.stakes.high[area, row])):
            there = self.stakes.true[area, row] == value
            fine &= there | ~np.isin(cell * 2 + end, missing["unseen"]) & np.isin(cell * 2 + end, missing["seen"])
        return int(fine.sum())

    def _missing(self) -> dict[str, np.ndarray]:
        """Ends seen by outsiders, and ends that some insider without a share has not seen."""
        pairs = np.unique(np.concatenate(self._ends), axis=0)
        strict = pairs[self.serves[pairs[:, 1]] < 0]
        seen, count = np.unique(strict[:, 0], return_counts=True)
        touched = np.unique(np.concatenate(self._touched), axis=0)
        place, insider = _match(strict[:, 1], touched[:, 0], touched[:, 1])
        key, number = np.unique(strict[place, 0] * self.insiders + insider, return_counts=True)
        end, who = key // self.insiders, key % self.insiders
        all_touch = number == count[np.searchsorted(seen, end)]
        outside = ~self.shared[end // 2 // self.stakes.small.shape[1], who]
        special = pairs[self.serves[pairs[:, 1]] >= 0]
        served = np.isin(key, special[:, 0] * self.insiders + self.serves[special[:, 1]])
        return {"seen": seen, "unseen": end[all_touch & outside & ~served]}

    def safe_margins(self) -> int:
        """How many small remainders their insider has to think possible at both ends."""
        area, row, who, down, rise = self.stakes.margins.T
        cell = area * self.stakes.small.shape[1] + row
        moves = np.concatenate(self._moves)
        touched = np.concatenate(self._touched)
        touched_key = np.unique(touched[:, 0] * self.insiders + touched[:, 1])
        span = int(np.abs(moves[:, 1]).max(initial=0)) + int(np.abs(self.stakes.margins[:, 3:]).max(initial=0)) + 1
        fine = np.ones(len(area), bool)
        for change in (down, rise):
            place, which = _match(
                cell * 2 * span + change + span, moves[:, 0] * 2 * span + moves[:, 1] + span, moves[:, 2]
            )
            apart = ~np.isin(which * self.insiders + who[place], touched_key)
            good = apart & ((self.serves[which] < 0) | (self.serves[which] == who[place]))
            fine &= (change == 0) | (np.bincount(place[good], minlength=len(area)) > 0)
        return int(fine.sum())


def _match(keys: np.ndarray, table: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of a position in `keys` and a value that the table has for that key."""
    order = np.argsort(table, kind="stable")
    first = np.searchsorted(table[order], keys, side="left")
    length = np.searchsorted(table[order], keys, side="right") - first
    place = np.repeat(np.arange(len(keys)), length)
    within = np.arange(len(place)) - np.repeat(np.cumsum(length) - length, length)
    return place, values[order][first[place] + within]
