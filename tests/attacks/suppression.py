"""What attacks on a release share: how it is made, what it gives away, and the table of somebody who hides less."""

from collections.abc import Sequence

import pandas as pd

from disclosure import Hierarchy, Inequality, attack
from tests.disclosure.world import NAMES, SEED, Case, case

Name = tuple[str, str, str]
ORDER = (Inequality({"mood": "less", "item": "i1"}, {"mood": "more", "item": "i1"}),)
# s3 is small in both moods; s2 is alike in both and everywhere `less` is near `more`.
_MORE = {"s1": [40, 20], "s2": [50, 9], "s3": [50, 3], "s4": [50, 9]}
_LESS = {"s1": [42, 18], "s2": [50, 9], "s3": [50, 3], "s4": [52, 7]}


def one_mood(*lines: Sequence[int]) -> dict[tuple[str, str], Sequence[int]]:
    """Counts of the items of s1, s2, … in the mood m."""
    return {(f"s{number}", "m"): line for number, line in enumerate(lines, 1)}


def ordered(inequalities: tuple[Inequality, ...]) -> Case:
    """Both moods, with what is declared of their order."""
    places = [(shop, "t1", "c1", "o") for shop in _MORE]
    counts = {(shop, mood): line for mood, lines in (("more", _MORE), ("less", _LESS)) for shop, line in lines.items()}
    return case(places, counts, inequalities=inequalities)


def released(table: Case, seed: bytes = SEED) -> pd.DataFrame:
    """The release of the product."""
    return table.build(seed=seed).protected.frame


def bare(table: Case) -> pd.DataFrame:
    """The same cells with the small ones hidden and nothing else: what suppression is without this project."""
    frame = released(table)
    cells = table.listed(frame)
    withheld = (cells["total"] >= 0) & (cells["total"] < table.rule.floor)
    hidden = (cells["small"] | withheld) & ~cells["public"] | cells["n"].between(table.rule.lowest, table.rule.highest)
    return frame.assign(value=cells["n"].astype("Int64").mask(hidden))


def given_away(table: Case, frame: pd.DataFrame, *, told: bool = True) -> dict[Name, str]:
    """Listed small cells, (shop or area, item, mood), that an outsider narrows, with the verdict."""
    return _narrowed(table.attacked(frame, told=told))


def given_away_to(table: Case, owner: str, frame: pd.DataFrame) -> dict[Name, str]:
    """Small cells and remainders that an owner narrows who knows its own shops."""
    return _narrowed(table.attacked_by(owner, frame))


def _narrowed(found: pd.DataFrame) -> dict[Name, str]:
    found = found[found["verdict"] != "safe"]
    return dict(zip(found[list(NAMES)].itertuples(index=False, name=None), found["verdict"], strict=True))


def bounds(table: Case, frame: pd.DataFrame, level: str, code: str, item: str) -> tuple[int, int]:
    """What an outsider gets of any cell, listed in the frame or not; level `part` is a town's part of one chain."""
    small, known = table.knowledge(frame)
    places = table.places.assign(part=table.places["town"] + table.places["chain"])
    paths = [("town", "all"), ("chain", "all"), ("part", "all")]
    cell = {"shop": code, "shop_level": level, "item": item, "item_level": "item", "mood": "m", "mood_level": "mood"}
    found = attack(
        frame,
        dimensions={**table.dimensions, "shop": Hierarchy("shop", places, paths=paths)},
        small=small,
        known=known,
        structural_zeros=table.zeros,
        inequalities=table.inequalities,
        cells=pd.DataFrame([cell]),
    )
    return int(found["lower"].iloc[0]), int(found["upper"].iloc[0])
