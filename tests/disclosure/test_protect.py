"""The front door: what comes out, what stays inside, what is refused."""

import importlib
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from disclosure import DisclosureError, Hierarchy, Inequality, Terms, ThresholdRule, attack, build, protect
from disclosure.attacker import judge
from tests.disclosure.world import SEED, Case, at_random, case

CLEANUP = importlib.import_module("disclosure.secondary.cleanup")
PLACES = [("s1", "t1", "c1", "o1"), ("s2", "t1", "c1", "o2"), ("s3", "t1", "c1", "o3"), ("s4", "t2", "c1", "o1")]
ONLY_SMALL = ThresholdRule(complements=False)
COUNTS = {("s1", "m"): [40, 2], ("s2", "m"): [50, 9], ("s3", "m"): [60, 8], ("s4", "m"): [30, 12]}


@pytest.fixture
def shops() -> Case:
    """Four shops; only s1 has a small cell."""
    return case(PLACES, COUNTS)


def test_small_cell_is_hidden_and_big_margin_is_shown(shops: Case) -> None:
    """The two pupils of s1 are suppressed; the total of everything is published."""
    frame = shops.build().protected.frame.set_index(["shop", "item"])
    assert frame.loc[("s1", "i1"), "status"] == "suppressed"
    assert frame.loc[("all", "i1"), "value"] == 31


def test_one_mark_for_primary_and_secondary(shops: Case) -> None:
    """Whoever reads the file cannot tell a small cell from one hidden with it."""
    frame = shops.build().protected.frame
    assert set(frame["status"]) == {"published", "suppressed"}
    assert frame.loc[frame["status"] == "suppressed", "value"].isna().all()


def test_same_seed_same_bytes(shops: Case) -> None:
    """A build repeated with the same seed gives the same table, whatever the order of the rows."""
    again = replace(shops, counts=shops.counts.sample(frac=1, random_state=1))
    assert shops.build().protected.frame.to_csv() == again.build().protected.frame.to_csv()


def test_certificate_holds_totals_only(shops: Case) -> None:
    """The certificate is plain JSON: totals, rule, attacker and versions, and says 0 exact and 0 narrowed."""
    certificate = shops.build().protected.certificate
    assert json.loads(json.dumps(certificate)) == certificate
    assert certificate["verdicts"] == {"exact": 0, "narrowed": 0, "safe": "all"}


@pytest.mark.parametrize(
    ("three", "four"),
    [
        ([[7, 6, 2], [8, 1, 6], [0, 8, 7]], [[12, 0, 3], [0, 10, 5], [3, 5, 7]]),
        ([[7, 0, 8], [3, 10, 2], [5, 5, 5]], [[8, 7, 0], [2, 0, 13], [5, 8, 2]]),
        ([[5, 5, 5], [7, 1, 7], [3, 9, 3]], [[5, 0, 10], [7, 7, 1], [3, 8, 4]]),
    ],
)
def test_tables_that_look_alike_have_one_certificate(three: list[list[int]], four: list[list[int]]) -> None:
    """One has three small cells and the other four: readers of the same figures are not told which one it is."""
    alike = [
        case(PLACES[:3], {(f"s{number}", "m"): line for number, line in enumerate(table, 1)}, rule=ONLY_SMALL).build()
        for table in (three, four)
    ]
    assert len({made.protected.frame.to_csv() for made in alike}) == 1
    assert len({json.dumps(made.protected.certificate) for made in alike}) == 1


@pytest.mark.parametrize("line", [[4, 4], [3, 5], [0, 8]])
def test_certificate_says_nothing_of_a_row_that_is_withheld(line: list[int]) -> None:
    """Of eight people in a withheld row two cells may be small, or one; the certificate is the same."""
    rule = ThresholdRule(min_denominator=17, complements=False)
    plain = {**COUNTS, ("s1", "m"): [40, 12]}
    made = case(PLACES, {**plain, ("s2", "m"): line}, rule=rule).build()
    other = case(PLACES, {**plain, ("s2", "m"): [2, 6]}, rule=rule).build()
    assert made.protected.certificate == other.protected.certificate


def test_protect_is_the_table_of_build(shops: Case) -> None:
    """`protect` hands out what `build` lets out, and nothing else."""
    table = protect(shops.counts, seed=SEED, **shops.arguments())
    assert table.frame.equals(shops.build().protected.frame)


def test_nothing_confidential_in_a_repr(shops: Case) -> None:
    """Printing a build shows sizes, no witness and no cell."""
    text = repr(shops.build())
    assert "Witnesses" not in text
    assert "s1" not in text


def test_frame_is_a_copy(shops: Case) -> None:
    """Changing a frame does not change the release."""
    table = shops.build().protected
    frame = table.frame
    frame["status"] = "published"
    assert "suppressed" in set(table.frame["status"])


def test_publish_list_shows_nothing_else(shops: Case) -> None:
    """Only the listed combinations of levels appear."""
    frame = shops.build(publish=[{"shop": "town", "item": "any"}, {"shop": ["all"]}]).protected.frame
    assert set(zip(frame["shop_level"], frame["item"], strict=True)) == {
        ("town", "any"), ("all", "any"), ("all", "i0"), ("all", "i1"),
    }  # fmt: skip


@pytest.mark.parametrize("empty", [[], ["s5"]])
def test_area_of_one_unit_follows_its_units_list(empty: list[str]) -> None:
    """t2 has one shop, or one beside which stands an empty one: its items are not shown where the shop's are not."""
    places, counts = [(shop, "t2", "c1", "o2") for shop in empty], {(shop, "m"): [0, 0] for shop in empty}
    table = case([*PLACES, *places], COUNTS | counts, owners=bool(empty))
    frame = table.build(publish=[{"shop": "town"}, {"shop": "shop", "item": "any"}]).protected.frame
    assert set(frame.loc[frame["shop"] == "t2", "item"]) == {"any"}
    assert set(frame.loc[frame["shop"] == "t1", "item"]) == {"any", "i0", "i1"}


def test_row_below_the_denominator_is_withheld_whole() -> None:
    """A shop with 10 heads shows nothing but its head-count, big cells included."""
    table = case(PLACES, {**COUNTS, ("s1", "m"): [6, 4]}, rule=ThresholdRule(minimum=3, min_denominator=17))
    frame = table.build().protected.frame.set_index(["shop", "item"])
    assert frame.loc["s1"]["status"].to_dict() == {"any": "published", "i0": "suppressed", "i1": "suppressed"}


def test_more_items_than_shops_are_no_units() -> None:
    """A public margin over three items of two shops: its floor holds, and what is known of a town is believed."""
    table = case(
        PLACES[2:], {("s3", "m"): [6, 5, 5], ("s4", "m"): [50, 40, 30]}, rule=ThresholdRule(min_denominator=17)
    )
    table = replace(table, places=table.places.drop(columns="chain"))
    cell = {"shop": "s4", "shop_level": "shop", "item": "i0", "item_level": "item", "mood": "m", "mood_level": "mood"}
    frame = table.build(known=pd.DataFrame([{**cell, "lower": 40, "upper": 60}])).protected.frame
    withheld = frame[(frame["shop"] == "s3") & (frame["item_level"] == "item")]
    assert withheld["status"].tolist() == ["suppressed"] * 3


def test_inequality_between_many_items_holds_in_every_shop() -> None:
    """Without insiders the items could have given the units; then an order of theirs would have been refused."""
    table = case(PLACES[2:], {("s3", "m"): [30, 3, 9], ("s4", "m"): [50, 40, 30]})
    table = replace(table, places=table.places.drop(columns="chain"), public=())
    frame = table.build(inequalities=[Inequality({"item": "i1"}, {"item": "i0"})]).protected.frame
    assert frame.loc[(frame["shop"] == "s3") & (frame["item"] == "i1"), "status"].tolist() == ["suppressed"]


def test_small_public_total_prints_as_suppressed() -> None:
    """A head-count below the minimum is known to everybody and yet not printed."""
    table = case(PLACES, {**COUNTS, ("s1", "m"): [2, 1]})
    frame = table.build().protected.frame.set_index(["shop", "item"])
    assert frame.loc[("s1", "any"), "status"] == "suppressed"


def test_complement_of_a_total_is_small_too() -> None:
    """57 of 60 tells about the other three."""
    frame = case(PLACES, {**COUNTS, ("s3", "m"): [57, 3]}).build().protected.frame.set_index(["shop", "item"])
    assert frame.loc[("s3", "i0"), "status"] == "suppressed"


MARGINS = [{"item": "group"}, {"item": "any"}]


def grouped(counts: dict[str, list[int]]) -> Case:
    """Shops that sell three items of one group and one of another."""
    places = [(shop, f"t{n // 2}", f"c{n % 2}", "o") for n, shop in enumerate(counts)]
    return case(places, {(shop, "m"): line for shop, line in counts.items()})


def terms_of(table: Case, public: Sequence[dict[str, str | list[str]]]) -> Terms:
    """The terms with items in groups, and these margins public."""
    items = pd.DataFrame({"item": ["i0", "i1", "i2", "i3"], "group": list("gggh"), "any": "any"})
    laid = {**table.dimensions, "item": Hierarchy("item", items, paths=[("group", "any")])}
    return Terms(**{**table.arguments(), "dimensions": laid, "public": public})


@pytest.mark.parametrize("public", [*permutations(MARGINS), [{"item": ["any", "g", "h"]}]])
def test_rest_of_any_public_total_is_small(public: Sequence[dict[str, str | list[str]]]) -> None:
    """Beside a public total of 154, 50 tells nothing; beside the 54 of its group it gives the other four away."""
    table = grouped({"s0": [50, 2, 2, 100], "s1": [60, 20, 30, 100]})
    terms = terms_of(table, public)
    made = build(table.counts, terms, seed=SEED)
    frame = made.protected.frame
    at = (frame["shop"] == "s0") & (frame["item"] == "i0")
    assert frame.loc[at, "status"].tolist() == ["suppressed"]
    with pytest.raises(DisclosureError, match="shows a small figure"):
        judge(frame.assign(value=frame["value"].mask(at, 50)), table.counts, terms, made.witnesses)


@pytest.mark.parametrize("seed", range(6))
def test_no_rest_of_several_public_totals_is_narrowed(seed: int) -> None:
    """Whatever else is public: a cell beside which a total leaves less than five may leave any of 0 to 4."""
    rng = np.random.default_rng(seed)
    counts = {f"s{n}": [int(rng.integers(40, 60)), *rng.integers(0, 7, 2).tolist(), 30] for n in range(6)}
    table = grouped(counts)
    terms = terms_of(table, MARGINS)
    frame = build(table.counts, terms, seed=SEED).protected.frame
    assert frame.equals(build(table.counts, terms_of(table, MARGINS[::-1]), seed=SEED).protected.frame)
    group = {shop: sum(line[:3]) for shop, line in counts.items()}
    shops, items = (frame[name].isin(codes) for name, codes in (("shop", counts), ("item", ["i0", "i1", "i2"])))
    cells = frame[shops & items].reset_index(drop=True)
    total = cells["shop"].map(group)
    true = [counts[shop][int(item[1])] for shop, item in zip(cells["shop"], cells["item"], strict=True)]
    cells = cells.assign(upper=total.where(total - true < 5, 4), lower=(total - 4).where(total - true < 5, 0))
    cells = cells[(total - true < 5) | (np.array(true) < 5)].drop(columns=["value", "status"]).reset_index(drop=True)
    known = frame[frame["item"].isin(["g", "h", "any"])].assign(lower=lambda f: f["value"], upper=lambda f: f["value"])
    found = attack(frame, dimensions=terms.dimensions, small=cells, known=known, cells=cells)
    assert len(cells) > 0
    assert found[["lower", "upper"]].astype(int).equals(cells[["lower", "upper"]].astype(int))


def test_big_rest_of_a_small_cell_is_hidden_with_it() -> None:
    """Where rests may be seen, 50 of a public 53 would still give away the three: it gives way with them."""
    table = case(PLACES, {**COUNTS, ("s2", "m"): [50, 3]}, rule=ThresholdRule(complements=False))
    frame = table.build().protected.frame
    status = frame.set_index(["shop", "item"])["status"]
    assert status[[("s1", "i0"), ("s1", "i1"), ("s2", "i0"), ("s2", "i1")]].eq("suppressed").all()
    assert status[[("s4", "i0"), ("s4", "i1"), ("t2", "i0"), ("t2", "i1")]].eq("published").all()
    assert (table.attacked(frame)["verdict"] == "safe").all()


def test_zeros_may_be_shown_where_the_rule_says_so() -> None:
    """With zeros allowed a zero is published, a one is not."""
    table = case(
        PLACES, {**COUNTS, ("s1", "m"): [40, 0], ("s2", "m"): [40, 1]}, rule=ThresholdRule(zeros_are_small=False)
    )
    frame = table.build(publish=[{"shop": "shop"}]).protected.frame.set_index(["shop", "item"])
    assert frame.loc[("s1", "i1"), "value"] == 0
    assert frame.loc[("s2", "i1"), "status"] == "suppressed"


def test_small_sum_of_small_cells_is_refused_where_zeros_may_be_shown() -> None:
    """Two shops of one or more make no town of one: the refusal says that the rule is why."""
    table = case(
        PLACES,
        {**COUNTS, ("s1", "m"): [40, 1], ("s2", "m"): [40, 1], ("s3", "m"): [60, 0]},
        rule=ThresholdRule(zeros_are_small=False),
        public=(),
    )
    with pytest.raises(DisclosureError, match="known to be 1 or more add up: let zeros be small too"):
        table.build()


def test_structural_zero_is_no_cell(shops: Case) -> None:
    """What a shop does not sell has no row, and nobody can attack it."""
    none = pd.DataFrame({"shop": ["s1"], "item": ["i1"]})
    counts = shops.counts[~((shops.counts["shop"] == "s1") & (shops.counts["item"] == "i1"))]
    frame = protect(counts, seed=SEED, **{**shops.arguments(), "structural_zeros": none}).frame
    assert not ((frame["shop"] == "s1") & (frame["item"] == "i1")).any()


def test_table_without_public_margins_is_protected() -> None:
    """Without known totals there are no complements; sums still protect each other."""
    table = replace(case(PLACES, COUNTS), public=())
    frame = table.build().protected.frame
    assert (frame["status"] == "suppressed").sum() >= 2
    assert (table.attacked(frame)["verdict"] == "safe").all()


REFUSED = {
    "empty": (lambda t: t.iloc[:0], "empty"),
    "negative": (lambda t: t.assign(n=-1), "negative"),
    "fraction": (lambda t: t.assign(n=0.5), "whole"),
    "missing": (lambda t: t.assign(n=np.nan), "missing"),
    "complex": (lambda t: t.assign(n=t["n"] * 1j), "n: complex numbers are no counts"),
    "more than can be added exactly": (lambda t: t.assign(n=2**53), r"'s1'.* is 2\*\*30 or more"),
    "more together": (lambda t: t.assign(n=2**29), r"n: the counts add up to 2\*\*30 or more"),
    "twice": (lambda t: pd.concat([t, t.iloc[:1]]), "'s1'.*twice"),
    "unknown": (lambda t: t.assign(shop="s9"), "unknown code 's9'"),
    "column": (lambda t: t.drop(columns="item"), "item: no such column"),
    "missing code": (lambda t: t.assign(mood=None), "mood: a code is missing"),
    "count": (lambda t: t.drop(columns="n"), "n: no such column"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_bad_counts_are_refused_by_name(shops: Case, fault: str) -> None:
    """Each fault names dimension and code and never a count."""
    spoil, message = REFUSED[fault]
    with pytest.raises(DisclosureError, match=message) as refusal:
        protect(spoil(shops.counts), seed=SEED, **shops.arguments())
    assert "40" not in str(refusal.value)


def test_counts_that_are_text_are_read_alike(shops: Case) -> None:
    """Suppressor and judge read 12, "12" and "12.0" as the same count."""
    text = replace(shops, counts=shops.counts.assign(n=[f"{n}.0" for n in shops.counts["n"]]))
    assert text.build().protected.frame.equals(shops.build().protected.frame)


def test_known_bounds_that_exclude_the_truth_are_refused(shops: Case) -> None:
    """Knowledge that contradicts the table is a mistake, not an attack."""
    known = pd.DataFrame(
        [{"shop": "s1", "shop_level": "shop", "item": "i1", "item_level": "item", "mood": "m", "mood_level": "mood"}]
    ).assign(lower=3, upper=4)
    with pytest.raises(DisclosureError, match="known: the bounds of shop 's1'"):
        shops.build(known=known)


def test_count_in_a_structural_zero_is_refused(shops: Case) -> None:
    """A count where none can be is named."""
    with pytest.raises(DisclosureError, match=r"'s1'.*impossible"):
        shops.build(structural_zeros=pd.DataFrame({"shop": ["s1"], "item": ["i1"]}))


def test_short_seed_is_refused(shops: Case) -> None:
    """A seed that can be guessed gives the pattern away."""
    with pytest.raises(DisclosureError, match="seed"):
        shops.build(seed=SEED[:8])


def test_dimension_without_margins_stands_alone() -> None:
    """A single list of counts with its total is a table too."""
    counts = pd.DataFrame({"shop": [f"s{n}" for n in range(6)], "n": [3, 20, 30, 40, 50, 60]})
    lookup = counts[["shop"]].assign(all="all")
    table = protect(
        counts,
        dimensions={"shop": Hierarchy("shop", lookup, paths=[("all",)])},
        count="n",
        rule=ThresholdRule(),
        seed=SEED,
    )
    hidden = table.frame[table.frame["status"] == "suppressed"]
    assert "s0" in set(hidden["shop"])
    assert len(hidden) >= 2


def test_random_table_hides_less_than_everything() -> None:
    """Protection is no blackout: the cells that can be shown are mostly shown."""
    frame = at_random(3).build().protected.frame
    assert frame["status"].eq("published").mean() > 0.3


@pytest.mark.parametrize(("wanted", "other"), [("s2", "s3"), ("s3", "s2")])
def test_wanted_shop_is_spared(shops: Case, wanted: str, other: str) -> None:
    """Either of two shops can cover s1: the one that users want more stays published."""
    frame = shops.build(weights=[({"shop": [wanted]}, 100.0)]).protected.frame
    hidden = set(frame.loc[frame["status"] == "suppressed", "shop"])
    assert (wanted in hidden, other in hidden) == (False, True)


def test_what_turns_out_to_be_needless_is_published_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the last step left out, more is hidden for the same safety."""
    table = at_random(55)
    clean = table.build().protected.frame["status"].eq("suppressed").sum()
    monkeypatch.setattr(CLEANUP, "_candidates", lambda *_: [])
    assert clean < table.build().protected.frame["status"].eq("suppressed").sum()


def test_utility_counts_cells_per_level_and_member(shops: Case) -> None:
    """Per level and mood: cells, those published, and those that would be if only unsafe ones were hidden."""
    made = shops.build()
    frame, table = made.protected.frame, made.utility.set_index(["shop_level", "mood"])
    published = (frame["status"] == "published").groupby([frame["shop_level"], frame["mood"]]).agg(["size", "sum"])
    assert (table[["cells", "published"]].sort_index().to_numpy() == published.sort_index().to_numpy()).all()
    assert (table["published"] <= table["bound"]).all()
    assert (table["bound"] < table["cells"]).any()
