"""The rows of a release: what stands where nobody delivered."""

import dataclasses
import datetime as dt

import pandas as pd
import pytest

from gateway.collections import TOTAL, load_contracts
from gateway.publish.correcting import Earlier, RegisterChangedError, correct_sector
from gateway.publish.protecting import insiders, protect_sector, shown, slices
from gateway.store import SiteFacts
from gateway.tabulate import SectorTable, _sector_table
from policies.purpose import load_purposes
from tests.gateway.conftest import PERIOD

PLAN = load_purposes().plan(["absence-insight-swv", "absence-insight-gemeente", "national-picture"])
CONTRACT = load_contracts()["absence-counts"]
DELIVERED = [("00AB00", "vmbo"), ("00AC00", "vmbo"), ("00AD00", "pro")]
SEED = b"s" * 32
FRAME = ["site", "site_level", "subdivision", "kind", "band", "value", "status"]


def site(code: str, subdivisions: str) -> SiteFacts:
    """A secondary school of one SWV."""
    return SiteFacts(
        site=code, valid_from=dt.date(2026, 8, 1), sector="vo", subdivisions=subdivisions, board="ORG-1",
        gemeente="GM9901", swv="VO9901",
    )  # fmt: skip


def table_of(facts: list[SiteFacts], figures: pd.DataFrame) -> SectorTable:
    """What schools delivered, of all that are asked."""
    boards = pd.DataFrame([(each.site, each.board) for each in facts], columns=["site", "board"])
    return _sector_table("vo", CONTRACT, facts, figures, boards)


def counts(schools: list[tuple[str, str]]) -> pd.DataFrame:
    """The same pupils at each of these schools and subdivisions: who was absent was ill."""
    figures = dict.fromkeys(CONTRACT.kinds.members, (200, 60, 40, 30)) | {"unauthorised": (330, 0, 0, 0)}
    cells = [
        (*school, kind, band, pupils)
        for school in schools
        for kind, column in figures.items()
        for band, pupils in zip(CONTRACT.bands.upper, column, strict=True)
    ]
    return pd.DataFrame(cells, columns=["site", *FRAME[2:5], "pupils"])


def test_a_subdivision_of_a_school_that_did_not_deliver_is_not_delivered() -> None:
    """The only school with havo is late: its SWV reads so, and of vwo, which nobody there has, that there is none."""
    facts = [site("00AB00", "vmbo"), site("00AC00", "havo")]
    table = table_of(facts, counts([("00AB00", "vmbo")]))
    found = slices(PERIOD, table, CONTRACT, PLAN, pd.DataFrame(columns=FRAME))
    said = {(row.area, row.subdivision, row.status) for part in found for row in part.rows if row.subdivision != TOTAL}
    assert {each for each in said if each[0] == "VO9901" and each[1] in {"havo", "vwo"}} == {
        ("VO9901", "havo", "not_delivered"),
        ("VO9901", "vwo", "not_applicable"),
    }


@pytest.mark.parametrize("late", [[], [("00AE00", "pro")]], ids=["all-delivered", "another-is-late"])
def test_what_one_school_alone_has_of_a_region_is_not_specified(late: list[tuple[str, str]]) -> None:
    """The only school with pro delivered: its SWV reads neither that there is none, nor that nobody delivered it."""
    table = table_of([site(*school) for school in DELIVERED + late], counts(DELIVERED))
    frame = protect_sector(table, CONTRACT, PLAN, seed=SEED).protected.frame
    found = slices(PERIOD, table, CONTRACT, PLAN, frame)
    said = {row.status for part in found for row in part.rows if (row.area, row.subdivision) == ("VO9901", "pro")}
    assert said == {"suppressed"}


def test_a_correction_shows_of_a_region_what_one_school_alone_had_before() -> None:
    """Of pro the first release showed no more than its only school; with a second one it is shown like any other."""
    schools = [*DELIVERED, ("00AE00", "pro")]
    facts = [site(*school) for school in schools]
    first = table_of(facts, counts(DELIVERED))
    built = protect_sector(first, CONTRACT, PLAN, seed=SEED)
    rows = [row for part in slices(PERIOD, first, CONTRACT, PLAN, built.protected.frame) for row in part.rows]
    rule = built.protected.certificate["rule"]
    known = {"boards": first.boards, "insiders": insiders(first.boards)}
    before = Earlier(first, rows, rule, built.witnesses, late=("00AE00",), **known)
    now = table_of(facts, counts(schools))
    frame = correct_sector(now, before, CONTRACT, PLAN, seed=SEED).protected.frame
    pro = frame[(frame["site"] == "VO9901") & (frame["subdivision"] == "pro") & (frame["kind"] == "all")]
    assert set(pro["status"]) == {"published"}


def test_two_schools_of_one_size_that_change_places_are_a_changed_register() -> None:
    """Head-counts of the areas stay as they were; what the schools counted does not stand where it stood."""
    places = {"00AB00": "GM9901", "00AC00": "GM9902", "00AD00": "GM9901", "00AE00": "GM9902"}
    figures = counts([(code, "vmbo") for code in places])
    moved = (figures["site"] == "00AB00") & (figures["kind"] != "unauthorised")
    figures.loc[moved, "pupils"] = [230, 30, 40, 30] * 3

    def by(places: dict[str, str]) -> SectorTable:
        facts = [SiteFacts(**site(code, "vmbo").model_dump() | {"gemeente": area}) for code, area in places.items()]
        return table_of(facts, figures)

    then, now = by(places), by(places | {"00AB00": "GM9902", "00AC00": "GM9901"})
    built = protect_sector(then, CONTRACT, PLAN, seed=SEED)
    rows = [row for part in slices(PERIOD, then, CONTRACT, PLAN, built.protected.frame) for row in part.rows]
    known = {"boards": then.boards, "insiders": insiders(then.boards)}
    before = Earlier(now, rows, built.protected.certificate["rule"], built.witnesses, late=("00AE00",), **known)
    with pytest.raises(RegisterChangedError):
        correct_sector(now, before, CONTRACT, PLAN, seed=SEED)


def test_a_table_without_margins_shows_no_halves() -> None:
    """A list that serves several tables is of each what it has: of one without margins its bands and totals."""
    table = table_of([site(*school) for school in DELIVERED], counts(DELIVERED))
    without = dataclasses.replace(CONTRACT, bands=CONTRACT.bands.model_copy(update={"margins": {}}))
    assert {line["band"] for line in shown(table, CONTRACT, PLAN)} == {"band", "half", TOTAL}
    assert {line["band"] for line in shown(table, without, PLAN)} == {"band", TOTAL}
