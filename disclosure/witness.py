"""Witnesses: other tables that agree with all an outsider knows. Confidential: they lead back to the true counts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Witnesses:
    """Changes of the true table, one entry per unit and profile leaf that changes; arrays of equal length.

    Attributes:
        number: which witness an entry belongs to, ascending from 0.
        unit, leaf: what changes; by: by how much.
        insider: per witness for whom it is, -1 for everyone.
    """

    number: np.ndarray = field(repr=False)
    unit: np.ndarray = field(repr=False)
    leaf: np.ndarray = field(repr=False)
    by: np.ndarray = field(repr=False)
    insider: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        """How many witnesses there are."""
        return len(self.insider)

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """Each witness that changes something: its number, and where its entries begin and end."""
        starts = np.flatnonzero(np.diff(self.number, prepend=-1))
        ends = np.append(starts, len(self.number))[1:]
        yield from zip(self.number[starts].tolist(), starts.tolist(), ends.tolist(), strict=True)

    def parts(self, most: int) -> Iterator[tuple[int, "Witnesses"]]:
        """All witnesses in order, as many at a time as have no more than `most` entries together (or one); the first.

        Each part is numbered anew.
        """
        ends = np.searchsorted(self.number, np.arange(1, len(self) + 1))
        first = 0
        while first < len(self):
            start = ends[first - 1] if first else 0
            end = max(int(np.searchsorted(ends, start + most, side="right")), first + 1)
            of = slice(start, ends[end - 1])
            number = self.number[of] - first
            yield first, Witnesses(number, self.unit[of], self.leaf[of], self.by[of], self.insider[first:end])
            first = end


def gather(found: Iterable[tuple[np.ndarray, np.ndarray, int]]) -> Witnesses:
    """Witnesses from (units, change per unit and leaf, insider)."""
    number: list[np.ndarray] = []
    unit: list[np.ndarray] = []
    leaf: list[np.ndarray] = []
    by: list[np.ndarray] = []
    insider: list[int] = []
    for units, change, who in found:
        place, which = np.nonzero(change)
        number.append(np.full(len(place), len(insider), np.int32))
        unit.append(units[place].astype(np.int32))
        leaf.append(which.astype(np.int32))
        by.append(change[place, which].astype(np.int32))
        insider.append(who)
    empty = [np.zeros(0, np.int32)]
    numbers, units, leaves, changes = (np.concatenate(empty + part) for part in (number, unit, leaf, by))
    return Witnesses(numbers, units, leaves, changes, np.array(insider, np.int32))


def join(parts: Iterable[Witnesses]) -> Witnesses:
    """All witnesses of some searches, one after the other."""
    parts = list(parts)
    starts = np.cumsum([0, *(len(part) for part in parts)])[:-1]
    empty = np.zeros(0, np.int32)
    return Witnesses(
        np.concatenate([empty, *(part.number + start for part, start in zip(parts, starts, strict=True))]).astype(
            np.int32
        ),
        np.concatenate([empty, *(part.unit for part in parts)]),
        np.concatenate([empty, *(part.leaf for part in parts)]),
        np.concatenate([empty, *(part.by for part in parts)]),
        np.concatenate([empty, *(part.insider for part in parts)]),
    )
