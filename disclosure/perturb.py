"""Counts with noise: drawn once against a budget, then made consistent as often as one likes.

`measure` is the only step that looks at the counts, and it never happens twice for one release. `Measured` holds no
confidential figure: head-counts are public and the rest is noise over counts.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from scipy import sparse

from disclosure.consistency import consistent
from disclosure.consistency.squares import Answer, Squares
from disclosure.errors import DisclosureError, OtherLayoutError
from disclosure.hierarchy import Hierarchy
from disclosure.keys import Keys, Query
from disclosure.noise import Mechanism, Sampler, sampler_of, smallest_scale, spread
from disclosure.rules import Inequality

_SURE = 1.959963984540054  # two-sided 95 % of the normal distribution
_MEAN_OF_NORMAL = np.sqrt(2 / np.pi)
_SAMPLED = 300


@dataclass(frozen=True, slots=True)
class Ask:
    """One query of the whole table and the millionths of budget it costs; levels per dimension, leaves if not named."""

    query: Query
    millionths: int


@dataclass(frozen=True, slots=True)
class Design:
    """What will be asked of a table, and with which noise: fixed before anybody looks at a count.

    Attributes:
        mechanism: gaussian (budget in rho) or laplace (budget in epsilon).
        asks: the queries; one of them or more about areas of several units.
        moves: the dimension along which an enrolment can move; its totals are public.
    """

    mechanism: Mechanism
    asks: tuple[Ask, ...]
    moves: str

    @property
    def millionths(self) -> int:
        """What all queries cost together."""
        return sum(ask.millionths for ask in self.asks)


@dataclass(frozen=True, eq=False)
class Measured:
    """The answers to a design: public head-counts (n), and per query cells x kinds x steps.

    Attributes:
        layout: which cells they are the answers of, as a digest (`Keys.layout`).
    """

    layout: str
    heads: np.ndarray
    answers: tuple[np.ndarray, ...]

    def to_bytes(self) -> bytes:
        """As bytes that are kept with the release."""
        kept = io.BytesIO()
        named = {f"answer{place}": answer for place, answer in enumerate(self.answers)}
        np.savez_compressed(kept, allow_pickle=False, layout=np.array(self.layout), heads=self.heads, **named)
        return kept.getvalue()

    @classmethod
    def from_bytes(cls, kept: bytes) -> Self:
        """What `to_bytes` made."""
        with np.load(io.BytesIO(kept), allow_pickle=False) as arrays:
            answers = [arrays[f"answer{place}"] for place in range(len(arrays.files) - 2)]
            return cls(str(arrays["layout"]), arrays["heads"], tuple(answers))


def measure(
    counts: pd.DataFrame,
    *,
    dimensions: Mapping[str, Hierarchy],
    count: str,
    structural_zeros: pd.DataFrame | None,
    design: Design,
) -> Measured:
    """Draw the noise: the answers may leave, the counts may not.

    The caller still owes: a reservation of `design.millionths` that is on disk before this is called, and that this is
    called once for it.

    Args:
        counts: one column of leaf codes per dimension and the count column; absent combinations are zero.
        dimensions: description of each dimension, every one with a lookup.
        count: name of the count column.
        structural_zeros: rows that cannot exist, by public knowledge.
        design: what is asked.

    Raises:
        DisclosureError: a design of single units alone, or with a query or noise that is none, before a count is looked
            at; bad input, naming dimension and
            code but never a count.
    """
    keys = Keys.of(dimensions, moves=design.moves, structural_zeros=structural_zeros)
    sampler = sampler_of(design.mechanism, keys.shape[1])
    _demand(keys, design)
    return _measured(keys, keys.table(counts, count), design, sampler)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A table of whole numbers in which everything adds up, made of noisy answers.

    Attributes:
        counts: columns as those that were measured.
    """

    counts: pd.DataFrame
    _keys: Keys
    _heads: np.ndarray
    _squares: Squares

    def intervals(self, cells: pd.DataFrame) -> pd.DataFrame:
        """The 95 % interval of cells: columns `lower` and `upper`, whole numbers, both 0 or more.

        Args:
            cells: code and `<dimension>_level` of every dimension, and `value`; nothing is said where that is missing.
        """
        units, profiles = self._keys.place(cells)
        pairs, back = np.unique(np.stack([units, profiles]), axis=1, return_inverse=True)
        found = self._keys.crossed(pairs[0], pairs[1]).astype(float)
        deviation = np.sqrt(np.maximum(self._squares.variances(found), 0.0))[back.ravel()]
        axis = self._keys.steps
        inside = np.asarray(axis.members.sum(axis=1)).ravel()[axis.nodes(cells[axis.name], cells[f"{axis.name}_level"])]
        deviation *= np.sqrt(inside * (axis.leaves - inside) / axis.leaves)
        reach = np.where(inside < axis.leaves, np.ceil(_SURE * deviation + 0.5), 0).astype(np.int64)
        heads = np.asarray(found @ self._heads).astype(np.int64)[back.ravel()]
        absent = cells["value"].isna().to_numpy(bool)
        value = cells["value"].fillna(0).to_numpy(np.int64)
        bounds = {"lower": np.maximum(value - reach, 0), "upper": np.minimum(value + reach, heads)}
        return pd.DataFrame({name: pd.arrays.IntegerArray(ends, absent) for name, ends in bounds.items()}, cells.index)


def estimate(
    measured: Measured,
    *,
    dimensions: Mapping[str, Hierarchy],
    count: str,
    structural_zeros: pd.DataFrame | None,
    design: Design,
    inequalities: Sequence[Inequality] = (),
) -> Estimate:
    """Make the answers consistent; the same answers give the same table.

    Args:
        measured: the answers.
        dimensions: as measured.
        count: name of the count column.
        structural_zeros: as measured.
        design: as measured.
        inequalities: what holds between members that do not add up, in every row; each cell names all of them and one
            code of the steps. They bring the table nearer to the truth and hold nearly in the outcome.

    Raises:
        OtherLayoutError: dimensions or structural zeros are others than were measured.
    """
    keys = Keys.of(dimensions, moves=design.moves, structural_zeros=structural_zeros)
    if measured.layout != keys.layout:
        raise OtherLayoutError("these answers are of other cells: give the dimensions and zeros that were measured")
    answers = _answers(keys, design, measured.answers)
    squares = Squares(answers, *keys.rows)
    table = consistent(keys, measured.heads, answers, squares, keys.orders(inequalities))
    return Estimate(keys.frame(table, count), keys, measured.heads, squares)


def expected_error(
    dimensions: Mapping[str, Hierarchy], *, structural_zeros: pd.DataFrame | None, design: Design
) -> list[tuple[Query, float]]:
    """The mean absolute error of a leaf cell per query, before anything is drawn and from public facts only.

    Rounding and the ban on negative cells are left out: they make the error smaller where counts are near nought. Of a
    query with many cells some hundreds are taken, evenly spaced.
    """
    keys = Keys.of(dimensions, moves=design.moves, structural_zeros=structural_zeros)
    nothing = [np.zeros(0)] * len(design.asks)
    answers = _answers(keys, design, nothing)
    squares = Squares(answers, *keys.rows)
    shrink = _MEAN_OF_NORMAL * np.sqrt(1 - 1 / keys.steps.leaves)
    return [
        (ask.query, float(np.sqrt(squares.variances(_some(answer.members))).mean() * shrink))
        for ask, answer in zip(design.asks, answers, strict=True)
    ]


def _some(members: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array(members[:: max(1, members.shape[0] // _SAMPLED)])


def _measured(keys: Keys, table: np.ndarray, design: Design, sampler: Sampler) -> Measured:
    """The draw with any sampler; only tests hand in another than OpenDP's."""
    flat = table.reshape(len(table), -1)
    asked = [(keys.cells(ask.query), smallest_scale(sampler, ask.millionths)) for ask in design.asks]
    answers = []
    for members, scale in asked:
        true = np.asarray(members @ flat)
        noisy = sampler.draw(true.ravel().tolist(), scale)
        answers.append(np.array(noisy, np.int64).reshape(len(true), *table.shape[1:]))
    return Measured(keys.layout, table[:, 0].sum(axis=1), tuple(answers))


def _demand(keys: Keys, design: Design) -> None:
    for ask in design.asks:
        keys.cells(ask.query)
    if all(keys.is_near(ask.query) for ask in design.asks):
        raise DisclosureError("ask for the figures of some area too: single units alone leave its sums to chance")


def _answers(keys: Keys, design: Design, values: Sequence[np.ndarray]) -> list[Answer]:
    sampler = sampler_of(design.mechanism, keys.shape[1])
    _demand(keys, design)
    return [
        Answer(
            keys.cells(ask.query).astype(float),
            value.astype(float),
            spread(design.mechanism, smallest_scale(sampler, ask.millionths)) ** 2,
            keys.is_near(ask.query),
        )
        for ask, value in zip(design.asks, values, strict=True)
    ]
