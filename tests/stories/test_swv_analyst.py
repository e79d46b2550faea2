"""A year of an analyst of an SWV: tables with gaps in them, a trend, a correction, and nothing of anybody else."""

import io
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from openpyxl import load_workbook

from gateway.demo.people import must
from gateway.messages import text
from gateway.table import TableRow, decode_rows
from tests.gateway.conftest import PERIOD, TABLE
from tests.stories.town import Person, Town, living


def table(analyst: Person, release: str) -> list[TableRow]:
    """The table as a file, row by row."""
    return list(decode_rows(analyst.fetch(f"/releases/{release}/download?format=csv").split(b"\r\n", 1)[1]))


@pytest.fixture
def schools() -> int:
    """How many schools the town has."""
    return 12


def test_a_year_of_an_swv_analyst(tmp_path: Path, schools: int) -> None:
    """What is published, what is not specified, how it grows over two periods, and what a correction changes."""
    with living(tmp_path, sites=schools) as town:
        swv = next(iter(town.world.region.swvs))
        analyst = town.person(swv, "recipient")
        analyst.see("/releases")
        for index in range(schools):
            town.deliver(index, PERIOD, 1)
        first = town.release(PERIOD)
        december_the_first_table(town, analyst, first)
        spring = march_a_trend(town, analyst, schools)
        april_it_was_wrong(town, analyst, spring)


def december_the_first_table(town: Town, analyst: Person, release: str) -> None:
    """The table is of the own region only; small counts are words, not numbers; every file says the same."""
    assert PERIOD in analyst.see("/releases")
    assert "niet gespecificeerd" in analyst.see(f"/releases/{release}")
    analyst.see(f"/releases/{release}/schools")
    rows = table(analyst, release)
    mine = {site.code for site in town.world.region.sites if site.swv == analyst_swv(town)}
    assert {row.area for row in rows if row.level == "site"} == mine
    published = [row for row in rows if row.status == "published" and row.band != "total"]
    assert published
    assert not [row for row in published if row.method == "exact" and int(row.pupils) < 5]
    assert [row for row in rows if row.status == "suppressed" and row.pupils == ""]
    book = load_workbook(io.BytesIO(analyst.fetch(f"/releases/{release}/download?format=xlsx")))
    assert max(sheet.max_row for sheet in book.worksheets) > len(rows)
    other = list(town.world.region.swvs)[1]
    assert other not in {row.area for row in rows}


def march_a_trend(town: Town, analyst: Person, schools: int) -> str:
    """Two schools do not deliver and one went to a neighbour: coverage says so, the trend marks the second point."""
    moved(town)
    town.calendar.turn_to("2027-02-08")
    period = town.open_period(2, "2027-02-01", "2027-02-22")
    for index in range(2, schools):
        town.deliver(index, period, 2)
    town.calendar.turn_to("2027-03-08")
    release = town.release(period)
    analyst.log_in()
    trend = analyst.see("/releases/trend")
    assert PERIOD in trend
    assert period in trend
    assert text("pages", "trend.change", "nl", joined="0", left="1") in trend
    assert text("pages", "trend.mark", "nl") in trend
    away = {town.school(0), town.school(1)}
    rows = [row for row in table(analyst, release) if row.area in away]
    assert {row.status for row in rows} <= {"not_delivered"}
    return release


def moved(town: Town) -> None:
    """From January on, the last primary school of her SWV belongs to another one."""
    mine = [site for site in town.world.region.sites if site.swv == analyst_swv(town)]
    site = [site for site in mine if site.sector == "po"][-1]
    neighbour = (f"{site.swv[:2]}9950", "swv", "Samenwerkingsverband van hiernaast")
    must(town.world.desk.register([replace(site.entry, swv=neighbour[0])], [neighbour], date(2027, 1, 1)))


def april_it_was_wrong(town: Town, analyst: Person, release: str) -> None:
    """The operator withdraws the table: it is gone from one moment to the next, and her receipts stay."""
    receipts = analyst.see(f"/releases/{release}/files")
    assert "CSV" in receipts
    boss = town.person(town.world.gateway.settings.operator, "operator")
    boss.see(f"/operator/releases/{release}")
    boss.press(f"/operator/releases/{release}", act="withdraw", reason="Een school telde een heel leerjaar niet mee.")
    assert analyst.http.get(f"/releases/{release}/download?format=csv").status_code in (403, 404, 409, 410)
    must(town.world.desk.reopen_for(TABLE, "2026-2027-2", town.school(0)))


def analyst_swv(town: Town) -> str:
    """Her SWV."""
    return next(iter(town.world.region.swvs))
