"""Symmetric matrices by their eigenvectors: one decomposition solves with any multiple of the identity added."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

Matrix = np.ndarray | sparse.csr_array


@dataclass(frozen=True, eq=False)
class Metric:
    """A positive definite n x n matrix: eigenvectors as columns, dense or sparse, and their values."""

    vectors: Matrix
    values: np.ndarray

    @classmethod
    def of_covariance(cls, covariance: np.ndarray) -> Self:
        """The inverse of a dense covariance."""
        values, vectors = np.linalg.eigh(covariance)
        return cls(vectors, 1 / values)

    @classmethod
    def of_blocks(cls, matrix: sparse.csr_array, block: np.ndarray, place: np.ndarray) -> Self:
        """A matrix of which only rows of one block meet; `place` is where a row stands in its block."""
        blocks, row = _blocks(matrix, block, place)
        blocks[(row < 0)[:, :, None] & np.eye(blocks.shape[1], dtype=bool)] = -1.0  # apart from all that are positive
        values, vectors = np.linalg.eigh(blocks)
        kept = values > 0
        column = np.full(kept.shape, -1)
        column[kept] = np.arange(int(kept.sum()))
        return cls(_sparse(vectors, row, column), values[kept])

    @property
    def mean(self) -> float:
        """The mean of its diagonal."""
        return float(self.values.mean())

    def times(self, right: np.ndarray) -> np.ndarray:
        """The matrix times columns (n x k)."""
        return np.asarray(self.vectors @ (self.values[:, None] * (self.vectors.T @ right)))

    def solve(self, right: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        """(matrix + shift x identity)^-1 times columns (n x k), each with a shift of its own (k)."""
        return np.asarray(self.vectors @ ((self.vectors.T @ right) / (self.values[:, None] + shifts)))

    def inverse(self, shift: float) -> Matrix:
        """(matrix + shift x identity)^-1."""
        scaled = self.vectors.T * (1 / (self.values + shift))[:, None]
        return self.vectors @ (scaled if isinstance(scaled, np.ndarray) else sparse.csr_array(scaled))


def inverse_of_blocks(matrix: Matrix, block: np.ndarray, place: np.ndarray) -> sparse.csr_array:
    """The inverse of a matrix of which only rows of one block meet."""
    blocks, row = _blocks(sparse.csr_array(matrix), block, place)
    blocks[(row < 0)[:, :, None] & np.eye(blocks.shape[1], dtype=bool)] = 1.0
    return _sparse(np.linalg.inv(blocks), row, row)


def _blocks(matrix: sparse.csr_array, block: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blocks x places x places, and which row stands at each place (-1: none)."""
    shape = int(block.max()) + 1, int(place.max()) + 1
    row = np.full(shape, -1)
    row[block, place] = np.arange(len(block))
    entries = matrix.tocoo()
    left, right = entries.coords
    blocks = np.zeros((*shape, shape[1]))
    blocks[block[left], place[left], place[right]] = entries.data
    return blocks, row


def _sparse(blocks: np.ndarray, row: np.ndarray, column: np.ndarray) -> sparse.csr_array:
    there = (row >= 0)[:, :, None] & (column >= 0)[:, None, :]
    left = np.broadcast_to(row[:, :, None], there.shape)[there]
    right = np.broadcast_to(column[:, None, :], there.shape)[there]
    return sparse.csr_array((blocks[there], (left, right)), shape=(int(row.max()) + 1, int(column.max()) + 1))
