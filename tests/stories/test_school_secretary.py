"""A year of a school secretary: four times a year a file, and what happens when it is wrong, mistaken or late."""

from pathlib import Path

from audit.quorum import parse_policy
from audit.receipt import Verdict, verify_receipt
from gateway.demo.people import must
from gateway.oversight import policy_text
from tests.gateway.conftest import PERIOD, TABLE
from tests.stories.town import Person, Town, living


def hand_over(secretary: Person, period: str, file: bytes, status: int = 200) -> str:
    """Choose a file on the page of a period and deliver it."""
    path = f"/school/periods/{TABLE}/{period}"
    secretary.see(path)
    return secretary.press(f"{path}/file", status, file=file, collection=TABLE, act="deliver")


def confirm(secretary: Person) -> str:
    """Say yes on the page of what was received."""
    return secretary.press(f"{secretary.at}/confirmation")


def test_a_year_of_a_school_secretary(tmp_path: Path) -> None:
    """Template, fault, delivery, receipt; a mistake withdrawn; a closed period, reopened; the history of it all."""
    with living(tmp_path) as town:
        secretary, school = town.person(town.school(0), "school"), town.school(0)
        november_a_first_delivery(town, secretary)
        february_a_mistake(town, secretary)
        april_too_late(town, secretary)
        history = secretary.see("/school/history")
        assert all(f"2026-2027-{number}" in history for number in (1, 2, 3))
        secretary.see(f"/releases?school={school}", 404)  # tables of the region are not a school's


def november_a_first_delivery(town: Town, secretary: Person) -> None:
    """The deadline stands on the page and goes into the calendar; the template shows every row that is asked."""
    assert PERIOD in secretary.see("/school")
    path = f"/school/periods/{TABLE}/{PERIOD}"
    assert b"DTSTART;VALUE=DATE:20261130" in secretary.fetch(f"{path}/deadline.ics")
    template, right = secretary.fetch(f"{path}/template.csv").decode("utf-8-sig"), town.world.counts(0).decode()
    asked, given = (
        {tuple(line.split(text[11])[:3]) for line in text.split() if ":" not in line} for text in (template, right)
    )
    assert asked == given
    told = hand_over(secretary, PERIOD, "\n".join(right.splitlines()[:-3]).encode(), 400)  # the last rows forgotten
    assert "ROW-MISSING" in told or "ontbreek" in told
    hand_over(secretary, PERIOD, right.encode())
    assert "state-received" in secretary.page
    confirm(secretary)
    assert "state-confirmed" in secretary.page
    receipt = secretary.fetch(f"{secretary.at}/receipt").decode()
    assert verify_receipt(receipt, parse_policy(policy_text(town.world.gateway))).verdict is Verdict.PROVEN


def february_a_mistake(town: Town, secretary: Person) -> None:
    """She delivers the figures of the period before, sees it at night, withdraws and delivers the right ones."""
    town.calendar.turn_to("2027-02-01")
    period = town.open_period(2, "2027-02-01", "2027-02-22")
    secretary.see("/school", 401)  # the session of November is over
    secretary.log_in()
    hand_over(secretary, period, town.world.counts(0, 1))
    confirm(secretary)
    secretary.press(f"{secretary.at}/withdrawal")
    assert "state-withdrawn" in secretary.page
    hand_over(secretary, period, town.world.counts(0, 2))
    confirm(secretary)
    history = secretary.see("/school/history")
    assert "ingetrokken" in history
    assert "bevestigd" in history


def april_too_late(town: Town, secretary: Person) -> None:
    """The period was closed before she was back from leave; the operator reopens it for her school alone."""
    town.calendar.turn_to("2027-04-12")
    period = town.open_period(3, "2027-04-12", "2027-04-26")
    town.deliver(1, period, 3)
    must(town.world.desk.close_period(TABLE, period))
    town.calendar.turn_to("2027-04-28")
    secretary.log_in()
    secretary.see("/school")
    hand_over(secretary, period, town.world.counts(0, 3), 409)
    must(town.world.desk.reopen_for(TABLE, period, town.school(0)))
    hand_over(secretary, period, town.world.counts(0, 3))
    confirm(secretary)
    assert "state-confirmed" in secretary.page
