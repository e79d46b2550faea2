"""The layout of a table with noise follows from the register alone."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from disclosure import perturb
from disclosure.errors import DisclosureError
from disclosure.hierarchy import Hierarchy
from disclosure.keys import Keys
from disclosure.perturb import Ask, Design, measure
from tests.disclosure.noise_checks import check_keys
from tests.disclosure.noisy_world import QUERIES, ZEROS, arguments, counts_of, dimensions

KEYS = Keys.of(dimensions(), moves="step", structural_zeros=ZEROS)


def test_rows_are_what_can_exist() -> None:
    """Eight shops of two items, less the two rows that cannot exist; two moods; four steps."""
    assert KEYS.shape == (14, 2, 4)


@pytest.mark.parametrize(("query", "cells"), list(zip([query for query, _ in QUERIES], [14, 8, 6, 4, 2], strict=True)))
def test_a_query_has_one_cell_per_key(query: dict[str, str], cells: int) -> None:
    """Every node of the level that some row belongs to, and every such row once."""
    members = KEYS.cells(query)
    assert members.shape == (cells, 14)
    assert members.max() == 1


@pytest.mark.parametrize(
    "query", [{"shop": ["s1", "all"]}, {"shop": ["s1"]}, {"item": ["apple", "any"]}, {"shop": "x"}]
)
def test_a_query_of_anything_but_levels_is_refused_unseen(query: Any) -> None:  # noqa: ANN401  what is no query
    """Codes of several levels would count an enrolment as often, at the price of once; no count is looked at."""
    design = Design("gaussian", (Ask(query, 1000), Ask({"shop": "all"}, 1000)), moves="step")
    with pytest.raises(DisclosureError, match=r"ask for one level by name|no level"):
        measure(pd.DataFrame(), **arguments(), design=design)


def test_no_noise_but_two_is_drawn() -> None:
    """A mechanism nobody knows is refused before a count is looked at, and is not taken for Laplace."""
    design = Design("gauss", (Ask({"shop": "all"}, 1000),), moves="step")  # type: ignore[arg-type]  on purpose
    with pytest.raises(DisclosureError, match="no mechanism 'gauss'; there are gaussian, laplace"):
        measure(pd.DataFrame(), **arguments(), design=design)


@pytest.mark.parametrize("column", ["mood", "sise"])
def test_rows_that_cannot_exist_are_named_by_their_dimensions(column: str) -> None:
    """A column that says nothing of rows, misspelt or not, is not read as if every row were meant."""
    with pytest.raises(DisclosureError, match=f"structural_zeros: no dimension '{column}'"):
        Keys.of(dimensions(), moves="step", structural_zeros=ZEROS.assign(**{column: "x"}))


def test_a_table_and_its_frame_are_the_same() -> None:
    """Laying out and writing back gives every count its own place."""
    table = KEYS.table(counts_of(np.full((8, 2), 20), 3), "n")
    assert np.array_equal(KEYS.table(KEYS.frame(table, "n"), "n"), table)


def test_keys_do_not_follow_from_counts() -> None:
    """A table of noughts, or one with most lines missing, is answered cell for cell like a full one."""
    check_keys(measure)


def test_keys_from_the_data_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that only answers rows with a count does not pass the same check."""

    def from_data(keys: Keys, table: np.ndarray, *rest: object) -> object:
        empty = ~table.any(axis=(1, 2)).reshape(-1)
        place = keys.available.copy()
        place[tuple(axis[empty] for axis in keys.rows)] = False
        less = Keys(keys.unit, keys.profile, keys.kinds, keys.steps, place)
        return drawn(less, table[~empty], *rest)  # type: ignore[arg-type]  # the rest as it came

    drawn = perturb._measured
    monkeypatch.setattr(perturb, "_measured", from_data)
    with pytest.raises(AssertionError):
        check_keys(measure)


def test_members_without_a_lookup_are_refused() -> None:
    """Kinds that would be read from the counts are an error."""
    laid = dimensions() | {"mood": Hierarchy.separate("mood")}
    with pytest.raises(DisclosureError, match="mood: name its members"):
        Keys.of(laid, moves="step", structural_zeros=None)


@pytest.mark.parametrize(("change", "message"), [
    (lambda frame: frame.assign(n=frame["n"] - 2000), "whole number"),
    (lambda frame: frame.assign(n=frame["n"] + 0.5), "whole number"),
    (lambda frame: frame.iloc[[0, 0]], "twice"),
    (lambda frame: frame.iloc[1:], "different totals"),
    (lambda frame: frame.assign(shop="s1", item="pear").iloc[:1], "impossible"),
    (lambda frame: frame.assign(shop="elsewhere"), "unknown code"),
    (lambda frame: frame.drop(columns="n"), "n: no such column"),
    (lambda frame: frame.drop(columns="mood"), "mood: no such column"),
])  # fmt: skip
def test_wrong_counts_are_refused_without_a_figure(change: object, message: str) -> None:
    """Every fault of a table is an error that says what is wrong and never how much was counted."""
    counts = counts_of(np.full((8, 2), 1234), 3)
    with pytest.raises(DisclosureError, match=message) as caught:
        KEYS.table(change(counts), "n")  # type: ignore[operator]  # a function of the table
    assert "1234" not in str(caught.value)


@pytest.mark.parametrize("moves", ["colour", "mood"])
def test_an_enrolment_must_have_somewhere_to_move(moves: str) -> None:
    """The privacy unit moves along a dimension of the table that has a total."""
    with pytest.raises(DisclosureError, match=r"move along|add up"):
        Keys.of(dimensions(), moves=moves, structural_zeros=None)
