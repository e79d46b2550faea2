"""The cells of some nodes as rows of a linear programme."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from disclosure.primary import FAR
from disclosure.secondary.classes import Classes, classify
from disclosure.secondary.patch import Patch

Cache = dict[bytes, Classes]


class Cells:
    """The classes of some nodes that are published, told about or asked for, numbered; and the sums that are known.

    Attributes:
        number, sign: N x R, class of a cell (-1: none) and whether it is the rest of its class (-1).
        node: per class the node it belongs to.
        lines: classes x P, the leaves that make up a class; rests: what completes it to a known total.
        fixed_node, fixed: known sums: the node, and x P its leaves.
        lower, upper: how far a hidden class may move; price: of hiding it; shut: whether it is published.
        loose: whether its bounds merely say that a cell of an area is small.
    """

    def __init__(self, patch: Patch, nodes: np.ndarray, *, shown: np.ndarray, wanted: np.ndarray, cache: Cache) -> None:
        self.patch = patch
        self._shared: dict[int, np.ndarray] = {}
        self.number = np.full(patch.values.shape, -1, np.int32)
        self.sign = np.ones(patch.values.shape, np.int8)
        self.shown = np.where((patch.origin >= 0)[:, None], shown[patch.origin], False)
        wanted = np.where((patch.origin >= 0)[:, None], wanted[patch.origin], False)
        self.relevant = self.shown | wanted | (patch.lower > -FAR) | (patch.upper < FAR)
        alike: dict[int, tuple[Classes, list[int]]] = {}
        for node in nodes.tolist():
            classes = classes_of(patch, node, cache)
            alike.setdefault(id(classes), (classes, []))[1].append(node)
        parts = [self._add(found, np.array(group)) for found, group in alike.values() if (found.of >= 0).any()]
        size = patch.rows.shape[1]
        self.node = np.concatenate([np.zeros(0, int), *(part[0] for part in parts)])
        self.lines = np.concatenate([np.zeros((0, size), np.int8), *(part[1] for part in parts)])
        self.rests = np.concatenate([np.zeros((0, size), np.int8), *(part[2] for part in parts)])
        bounds = np.concatenate([np.zeros((0, 3)), *(part[3] for part in parts)])
        self.lower, self.upper, self.price = bounds.T
        self.shut, self.loose = np.concatenate([np.zeros((0, 2), bool), *(part[4] for part in parts)]).T.copy()
        known = [(np.repeat(group, len(classes.fixed)), classes.fixed, len(group)) for classes, group in alike.values()]
        self.fixed_node = np.concatenate([np.zeros(0, int), *(nodes for nodes, _, _ in known)])
        self.fixed = np.concatenate([np.zeros((0, size), np.int8), *(np.tile(lines, (n, 1)) for _, lines, n in known)])

    def _add(self, classes: Classes, nodes: np.ndarray) -> tuple[np.ndarray, ...]:
        """Number the classes of nodes that have the same ones."""
        patch = self.patch
        rows = np.flatnonzero(classes.of >= 0)
        rows = rows[np.argsort(classes.of[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(classes.of[rows], prepend=-1))
        at = np.ix_(nodes, rows)
        place, number = np.nonzero(np.logical_or.reduceat(self.relevant[at], starts, axis=1))
        first = int(self.number.max(initial=-1)) + 1
        numbers = np.full((len(nodes), len(starts)), -1)
        numbers[place, number] = first + np.arange(len(place))
        self.number[at] = numbers[:, classes.of[rows]]
        self.sign[at] = classes.sign[rows]
        plain = classes.sign[rows] > 0
        low, high = patch.reach[0][at], patch.reach[1][at]
        low, high = np.where(plain, low, -high), np.where(plain, high, -low)
        shown = self.shown[at]
        merely = patch.told | ((patch.lower == -FAR) & (patch.upper == FAR))
        bounds = (
            np.maximum.reduceat(low, starts, axis=1),
            np.minimum.reduceat(high, starts, axis=1),
            np.add.reduceat(np.where(shown, patch.price[at], 0), starts, axis=1),
        )
        states = (
            np.logical_or.reduceat(shown, starts, axis=1),
            np.logical_and.reduceat(merely[at], starts, axis=1) & (nodes >= patch.size)[:, None],
        )
        return (
            nodes[place],
            classes.body[number],
            classes.rest[number],
            np.stack([bound[place, number] for bound in bounds], axis=1),
            np.stack([state[place, number] for state in states], axis=1),
        )

    def place(self, base: int, row: int) -> tuple[int, int]:
        """Number and sign of the class of a cell of the base patch, -1 and 1 if it has none here."""
        node = np.flatnonzero(self.patch.origin == base)
        return (int(self.number[node[0], row]), int(self.sign[node[0], row])) if len(node) else (-1, 1)

    def alike(self, base: int, row: int) -> np.ndarray:
        """The rows in the class of a cell of the base patch that has one here."""
        numbers = self.number[np.flatnonzero(self.patch.origin == base)[0]]
        return np.flatnonzero(numbers == numbers[row])

    def shared(self, insider: int) -> np.ndarray:
        """Classes of areas that an insider has a share in, with bounds that merely say that a cell is small."""
        if insider not in self._shared:
            patch = self.patch
            areas = [node for node in range(patch.size, len(patch.ids)) if insider in patch.shares[node]]
            self._shared[insider] = np.flatnonzero(self.loose & np.isin(self.node, areas))
        return self._shared[insider]


def crossed(members: sparse.csr_array, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Entries (line, unit, leaf, coefficient) of lines (n x P), each over the units of its members (n x units)."""
    row, leaf = np.nonzero(lines)
    units = np.diff(members.indptr)[row]
    entry = np.repeat(np.arange(len(row)), units)
    within = np.arange(len(entry)) - np.repeat(np.cumsum(units) - units, units)
    unit = members.indices[members.indptr[row[entry]] + within]
    return row[entry], unit, leaf[entry], lines[row, leaf][entry]


def classes_of(patch: Patch, node: int, cache: Cache) -> Classes:
    """Classes of a node; of an area only those known sums that do not follow from its units."""
    inner = np.zeros(len(patch.rows), bool)
    if node >= patch.size:
        inner = np.asarray(patch.known[patch.members[[node]].indices].all(axis=0))
    key = patch.offered[node].tobytes() + patch.known[node].tobytes() + inner.tobytes()
    if key not in cache:
        offered = patch.offered[node].astype(np.int64)
        classes = classify(patch.rows, offered, patch.known[node])
        cache[key] = replace(classes, fixed=classify(patch.rows, offered, patch.known[node] & ~inner).fixed)
    return cache[key]
