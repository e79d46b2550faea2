"""A year of somebody at the operator: periods, a colleague with other eyes, a leaked token, a leaked key, September."""

import time
from pathlib import Path

from sqlmodel import select

from gateway import keys, retention
from gateway.demo.people import must
from gateway.store import Enrolment, Job, JobState
from gateway.synthetic.pupils import draw_pupils
from tests.gateway.conftest import PERIOD, TABLE
from tests.gateway.documents import records_document
from tests.stories.town import PATIENCE_SECONDS, YEAR, Person, Town, living, patiently


def test_a_year_at_the_operator(tmp_path: Path) -> None:
    """Everything through the pages; what one person may not do alone is refused."""
    with living(tmp_path) as town:
        operator = town.world.gateway.settings.operator
        anna, bram = town.person(operator, "operator"), town.person(operator, "operator")
        november_a_period(town, anna)
        december_four_eyes(town, anna, bram)
        january_a_token_leaks(town, anna)
        february_a_key_leaks(town)
        september_the_year_ends(town, anna)


def november_a_period(town: Town, anna: Person) -> None:
    """She sees who has delivered; the second period is opened on the page."""
    for index in range(11):
        town.deliver(index, PERIOD, 1)
    about = {"collection": "absence-records", "party": town.school(11), "period": PERIOD}
    pupils = draw_pupils(town.world.region.sites[11], index=11, period=1, seed=1)
    contract = town.world.gateway.contracts["absence-records"]
    body = records_document(pupils, contract, site=town.school(11), period=PERIOD)
    http = town.machine(town.school(11), "submit")
    made = http.post("/v1/submissions", params=about, content=body)
    http.post(f"/v1/submissions/{made.json()['id']}/confirmation").raise_for_status()
    assert town.school(11) in anna.see(f"/operator/periods/{TABLE}/{PERIOD}?state=delivered")
    anna.see("/operator")
    fields = {"table": TABLE, "code": f"{YEAR}-2", "reference_date": "2027-02-01", "deadline": "2027-02-22"}
    assert f"{YEAR}-2" in anna.press("/operator", exercise="yes", **fields)


def december_four_eyes(town: Town, anna: Person, bram: Person) -> None:
    """She closes and builds; she cannot approve her own; he approves, with a reason, and she publishes."""
    here = f"/operator/periods/{TABLE}/{PERIOD}"
    anna.see(here)
    anna.press(here, act="close")
    anna.press(here, act="build")
    release = anna.at.rpartition("/")[2]
    town.await_release(release)
    anna.see(f"/operator/releases/{release}")
    anna.press(f"/operator/releases/{release}", 403, act="approve", reason="Ik vind het goed.")
    bram.see(f"/operator/releases/{release}")
    bram.press(f"/operator/releases/{release}", 400, act="approve", reason="")
    bram.press(f"/operator/releases/{release}", act="approve", reason="Vergeleken met de proefronde.")
    anna.see(f"/operator/releases/{release}")
    anna.press(f"/operator/releases/{release}", act="publish", reason="Afgesproken dag.")
    assert "state-published" in anna.page


def january_a_token_leaks(town: Town, anna: Person) -> None:
    """A school's token stands in a public repository: locked out at once, the school gets a fresh one."""
    town.calendar.turn_to("2027-01-11")
    anna.log_in()
    leaked = town.machine(town.school(0))
    assert leaked.get("/v1/submissions").status_code == 200
    must(town.world.desk.end_credentials(town.school(0)))
    assert leaked.get("/v1/submissions").status_code == 401
    assert f"party let-in {town.school(0)}" in anna.see(f"/operator/parties/{town.school(0)}")
    must(town.world.desk.let_in(town.school(0)))
    anna.press(f"/operator/parties/{town.school(0)}", act="token", scope="submit")
    assert town.machine(town.school(0)).get("/v1/submissions").status_code == 200


def february_a_key_leaks(town: Town) -> None:
    """Every stored pid goes on under another key; no school is asked, no row is lost."""
    before = rows(town)
    assert before
    assert must(keys.rotate(town.world.desk, "counting-for-school", YEAR)).rows == len(before)
    assert len(rows(town)) == len(before)
    assert not rows(town) & before


def september_the_year_ends(town: Town, anna: Person) -> None:
    """The worker's own retention run of the day leaves no row, without a hand; the log goes on in a new year."""
    await_retention(town)  # January's, if it saw September come, would put off September's to the day after
    town.calendar.turn_to("2027-09-15")
    await_retention(town)
    assert rows(town) == set()
    anna.log_in()
    assert "Er is nog geen register gemaakt" in anna.see("/operator/system")
    logs = patiently(town.anybody(), "/v1/audit/logs").json()
    assert logs[0]["origin"].endswith(YEAR)


def rows(town: Town) -> set[bytes]:
    """Every pid that is stored."""
    with town.world.gateway.reading() as session:
        return set(session.exec(select(Enrolment.pid)).all())


def await_retention(town: Town) -> None:
    """Wait until the day's run is done: none is under way, none is due."""
    under_way = (Job.state == JobState.WAITING) & (Job.due_at <= town.calendar.now()) | (Job.state == JobState.LEASED)
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        with town.world.gateway.reading() as session:
            if session.exec(select(Job.id).where(Job.kind == retention.JOB, under_way)).first() is None:
                return
        time.sleep(0.05)
    raise AssertionError("the retention run did not end")
