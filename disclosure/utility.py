"""How much of what could be shown is shown: cells, not counts; a share of counts would give the sum of hidden ones."""

import numpy as np
import pandas as pd

from disclosure.problem import Problem


def utility(
    problem: Problem, codes: pd.DataFrame, place: tuple[np.ndarray, np.ndarray], shown: np.ndarray
) -> pd.DataFrame:
    """Cells published per level of the unit dimension and member of each separate dimension.

    Args:
        problem: the table and what is unsafe in it by itself.
        codes: codes and levels of the cells that leave.
        place: their areas and rows.
        shown: A x R, what is published.

    Returns:
        `<unit>_level`, a column per separate dimension, and the numbers `cells`, `published` and `bound`: what would be
        published if only cells that are unsafe by themselves were hidden. For the operator: `bound` tells how many are.
    """
    by = [f"{problem.grid.areas.name}_level", *(axis.name for axis in problem.grid.profile if not axis.paths)]
    counted = codes[by].assign(cells=1, published=shown[place].astype(int), bound=(~problem.unsafe[place]).astype(int))
    return counted.groupby(by, sort=False, as_index=False).sum()
