"""The invented region: the same by seed, calibrated, and with the shapes that make disclosure hard."""

from collections import Counter

import numpy as np
import pytest

from gateway.collections import load_contracts
from gateway.formats.read_csv import read_csv
from gateway.records import Expected, Parsed, parse
from gateway.register import kind_of_code
from gateway.synthetic.export import counts_csv, school_export
from gateway.synthetic.pupils import bands, count, draw_pupils
from gateway.synthetic.region import Region, make_region
from pseudonymisation.number import Number, parse_number

CONTRACT = load_contracts()["absence-counts"]


@pytest.fixture(scope="module")
def large() -> Region:
    """A region of 500 sites."""
    return make_region(500, 1)


def test_the_same_seed_gives_the_same_region() -> None:
    """Region and pupils are a function of the seed; another seed gives others."""
    assert make_region(60, 7) == make_region(60, 7)
    assert make_region(60, 7) != make_region(60, 8)
    site = make_region(60, 7).sites[3]
    draws = [count(draw_pupils(site, index=3, period=1, seed=7), CONTRACT) for _ in range(2)]
    assert draws[0] == draws[1]


@pytest.mark.parametrize("sites", [9, 501])
def test_a_region_has_ten_to_five_hundred_sites(sites: int) -> None:
    """Sizes outside the range are refused."""
    with pytest.raises(ValueError, match="10 to 500"):
        make_region(sites, 1)


@pytest.mark.parametrize("sites", [10, 60, 500])
def test_the_hard_shapes_are_there(sites: int) -> None:
    """A gemeente with one PO site, a gemeente split over two SWVs, and codes that each occur once."""
    region = make_region(sites, 1)
    po = [site for site in region.sites if site.sector == "po"]
    assert 1 in Counter(site.gemeente for site in po).values()
    assert any(n > 1 for n in Counter(gemeente for gemeente, _ in {(s.gemeente, s.swv) for s in po}).values())
    assert len({site.code for site in region.sites}) == sites
    assert all(kind_of_code(site.code) == "site" for site in region.sites)


def test_band_shares_are_those_of_the_calibration(large: Region) -> None:
    """PO illness 74/20/5/1 and VO authorised 60/26/11/3 per cent, within two points."""
    shares = {}
    for sector, kind in (("po", "illness"), ("vo", "authorised")):
        total = np.zeros(4)
        for index, site in enumerate(large.sites):
            if site.sector == sector:
                rows = count(draw_pupils(site, index=index, period=1, seed=1), CONTRACT, [kind])
                total += np.array([n for *_, n in rows]).reshape(-1, 4).sum(axis=0)
        shares[sector] = 100 * total / total.sum()
    assert np.abs(shares["po"] - [74, 20, 5, 1]).max() < 2
    assert np.abs(shares["vo"] - [60, 26, 11, 3]).max() < 2


def test_every_delivery_passes_the_gateways_own_rules(large: Region) -> None:
    """Counts of invented pupils are complete, add up and keep the cumulative order."""
    for index, site in enumerate(large.sites[::25]):
        body = counts_csv(draw_pupils(site, index=index * 25, period=2, seed=1), CONTRACT)
        expected = Expected(CONTRACT, sector=site.sector, offered=site.subdivisions)
        assert isinstance(parse(body, expected), Parsed)


def test_counting_agrees_with_the_contract_pupil_by_pupil() -> None:
    """The vectorised bands are those of the contract's own comparison."""
    site = make_region(10, 3).sites[0]
    pupils = draw_pupils(site, index=0, period=1, seed=3)
    names = list(CONTRACT.bands.upper)
    fast = [names[i] for i in bands(pupils.hours("all"), pupils.scheduled, CONTRACT)]
    slow = [
        CONTRACT.band_of(int(missed), int(scheduled))
        for missed, scheduled in zip(pupils.hours("all"), pupils.scheduled, strict=True)
    ]
    assert fast == slow


def test_numbers_pass_the_eleven_test_and_are_distinct(large: Region) -> None:
    """Invented pupils have valid numbers, no two alike in the region."""
    numbers = [draw_pupils(s, index=i, period=1, seed=1).numbers for i, s in enumerate(large.sites[:50])]
    everyone = np.concatenate(numbers)
    assert len(np.unique(everyone)) == len(everyone)
    assert all(isinstance(parse_number(str(number)), Number) for number in everyone[::97])


def test_an_export_has_one_row_per_pupil() -> None:
    """A school's own export carries numbers and decimal commas: what never leaves the school."""
    site = make_region(10, 3).sites[0]
    sheet = read_csv(school_export(draw_pupils(site, index=0, period=1, seed=3)), ())
    assert len(sheet.rows) == site.pupils
    assert "," in sheet.rows[0][1][2]
