"""The front door: from confidential counts to a table that may leave, with its proof."""

import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from disclosure.attacker import Verdicts, judge
from disclosure.errors import DisclosureError
from disclosure.grid import Grid, build_grid
from disclosure.hierarchy import Hierarchy
from disclosure.problem import Problem, pose
from disclosure.rules import Inequality, Pattern, ThresholdRule
from disclosure.secondary import find_pattern
from disclosure.secondary.search import Found
from disclosure.table import ProtectedTable, read_counts
from disclosure.terms import Terms, Weight
from disclosure.utility import utility
from disclosure.witness import Witnesses

SHORTEST_SEED = 16


@dataclass(frozen=True, eq=False)
class Build:
    """A release before it is approved: what may leave, and what stays with the operator.

    Attributes:
        protected: the table that may leave.
        witnesses: confidential: they lead back to the true counts.
        verdicts: the judge's totals.
        utility: cells published per level and member, beside the reachable best.
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
    weights: Sequence[Weight] | None = None,
    executor: Executor | None = None,
) -> ProtectedTable:
    """The table that may leave; `Terms` explains the arguments, `build` the rest and what an operator needs besides."""
    terms = Terms(
        dimensions=dimensions,
        count=count,
        rule=rule,
        public=public,
        publish=publish,
        structural_zeros=structural_zeros,
        inequalities=inequalities,
        coalitions=coalitions,
        known=known,
        weights=() if weights is None else weights,
    )
    return build(counts, terms, seed=seed, executor=executor).protected


def grid_of(counts: pd.DataFrame, terms: Terms) -> Grid:
    """The layout of a table under its terms; errors as `build_grid`."""
    return build_grid(terms.dimensions, counts, terms.structural_zeros, terms.coalitions, terms.within)


def build(
    counts: pd.DataFrame,
    terms: Terms,
    *,
    seed: bytes,
    executor: Executor | None = None,
    start: Witnesses | None = None,
    leaving: Pattern | None = None,
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
        terms: what the table is and what may be shown.
        seed: secret, at least 16 bytes; the same seed gives the same pattern, byte for byte.
        executor: any `concurrent.futures.Executor`; the result is the same for any.
        start: witnesses that may hold for this table too, in its layout: what they serve is not searched for again.
        leaving: which part of the table leaves now, and is counted; None is all. The rest was out before.

    Raises:
        DisclosureError: bad input, naming dimension and code but never a count; or a table that cannot be protected.
    """
    with threadpool_limits(1, user_api="blas"):
        key = _check_seed(seed)  # 1
        grid = grid_of(counts, terms)
        problem = pose(grid, read_counts(grid, counts, terms.count), terms, seed=key)  # 2
        pattern = find_pattern(problem, key, executor, start)  # 3
        shown = _shown(problem, pattern, terms.rule)
        verdicts = _judged(_frame(problem, shown), counts, terms, pattern.witnesses)  # 4
        protected, useful = _dropped(problem, terms, verdicts, shown, leaving or {})  # 5
        return Build(protected, pattern.witnesses, verdicts, useful)


def _shown(problem: Problem, pattern: Found, rule: ThresholdRule) -> np.ndarray:
    if pattern.left:
        name = _name_of(problem, next(iter(pattern.left)))
        why = "" if rule.zeros_are_small else "; hidden parts known to be 1 or more add up: let zeros be small too"
        raise DisclosureError(f"{name} cannot be protected whatever else is hidden{why}")
    return np.asarray(pattern.shown | (problem.primary.known & problem.listed & ~problem.hidden))


def _frame(problem: Problem, shown: np.ndarray) -> pd.DataFrame:
    """All that readers have when this is out."""
    place = np.nonzero(problem.listed)
    figures = pd.Series(problem.figures[place], dtype="Int64").where(shown[place])
    return problem.grid.named(*place).assign(value=figures)


def _judged(frame: pd.DataFrame, counts: pd.DataFrame, terms: Terms, witnesses: Witnesses) -> Verdicts:
    verdicts = judge(frame, counts, terms, witnesses)
    if not verdicts.holds:
        raise DisclosureError("the judge can narrow a small cell of this pattern; report this fault, publish nothing")
    return verdicts


def _dropped(
    problem: Problem, terms: Terms, verdicts: Verdicts, shown: np.ndarray, leaving: Pattern
) -> tuple[ProtectedTable, pd.DataFrame]:
    """The table that leaves, without its hidden figures, and its utility."""
    area, row = np.nonzero(problem.listed & np.outer(*problem.grid.select(leaving)))
    codes, place = problem.grid.named(area, row), (area, row)
    certificate = _certificate(problem, terms, verdicts, shown[place])
    table = ProtectedTable(codes, problem.figures[place], shown[place], certificate)
    return table, utility(problem, codes, place, shown)


def _check_seed(seed: bytes) -> bytes:
    if not isinstance(seed, bytes | bytearray):
        raise DisclosureError(f"seed: give at least {SHORTEST_SEED} secret bytes, not {type(seed).__name__}")
    if len(seed) < SHORTEST_SEED:
        raise DisclosureError(f"seed: {len(seed)} bytes; give at least {SHORTEST_SEED} secret ones")
    return bytes(seed)


def _name_of(problem: Problem, cell: tuple[int, int, int]) -> str:
    grid = problem.grid
    area = str(grid.areas.codes[cell[0]]) if cell[0] < len(grid.areas.codes) else "a part between two areas"
    nodes = grid.row_nodes[cell[1]]
    return ", ".join(
        [f"{grid.areas.name} {area!r}", *(f"{a.name} {a.codes[n]!r}" for a, n in zip(grid.profile, nodes, strict=True))]
    )


def _certificate(problem: Problem, terms: Terms, verdicts: Verdicts, shown: np.ndarray) -> dict[str, Any]:
    rule, listed, published = terms.rule, len(shown), int(shown.sum())
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
            "inequalities": len(terms.inequalities),
        },
        "cells": {"listed": listed, "published": published, "suppressed": listed - published},
        "verdicts": {"exact": 0, "narrowed": verdicts.small - verdicts.safe, "safe": "all"},  # how many stays inside
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "scipy", "highspy", "pandas")},
        },
    }
