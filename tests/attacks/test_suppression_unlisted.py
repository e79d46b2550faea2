"""Somebody with paper and pencil: cells on no list, which follow from those on it."""

from collections.abc import Sequence

import pandas as pd
import pytest

from disclosure import Hierarchy, ThresholdRule, attack, protect

SEED = bytes(range(32))
PLACES = pd.DataFrame({"site": ["s0", "s1", "s2", "s3"], "town": list("aabb"), "chain": list("xyxy"), "all": "all"})


def bounds(
    lines: Sequence[Sequence[int]], bands: pd.DataFrame, paths: Sequence[Sequence[str]], publish: object, band: str
) -> tuple[int, int | None]:
    """What a release of these counts tells of one band of the first site."""
    places = PLACES.iloc[: len(lines)]
    counts = pd.DataFrame(
        [
            (site, band, n)
            for site, line in zip(places["site"], lines, strict=True)
            for band, n in zip(bands["band"], line, strict=True)
        ],
        columns=["site", "band", "n"],
    )
    dimensions = {
        "site": Hierarchy("site", places, paths=[("town", "all"), ("chain", "all")]),
        "band": Hierarchy("band", bands, paths=paths),
    }
    table = protect(
        counts, dimensions=dimensions, count="n", rule=ThresholdRule(complements=False), publish=publish, seed=SEED
    )
    cell = pd.DataFrame([{"site": "s0", "site_level": "site", "band": band, "band_level": "band"}])
    found = attack(table.frame, dimensions=dimensions, cells=cell)
    upper = found["upper"].iloc[0]
    return int(found["lower"].iloc[0]), None if pd.isna(upper) else int(upper)


def wide(found: tuple[int, int | None]) -> bool:
    """Whether everything from 0 to 4 is possible."""
    return found[0] == 0 and (found[1] is None or found[1] >= 4)


def test_a_band_without_a_half_is_what_the_halves_leave() -> None:
    """The total less the only half is band b0, of which 3 at the first site."""
    bands = pd.DataFrame({"band": ["b0", "b1", "b2"], "half": [None, "hi", "hi"], "any": "any"})
    lines = [(3, 20, 30), (40, 20, 31), (50, 22, 30)]
    assert wide(bounds(lines, bands, [("half", "any")], [{"band": "half"}, {"band": "any"}], "b0"))


def test_two_ways_to_halve_the_bands_cross_in_one() -> None:
    """p1 is b0 + b1, q2 is b1 + b2: both less the total is b1."""
    bands = pd.DataFrame({"band": ["b0", "b1", "b2"], "p": ["p1", "p1", "p2"], "q": ["q1", "q2", "q2"], "any": "any"})
    lines = [(28, 3, 25), (40, 20, 31), (50, 22, 30), (33, 41, 27)]
    publish = [{"band": "p"}, {"band": "q"}, {"band": "any"}]
    assert wide(bounds(lines, bands, [("p", "any"), ("q", "any")], publish, "b1"))


@pytest.mark.parametrize("pupils", [(1, 2), (1, 3), (2, 2), (0, 0), (0, 4)])
def test_what_the_listed_sites_leave_is_small_together(pupils: tuple[int, int]) -> None:
    """Two of four sites are listed: the sum less theirs is of the other two, and nobody may see that it is small."""
    bands = pd.DataFrame({"band": ["b0", "b1"], "any": "any"})
    lines = [(50, pupils[0]), (50, pupils[1]), (30, 20), (40, 25)]
    publish = [{"site": ["s2", "s3"]}, {"site": "all"}]
    assert bounds(lines, bands, [("any",)], publish, "b1")[1] not in range(5)
