"""What follows from a release by adding and subtracting, whatever its figures are.

A cell that nobody lists is as public as those it follows from: where every other school of a region has one kind of
pupils only, the region's figure for that kind less their totals is the one school's. Such cells may not be narrowed
either.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from disclosure.grid import Grid

FEW = 512  # units of a table in which an insider also works with sums over all of them
_SINGULAR, _SAME = 1e-9, 1e-6
Work = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Following:
    """Cells that follow from those that are listed or public.

    Attributes:
        cells: A x R, for everyone; without those that are another name of a cell that is listed or public.
        rests: what units known by themselves leave of an area, where that is no area itself: units, and R: which rows.
        insiders: area, row, insider: what follows of the others' units there for an insider only.
        given: likewise, what follows for an insider from public cells alone.
    """

    cells: np.ndarray
    rests: list[tuple[np.ndarray, np.ndarray]]
    insiders: np.ndarray
    given: np.ndarray

    @property
    def rows_of_rests(self) -> list[np.ndarray]:
        """Per rest a line of R."""
        return [rows[None] for _, rows in self.rests]


@dataclass(frozen=True, eq=False)
class _Readers:
    """What readers look at: pairs of a reader and a node, which means its units that are not the reader's own.

    Attributes:
        reader, node: per pair; reader -1 is everyone.
        foreign: pairs x units, 1 for those units.
        sums: lines x pairs, as in `Grid`.
    """

    reader: np.ndarray
    node: np.ndarray
    foreign: sparse.csr_array
    sums: sparse.csr_array


def follow(grid: Grid, listed: np.ndarray, public: np.ndarray, insider: np.ndarray) -> Following:
    """Work out what follows, for everyone and then for each insider, who knows its own units.

    What follows from public cells alone is nobody's to hide.

    1. In a node by itself: rows that are sums and differences of rows that are known.
    2. Between nodes: where all of an area, its units or its parts are known in a row but one, so is that one. Again
       from 1 until nothing new follows.

    Args:
        grid: the layout.
        listed: A x R, cells of the release.
        public: A x R, cells that everybody knows.
        insider: U, number of the insider that owns a unit, -1 for none.
    """
    everyone, readers = _everyone(grid), _insiders(grid, insider)
    given = _peel(grid, everyone, public)
    known = _peel(grid, everyone, listed | given)
    given_to_them = _peel(grid, readers, given[readers.node])
    theirs = _peel(grid, readers, known[readers.node] | given_to_them)
    return Following(
        cells=known & ~given & ~_by_kind(grid, listed, grid.members, _same),
        rests=_rests(grid, known, given),
        insiders=_triples(readers, theirs & ~known[readers.node] & ~given_to_them),
        given=_triples(readers, given_to_them & ~given[readers.node]),
    )


def _triples(readers: _Readers, cells: np.ndarray) -> np.ndarray:
    pair, row = np.nonzero(cells)
    return np.stack([readers.node[pair], row, readers.reader[pair]], axis=1)


def _everyone(grid: Grid) -> _Readers:
    nodes = np.arange(grid.members.shape[0])
    return _Readers(np.full(len(nodes), -1), nodes, grid.members, grid.sums)


def _insiders(grid: Grid, insider: np.ndarray) -> _Readers:
    """Every insider with the areas that hold some of its units, and all that these are the sums of."""
    nodes, units = grid.members.shape
    count = int(insider.max(initial=-1)) + 1
    owned = np.flatnonzero(insider >= 0)
    own = sparse.csr_array((np.ones(len(owned), int), (owned, insider[owned])), shape=(units, count))
    sums, wide = grid.sums, np.asarray(grid.members.sum(axis=1)).ravel() == units
    if units > FEW:
        sums = sums[np.flatnonzero(sums @ wide == 0)]
    line, who = sparse.csr_array(sums @ (grid.members @ own)).nonzero()
    lines = sparse.coo_array(sums[line])
    key, pair = np.unique(who[lines.row] * nodes + lines.col, return_inverse=True)
    reader, node = key // nodes, key % nodes
    foreign = sparse.csr_array(grid.members[node] - grid.members[node].multiply(sparse.csr_array(own.T)[reader]))
    foreign.eliminate_zeros()
    shape = (len(line), len(key))
    return _Readers(reader, node, foreign, sparse.csr_array((np.ones(len(pair), int), (lines.row, pair)), shape=shape))


def _peel(grid: Grid, readers: _Readers, known: np.ndarray) -> np.ndarray:
    """Pairs x R: what each reader knows, beginning with what is known of the nodes."""
    offered = np.asarray(readers.foreign @ grid.offered.astype(np.int64)) > 0
    known = _by_kind(grid, known | ~offered, readers.foreign, _span)  # 1
    while True:
        left = np.asarray(readers.sums @ (~known).astype(np.int32)) == 1
        fresh = ~known & (np.asarray(readers.sums.T @ left.astype(np.int32)) > 0)
        lines = np.flatnonzero(fresh.any(axis=1))
        if not len(lines):
            return known
        known[lines] = _by_kind(grid, (known | fresh)[lines], readers.foreign[lines], _span)  # 2


def _by_kind(grid: Grid, known: np.ndarray, foreign: sparse.csr_array, work: Work) -> np.ndarray:
    """Pairs x R, worked out once for all nodes in which the same can exist and of which the same is known.

    Members that do not add up tell nothing of each other: each is looked at by itself.
    """
    there, found = np.asarray(foreign @ grid.available.astype(np.int64)) > 0, np.zeros_like(known)
    _, apart = connected_components(sparse.csr_array(grid.rows.T @ grid.rows), directed=False)
    for number in np.unique(apart):
        rows = grid.rows[:, apart == number].any(axis=1)
        mine, here = known[:, rows], there[:, apart == number]
        bits = np.packbits(np.concatenate([mine, here], axis=1), axis=1)
        _, first, place = np.unique(bits, axis=0, return_index=True, return_inverse=True)
        lines = grid.rows[np.ix_(rows, apart == number)]
        once = np.array([work(lines, mine[line], here[line]) for line in first], bool)
        found[:, rows] = once.reshape(len(first), mine.shape[1])[place.ravel()]
    return found


def _span(rows: np.ndarray, known: np.ndarray, there: np.ndarray) -> np.ndarray:
    """R: which rows are sums and differences of known ones, over the leaves that are there."""
    here = rows[:, there].astype(float)
    if known.all() or not here[known].any():
        return known
    _, sizes, base = np.linalg.svd(np.unique(here[known], axis=0), full_matrices=False)
    base = base[sizes > _SINGULAR * sizes[0]]
    return np.asarray(known | (np.abs(here - here @ base.T @ base).max(axis=1) < _SAME))


def _same(rows: np.ndarray, known: np.ndarray, there: np.ndarray) -> np.ndarray:
    """R: which rows are known ones, or other names of them where they are."""
    here = rows[:, there]
    return np.asarray((here[:, None] == here[known][None]).all(axis=2).any(axis=1))


def _rests(grid: Grid, known: np.ndarray, given: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    units = grid.areas.leaves
    still = grid.offered & ~known[:units]
    areas = np.arange(units, grid.members.shape[0])
    left = np.asarray(grid.members[areas] @ still.astype(np.int32))
    place, row = np.nonzero((known & ~given)[areas] & (left > 1) & (left < grid.contributors[areas]))
    found: dict[bytes, tuple[np.ndarray, list[int]]] = {}
    for area, at in zip(areas[place].tolist(), row.tolist(), strict=True):
        inside = grid.members[[area]].indices
        rest = inside[still[inside, at]]
        found.setdefault(rest.tobytes(), (rest, []))[1].append(at)
    return [(rest, np.isin(np.arange(known.shape[1]), at)) for rest, at in found.values()]
