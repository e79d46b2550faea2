"""The cells of some nodes as rows of a linear programme."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from disclosure.primary import FAR
from disclosure.secondary.classes import Classes, classify
from disclosure.secondary.patch import Patch

Cache = dict[bytes, Classes]
Line = tuple[np.ndarray, np.ndarray]


class CellClass(NamedTuple):
    """One class of one node.

    Attributes:
        node: in the patch; base: the node it was merged from.
        rows: that stand or fall together.
        line: positions of the units in it, and its leaves (P).
        rest: leaves of the rest of its known total (P).
    """

    node: int
    base: int
    rows: np.ndarray
    line: Line
    rest: np.ndarray


class Cells:
    """The classes of some nodes, and the sums of theirs that are known.

    Attributes:
        found: the classes that are published, told about, or asked for.
        place: (base node, row) to (number of the class, sign).
        fixed: known sums.
        lower, upper: how far a hidden class may move; price: of hiding it; shut: whether it is published.
    """

    def __init__(
        self,
        patch: Patch,
        nodes: np.ndarray,
        *,
        shown: np.ndarray,
        wanted: np.ndarray,
        cache: Cache,
    ) -> None:
        self.patch = patch
        self.place: dict[tuple[int, int], tuple[int, int]] = {}
        self.found: list[CellClass] = []
        self.fixed: list[Line] = []
        self.cache = cache
        self._bounds: list[tuple[float, float, float, bool]] = []
        nothing = np.zeros(len(patch.rows), bool)
        for node in nodes.tolist():
            base = int(patch.origin[node])
            self._add(node, *((shown[base], wanted[base]) if base >= 0 else (nothing, nothing)))
        self.lower, self.upper, self.price = (np.array([bound[i] for bound in self._bounds], float) for i in range(3))
        self.shut = np.array([bound[3] for bound in self._bounds], bool)

    def _add(self, node: int, shown: np.ndarray, wanted: np.ndarray) -> None:
        patch = self.patch
        inside = patch.members[[node]].indices
        classes = _classes(patch, node, inside, self.cache)
        self.fixed += [(inside, line) for line in classes.fixed]
        relevant = shown | wanted | (patch.lower[node] > -FAR) | (patch.upper[node] < FAR)
        for number in np.unique(classes.of[relevant & (classes.of >= 0)]):
            rows = np.flatnonzero(classes.of == number)
            base = int(patch.origin[node])
            self.place |= {(base, row): (len(self.found), int(classes.sign[row])) for row in rows.tolist()}
            self.found.append(CellClass(node, base, rows, (inside, classes.body[number]), classes.rest[number]))
            self._bounds.append(_bounds(patch, node, rows, classes.sign[rows], shown[rows]))

    def shared(self, insider: int) -> list[int]:
        """Classes of areas that an insider has a share in, with bounds that merely say that a cell is small."""
        patch = self.patch
        return [
            number
            for number, cell in enumerate(self.found)
            if cell.node >= patch.size and insider in patch.shares[cell.node] and patch.told[cell.node, cell.rows].all()
        ]


def _classes(patch: Patch, node: int, units: np.ndarray, cache: Cache) -> Classes:
    """Classes of a node; of an area only those known sums that do not follow from its units."""
    inner = patch.known[units].all(axis=0) if node >= patch.size else np.zeros(len(patch.rows), bool)
    key = patch.offered[node].tobytes() + patch.known[node].tobytes() + inner.tobytes()
    if key not in cache:
        offered = patch.offered[node].astype(np.int64)
        classes = classify(patch.rows, offered, patch.known[node])
        cache[key] = replace(classes, fixed=classify(patch.rows, offered, patch.known[node] & ~inner).fixed)
    return cache[key]


def _bounds(
    patch: Patch, node: int, rows: np.ndarray, sign: np.ndarray, shown: np.ndarray
) -> tuple[float, float, float, bool]:
    """How far a class may move down and up, its price, and whether it is published."""
    value = patch.values[node, rows]
    low = np.where(patch.lower[node, rows] > -FAR, patch.lower[node, rows] - value, -np.inf)
    high = np.where(patch.upper[node, rows] < FAR, patch.upper[node, rows] - value, np.inf)
    low, high = np.where(sign > 0, low, -high), np.where(sign > 0, high, -low)
    return float(low.max()), float(high.min()), float(patch.price[node, rows][shown].sum()), bool(shown.any())
