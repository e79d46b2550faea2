"""What an attacker can compute: the least and the greatest value of every suppressed cell, by linear programming."""

from collections.abc import Mapping, Sequence

import highspy
import numpy as np
import pandas as pd
from scipy import sparse

from disclosure.attacker.relations import Relations, relate
from disclosure.errors import DisclosureError
from disclosure.hierarchy import Hierarchy, as_codes
from disclosure.rules import Inequality, ThresholdRule

CLOSE = 1e-6


def attack(
    frame: pd.DataFrame,
    *,
    dimensions: Mapping[str, Hierarchy],
    small: pd.DataFrame | None = None,
    known: pd.DataFrame | None = None,
    structural_zeros: pd.DataFrame | None = None,
    inequalities: Sequence[Inequality] = (),
    rule: ThresholdRule | None = None,
    cells: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Bounds of every suppressed cell of anybody's table, as tight as linear programming over all relations makes them.

    Args:
        frame: `<dimension>` and `<dimension>_level` for each dimension, `value` (missing where suppressed).
        dimensions: description of each dimension.
        small: suppressed cells the attacker is told to be small (codes and levels); the bounds are those of `rule`, or
            stand in columns `lower` and `upper`. Without it only n >= 0 is known.
        known: any cells of which the attacker knows `lower` and `upper`: head-counts, an insider's own cells.
        structural_zeros: leaf combinations that cannot exist.
        inequalities: what holds between members that do not add up.
        rule: gives the bounds of `small`.
        cells: which cells to bound (codes and levels); all suppressed cells by default.

    Returns:
        The cells with `lower` and `upper` (Int64; missing where there is no upper bound).

    Raises:
        DisclosureError: an unknown code, no such column, no number, or figures that contradict each other; names one.
    """
    relations = relate(dimensions, frame, structural_zeros)
    names = [column for axis in relations.axes for column in (axis.name, f"{axis.name}_level")]
    printed = _read(frame, "frame", names, "value")
    asked = frame[frame["value"].isna()] if cells is None else cells
    wanted = _read(asked, "cells", names)
    facts = _facts(printed, small, known, rule or ThresholdRule(), names)
    told = wanted.merge(_tightest(relations, facts, names), on=names, how="left")
    floor, ceiling = _numbers(told["lower"], 0), _numbers(told["upper"], np.inf)
    lower, upper = _Programme(relations, facts, inequalities).bounds(relations.cells(wanted), floor, ceiling)
    return asked[names].reset_index(drop=True).assign(lower=pd.array(lower, "Int64"), upper=pd.array(upper, "Int64"))


def _facts(
    frame: pd.DataFrame, small: pd.DataFrame | None, known: pd.DataFrame | None, rule: ThresholdRule, names: list[str]
) -> pd.DataFrame:
    """Everything the attacker starts from: cells with lower and upper."""
    shown = frame[frame["value"].notna()].rename(columns={"value": "lower"})
    facts = [shown.assign(upper=shown["lower"])]
    if small is not None:
        told = small if "lower" in small.columns else small.assign(lower=rule.lowest, upper=rule.highest)
        facts.append(_read(told, "small", names, "lower", "upper"))
    if known is not None:
        facts.append(_read(known, "known", names, "lower", "upper"))
    return pd.concat(facts, ignore_index=True)


def _read(cells: pd.DataFrame, what: str, names: list[str], *figures: str) -> pd.DataFrame:
    """These columns of cells, codes as text and figures as whole numbers."""
    absent = [column for column in (*names, *figures) if column not in cells.columns]
    if absent:
        raise DisclosureError(f"{what}: no column {absent[0]!r}")
    numbers = {column: pd.to_numeric(cells[column], errors="coerce") for column in figures}
    for column, number in numbers.items():
        given = number.to_numpy(float, na_value=np.nan)
        for wrong, fault in (
            (np.isnan(given) & cells[column].notna().to_numpy(), "no number"),
            (~np.isnan(given) & (given != np.rint(given)), "no whole number"),
        ):
            if wrong.any():
                name = ", ".join(map(repr, cells.loc[wrong, names].iloc[0]))
                raise DisclosureError(f"{what}: {column} of {name} is {fault}")
    return cells[names].assign(**{name: as_codes(cells[name]) for name in names}, **numbers)


def _tightest(relations: Relations, facts: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """One line per cell."""
    tightest = facts.groupby(names, as_index=False).agg({"lower": "max", "upper": "min"})
    crossed = tightest[(tightest["lower"] > tightest["upper"]).fillna(value=False)]
    if len(crossed):
        first = ", ".join(f"{axis.name} {crossed[axis.name].iloc[0]!r}" for axis in relations.axes)
        raise DisclosureError(f"{first}: what is printed, known and small of this cell contradicts itself")
    return tightest


def _numbers(column: pd.Series, missing: float) -> np.ndarray:
    return pd.to_numeric(column).to_numpy(float, na_value=missing)


class _Programme:
    """Leaf combinations as variables, facts and inequalities as rows; solved once per cell and side at most."""

    def __init__(self, relations: Relations, facts: pd.DataFrame, inequalities: Sequence[Inequality]) -> None:
        self.possible = np.flatnonzero(relations.possible)
        self.index = np.full(len(relations.possible), -1)
        self.index[self.possible] = np.arange(len(self.possible))
        lines = relations.inequalities(inequalities)
        matrix = sparse.csc_array(sparse.vstack([relations.cells(facts), lines]))[:, self.possible].astype(float)
        model = highspy.HighsLp()
        model.num_row_, model.num_col_ = matrix.shape
        model.col_cost_ = np.zeros(matrix.shape[1])
        model.col_lower_, model.col_upper_ = np.zeros(matrix.shape[1]), np.full(matrix.shape[1], np.inf)
        free = np.full(lines.shape[0], np.inf)
        model.row_lower_ = np.concatenate([_numbers(facts["lower"], 0), 0 * np.ones(len(free))])
        model.row_upper_ = np.concatenate([_numbers(facts["upper"], np.inf), free])
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_, model.a_matrix_.index_ = matrix.indptr, matrix.indices
        model.a_matrix_.value_ = matrix.data
        self.solver = highspy._Highs()  # type: ignore[attr-defined]  # noqa: SLF001  `Highs` prints a banner
        for option, value in (("output_flag", False), ("threads", 1)):
            self.solver.setOptionValue(option, value)
        self.solver.passModel(model)

    def bounds(
        self, targets: sparse.csr_array, floor: np.ndarray, ceiling: np.ndarray
    ) -> tuple[list[int | None], list[int | None]]:
        """Integer bounds of each target; a table that happens to reach another target's end serves it too."""
        targets = sparse.csr_array(targets[:, self.possible])
        first = self._solve(np.zeros(0, np.int32), 1.0)
        if first is None:
            raise DisclosureError("the figures contradict each other: no table has them all; check `known` and `small`")
        self.solver.setOptionValue("presolve", "off")
        ends: tuple[list[int | None], list[int | None]] = ([], [])
        limits = (floor, -ceiling)
        least = [np.asarray(targets @ first), -np.asarray(targets @ first)]
        for number in range(targets.shape[0]):
            columns = targets.indices[targets.indptr[number] : targets.indptr[number + 1]].astype(np.int32)
            for side, sense in enumerate((1, -1)):
                solution = None
                if least[side][number] > limits[side][number] + CLOSE:
                    solution = self._solve(columns, float(sense))
                    if solution is None:
                        ends[side].append(None)
                        continue
                    sums = np.asarray(targets @ solution)
                    least = [np.minimum(least[0], sums), np.minimum(least[1], -sums)]
                ends[side].append(sense * int(np.ceil(least[side][number] - CLOSE)))
        return ends

    def _solve(self, columns: np.ndarray, sense: float) -> np.ndarray | None:
        """A table that makes a sum least (1) or greatest (-1); None if there is none or no end."""
        self.solver.changeColsCost(len(columns), columns, np.full(len(columns), sense))
        self.solver.run()
        status = self.solver.getModelStatus()
        self.solver.changeColsCost(len(columns), columns, np.zeros(len(columns)))
        if status == highspy.HighsModelStatus.kOptimal:
            return np.array(self.solver.getSolution().col_value)
        return None
