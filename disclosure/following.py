"""What follows from a release by adding and subtracting, whatever its figures are.

A cell that nobody lists is as public as those it follows from: where every other school of a region has one kind of
pupils only, the region's figure for that kind less their totals is the one school's. Such cells may not be narrowed
either.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, lsmr

from disclosure.errors import DisclosureError
from disclosure.grid import Grid

FEW = 512  # units of a table in which an insider also works with sums over all of them
DRAWS = 2  # one would do but for cells that it moves by less than `_SAME`, one in a million
MOST = 10_000  # steps of least squares; the country takes some hundreds
_SINGULAR, _SAME, _EXACT = 1e-9, 1e-6, 1e-13
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


@dataclass(frozen=True, eq=False)
class _Readers:
    """What insiders look at: pairs of an insider and a node, which means its units that are not the insider's own.

    Attributes:
        reader, node: per pair, in that order.
        foreign: pairs x units, 1 for those units.
    """

    reader: np.ndarray
    node: np.ndarray
    foreign: sparse.csr_array


def follow(grid: Grid, listed: np.ndarray, public: np.ndarray, insider: np.ndarray) -> Following:
    """Work out what follows, for everyone and then for each insider, who knows its own units.

    What follows from public cells alone is nobody's to hide.

    1. For everyone: all that is a sum or difference of known cells, however many.
    For an insider, as somebody would with paper and pencil:
    2. In a node by itself: rows that are sums and differences of rows that are known.
    3. Between nodes: where all of an area, its units or its parts are known in a row but one, so is that one. Again
       from 2 until nothing new follows.

    Args:
        grid: the layout.
        listed: A x R, cells of the release.
        public: A x R, cells that everybody knows.
        insider: U x most, numbers of the insiders that own a unit, then -1.
    """
    own = owners(insider)
    given = _spanned(grid, public)
    known = _spanned(grid, listed | public)
    given_to_them = _beyond(grid, own, given, np.zeros((0, 3), int))
    theirs = _beyond(grid, own, known, given_to_them)
    return Following(
        cells=known & ~given & ~_by_kind(grid, listed, grid.members, _same),
        rests=_rests(grid, known, given),
        insiders=theirs[~_among(theirs, given_to_them)],
        given=given_to_them,
    )


def _beyond(grid: Grid, own: sparse.csr_array, known: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Triples of area, row, insider: what insiders know beyond what everyone does, when they know `more` already.

    An insider begins where its own units are. Only one who then finds a sum with a single unknown goes on from there.
    """
    sums, nodes = _sums(grid), grid.members.shape[0]
    looked_at = np.flatnonzero(sums.sum(axis=0))
    reader, place = sparse.csr_array((grid.members[looked_at] @ own).T).nonzero()
    node = looked_at[place]
    near = _readers(grid, own, reader, node)
    start = _alone(grid, near, _told(near, known, more))
    entry = sparse.coo_array(sparse.csr_array(sums.T)[node])
    line, pair = np.unique(reader[entry.row] * sums.shape[0] + entry.col, return_inverse=True)
    shape = len(line), len(node)
    gained = sparse.csr_array((np.ones(len(pair), np.int32), (pair, entry.row)), shape=shape)
    left = (sums @ (~known).astype(np.int32))[line % sums.shape[0]] - gained @ (start & ~known[node]).astype(np.int32)
    elsewhere = more[~_among(more[:, [0, 0, 2]], np.stack([node, node, reader], axis=1)), 2]
    going_on = np.union1d((line // sums.shape[0])[(left == 1).any(axis=1)], elsewhere)
    still = ~np.isin(reader, going_on)
    found = [_triples(node[still], reader[still], (start & ~known[node])[still])]
    if len(going_on):
        line, who = sparse.csr_array(sums @ (grid.members @ own[:, going_on])).nonzero()
        lines = sparse.coo_array(sums[line])
        key, pair = np.unique(going_on[who[lines.row]] * nodes + lines.col, return_inverse=True)
        far, shape = _readers(grid, own, key // nodes, key % nodes), (len(line), len(key))
        of_pairs = sparse.csr_array((np.ones(len(pair), int), (lines.row, pair)), shape=shape)
        at_last = _peel(grid, far, of_pairs, _told(far, known, more))
        found.append(_triples(far.node, far.reader, at_last & ~known[far.node]))
    return np.concatenate(found)


def _triples(node: np.ndarray, reader: np.ndarray, cells: np.ndarray) -> np.ndarray:
    pair, row = np.nonzero(cells)
    return np.stack([node[pair], row, reader[pair]], axis=1)


def _among(lines: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which lines are among others."""
    return np.asarray(pd.MultiIndex.from_arrays(list(lines.T)).isin(pd.MultiIndex.from_arrays(list(others.T))))


def _told(readers: _Readers, known: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Pairs x R: what everyone knows of the nodes, and what is known more of them."""
    told: np.ndarray = known[readers.node]
    line = pd.MultiIndex.from_arrays([readers.node, readers.reader]).get_indexer(
        pd.MultiIndex.from_arrays([more[:, 0], more[:, 2]])
    )
    told[line[line >= 0], more[line >= 0, 1]] = True
    return told


def _spanned(grid: Grid, known: np.ndarray) -> np.ndarray:
    """A x R: the sums and differences of known cells (1), and cells that cannot exist."""
    found, seen = np.zeros_like(known), dict[bytes, np.ndarray]()
    for rows, leaves in _apart(grid):
        lines, available = grid.rows[np.ix_(rows, leaves)], grid.available[:, leaves]
        key = b"|".join(each.tobytes() for each in (known[:, rows], available, lines))
        if key not in seen:
            seen[key] = _unmoved(grid.members, lines.astype(float), available, known[:, rows])
        found[:, rows] = seen[key]
    return found


def _unmoved(members: sparse.csr_array, rows: np.ndarray, available: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Cells that no change of the leaves moves which leaves the known cells alone: exactly what these add up to.

    What a solution by least squares leaves of a random change is such a change, and moves any other cell with
    probability 1. Units that differ in nothing are solved for as one.
    """
    units, support = len(available), members @ (available @ rows.T)
    known = known & (support > 0)
    areas, read = np.flatnonzero(known[units:].any(axis=1)) + units, known[units:].any(axis=0)
    first, number, size = _alike(members[units:], available, known[:units])
    above, line = sparse.csr_array(members[areas][:, first].astype(float)), rows[read]
    below, here = sparse.csr_array(above.T), np.ix_(areas, read)
    weight = known[here] / np.sqrt(np.maximum(support[here], 1))
    quiet, quiet_units = _quiet(rows, available[first], known[first]), _quiet(rows, available, known[:units])

    def cells(change: np.ndarray) -> np.ndarray:
        return np.asarray(above @ (quiet(change.reshape(len(first), -1)) @ line.T) * weight)

    def back(moved: np.ndarray) -> np.ndarray:
        return np.asarray(quiet((below @ (moved.reshape(weight.shape) * weight)) @ line).ravel())

    told = LinearOperator((weight.size, len(first) * rows.shape[1]), lambda change: cells(change).ravel(), back)
    join = sparse.csr_array((np.ones(units), (number, np.arange(units))))
    moved = np.zeros(known.shape)
    for seed in range(DRAWS):
        change = np.random.default_rng(seed).standard_normal(available.shape)
        seen = cells(np.asarray(join @ change))
        weight[np.abs(seen) < _SAME * weight] = 0  # what the units say already
        taken = lsmr(told, np.where(weight > 0, seen, 0).ravel(), atol=_EXACT, btol=_EXACT, conlim=0, maxiter=MOST)[0]
        change -= (taken.reshape(len(first), -1) / size[:, None])[number]
        moved = np.maximum(moved, np.abs(members @ (quiet_units(change) @ rows.T)))
    if (moved[known] > _SAME).any():
        raise DisclosureError("what follows from the table could not be worked out; report this fault, publish nothing")
    return np.asarray(moved < _SAME)


def _alike(
    areas: sparse.csr_array, available: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units in the same areas that have the same leaves and the same known cells: the first, which class, how many."""
    bits = np.packbits(np.concatenate([areas.T.toarray() > 0, available, known], axis=1), axis=1)
    _, first, number, size = np.unique(bits, axis=0, return_index=True, return_inverse=True, return_counts=True)
    return first, number.ravel(), size


def _quiet(rows: np.ndarray, available: np.ndarray, known: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Takes out of changes of leaves, U x P, what a known cell of a unit would show; alike units at once."""
    bits = np.packbits(np.concatenate([available, known], axis=1), axis=1)
    _, first, number = np.unique(bits, axis=0, return_index=True, return_inverse=True)
    parts = np.split(np.argsort(number.ravel(), kind="stable"), np.cumsum(np.bincount(number.ravel()))[:-1])
    keeps = []
    for unit in first:
        lines = rows[known[unit]] * available[unit]
        keeps.append(np.diag(available[unit].astype(float)) - np.linalg.pinv(lines) @ lines)

    def quiet(change: np.ndarray) -> np.ndarray:
        kept = np.empty_like(change)
        for units, keep in zip(parts, keeps, strict=True):
            kept[units] = change[units] @ keep
        return kept

    return quiet


def _apart(grid: Grid) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and profile leaves of members that do not add up, which tell nothing of each other."""
    _, number = connected_components(sparse.csr_array(grid.rows.T @ grid.rows), directed=False)
    for each in np.unique(number):
        leaves = np.asarray(number == each)
        yield np.asarray(grid.rows[:, leaves].any(axis=1)), leaves


def owners(insider: np.ndarray) -> sparse.csr_array:
    """Units x insiders: 1 where an insider owns a unit."""
    unit, which = np.nonzero(insider >= 0)
    shape = (len(insider), int(insider.max(initial=-1)) + 1)
    return sparse.csr_array((np.ones(len(unit), int), (unit, insider[unit, which])), shape=shape)


def _sums(grid: Grid) -> sparse.csr_array:
    """The sums that an insider works with, lines x nodes."""
    units = grid.areas.leaves
    if units <= FEW:
        return grid.sums
    wide = np.asarray(grid.members.sum(axis=1)).ravel() == units
    return sparse.csr_array(grid.sums[np.flatnonzero(grid.sums @ wide == 0)])


def _readers(grid: Grid, own: sparse.csr_array, reader: np.ndarray, node: np.ndarray) -> _Readers:
    """What insiders look at in some nodes."""
    foreign = sparse.csr_array(grid.members[node] - grid.members[node].multiply(sparse.csr_array(own.T)[reader]))
    foreign.eliminate_zeros()
    return _Readers(reader, node, foreign)


def _alone(grid: Grid, readers: _Readers, known: np.ndarray) -> np.ndarray:
    """Pairs x R: what is known when each node is looked at by itself (2)."""
    offered = np.asarray(readers.foreign @ grid.offered.astype(np.int64)) > 0
    return _by_kind(grid, known | ~offered, readers.foreign, _span)


def _peel(grid: Grid, readers: _Readers, sums: sparse.csr_array, known: np.ndarray) -> np.ndarray:
    """Pairs x R: what each reader knows at the end, beginning with what is known of the nodes; sums are x pairs."""
    known = _alone(grid, readers, known)
    while True:
        left = np.asarray(sums @ (~known).astype(np.int32)) == 1
        fresh = ~known & (np.asarray(sums.T @ left.astype(np.int32)) > 0)
        lines = np.flatnonzero(fresh.any(axis=1))
        if not len(lines):
            return known
        known[lines] = _by_kind(grid, (known | fresh)[lines], readers.foreign[lines], _span)  # 3


def _by_kind(grid: Grid, known: np.ndarray, foreign: sparse.csr_array, work: Work) -> np.ndarray:
    """Pairs x R, worked out once for all nodes in which the same can exist and of which the same is known."""
    there, found = np.asarray(foreign @ grid.available.astype(np.int64)) > 0, np.zeros_like(known)
    for rows, leaves in _apart(grid):
        mine, here = known[:, rows], there[:, leaves]
        bits = np.packbits(np.concatenate([mine, here], axis=1), axis=1)
        _, first, place = np.unique(bits, axis=0, return_index=True, return_inverse=True)
        lines = grid.rows[np.ix_(rows, leaves)]
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
