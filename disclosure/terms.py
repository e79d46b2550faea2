"""What a table is, what everybody knows of it, and what may be shown: one value for suppressor and judge."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

import numpy as np
import pandas as pd

from disclosure.errors import DisclosureError
from disclosure.hierarchy import Axis, Hierarchy, as_codes
from disclosure.rules import Inequality, Pattern, ThresholdRule

Weight = tuple[Pattern, float]
RESERVED = ("value", "status", "cells", "published", "bound")


@dataclass(frozen=True, eq=False, kw_only=True)
class Terms:
    """The terms of a release; nothing in them is confidential.

    Attributes:
        dimensions: description of each dimension; the one that insiders own leaves of, else the one with most paths,
            then most leaves, is searched region by region, but none that `public`, `inequalities` or `unseen` name.
        count: name of the count column (whole numbers, 0 or more).
        rule: when a count is small.
        public: margins everybody knows, as {dimension: level or list of codes}: published unless small, and
            denominators of complements; a cell in several of them is held to each.
        publish: what to show, as a list of {dimension: level or list of codes}; what is left out is free; None is all.
        structural_zeros: leaf combinations that cannot exist; a dimension without a column is free.
        inequalities: what holds between members that do not add up, in every unit.
        coalitions: a leaf of one dimension and its `insider`, who knows all cells of its own leaves; one row for each
            insider of a leaf.
        known: cells (codes and levels) with `lower` and `upper` that an outsider already has; 2**30 is no upper bound.
            They are given away, and of all others what each of them leaves must stay possible. What follows only from
            several together, or from inequalities, has to stand here too, else the table is refused: `attack` on the
            frame without its values, told `small` and `known`, computes it.
        hidden: cells (codes and levels) that stay hidden, whatever their counts.
        watch: what is never shown and may not be narrowed either, as a list of patterns.
        unseen: {dimension: {leaf: by}}: changes that no row of the release and no public one shows.
        weights: pairs of a pattern and a factor: how much more than others such cells are wanted; never from counts.

    Raises:
        DisclosureError: a dimension called as a column of a release or of its utility, patterns that are none, or
            weights that are no pairs of one and a positive number.
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
    hidden: pd.DataFrame | None = None
    watch: Sequence[Pattern] = ()
    unseen: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    weights: Sequence[Weight] = ()

    def __post_init__(self) -> None:
        for name, hierarchy in self.dimensions.items():
            if name in (*RESERVED, *(f"{other}_level" for other in self.dimensions)):
                raise DisclosureError(f"{name}: a release has a column of this name; give the dimension another one")
            if not isinstance(hierarchy, Hierarchy):
                raise DisclosureError(f"{name}: describe the dimension by a Hierarchy")
        given: Sequence[object] = self.weights
        if any(not isinstance(each, tuple | list) or len(each) != 2 for each in given):  # noqa: PLR2004  pattern, factor
            raise DisclosureError("weights: give a list of pairs, each a pattern and a factor")
        factors: Sequence[object] = [factor for _, factor in self.weights]
        if any(not isinstance(factor, Real) or not 0 < float(factor) < np.inf for factor in factors):
            raise DisclosureError("weights: a factor is no positive number")
        _check_patterns("weights", [pattern for pattern, _ in self.weights])
        _check_patterns("public", self.public)
        _check_patterns("publish", () if self.publish is None else self.publish)

    @property
    def within(self) -> set[str]:
        """Dimensions that cannot give the units: inequalities, unseen changes and public margins hold inside each.

        A public margin of several dimensions leaves the choice among them.
        """
        cells = [cell for order in self.inequalities for cell in (*order.smaller, *order.larger)]
        named = set(self.unseen).union(*cells)
        margins = [set(pattern) - named for pattern in self.public]
        return named.union(*(margin for margin in margins if len(margin) == 1))

    @property
    def insiders(self) -> np.ndarray:
        """Names of the insiders, in the order they are numbered."""
        if self.coalitions is None:
            return np.zeros(0, object)
        return np.unique(as_codes(self.coalitions["insider"].dropna()))

    def owners(self, axis: Axis) -> np.ndarray:
        """Per leaf of the unit dimension, in order of code, the numbers of the insiders that own it, then -1: U x most.

        Insiders are numbered in order of name.

        Raises:
            DisclosureError: a missing column or an unknown leaf.
        """
        if self.coalitions is None:
            return np.full((axis.leaves, 1), -1)
        for column in (axis.name, "insider"):
            if column not in self.coalitions.columns:
                raise DisclosureError(f"coalitions: no column {column!r}")
        owned = self.coalitions.dropna(subset=["insider"])
        number = np.searchsorted(self.insiders, as_codes(owned["insider"]))
        place, number = np.unique(np.stack([axis.positions(owned[axis.name]), number]), axis=1)
        which = np.arange(len(place)) - np.searchsorted(place, place)
        owners = np.full((axis.leaves, int(which.max(initial=0)) + 1), -1)
        owners[place, which] = number
        return owners


def _check_patterns(argument: str, given: object) -> None:
    if not isinstance(given, Sequence) or not all(
        isinstance(pattern, Mapping) and all(isinstance(wanted, Iterable) for wanted in pattern.values())
        for pattern in given
    ):
        raise DisclosureError(f"{argument}: give a list of patterns, each {{dimension: level or list of codes}}")
