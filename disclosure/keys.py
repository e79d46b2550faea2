"""Which cells there can be, from the register and never from the counts: the layout of a table with noise.

A table is n rows x kinds x steps. A row is one unit (a leaf of the dimension with most paths) and one leaf of the
other dimensions that add up; kinds are the members that do not add up; steps are the leaves of the dimension along
which the unit of privacy can move. The totals over the steps are public and the same for every kind.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from scipy import sparse

from disclosure.errors import DisclosureError
from disclosure.grid import impossible
from disclosure.hierarchy import Axis, Hierarchy, as_codes, lay_out, unit_of
from disclosure.rules import Inequality

Query = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Keys:
    """The layout; nothing in it depends on a count.

    Attributes:
        unit: the units and their areas.
        profile: the other dimensions that add up.
        kinds: dimensions whose members do not add up.
        steps: the dimension along which an enrolment can move.
        available: U x P, which rows can exist.
    """

    unit: Axis
    profile: tuple[Axis, ...]
    kinds: tuple[Axis, ...]
    steps: Axis
    available: np.ndarray

    @classmethod
    def of(cls, dimensions: Mapping[str, Hierarchy], *, moves: str, structural_zeros: pd.DataFrame | None) -> Self:
        """Lay out the dimensions.

        Args:
            dimensions: description of each; members that do not add up have a lookup too, without paths.
            moves: the dimension along which an enrolment can move.
            structural_zeros: rows that cannot exist; a dimension without a column is free.

        Raises:
            DisclosureError: no such dimension, or one without a lookup.
        """
        if moves not in dimensions:
            raise DisclosureError(f"no dimension {moves!r} for the privacy unit to move along")
        axes = {name: _axis(name, hierarchy) for name, hierarchy in dimensions.items()}
        adding = [axis for name, axis in axes.items() if axis.paths and name != moves]
        if not adding or len(axes[moves].levels) < 2:  # noqa: PLR2004  leaf and top
            raise DisclosureError("a table with noise needs areas that add up and steps with a total")
        place = unit_of(adding)
        unit, profile = adding[place], tuple(axis for at, axis in enumerate(adding) if at != place)
        kinds = tuple(axis for axis in axes.values() if not axis.paths)
        available = np.ones((unit.leaves, *(axis.leaves for axis in profile)), bool)
        if structural_zeros is not None:
            available[impossible((unit, *profile), structural_zeros)] = False
        return cls(unit, profile, kinds, axes[moves], available.reshape(unit.leaves, -1))

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit and profile leaf of each row."""
        unit, leaf = self.available.nonzero()
        return unit, leaf

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, kinds, steps."""
        return int(self.available.sum()), int(np.prod([axis.leaves for axis in self.kinds])), self.steps.leaves

    @cached_property
    def layout(self) -> str:
        """A digest of which row is what and adds up to which areas: answers that go by place mean nothing elsewhere."""
        axes = (self.unit, *self.profile, *self.kinds, self.steps)
        named = [[axis.name, axis.levels, axis.level.tolist(), axis.codes.tolist()] for axis in axes]
        added = [sorted(zip(*(place.tolist() for place in axis.members.nonzero()), strict=True)) for axis in axes]
        told = hashlib.sha256(json.dumps([named, added]).encode())
        told.update(np.packbits(self.available).tobytes())
        return told.hexdigest()

    @cached_property
    def _members(self) -> sparse.csr_array:
        """Which rows belong to each pair of a node of the units and a node of the profile (pairs x n)."""
        members = self.unit.members
        for axis in self.profile:
            members = sparse.kron(members, axis.members, format="csr")
        return sparse.csr_array(sparse.csc_array(members)[:, np.flatnonzero(self.available.ravel())])

    def is_near(self, query: Query) -> bool:
        """Whether a query is about single units; else about areas of several."""
        return query.get(self.unit.name, self.unit.levels[0]) == self.unit.levels[0]

    def cells(self, query: Query) -> sparse.csr_array:
        """Which rows add up to each cell (cells x n) of a query: a level per dimension, the leaves where it names none.

        Raises:
            DisclosureError: an unknown dimension or level, or what is no level: each row counts in one cell at most.
        """
        unknown = set(query) - {axis.name for axis in (self.unit, *self.profile)}
        if unknown:
            raise DisclosureError(f"no dimension {min(unknown)!r} to ask noisy figures of")
        given: Mapping[str, object] = query
        for name, level in given.items():
            if not isinstance(level, str):
                raise DisclosureError(f"{name}: ask for one level by name; codes of several would count a row twice")
        wanted = self.unit.select(query.get(self.unit.name, self.unit.levels[0]))
        chosen = np.ones(1, bool)
        for axis in self.profile:
            chosen = np.kron(chosen, axis.select(query.get(axis.name, axis.levels[0])))
        units, profiles = np.flatnonzero(wanted), np.flatnonzero(chosen)
        cells = self.crossed(np.repeat(units, len(profiles)), np.tile(profiles, len(units)))
        if cells.sum(axis=0).max(initial=0) > 1:
            raise DisclosureError("a query counts an enrolment more than once; its loss would exceed its budget")
        return cells

    def crossed(self, units: np.ndarray, profiles: np.ndarray) -> sparse.csr_array:
        """Which rows add up to the cells of pairs of nodes (cells x n); pairs that no row belongs to are left out."""
        wide = int(np.prod([len(axis.codes) for axis in self.profile]))
        members = sparse.csr_array(self._members[units * wide + profiles])
        return sparse.csr_array(members[np.diff(members.indptr) > 0])

    def place(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Node of the units and of the profile for cells given by code and level of every dimension."""
        profile = np.zeros(len(frame), int)
        for axis in self.profile:
            profile = profile * len(axis.codes) + axis.nodes(frame[axis.name], frame[f"{axis.name}_level"])
        return self.unit.nodes(frame[self.unit.name], frame[f"{self.unit.name}_level"]), profile

    def table(self, counts: pd.DataFrame, count: str) -> np.ndarray:
        """Counts as n x kinds x steps; absent combinations are zero. Confidential.

        Raises:
            DisclosureError: no such column, a count that is no whole number of 0 or more, a combination twice, a count
                where no row can be, or kinds that do not count the same enrolments.
        """
        axes = (self.unit, *self.profile, *self.kinds, self.steps)
        absent = [name for name in (*(axis.name for axis in axes), count) if name not in counts.columns]
        if absent:
            raise DisclosureError(f"{absent[0]}: no such column in the table")
        place = [axis.positions(counts[axis.name]) for axis in axes]
        numbers = counts[count].to_numpy()
        if not np.issubdtype(numbers.dtype, np.integer) or (numbers < 0).any():
            raise DisclosureError(f"{count}: every count must be a whole number of 0 or more")
        full = np.zeros([axis.leaves for axis in axes], np.int64)
        np.add.at(full, tuple(place), 1)
        if (full > 1).any():
            raise DisclosureError("a combination stands twice in the table")
        full[tuple(place)] = numbers
        laid = full.reshape(*self.available.shape, *self.shape[1:])
        if laid[~self.available].any():
            raise DisclosureError("a row has a count but is declared impossible")
        table = laid[self.available]
        heads = table.sum(axis=2)
        if (heads != heads[:, :1]).any():
            raise DisclosureError("kinds of one row have different totals: every kind must count every enrolment once")
        return np.asarray(table)

    def orders(self, given: Iterable[Inequality]) -> np.ndarray:
        """Lines x (kinds x steps) of length 1: times a row of kinds and steps each is 0 or more in any true table.

        Raises:
            DisclosureError: a cell that does not name one code of every kind of member and of the steps.
        """
        wide = self.shape[1] * self.shape[2]
        lines = np.array(
            [
                sum((self._line(cell) for cell in each.larger), np.zeros(wide))
                - sum((self._line(cell) for cell in each.smaller), np.zeros(wide))
                for each in given
            ]
        ).reshape(-1, wide)
        return np.asarray(lines / np.linalg.norm(lines, axis=1, keepdims=True))

    def _line(self, cell: Mapping[str, str]) -> np.ndarray:
        axes = (*self.kinds, self.steps)
        if set(cell) != {axis.name for axis in axes}:
            names = " and ".join(axis.name for axis in axes)
            raise DisclosureError(f"inequality: every cell names one code of {names}, and nothing else")
        line = np.ones(1)
        for axis in axes:
            node = np.flatnonzero(axis.select([cell[axis.name]]))
            line = np.kron(line, axis.members[node].toarray()[0])
        return line

    def frame(self, table: np.ndarray, count: str) -> pd.DataFrame:
        """The inverse of `table`: one line per row, kind and step."""
        places = np.stack([axis.ravel() for axis in np.indices(self.shape)])
        unit, leaf = self.rows
        profile = np.unravel_index(leaf[places[0]], [axis.leaves for axis in self.profile] or [1])
        kind = np.unravel_index(places[1], [axis.leaves for axis in self.kinds] or [1])
        columns = {self.unit.name: self.unit.codes[unit[places[0]]]}
        columns |= {axis.name: axis.codes[at] for axis, at in zip(self.profile, profile, strict=False)}
        columns |= {axis.name: axis.codes[at] for axis, at in zip(self.kinds, kind, strict=False)}
        columns |= {self.steps.name: self.steps.codes[places[2]], count: table.ravel()}
        return pd.DataFrame(columns)


def _axis(name: str, hierarchy: Hierarchy) -> Axis:
    if hierarchy.lookup is None:
        raise DisclosureError(f"{name}: name its members in a lookup; which cells exist may not follow from the counts")
    return lay_out(name, hierarchy, pd.Series(as_codes(hierarchy.lookup[hierarchy.leaf])))
