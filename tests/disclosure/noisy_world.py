"""A small table with noise for the tests: shops by town and by chain, items that add up, moods, and steps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from disclosure.hierarchy import Hierarchy
from disclosure.noise import Mechanism, Sampler
from disclosure.perturb import Ask, Design

MOODS = ("glad", "sad")
STEPS = ("a", "b", "c", "d")
PLACES = pd.DataFrame(
    {
        "shop": [f"s{number}" for number in range(8)],
        "town": ["t1", "t1", "t1", "t2", "t2", "t3", "t3", "t3"],
        "chain": ["c1", "c1", "c2", "c2", "c1", "c1", "c2", None],
        "all": "all",
    }
)
ZEROS = pd.DataFrame({"shop": ["s1", "s6"], "item": ["pear", "apple"]})
QUERIES: tuple[tuple[dict[str, str], int], ...] = (
    ({}, 500_000),
    ({"item": "any"}, 100_000),
    ({"shop": "town"}, 100_000),
    ({"shop": "chain"}, 100_000),
    ({"shop": "all"}, 200_000),
)


def dimensions(places: pd.DataFrame = PLACES, moods: Sequence[str] = MOODS) -> dict[str, Hierarchy]:
    """Every dimension with a lookup."""
    return {
        "shop": Hierarchy("shop", places, paths=[("town", "all"), ("chain", "all")]),
        "item": Hierarchy("item", pd.DataFrame({"item": ["apple", "pear"], "any": "any"}), paths=[("any",)]),
        "mood": Hierarchy("mood", pd.DataFrame({"mood": list(moods)})),
        "step": Hierarchy(
            "step", pd.DataFrame({"step": STEPS, "half": ["low", "low", "high", "high"], "any": "any"}),
            paths=[("half", "any")],
        ),
    }  # fmt: skip


def design(scale: int = 1, mechanism: Mechanism = "gaussian") -> Design:
    """Five queries over all levels, at a multiple of rho or epsilon 1."""
    return Design(mechanism, tuple(Ask(query, part * scale) for query, part in QUERIES), "step")


def counts_of(heads: np.ndarray, seed: int, moods: Sequence[str] = MOODS) -> pd.DataFrame:
    """Counts with these head-counts (shops x items), spread over the steps by chance; impossible rows are left out."""
    rng = np.random.default_rng(seed)
    gone = set(ZEROS.itertuples(index=False, name=None))
    lines = []
    for (shop, item), head in np.ndenumerate(heads):
        row = (PLACES["shop"][shop], ["apple", "pear"][item])
        if row in gone:
            continue
        for mood in moods:
            split = rng.multinomial(head, [0.6, 0.3, 0.08, 0.02])
            lines += [(*row, mood, step, int(n)) for step, n in zip(STEPS, split, strict=True)]
    return pd.DataFrame(lines, columns=["shop", "item", "mood", "step", "n"])


def arguments(places: pd.DataFrame = PLACES, moods: Sequence[str] = MOODS) -> dict[str, Any]:
    """What `measure` and `estimate` need beside counts and design."""
    return {"dimensions": dimensions(places, moods), "count": "n", "structural_zeros": ZEROS}


class Fixed(Sampler):
    """A sampler for tests: adds the same number to every value, at OpenDP's price."""

    def __init__(self, real: Sampler, added: int = 0) -> None:
        self.real, self.added = real, added

    def loss(self, scale: float) -> float:
        return self.real.loss(scale)

    def draw(self, values: Sequence[int], scale: float) -> list[int]:
        assert scale > 0
        return [value + self.added for value in values]
