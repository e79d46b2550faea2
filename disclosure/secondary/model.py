"""The cheapest change of a few units that moves one cell: which published cells would have to give way?"""

import numpy as np
from scipy import sparse

from disclosure.secondary.cells import Cache, Cells, crossed
from disclosure.secondary.ledger import Delta
from disclosure.secondary.patch import Patch
from disclosure.secondary.solver import TOLERANCE, Solver

AMPLE = 40  # an inequality with more slack than this is left out: no move comes near, and the ledger checks
SHARE = 0.01  # price of moving a hidden count by one: keeps witnesses short and nearly always whole


class Model:
    """A linear programme in which nothing moves that an outsider knows, unless it is hidden for a price.

    Columns are leaf counts of the units going up, going down, for each published class how far it gives way, and how
    far the units' sums move unseen. Rows are classes, known sums, the units' sum per leaf if `closed`, inequalities.

    Args:
        patch: all its units take part.
        closed: whether each leaf's sum over the units stays as it is, but for what nobody sees; areas that hold every
            unit then show no change.
        shown: published now, by base node and row; `push` and `realise` hide what they have to.
        wanted: cells that `push` may be asked for, likewise.
        firm: whether it is built when what is published stays published, so that no class can give way.
        cache: classes by signature, shared between models.
    """

    def __init__(
        self, patch: Patch, *, closed: bool, shown: np.ndarray, wanted: np.ndarray, firm: bool, cache: Cache
    ) -> None:
        self.patch, self.closed, self.shown = patch, closed, shown
        units = np.arange(patch.size)
        areas = np.arange(patch.size, len(patch.ids))
        areas = areas[(patch.bounded | wanted[patch.origin].any(axis=1))[areas] & ~(patch.whole[areas] & closed)]
        self.unit, self.leaf = np.nonzero(patch.available)
        self.column = np.full(patch.available.shape, -1)
        self.column[self.unit, self.leaf] = np.arange(len(self.unit))
        self.leaves = np.unique(self.leaf)
        self.cells = Cells(patch, np.concatenate([units, areas]), shown=shown, wanted=wanted, cache=cache)
        self.giving = np.zeros(0, int) if firm else np.flatnonzero(self.cells.shut)
        self._limits: dict[int, np.ndarray] = {}
        self._load()
        self._lighten()

    @property
    def size(self) -> int:
        """Columns and rows."""
        return len(self.solver.limit) + len(self.solver.lower)

    def push(self, base: int, row: int, by: int, insider: int, *, firm: bool) -> Delta | None:
        """The cheapest change that moves a cell by exactly `by`; cells that have to give way are hidden.

        The cell's own class is one of them, where a row of it is big enough to be published until now.

        Args:
            base: the node of the cell.
            row: its row.
            by: its change.
            insider: leave this insider's units alone, and do not use what outsiders are told of margins it shares.
            firm: whether what is published stays published, whatever that makes impossible.
        """
        number, sign = self.cells.place(base, row)
        if number < 0 or not self._possible(number, by * sign, insider):
            return None
        own = base, self.cells.alike(base, row)
        if self.shown[own].any():
            if firm:
                return None
            self.shown[own] = False
        return self._solve({number: float(by * sign)}, insider, firm=firm, unseen=np.inf, thorough=not firm)

    def realise(self, sums: np.ndarray, insider: int, *, firm: bool) -> Delta | None:
        """The cheapest change of a closed model whose sum over the units is given per leaf (P)."""
        if np.delete(sums, self.leaves).any():
            return None
        exact = {self.first_sum + n: float(sums[leaf]) for n, leaf in enumerate(self.leaves)}
        return self._solve(exact, insider, firm=firm, unseen=0.0)

    def _load(self) -> None:
        """Build the matrix."""
        cells, patch = self.cells, self.patch
        everyone = sparse.csr_array(np.ones((len(self.leaves), patch.size), int))
        single = np.identity(patch.rows.shape[1], np.int64)[self.leaves]
        slack = (patch.leaves @ patch.lines.T).ravel().astype(float)
        near = np.flatnonzero(slack < AMPLE)
        unit, order = np.divmod(near, max(len(patch.lines), 1))
        own = sparse.csr_array((np.ones(len(near), int), unit, np.arange(len(near) + 1)), shape=(len(near), patch.size))
        body = self._matrix(patch.members[cells.node], cells.lines)
        known = self._matrix(patch.members[cells.fixed_node], cells.fixed)
        total = self._matrix(everyone, single) if self.closed else self._matrix(everyone[:0], single[:0])
        lines = self._matrix(own, patch.lines[order])
        change = sparse.csc_array(sparse.vstack([body, known, total, lines]))
        self.first_sum = body.shape[0] + known.shape[0]
        self.first_give = 2 * len(self.unit)
        self.rows_of = np.nonzero((cells.number >= 0) & (patch.origin >= 0)[:, None])
        ways = len(self.giving)
        give = sparse.csc_array((np.ones(ways), (self.giving, np.arange(ways))), shape=(change.shape[0], ways))
        loose = self._unseen(change.shape[0])
        self.moves = loose.shape[1]
        still = np.zeros(known.shape[0] + total.shape[0])
        price = cells.price[self.giving]
        down = patch.leaves[self.unit, self.leaf].astype(float)
        limit = np.concatenate([np.full(len(down), np.inf), down, np.full(2 * (ways + self.moves), np.inf)])
        self.solver = Solver(
            sparse.csc_array(sparse.hstack([change, -change, -give, give, -loose, loose])),
            np.concatenate([np.full(self.first_give, SHARE), price, price, np.zeros(2 * self.moves)]),
            limit,
            lower=np.concatenate([np.where(cells.shut, 0, cells.lower), still, -slack[near]]),
            upper=np.concatenate([np.where(cells.shut, 0, cells.upper), still, np.full(len(near), np.inf)]),
            whole=self.first_give,
        )

    def _unseen(self, rows: int) -> sparse.csc_array:
        """A column per unseen change of leaves that are all here, in the rows of the units' sums."""
        if not self.closed:
            return sparse.csc_array((rows, 0))
        here = ~np.delete(self.patch.unseen, self.leaves, axis=1).any(axis=1)
        sums = sparse.coo_array(self.patch.unseen[np.ix_(here, self.leaves)].T.astype(float))
        return sparse.csc_array((sums.data, (sums.row + self.first_sum, sums.col)), shape=(rows, sums.shape[1]))

    def _lighten(self) -> None:
        """Let go of what only building needed: many models are kept."""
        cells = self.cells
        self.patch = cells.patch = self.patch.bare()
        cells.fixed = cells.fixed[:0]

    def _matrix(self, members: sparse.csr_array, lines: np.ndarray) -> sparse.csr_array:
        """Rows given as units (n x units) and coefficients per leaf (n x P)."""
        row, unit, leaf, value = crossed(sparse.csr_array(members), lines)
        column = self.column[unit, leaf]
        there = column >= 0
        shape = (len(lines), len(self.unit))
        return sparse.csr_array((value[there].astype(float), (row[there], column[there])), shape=shape)

    def _solve(
        self, fixed: dict[int, float], insider: int, *, firm: bool, unseen: float, thorough: bool = False
    ) -> Delta | None:
        self._adjust(insider, firm=firm, unseen=unseen)
        solution = self.solver.solve(fixed, thorough=thorough)
        if solution is None:
            return None
        self._give_way(solution)
        half = len(self.unit)
        leaves = np.zeros(self.column.shape, np.int64)
        leaves[self.unit, self.leaf] = np.rint(solution[:half] - solution[half : self.first_give])
        moved = np.flatnonzero(leaves.any(axis=1))
        return Delta(moved, leaves[moved])

    def _possible(self, number: int, by: int, insider: int) -> bool:
        """False when a closed model of plain units has too few counts elsewhere; saves solving it."""
        cells, patch, node = self.cells, self.patch, self.cells.node[number]
        line = cells.lines[number] if by > 0 else cells.rests[number]
        merged = (patch.origin[: patch.size] < 0).any()
        if not self.closed or self.moves or node >= patch.size or not line.any() or merged:
            return True
        others = (np.arange(patch.size) != node) & ~patch.owned(insider)
        return int((patch.leaves[others] @ line).sum()) >= abs(by)

    def _adjust(self, insider: int, *, firm: bool, unseen: float) -> None:
        """Take over what is published now, fix an insider's units, free the margins it shares and limit the unseen."""
        cells, solver = self.cells, self.solver
        cells.shut = self._shut()
        free = np.zeros(len(cells.shut), bool)
        free[cells.shared(insider)] = True
        lower = np.where(cells.shut, 0, np.where(free, -np.inf, cells.lower))
        upper = np.where(cells.shut, 0, np.where(free, np.inf, cells.upper))
        rows = np.flatnonzero((lower != solver.lower[: len(lower)]) | (upper != solver.upper[: len(upper)]))
        solver.bound_rows(rows, lower[rows], upper[rows])
        if insider not in self._limits:
            self._limits[insider] = self._limit(insider)
        ways = np.where(cells.shut[self.giving] & (not firm), np.inf, 0)
        limit = np.concatenate([self._limits[insider], ways, ways, np.full(2 * self.moves, unseen)])
        columns = np.flatnonzero(limit != solver.limit)
        solver.bound_columns(columns, limit[columns])

    def _shut(self) -> np.ndarray:
        """Which classes are published now."""
        node, row = self.rows_of
        shown = self.shown[self.patch.origin[node], row]
        return np.bincount(self.cells.number[node, row], shown, minlength=len(self.cells.shut)) > 0

    def _limit(self, insider: int) -> np.ndarray:
        """Bounds of the leaf columns when an insider's units stand still; of merged units only its own counts do."""
        patch = self.patch
        down = (patch.leaves - patch.held(insider))[self.unit, self.leaf].astype(float)
        own = patch.owned(insider)[self.unit]
        return np.concatenate([np.where(own, 0, np.inf), np.where(own, 0, down)])

    def _give_way(self, solution: np.ndarray) -> None:
        """Hide the published classes that moved."""
        ways = len(self.giving)
        up, down = solution[self.first_give : self.first_give + 2 * ways].reshape(2, ways)
        moved = self.giving[np.abs(up - down) > TOLERANCE]
        if len(moved):
            node, row = self.rows_of
            kept = np.isin(self.cells.number[node, row], moved)
            self.shown[self.patch.origin[node[kept]], row[kept]] = False
