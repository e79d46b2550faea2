"""What a reader works out from a release by adding and subtracting, whatever the figures are.

Written from the definition on purpose without looking at the suppressor, whose mistakes it must not repeat: everybody
is taken to add up whatever can be added up, an insider to work sum by sum, as somebody with paper and pencil would.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import lsqr

from disclosure.attacker.layout import Layout, parts_of
from disclosure.errors import DisclosureError

CLOSE, EXACT, LONGEST = 1e-6, 1e-13, 10_000
FEW = 512  # units of a table in which an insider also works with sums over all of them


@dataclass(frozen=True, eq=False)
class WorkedOut:
    """What follows from the cells that are told.

    Attributes:
        layout: with the rests as areas: what units known by themselves leave of a known sum.
        cells: areas x rows, what everybody works out.
        own: lines of area, row, insider: what only that insider works out, of the units there that are not its own.
        given: likewise, what that insider works out from public cells alone: no release can hide it.
    """

    layout: Layout
    cells: np.ndarray
    own: np.ndarray
    given: np.ndarray


class _Paper:
    """Works sums out; of every node an insider is told which units are meant: those that are not its own."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        bound, rows = layout.rows.T @ layout.rows > 0, layout.rows
        while (wider := bound @ bound).sum() > bound.sum():
            bound = wider
        self._apart = [(np.flatnonzero(rows[:, leaves].any(axis=1)), leaves) for leaves in np.unique(bound, axis=0)]
        self._seen: dict[tuple[bytes, ...], np.ndarray] = {}

    def add_up(self, told: np.ndarray) -> np.ndarray:
        """Areas x rows: all that told cells add up to, so many times each: what cannot change while they stay."""
        found = np.zeros_like(told)
        for rows, leaves in self._apart:
            lines, possible = self._layout.rows[np.ix_(rows, leaves)].astype(float), self._layout.possible[:, leaves]
            key = told[:, rows].tobytes(), possible.tobytes(), lines.tobytes()
            if key not in self._seen:
                self._seen[key] = _stays(self._layout.members, lines, possible, told[:, rows])
            found[:, rows] = self._seen[key]
        return found

    def work(self, there: np.ndarray, told: np.ndarray, sums: Sequence[np.ndarray], fresh: np.ndarray) -> np.ndarray:
        """Nodes x rows: what is known of them at the end, when no sum gives anything new.

        Args:
            there: nodes x leaves, what is possible in the units that are meant.
            told: nodes x rows, what is known at the beginning.
            sums: places of nodes.
            fresh: nodes of which more is known, or fewer units are meant, than by everybody.
        """
        known, fresh = told.copy(), fresh.copy()
        known[fresh] |= self._layout.inner(there[fresh]) == 0
        while fresh.any():
            for place in np.flatnonzero(fresh).tolist():
                known[place] = self._combined(known[place], there[place])
            fresh[:] = False
            for line in sums:
                missing = ~known[line]
                last = missing & (missing.sum(axis=0) == 1)
                if last.any():
                    known[line] |= last
                    fresh[line] |= last.any(axis=1)
        return np.asarray(known)

    def _combined(self, known: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Rows of one node that are known rows, each so many times, added up; members that do not add up are apart."""
        whole = known.tobytes(), there.tobytes()
        if whole in self._seen:
            return self._seen[whole]
        found = known.copy()
        for rows, leaves in self._apart:
            key = known[rows].tobytes(), there[leaves].tobytes(), rows.tobytes()
            if key not in self._seen:
                every = self._layout.rows[np.ix_(rows, leaves & there)].T.astype(float)
                given = np.unique(every[:, known[rows]], axis=1)
                base = linalg.orth(given) if given.any() else np.zeros((len(every), 0))
                self._seen[key] = np.abs(base @ (base.T @ every) - every).max(axis=0, initial=0) < CLOSE
            found[rows] |= self._seen[key]
        self._seen[whole] = found
        return found


def work_out(layout: Layout, listed: np.ndarray, public: np.ndarray, insider: np.ndarray) -> WorkedOut:
    """What everybody, and each insider, works out.

    Args:
        layout: areas and rows.
        listed: areas x rows, the cells of the release.
        public: areas x rows, those that everybody knows.
        insider: per unit who own it, then -1.
    """
    sums, paper = _sums(layout), _Paper(layout)
    before = paper.add_up(public)
    after = paper.add_up(listed | public)
    looked_at = (np.asarray(layout.members.sum(axis=1)).ravel() < len(insider)) | (len(insider) <= FEW)
    of_area: dict[int, list[np.ndarray]] = {}
    for line in sums:
        of_area.setdefault(int(line[0]), []).append(line)
    possible = np.asarray(layout.members @ layout.possible.astype(np.int64))
    own, given = [np.zeros((0, 3), int)], [np.zeros((0, 3), int)]
    for who, (mine, areas) in enumerate(parts_of(layout, insider)):
        near = [line for area in areas[looked_at[areas]].tolist() for line in of_area.get(area, ())]
        nodes = np.unique(np.concatenate([np.zeros(0, int), *near]))
        near = [np.searchsorted(nodes, line) for line in near]
        there, shared = possible[nodes], np.isin(nodes, areas)
        there[shared] -= layout.members[nodes[shared]][:, mine] @ layout.possible[mine].astype(np.int64)
        there = there > 0
        first = paper.work(there, before[nodes], near, shared)
        told = after[nodes] | first
        then = paper.work(there, told, near, shared | (told != after[nodes]).any(axis=1))
        for found, cells in ((given, first & ~before[nodes]), (own, then & ~after[nodes] & ~first)):
            place, row = np.nonzero(cells)
            found.append(np.stack([nodes[place], row, np.full(len(row), who)], axis=1))
    wider, rests = _with_rests(layout, after, before)
    cells = np.concatenate([after & ~before & ~_renamed(layout, listed), rests])
    return WorkedOut(wider, cells, np.concatenate(own), np.concatenate(given))


def _stays(members: sparse.csr_array, rows: np.ndarray, possible: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Cells that stay as they are in two random changes, of all that leave the told cells alone.

    1. What a unit can change by itself, as it knows its own cells.
    2. Of these changes of all units together, one at random that leaves the told sums alone.
    """
    units, kinds, parts = len(possible), dict[bytes, sparse.csr_array](), list[sparse.csr_array]()
    for unit in range(units):  # 1
        key = told[unit].tobytes() + possible[unit].tobytes()
        if key not in kinds:
            can = np.identity(rows.shape[1])[:, possible[unit]]
            kinds[key] = sparse.csr_array(can @ linalg.null_space(rows[told[unit]] @ can))
        parts.append(kinds[key])
    free = sparse.csr_array(sparse.block_diag(parts))
    area, row = np.nonzero(told[units:])
    added = sparse.csr_array(sparse.kron(members[units:], sparse.identity(len(rows)), format="csr"))
    of_units = sparse.csr_array(sparse.kron(sparse.identity(units), rows, format="csr") @ free)
    sums = sparse.csr_array(added[area * len(rows) + row] @ of_units)
    length = sparse.linalg.norm(sums, axis=1)
    sums = sparse.csr_array(sparse.diags_array(1 / length[length > CLOSE]) @ sums[np.flatnonzero(length > CLOSE)])
    most = np.zeros(told.shape)
    for draw in range(2):
        change = np.random.default_rng(draw + 1).uniform(-1, 1, free.shape[1])
        change -= lsqr(sums, sums @ change, atol=EXACT, btol=EXACT, conlim=0, iter_lim=LONGEST)[0]  # 2
        most = np.maximum(most, np.abs(members @ ((free @ change).reshape(units, -1) @ rows.T)))
    if (most[told] > CLOSE).any():
        raise DisclosureError("what follows from the release cannot be worked out; report this fault, publish nothing")
    return np.asarray(most < CLOSE)


def _sums(layout: Layout) -> list[np.ndarray]:
    """Each area first, followed by what it is the sum of: its units, or its parts with the areas of one other level."""
    axis, (areas, units) = layout.relations.axes[layout.unit], layout.members.shape
    inside = layout.members.toarray().astype(bool)
    place = {inside[node].tobytes(): node for node in range(areas)}
    found = [np.concatenate([[area], np.flatnonzero(inside[area])]) for area in range(units, areas)]
    for area in range(units, len(axis.codes)):
        for level in range(1, len(axis.levels)):
            others = inside[: len(axis.codes)][axis.level == level]
            apart = [inside[area] & other for other in others[(others & inside[area]).any(axis=1)]]
            parts = [part.tobytes() for part in (*apart, inside[area] & ~others.any(axis=0)) if part.any()]
            if level != axis.level[area] and inside[area].tobytes() not in parts:
                found.append(np.array([area, *(place[part] for part in parts)]))
    same = [np.array([area, place[inside[area].tobytes()]]) for area in range(areas)]
    return [*found, *(pair for pair in same if pair[0] != pair[1])]


def _renamed(layout: Layout, told: np.ndarray) -> np.ndarray:
    """Cells that are told under the name of another row, because nothing else of that row exists in the area."""
    there = np.asarray(layout.members @ layout.possible.astype(np.int64)) > 0
    found, seen = told.copy(), dict[bytes, np.ndarray]()
    for node in range(len(told)):
        key = told[node].tobytes() + there[node].tobytes()
        if key not in seen:
            lines = layout.rows[:, there[node]]
            names = {lines[row].tobytes() for row in np.flatnonzero(told[node]).tolist()}
            seen[key] = np.array([line.tobytes() in names for line in lines])
        found[node] |= seen[key]
    return found


def _with_rests(layout: Layout, known: np.ndarray, public: np.ndarray) -> tuple[Layout, np.ndarray]:
    """The layout with every rest of two units and more as an area; rests x rows, in which rows they are known."""
    units, rests = layout.members.shape[1], dict[bytes, np.ndarray]()
    there = layout.possible.astype(np.int64) @ layout.rows.T > 0
    for area in range(units, len(known)):
        inside = np.asarray(layout.members[[area]].toarray()[0] > 0)
        for row in np.flatnonzero(known[area] & ~public[area]).tolist():
            whole = inside & there[:, row]
            rest = whole & ~known[:units, row]
            if 1 < rest.sum() < whole.sum():
                rests.setdefault(rest.tobytes(), np.zeros(known.shape[1], bool))[row] = True
    sets = np.array([np.frombuffer(rest, bool) for rest in rests]).reshape(len(rests), units)
    members = sparse.csr_array(sparse.vstack([layout.members, sparse.csr_array(sets.astype(np.int64))]))
    return replace(layout, members=members), np.array(list(rests.values()), bool).reshape(len(rests), known.shape[1])
