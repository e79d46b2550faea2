"""The order rules of the statutory contract are all there are: they are the facets of what pupils can be."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from gateway.collections import CONTRACTS, CollectionError, Contract, Cumulative, load_contracts

CONTRACT = load_contracts()["absence-counts"]
COUNTS = [(kind, CONTRACT.bands.above(t)) for kind in CONTRACT.kinds.members for t in CONTRACT.bands.thresholds]
SCHEDULED = 10_000


def state(authorised: int, illness: int, unauthorised: int) -> dict[str, str]:
    """The band of each kind for one pupil, hours in 1/10,000 of the schedule."""
    hours = {
        "authorised": authorised, "illness": illness, "unauthorised": unauthorised, "all": authorised + unauthorised,
    }  # fmt: skip
    return {kind: CONTRACT.band_of(missed, SCHEDULED) for kind, missed in hours.items()}


def states() -> np.ndarray:
    """Everything a pupil can be, each as a line of 0 and 1 per cumulative count."""
    grid = [0, *(t * 100 + step for t in (2.5, 5, 7.5, 10, 15, 20, 40) for step in (-1, 0, 1))]
    hours = [int(h) for h in grid]
    seen = {
        tuple(state(a, i, u).items()) for a, i, u in product(hours, repeat=3) if i <= a and a + u <= SCHEDULED
    }  # fmt: skip
    return np.array([[int(dict(one)[kind] in bands) for kind, bands in COUNTS] for one in sorted(seen)])


def line(smaller: tuple[Cumulative, ...], larger: tuple[Cumulative, ...]) -> tuple[int, ...]:
    """Coefficients of Σ smaller − Σ larger."""
    return tuple(smaller.count(count) - larger.count(count) for count in COUNTS)


def trivial(contract: Contract) -> Iterator[tuple[int, ...]]:
    """What holds of every table: no band has a negative count."""
    for kind in contract.kinds.members:
        nested = [(kind, contract.bands.above(t)) for t in contract.bands.thresholds]
        yield from (line((inner,), (outer,)) for outer, inner in pairwise(nested))
        yield line((), (nested[-1],))
        yield line((nested[0],), ())  # at most everybody


@pytest.mark.parametrize("code", ["=1+1", "+1", "-1", "@sum", "a;b", 'a"b', "a\nb", "\tx", ""])
@pytest.mark.parametrize("place", ["lower_years", "illness", "10to20", "above10", "vmbo", "vso"])
def test_no_code_of_a_contract_can_run_in_a_spreadsheet(code: str, place: str, tmp_path: Path) -> None:
    """Codes reach the files of every recipient: a contract with a formula, separator or line end in one is refused."""
    text = (CONTRACTS / "absence-counts.toml").read_text(encoding="utf-8").replace('"absence-counts"', '"own-counts"')
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    assert load_contracts(tmp_path)["own-counts"].kinds == CONTRACT.kinds
    quoted = json.dumps(code)
    (tmp_path / "own.toml").write_text(re.sub(rf'(?m)"?\b{place}\b"?', lambda _: quoted, text), encoding="utf-8")
    with pytest.raises(CollectionError, match="should match pattern"):
        load_contracts(tmp_path)


def test_every_facet_is_a_rule_and_every_rule_a_facet() -> None:
    """The convex hull of all pupils has exactly the order rules and the signs as its facets."""
    facets = ConvexHull(states()).equations[:, :-1]
    found = {tuple(np.rint(row / np.abs(row[np.abs(row) > 1e-9]).min()).astype(int)) for row in facets}
    rules = {line(order.smaller, order.larger) for order in CONTRACT.orders}
    assert rules <= found
    assert found - rules <= set(trivial(CONTRACT))


@given(st.lists(st.tuples(*[st.integers(0, 5_000)] * 3), max_size=40))
def test_rules_hold_for_any_pupils(pupils: list[tuple[int, int, int]]) -> None:
    """No group of pupils breaks a rule."""
    drawn = [state(max(a, i), min(a, i), u) for a, i, u in pupils]
    for order in CONTRACT.orders:
        smaller, larger = (
            sum(one[kind] in bands for one in drawn for kind, bands in side) for side in (order.smaller, order.larger)
        )
        assert smaller <= larger
