"""The attacker has everything every recipient received in the year, and linear programming.

Per period and sector: both releases where a correction came, all slices put together, all head-counts, the order
between kinds, and for every small cell that it is small (below the minimum, or all but as few of a known total). From
one period to another nothing but head-counts, which are public, stays the same; so periods are attacked one by one.

A national table is attacked region by region: the sites of an SWV with every gemeente they lie in. Margins of areas
that lie there in part are left out, which gives the attacker less; the judge of the product, whose verdict stands in
the certificate, has them all. Figures with noise are true of nobody: their sectors have the certificate's verdict.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd
from sqlmodel import select

from disclosure import Hierarchy, Inequality, Terms, attack
from gateway.context import Gateway
from gateway.publish.protecting import terms_of
from gateway.store import Period, Release, ReleaseSource
from gateway.table import CellStatus, TableRow
from gateway.tabulate import SectorTable, tabulate

AXES = ("site", "subdivision", "kind", "band")
CELL = [column for axis in AXES for column in (axis, f"{axis}_level")]
VERSION = "version"
KEPT, DROPPED, ADDED, OLD, NEW, EITHER = "kept", "dropped", "added", "old", "new", "either"
WHOLE = 300  # a table of so many sites is attacked as one
ALONE = 200  # so many cells one process attacks
MOST = 1 << 40


@dataclass(frozen=True)
class Verdict:
    """Small cells of a sector in a period, those that were attacked, and what was learnt of them."""

    small: int = 0
    attacked: int = 0
    exact: int = 0
    narrowed: int = 0

    def __add__(self, other: "Verdict") -> "Verdict":
        """Both together."""
        return Verdict(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class Version:
    """One release of a sector: what is public of it, what is true (confidential), what was received."""

    table: SectorTable
    terms: Terms
    frame: pd.DataFrame


def attack_period(
    gateway: Gateway, releases: Sequence[str], received: Sequence[Sequence[TableRow]], regions: int
) -> Verdict:
    """Attack every sector whose figures left without noise.

    Args:
        gateway: Knows the truth, to hold the findings against.
        releases: Ids of the release and its correction, in the order they were published.
        received: What all recipients together received of each.
        regions: How many regions of a national table are attacked.
    """
    versions = [_versions(gateway, one, rows) for one, rows in zip(releases, received, strict=True)]
    found = Verdict()
    for sector in versions[0]:
        both = [version[sector] for version in versions if sector in version]
        found += _attack_sector(both, regions)
    return found


def _versions(gateway: Gateway, release_id: str, rows: Sequence[TableRow]) -> dict[str, Version]:
    noisy = {row.sector for row in rows if row.method == "dp"}
    with gateway.reading() as session:
        release = session.get_one(Release, release_id)
        period = session.get_one(Period, release.period_id)
        contract, plan = gateway.contracts[period.table_id], gateway.law.purposes.plan(release.purposes.split())
        sources = session.exec(select(ReleaseSource.submission_id).where(ReleaseSource.release_id == release_id)).all()
        tables = tabulate(session, period, contract, list(sources))
    return {
        table.sector: Version(table, terms_of(table, contract, plan), _frame(rows, table))
        for table in tables
        if table.sector not in noisy
    }


def _frame(rows: Sequence[TableRow], table: SectorTable) -> pd.DataFrame:
    """What was received of a sector, as cells with codes and levels; `value` is missing where it is not specified."""
    frame = pd.DataFrame([row for row in rows if row.sector == table.sector], columns=TableRow._fields)
    frame = frame[frame["status"].isin([CellStatus.PUBLISHED, CellStatus.SUPPRESSED])]
    bands = {code: str(level) for level in table.bands.columns for code in table.bands[level]}
    total = frame["subdivision"] == "total"
    return pd.DataFrame(
        {
            "site": frame["area"],
            "site_level": frame["level"],
            "subdivision": frame["subdivision"],
            "subdivision_level": np.where(total, "total", "subdivision"),
            "kind": frame["kind"],
            "kind_level": "kind",
            "band": frame["band"],
            "band_level": frame["band"].map(bands),
            "value": pd.to_numeric(frame["pupils"].replace("", None)).astype("Int64"),
        }
    ).reset_index(drop=True)


def _attack_sector(versions: Sequence[Version], regions: int) -> Verdict:
    truths = [_truth(version.table) for version in versions]
    sites = pd.concat([version.table.sites for version in versions]).drop_duplicates("site", ignore_index=True)
    small = sum(int(_stakes(version, truth)["small"].sum()) for version, truth in zip(versions, truths, strict=True))
    found = Verdict(small=small)
    for part in _parts(sites, regions):
        found += _attack_part([_inside(v, part) for v in versions], truths, part)
    return found


def _parts(sites: pd.DataFrame, regions: int) -> Iterator[pd.DataFrame]:
    """The whole table, or region by region; an area that is not whole in a part has no name there."""
    if len(sites) <= WHOLE:
        yield sites
        return
    swvs = sorted(sites["swv"].dropna().unique())
    chosen = swvs[:: max(1, len(swvs) // regions)][:regions]
    for swv in chosen:
        gemeenten = sites.loc[sites["swv"] == swv, "gemeente"].unique()
        part = sites[sites["gemeente"].isin(gemeenten)].copy()
        for level in ("gemeente", "swv"):
            whole = part[level].map(part[level].value_counts()) == part[level].map(sites[level].value_counts())
            part[level] = part[level].where(whole, None)
        yield part.reset_index(drop=True)


def _inside(version: Version, part: pd.DataFrame) -> Version:
    """What was received of the areas of a part; the country's margin only with the whole table."""
    areas = set(part["site"]) | set(part["gemeente"].dropna()) | set(part["swv"].dropna())
    whole = set(version.table.sites["site"]) <= set(part["site"])
    names = areas | ({"NL"} if whole else set())
    return Version(version.table, version.terms, version.frame[version.frame["site"].isin(names)])


def _truth(table: SectorTable) -> pd.DataFrame:
    """Every sum of a table: codes, levels and the true `n`, with the head-count `total` of its area and subdivision."""
    wide, lookup = table.counts.merge(table.sites, on="site"), table.bands.set_index("band")
    codes = {"band": wide["band"], **{str(level): wide["band"].map(lookup[level]) for level in lookup.columns}}
    sums = []
    for place, subdivision, band in product(("site", "gemeente", "swv", "country"), ("subdivision", "total"), codes):
        inner = subdivision == "subdivision"
        cells = pd.DataFrame({"site": wide[place], "kind": wide["kind"], "band": codes[band], "n": wide["pupils"]})
        cells = cells.assign(subdivision=wide["subdivision"] if inner else "total")
        one = cells.groupby(list(AXES), as_index=False)["n"].sum()
        sums.append(one.assign(site_level=place, subdivision_level=subdivision, kind_level="kind", band_level=band))
    truth = pd.concat(sums, ignore_index=True)
    heads = truth[truth["band_level"] == "total"].rename(columns={"n": "total"})
    keys = [name for name in CELL if not name.startswith("band")]
    return truth.merge(heads[[*keys, "total"]], on=keys)


def _stakes(version: Version, truth: pd.DataFrame) -> pd.DataFrame:
    """The received cells that are not public, with `small` and the ends that must stay possible."""
    rule = version.terms.rule
    cells = version.frame[version.frame["band_level"] != "total"].merge(truth, on=CELL, how="left", validate="1:1")
    reach = np.minimum(rule.highest, cells["total"])
    below, above = cells["n"] <= rule.highest, cells["total"] - cells["n"] <= rule.highest
    lower = np.where(below, 0, np.where(above, cells["total"] - reach, 0))
    upper = np.where(above, cells["total"], np.where(below, reach, 0))
    return cells.assign(small=below | above, lower=lower, upper=upper)


def _attack_part(versions: Sequence[Version], truths: Sequence[pd.DataFrame], part: pd.DataFrame) -> Verdict:
    """Solve for both ends of every small cell of a part."""
    stakes, told, known, frames = [], [], [], []
    inside = set(part["site"])
    for name, version, truth in zip((OLD, NEW), versions, truths, strict=False):
        cells = _stakes(version, truth)
        mine = cells[cells["small"]].assign(**_at(name))
        stakes.append(mine)
        # Rows below the floor are withheld whole by public figures: of their cells nobody says which are small.
        told.append(mine[mine["total"] >= version.terms.rule.floor])
        seen = version.frame
        heads = truth[truth["kind"].isin(seen["kind"]) & truth["site"].isin(inside | set(seen["site"]))]
        heads = heads[heads["band_level"] == "total"]
        known.append(heads.assign(lower=heads["n"], upper=heads["n"], **_at(name)))
        frames.append(version.frame.assign(**_at(name)))
    corrected = len(versions) > 1
    names = [*CELL, *(_at(OLD) if corrected else ())]
    stake = pd.concat(stakes, ignore_index=True)
    if stake.empty:
        return Verdict()
    knows = {
        "frame": pd.concat(frames, ignore_index=True)[[*names, "value"]],
        "dimensions": _dimensions(versions, part),
        "small": pd.concat(told)[[*names, "lower", "upper"]],
        "known": pd.concat(known)[[*names, "lower", "upper"]],
        "structural_zeros": _zeros(versions, part),
        "inequalities": [*_orders(_between(versions[-1].terms.inequalities, frames), corrected=corrected)],
    }
    bounds = _bounds(knows, stake[names])
    least, most = bounds["lower"].fillna(0).to_numpy(), bounds["upper"].fillna(MOST).to_numpy()
    narrowed = (least > stake["lower"]) | (most < stake["upper"])
    exact = (least == most) & (stake["lower"] < stake["upper"])
    return Verdict(0, len(stake), int(exact.sum()), int((narrowed & ~exact).sum()))


def _bounds(knows: Mapping[str, Any], cells: pd.DataFrame) -> pd.DataFrame:
    """Both ends of every cell; many are shared out over the cores."""
    if len(cells) <= ALONE:
        return attack(**knows, cells=cells)
    shares = [cells.iloc[places] for places in np.array_split(np.arange(len(cells)), os.cpu_count() or 1)]
    with ProcessPoolExecutor(len(shares), mp_context=get_context("spawn")) as pool:
        return pd.concat(pool.map(partial(_share, knows), shares), ignore_index=True)


def _share(knows: Mapping[str, Any], cells: pd.DataFrame) -> pd.DataFrame:
    return attack(**knows, cells=cells)


def _at(version: str) -> dict[str, str]:
    return {VERSION: version, f"{VERSION}_level": version}


def _dimensions(versions: Sequence[Version], part: pd.DataFrame) -> dict[str, Hierarchy]:
    made = dict(versions[-1].terms.dimensions)
    made["site"] = Hierarchy("site", part, paths=[("gemeente", "country"), ("swv", "country")])
    if len(versions) > 1:
        parts = [(KEPT, OLD, NEW, EITHER), (DROPPED, OLD, None, EITHER), (ADDED, None, NEW, EITHER)]
        lookup = pd.DataFrame(parts, columns=[VERSION, OLD, NEW, EITHER])
        made[VERSION] = Hierarchy(VERSION, lookup, paths=[(OLD, EITHER), (NEW, EITHER)])
    return made


def _zeros(versions: Sequence[Version], part: pd.DataFrame) -> pd.DataFrame:
    """What cannot exist: subdivisions a site does not offer, and changes at sites that delivered nothing anew."""
    inside = set(part["site"])
    zeros = pd.concat([version.table.structural_zeros for version in versions]).drop_duplicates()
    has = pd.concat([version.table.counts[["site", "subdivision"]] for version in versions]).drop_duplicates()
    zeros = zeros.merge(has, how="left", indicator=True).query("_merge == 'left_only'")[["site", "subdivision"]]
    zeros = zeros[zeros["site"].isin(inside)]
    if len(versions) == 1:
        return zeros
    wide = zeros.merge(pd.DataFrame({VERSION: [KEPT, DROPPED, ADDED]}), how="cross")
    still = sorted(inside - _touched(versions))
    levels = sorted(versions[-1].table.subdivisions["subdivision"])
    same = pd.DataFrame(product(still, levels, (DROPPED, ADDED)), columns=["site", "subdivision", VERSION])
    return pd.concat([wide, same]).drop_duplicates(ignore_index=True)


def _touched(versions: Sequence[Version]) -> set[str]:
    """Sites whose figures differ between the releases; that they delivered anew, everybody may know."""
    old, new = (
        version.table.counts.set_index(["site", "subdivision", "kind", "band"])["pupils"] for version in versions
    )
    both = pd.concat([old.rename("old"), new.rename("new")], axis=1).fillna(-1)
    return set(both[both["old"] != both["new"]].index.get_level_values("site"))


def _between(orders: Sequence[Inequality], frames: Sequence[pd.DataFrame]) -> list[Inequality]:
    """The order between kinds that stand in a part; of a kind without any cell there it would say nothing."""
    kinds = {kind for frame in frames for kind in frame["kind"]}
    return [order for order in orders if all(cell["kind"] in kinds for cell in (*order.smaller, *order.larger))]


def _orders(orders: Sequence[Inequality], *, corrected: bool) -> Iterator[Inequality]:
    for order, version in product(orders, (OLD, NEW) if corrected else ("",)):
        more = {VERSION: version} if version else {}
        yield Inequality([{**cell, **more} for cell in order.smaller], [{**cell, **more} for cell in order.larger])
