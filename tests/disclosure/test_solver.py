"""Whole solutions of the search's programmes."""

import numpy as np
from scipy import sparse

from disclosure.secondary.solver import Solver


def seven() -> Solver:
    """3 x + 2 y = 7, x preferred: the programme begins at x = 7/3, and no whole y goes with x = 2."""
    matrix = sparse.csc_array(np.array([[3.0, 2.0]]))
    limit = np.full(2, np.inf)
    return Solver(matrix, np.array([1.0, 1.0]), limit, lower=np.array([7.0]), upper=np.array([7.0]), whole=2)


def test_rounding_alone_may_lead_nowhere() -> None:
    """One variable rounded after the other, never back."""
    assert seven().solve({}) is None


def test_branching_finds_what_rounding_missed() -> None:
    """A thorough search goes back; the solver is as it was afterwards."""
    solver = seven()
    found = solver.solve({}, thorough=True)
    assert found is not None
    assert np.rint(found).tolist() == [1, 2]
    assert solver.solve({}) is None
