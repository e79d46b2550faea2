"""What follows from a release: for everybody exactly the sums and differences of what is listed or public."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from disclosure import Hierarchy, Terms, ThresholdRule
from disclosure.attacker.arithmetic import work_out
from disclosure.attacker.layout import lay_cells
from disclosure.attacker.relations import relate
from disclosure.following import follow
from disclosure.grid import Grid, build_grid
from disclosure.primary import find_listed
from tests.attacks.test_suppression_random_lists import LINES


@dataclass(frozen=True)
class Listed:
    """A layout with cells that are listed and cells that are public."""

    terms: Terms
    counts: pd.DataFrame
    grid: Grid
    listed: np.ndarray
    public: np.ndarray

    @property
    def nobody(self) -> np.ndarray:
        """No shop has an owner."""
        return np.full((self.grid.areas.leaves, 1), -1)


def at_random(seed: int) -> Listed:
    """Four to eight shops in towns and chains, two to four items, some impossible; a random list."""
    rng = np.random.default_rng(seed)
    shops, items = [f"s{n}" for n in range(rng.integers(4, 9))], [f"i{n}" for n in range(rng.integers(2, 5))]
    places = pd.DataFrame({"shop": shops, "all": "all"})
    for level in ("town", "chain"):
        places[level] = [f"{level}{n}" for n in rng.integers(0, len(shops) // 2, len(shops))]
    zero = rng.random((len(shops), len(items))) < rng.choice([0, 0.3, 0.5])
    zero[np.arange(len(shops)), rng.integers(0, len(items), len(shops))] = False
    counts = pd.MultiIndex.from_product([shops, items], names=["shop", "item"]).to_frame(index=False).assign(n=10)
    publish = [dict(line) for line in LINES if rng.random() < 0.5] or [{}]
    for line in publish:
        if line and rng.random() < 0.3:
            line["shop"] = sorted(places[line["shop"]].unique())[1:] or line["shop"]
    terms = Terms(
        dimensions={
            "shop": Hierarchy("shop", places, paths=[("town", "all"), ("chain", "all")]),
            "item": Hierarchy("item", pd.DataFrame({"item": items, "any": "any"}), paths=[("any",)]),
        },
        count="n",
        rule=ThresholdRule(),
        public=[{**line, "item": "any"} for line in LINES[::2] if rng.random() < 0.2],
        publish=publish,
        structural_zeros=counts.loc[zero.ravel(), ["shop", "item"]],
    )
    counts = counts[~zero.ravel()].reset_index(drop=True)
    grid = build_grid(terms.dimensions, counts, terms.structural_zeros, None, {"item"})
    figures = grid.cells(grid.leaf_table(counts, counts["n"].to_numpy()))
    return Listed(terms, counts, grid, *find_listed(grid, figures, terms.publish, terms.public))


def spanned(grid: Grid, known: np.ndarray) -> np.ndarray:
    """The cells in the span of known ones, by the singular values of the whole table: slow, small and plain."""
    areas, rows = grid.members.toarray(), grid.rows
    every = np.einsum("au,rp->arup", areas, rows)[..., grid.available].reshape(known.size, -1).astype(float)
    _, sizes, base = np.linalg.svd(every[known.ravel()], full_matrices=False)
    base = base[sizes > 1e-9]
    return np.asarray(np.abs(every - every @ base.T @ base).max(axis=1) < 1e-6).reshape(known.shape)


def named_alike(grid: Grid, known: np.ndarray) -> np.ndarray:
    """Cells that are a known cell of the same area under another name."""
    lines = np.where(grid.members.toarray() > 0, 1, 0)[:, None, :, None] * grid.rows[None, :, None, :]
    names = (lines * grid.available).reshape(*known.shape, -1)
    return np.array(
        [
            [any((cell == other).all() for other in area[told]) for cell in area]
            for area, told in zip(names, known, strict=True)
        ]
    )


@settings(max_examples=40)
@given(st.integers(0, 10**6))
@example(53)  # a town, which only several areas together give
@example(1847)  # a shop
def test_what_follows_is_what_listed_and_public_cells_span(seed: int) -> None:
    """No cell too few, and none too many: the rank of the whole table says the same."""
    table = at_random(seed)
    grid, told = table.grid, table.listed | table.public
    wanted = spanned(grid, told) & ~spanned(grid, table.public) & ~named_alike(grid, table.listed)
    found = follow(grid, table.listed, table.public, table.nobody).cells
    exists = grid.contributors > 0
    assert (found & exists == wanted & exists).all()


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_the_judge_works_out_the_same(seed: int) -> None:
    """Two programs that share no code: the same cells, and the same rests."""
    table = at_random(seed)
    grid, nodes = table.grid, len(table.grid.areas.codes)
    layout = lay_cells(relate(table.terms.dimensions, table.counts, table.terms.structural_zeros), grid.unit)
    listed, public = (np.zeros((layout.members.shape[0], len(layout.rows)), bool) for _ in range(2))
    listed[:nodes], public[:nodes] = table.listed[:nodes], table.public[:nodes]
    theirs, ours = (
        work_out(layout, listed, public, table.nobody),
        follow(grid, table.listed, table.public, table.nobody),
    )
    exists = grid.contributors[:nodes] > 0
    assert (theirs.cells[:nodes] & exists == ours.cells[:nodes] & exists).all()
    assert theirs.layout.members.shape[0] - layout.members.shape[0] == len(ours.rests)
