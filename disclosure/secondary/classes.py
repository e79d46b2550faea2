"""Rows of one node that stand or fall together, because public totals make one follow from the other."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Classes:
    """Rows of a node in classes: the same leaves, or a count and the rest of a known total.

    Attributes:
        of: R, class of each row, -1 for rows that are known or cannot exist.
        sign: R, -1 where the row is the rest of its class.
        body: classes x P, leaves that make up the class.
        rest: classes x P, leaves that make up the rest of its known total, all 0 without one.
        fixed: known sums x P.
    """

    of: np.ndarray
    sign: np.ndarray
    body: np.ndarray
    rest: np.ndarray
    fixed: np.ndarray


def classify(rows: np.ndarray, offered: np.ndarray, known: np.ndarray) -> Classes:
    """Classes of the rows (R x P) of a node whose units offer some leaves (P) and of which some rows are known (R)."""
    lines = rows * offered
    fixed = known_sums(lines[known])
    cores, rests = _reduce(lines, _disjoint(fixed))
    of, sign = np.full(len(rows), -1), np.ones(len(rows), np.int64)
    seen: dict[bytes, tuple[int, int]] = {}
    kept: list[int] = []
    for row in np.flatnonzero(~known & cores.any(axis=1)).tolist():
        core = cores[row].tobytes()
        if core not in seen:
            seen[core] = (len(kept), 1)
            seen.setdefault(rests[row].tobytes(), (len(kept), -1))
            kept.append(row)
        of[row], sign[row] = seen[core]
    return Classes(of, sign, *(part.astype(np.int8) for part in (cores[kept], rests[kept], fixed)))


def known_sums(lines: np.ndarray) -> np.ndarray:
    """Known sums without repetition: smaller ones first, larger ones less the smaller ones inside them."""
    kept: list[np.ndarray] = []
    for line in sorted((line for line in lines if line.any()), key=lambda line: (line.sum(), line.tobytes())):
        left = line.copy()
        for inner in kept:
            if (inner <= left).all():
                left = left - inner
        if left.any():
            kept.append(left)
    return np.array(kept, np.int64).reshape(-1, lines.shape[1])


def _disjoint(sums: np.ndarray) -> np.ndarray:
    taken = np.zeros(sums.shape[1], np.int64)
    apart = []
    for line in sums:
        if not (taken & line).any():
            apart.append(line)
            taken = taken | line
    return np.array(apart, np.int64).reshape(-1, sums.shape[1])


def _reduce(lines: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lines without the known sums inside them, and what completes each to known sums (zeros if nothing does)."""
    lines, sums = lines.astype(np.float32), sums.astype(np.float32)  # exact, and many times faster than whole numbers
    held = lines @ sums.T
    full = held == sums.sum(axis=1)
    cores = lines - full @ sums
    rests = ((held > 0) & ~full) @ sums * (1 - lines)
    open_ = (lines > sums.sum(axis=0)).any(axis=1)
    return cores, np.where(open_[:, None], 0, rests)
