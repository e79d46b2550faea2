"""What an outsider has from elsewhere, or is told by the rule: bounds of some cells, and what these say of others.

Such a cell is given away, and no table can promise what it tells. So what must stay possible of a small cell shrinks to
what known cells leave, each by itself: its own, one inside or around it, one that leaves the rest of a public total, or
what such a one leaves; of an area what they leave of its units together, and what one of an area around it leaves
beside everything else. Where few of a school are told to have missed much, few of a part of it did.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import sparse

from disclosure.errors import DisclosureError
from disclosure.grid import Grid
from disclosure.primary import FAR, Primary, find_primary
from disclosure.terms import Terms

Bounds = tuple[np.ndarray, np.ndarray]
Place = tuple[np.ndarray, np.ndarray]


def primary_of(grid: Grid, values: np.ndarray, listed: np.ndarray, watched: np.ndarray, terms: Terms) -> Primary:
    """The rule applied to every watched cell, as `find_primary` does, for an outsider who has what is known and told.

    Where zeros may be shown, what small cells tell of each other narrows them: that is no way out there.
    """
    primary = find_primary(grid, values, listed, watched, rule=terms.rule, public=terms.public)
    told = primary.told & (terms.rule.lowest == 0)
    said = np.where(told, primary.lower, 0), np.where(told, primary.upper, FAR)
    if terms.known is not None:
        place, known = _bounds_of(grid, values, terms.known)
        told, lower, upper = primary.told.copy(), primary.lower.copy(), primary.upper.copy()
        told[place] = False
        for low, high in (said, (lower, upper)):
            np.maximum.at(low, place, known[0])
            np.minimum.at(high, place, known[1])
        primary = replace(primary, told=told, lower=lower, upper=upper)
    return _shrunk(grid, values, primary, said)


def _bounds_of(grid: Grid, values: np.ndarray, known: pd.DataFrame) -> tuple[Place, Bounds]:
    """Where cells (codes and levels) are of which an outsider has `lower` and `upper`, and these.

    Raises:
        DisclosureError: a missing column, a bound that is no whole number, or bounds that exclude the true count.
    """
    place = grid.place(known)
    lower, upper = _whole(grid, known, "lower"), _whole(grid, known, "upper")
    wrong = (values[place] < lower) | (values[place] > upper)
    if wrong.any():
        raise DisclosureError(
            f"known: the bounds of {grid.name_of(known, wrong)} exclude the true count; correct or drop them"
        )
    return place, (lower, upper)


def _shrunk(grid: Grid, values: np.ndarray, primary: Primary, said: Bounds) -> Primary:
    """The same with no more to keep possible than what is said of cells leaves."""
    low, high = primary.lower, primary.upper
    least, most = _of_area(grid, values, primary.known, _of_area(grid, values, primary.known, said))
    units, heard = slice(grid.areas.leaves), (least > 0) | (most < FAR)
    most = np.minimum(most, primary.most)
    least = np.maximum(least, grid.members @ least[units])
    most = np.minimum(most, grid.members @ most[units])
    heard |= (grid.members @ heard[units].astype(np.int64)) > 0
    ends = np.maximum(low, least), np.minimum(high, most)
    small = primary.small & (low < high)
    return replace(
        primary,
        least=least,
        most=most,
        known=primary.known | (low == high),
        small=small,
        **_ends(grid, primary, small, heard, ends),
    )


def _whole(grid: Grid, known: pd.DataFrame, column: str) -> np.ndarray:
    if column not in known.columns:
        raise DisclosureError(f"known: no column {column!r}")
    numbers = pd.to_numeric(known[column], errors="coerce").to_numpy(float, na_value=np.nan)
    wrong = ~np.isfinite(numbers) | (numbers != np.rint(numbers))
    if wrong.any():
        raise DisclosureError(f"known: {column} of {grid.name_of(known, wrong)} is no whole number")
    return numbers.astype(np.int64)


def _of_area(grid: Grid, values: np.ndarray, public: np.ndarray, given: Bounds) -> Bounds:
    """A x R: the least and the most that some known cell of an area says of each of its rows; FAR where none does."""
    (low, high), (least, most) = given, (given[0].copy(), given[1].copy())
    bounded = (low > 0) | (high < FAR)
    shared = grid.rows @ grid.rows.T
    size = shared.diagonal()
    for row in np.flatnonzero(bounded.any(axis=0)).tolist():
        area = np.flatnonzero(bounded[:, row])
        below, above, support = low[area, row][:, None], high[area, row][:, None], grid.support[area]

        def say(rows: np.ndarray, lowest: np.ndarray, highest: np.ndarray, area: np.ndarray = area) -> None:
            at = np.ix_(area, rows)
            least[at], most[at] = np.maximum(least[at], lowest), np.minimum(most[at], highest)

        around, inside = np.flatnonzero(shared[row] == size[row]), np.flatnonzero(shared[row] == size)
        say(around, below, np.where(support[:, around] == support[:, [row]], above, FAR))
        say(inside, np.where(support[:, inside] == support[:, [row]], below, 0), above)
        for whole in around[public[np.ix_(area, around)].any(axis=0)].tolist():
            rest = np.flatnonzero((shared[whole] == size) & (shared[row] == 0))
            total, open_to = values[area, whole][:, None], public[area, whole][:, None]
            filled = open_to & (support[:, rest] + support[:, [row]] == support[:, [whole]])
            say(rest, np.where(filled, total - above, 0), np.where(open_to, total - below, FAR))
    return least, most


def _ends(grid: Grid, primary: Primary, small: np.ndarray, heard: np.ndarray, bounds: Bounds) -> dict[str, np.ndarray]:
    """What must stay possible: within what bounds leave of the areas around where some is known, itself among them."""
    (low, high), members, units = bounds, grid.members, slice(grid.areas.leaves)
    low_end, high_end = primary.low_end.copy(), primary.high_end.copy()
    least, most = members @ low[units].clip(0), members @ high[units]
    shared = sparse.coo_array(members @ members.T)
    within = shared.data == np.asarray(members.sum(axis=1)).ravel()[shared.row]
    part, area = shared.row[within], shared.col[within]
    pair, row = np.nonzero(small[part] & heard[area])
    part, area = part[pair], area[pair]
    np.maximum.at(low_end, (part, row), low[area, row] - most[area, row] + most[part, row])
    np.minimum.at(high_end, (part, row), high[area, row] - least[area, row] + least[part, row])
    return {"low_end": low_end, "high_end": high_end}
