"""The nearest table without negative cells, its head-counts and the sums above it held.

Never clip cell by cell: half of the noise around nought would become a surplus, which adds up to thousands in a
country.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

_ROUNDS = 200
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
    """The sums that are held while a lower level is made non-negative: `members @ rows = sums`."""

    members: Any
    sums: np.ndarray


def nearest(target: np.ndarray, metric: Any, inverse_with: Any, heads: np.ndarray, held: Held) -> np.ndarray:  # noqa: ANN401  dense or sparse
    """The table nearest to a target that is non-negative and keeps head-counts and held sums.

    Alternating directions (Boyd et al. 2011, section 5.2), over-relaxed: (1) least squares with the held sums,
    (2) every row of every kind onto its simplex, (3) the prices of their difference. What comes out is non-negative and
    keeps head-counts exactly, the held sums nearly: rounding makes those exact.

    Args:
        target: n x kinds x steps.
        metric: n x n, positive definite.
        inverse_with: makes (metric + a x identity)^-1 for a number a.
        heads: n, the sum of every row of every kind.
        held: the sums above.
    """
    rows, kinds, steps = target.shape
    flat = target.reshape(rows, -1)
    penalty = float(np.mean(metric.diagonal()))
    inverse = inverse_with(penalty)
    across = inverse @ held.members.T
    price = np.linalg.inv(_dense(held.members @ across))
    pull = metric @ flat
    sums = held.sums.reshape(len(held.sums), -1)
    full = np.broadcast_to(heads[:, None], (rows, kinds))
    simplex = on_simplex(target, full).reshape(rows, -1)
    gap = np.zeros_like(flat)
    for _ in range(_ROUNDS):
        free = inverse @ (pull + penalty * (simplex - gap))  # (1)
        free += across @ (price @ (sums - held.members @ free))
        eased = _RELAXATION * free + (1 - _RELAXATION) * simplex
        simplex = on_simplex((eased + gap).reshape(rows, kinds, steps), full).reshape(rows, -1)  # (2)
        gap += eased - simplex  # (3)
        if np.abs(free - simplex).max() < _CLOSE:
            break
    return np.asarray(simplex.reshape(rows, kinds, steps))


def _dense(matrix: Any) -> np.ndarray:  # noqa: ANN401  dense or sparse
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray())
