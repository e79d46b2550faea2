"""The nearest table without negative cells, its head-counts and the sums above it held.

Never clip cell by cell: half of the noise around nought would become a surplus, which adds up to thousands in a
country.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from disclosure.consistency.metric import Matrix, Metric, inverse_of_blocks

_ROUNDS = 60
_CLOSE = 0.02
_RELAXATION = 1.6


def on_simplex(table: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """The nearest table with no negative cell and these sums over its last axis (Held, Wolfe, Crowder 1974).

    Args:
        table: ... x steps.
        heads: sums, as the table without its last axis.
    """
    falling = -np.sort(-table, axis=-1)
    count = np.arange(1, table.shape[-1] + 1)
    excess = (np.cumsum(falling, axis=-1) - heads[..., None]) / count
    last = np.maximum((falling > excess).sum(axis=-1, keepdims=True), 1) - 1
    return np.asarray(np.maximum(table - np.take_along_axis(excess, last, axis=-1), 0.0))


@dataclass(frozen=True, eq=False)
class Held:
    """The sums that are held while a lower level is made non-negative: `members @ rows = sums`.

    Only sums of one `block` share rows of one block; `place` is where a sum stands in its block.
    """

    members: sparse.csr_array
    sums: np.ndarray
    block: np.ndarray
    place: np.ndarray


def nearest(
    target: np.ndarray, metric: Metric, heads: np.ndarray, *, orders: np.ndarray, held: Held | None = None
) -> np.ndarray:
    """The table nearest to a target that is non-negative and keeps head-counts, orders and held sums.

    Alternating directions (Boyd et al. 2011, section 5.2; Stellato et al. 2020), over-relaxed: (1) least squares with
    the held sums, (2) every row of every kind onto its simplex and every order onto its side, (3) the prices of the
    differences. The orders act across a row and the metric along a column, so that in the eigenvectors of the orders
    step 1 is one solution per column. What comes out is non-negative and keeps head-counts exactly, orders and held
    sums nearly: rounding makes the sums exact.

    Args:
        target: n x kinds x steps.
        metric: n x n, how dear a difference is.
        heads: n, the sum of every row of every kind.
        orders: lines x (kinds x steps): `orders @ row` is not negative in any true table.
        held: the sums above, if any.
    """
    rows, kinds, steps = target.shape
    full = np.broadcast_to(heads[:, None], (rows, kinds))
    penalty = metric.mean
    stretch, axes = np.linalg.eigh(orders.T @ orders)
    shifts = penalty * (1 + np.maximum(stretch, 0.0).round(9))
    hold = _Hold(metric, shifts, axes, held)
    pull = metric.times(target.reshape(rows, -1))
    simplex = on_simplex(target, full).reshape(rows, -1)
    side = np.maximum(simplex @ orders.T, 0.0)
    gap, lack = np.zeros_like(simplex), np.zeros_like(side)
    for _ in range(_ROUNDS):
        wanted = pull + penalty * (simplex - gap + (side - lack) @ orders)
        free = hold.apply(metric.solve(wanted @ axes, shifts)) @ axes.T  # (1)
        eased = _RELAXATION * free + (1 - _RELAXATION) * simplex
        simplex = on_simplex((eased + gap).reshape(rows, kinds, steps), full).reshape(rows, -1)  # (2)
        gap += eased - simplex  # (3)
        eased_side = _RELAXATION * (free @ orders.T) + (1 - _RELAXATION) * side
        side = np.maximum(eased_side + lack, 0.0)  # (2)
        lack += eased_side - side  # (3)
        if np.abs(free - simplex).max() < _CLOSE:
            break
    return np.asarray(simplex.reshape(rows, kinds, steps))


class _Hold:
    """Moves a solution, column by column, to where the held sums are met."""

    def __init__(self, metric: Metric, shifts: np.ndarray, axes: np.ndarray, held: Held | None) -> None:
        self.held = held
        self.steps: list[tuple[np.ndarray, Matrix]] = []
        if held is None:
            return
        self.sums = held.sums.reshape(len(held.sums), -1) @ axes
        for shift in np.unique(shifts):
            across = metric.inverse(float(shift)) @ held.members.T
            price = inverse_of_blocks(sparse.csr_array(held.members @ across), held.block, held.place)
            self.steps.append((np.flatnonzero(shifts == shift), across @ price))

    def apply(self, free: np.ndarray) -> np.ndarray:
        """The nearest columns (n x k) that meet the sums."""
        if self.held is None:
            return free
        short = self.sums - self.held.members @ free
        for columns, step in self.steps:
            free[:, columns] += step @ short[:, columns]
        return free
