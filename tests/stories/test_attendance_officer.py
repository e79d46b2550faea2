"""A year of an attendance officer (leerplichtambtenaar) of a gemeente: figures, and no child in them."""

from pathlib import Path

from gateway.table import decode_rows
from tests.gateway.conftest import PERIOD
from tests.stories.town import Town, living


def test_a_year_of_an_attendance_officer(tmp_path: Path) -> None:
    """Figures of the own gemeente beside the country; whatever else is asked for is not there, and that is logged."""
    with living(tmp_path) as town:
        gemeente = next(iter(town.world.region.gemeenten))
        officer, program = town.person(gemeente, "recipient"), town.machine(gemeente)
        assert program.get("/v1/releases").json() == []
        for index in range(12):
            town.deliver(index, PERIOD, 1)
        release = town.release(PERIOD)
        assert PERIOD in officer.see("/releases")
        officer.see(f"/releases/{release}?level=country")
        rows = decode_rows(officer.fetch(f"/releases/{release}/download?format=csv").split(b"\r\n", 1)[1])
        home = {site.code for site in town.world.region.sites if site.gemeente == gemeente}
        assert {row.area for row in rows} == {gemeente, "NL", *home}
        june_what_is_not_the_officers(town, gemeente)


def june_what_is_not_the_officers(town: Town, gemeente: str) -> None:
    """A child is reported by its school, elsewhere: here there is no row, no consent, no request in its name."""
    town.calendar.turn_to("2027-06-14")
    program, school = town.machine(gemeente), town.school(0)
    pseudonym = "A" * 86
    asked = {
        program.post("/v1/access-requests", json={"schoolYear": "2026-2027", "pseudonym": pseudonym}).status_code,
        program.post("/v1/submissions", params={"collection": "absence-counts", "party": school, "period": PERIOD},
                     content=town.world.counts(0)).status_code,
        program.get("/v1/audit/entries").status_code,
    }  # fmt: skip
    assert asked <= {403, 404}
    assert program.get("/v1/submissions").json() == []
    assert program.get("/v1/consents").json() == []
