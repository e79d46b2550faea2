"""Readers of a release and its correction who know more than others: who changed nothing, and their own shops."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from disclosure import Build, DisclosureError, Proof, Terms, attack, correct
from tests.attacks.suppression import one_mood
from tests.attacks.test_suppression_random_tables import with_sales
from tests.disclosure.test_correction import LEVELS, VERSIONS, changed
from tests.disclosure.world import SEED, Case, case

PLACES = [(f"s{n}", "t1" if n < 4 else "t2", "c1", f"o{n}") for n in range(1, 7)]
COUNTS = one_mood([45, 25], [51, 9], [60, 20], [70, 20], [62, 18], [65, 25])
FEWER = {("s2", "m"): [58, 2]}


@dataclass(frozen=True)
class Pair:
    """A table before and after it was corrected, and the release of either."""

    before: Case
    after: Case
    old: Build
    new: Build


def corrected(before: Case, after: Case, touched: Sequence[str], seed: bytes = SEED) -> Pair:
    """The release of a table under its own insiders, and its correction under those of the other."""
    old, terms = before.build(seed=seed), Terms(**after.arguments())
    proof = Proof(Terms(**before.arguments()), old.witnesses)
    arguments = {"touched": {"shop": touched}, "seed": bytes(reversed(seed)), "proof": proof}
    return Pair(before, after, old, correct(before.counts, after.counts, old.protected.frame, terms, **arguments))


def learned(pair: Pair, changes: Sequence[str], owner: str = "") -> set[tuple[str, str, str]]:
    """Small cells of others' shops in the correction that a reader narrows who knows which shops changed, and its own.

    Of areas nobody is told that they are small: an owner has a share in some.
    """
    mine = {shop for shop, other in pair.after.coalitions.to_numpy() if other == owner} if owner else set()
    frames, small, known = [], [], []
    for version, table, release in (("old", pair.before, pair.old), ("new", pair.after, pair.new)):
        at = {"version": version, "version_level": version}
        frame = release.protected.frame.merge(table.cells[LEVELS], on=LEVELS)
        told, public = table.knowledge(frame)
        own = table.cells[(table.cells["shop_level"] == "shop") & table.cells["shop"].isin(mine)]
        frames.append(frame.assign(**at))
        small.append(told[told["shop_level"] == "shop"].assign(**at))
        known += [public.assign(**at), own.assign(lower=own["n"], upper=own["n"], **at)[[*public.columns, *at]]]
    cells = pair.after.listed(frames[1])
    stake = cells[cells["small"] & ~cells["public"] & (cells["shop_level"] == "shop") & ~cells["shop"].isin(mine)]
    orders = [
        type(order)([{**c, "version": v} for c in order.smaller], [{**c, "version": v} for c in order.larger])
        for order in pair.after.inequalities for v in ("old", "new")
    ]  # fmt: skip
    still = sorted(set(pair.after.places["shop"]) - set(changes))
    never = [(shop, version) for shop in still for version in ("dropped", "added")]
    found = attack(
        pd.concat(frames),
        dimensions={**pair.after.dimensions, "version": VERSIONS},
        small=pd.concat(small),
        known=pd.concat(known),
        structural_zeros=pd.DataFrame(never, columns=["shop", "version"]),
        inequalities=orders,
        cells=stake.assign(version="new", version_level="new"),
    )
    less = (found["lower"].to_numpy() > stake["lower"]) | (found["upper"].fillna(1 << 40).to_numpy() < stake["upper"])
    return set(stake.loc[np.asarray(less), ["shop", "item", "mood"]].itertuples(index=False, name=None))


def test_who_merely_could_have_changed_hides_nobody() -> None:
    """A reader knows that only s2 changed: put down as perhaps changed, its neighbours give its new count away."""
    before = case(PLACES, COUNTS)
    after = changed(before, FEWER)
    assert learned(corrected(before, after, ["s1", "s2", "s3"]), ["s2"]) >= {("s2", "i1", "m")}
    assert not learned(corrected(before, after, ["s2"]), ["s2"])


def shifted(table: Case, shop: str, by: int) -> Case:
    """The same table with some pupils of a shop in the second item instead of the first, in every mood."""
    lines = table.counts[table.counts["shop"] == shop].groupby("mood")["n"].agg(list)
    return changed(
        table, {(shop, mood): [first - by, second + by, *more] for mood, (first, second, *more) in lines.items()}
    )


def sold(seed: int) -> tuple[Case, Case, str]:
    """A random table, the same with one shop changed after some were sold, and the shop."""
    now = with_sales(seed)
    shop = now.places["shop"].iloc[0]
    return replace(now, also=()), shifted(now, shop, 9), shop


@pytest.mark.parametrize("seed", [4, 7, 8])
def test_a_correction_gives_nothing_to_buyer_or_seller(seed: int) -> None:
    """Shops were sold after the release: each owner of then and of now, with all its shops, narrows nobody's."""
    before, after, shop = sold(seed)
    pair = corrected(before, after, [shop])
    owners = sorted(after.coalitions["insider"].unique())
    assert {owner: learned(pair, [shop], owner) for owner in owners} == {owner: set() for owner in owners}


@pytest.mark.parametrize(("seed", "owner"), [(1, "o2"), (2, "o0"), (15, "o1")])
def test_what_a_release_gives_to_a_buyer_is_not_corrected(seed: int, owner: str) -> None:
    """As if nothing was sold it would be, and then the buyer reads a small count: held against both it is refused."""
    before, after, shop = sold(seed)
    unsold = corrected(before, replace(after, also=()), [shop])
    assert learned(replace(unsold, after=after), [shop], owner)
    with pytest.raises(DisclosureError, match="cannot be protected"):
        corrected(before, after, [shop])
