"""What a table is, what everybody knows of it, and what may be shown: one value for suppressor and judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from disclosure.hierarchy import Hierarchy
from disclosure.rules import Inequality, Pattern, ThresholdRule

Weight = tuple[Pattern, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Terms:
    """The terms of a release; nothing in them is confidential.

    Attributes:
        dimensions: description of each dimension; the one that insiders own leaves of, else the one with most paths,
            then most leaves, is searched region by region.
        count: name of the count column (whole numbers, 0 or more).
        rule: when a count is small.
        public: margins everybody knows, as {dimension: level or list of codes}: published unless small, and
            denominators of complements.
        publish: what to show, as a list of {dimension: level or list of codes}; what is left out is free; None is all.
        structural_zeros: leaf combinations that cannot exist; a dimension without a column is free.
        inequalities: what holds between members that do not add up, in every unit.
        coalitions: a leaf of one dimension and its `insider`, who knows all cells of its own leaves.
        known: cells (codes and levels) with `lower` and `upper` that an outsider already has.
        weights: pairs of a pattern and a factor: how much more than others such cells are wanted; never from counts.
    """

    dimensions: Mapping[str, Hierarchy]
    count: str
    rule: ThresholdRule
    public: Sequence[Pattern] = ()
    publish: Sequence[Pattern] | None = None
    structural_zeros: pd.DataFrame | None = None
    inequalities: Sequence[Inequality] = ()
    coalitions: pd.DataFrame | None = None
    known: pd.DataFrame | None = None
    weights: Sequence[Weight] = ()
