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
    apart = _disjoint(fixed)
    of, sign = np.full(len(rows), -1), np.ones(len(rows), np.int64)
    seen: dict[bytes, tuple[int, int]] = {}
    body: list[np.ndarray] = []
    rests: list[np.ndarray] = []
    for row in np.flatnonzero(~known):
        core, rest = _reduce(lines[row], apart)
        if not core.any():
            continue
        if core.tobytes() not in seen:
            seen[core.tobytes()] = (len(body), 1)
            seen.setdefault(rest.tobytes(), (len(body), -1))
            body.append(core)
            rests.append(rest)
        of[row], sign[row] = seen[core.tobytes()]
    shape = (-1, rows.shape[1])
    return Classes(of, sign, np.array(body, np.int64).reshape(shape), np.array(rests, np.int64).reshape(shape), fixed)


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


def _disjoint(sums: np.ndarray) -> list[np.ndarray]:
    taken = np.zeros(sums.shape[1], np.int64)
    apart = []
    for line in sums:
        if not (taken & line).any():
            apart.append(line)
            taken = taken | line
    return apart


def _reduce(line: np.ndarray, sums: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A sum without the known sums inside it, and what completes it to known sums (zeros if nothing does)."""
    core, rest, open_ = line.copy(), np.zeros_like(line), line.copy()
    for known in sums:
        held = line * known
        open_ -= held
        if (held == known).all():
            core -= known
        elif held.any():
            rest += known - held
    return core, np.zeros_like(line) if open_.any() else rest
