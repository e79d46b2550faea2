"""Small linked tables for the tests, and a reader of releases that knows the definition and nothing of the product."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from disclosure import Build, Hierarchy, Inequality, Terms, ThresholdRule, attack, build

SEED = bytes(range(32))
NAMES = ("shop", "item", "mood")


@dataclass(frozen=True)
class Case:
    """Shops in two linked hierarchies (town and chain), items that add up, moods that do not but are ordered.

    Attributes:
        places: columns shop, town, chain, all, owner.
        counts: columns shop, item, mood, n; every combination has a row.
        rule: when a count is small.
        publish, public, zeros, inequalities, known: as `build` takes them.
        owners: whether the owners are insiders.
        also: shops with another owner that knows them too, as one that sold or bought it.
    """

    places: pd.DataFrame
    counts: pd.DataFrame
    rule: ThresholdRule = field(default_factory=ThresholdRule)
    publish: Sequence[dict[str, str | list[str]]] | None = None
    public: tuple[dict[str, str], ...] = ({"item": "any"},)
    zeros: pd.DataFrame | None = None
    inequalities: tuple[Inequality, ...] = ()
    known: pd.DataFrame | None = None
    owners: bool = False
    also: Sequence[tuple[str, str]] = ()

    @property
    def dimensions(self) -> dict[str, Hierarchy]:
        """Shops by town and by chain, items in total, moods apart."""
        items = sorted(self.counts["item"].unique())
        paths = [("town", "all"), ("chain", "all")] if "chain" in self.places.columns else [("town", "all")]
        return {
            "shop": Hierarchy("shop", self.places, paths=paths),
            "item": Hierarchy("item", pd.DataFrame({"item": items, "any": "any"}), paths=[("any",)]),
            "mood": Hierarchy.separate("mood"),
        }

    @property
    def coalitions(self) -> pd.DataFrame | None:
        """Which owner knows which shops."""
        pairs = [*self.places[["shop", "owner"]].itertuples(index=False, name=None), *self.also]
        return pd.DataFrame(pairs, columns=["shop", "insider"]) if self.owners else None

    def arguments(self) -> dict[str, Any]:
        """The terms, by name."""
        return {
            "dimensions": self.dimensions,
            "count": "n",
            "rule": self.rule,
            "public": self.public,
            "publish": self.publish,
            "structural_zeros": self.zeros,
            "inequalities": self.inequalities,
            "coalitions": self.coalitions,
            "known": self.known,
        }

    def build(self, *, seed: bytes = SEED, executor: Executor | None = None, **changes: Any) -> Build:  # noqa: ANN401  any of the terms
        """The release."""
        return build(self.counts, Terms(**{**self.arguments(), **changes}), seed=seed, executor=executor)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Every cell there can be: codes, levels, true count `n`, known `total` (-1: none), number of `shops` in it."""
        return pd.DataFrame(self._cells())

    def _cells(self) -> Iterator[dict[str, Any]]:
        shop_levels = ["shop", *(level for level in ("town", "chain", "all") if level in self.places.columns)]
        items, moods = sorted(self.counts["item"].unique()), sorted(self.counts["mood"].unique())
        table = self.counts.set_index(list(NAMES))["n"]
        impossible = set() if self.zeros is None else set(self.zeros.itertuples(index=False, name=None))
        for level in shop_levels:
            for code, shops in self.places.groupby(level)["shop"]:
                for (item_level, item, inside), mood in product(
                    [*(("item", i, [i]) for i in items), ("any", "any", items)], moods
                ):
                    there = [(s, i) for s in shops for i in inside if (s, i) not in impossible]
                    whole = [(s, i) for s in shops for i in items if (s, i) not in impossible]
                    if not there:
                        continue
                    yield {
                        "shop": code, "shop_level": level, "item": item, "item_level": item_level,
                        "mood": mood, "mood_level": "mood",
                        "n": sum(int(table[s, i, mood]) for s, i in there),
                        "total": sum(int(table[s, i, mood]) for s, i in whole) if self.public else -1,
                        "public": bool(self.public) and (item_level == "any" or len(there) == len(whole)),
                        "shops": len({s for s, _ in there}),
                    }  # fmt: skip

    def knowledge(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """What an outsider is told of small cells, and which cells are known anyway: both with lower and upper."""
        cells = self.listed(frame)
        small = cells[cells["small"] & ~cells["public"] & ((cells["total"] < 0) | (cells["total"] >= self.rule.floor))]
        public = self.cells[self.cells["public"]].assign(lower=lambda c: c["n"], upper=lambda c: c["n"])
        columns = [*(f"{name}{end}" for name in NAMES for end in ("", "_level")), "lower", "upper"]
        known = public[columns] if self.known is None else pd.concat([public[columns], self.known[columns]])
        return small[columns], known

    def listed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The cells of a frame with `small` and the ends `lower` and `upper` that must stay possible."""
        columns = [f"{name}{end}" for name in NAMES for end in ("", "_level")]
        cells = frame[[*columns, "value", "status"]].merge(self.cells, on=columns, how="left", validate="1:1")
        low, high = self.rule.lowest, self.rule.highest
        reach = np.where(cells["total"] >= 0, np.minimum(high, cells["total"]), high)
        below = cells["n"].between(low, high)
        rest = cells["total"] - cells["n"]
        above = rest.between(low, high) & (cells["total"] >= 0) & self.rule.complements
        lower = np.where(below, np.minimum(low, reach), np.where(above, cells["total"] - reach, 0))
        upper = np.where(above, cells["total"] - np.minimum(low, reach), np.where(below, reach, 0))
        return cells.assign(small=below | above, lower=lower, upper=upper)

    def attacked(self, frame: pd.DataFrame, known: pd.DataFrame | None = None, *, told: bool = True) -> pd.DataFrame:
        """Small suppressed cells with the bounds an attacker gets: `least`, `most`, and `verdict`."""
        small, public = self.knowledge(frame)
        extra = public if known is None else pd.concat([public, known])
        cells = self.listed(frame)
        stake = cells[cells["small"] & ~cells["public"]].reset_index(drop=True)
        found = attack(
            frame,
            dimensions=self.dimensions,
            small=small if told else None,
            known=extra,
            structural_zeros=self.zeros,
            inequalities=self.inequalities,
            cells=stake,
        )
        least, most = found["lower"], found["upper"].fillna(1 << 40)
        narrowed = (least > stake["lower"]) | (most < stake["upper"])
        exact = (least == most) & (stake["lower"] < stake["upper"])
        verdict = np.where(exact, "exact", np.where(narrowed, "narrowed", "safe"))
        return stake.assign(least=least, most=most, verdict=verdict)

    def attacked_by(self, owner: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Small cells and small remainders of margins, with the bounds an owner gets who knows its own shops' cells.

        The owner is told nothing of margins it has a share in: knowing its own share of a small margin would narrow
        what is left by definition, whatever the release.
        """
        shops = {level: self.places.groupby(level)["shop"].agg(set) for level in ("shop", "town", "chain", "all")}
        mine = set(self.places.loc[self.places["owner"] == owner, "shop"])
        mine |= {shop for shop, other in self.also if other == owner}

        def units(row: Any) -> set[str]:  # noqa: ANN401  a row of a frame
            return set(shops[row["shop_level"]][row["shop"]])

        small, public = self.knowledge(frame)
        open_to = [not (units(row) & mine) or row["shop_level"] == "shop" for _, row in small.iterrows()]
        told = small[np.array(open_to, bool)]
        cells = self.listed(frame)
        cells = cells[~cells["public"]]
        cells = cells[np.array([bool(units(row) - mine) for _, row in cells.iterrows()], bool)].reset_index(drop=True)
        share = [self._share(row, mine) for _, row in cells.iterrows()]
        cells = cells.assign(held=[n for n, _ in share], inside=[total for _, total in share])
        leaves = self.cells[(self.cells["shop_level"] == "shop") & self.cells["shop"].isin(mine)]
        known = pd.concat([public, leaves.assign(lower=leaves["n"], upper=leaves["n"])])
        found = attack(
            frame, dimensions=self.dimensions, small=told, known=known, structural_zeros=self.zeros,
            inequalities=self.inequalities, cells=cells,
        )  # fmt: skip
        return self._remainders(cells, found, told_bounds=small)

    def _share(self, row: Any, mine: set[str]) -> tuple[int, int]:  # noqa: ANN401  a row of a frame
        inside = set(self.places.loc[self.places[row["shop_level"]] == row["shop"], "shop"]) & mine
        part = self.cells[(self.cells["shop_level"] == "shop") & self.cells["shop"].isin(inside)]
        part = part[
            (part["item"] == row["item"]) & (part["item_level"] == row["item_level"]) & (part["mood"] == row["mood"])
        ]
        return int(part["n"].sum()), int(part["total"].sum())

    def _remainders(self, cells: pd.DataFrame, found: pd.DataFrame, told_bounds: pd.DataFrame) -> pd.DataFrame:
        rest = cells["n"] - cells["held"]
        total = np.where(cells["total"] >= 0, cells["total"] - cells["inside"], -1)
        low, high = self.rule.lowest, self.rule.highest
        reach = np.where(total >= 0, np.minimum(high, total), high)
        below = rest.between(low, high)
        over = (total - rest).between(low, high) & (total >= 0) & self.rule.complements
        lower = np.where(below, np.minimum(low, reach), np.where(over, total - reach, 0))
        upper = np.where(over, total - np.minimum(low, reach), np.where(below, reach, 0))
        columns = [f"{name}{end}" for name in NAMES for end in ("", "_level")]
        told = cells[columns].merge(told_bounds, on=columns, how="left")
        lower = np.maximum(lower, told["lower"].fillna(-(1 << 40)) - cells["held"])
        upper = np.minimum(upper, told["upper"].fillna(1 << 40) - cells["held"])
        least, most = found["lower"] - cells["held"], found["upper"].fillna(1 << 40) - cells["held"]
        verdict = np.where((least > lower) | (most < upper), "narrowed", "safe")
        table = cells.assign(rest=rest, low=lower, high=upper, least=least, most=most, verdict=verdict)
        return table[(below | over) & (table["total"] - table["inside"] != 0)]

    def with_counts(self, n: Sequence[int]) -> "Case":
        """The same table with other counts."""
        return replace(self, counts=self.counts.assign(n=list(n)))


def case(
    places: Sequence[tuple[str, str, str, str]],
    counts: dict[tuple[str, str], Sequence[int]],
    **changes: Any,  # noqa: ANN401  any field of a case
) -> Case:
    """A case from (shop, town, chain, owner) and, per shop and mood, the counts of its items."""
    items = [f"i{number}" for number in range(len(next(iter(counts.values()))))]
    rows = [(shop, item, mood, n) for (shop, mood), line in counts.items() for item, n in zip(items, line, strict=True)]
    table = pd.DataFrame(list(places), columns=["shop", "town", "chain", "owner"]).assign(all="all")
    return Case(table, pd.DataFrame(rows, columns=[*NAMES, "n"]), **changes)


def at_random(seed: int) -> Case:
    """A linked table drawn from a seed: 4 to 9 shops, 2 or 3 items, 1 or 2 ordered moods, sometimes owners."""
    rng = np.random.default_rng(seed)
    shops = [f"s{number}" for number in range(int(rng.integers(4, 10)))]
    places = [(shop, f"t{rng.integers(3)}", f"c{rng.integers(2)}", f"o{rng.integers(3)}") for shop in shops]
    moods = ["more", "less"][: int(rng.integers(1, 3))]
    items, minimum = int(rng.integers(2, 4)), int(rng.integers(3, 6))
    counts = {}
    for shop in shops:
        heads = int(rng.integers(12, 60))
        share = rng.dirichlet([6.0, *([1.0] * (items - 1))])
        more = rng.multinomial(heads, share)
        less = more.copy()
        for item in range(1, items):
            fewer = rng.binomial(less[item], 0.4)
            less[item] -= fewer
            less[0] += fewer
        for mood, line in zip(["more", "less"], (more, less), strict=True):
            if mood in moods:
                counts[shop, mood] = line.tolist()
    order = tuple(
        Inequality({"mood": "less", "item": f"i{item}"}, {"mood": "more", "item": f"i{item}"})
        for item in range(1, items)
    )
    return case(
        places,
        counts,
        inequalities=order if len(moods) > 1 else (),
        owners=bool(rng.integers(2)),
        rule=ThresholdRule(minimum=minimum, min_denominator=items * (minimum - 1) + 1),
    )
