"""From noisy answers to one table of whole numbers in which everything adds up; free post-processing of the noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from disclosure.consistency.metric import Metric
from disclosure.consistency.nonnegative import Held, nearest
from disclosure.consistency.squares import Answer, Squares
from disclosure.consistency.whole import whole
from disclosure.keys import Keys


def consistent(
    keys: Keys, heads: np.ndarray, answers: Sequence[Answer], squares: Squares, orders: np.ndarray
) -> np.ndarray:
    """The table nearest to the answers with exact head-counts, no negative cell, whole numbers.

    All margins are sums of its rows, so they are exact along every path. The orders between kinds hold nearly: they
    hold in every true table, so a table that keeps them is nearer to the truth.

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
        orders: lines x (kinds x steps), as `nearest` takes them.

    Returns:
        n x kinds x steps, whole numbers.
    """
    table = _least_squares(keys, heads, answers, squares)  # 1 2

    def settle(groups: _Groups, held: Held | None) -> np.ndarray:
        metric = Metric.of_covariance(squares.covariance(groups.members.astype(float)))
        total = groups.members @ heads
        near = nearest(_sum(groups.members, table), metric, total, orders=orders, held=held)
        return _whole(near, total, held)

    parts, top = _areas(keys)
    above = sparse.csr_array((top.members @ parts.members.T) > 0).astype(np.int64)
    held = Held(above, settle(top, None), top.area, top.leaf)  # 3
    held = Held(parts.members, settle(parts, held), parts.area, parts.leaf)  # 4
    metric = Metric.of_blocks(squares.near, *keys.rows)
    return _whole(nearest(table, metric, heads, orders=orders, held=held), heads, held)  # 5


def _least_squares(keys: Keys, heads: np.ndarray, answers: Sequence[Answer], squares: Squares) -> np.ndarray:
    """The nearest table with exact head-counts; all cells of a row have the same variance, so each gets the same."""
    right = sum(
        answer.members.T @ answer.values.reshape(len(answer.values), -1) / answer.variance for answer in answers
    )
    table = squares.solve(np.asarray(right)).reshape(keys.shape)
    table += ((heads[:, None] - table.sum(axis=2)) / keys.shape[2])[:, :, None]
    return table


@dataclass(frozen=True, eq=False)
class _Groups:
    """Sums of rows (groups x n): the area and the profile leaf of each; groups of one area are one block."""

    members: sparse.csr_array
    area: np.ndarray
    leaf: np.ndarray


def _areas(keys: Keys) -> tuple[_Groups, _Groups]:
    """Rows by the combination of areas their unit lies in, and by area of the top; each apart per profile leaf."""
    axis = keys.unit
    areas = axis.members[axis.leaves :].T.toarray()
    _, part = np.unique(areas, axis=0, return_inverse=True)
    level = axis.level[axis.leaves :]
    highest = min(set(level.tolist()), key=lambda number: int((level == number).sum()))
    top = np.argmax(areas[:, level == highest], axis=1)
    unit, leaf = keys.rows
    return _grouped(part.ravel()[unit], leaf), _grouped(top[unit], leaf)


def _grouped(area: np.ndarray, leaf: np.ndarray) -> _Groups:
    pairs, group = np.unique(np.stack([area, leaf]), axis=1, return_inverse=True)
    ones, rows = np.ones(len(area), np.int64), np.arange(len(area))
    members = sparse.csr_array((ones, (group.ravel(), rows)), shape=(pairs.shape[1], len(area)))
    return _Groups(members, pairs[0], pairs[1])


def _sum(members: sparse.csr_array, table: np.ndarray) -> np.ndarray:
    return np.asarray(members @ table.reshape(len(table), -1)).reshape(-1, *table.shape[1:])


def _whole(table: np.ndarray, heads: np.ndarray, held: Held | None) -> np.ndarray:
    """Whole numbers that keep the held sums; rows by themselves where nothing is held."""
    made = np.zeros(table.shape, np.int64)
    for group in range(len(table) if held is None else held.members.shape[0]):
        rows = np.array([group]) if held is None else held.members[[group]].indices
        for kind in range(table.shape[1]):
            sums = None if held is None else held.sums[group, kind]
            made[rows, kind] = whole(table[rows, kind], heads[rows], sums)
    return made
