"""The terms of a release: every fault in them is named, and nothing that contradicts the counts is believed."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from disclosure import DisclosureError, Hierarchy, Inequality
from tests.disclosure.world import Case, case

PLACES = [("s1", "t1", "c1", "o1"), ("s2", "t1", "c1", "o2"), ("s3", "t1", "c1", "o3"), ("s4", "t2", "c1", "o1")]
COUNTS = {("s1", "m"): [40, 2], ("s2", "m"): [50, 9], ("s3", "m"): [60, 8], ("s4", "m"): [30, 12]}
NAMED = r"shop 's1', item 'i1', mood 'm'"


@pytest.fixture
def shops() -> Case:
    """Four shops; only s1 has a small cell."""
    return case(PLACES, COUNTS)


def known(**changes: Any) -> pd.DataFrame:  # noqa: ANN401  any value of a cell
    """What an outsider knows of the small cell."""
    cell = {"shop": "s1", "shop_level": "shop", "item": "i1", "item_level": "item", "mood": "m", "mood_level": "mood"}
    return pd.DataFrame([{**cell, "lower": 0, "upper": 4, **changes}])


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no dimensions": ({"dimensions": {}}, "no dimensions: describe at least one"),
    "unknown dimension in a list": ({"publish": [{"street": "x"}]}, "no dimension 'street'; there are shop, item"),
    "unknown level in a list": ({"publish": [{"shop": "street"}]}, "shop: no level 'street'"),
    "unknown code in a list": ({"publish": [{"shop": ["s9"]}]}, "shop: 's9' is no code"),
    "a number in a list": ({"publish": [{"shop": 3}]}, "publish: give a list of patterns"),
    "a list that is a single line": ({"publish": {"shop": "town"}}, "publish: give a list of patterns"),
    "public margins that are a single one": ({"public": {"item": "any"}}, "public: give a list of patterns"),
    "unknown level of a public margin": ({"public": [{"item": "x"}]}, "item: no level 'x'"),
    "unknown dimension of a public margin": ({"public": [{"street": "x"}]}, "no dimension 'street'"),
    "unknown level of a wish": ({"weights": [({"item": "x"}, 2.0)]}, "item: no level 'x'"),
    "a wish below nothing": ({"weights": [({"item": "any"}, -2.0)]}, "weights: a factor is no positive number"),
    "wishes that are no pairs": ({"weights": {"item": 2.0}}, "weights: give a list of pairs"),
    "wishes in a frame": ({"weights": pd.DataFrame({"item": [2.0]})}, "weights: give a list of pairs"),
    "a wish in words": ({"weights": [({"shop": ["s1"]}, "2")]}, "weights: a factor is no positive number"),
    "a wish for a number": ({"weights": [({"shop": 3}, 2.0)]}, "weights: give a list of patterns"),
    "a dimension called as a column of the release": (
        {"dimensions": {"status": Hierarchy.separate("status")}}, "status: a release has a column of this name",
    ),
    "a dimension called as a level of the release": (
        {"dimensions": {name: Hierarchy.separate(name) for name in ("shop", "shop_level")}},
        "shop_level: a release has a column of this name",
    ),
    "a dimension called as a column of the utility": (
        {"dimensions": {"bound": Hierarchy.separate("bound")}}, "bound: a release has a column of this name",
    ),
    "a seed that is text": ({"seed": "0123456789abcdef"}, "seed: give at least 16 secret bytes, not str"),
    "a seed that is a number": ({"seed": 5}, "seed: give at least 16 secret bytes, not int"),
    "a wish that is no number": ({"weights": [({}, float("nan"))]}, "weights: a factor is no positive number"),
    "unknown code of a structural zero": (
        {"structural_zeros": pd.DataFrame({"shop": ["s9"]})}, "shop: unknown code 's9'",
    ),
    "structural zeros of no dimension": (
        {"structural_zeros": pd.DataFrame({"shop": ["s1"], "itm": ["i1"]})}, "structural_zeros: no dimension 'itm'",
    ),
    "structural zeros of nothing": (
        {"structural_zeros": pd.DataFrame(index=[0])}, "structural_zeros: no column; there are shop, item, mood",
    ),
    "unknown unit of an insider": (
        {"coalitions": pd.DataFrame({"shop": ["s9"], "insider": ["x"]})}, "shop: unknown code 's9'",
    ),
    "insiders without a name": ({"coalitions": pd.DataFrame({"shop": ["s1"]})}, "coalitions: no column 'insider'"),
    "insiders of no dimension": ({"coalitions": pd.DataFrame({"insider": ["x"]})}, "coalitions: no column 'shop'"),
    "unknown code of an inequality": ({"inequalities": [Inequality({"mood": "x"}, {"mood": "m"})]}, "mood: 'x' is no"),
    "unknown dimension of an inequality": (
        {"inequalities": [Inequality({"street": "x"}, {"street": "y"})]}, "inequality: no dimension 'street'",
    ),
    "inequality that names a dimension once": (
        {"inequalities": [Inequality({"item": "i1"}, {"item": "i0", "mood": "m"})]},
        "inequality: name a code of 'mood' in every cell, or in none",
    ),
    "inequality about single units": (
        {
            "inequalities": [Inequality({"shop": "s1"}, {"shop": "s2"})],
            "coalitions": pd.DataFrame({"shop": ["s1"], "insider": ["x"]}),
        },
        "shop: a public margin or an inequality holds in every unit and names this dimension",
    ),
    "public margins that leave no units": (
        {"public": [{"shop": "all"}, {"item": "any"}, {"mood": "mood"}]}, "and no other can give the units",
    ),
    "inequality that the counts break": (
        {"inequalities": [Inequality({"item": "i0"}, {"item": "i1"})]}, "the counts of shop 's1' break one",
    ),
    "unknown code of a known cell": ({"known": known(shop="s9")}, "shop: no code 's9' at level 'shop'"),
    "known cell without a level": ({"known": known().drop(columns="item_level")}, "item_level: no such column"),
    "known cell without a bound": ({"known": known().drop(columns="upper")}, "known: no column 'upper'"),
    "known part of a person": ({"known": known(upper=4.5)}, f"known: upper of {NAMED} is no whole number"),
    "known bound that is missing": ({"known": known(lower=np.nan)}, f"known: lower of {NAMED} is no whole number"),
    "known bound that is no number": ({"known": known(lower="few")}, f"known: lower of {NAMED} is no whole number"),
    "known bounds that exclude the truth": ({"known": known(lower=3)}, f"known: the bounds of {NAMED} exclude"),
    "known bounds that cross": ({"known": known(lower=4, upper=1)}, f"known: the bounds of {NAMED} exclude"),
    "unknown code of a cell to hide": ({"hidden": known(shop="s9")}, "shop: no code 's9' at level 'shop'"),
    "unknown level to watch": ({"watch": [{"shop": "street"}]}, "shop: no level 'street'"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named_and_no_count_is(shops: Case, fault: str) -> None:
    """Each refusal names what is wrong by dimension and code, and none of the figures it was found with."""
    changes, message = FAULTS[fault]
    with pytest.raises(DisclosureError) as refusal:
        shops.build(**changes)
    assert message in str(refusal.value)
    assert not any(figure in str(refusal.value) for figure in ("40", "42", "4.5", "12", "few"))


def test_codes_that_are_told_apart_by_nothing_but_case_are_two(shops: Case) -> None:
    """Codes are compared as they are written."""
    with pytest.raises(DisclosureError, match="unknown code 'S1'"):
        shops.build(coalitions=pd.DataFrame({"shop": ["S1"], "insider": ["x"]}))


def test_what_is_known_already_need_not_be_protected(shops: Case) -> None:
    """A small cell and its rest that stood in the newspaper cost no other cell; it is not printed even so."""
    both = pd.concat([known(lower=2, upper=2), known(item="i0", lower=40, upper=40)])
    frame = shops.build(known=both).protected.frame
    hidden = frame.loc[frame["status"] == "suppressed", ["shop", "item"]]
    assert hidden.to_numpy().tolist() == [["s1", "i1"]]


def test_what_is_to_stay_hidden_is_hidden(shops: Case) -> None:
    """A big cell that an earlier release hid is not printed, though nothing else asks for it."""
    hidden = known(shop="s4").drop(columns=["lower", "upper"])
    before, after = (
        made.protected.frame.set_index(["shop", "item"]) for made in (shops.build(), shops.build(hidden=hidden))
    )
    assert before.loc[("s4", "i1"), "value"] == 12
    assert after.loc[("s4", "i1"), "status"] == "suppressed"
