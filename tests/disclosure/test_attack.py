"""`attack` on anybody's table: what a reader can compute, whoever made it and with what."""

from typing import Any

import pandas as pd
import pytest

from disclosure import DisclosureError, Hierarchy, Inequality, ThresholdRule, attack
from tests.disclosure.world import at_random

SHOPS = {"s1": "t1", "s2": "t1", "s3": "t2", "s4": "t2"}
LOOKUP = pd.DataFrame([(shop, town, "all") for shop, town in SHOPS.items()], columns=["shop", "town", "all"])
DIMENSIONS = {"shop": Hierarchy("shop", LOOKUP, paths=[("town", "all")])}


def printed(**values: int | None) -> pd.DataFrame:
    """A table as somebody else published it: shops, towns and all; None is suppressed."""
    level = {**dict.fromkeys(SHOPS, "shop"), "t1": "town", "t2": "town", "all": "all"}
    rows = [(code, level[code], values.get(code)) for code in level if code in values]
    return pd.DataFrame(rows, columns=["shop", "shop_level", "value"]).astype({"value": "Int64"})


def found(frame: pd.DataFrame, **knowledge: Any) -> dict[str, tuple[Any, Any]]:  # noqa: ANN401  as `attack` takes it
    """Code to lower and upper bound."""
    table = attack(frame, dimensions=DIMENSIONS, **knowledge)
    return {row.shop: (row.lower, row.upper) for row in table.itertuples()}


def cell(code: str, level: str = "shop", **bounds: int) -> pd.DataFrame:
    return pd.DataFrame([{"shop": code, "shop_level": level, **bounds}])


def test_primary_suppression_alone_is_recomputed_exactly() -> None:
    """A tool that hides small cells and prints margins has hidden nothing: 30 - 28 = 2."""
    assert found(printed(s1=None, s2=28, s3=20, s4=22, t1=30, t2=42, all=72)) == {"s1": (2, 2)}


def test_two_hidden_cells_share_what_is_left() -> None:
    """Two cells of a town are bounded by its total, and nothing else."""
    assert found(printed(s1=None, s2=None, t1=7, t2=42, all=49)) == {"s1": (0, 7), "s2": (0, 7)}


def test_mark_that_says_small_narrows() -> None:
    """Told that s1 is one of 0 to 4, the reader knows that s2 is 3 or more."""
    frame = printed(s1=None, s2=None, t1=7)
    assert found(frame, small=cell("s1")) == {"s1": (0, 4), "s2": (3, 7)}
    assert found(frame, small=cell("s1"), rule=ThresholdRule(minimum=3, zeros_are_small=False)) == {
        "s1": (1, 2), "s2": (5, 6),
    }  # fmt: skip
    assert found(frame, small=cell("s1", lower=2, upper=3)) == {"s1": (2, 3), "s2": (4, 5)}


def test_cell_without_a_margin_has_no_upper_bound() -> None:
    """Where nothing holds a cell it is 0 or more: a missing upper bound, not a large number."""
    assert found(printed(s1=None)) == {"s1": (0, pd.NA)}


def test_own_knowledge_of_a_reader_is_added() -> None:
    """The shopkeeper of s2 subtracts its own figure."""
    assert found(printed(s1=None, s2=None, t1=7), known=cell("s2", lower=5, upper=5)) == {"s1": (2, 2), "s2": (5, 5)}


def test_margin_that_is_not_printed_is_computed() -> None:
    """The town that a table leaves out is what the other leaves of everything."""
    frame = printed(s1=20, t2=42, all=72)
    assert found(frame, cells=pd.concat([cell("t1", "town"), cell("s2")])) == {"t1": (30, 30), "s2": (10, 10)}


def test_structural_zero_counts_as_zero() -> None:
    """A shop that cannot have any leaves its town to the other one."""
    frame = printed(s2=None, t1=7)
    assert found(frame, structural_zeros=pd.DataFrame({"shop": ["s1"]})) == {"s2": (7, 7)}


def test_order_between_members_that_do_not_add_up() -> None:
    """Fewer than 6 are authorised, so fewer than 6 are ill; and the ill of both shops are known together."""
    frame = pd.DataFrame(
        [("s1", "more", 5), ("s2", "more", 9), ("s1", "less", None), ("s2", "less", None)],
        columns=["shop", "mood", "value"],
    ).assign(shop_level="shop", mood_level="mood")
    total = pd.DataFrame([{"shop": "t1", "shop_level": "town", "mood": "less", "mood_level": "mood", "value": 13}])
    table = attack(
        pd.concat([frame, total], ignore_index=True).astype({"value": "Int64"}),
        dimensions={**DIMENSIONS, "mood": Hierarchy.separate("mood")},
        inequalities=[Inequality({"mood": "less"}, {"mood": "more"})],
    )
    assert table[["shop", "lower", "upper"]].to_numpy().tolist() == [["s1", 4, 5], ["s2", 8, 9]]


def test_codes_are_compared_as_text() -> None:
    """Codes that are numbers in one frame and text in the other are the same; the answer has those of the frame."""
    lookup = pd.DataFrame({"shop": [1, 2], "town": "t1", "all": "all"})
    dimensions = {"shop": Hierarchy("shop", lookup, paths=[("town", "all")])}
    frame = pd.DataFrame({"shop": [1, 2], "shop_level": "shop", "value": pd.array([pd.NA, 5], "Int64")})
    known = pd.DataFrame({"shop": ["1"], "shop_level": "shop", "lower": 2, "upper": 3})
    table = attack(frame, dimensions=dimensions, known=known)
    assert table.to_numpy().tolist() == [[1, "shop", 2, 3]]


def test_nothing_suppressed_leaves_nothing_to_compute() -> None:
    """A full table gives an empty answer."""
    assert found(printed(s1=1, s2=2, t1=3)) == {}


@pytest.mark.parametrize("seed", [0, 3, 6])
def test_bounds_hold_the_truth(seed: int) -> None:
    """Whatever the table, what was hidden lies within what is computed."""
    table = at_random(seed)
    cells = table.attacked(table.build().protected.frame)
    assert ((cells["least"] <= cells["n"]) & (cells["n"] <= cells["most"])).all()


FAULTS: dict[str, tuple[pd.DataFrame, dict[str, Any], str]] = {
    "figures that contradict each other": (printed(s1=10, s2=28, t1=30), {}, "contradict each other"),
    "knowledge that contradicts figures": (
        printed(s1=None, s2=28, t1=30), {"known": cell("s1", lower=3, upper=4)}, "contradict each other",
    ),
    "knowledge that contradicts a figure": (
        printed(s1=None, s2=28), {"known": cell("s2", lower=3, upper=4)}, "^shop 's2': what is .* contradicts itself$",
    ),
    "knowledge that contradicts itself": (
        printed(s1=None), {"known": cell("s1", lower=4, upper=3)}, "^shop 's1': what is .* contradicts itself$",
    ),
    "an unknown code": (printed(s1=None).replace("s1", "s9"), {}, "shop: no code 's9' at level 'shop'"),
    "an unknown level": (printed(s1=None).assign(shop_level="street"), {}, "shop: no code 's1' at level 'street'"),
    "a dimension without a column": (printed(s1=None).drop(columns="shop"), {}, "shop: no such column in the table"),
    "a frame without figures": (printed(s1=None).drop(columns="value"), {}, "frame: no column 'value'"),
    "a frame without a level": (printed(s1=None).drop(columns="shop_level"), {}, "frame: no column 'shop_level'"),
    "a mark instead of a figure": (
        printed(s1=None).assign(value="<5"), {}, "frame: value of 's1', 'shop' is no number",
    ),
    "part of a person": (printed(s1=None).assign(value=2.5), {}, "frame: value of 's1', 'shop' is no whole number"),
    "knowledge of parts": (
        printed(s1=None), {"known": cell("s1", lower=2.5, upper=4)}, "known: lower of 's1', 'shop' is no whole number",
    ),
    "a column of no dimension": (
        printed(s1=None), {"structural_zeros": pd.DataFrame({"shoop": ["s1"]})}, "no dimension 'shoop'",
    ),
    "an order of no dimension": (
        printed(s1=None), {"inequalities": [Inequality({"mood": "a"}, {"mood": "b"})]}, "no dimension 'mood'",
    ),
    "an order that names a dimension once": (
        printed(s1=None), {"inequalities": [Inequality({"shop": "s1"}, {})]}, "name a code of 'shop' in every cell",
    ),
    "knowledge without bounds": (printed(s1=None), {"known": cell("s1")}, "known: no column 'lower'"),
    "an unknown cell to bound": (printed(s1=None), {"cells": cell("s9")}, "shop: no code 's9'"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_table_that_cannot_be_is_refused(fault: str) -> None:
    """A table nobody can have counted, or that names what is not there, is no answer but a refusal."""
    frame, knowledge, message = FAULTS[fault]
    with pytest.raises(DisclosureError, match=message):
        found(frame, **knowledge)
