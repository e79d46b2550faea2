"""Codes of one dimension, their levels, and the paths along which they add up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
import pandas as pd
from scipy import sparse

from disclosure.errors import DisclosureError


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """One dimension of a table: its leaf level and how leaves add up to higher levels.

    Several paths over the same leaves make linked tables, e.g. site → gemeente → country and site → swv → country.
    A leaf without a parent at a level (missing value) belongs to no area of that level.

    Args:
        leaf: name of the leaf level.
        lookup: one row per leaf, one column per level (leaf included); None for members that do not add up.
        paths: per path the levels from just above the leaf to the top; all paths end in the same top level.

    Raises:
        DisclosureError: a leaf, a column or a level of a path twice, a code with two parents on one path, an empty
            path, or paths that do not meet. Codes are compared as text: 1 and "1" are one.
    """

    leaf: str
    lookup: pd.DataFrame | None = field(repr=False)
    paths: Sequence[Sequence[str]] = ()

    @classmethod
    def separate(cls, name: str) -> Self:
        """A dimension whose members do not add up; its codes are those found in the counts."""
        return cls(name, None, ())

    def __post_init__(self) -> None:
        if self.lookup is None:
            return
        if self.lookup.empty:
            raise DisclosureError(f"{self.leaf}: the lookup is empty; give one row per leaf")
        repeated = self.lookup.columns[self.lookup.columns.duplicated()]
        if len(repeated):
            raise DisclosureError(f"{self.leaf}: the lookup has column {str(repeated[0])!r} twice")
        missing = [level for level in self.levels if level not in self.lookup.columns]
        if missing:
            raise DisclosureError(f"{self.leaf}: the lookup has no column {missing[0]!r}")
        columns = ((level, self.lookup[level]) for level in self.levels)
        texts = {level: pd.Series(as_codes(codes)).where(codes.notna().to_numpy()) for level, codes in columns}
        self._check_leaves(texts[self.leaf])
        self._check_paths(pd.DataFrame(texts))

    @property
    def levels(self) -> tuple[str, ...]:
        """The leaf level and every level above it, each once, in the order of the paths."""
        return tuple(dict.fromkeys([self.leaf, *(level for path in self.paths for level in path)]))

    def _check_leaves(self, leaves: pd.Series) -> None:
        if leaves.isna().any():
            raise DisclosureError(f"{self.leaf}: a leaf without a code in the lookup")
        twice = leaves[leaves.duplicated()].to_numpy()
        if len(twice):
            raise DisclosureError(f"{self.leaf}: {twice[0]!r} stands twice in the lookup; a leaf has one row")

    def _check_paths(self, lookup: pd.DataFrame) -> None:
        if len({path[-1] for path in self.paths if path}) > 1:
            raise DisclosureError(f"{self.leaf}: the paths do not meet; let each end in the same top level")
        for path in self.paths:
            if not path:
                raise DisclosureError(f"{self.leaf}: a path without a level; leave it out")
            if len(set(path)) < len(path):
                raise DisclosureError(f"{self.leaf}: a level stands twice in the path {', '.join(path)}")
            for lower, upper in pairwise(path):
                pairs = lookup[[lower, upper]].dropna(subset=[lower]).drop_duplicates()
                split = pairs.loc[pairs[lower].duplicated(), lower].to_numpy()
                if len(split):
                    raise DisclosureError(f"{self.leaf}: {lower} {split[0]!r} has two parents at level {upper!r}")


@dataclass(frozen=True, eq=False)
class Axis:
    """A dimension laid out: one node per code of each level, leaves first, both in order of code.

    `members` is nodes x leaves, 1 where the leaf belongs to the node; `paths` is how many ways they add up.
    """

    name: str
    paths: int
    levels: tuple[str, ...]
    level: np.ndarray
    codes: np.ndarray
    members: sparse.csr_array

    @property
    def leaves(self) -> int:
        """Number of leaves; nodes 0 .. leaves - 1 are the leaves themselves."""
        return int(self.members.shape[1])

    def select(self, wanted: str | Iterable[str]) -> np.ndarray:
        """Which nodes a level name or a list of codes stands for.

        Raises:
            DisclosureError: no such level or code, or a code that exists at two levels.
        """
        if isinstance(wanted, str):
            if wanted not in self.levels:
                raise DisclosureError(f"{self.name}: no level {wanted!r}; levels are {', '.join(self.levels)}")
            return np.asarray(self.level == self.levels.index(wanted))
        found = np.zeros(len(self.codes), bool)
        for code in wanted:
            here = self.codes == str(code)
            if here.sum() != 1:
                raise DisclosureError(
                    f"{self.name}: {code!r} is {'no code' if not here.any() else 'a code at two levels'}"
                )
            found |= here
        return found

    def positions(self, codes: pd.Series) -> np.ndarray:
        """The leaf number of each code.

        Raises:
            DisclosureError: a code that is no leaf.
        """
        text, number = _distinct(codes)
        leaves = self.codes[: self.leaves]
        place = np.minimum(np.searchsorted(leaves, text), self.leaves - 1)
        unknown = leaves[place] != text
        if unknown.any():
            raise DisclosureError(f"{self.name}: unknown code {text[unknown][0]!r}")
        return np.asarray(place[number])

    def nodes(self, codes: pd.Series, levels: pd.Series) -> np.ndarray:
        """The node number of each pair of code and level.

        Raises:
            DisclosureError: a pair that does not exist.
        """
        (text, code), (name, level) = _distinct(codes), _distinct(levels)
        found = [self._numbers.get((of, each), -1) for of in name for each in text]
        place = np.array(found, int).reshape(len(name), len(text))[level, code]
        if (place < 0).any():
            first = int(np.argmax(place < 0))
            raise DisclosureError(f"{self.name}: no code {codes.iloc[first]!r} at level {levels.iloc[first]!r}")
        return np.asarray(place)

    @cached_property
    def _numbers(self) -> dict[tuple[str, str], int]:
        """The node of each level and code."""
        return {
            (self.levels[level], code): node
            for node, (level, code) in enumerate(zip(self.level, self.codes, strict=True))
        }


def as_codes(values: pd.Series) -> np.ndarray:
    """Codes as text; that is how they are compared, ordered and written."""
    text, number = _distinct(values)
    return np.asarray(text[number])


def _distinct(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Every code once, as text and in the order of the values; and per value which of them it is."""
    number, seen = pd.factorize(values, use_na_sentinel=False)
    return np.array([str(value) for value in seen], object), number


def unit_of(axes: Sequence[Axis], owned: Iterable[str] = (), within: Iterable[str] = ()) -> int:
    """Which dimension is searched region by region: the one insiders own, else the one with most paths, then leaves.

    Args:
        axes: the dimensions.
        owned: names of which one may be the dimension that insiders own leaves of.
        within: those that have to stay inside a unit.

    Raises:
        DisclosureError: none is left.
    """
    named, inner = set(owned), set(within)
    mine = [n for n, axis in enumerate(axes) if axis.name in named] or range(len(axes))
    left = [n for n in mine if axes[n].name not in inner]
    if not left:
        raise DisclosureError(
            f"{axes[mine[0]].name}: a public margin or an inequality holds in every unit and names this dimension, "
            "and no other can give the units; leave that out, or describe one more dimension"
        )
    return max(left, key=lambda n: (axes[n].paths, axes[n].leaves, -n))


def lay_out(name: str, hierarchy: Hierarchy, codes: pd.Series) -> Axis:
    """The nodes of a dimension.

    Args:
        name: the dimension.
        hierarchy: its description.
        codes: leaf codes in the data; they define the members of a separate dimension and are ignored otherwise.

    Raises:
        DisclosureError: a separate dimension without codes, or with one that is missing.
    """
    if hierarchy.lookup is None:
        if not len(codes):
            raise DisclosureError(f"{name}: the table is empty, and its codes are all that says which there are")
        if codes.isna().any():
            raise DisclosureError(f"{name}: a code is missing")
        leaves = np.unique(as_codes(codes.drop_duplicates()))
        return Axis(
            name, 0, (name,), np.zeros(len(leaves), int), leaves, sparse.csr_array(sparse.identity(len(leaves), int))
        )
    lookup = hierarchy.lookup.assign(**{hierarchy.leaf: as_codes(hierarchy.lookup[hierarchy.leaf])})
    lookup = lookup.sort_values(hierarchy.leaf, kind="stable")
    numbers, texts, level_of = [], [], []
    offset = 0
    for number, level in enumerate(hierarchy.levels):
        parent = lookup[level].to_numpy(object)
        present = ~pd.isna(parent)
        text, place = np.unique(np.array([str(code) for code in parent[present]], object), return_inverse=True)
        numbers.append((place + offset, np.flatnonzero(present)))
        texts.append(text)
        level_of.append(np.full(len(text), number))
        offset += len(text)
    row, column = (np.concatenate(part) for part in zip(*numbers, strict=True))
    members = sparse.csr_array((np.ones(len(row), int), (row, column)), shape=(offset, len(lookup)))
    return Axis(name, len(hierarchy.paths), hierarchy.levels, np.concatenate(level_of), np.concatenate(texts), members)
