"""The table laid out as units x rows: the biggest dimension gives the units, all others together the rows.

With sites as units a row is, say, (havo, illness, above10): every area, the unit itself included, has one cell per row.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np
import pandas as pd
from scipy import sparse

from disclosure.errors import DisclosureError
from disclosure.hierarchy import Axis, Hierarchy, lay_out, unit_of
from disclosure.rules import Cell, Inequality, Pattern


@dataclass(frozen=True, eq=False)
class Grid:
    """Axes of a table and which leaf combinations can exist.

    Shapes: U units, A areas (units, then every higher node, then intersections of paths, then rests), P profile leaves,
    R rows (nodes of the profile).

    Attributes:
        axes: one per dimension, in the order given.
        unit: position of the unit axis.
        available: U x P, False for a structural zero.
        rests: units of more areas, which nobody names and everybody can work out (see `following`).
    """

    axes: tuple[Axis, ...]
    unit: int
    available: np.ndarray
    rests: tuple[np.ndarray, ...] = ()

    @property
    def areas(self) -> Axis:
        """The unit axis."""
        return self.axes[self.unit]

    @property
    def profile(self) -> tuple[Axis, ...]:
        """The other axes."""
        return self.axes[: self.unit] + self.axes[self.unit + 1 :]

    @cached_property
    def rows(self) -> np.ndarray:
        """R x P, 1 where a profile leaf belongs to a row."""
        return _kron(self._inside)

    @cached_property
    def _inside(self) -> list[np.ndarray]:
        """Nodes x leaves of each profile axis."""
        return [axis.members.toarray().astype(np.int64) for axis in self.profile]

    @cached_property
    def row_nodes(self) -> np.ndarray:
        """R x number of profile axes: the node of each axis that makes up the row."""
        shape = [len(axis.codes) for axis in self.profile]
        return np.array(list(np.ndindex(*shape)), int).reshape(-1, len(shape)) if shape else np.zeros((1, 0), int)

    @cached_property
    def members(self) -> sparse.csr_array:
        """A x U, 1 where a unit belongs to an area.

        Where paths cross, the parts an area is cut into are never published but follow by subtraction: areas too.
        """
        parts = [*self._crossing[0], *self.rests]
        row, column = np.repeat(np.arange(len(parts)), [len(units) for units in parts]), np.concatenate([[], *parts])
        cut = sparse.csr_array(
            (np.ones(len(row), int), (row, column.astype(int))), shape=(len(parts), self.areas.leaves)
        )
        return sparse.csr_array(sparse.vstack([self.areas.members, cut]))

    @cached_property
    def _crossing(self) -> tuple[list[np.ndarray], np.ndarray]:
        return _parts(self.areas)

    @cached_property
    def sums(self) -> sparse.csr_array:
        """Lines x A, 1 for an area and for what it is the sum of: its units, or its parts with areas of one level."""
        units, (node, first, second, one, other) = self.areas.leaves, self._crossing[1].T
        wholes = np.concatenate([one, other])
        lines = wholes * len(self.areas.levels) + np.concatenate([second, first])
        apart = (wholes >= 0) & (wholes != np.tile(node, 2))
        line, column = np.concatenate([lines[apart]] * 2), np.concatenate([np.tile(node, 2)[apart], wholes[apart]])
        _, line = np.unique(line, return_inverse=True)
        count = line.max(initial=-1) + 1
        parts = sparse.coo_array((np.ones(len(line), int), (line, column)), shape=(count, self.members.shape[0]))
        high = sparse.csr_array(self.members[units:])
        whole = sparse.identity(high.shape[0], int)
        return sparse.csr_array(
            sparse.vstack([sparse.hstack([high, whole]), sparse.csr_array(parts) > 0]).astype(np.int64)
        )

    def derivable(self, listed: np.ndarray) -> np.ndarray:
        """A x R: cells outside the release that it may tell much of: parts of areas, and codes a list leaves out.

        Not each of them follows from the release; what does, wherever it stands, is found in `following`.
        """
        axis = self.areas
        shown = np.array([listed[: len(axis.codes)][axis.level == n].any(axis=0) for n in range(len(axis.levels))])
        found = self._left_out(listed)
        node, first, second, _, _ = self._crossing[1].T
        np.logical_or.at(found, node, shown[first] & shown[second])
        return np.asarray(found & ~listed & (self.contributors > 0))

    def _left_out(self, listed: np.ndarray) -> np.ndarray:
        """A x R: cells of levels that are listed for other codes: what is left of a margin after subtracting those."""
        found = np.zeros_like(listed)
        for position, axis in enumerate((self.areas, *self.profile)):
            shape = [self.members.shape[0], *(len(other.codes) for other in self.profile)]
            here = np.moveaxis(listed.reshape(shape), position, 0)
            left = np.moveaxis(found.reshape(shape), position, 0)
            for level in range(len(axis.levels) if axis.paths else 0):
                nodes = np.flatnonzero(axis.level == level)
                left[nodes] |= here[nodes].any(axis=0)
        return found

    def leaf_table(self, counts: pd.DataFrame, values: np.ndarray) -> np.ndarray:
        """U x P table of counts; absent combinations are zero.

        Raises:
            DisclosureError: a combination twice, or a count in a structural zero.
        """
        places = [axis.positions(counts[axis.name]) for axis in self.axes]
        others = [axis.leaves for axis in self.profile]
        unit = places.pop(self.unit)
        leaf = np.ravel_multi_index(places, others) if others else np.zeros(len(unit), int)
        flat = unit * self.available.shape[1] + leaf
        twice = np.bincount(flat, minlength=self.available.size)[flat] > 1
        if twice.any():
            raise DisclosureError(f"{self.name_of(counts, twice)} stands twice in the table")
        impossible = ~self.available[unit, leaf] & (values != 0)
        if impossible.any():
            raise DisclosureError(f"{self.name_of(counts, impossible)} has a count but is declared impossible")
        table = np.zeros(self.available.shape, np.int64)
        table[unit, leaf] = values
        return table

    def name_of(self, frame: pd.DataFrame, mask: np.ndarray) -> str:
        """Codes of the first marked row of a frame, for messages."""
        first = frame.iloc[int(np.argmax(mask))]
        return ", ".join(f"{axis.name} {str(first[axis.name])!r}" for axis in self.axes)

    def cells(self, leaves: np.ndarray) -> np.ndarray:
        """A x R sums of a U x P table."""
        rows = leaves.astype(float) @ self.rows.T.astype(float)  # exact below 2**53, many times faster than integers
        return np.asarray(self.members @ rows.astype(np.int64))

    @cached_property
    def offered(self) -> np.ndarray:
        """U x R: whether a unit has a leaf that can exist in the row."""
        return np.asarray((self.available.astype(np.int64) @ self.rows.T) > 0)

    @cached_property
    def contributors(self) -> np.ndarray:
        """A x R: how many units can contribute to a cell; 0 means the cell cannot exist."""
        return np.asarray(self.members @ self.offered.astype(np.int64))

    @cached_property
    def support(self) -> np.ndarray:
        """A x R: how many leaf combinations can contribute to a cell."""
        return self.cells(self.available.astype(np.int64))

    def select(self, pattern: Pattern) -> tuple[np.ndarray, np.ndarray]:
        """The areas and the rows a pattern {dimension: level or codes} stands for; a dimension left out is free.

        Raises:
            DisclosureError: an unknown dimension, level or code.
        """
        unknown = set(pattern) - {axis.name for axis in self.axes}
        if unknown:
            raise DisclosureError(
                f"no dimension {min(unknown)!r}; there are {', '.join(axis.name for axis in self.axes)}"
            )
        areas = np.full(self.members.shape[0], self.areas.name not in pattern)
        areas[: len(self.areas.codes)] = _nodes(self.areas, pattern)
        rows = np.ones(len(self.row_nodes), bool)
        for position, axis in enumerate(self.profile):
            rows &= _nodes(axis, pattern)[self.row_nodes[:, position]]
        return areas, rows

    def named(self, area: np.ndarray, row: np.ndarray) -> pd.DataFrame:
        """Codes and levels of cells, in order of the dimensions: the inverse of `place`."""
        nodes = list(self.row_nodes[row].T)
        nodes.insert(self.unit, area)
        columns: dict[str, np.ndarray] = {}
        for axis, node in zip(self.axes, nodes, strict=True):
            columns[axis.name] = axis.codes[node]
            columns[f"{axis.name}_level"] = np.array(axis.levels, object)[axis.level[node]]
        return pd.DataFrame(columns)

    def place(self, cells: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Area and row of cells given by code and level of every dimension.

        Raises:
            DisclosureError: a missing column, or a code that does not exist at its level.
        """
        for name in (column for axis in self.axes for column in (axis.name, f"{axis.name}_level")):
            if name not in cells.columns:
                raise DisclosureError(f"{name}: no such column; give code and level of every dimension")
        area = self.areas.nodes(cells[self.areas.name], cells[f"{self.areas.name}_level"])
        row = np.zeros(len(cells), int)
        for axis in self.profile:
            row = row * len(axis.codes) + axis.nodes(cells[axis.name], cells[f"{axis.name}_level"])
        return area, row

    def listed(self, patterns: Sequence[Pattern] | None, filled: np.ndarray) -> np.ndarray:
        """A x R: the cells that patterns stand for (None: all). A cell of one unit follows that unit's own list.

        Args:
            patterns: the list.
            filled: U x R, False where nobody is in a unit's row, as everybody knows; another unit is alone then.
        """
        shown = np.zeros(self.contributors.shape, bool)
        for pattern in [{}] if patterns is None else patterns:
            areas, rows = self.select(pattern)
            shown |= np.outer(areas, rows)
        shown[len(self.areas.codes) :] = False
        return np.asarray(shown & self._follows_unit(shown, filled) & (self.contributors > 0))

    def _follows_unit(self, shown: np.ndarray, filled: np.ndarray) -> np.ndarray:
        """False where the only unit that contributes to a cell does not list the row itself."""
        listing = np.asarray(self.members @ (filled & shown[: self.areas.leaves]).astype(np.int64))
        return np.asarray((self.members @ filled.astype(np.int64) != 1) | (listing == 1))

    def above(self, pattern: Pattern) -> Iterator[np.ndarray]:
        """R, for each combination of levels the pattern names: the row of these that holds a row, -1 for none."""
        parents = [
            _parents(axis, pattern[axis.name]) if axis.name in pattern else [np.arange(len(axis.codes))]
            for axis in self.profile
        ]
        for levels in product(*parents):
            node = np.zeros(len(self.row_nodes), int)
            known = np.ones(len(self.row_nodes), bool)
            for position, parent in enumerate(levels):
                place = parent[self.row_nodes[:, position]]
                known &= place >= 0
                node = node * len(parent) + np.maximum(place, 0)
            yield np.where(known, node, -1)

    def along(self, name: str, change: Mapping[str, int]) -> np.ndarray:
        """F x P: a change of the leaves of one profile dimension, for each leaf of the others."""
        sides = [np.identity(axis.leaves, np.int64) for axis in self.profile]
        place = [axis.name for axis in self.profile].index(name)
        codes = self.profile[place].codes[: self.profile[place].leaves]
        sides[place] = np.array([[change.get(str(code), 0) for code in codes]], np.int64)
        return _kron(sides)

    def inequalities(self, given: Sequence[Inequality]) -> np.ndarray:
        """I x P: coefficients of larger - smaller, one line per inequality and leaf of the free dimensions."""
        return np.concatenate([np.zeros((0, self.rows.shape[1]), np.int64), *map(self._lines, given)])

    def _lines(self, inequality: Inequality) -> np.ndarray:
        named = {name for cell in (*inequality.smaller, *inequality.larger) for name in cell}
        if self.areas.name in named:
            raise DisclosureError(f"inequality: it may not name a code of {self.areas.name!r}; it holds in every unit")
        unknown = named - {axis.name for axis in self.profile}
        if unknown:
            raise DisclosureError(f"inequality: no dimension {min(unknown)!r}")
        larger, smaller = (
            sum((self._side(cell, named) for cell in cells), np.int64(0))
            for cells in (inequality.larger, inequality.smaller)
        )
        return np.asarray(larger - smaller)

    def _side(self, cell: Cell, named: set[str]) -> np.ndarray:
        """F x P: the leaves of a cell, for each leaf of the dimensions it leaves free."""
        parts = []
        for axis, inside in zip(self.profile, self._inside, strict=True):
            if axis.name in named and axis.name not in cell:
                raise DisclosureError(f"inequality: name a code of {axis.name!r} in every cell, or in none")
            free = axis.name not in named
            parts.append(inside[: axis.leaves] if free else inside[axis.select([cell[axis.name]])])
        return _kron(parts)


def build_grid(
    dimensions: Mapping[str, Hierarchy],
    frame: pd.DataFrame,
    structural_zeros: pd.DataFrame | None,
    coalitions: pd.DataFrame | None,
    within: Iterable[str] = (),
) -> Grid:
    """Lay out the dimensions; one of them gives the units (see `unit_of`).

    Args:
        dimensions: description of each dimension.
        frame: has a column of codes per dimension; used for the members of separate dimensions.
        structural_zeros: leaf combinations that cannot exist; dimensions without a column are free.
        coalitions: a column names the dimension that insiders own leaves of.
        within: dimensions that have to stay inside a unit.

    Raises:
        DisclosureError: no dimensions, a missing column, or an unknown code.
    """
    if not dimensions:
        raise DisclosureError("no dimensions: describe at least one")
    absent = [name for name in dimensions if name not in frame.columns]
    if absent:
        raise DisclosureError(f"{absent[0]}: no such column in the table")
    axes = tuple(lay_out(name, hierarchy, frame[name]) for name, hierarchy in dimensions.items())
    unit = unit_of(axes, () if coalitions is None else coalitions.columns, within)
    shape = [axis.leaves for axis in axes]
    available = np.ones(shape, bool)
    if structural_zeros is not None:
        available[impossible(axes, structural_zeros)] = False
    return Grid(axes, unit, _as_units(available, unit))


def impossible(axes: Sequence[Axis], zeros: pd.DataFrame) -> tuple[np.ndarray | slice, ...]:
    """Where leaf combinations cannot exist: per dimension the places, all where there is no column of it.

    Raises:
        DisclosureError: a column of no dimension, no column at all, or an unknown code.
    """
    names = [axis.name for axis in axes]
    unknown = [column for column in zeros.columns if column not in names]
    if unknown or not len(zeros.columns):
        what = f"no dimension {unknown[0]!r}" if unknown else "no column"
        raise DisclosureError(f"structural_zeros: {what}; there are {', '.join(names)}")
    return tuple(axis.positions(zeros[axis.name]) if axis.name in zeros else slice(None) for axis in axes)


def _as_units(table: np.ndarray, unit: int) -> np.ndarray:
    return np.moveaxis(table, unit, 0).reshape(table.shape[unit], -1)


def _parts(axis: Axis) -> tuple[list[np.ndarray], np.ndarray]:
    """The parts into which the areas of two levels cut each other; units without an area at a level make parts too.

    Returns:
        The parts that are neither an area nor a unit, numbered after the nodes; and lines (node, level, level, area,
        area): what follows from the areas of two levels, and those it is in (-1: none).
    """
    upper = axis.members[axis.leaves :]
    parent = np.full((len(axis.levels), axis.leaves), -1)
    row, column = upper.nonzero()
    parent[axis.level[axis.leaves :][row], column] = row + axis.leaves
    place = {np.array([unit]).tobytes(): unit for unit in range(axis.leaves)}
    place |= {np.flatnonzero(line).tobytes(): axis.leaves + number for number, line in enumerate(upper.toarray())}
    parts: list[np.ndarray] = []
    cuts: list[tuple[int, int, int, int, int]] = []
    for first, second in combinations(range(1, len(axis.levels)), 2):
        _, part = np.unique(parent[[first, second]], axis=1, return_inverse=True)
        order = np.argsort(part, kind="stable")
        for units in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
            one, other = parent[[first, second], units[0]].tolist()
            if one < 0 and other < 0:
                continue
            node = place.setdefault(units.tobytes(), len(axis.codes) + len(parts))
            if node == len(axis.codes) + len(parts):
                parts.append(units)
            cuts.append((node, first, second, one, other))
    return parts, np.array(cuts, int).reshape(-1, 5)


def _nodes(axis: Axis, pattern: Pattern) -> np.ndarray:
    return axis.select(pattern[axis.name]) if axis.name in pattern else np.ones(len(axis.codes), bool)


def _parents(axis: Axis, wanted: str | Sequence[str]) -> list[np.ndarray]:
    """Of each level that has selected nodes: per node the one of them that contains it, -1 where there is none."""
    selected, size = np.flatnonzero(axis.select(wanted)), axis.members.sum(axis=1)
    found = []
    for nodes in (selected[axis.level[selected] == level] for level in np.unique(axis.level[selected])):
        inside = (axis.members @ axis.members[nodes].T).toarray() == size[:, None]
        found.append(np.where(inside.any(axis=1), nodes[np.argmax(inside, axis=1)], -1))
    return found


def _kron(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Kronecker product; a single 1 for no parts."""
    product = np.ones((1, 1), np.int64)
    for part in parts:
        product = np.kron(product, part)
    return product
