"""The cheapest change of a few units that moves one cell: which published cells would have to give way?"""

import numpy as np
from scipy import sparse

from disclosure.secondary.cells import Cache, Cells, Line
from disclosure.secondary.ledger import Delta
from disclosure.secondary.patch import Patch
from disclosure.secondary.solver import TOLERANCE, Solver

SHARE = 0.01  # price of moving a hidden count by one: keeps witnesses short and nearly always whole


class Model:
    """A linear programme in which nothing moves that an outsider knows, unless it is hidden for a price.

    Columns are leaf counts of the units going up, going down, and for each published class how far it gives way.
    Rows are classes, known sums, the units' sum per leaf if `closed`, and inequalities.

    Args:
        patch: all its units take part.
        closed: whether each leaf's sum over the units stays as it is; areas that hold every unit then do too.
        shown: published now, by base node and row; `push` and `realise` hide what they have to.
        wanted: cells that `push` may be asked for, likewise.
        cache: classes by signature, shared between models.
    """

    def __init__(self, patch: Patch, *, closed: bool, shown: np.ndarray, wanted: np.ndarray, cache: Cache) -> None:
        self.patch, self.closed, self.shown = patch, closed, shown
        units = np.arange(patch.size)
        areas = np.arange(patch.size, len(patch.ids))
        areas = areas[(patch.bounded | wanted[patch.origin].any(axis=1))[areas] & ~(patch.whole[areas] & closed)]
        self.unit, self.leaf = np.nonzero(patch.available)
        self.column = np.full(patch.available.shape, -1)
        self.column[self.unit, self.leaf] = np.arange(len(self.unit))
        self.leaves = np.unique(self.leaf)
        self.cells = Cells(patch, np.concatenate([units, areas]), shown=shown, wanted=wanted, cache=cache)
        self.banned = -1
        self.hidden: set[int] = set()
        self._load()

    def push(self, base: int, row: int, by: int, insider: int) -> Delta | None:
        """The cheapest change that moves a cell by exactly `by`; cells that have to give way are hidden.

        Args:
            base: the node of the cell.
            row: its row.
            by: its change.
            insider: leave this insider's units alone, and do not use what outsiders are told of margins it shares.
        """
        number, sign = self.cells.place.get((base, row), (-1, 0))
        if number < 0 or not self._possible(number, by * sign, insider):
            return None
        return self._solve({number: float(by * sign)}, insider)

    def realise(self, sums: np.ndarray, insider: int) -> Delta | None:
        """The cheapest change of a closed model whose sum over the units is given per leaf (P)."""
        if np.delete(sums, self.leaves).any():
            return None
        return self._solve({self.first_sum + n: float(sums[leaf]) for n, leaf in enumerate(self.leaves)}, insider)

    def _load(self) -> None:
        """Build the matrix."""
        cells, patch = self.cells, self.patch
        single = np.identity(patch.rows.shape[1], np.int64)
        everyone = np.arange(patch.size)
        sums: list[Line] = [(everyone, single[leaf]) for leaf in self.leaves] if self.closed else []
        body, known, total = (self._matrix(lines) for lines in ([cell.line for cell in cells.found], cells.fixed, sums))
        lines = self._matrix([(everyone[[unit]], line) for unit in everyone for line in patch.lines])
        slack = (patch.leaves @ patch.lines.T).ravel().astype(float)
        used = np.diff(lines.indptr) > 0
        change = sparse.csc_array(sparse.vstack([body, known, total, lines[used]]))
        self.first_sum = len(cells.found) + len(cells.fixed)
        self.first_give = 2 * len(self.unit)
        self.giving = np.flatnonzero(cells.shut)
        ways = len(self.giving)
        give = sparse.csc_array((np.ones(ways), (self.giving, np.arange(ways))), shape=(change.shape[0], ways))
        still = np.zeros(self.first_sum - len(cells.found) + len(sums))
        price = cells.price[self.giving]
        down = patch.leaves[self.unit, self.leaf].astype(float)
        self.limit = np.concatenate([np.full(len(down), np.inf), down, np.full(2 * ways, np.inf)])
        self.solver = Solver(
            sparse.csc_array(sparse.hstack([change, -change, -give, give])),
            np.concatenate([np.full(self.first_give, SHARE), price, price]),
            self.limit,
            lower=np.concatenate([np.where(cells.shut, 0, cells.lower), still, -slack[used]]),
            upper=np.concatenate([np.where(cells.shut, 0, cells.upper), still, np.full(used.sum(), np.inf)]),
            whole=self.first_give,
        )

    def _matrix(self, lines: list[Line]) -> sparse.csr_array:
        """Rows given as (units, coefficients per leaf)."""
        row, column, value = [np.zeros(0, int)], [np.zeros(0, int)], [np.zeros(0)]
        for number, (units, line) in enumerate(lines):
            leaves = np.flatnonzero(line)
            spots = self.column[np.ix_(units, leaves)]
            there = spots >= 0
            row.append(np.full(there.sum(), number))
            column.append(spots[there])
            value.append(np.broadcast_to(line[leaves], spots.shape)[there].astype(float))
        place = (np.concatenate(row), np.concatenate(column))
        return sparse.csr_array((np.concatenate(value), place), shape=(len(lines), len(self.unit)))

    def _solve(self, fixed: dict[int, float], insider: int) -> Delta | None:
        self._catch_up()
        self._ban(insider)
        solution = self.solver.solve(fixed)
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
        cell, patch = self.cells.found[number], self.patch
        line = cell.line[1] if by > 0 else cell.rest
        if not self.closed or cell.node >= patch.size or not line.any() or (patch.origin[: patch.size] < 0).any():
            return True
        others = (np.arange(patch.size) != cell.node) & ((patch.insider != insider) | (insider < 0))
        return int((patch.leaves[others] @ line).sum()) >= abs(by)

    def _ban(self, insider: int) -> None:
        """Fix the units of one insider and free the margins it shares, undoing this for the one before."""
        for which, banned in ((self.banned, False), (insider, True)):
            if which < 0 or self.banned == insider:
                continue
            columns, most = self._limits(which)
            self.solver.bound_columns(columns, most if banned else self.limit[columns])
            rows = [number for number in self.cells.shared(which) if not self.cells.shut[number]]
            far = np.full(len(rows), np.inf)
            lower, upper = (-far, far) if banned else (self.cells.lower[rows], self.cells.upper[rows])
            self.solver.bound_rows(rows, lower, upper)
        self.banned = insider

    def _limits(self, insider: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns an insider's units bound, and the bounds without them: nothing, or a merged unit's other counts."""
        half = len(self.unit)
        own = np.flatnonzero(self.patch.insider[self.unit] == insider)
        columns, most = np.concatenate([own, own + half]), np.zeros(2 * len(own))
        if insider in self.patch.owned:
            held = self.patch.owned[insider][self.unit, self.leaf]
            less = np.flatnonzero(held) + half
            columns = np.concatenate([columns, less])
            most = np.concatenate([most, self.limit[less] - held[held > 0]])
        return columns, most

    def _give_way(self, solution: np.ndarray) -> None:
        """Hide the published classes that moved."""
        ways = len(self.giving)
        up, down = solution[self.first_give : self.first_give + ways], solution[self.first_give + ways :]
        moved = self.giving[(np.abs(up - down) > TOLERANCE) & self.cells.shut[self.giving]]
        for number in moved:
            cell = self.cells.found[number]
            self.shown[cell.base, cell.rows] = False
            self.hidden.add(cell.base)
        self._release(moved)

    def _catch_up(self) -> None:
        """Take over cells that other models have hidden meanwhile."""
        shut = self.giving[self.cells.shut[self.giving]]
        cells = [self.cells.found[number] for number in shut]
        self._release(shut[[not self.shown[cell.base, cell.rows].any() for cell in cells]] if len(shut) else shut)

    def _release(self, numbers: np.ndarray) -> None:
        """Treat classes as hidden from now on."""
        if not len(numbers):
            return
        self.cells.shut[numbers] = False
        free = np.isin(numbers, self.cells.shared(self.banned)) if self.banned >= 0 else np.zeros(len(numbers), bool)
        self.solver.bound_rows(
            numbers.tolist(),
            np.where(free, -np.inf, self.cells.lower[numbers]),
            np.where(free, np.inf, self.cells.upper[numbers]),
        )
        columns = self.first_give + np.searchsorted(self.giving, numbers)
        columns = np.concatenate([columns, columns + len(self.giving)])
        self.limit[columns] = 0
        self.solver.bound_columns(columns, np.zeros(len(columns)))
