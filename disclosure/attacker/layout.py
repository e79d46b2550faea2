"""The table as an attacker lays it out: areas along one dimension, all others together the rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd
from scipy import sparse

from disclosure.attacker.relations import Relations
from disclosure.hierarchy import Axis
from disclosure.rules import Inequality, Pattern


@dataclass(frozen=True, eq=False)
class Layout:
    """The table as areas x rows, areas being the nodes of one dimension and the parts its paths cut out.

    Attributes:
        relations: the dimensions.
        unit: which axis the areas come from.
        members: areas x units.
        rows: rows x leaves of the other dimensions.
        possible: units x leaves.
    """

    relations: Relations
    unit: int
    members: sparse.csr_array
    rows: np.ndarray
    possible: np.ndarray

    @property
    def others(self) -> list[Axis]:
        """The other axes."""
        return [axis for place, axis in enumerate(self.relations.axes) if place != self.unit]

    def turn(self, table: np.ndarray) -> np.ndarray:
        """A vector over leaf combinations as units x leaves."""
        return np.moveaxis(table.reshape(self.relations.shape), self.unit, 0).reshape(self.members.shape[1], -1)

    def sums(self, table: np.ndarray) -> np.ndarray:
        """Areas x rows of a units x leaves table."""
        return np.asarray(self.members @ self.inner(table))

    def inner(self, table: np.ndarray) -> np.ndarray:
        """Lines x rows of lines x leaves; floats below 2**53 add up exactly, many times faster than whole numbers."""
        return np.asarray(table.astype(float) @ self.rows.T.astype(float)).astype(np.int64)

    def lines(self, given: Iterable[Inequality]) -> np.ndarray:
        """Inequalities x leaves: larger - smaller, which is at least 0 in every unit."""
        inner = Relations(tuple(self.others), np.ones(self.rows.shape[1], bool))
        return inner.inequalities(given).toarray()

    def place(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Area and row of every cell of a frame."""
        nodes = [axis.nodes(frame[axis.name], frame[f"{axis.name}_level"]) for axis in self.relations.axes]
        area = nodes.pop(self.unit)
        return area, np.ravel_multi_index(nodes, [len(axis.codes) for axis in self.others]) if nodes else 0 * area

    def matches(self, pattern: Pattern) -> tuple[np.ndarray, np.ndarray]:
        """Areas and rows that a pattern names."""
        axis = self.relations.axes[self.unit]
        areas = np.full(self.members.shape[0], axis.name not in pattern)
        areas[: len(axis.codes)] = axis.select(pattern[axis.name]) if axis.name in pattern else True
        rows = np.ones(1, bool)
        for other in self.others:
            chosen = other.select(pattern[other.name]) if other.name in pattern else np.ones(len(other.codes), bool)
            rows = np.outer(rows, chosen).ravel()
        return areas, rows

    def totals_of(self, pattern: Pattern) -> list[np.ndarray]:
        """Per row a row that the pattern names and that contains it, -1 if none does; codes of one level at a time."""
        totals = [np.zeros(len(self.rows), int)]
        places = np.unravel_index(np.arange(len(self.rows)), [len(axis.codes) for axis in self.others] or [1])
        for axis, node in zip(self.others, places, strict=False):
            ups = [np.arange(len(axis.codes))]
            if axis.name in pattern:
                chosen = axis.select(pattern[axis.name])
                ups = [_containing(axis, chosen & (axis.level == level)) for level in set(axis.level[chosen].tolist())]
            totals = [
                np.where((total < 0) | (up[node] < 0), -1, total * len(axis.codes) + up[node])
                for total in totals
                for up in ups
            ]
        return totals


def lay_cells(relations: Relations, unit: int) -> Layout:
    """Areas and rows of the dimensions, areas along one of them."""
    axis = relations.axes[unit]
    rows = np.ones((1, 1), np.int64)
    for place, other in enumerate(relations.axes):
        if place != unit:
            rows = np.kron(rows, other.members.toarray().astype(np.int64))
    empty = Layout(relations, unit, axis.members, rows, np.zeros((0, 0), bool))
    parts = sparse.csr_array(_parts(axis).astype(np.int64))
    members = sparse.csr_array(sparse.vstack([axis.members.astype(np.int64), parts]))
    return Layout(relations, unit, members, rows, empty.turn(relations.possible))


def owned(insider: np.ndarray) -> sparse.csc_array:
    """Units x insiders, 1 where an insider owns a unit.

    Args:
        insider: per unit who own it, then -1.
    """
    unit, which = np.nonzero(insider >= 0)
    shape = len(insider), int(insider.max(initial=-1)) + 1
    return sparse.csc_array((np.ones(len(unit), np.int64), (unit, insider[unit, which])), shape=shape)


def parts_of(layout: Layout, insider: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of every insider, in order of number, its units and the areas that hold some of them."""
    own = owned(insider)
    held = sparse.csc_array(layout.members @ own)
    held.sort_indices()
    for who in range(own.shape[1]):
        units, areas = (each.indices[slice(*each.indptr[who : who + 2])] for each in (own, held))
        yield units, areas


def _parts(axis: Axis) -> np.ndarray:
    """Sets of units that areas of two levels cut out and that are no areas themselves."""
    areas = {area.tobytes() for area in axis.members[axis.leaves :].toarray().astype(bool)}
    found = [np.frombuffer(units, bool) for units in cuts(axis) if units not in areas]
    return np.array(found, bool).reshape(len(found), axis.leaves)


def cuts(axis: Axis) -> dict[bytes, set[tuple[int, int]]]:
    """Sets of units that two areas share, or that an area shares with none of a level; and which two levels."""
    areas = axis.members[axis.leaves :].toarray().astype(bool)
    level = axis.level[axis.leaves :]
    found: dict[bytes, set[tuple[int, int]]] = {}
    for here, there in permutations(np.unique(level).tolist(), 2):
        others = areas[level == there]
        nowhere = ~others.any(axis=0)
        for area in areas[level == here]:
            touching = others[(others & area).any(axis=1)]
            for units in (*(area & other for other in touching), area & nowhere):
                if units.any():
                    found.setdefault(units.tobytes(), set()).add((here, there))
    return found


def _containing(axis: Axis, chosen: np.ndarray) -> np.ndarray:
    """Per node the chosen node that has all its leaves, -1 if none has."""
    members = axis.members.toarray().astype(np.int64)
    held = members @ members[chosen].T == members.sum(axis=1)[:, None]
    return np.where(held.any(axis=1), np.flatnonzero(chosen)[held.argmax(axis=1)], -1)
