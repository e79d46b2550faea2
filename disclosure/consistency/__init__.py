"""From noisy answers to one table of whole numbers in which everything adds up; free post-processing of the noise."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy import sparse

from disclosure.consistency.nonnegative import Held, nearest, on_simplex
from disclosure.consistency.squares import Answer, Squares, inverse_of_blocks
from disclosure.consistency.whole import whole
from disclosure.keys import Keys


def consistent(keys: Keys, heads: np.ndarray, answers: Sequence[Answer], squares: Squares) -> np.ndarray:
    """The table nearest to the answers with exact head-counts, no negative cell, whole numbers.

    All margins are sums of its rows, so they are exact along every path.

    1. Weighted least squares over all levels.
    2. Share out over the steps what a row has more or less than its head-count.
    3. The top: non-negative and whole.
    4. The parts into which the areas cut each other, the top held.
    5. The rows, the parts held.

    Args:
        keys: the layout.
        heads: n, the public head-counts.
        answers: the noisy answers.
        squares: the least-squares problem they make.

    Returns:
        n x kinds x steps, whole numbers.
    """
    rows, kinds, steps = keys.shape
    right = sum(
        answer.members.T @ answer.values.reshape(len(answer.values), -1) / answer.variance for answer in answers
    )
    table = squares.solve(np.asarray(right)).reshape(rows, kinds, steps)  # 1
    table += ((heads[:, None] - table.sum(axis=2)) / steps)[:, :, None]  # 2
    parts, top = _parts(keys)
    above = sparse.csr_array((top @ parts.T) > 0).astype(np.int64)
    ceiling = _settle(_sum(top, table), top @ heads)  # 3
    middle = _sum(parts, table)
    metric = np.linalg.inv(squares.covariance(parts.astype(float)))
    inverse = partial(_inverse_dense, metric)
    held = Held(above.toarray(), ceiling)
    middle = _whole_within(nearest(middle, metric, inverse, parts @ heads, held), parts @ heads, above, ceiling)  # 4
    blocks = partial(_inverse_blocks, squares.near, keys)
    table = nearest(table, squares.near, blocks, heads, Held(parts, middle))  # 5
    return _whole_within(table, heads, parts, middle)


def _parts(keys: Keys) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Rows by the combination of areas their unit lies in, and by area of the top; each apart per profile leaf."""
    unit, leaf = keys.rows
    axis = keys.unit
    areas = axis.members[axis.leaves :].T.toarray()
    _, part = np.unique(areas, axis=0, return_inverse=True)
    level = axis.level[axis.leaves :]
    highest = min(set(level.tolist()), key=lambda number: int((level == number).sum()))
    top = np.argmax(areas[:, level == highest], axis=1)
    return _grouped(part.ravel()[unit], leaf), _grouped(top[unit], leaf)


def _grouped(first: np.ndarray, second: np.ndarray) -> sparse.csr_array:
    """Groups x n: rows with the same pair belong together."""
    _, group = np.unique(np.stack([first, second]), axis=1, return_inverse=True)
    group = group.ravel()
    ones = np.ones(len(group), np.int64)
    return sparse.csr_array((ones, (group, np.arange(len(group)))), shape=(int(group.max()) + 1, len(group)))


def _sum(members: sparse.csr_array, table: np.ndarray) -> np.ndarray:
    return np.asarray(members @ table.reshape(len(table), -1)).reshape(-1, *table.shape[1:])


def _settle(table: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """Each row of each kind non-negative and whole, by itself."""
    full = np.broadcast_to(heads[:, None], table.shape[:2])
    near = on_simplex(table, full)
    made = np.zeros(table.shape, np.int64)
    for row, kind in np.ndindex(*table.shape[:2]):
        low = np.floor(near[row, kind]).astype(np.int64)
        short = int(heads[row] - low.sum())
        low[np.argsort(low - near[row, kind], kind="stable")[:short]] += 1
        made[row, kind] = low
    return made


def _whole_within(table: np.ndarray, heads: np.ndarray, groups: sparse.csr_array, sums: np.ndarray) -> np.ndarray:
    made = np.zeros(table.shape, np.int64)
    for group in range(groups.shape[0]):
        rows = groups.indices[groups.indptr[group] : groups.indptr[group + 1]]
        for kind in range(table.shape[1]):
            made[rows, kind] = whole(table[rows, kind], heads[rows], sums[group, kind])
    return made


def _inverse_dense(metric: np.ndarray, penalty: float) -> np.ndarray:
    return np.asarray(np.linalg.inv(metric + penalty * np.eye(len(metric))))


def _inverse_blocks(metric: sparse.csr_array, keys: Keys, penalty: float) -> sparse.csr_array:
    summed = sparse.csr_array(metric + penalty * sparse.identity(metric.shape[0]))
    return inverse_of_blocks(summed, *keys.rows)
