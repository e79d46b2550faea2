"""Codes, levels and paths: what a dimension may look like, and the fault named when it may not."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from disclosure import DisclosureError, Hierarchy
from disclosure.hierarchy import lay_out, unit_of

SHOPS = pd.DataFrame(
    {
        "shop": ["s2", "s1", "s3"],
        "town": ["t1", "t1", "t2"],
        "region": ["r1", "r1", "r1"],
        "chain": ["c1", None, "c1"],
        "all": ["all", "all", "all"],
    }
)
LINKED = [("town", "all"), ("chain", "all")]


def axis(**changes: Any) -> Any:  # noqa: ANN401  an axis of the shops
    """The shops laid out."""
    return lay_out("shop", Hierarchy("shop", SHOPS.assign(**changes), paths=LINKED), SHOPS["shop"])


def test_levels_are_named_once_from_leaf_to_top() -> None:
    """Two paths that meet share their top level."""
    assert Hierarchy("shop", SHOPS, paths=LINKED).levels == ("shop", "town", "all", "chain")


def test_nodes_are_leaves_then_areas_in_order_of_code() -> None:
    """The layout does not depend on the order of the lookup."""
    assert axis().codes.tolist() == ["s1", "s2", "s3", "t1", "t2", "all", "c1"]


def test_leaf_without_a_parent_is_in_no_area_of_that_level() -> None:
    """s1 belongs to no chain: c1 is the two others."""
    chain = axis().select("chain")
    assert axis().members[chain].toarray().tolist() == [[0, 1, 1]]


def test_codes_are_compared_as_text() -> None:
    """A lookup with numbers and a table with text are about the same shops."""
    numbered = lay_out("n", Hierarchy("n", pd.DataFrame({"n": [10, 9], "all": "all"}), paths=[("all",)]), SHOPS["shop"])
    assert numbered.positions(pd.Series(["9", "10"])).tolist() == [1, 0]


def test_members_that_do_not_add_up_have_no_margin() -> None:
    """A separate dimension has its codes from the table, and one level."""
    moods = lay_out("mood", Hierarchy.separate("mood"), pd.Series(["b", "a", "b"]))
    assert (moods.codes.tolist(), moods.levels) == (["a", "b"], ("mood",))


def test_units_are_the_owned_dimension_else_the_one_with_most_paths() -> None:
    """Linked areas come first, unless insiders own leaves of another dimension, or terms keep them inside a unit."""
    items = lay_out("item", Hierarchy("item", pd.DataFrame({"item": list("abcd"), "any": "any"}), paths=[("any",)]),
                    pd.Series(list("abcd")))  # fmt: skip
    assert unit_of([items, axis()]) == 1
    assert unit_of([items, axis()], owned=["item", "insider"]) == 0
    assert unit_of([items, axis()], within=["shop"]) == 0


FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "a leaf with two parents on one path": (
        lambda: Hierarchy("shop", pd.concat([SHOPS, SHOPS.assign(town="t9")]), paths=LINKED),
        "shop: 's2' stands twice in the lookup; a leaf has one row",
    ),
    "an area with two parents on one path": (
        lambda: Hierarchy("shop", SHOPS.assign(region=["r1", "r2", "r1"]), paths=[("town", "region", "all")]),
        "shop: town 't1' has two parents at level 'region'",
    ),
    "paths that do not meet": (
        lambda: Hierarchy("shop", SHOPS, paths=[("town", "all"), ("chain", "region")]),
        "shop: the paths do not meet; let each end in the same top level",
    ),
    "a leaf as number and as text": (
        lambda: Hierarchy("shop", SHOPS.assign(shop=[1, "1", 2]), paths=LINKED),
        "shop: '1' stands twice in the lookup; a leaf has one row",
    ),
    "an area as number and as text": (
        lambda: Hierarchy(
            "shop", SHOPS.assign(town=[1, "1", 2], region=["r1", "r2", "r1"]), paths=[("town", "region")]
        ),
        "shop: town '1' has two parents at level 'region'",
    ),
    "a column twice": (
        lambda: Hierarchy("shop", pd.concat([SHOPS, SHOPS[["town"]]], axis=1), paths=LINKED),
        "shop: the lookup has column 'town' twice",
    ),
    "a level twice in a path": (
        lambda: Hierarchy("shop", SHOPS, paths=[("town", "town", "all")]),
        "shop: a level stands twice in the path town, town, all",
    ),
    "an empty lookup": (lambda: Hierarchy("shop", SHOPS.iloc[:0], paths=LINKED), "shop: the lookup is empty"),
    "a level without a column": (
        lambda: Hierarchy("shop", SHOPS, paths=[("street", "all")]),
        "shop: the lookup has no column 'street'",
    ),
    "a leaf without a code": (
        lambda: Hierarchy("shop", SHOPS.assign(shop=[None, "s1", "s3"]), paths=LINKED),
        "shop: a leaf without a code",
    ),
    "a path of nothing": (lambda: Hierarchy("shop", SHOPS, paths=[()]), "shop: a path without a level; leave it out"),
    "a list without codes": (
        lambda: lay_out("mood", Hierarchy.separate("mood"), pd.Series([], dtype=object)),
        "mood: the table is empty",
    ),
    "a list with a code that is missing": (
        lambda: lay_out("mood", Hierarchy.separate("mood"), pd.Series(["m", None])),
        "mood: a code is missing",
    ),
    "an unknown leaf": (lambda: axis().positions(pd.Series(["s1", "s9"])), "shop: unknown code 's9'"),
    "a code of another level": (lambda: axis().positions(pd.Series(["t1"])), "shop: unknown code 't1'"),
    "an unknown level": (lambda: axis().select("street"), "shop: no level 'street'; levels are shop, town, all, chain"),
    "an unknown code": (lambda: axis().select(["t9"]), "shop: 't9' is no code"),
    "a code at two levels": (
        lambda: axis(chain="t1").select(["t1"]),
        "shop: 't1' is a code at two levels",
    ),
    "a code that is not at its level": (
        lambda: axis().nodes(pd.Series(["t1"]), pd.Series(["chain"])),
        "shop: no code 't1' at level 'chain'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named_with_dimension_and_code(fault: str) -> None:
    """Each refusal says which dimension, which code, and where there is a choice how to mend it."""
    act, message = FAULTS[fault]
    with pytest.raises(DisclosureError) as refusal:
        act()
    assert message in str(refusal.value)
