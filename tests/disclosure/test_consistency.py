"""One table out of many noisy ones: everything adds up, nothing is negative, and it is nearer to the truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disclosure import Inequality, perturb
from disclosure.consistency.nonnegative import on_simplex
from disclosure.consistency.squares import Squares
from disclosure.consistency.whole import whole
from disclosure.errors import DisclosureError, OtherLayoutError
from disclosure.keys import Keys
from disclosure.noise import sampler_of
from disclosure.perturb import Ask, Design, Measured, estimate, expected_error, measure
from tests.disclosure.noisy_world import PLACES, QUERIES, ZEROS, Fixed, arguments, counts_of, design, dimensions

KEYS = Keys.of(dimensions(), moves="step", structural_zeros=ZEROS)
heads = st.lists(st.integers(0, 60), min_size=16, max_size=16).map(lambda found: np.array(found).reshape(8, 2))


@settings(max_examples=40)
@given(heads, st.integers(0, 2**32 - 1), st.sampled_from([0.5, 5.0, 50.0]))
def test_a_consistent_table_is_whole_and_keeps_every_head_count(found: np.ndarray, seed: int, width: float) -> None:
    """Whatever the noise: whole numbers from 0 up, and per kind the public head-count of every row."""
    rng = np.random.default_rng(seed)
    true = KEYS.table(counts_of(found, seed), "n")
    answers = tuple(
        np.rint(KEYS.cells(query) @ true.reshape(14, -1) + rng.normal(0, width, (cells, 8)))
        .astype(int)
        .reshape(cells, 2, 4)
        for (query, _), cells in zip(QUERIES, (14, 8, 6, 4, 2), strict=True)
    )
    made = estimate(Measured(KEYS.layout, true[:, 0].sum(axis=1), answers), **arguments(), design=design())
    table = KEYS.table(made.counts, "n")
    assert (table >= 0).all()
    assert np.array_equal(table.sum(axis=2), true.sum(axis=2))


@settings(max_examples=40)
@given(heads, st.integers(0, 2**32 - 1))
def test_without_noise_the_table_is_the_truth(found: np.ndarray, seed: int) -> None:
    """Answers without noise are made into the very table they come from."""
    counts = counts_of(found, seed)
    true = KEYS.table(counts, "n")
    measured = perturb._measured(KEYS, true, design(), Fixed(sampler_of("gaussian", 2)))
    made = estimate(measured, **arguments(), design=design())
    assert np.array_equal(KEYS.table(made.counts, "n"), true)


def test_the_same_answers_give_the_same_table() -> None:
    """Making consistent involves no chance: bytes that were kept give the same figures again."""
    measured = measure(counts_of(np.full((8, 2), 25), 5), **arguments(), design=design())
    again = Measured.from_bytes(measured.to_bytes())
    first, second = (estimate(each, **arguments(), design=design()).counts for each in (measured, again))
    assert first.equals(second)


@pytest.mark.parametrize("changed", [
    {"dimensions": dimensions(PLACES.assign(town=["t2", "t1", "t1", "t1", "t2", "t3", "t3", "t3"]))},
    {"structural_zeros": ZEROS.assign(item=["apple", "pear"])},
    {"dimensions": dimensions(PLACES.assign(shop=[f"s{number}" for number in (0, 1, 2, 3, 4, 5, 6, 8)]))},
])  # fmt: skip
def test_answers_are_read_as_the_cells_they_are_of(changed: dict[str, object]) -> None:
    """Kept answers go by place: where units changed areas since, other rows can exist or one is new, none is made."""
    measured = measure(counts_of(np.full((8, 2), 25), 5), **arguments(), design=design())
    with pytest.raises(OtherLayoutError):
        estimate(Measured.from_bytes(measured.to_bytes()), **(arguments() | changed), design=design())


def test_orders_that_hold_in_truth_bring_the_table_nearer() -> None:
    """Moods of which one is part of the other: knowing so makes the mean error smaller, not larger."""
    order = [Inequality({"mood": "glad", "step": "high"}, {"mood": "sad", "step": "high"})]
    errors = np.zeros(2)
    for seed in range(25):
        heads = np.random.default_rng(seed).integers(5, 30, (8, 2))
        counts = counts_of(heads, seed)
        glad = counts["mood"] == "glad"
        counts.loc[glad, "n"] = counts.loc[~glad, "n"].to_numpy()
        true = KEYS.table(counts, "n")
        measured = measure(counts, **arguments(), design=design())
        for place, known in enumerate(([], order)):
            made = estimate(measured, **arguments(), design=design(), inequalities=known)
            errors[place] += np.abs(KEYS.table(made.counts, "n") - true).mean()
    assert errors[1] < errors[0]


def test_single_units_alone_are_refused_before_a_count_is_looked_at() -> None:
    """The areas would be left to chance: said while the budget can still be kept."""
    alone = Design("gaussian", (Ask({"shop": "shop"}, 1000),), "step")
    unseen = pd.DataFrame()
    with pytest.raises(DisclosureError, match="some area"):
        measure(unseen, **arguments(), design=alone)


def test_nothing_is_drawn_of_a_design_that_asks_for_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A level that the table has not, asked last, is told before the first draw."""
    drawing = Fixed(sampler_of("gaussian", 2))
    monkeypatch.setattr(drawing, "draw", lambda *_: pytest.fail("drawn"))
    monkeypatch.setattr(perturb, "sampler_of", lambda *_: drawing)
    wrong = Design("gaussian", (Ask({"shop": "town"}, 1000), Ask({"shop": "village"}, 1000)), "step")
    with pytest.raises(DisclosureError, match="village"):
        measure(counts_of(np.full((8, 2), 25), 5), **arguments(), design=wrong)


@pytest.mark.parametrize("cell", [{"mood": "glad"}, {"mood": "glad", "step": "a", "shop": "s1"}])
def test_an_order_names_one_cell_of_every_row(cell: dict[str, str]) -> None:
    """An order over part of the dimensions, or over some rows only, is refused."""
    with pytest.raises(DisclosureError, match="every cell names"):
        KEYS.orders([Inequality(cell, cell)])


@given(st.lists(st.lists(st.floats(-50, 80), min_size=4, max_size=4), min_size=1, max_size=6), st.integers(0, 100))
def test_the_simplex_is_kept(rows: list[list[float]], head: int) -> None:
    """What is projected is not negative, adds up, and no other point of the simplex tried is nearer."""
    table = np.array(rows)
    totals = np.full(len(rows), head)
    near = on_simplex(table, totals)
    assert (near >= 0).all()
    assert near.sum(axis=1) == pytest.approx(totals, abs=1e-6)
    corners = head * np.eye(4)
    for corner in corners:
        inside = 0.9 * near + 0.1 * corner
        assert (((near - table) ** 2).sum(axis=1) <= ((inside - table) ** 2).sum(axis=1) + 1e-6).all()


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_rounding_keeps_rows_and_columns(rows: int, seed: int) -> None:
    """Any table of fractions, and sums that other tables of these rows have: both directions come out exact."""
    rng = np.random.default_rng(seed)
    goal = rng.integers(0, 9, (rows, 4))
    table = on_simplex(goal + rng.normal(0, 2, (rows, 4)), goal.sum(axis=1))
    made = whole(table, goal.sum(axis=1), goal.sum(axis=0))
    assert (made >= 0).all()
    assert np.array_equal(made.sum(axis=1), goal.sum(axis=1))
    assert np.array_equal(made.sum(axis=0), goal.sum(axis=0))


def test_least_squares_is_that_of_the_textbook() -> None:
    """The answer and its covariance by Woodbury are those of the plain normal equations."""
    rng = np.random.default_rng(3)
    answers = perturb._answers(KEYS, design(), [rng.normal(0, 9, (cells, 2, 4)) for cells in (14, 8, 6, 4, 2)])
    squares = Squares(answers, *KEYS.rows)
    stacked = np.vstack([answer.members.toarray() / np.sqrt(answer.variance) for answer in answers])
    normal = np.linalg.inv(stacked.T @ stacked)
    noisy = [answer.members.T @ np.reshape(answer.values, (-1, 8)) / answer.variance for answer in answers]
    right = sum(noisy)
    assert squares.solve(right) == pytest.approx(normal @ right, rel=1e-4, abs=1e-4)
    towns = KEYS.cells({"shop": "town"}).astype(float)
    assert squares.covariance(towns) == pytest.approx((towns @ normal @ towns.T), rel=1e-4)
    assert squares.variances(towns) == pytest.approx(np.diag(towns @ normal @ towns.T), rel=1e-4)


def test_intervals_hold_what_they_promise() -> None:
    """Over many draws about 95 % of the intervals, never far fewer, hold the true figure; totals are exact."""
    inside: list[np.ndarray] = []
    for seed in range(25):
        counts = counts_of(np.random.default_rng(seed).integers(30, 300, (8, 2)), seed)
        made = estimate(measure(counts, **arguments(), design=design()), **arguments(), design=design())
        towns = KEYS.cells({"shop": "town"})
        frame = _cells_of_towns(towns @ KEYS.table(made.counts, "n").reshape(14, -1))
        bounds = made.intervals(frame)
        true = (towns @ KEYS.table(counts, "n").reshape(14, -1)).ravel()
        inside.append(((bounds["lower"] <= true) & (true <= bounds["upper"])).to_numpy(bool))
    assert np.mean(inside) >= 0.94


def _cells_of_towns(values: np.ndarray) -> pd.DataFrame:
    """The frame of a protected table: towns by item, mood and step."""
    lines = [
        {
            "shop": town, "shop_level": "town", "item": item, "item_level": "item",
            "mood": mood, "mood_level": "mood", "step": step, "step_level": "step",
        }
        for town in ("t1", "t2", "t3")
        for item in ("apple", "pear")
        for mood in KEYS.kinds[0].codes
        for step in KEYS.steps.codes[:4]
    ]  # fmt: skip
    return pd.DataFrame(lines).assign(value=pd.array(values.ravel(), "Int64"))


def test_head_counts_have_no_interval() -> None:
    """A total over the steps is public: its bounds are the figure itself."""
    made = estimate(
        measure(counts_of(np.full((8, 2), 40), 2), **arguments(), design=design()), **arguments(), design=design()
    )
    frame = _cells_of_towns(np.full((6, 8), 40)).iloc[:1].assign(step="any", step_level="any")
    assert made.intervals(frame).to_numpy().tolist() == [[40, 40]]


def test_the_error_that_is_announced_is_the_error_that_comes() -> None:
    """Before anything is drawn the mean error per query is known within a tenth."""
    plan = design()
    announced = [error for _, error in expected_error(dimensions(), structural_zeros=ZEROS, design=plan)]
    seen = np.zeros(5)
    for seed in range(25):
        counts = counts_of(np.full((8, 2), 4000), seed)
        true = KEYS.table(counts, "n").reshape(14, -1)
        made = estimate(measure(counts, **arguments(), design=plan), **arguments(), design=plan)
        off = KEYS.table(made.counts, "n").reshape(14, -1) - true
        seen += [float(np.abs(KEYS.cells(query) @ off).mean()) / 25 for query, _ in QUERIES]
    assert seen == pytest.approx(announced, rel=0.15)
