"""The one who reckons with totals: complements, groups of 100 %, head-counts everybody knows, percentages."""

import pandas as pd
import pytest

from disclosure import ThresholdRule
from gateway.table import share_of
from tests.attacks.suppression import bare, given_away, one_mood, released
from tests.disclosure.world import NAMES, Case, at_random, case

TOWNS = {"s1": "t1", "s2": "t1", "s3": "t1", "s4": "t2", "s5": "t2", "s6": "t3", "s7": "t3"}
PLACES = [(shop, town, "c1", "o") for shop, town in TOWNS.items()]
OTHERS = ([40, 12], [50, 14], [60, 12], [50, 10], [30, 12], [30, 14])
CELLS = [f"{name}{end}" for name in NAMES for end in ("", "_level")]


def with_third_shop(*line: int, **changes: object) -> Case:
    """Shop s3 has these counts, all others big ones; how many customers a shop has is public."""
    return case(PLACES, one_mood(*OTHERS[:2], line, *OTHERS[2:]), **changes)


@pytest.mark.parametrize("line", [(2, 57), (57, 2), (0, 60), (60, 0)])
def test_rest_of_a_known_total_is_as_safe_as_the_count(line: tuple[int, int]) -> None:
    """57 of 59 tells about two people and 60 of 60 about everybody: each is hidden with room at both ends."""
    table = with_third_shop(*line)
    assert given_away(table, bare(table)) == {("s3", "i0", "m"): "exact", ("s3", "i1", "m"): "exact"}
    frame = released(table)
    assert frame[frame["shop"] == "s3"].set_index("item")["status"].to_dict() == {
        "any": "published", "i0": "suppressed", "i1": "suppressed",
    }  # fmt: skip
    assert not given_away(table, frame)


def test_everybody_may_be_shown_where_the_rule_says_so() -> None:
    """A rule without small zeros and complements prints 60 of 60."""
    rule = ThresholdRule(zeros_are_small=False, complements=False)
    frame = released(with_third_shop(0, 60, rule=rule)).set_index(["shop", "item"])
    assert frame.loc[("s3", "i1"), "value"] == 60


@pytest.mark.parametrize("line", [(3, 2), (1, 1), (9, 4), (0, 0)])
def test_small_head_count_withholds_its_row(line: tuple[int, int]) -> None:
    """Where so few are counted that their number says enough, nothing is shown, and margins do not give it back."""
    table = with_third_shop(*line, rule=ThresholdRule(min_denominator=17))
    if sum(line):
        assert given_away(table, bare(table))
    frame = released(table)
    assert frame.loc[(frame["shop"] == "s3") & (frame["item"] != "any"), "status"].eq("suppressed").all()
    assert not given_away(table, frame)


def test_head_count_below_the_minimum_is_not_printed() -> None:
    """Everybody knows there are four, and still it is not we who print it."""
    frame = released(with_third_shop(3, 1)).set_index(["shop", "item"])
    assert frame.loc[("s3", "any"), "status"] == "suppressed"


@pytest.mark.parametrize("seed", [3, 5, 8])
def test_percentages_of_published_figures_add_nothing(seed: int) -> None:
    """Whoever adds what whole per cents of published counts imply gets the bounds without them."""
    table = at_random(seed)
    frame = released(table)
    plain = table.attacked(frame)
    with_shares = table.attacked(frame, known=implied(shares(table, frame, frame["value"].notna())))
    pd.testing.assert_frame_equal(plain, with_shares)


@pytest.mark.parametrize("seed", [3, 5, 8])
def test_percentages_of_hidden_figures_would_give_them_away(seed: int) -> None:
    """The same attack with the share of every cell, as a careless table prints it, narrows small cells."""
    table = at_random(seed)
    frame = released(table)
    found = table.attacked(frame, known=implied(shares(table, frame, pd.Series(data=True, index=frame.index))))
    assert (found["verdict"] != "safe").any()


def shares(table: Case, frame: pd.DataFrame, shown: pd.Series) -> pd.DataFrame:
    """Cells with the share that a release prints: of those shown, where the head-count is shown too."""
    cells = frame[shown].merge(table.cells, on=CELLS)
    return cells[(cells["total"] >= table.rule.floor) & ~cells["public"]].assign(
        share=lambda c: [int(share_of(n, total)) for n, total in zip(c["n"], c["total"], strict=True)]
    )


def implied(cells: pd.DataFrame) -> pd.DataFrame:
    """The counts that round to a share: (share - 0.5) % <= n / total < (share + 0.5) %."""
    low = -((1 - 2 * cells["share"]) * cells["total"] // 200)
    high = ((2 * cells["share"] + 1) * cells["total"] - 1) // 200
    return cells[CELLS].assign(lower=low.clip(lower=0), upper=high.clip(upper=cells["total"]))
