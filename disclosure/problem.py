"""Everything the search for secondary cells works on: cells, what is known of them, what must stay possible."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from disclosure.errors import DisclosureError
from disclosure.following import follow
from disclosure.grid import Grid
from disclosure.insiders import Remainders, find_remainders
from disclosure.known import primary_of
from disclosure.primary import Primary, find_listed
from disclosure.terms import Terms, Weight

TOGETHER = 8  # regions searched at once for what one of them alone cannot do


@dataclass(frozen=True, eq=False)
class Problem:
    """A confidential table with everything that decides about its cells (shapes as in `Grid`).

    Attributes:
        grid: the layout.
        leaves: U x P counts.
        figures: A x R counts.
        listed: A x R, the cells of the release.
        primary: small cells, told bounds and ends.
        remainders: what insiders could find by subtraction.
        unsafe: A x R, listed cells that are unsafe by themselves.
        hidden: A x R, listed cells that cannot be shown whatever else is: those, and what the terms hide.
        lines: I x P coefficients of the inequalities (larger - smaller).
        insider: U x most, numbers of the insiders that own a unit, then -1.
        unseen: F x P, changes of the sum over some units that no cell above them shows.
        cost: A x R, how much each cell is wanted: public sizes, weights and the secret seed, never counts.
    """

    grid: Grid
    leaves: np.ndarray
    figures: np.ndarray
    listed: np.ndarray
    primary: Primary
    remainders: Remainders
    unsafe: np.ndarray
    hidden: np.ndarray
    lines: np.ndarray
    insider: np.ndarray
    unseen: np.ndarray
    cost: np.ndarray

    @cached_property
    def owners(self) -> tuple[frozenset[int], ...]:
        """Per area the insiders that own some unit of it."""
        members = self.grid.members
        return tuple(
            frozenset(self.insider[units].ravel().tolist()) - {-1}
            for units in np.split(members.indices, members.indptr[1:-1])
        )

    @cached_property
    def groups(self) -> np.ndarray:
        """U: equal numbers for units with the same areas and rests above them; exchanges between them touch neither."""
        above = sparse.csr_array(self.grid.members[self.grid.areas.leaves :].T)
        numbers: dict[bytes, int] = {}
        chains = np.split(above.indices, above.indptr[1:-1])
        return np.array([numbers.setdefault(np.sort(chain).tobytes(), len(numbers)) for chain in chains])

    @cached_property
    def regions(self) -> np.ndarray:
        """U: equal numbers for units in the same area of the coarsest level that is not one area; -1 outside it."""
        axis = self.grid.areas
        sizes = [int((axis.level == level).sum()) for level in range(len(axis.levels))]
        level = min(range(len(sizes)), key=lambda place: (place == 0 or sizes[place] == 1, sizes[place]))
        region = np.full(axis.leaves, -1)
        if level:
            nodes = np.flatnonzero(axis.level == level)
            row, column = axis.members[nodes].nonzero()
            region[column] = row
        return region

    @cached_property
    def districts(self) -> np.ndarray:
        """U: equal numbers for `TOGETHER` regions, those that share areas rather than others."""
        regions, place = np.unique(self.regions, return_inverse=True)
        inside = sparse.csr_array((np.ones(len(place), int), (np.arange(len(place)), place)))
        touched = sparse.csr_array(self.grid.members @ inside > 0).astype(np.int64)
        touched = touched[np.flatnonzero(touched.sum(axis=1) < len(regions))]
        shared = (touched.T @ touched).toarray()
        district = np.full(len(regions), -1)
        while (district < 0).any():
            joined = district == district.max() + 1
            for _ in range(TOGETHER):
                free = (district < 0) & ~joined
                joined[np.argmax(np.where(free, shared[joined].sum(axis=0), -1))] |= free.any()
            district[joined] = district.max() + 1
        return np.asarray(district[place])


def pose(grid: Grid, leaves: np.ndarray, terms: Terms, *, seed: bytes) -> Problem:
    """Build the arrays.

    Raises:
        DisclosureError: a pattern or inequality that names an unknown dimension, level or code.
    """
    rule, insider = terms.rule, terms.owners(grid.areas)
    listed, public = find_listed(grid, grid.cells(leaves), terms.publish, terms.public)
    following = follow(grid, listed, public, insider)
    grid = replace(grid, rests=tuple(units for units, _ in following.rests))
    values = grid.cells(leaves)
    listed = np.concatenate([listed, np.zeros((len(following.rests), listed.shape[1]), bool)])
    watched = listed | grid.derivable(listed) | np.vstack([following.cells, *(rows for _, rows in following.rests)])
    for pattern in terms.watch:
        watched |= np.outer(*grid.select(pattern)) & (grid.contributors > 0)
    primary = primary_of(grid, values, listed, watched, terms)
    remainders = find_remainders(grid, values, primary, watched, following, rule=rule, insider=insider)
    unsafe = primary.small | primary.withheld
    unsafe[remainders.area, remainders.row] = True
    small = (values >= rule.lowest) & (values <= rule.highest)
    unsafe = np.where(primary.known, small, unsafe) & listed
    hidden = unsafe.copy()
    if terms.hidden is not None:
        hidden[grid.place(terms.hidden)] = True
    return Problem(
        grid=grid,
        leaves=leaves,
        figures=values,
        listed=listed,
        primary=primary,
        remainders=remainders,
        unsafe=unsafe,
        hidden=hidden,
        lines=_check_lines(grid, leaves, grid.inequalities(terms.inequalities)),
        insider=insider,
        unseen=np.concatenate([leaves[:0], *(grid.along(name, change) for name, change in terms.unseen.items())]),
        cost=price(grid, terms.weights, seed),
    )


def _check_lines(grid: Grid, leaves: np.ndarray, lines: np.ndarray) -> np.ndarray:
    unit = np.flatnonzero((leaves @ lines.T < 0).any(axis=1))
    if len(unit):
        raise DisclosureError(
            f"inequalities: the counts of {grid.areas.name} {grid.areas.codes[unit[0]]!r} break one; correct or drop it"
        )
    return lines


def price(grid: Grid, weights: Sequence[Weight], seed: bytes) -> np.ndarray:
    """A x R: the price of hiding each cell, from the wishes of users and the secret seed."""
    shape = grid.contributors.shape
    wanted = np.ones(shape, np.float32)
    for pattern, factor in weights:
        areas, rows = grid.select(pattern)
        wanted[np.ix_(areas, rows)] *= factor
    return np.asarray(wanted * (1 + shuffle(seed, b"price", shape)))


def shuffle(seed: bytes, purpose: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1) from the secret seed: SHAKE-256 in counter-free form, the same on every machine."""
    stream = hashlib.shake_256(len(seed).to_bytes(8, "big") + seed + purpose).digest(4 * int(np.prod(shape)))
    return (np.frombuffer(stream, ">u4") / 2**32).astype(np.float32).reshape(shape)
