"""What is searched together: regions, and districts of some regions at once."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from disclosure import Hierarchy, Terms, ThresholdRule
from disclosure.grid import build_grid
from disclosure.problem import TOGETHER, Problem, pose
from tests.disclosure.world import Case

SEED = bytes(range(32))


def country(regions: int) -> Problem:
    """Two shops a region; the first of region 0 and the first of the last region are one town."""
    shops = [f"s{number:02}" for number in range(2 * regions)]
    chains = [f"c{number // 2:02}" for number in range(2 * regions)]
    towns = ["t", *(f"t{number}" for number in range(1, 2 * regions - 2)), "t", "u"]
    places = pd.DataFrame({"shop": shops, "town": towns, "chain": chains, "all": "all"})
    counts = pd.DataFrame({"shop": shops, "sold": 10})
    paths = [("town", "all"), ("chain", "all")]
    terms = Terms(dimensions={"shop": Hierarchy("shop", places, paths=paths)}, count="sold", rule=ThresholdRule())
    grid = build_grid(terms.dimensions, counts, None, None)
    return pose(grid, counts[["sold"]].to_numpy(), terms, seed=SEED)


def test_few_regions_are_one_district() -> None:
    """Then searching them together is searching the whole table but for its grand totals."""
    assert set(country(TOGETHER).districts) == {0}


def test_a_district_is_some_regions_and_first_those_that_share_an_area() -> None:
    """Every shop is in one district, its region whole; the two regions with a common town are together."""
    problem = country(2 * TOGETHER + 3)
    regions, districts = problem.regions, problem.districts
    pairs = pd.DataFrame({"region": regions, "district": districts}).drop_duplicates()
    assert pairs["region"].is_unique
    assert sorted(pairs["district"].value_counts()) == [3, TOGETHER, TOGETHER]
    assert districts[0] == districts[-1]
    assert not np.isin(-1, districts)


@pytest.mark.parametrize("seed", range(4))
def test_districts_keep_what_regions_keep(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Five chains, two at once, then one left over: neither an outsider nor an owner narrows a small cell."""
    monkeypatch.setattr("disclosure.problem.TOGETHER", 2)
    rng, shops = np.random.default_rng(seed), [f"s{number}" for number in range(10)]
    chains = [f"c{number // 2}" for number in range(10)]
    places = pd.DataFrame({"shop": shops, "town": shops, "chain": chains, "all": "all", "owner": shops})
    places["town"] = "t" + places["town"]
    lines = [
        (shop, item, "m", int(rng.poisson(mean))) for shop, (item, mean) in product(shops, {"a": 9, "b": 5}.items())
    ]
    table = Case(places=places, counts=pd.DataFrame(lines, columns=["shop", "item", "mood", "n"]), owners=True)
    frame = table.build().protected.frame
    assert set(table.attacked(frame)["verdict"]) == {"safe"}
    assert {verdict for owner in shops for verdict in table.attacked_by(owner, frame)["verdict"]} <= {"safe"}
