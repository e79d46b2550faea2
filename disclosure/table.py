"""Counts that stay inside, and a table that may leave and cannot hold a confidential count."""

import json
from typing import Any

import numpy as np
import pandas as pd

from disclosure.errors import DisclosureError
from disclosure.grid import Grid
from disclosure.primary import FAR

PUBLISHED, SUPPRESSED = "published", "suppressed"


def read_counts(grid: Grid, counts: pd.DataFrame, count: str) -> np.ndarray:
    """Check counts and lay them out per unit and profile leaf (U x P); absent combinations are zero.

    Raises:
        DisclosureError: an empty table, no count column, a count that is negative, fractional or missing, a combination
            twice, a count where none can be, or counts that add up to `FAR` (2**30) or more.
    """
    if count not in counts.columns:
        raise DisclosureError(f"{count}: no such column in the table")
    if counts.empty:
        raise DisclosureError("the table is empty; give at least one count")
    given = pd.to_numeric(counts[count], errors="coerce")
    if given.dtype.kind == "c":
        raise DisclosureError(f"{count}: complex numbers are no counts")
    numbers = given.to_numpy(float, na_value=np.nan)
    for wrong, what in (
        (~np.isfinite(numbers), "is missing or no number"),
        (numbers < 0, "is negative"),
        (numbers != np.rint(numbers), "is no whole number"),
        (numbers >= FAR, "is 2**30 or more"),
    ):
        if wrong.any():
            raise DisclosureError(f"{count}: the count of {grid.name_of(counts, wrong)} {what}")
    if numbers.sum() >= FAR:
        raise DisclosureError(f"{count}: the counts add up to 2**30 or more; split the table")
    return grid.leaf_table(counts, numbers.astype(np.int64))


class ProtectedTable:
    """A table that may leave: figures that are published, and cells of which only the state is known.

    Its constructor takes counts and a mask; suppressed counts are dropped before anything is kept.

    Args:
        codes: `<dimension>` and `<dimension>_level` columns, one row per cell.
        values: the counts.
        published: which of them may be seen.
        certificate: totals only, and none of small cells.
    """

    __slots__ = ("_certificate", "_frame")

    def __init__(
        self, codes: pd.DataFrame, values: np.ndarray, published: np.ndarray, certificate: dict[str, Any]
    ) -> None:
        shown = pd.array(np.where(published, values, 0), dtype="Int64")
        shown[~published] = pd.NA
        status = np.where(published, PUBLISHED, SUPPRESSED)
        self._frame = codes.assign(value=shown, status=status)
        self._certificate = json.dumps(certificate, sort_keys=True)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per cell: codes and levels, `value` (Int64, missing if suppressed) and `status`. A copy."""
        return self._frame.copy()

    @property
    def certificate(self) -> dict[str, Any]:
        """Rule, attacker, versions, cells listed and hidden; nothing per cell, no number of small ones. A copy."""
        certificate: dict[str, Any] = json.loads(self._certificate)
        return certificate

    def __repr__(self) -> str:
        """Only the size."""
        return f"ProtectedTable({len(self._frame)} cells)"
