"""HiGHS behind three calls: a linear programme that is solved again and again with other bounds."""

import highspy
import numpy as np
from scipy import sparse

from disclosure.errors import DisclosureError

TOLERANCE = 1e-6
GAP, NODES = 1.0, 10_000  # branching ends at a solution of at most twice the price, or without one
DIVES = 20  # variables rounded one after the other, for the few solutions that are not whole


class Solver:
    """Minimise cost @ x with 0 <= x <= limit and lower <= matrix @ x <= upper, the first `whole` variables whole.

    Every solution starts from x = 0, so that it depends on nothing solved before.

    Args:
        matrix: rows x columns.
        cost, limit: per column.
        lower, upper: per row.
        whole: number of leading columns that must come out whole.
    """

    def __init__(
        self,
        matrix: sparse.csc_array,
        cost: np.ndarray,
        limit: np.ndarray,
        *,
        lower: np.ndarray,
        upper: np.ndarray,
        whole: int,
    ) -> None:
        self.limit, self.lower, self.upper, self.whole = limit.copy(), lower.copy(), upper.copy(), whole
        model = highspy.HighsLp()
        model.num_row_, model.num_col_ = matrix.shape
        model.col_cost_, model.col_lower_, model.col_upper_ = cost, np.zeros(len(cost)), limit
        model.row_lower_, model.row_upper_ = lower, upper
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_, model.a_matrix_.index_ = matrix.indptr, matrix.indices
        model.a_matrix_.value_ = matrix.data
        self._highs = highspy._Highs()  # type: ignore[attr-defined]  # noqa: SLF001  `Highs` prints a banner
        self._set(output_flag=False, threads=1, presolve="off", mip_rel_gap=GAP, mip_max_nodes=NODES)
        self._highs.passModel(model)
        self._start = highspy.HighsBasis()
        self._start.valid = True
        self._start.col_status = [highspy.HighsBasisStatus.kLower] * matrix.shape[1]
        self._start.row_status = [highspy.HighsBasisStatus.kBasic] * matrix.shape[0]

    def _set(self, **options: bool | float | str) -> None:
        for option, value in options.items():
            self._highs.setOptionValue(option, value)

    def bound_columns(self, columns: np.ndarray, limit: np.ndarray) -> None:
        """Set the upper bound of some variables."""
        self.limit[columns] = limit
        self._highs.changeColsBounds(len(columns), columns.astype(np.int32), np.zeros(len(columns)), limit)

    def bound_rows(self, rows: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> None:
        """Set the bounds of some rows."""
        self.lower[rows], self.upper[rows] = lower, upper
        self._highs.changeRowsBounds(len(rows), rows.astype(np.int32), lower, upper)

    def solve(self, fixed: dict[int, float], *, thorough: bool = False) -> np.ndarray | None:
        """A cheap whole solution with some rows fixed for this once, None if none was found.

        Args:
            fixed: row → its value.
            thorough: branch where rounding leads nowhere: slow, and finds what there is.

        Raises:
            DisclosureError: the solver gave up.
        """
        self._highs.setBasis(self._start)
        for row, value in fixed.items():
            self._highs.changeRowBounds(row, value, value)
        relaxed = self._run()
        solution = self._whole(relaxed)
        if thorough and solution is None and relaxed is not None:
            solution = self._branch()
        for row in fixed:
            self._highs.changeRowBounds(row, self.lower[row], self.upper[row])
        return solution

    def _run(self) -> np.ndarray | None:
        self._highs.run()
        status = self._highs.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            return np.array(self._highs.getSolution().col_value)
        if status == highspy.HighsModelStatus.kInfeasible:
            return None
        raise DisclosureError(f"the solver stopped with status {status.name}; report this as a fault")

    def _branch(self) -> np.ndarray | None:
        """The first whole solution of branch and bound, None if it finds none."""
        columns = np.arange(self.whole, dtype=np.int32)
        self._set(presolve="on")
        self._highs.changeColsIntegrality(len(columns), columns, np.ones(len(columns), np.uint8))
        self._highs.run()
        found = self._highs.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        solution = np.array(self._highs.getSolution().col_value) if found else None
        self._highs.changeColsIntegrality(len(columns), columns, np.zeros(len(columns), np.uint8))
        self._set(presolve="off")
        return solution

    def _whole(self, solution: np.ndarray | None) -> np.ndarray | None:
        """Round one fractional variable after the other, solving again each time; None where that leads nowhere."""
        rounded: list[int] = []
        while solution is not None:
            part = solution[: self.whole]
            column = int(np.argmax(np.abs(part - np.rint(part))))
            value = part[column]
            if abs(value - np.rint(value)) < TOLERANCE:
                break
            if len(rounded) == DIVES:
                solution = None
                break
            rounded.append(column)
            for end in sorted((np.floor(value), np.ceil(value)), key=lambda end: abs(end - value)):
                self._highs.changeColBounds(column, end, end)
                solution = self._run()
                if solution is not None:
                    break
        for column in rounded:
            self._highs.changeColBounds(column, 0.0, self.limit[column])
        return solution
