"""What ties the cells of a frame together, as a sparse matrix from leaf combinations to cells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from disclosure.errors import DisclosureError
from disclosure.hierarchy import Axis, Hierarchy, lay_out
from disclosure.rules import Cell, Inequality


@dataclass(frozen=True, eq=False)
class Relations:
    """Dimensions as an attacker lays them out; leaf combinations are numbered in the order of the dimensions.

    Attributes:
        axes: one per dimension.
        possible: per leaf combination, False for a structural zero.
    """

    axes: tuple[Axis, ...]
    possible: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Leaves per dimension."""
        return tuple(axis.leaves for axis in self.axes)

    def cells(self, frame: pd.DataFrame) -> sparse.csr_array:
        """Cells x leaf combinations, 1 where a combination counts in a cell of the frame.

        Raises:
            DisclosureError: a code that does not exist at its level.
        """
        return self.sums([axis.nodes(frame[axis.name], frame[f"{axis.name}_level"]) for axis in self.axes])

    def sums(self, nodes: Sequence[np.ndarray]) -> sparse.csr_array:
        """Cells given by the node of each axis."""
        return crossed([sparse.csr_array(axis.members[place]) for axis, place in zip(self.axes, nodes, strict=True)])

    def leaves(self, counts: pd.DataFrame, count: str) -> np.ndarray:
        """The table as a vector over leaf combinations.

        Raises:
            DisclosureError: a count that is no whole number from 0 to 2**30.
        """
        places = [axis.positions(counts[axis.name]) for axis in self.axes]
        numbers = pd.to_numeric(counts[count], errors="coerce").to_numpy(float, na_value=np.nan)
        if not ((numbers >= 0) & (numbers < 2**30) & (numbers == np.floor(numbers))).all():
            raise DisclosureError(f"{count}: not every count is a whole number of 0 or more")
        table = np.zeros(self.shape, np.int64)
        np.add.at(table, tuple(places), numbers.astype(np.int64))
        return table.ravel()

    def inequalities(self, given: Iterable[Inequality]) -> sparse.csr_array:
        """One line per inequality and leaf of the dimensions it leaves free: larger - smaller, at least 0.

        Raises:
            DisclosureError: an unknown dimension, or one that some cells name and others do not.
        """
        lines, nodes, signs, many = list[np.ndarray](), list[np.ndarray](), list[int](), 0
        for inequality in given:
            self._demand_shape(inequality)
            cells = [*((1, cell) for cell in inequality.larger), *((-1, cell) for cell in inequality.smaller)]
            for sign, cell in cells:
                nodes.append(spots := self._spots(cell))
                lines.append(many + np.arange(spots.shape[1]))
                signs += [sign] * spots.shape[1]
            many += spots.shape[1]
        if not signs:
            return sparse.csr_array((0, int(np.prod(self.shape))), dtype=np.int64)
        adding = sparse.csr_array((signs, (np.concatenate(lines), np.arange(len(signs)))), shape=(many, len(signs)))
        return sparse.csr_array(adding @ self.sums([*np.concatenate(nodes, axis=1)]))

    def _demand_shape(self, inequality: Inequality) -> None:
        cells = (*inequality.smaller, *inequality.larger)
        named = {name for cell in cells for name in cell}
        unknown = named - {axis.name for axis in self.axes}
        if unknown:
            raise DisclosureError(f"inequality: no dimension {min(unknown)!r}")
        for cell in cells:
            if left := named - set(cell):
                raise DisclosureError(f"inequality: name a code of {min(left)!r} in every cell, or in none")

    def _spots(self, cell: Cell) -> np.ndarray:
        """Axes x F: the node of each axis in a cell, for each leaf of the dimensions it leaves free."""
        nodes = [
            np.flatnonzero(axis.select([cell[axis.name]])) if axis.name in cell else np.arange(axis.leaves)
            for axis in self.axes
        ]
        return np.stack([each.ravel() for each in np.meshgrid(*nodes, indexing="ij")])


def relate(
    dimensions: Mapping[str, Hierarchy], frame: pd.DataFrame, structural_zeros: pd.DataFrame | None
) -> Relations:
    """Lay out the dimensions of a frame.

    Raises:
        DisclosureError: a dimension without a column, or a column of structural zeros without a dimension.
    """
    missing = [name for name in dimensions if name not in frame.columns]
    if missing:
        raise DisclosureError(f"{missing[0]}: no such column in the table")
    axes = tuple(lay_out(name, hierarchy, frame[name]) for name, hierarchy in dimensions.items())
    possible = np.ones([axis.leaves for axis in axes], bool)
    if structural_zeros is not None:
        for column in structural_zeros.columns.difference(list(dimensions)):
            raise DisclosureError(f"structural_zeros: no dimension {column!r}")
        if structural_zeros.columns.empty:
            raise DisclosureError("structural_zeros: no column")
        there = [
            axis.positions(structural_zeros[axis.name]) if axis.name in structural_zeros else None for axis in axes
        ]
        possible[tuple(slice(None) if places is None else places for places in there)] = False
    return Relations(axes, possible.ravel())


def crossed(parts: Sequence[sparse.csr_array]) -> sparse.csr_array:
    """Row by row the Kronecker product of the rows of each part."""
    product = sparse.csr_array(np.ones((parts[0].shape[0], 1), np.int64))
    for part in parts:
        left, right = np.diff(product.indptr), np.diff(part.indptr)
        pairs = left * right
        row = np.repeat(np.arange(len(pairs)), pairs)
        within = np.arange(len(row)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
        first = product.indices[product.indptr[row] + within // right[row]].astype(np.int64)
        second = part.indices[part.indptr[row] + within % right[row]]
        column = first * part.shape[1] + second
        product = sparse.csr_array(
            (np.ones(len(row), np.int64), column, np.concatenate([[0], np.cumsum(pairs)])),
            shape=(len(pairs), product.shape[1] * part.shape[1]),
        )
    return product
