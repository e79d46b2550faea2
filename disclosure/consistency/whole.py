"""Whole numbers near a table of fractions, every sum exact in both directions."""

import numpy as np


def whole(table: np.ndarray, heads: np.ndarray, sums: np.ndarray | None) -> np.ndarray:
    """Round a table so that its rows and columns add up exactly.

    First each row by largest remainders; then, while a column has too many and another too few, 1 moves between them in
    the row where that costs the squared distance least. A column with too many has a row with something to give, so
    this ends, after as many moves as the columns are off.

    Args:
        table: rows x steps, not negative.
        heads: whole sum of each row.
        sums: whole sum of each column, together as much as the rows; None where columns are free.

    Returns:
        Whole numbers, none negative.
    """
    made = np.floor(table + 1e-9).astype(np.int64)
    short = heads - made.sum(axis=1)
    order = np.argsort(made - table, axis=1, kind="stable")
    made[np.arange(len(made))[:, None], order] += np.arange(table.shape[1]) < short[:, None]
    _take_back(made, table, heads)
    off = np.zeros(table.shape[1], np.int64) if sums is None else made.sum(axis=0) - sums
    while off.any():
        giver, taker = int(np.argmax(off)), int(np.argmin(off))
        cost = (made[:, taker] - table[:, taker]) - (made[:, giver] - table[:, giver])
        row = int(np.argmin(np.where(made[:, giver] > 0, cost, np.inf)))
        made[row, giver] -= 1
        made[row, taker] += 1
        off[giver] -= 1
        off[taker] += 1
    return made


def _take_back(made: np.ndarray, table: np.ndarray, heads: np.ndarray) -> None:
    """Settle rows that fractions just below a whole number left with one too many or too few."""
    for row in np.flatnonzero(made.sum(axis=1) != heads):
        while (short := int(heads[row] - made[row].sum())) != 0:
            sign = 1 if short > 0 else -1
            surplus = sign * (made[row] - table[row])
            place = int(np.argmin(surplus if sign > 0 else np.where(made[row] > 0, surplus, np.inf)))
            made[row, place] += sign
