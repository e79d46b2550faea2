"""A patch: some units with every area that touches them, cut out of a problem so that a worker needs nothing else."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from disclosure.primary import FAR
from disclosure.problem import Problem

Signature = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Patch:
    """Nodes are the patch's units (first `size` of them) and then its areas. Shapes: N nodes, P leaves, R rows.

    Attributes:
        ids: N, number of each node in the problem.
        size: number of units.
        members: N x units, 1 where a unit belongs to a node.
        spread: N, units of the node in the whole problem: more than the patch holds means it reaches outside.
        rows: R x P.
        lines: I x P inequalities (larger - smaller); unseen: F x P as in `Problem`.
        leaves: units x P counts; available: which of them can exist.
        values, known, lower, upper, told, price: N x R as in `Problem` and `Primary`.
        shown: N x R, published at the start.
        insider: units x most, as in `Problem`; shares: per node the insiders that own some unit of it, in the whole
            problem.
        group, region: units, equal for units with the same areas above them, and in the same region.
        origin: N, the node in the patch this one was merged from, -1 for merged units; itself if nothing was merged.
        merged: units that stand for several of another patch: units x its units, 1 where inside; and that patch.
    """

    ids: np.ndarray
    size: int
    members: sparse.csr_array
    spread: np.ndarray
    rows: np.ndarray
    lines: np.ndarray
    unseen: np.ndarray
    leaves: np.ndarray
    available: np.ndarray
    values: np.ndarray
    known: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    told: np.ndarray
    price: np.ndarray
    shown: np.ndarray
    insider: np.ndarray
    shares: tuple[frozenset[int], ...]
    group: np.ndarray
    region: np.ndarray
    origin: np.ndarray
    merged: "tuple[sparse.csr_array, Patch] | None"

    def bare(self) -> "Patch":
        """The patch without its cells, which are most of its memory: for models that are kept."""
        none = np.zeros((0, 0))
        return replace(self, values=none, known=none, lower=none, upper=none, told=none, price=none, shown=none)

    @cached_property
    def units(self) -> list[np.ndarray]:
        """Per node the units of the patch in it."""
        return np.split(self.members.indices, self.members.indptr[1:-1])

    @cached_property
    def chains(self) -> list[np.ndarray]:
        """Per unit the areas of the patch it belongs to."""
        above = sparse.csc_array(self.members[self.size :])
        return [above.indices[above.indptr[u] : above.indptr[u + 1]] + self.size for u in range(self.size)]

    def owned(self, insider: int) -> np.ndarray:
        """Units: whether they are an insider's own; nobody (-1) owns none."""
        return np.asarray((self.insider == insider).any(axis=1) & (insider >= 0))

    def held(self, insider: int) -> np.ndarray:
        """Units x P: the counts inside merged units that are an insider's own; nobody (-1) owns none."""
        if self.merged is None or insider < 0:
            return np.zeros(self.leaves.shape, np.int64)
        inside, base = self.merged
        own = np.flatnonzero(base.owned(insider))
        return np.asarray(inside[:, own] @ base.leaves[own])

    @cached_property
    def reach(self) -> tuple[np.ndarray, np.ndarray]:
        """N x R: how far a hidden cell may move down (0 or less) and up."""
        low = np.where(self.lower > -FAR, self.lower - self.values, -np.inf)
        return low, np.where(self.upper < FAR, self.upper - self.values, np.inf)

    @cached_property
    def offered(self) -> np.ndarray:
        """N x P: whether some unit of the patch in the node has the leaf."""
        return np.asarray(self.members @ self.available.astype(np.int64) > 0)

    @cached_property
    def whole(self) -> np.ndarray:
        """N: areas that hold every unit of the patch."""
        return np.asarray(self.members.sum(axis=1).ravel() == self.size)

    @cached_property
    def bounded(self) -> np.ndarray:
        """N: nodes with a cell that is published, or of which an outsider is told something."""
        told = (self.lower > -FAR) | (self.upper < FAR)
        return np.asarray((self.shown | told).any(axis=1))


def cut(problem: Problem, units: np.ndarray, shown: np.ndarray) -> Patch:
    """The patch of some units."""
    members = problem.grid.members
    count = problem.grid.areas.leaves
    part = sparse.csc_array(members)[:, units]
    areas = np.flatnonzero(np.asarray(part.sum(axis=1)).ravel() > 0)
    ids = np.concatenate([units, areas[areas >= count]])
    return Patch(
        ids=ids,
        size=len(units),
        members=sparse.csr_array(sparse.csr_array(part)[ids]),
        spread=np.asarray(members.sum(axis=1)).ravel()[ids],
        rows=problem.grid.rows,
        lines=problem.lines,
        unseen=problem.unseen,
        leaves=problem.leaves[units],
        available=problem.grid.available[units],
        values=problem.figures[ids],
        known=problem.primary.known[ids],
        lower=problem.primary.lower[ids],
        upper=problem.primary.upper[ids],
        told=problem.primary.told[ids],
        price=problem.cost[ids],
        shown=shown[ids],
        insider=problem.insider[units],
        shares=tuple(problem.owners[node] for node in ids),
        group=problem.groups[units],
        region=problem.regions[units],
        origin=np.arange(len(ids)),
        merged=None,
    )


def merge(patch: Patch, parts: list[np.ndarray]) -> Patch:
    """The patch with some units taken together; parts of one unit stay as they are.

    Areas that hold only some units of a part are left out: what happens inside a part is decided when it is opened up.
    """
    single = np.array([len(part) == 1 for part in parts])
    first = np.array([part[0] for part in parts])
    joined = _joined(parts, patch.size)
    inside = ((patch.members[patch.size :] @ joined.T).toarray() == joined.sum(axis=1)).astype(np.int64)
    areas = np.flatnonzero(inside.any(axis=1)) + patch.size
    origin = np.concatenate([np.where(single, first, -1), areas])
    leaves = np.asarray(joined @ patch.leaves)
    kept = origin >= 0
    known = _pick(patch.known, origin, missing=0).astype(bool)
    values = _pick(patch.values, origin, missing=0)
    values[: len(parts)] = leaves @ patch.rows.T
    for part in np.flatnonzero(~single):
        known[part] = patch.known[parts[part]].all(axis=0)
    return replace(
        patch,
        ids=np.where(kept, patch.ids[origin], -1),
        size=len(parts),
        members=sparse.csr_array(np.concatenate([np.identity(len(parts), int), inside[areas - patch.size]])),
        spread=np.where(kept, patch.spread[origin], 0),
        leaves=leaves,
        available=np.asarray(joined @ patch.available.astype(int)) > 0,
        values=values,
        known=known,
        lower=_pick(patch.lower, origin, missing=-FAR),
        upper=_pick(patch.upper, origin, missing=FAR),
        told=_pick(patch.told, origin, missing=0).astype(bool),
        price=_pick(patch.price, origin, missing=0),
        shown=_pick(patch.shown, origin, missing=0).astype(bool),
        insider=np.where(single[:, None], patch.insider[first], -1),
        shares=tuple(patch.shares[node] if node >= 0 else frozenset() for node in origin),
        group=np.where(single, patch.group[first], -1),
        region=patch.region[first],
        origin=origin,
        merged=(sparse.csr_array(joined.multiply(~single[:, None])), patch),
    )


def _pick(cells: np.ndarray, origin: np.ndarray, *, missing: int) -> np.ndarray:
    """Rows of another patch by node, and a number where a node stands for several."""
    return np.where((origin >= 0)[:, None], cells[origin], missing)


def _joined(parts: list[np.ndarray], size: int) -> sparse.csr_array:
    """Parts x units, 1 where a unit is in a part."""
    row = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return sparse.csr_array((np.ones(len(row), int), (row, np.concatenate(parts))), shape=(len(parts), size))
