"""Weighted least squares over linked hierarchies, with the exact variance of any sum of rows.

Noisy answers y_q = A_q x + noise of variance v_q make the normal matrix M = sum A_q' A_q / v_q. Answers about single
units touch only rows of that unit, so they form a block-diagonal D; answers about areas U are few. Then
M^-1 = D^-1 - D^-1 U' C^-1 U D^-1 with C = V + U D^-1 U' (Woodbury): one dense matrix of the size of the areas instead
of a factorisation that a country-wide sum would fill.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from disclosure.consistency.metric import inverse_of_blocks

# Rows that no answer distinguishes: this part of the smallest weight holds them together.
_HOLD = 1e-6


@dataclass(frozen=True, eq=False)
class Answer:
    """Noisy answers to one query: which rows each is the sum of (cells x n), the values, the variance of the noise."""

    members: sparse.csr_array
    values: np.ndarray
    variance: float
    near: bool


class Squares:
    """The least-squares problem of a table.

    Args:
        answers: what is known of the table.
        unit: the unit of each row; rows of one unit stand together.
        leaf: the profile leaf of each row.

    Attributes:
        near: n x n, block diagonal: the metric of the units once their areas are held.
        near_inverse: its inverse.
    """

    def __init__(self, answers: Sequence[Answer], unit: np.ndarray, leaf: np.ndarray) -> None:
        rows = len(unit)
        weight = min(1 / answer.variance for answer in answers)
        near = sparse.csr_array(sparse.identity(rows) * (weight * _HOLD))
        for answer in answers:
            if answer.near:
                near += (answer.members.T @ answer.members) / answer.variance
        far = [answer for answer in answers if not answer.near]
        self.near = sparse.csr_array(near)
        self.near_inverse = inverse_of_blocks(self.near, unit, leaf)
        self._upper = sparse.csr_array(sparse.vstack([answer.members for answer in far], format="csr", dtype=float))
        noise = np.concatenate([np.full(answer.members.shape[0], answer.variance) for answer in far])
        inner = (self._upper @ self.near_inverse @ self._upper.T).toarray()
        self._factor = linalg.cholesky(inner + np.diag(noise), lower=True, overwrite_a=True)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """M^-1 times columns (n x k)."""
        first = self.near_inverse @ right
        inner = linalg.cho_solve((self._factor, True), self._upper @ first)
        return np.asarray(first - self.near_inverse @ (self._upper.T @ inner))

    def covariance(self, sums: sparse.csr_array) -> np.ndarray:
        """Covariance of sums of rows (k x n)."""
        half = self._half(sums)
        return np.asarray((sums @ self.near_inverse @ sums.T).toarray() - half.T @ half)

    def variances(self, sums: sparse.csr_array) -> np.ndarray:
        """Variance of each sum of rows (k x n)."""
        own = (sums @ self.near_inverse).multiply(sums).sum(axis=1)
        return np.asarray(own - np.einsum("ij,ij->j", half := self._half(sums), half))

    def _half(self, sums: sparse.csr_array) -> np.ndarray:
        reach = (self._upper @ self.near_inverse @ sums.T).toarray()
        return np.asarray(linalg.solve_triangular(self._factor, reach, lower=True, overwrite_b=True))
