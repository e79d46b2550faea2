"""Replay of the suppressor on every table there can be: what does the pattern itself say?

The reader knows the method and everything published, not the seed. For a release it keeps each table that shows the
same figures and hides the same cells for some seed. The fewer seeds are tried, the more tables it drops, so every share
measured here is an upper bound of what all seeds together would give.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from disclosure import Terms, ThresholdRule
from disclosure.grid import build_grid
from disclosure.problem import pose
from disclosure.secondary import find_pattern
from tests.attacks.suppression import one_mood
from tests.disclosure.world import case

Counts = tuple[int, ...]


class Share(NamedTuple):
    """Small cells of every release of every table: how many, and how many a replay narrows or gives away."""

    cells: int
    narrowed: int
    exact: int


class Family:
    """All tables of some shops with the same total: each shop has 12 heads, of which n bought i1.

    Args:
        towns: the town of each shop.
        total: of i1 over all shops.
        least: the minimum of the rule.
    """

    def __init__(self, towns: Sequence[str], total: int, least: int) -> None:
        self.rule = ThresholdRule(minimum=least)
        self.heads = 12
        self.tables = [n for n in product(range(total + 1), repeat=len(towns)) if sum(n) == total]
        places = [(f"s{number}", town, "c1", "o") for number, town in enumerate(towns, 1)]
        first = case(places, one_mood(*self._lines(self.tables[0])), rule=self.rule)
        self.terms = Terms(**first.arguments())
        self.grid = build_grid(self.terms.dimensions, first.counts, None, None)

    def _lines(self, counts: Counts) -> list[list[int]]:
        return [[self.heads - n, n] for n in counts]

    def release(self, counts: Counts, seed: bytes) -> bytes:
        """What is published of a table: which cells, and their figures."""
        problem = pose(self.grid, np.array(self._lines(counts)), self.terms, seed=seed)
        pattern = find_pattern(problem, seed)
        shown = pattern.shown & problem.listed
        return shown.tobytes() + problem.figures[shown].tobytes()

    def replayed(self, seeds: Sequence[bytes]) -> Share:
        """Attack every release of every table with these seeds."""
        possible: dict[bytes, set[Counts]] = defaultdict(set)
        for counts, seed in product(self.tables, seeds):
            possible[self.release(counts, seed)].add(counts)
        found = [verdict for tables in possible.values() for verdict in self._verdicts(tables)]
        return Share(len(found), sum(found_ != "safe" for found_ in found), found.count("exact"))

    def _verdicts(self, tables: set[Counts]) -> Iterator[str]:
        """Of each small shop of each table that gives one release, given that all these tables do."""
        values = np.array(sorted(tables))
        low, high = values.min(axis=0), values.max(axis=0)
        for place in np.argwhere(values <= self.rule.highest)[:, 1]:
            if low[place] == high[place]:
                yield "exact"
            else:
                yield "narrowed" if low[place] > 0 or high[place] < self.rule.highest else "safe"
