"""Sectors of one to twenty sites occur in every region; one that cannot be protected would stop all others."""

import datetime as dt

import pandas as pd
import pytest

from gateway.collections import load_contracts
from gateway.publish.protecting import protect_sector
from gateway.store import SiteFacts
from gateway.synthetic.pupils import count, draw_pupils
from gateway.synthetic.region import make_region
from gateway.tabulate import _sector_table
from policies.purpose import load_purposes

PLAN = load_purposes().plan(["absence-insight-swv", "absence-insight-gemeente", "national-picture"])
CONTRACT = load_contracts()["absence-counts"]


@pytest.mark.parametrize("sector", ["po", "so", "vo", "vso"])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sites", [10, 20, 60, 100])
def test_every_sector_of_every_region_can_be_released(sites: int, seed: int, sector: str) -> None:
    """However few sites a sector has, its table comes out and the judge finds nothing exact and nothing narrowed."""
    region = make_region(sites, seed)
    rows = [
        (site.code, *row)
        for index, site in enumerate(region.sites)
        if site.sector == sector
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
    made = protect_sector(_sector_table(sector, CONTRACT, facts, counts), CONTRACT, PLAN, seed=b"s" * 32)
    assert made.verdicts.holds
