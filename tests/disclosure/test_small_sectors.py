"""Sectors of one to twenty sites occur in every region; one that cannot be protected would stop all others."""

import datetime as dt
from collections.abc import Sequence

import pandas as pd
import pytest

from gateway.collections import load_contracts
from gateway.publish.correcting import Earlier, correct_sector
from gateway.publish.protecting import insiders, protect_sector, slices
from gateway.store import SiteFacts
from gateway.synthetic.pupils import count, draw_pupils
from gateway.synthetic.region import make_region
from gateway.tabulate import SectorTable, _sector_table
from policies.purpose import load_purposes

PLAN = load_purposes().plan(["absence-insight-swv", "absence-insight-gemeente", "national-picture"])
CONTRACT = load_contracts()["absence-counts"]
PERIOD = "2026-2027-1"


def sector_of(sites: int, seed: int, sector: str, *, without: Sequence[str] = ()) -> SectorTable:
    """One sector of a region, of which all sites delivered but some."""
    region = make_region(sites, seed)
    rows = [
        (site.code, *row)
        for index, site in enumerate(region.sites)
        if site.sector == sector and site.code not in without
        for row in count(draw_pupils(site, index=index, period=1, seed=seed), CONTRACT)
    ]
    facts = [
        SiteFacts(
            site=s.code, valid_from=dt.date(2026, 8, 1), sector=s.sector, subdivisions=" ".join(s.subdivisions),
            board=s.board, gemeente=s.gemeente, swv=s.swv, pupils=s.pupils,
        )
        for s in region.sites
        if s.sector == sector
    ]  # fmt: skip
    counts = pd.DataFrame(rows, columns=["site", "subdivision", "kind", "band", "pupils"])
    boards = pd.DataFrame([(each.site, each.board) for each in facts], columns=["site", "board"])
    return _sector_table(sector, CONTRACT, facts, counts, boards)


@pytest.mark.parametrize("sector", ["po", "so", "vo", "vso"])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sites", [10, 20, 60, 100])
def test_every_sector_of_every_region_can_be_released(sites: int, seed: int, sector: str) -> None:
    """However few sites a sector has, its table comes out and the judge finds nothing exact and nothing narrowed."""
    made = protect_sector(sector_of(sites, seed, sector), CONTRACT, PLAN, seed=b"s" * 32)
    assert made.verdicts.holds


@pytest.mark.parametrize("withdrawn", [False, True])
@pytest.mark.parametrize(
    ("seed", "sites"),
    [
        (979, ["90BC00", "90BB00"]),  # in a region that was one site's before, or is after
        (125, ["90BC00", "90BB00", "90BD00"]),  # figures that turn small, of areas that boards have a share in
        (865, ["90BD00", "90BC00", "90BG00"]),
    ],
)
def test_half_a_small_sector_can_come_late_or_withdraw(seed: int, sites: list[str], withdrawn: bool) -> None:
    """Of six or seven sites two or three: both releases come out, and side by side they narrow nothing."""
    every, some = sector_of(10, seed, "po"), sector_of(10, seed, "po", without=sites)
    old, new = (every, some) if withdrawn else (some, every)
    first = protect_sector(old, CONTRACT, PLAN, seed=b"s" * 32)
    earlier = Earlier(
        table=old,
        rows=[row for part in slices(PERIOD, old, CONTRACT, PLAN, first.protected.frame) for row in part.rows],
        rule=first.protected.certificate["rule"],
        witnesses=first.witnesses,
        late=tuple(sites),
        boards=old.boards,
        insiders=insiders(old.boards),
    )
    assert correct_sector(new, earlier, CONTRACT, PLAN, seed=b"t" * 32).verdicts.holds


# Pupils of each subdivision, and how many of them missed more than 10 %: always ill.
VILLAGES = {
    "five of whom one": {"lower_years": (5, 1), "upper_years": (15, 2)},
    "five of whom one, no others": {"lower_years": (5, 1), "upper_years": (15, 0)},
    "eight of whom four": {"lower_years": (8, 4), "upper_years": (150, 0)},
}
TOWN = {"lower_years": (120, 40), "upper_years": (120, 40)}


@pytest.mark.parametrize("neighbours", [1, 3])
@pytest.mark.parametrize("village", VILLAGES)
def test_a_village_school_beside_one_other_board_can_be_released(village: str, neighbours: int) -> None:
    """What is told of a school, that few missed much, is not promised open of a part of it to its neighbour either."""
    schools = [("00AA00", "ORG-1", "1", VILLAGES[village])]
    schools += [(f"00B{code}00", "ORG-2", "1", TOWN) for code in "ABC"[:neighbours]]
    schools += [(f"00C{code}00", f"ORG-{code}", "2", TOWN) for code in "ABCDEF"]
    facts = [
        SiteFacts(
            site=site, valid_from=dt.date(2026, 8, 1), sector="po", subdivisions=" ".join(offered), board=board,
            gemeente=f"GM990{place}", swv=f"PO990{place}",
        )
        for site, board, place, offered in schools
    ]  # fmt: skip
    rows = [
        (site, subdivision, kind, band, count)
        for site, _, _, offered in schools
        for subdivision, (pupils, ill) in offered.items()
        for kind in CONTRACT.kinds.members
        for band, count in zip(
            CONTRACT.bands.upper,
            (pupils, 0, 0, 0) if kind == "unauthorised" else (pupils - ill, 0, ill, 0),
            strict=True,
        )
    ]
    counts = pd.DataFrame(rows, columns=["site", "subdivision", "kind", "band", "pupils"])
    boards = pd.DataFrame([(each.site, each.board) for each in facts], columns=["site", "board"])
    made = protect_sector(_sector_table("po", CONTRACT, facts, counts, boards), CONTRACT, PLAN, seed=b"s" * 32)
    assert made.verdicts.holds
