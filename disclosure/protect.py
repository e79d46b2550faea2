"""The front door: from confidential counts to a table that may leave, with its proof."""

import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from disclosure.attacker import Verdicts, judge
from disclosure.errors import DisclosureError
from disclosure.grid import Grid, build_grid
from disclosure.hierarchy import Hierarchy, as_codes
from disclosure.problem import Problem, Weight, pose
from disclosure.rules import Inequality, Pattern, ThresholdRule
from disclosure.secondary import find_pattern
from disclosure.table import ProtectedTable, read_counts
from disclosure.witness import Witnesses

SHORTEST_SEED = 16


@dataclass(frozen=True, eq=False)
class Build:
    """A release before it is approved: what may leave, and what stays with the operator.

    Attributes:
        protected: the table that may leave.
        witnesses: confidential: they lead back to the true counts.
        verdicts: the judge's totals.
        utility: share of cells published per level and member, beside the reachable best.
    """

    protected: ProtectedTable
    witnesses: Witnesses = field(repr=False)
    verdicts: Verdicts
    utility: pd.DataFrame = field(repr=False)


def protect(
    counts: pd.DataFrame,
    *,
    dimensions: Mapping[str, Hierarchy],
    count: str,
    rule: ThresholdRule,
    seed: bytes,
    public: Sequence[Pattern] = (),
    publish: Sequence[Pattern] | None = None,
    structural_zeros: pd.DataFrame | None = None,
    inequalities: Sequence[Inequality] = (),
    coalitions: pd.DataFrame | None = None,
    known: pd.DataFrame | None = None,
    weights: Sequence[Weight] = (),
    executor: Executor | None = None,
) -> ProtectedTable:
    """The table that may leave; see `build` for the arguments and for what else an operator needs."""
    return build(
        counts,
        dimensions=dimensions,
        count=count,
        rule=rule,
        seed=seed,
        public=public,
        publish=publish,
        structural_zeros=structural_zeros,
        inequalities=inequalities,
        coalitions=coalitions,
        known=known,
        weights=weights,
        executor=executor,
    ).protected


def build(
    counts: pd.DataFrame,
    *,
    dimensions: Mapping[str, Hierarchy],
    count: str,
    rule: ThresholdRule,
    seed: bytes,
    public: Sequence[Pattern] = (),
    publish: Sequence[Pattern] | None = None,
    structural_zeros: pd.DataFrame | None = None,
    inequalities: Sequence[Inequality] = (),
    coalitions: pd.DataFrame | None = None,
    known: pd.DataFrame | None = None,
    weights: Sequence[Weight] = (),
    executor: Executor | None = None,
) -> Build:
    """Protect a table.

    1. Check the input and lay it out.
    2. Find the cells that are unsafe by themselves, for outsiders and for insiders.
    3. Hide secondary cells until every small cell has its witnesses.
    4. Let the independent judge try; a release that it can narrow does not come out.
    5. Drop every hidden figure.

    The caller still owes: a seed that is fresh, secret and kept with the build, and that no figures are released twice
    but through `correct`.

    Args:
        counts: one column of leaf codes per dimension and the count column; absent combinations are zero.
        dimensions: description of each dimension; the one with most leaves is searched region by region.
        count: name of the count column (whole numbers, 0 or more).
        rule: when a count is small.
        seed: secret, at least 16 bytes; the same seed gives the same pattern, byte for byte.
        public: margins everybody knows, as {dimension: level or list of codes}: published unless small, and
            denominators of complements.
        publish: what to show, as a list of {dimension: level or list of codes}; what is left out is free; None is all.
        structural_zeros: leaf combinations that cannot exist; a dimension without a column is free.
        inequalities: what holds between members that do not add up, in every unit.
        coalitions: a leaf of the largest dimension and its `insider`, who knows all cells of its own leaves.
        known: cells (codes and levels) with `lower` and `upper` that an outsider already has.
        weights: pairs of a pattern and a factor: how much more than others such cells are wanted; never from counts.
        executor: any `concurrent.futures.Executor`; the result is the same for any.

    Raises:
        DisclosureError: bad input, naming dimension and code but never a count; or a table that cannot be protected.
    """
    # 1
    key = _check_seed(seed)
    grid = build_grid(dimensions, counts, structural_zeros, coalitions)
    table = read_counts(grid, counts, count)
    insider = _insiders(grid, coalitions)
    # 2
    problem = pose(
        grid,
        table.leaves,
        rule=rule,
        public=public,
        publish=publish,
        inequalities=inequalities,
        insider=insider,
        known=known,
        weights=weights,
        seed=key,
    )
    # 3
    pattern = find_pattern(problem, key, executor)
    if pattern.left:
        raise DisclosureError(
            f"{_name_of(problem, next(iter(pattern.left)))} cannot be protected whatever else is hidden"
        )
    shown = pattern.shown | (problem.primary.known & problem.listed & ~problem.hidden)
    # 4
    codes, place = _cells(problem)
    frame = codes.assign(value=pd.array(problem.figures[place], "Int64").copy())
    frame.loc[~shown[place], "value"] = pd.NA
    verdicts = judge(
        frame,
        counts=counts,
        count=count,
        witnesses=pattern.witnesses,
        dimensions=dimensions,
        rule=rule,
        public=public,
        structural_zeros=structural_zeros,
        inequalities=inequalities,
        unit=grid.areas.name,
        insider=insider,
        known=known,
    )
    if not verdicts.holds:
        raise DisclosureError(
            "the judge can narrow a small cell of this pattern; report this as a fault, publish nothing"
        )
    # 5
    certificate = _certificate(problem, rule, verdicts, shown, inequalities)
    protected = ProtectedTable(codes, problem.figures[place], shown[place], certificate)
    return Build(protected, pattern.witnesses, verdicts, pd.DataFrame())


def _check_seed(seed: bytes) -> bytes:
    if len(seed) < SHORTEST_SEED:
        raise DisclosureError(f"seed: {len(seed)} bytes; give at least {SHORTEST_SEED} secret ones")
    return bytes(seed)


def _insiders(grid: Grid, coalitions: pd.DataFrame | None) -> np.ndarray:
    """Per unit the number of the insider that owns it, -1 for nobody."""
    insider = np.full(grid.areas.leaves, -1)
    if coalitions is None:
        return insider
    for column in (grid.areas.name, "insider"):
        if column not in coalitions.columns:
            raise DisclosureError(f"coalitions: no column {column!r}")
    owned = coalitions.dropna(subset=["insider"])
    place = grid.areas.positions(owned[grid.areas.name])
    if len(np.unique(place)) < len(place):
        raise DisclosureError(f"coalitions: a {grid.areas.name} stands twice; it has one insider")
    insider[place] = np.unique(as_codes(owned["insider"]), return_inverse=True)[1]
    return insider


def _name_of(problem: Problem, cell: tuple[int, int, int]) -> str:
    grid = problem.grid
    area = str(grid.areas.codes[cell[0]]) if cell[0] < len(grid.areas.codes) else "a part between two areas"
    nodes = grid.row_nodes[cell[1]]
    return ", ".join(
        [f"{grid.areas.name} {area!r}", *(f"{a.name} {a.codes[n]!r}" for a, n in zip(grid.profile, nodes, strict=True))]
    )


def _cells(problem: Problem) -> tuple[pd.DataFrame, tuple[np.ndarray, np.ndarray]]:
    """Codes and levels of every listed cell, in order of the dimensions, and where they stand."""
    grid = problem.grid
    area, row = np.nonzero(problem.listed)
    nodes = list(grid.row_nodes[row].T)
    nodes.insert(grid.unit, area)
    columns: dict[str, Any] = {}
    for axis, node in zip(grid.axes, nodes, strict=True):
        columns[axis.name] = axis.codes[node]
        columns[f"{axis.name}_level"] = np.array(axis.levels, object)[axis.level[node]]
    return pd.DataFrame(columns), (area, row)


def _certificate(
    problem: Problem, rule: ThresholdRule, verdicts: Verdicts, shown: np.ndarray, inequalities: Sequence[Inequality]
) -> dict[str, Any]:
    listed = int(problem.listed.sum())
    published = int((shown & problem.listed).sum())
    insiders = len(np.unique(problem.insider[problem.insider >= 0]))
    return {
        "rule": {
            "minimum": rule.minimum,
            "zeros_are_small": rule.zeros_are_small,
            "complements": rule.complements,
            "min_denominator": rule.min_denominator,
        },
        "attacker": {
            "knows": "all published cells of all recipients together, every sum, public totals, that counts are whole "
            "and not negative, and which hidden cells are small unless their row is withheld",
            "insiders": insiders,
            "inequalities": len(inequalities),
        },
        "cells": {"listed": listed, "published": published, "suppressed": listed - published},
        "verdicts": {
            "small": verdicts.small,
            "exact": 0,
            "narrowed": verdicts.small - verdicts.safe,
            "safe": verdicts.safe,
            "margins_of_insiders": verdicts.margins,
            "margins_safe": verdicts.margins_safe,
            "witnesses": verdicts.witnesses,
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "scipy", "highspy", "pandas")},
        },
    }
