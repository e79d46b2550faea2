"""A year of a parent, through the school: consent, what is held, withdrawal, and the end of the school year."""

import json
from datetime import date
from hashlib import sha256
from pathlib import Path

from joserfc import jwe
from joserfc.jwk import ECKey
from sqlmodel import select

from gateway.context import operator_of
from gateway.demo.people import must
from gateway.keys import renounce, rotate
from gateway.periods import ROWS
from gateway.prepared import SUBJECTS
from gateway.retention import run
from gateway.store import ConsentedHealth, Enrolment
from gateway.synthetic.pupils import draw_pupils
from tests.gateway.conftest import PERIOD
from tests.gateway.documents import local_pseudonym, records_document
from tests.stories.town import CARE, YEAR, Person, Town, living

KEY = ECKey.generate_key("P-256", {"kid": "care-key-2026"}, private=True)
EVIDENCE = sha256(b"the signed form stays at school").hexdigest()


def test_a_year_of_a_parent(tmp_path: Path) -> None:
    """The mother of one pupil of the first school; the school speaks for her, and nobody learns her name here."""
    with living(tmp_path) as town:
        must(town.world.desk.register_key(CARE, {k: str(v) for k, v in KEY.as_dict(private=False).items()}))
        school = town.person(town.school(0), "school")
        november_the_school_delivers(town)
        assert len(held(town, school)["rows"]) == 1
        november_the_school_asks_for_her(town, school)
        consent = november_she_consents(school)
        december_the_care_service_reads(town, consent)
        january_she_withdraws(town, school, consent)
        january_a_key_leaked(town, school)
        september_nothing_is_left(town, school)


def child(town: Town) -> str:
    """The pseudonym of her child, which only the school can make."""
    pupils = draw_pupils(town.world.region.sites[0], index=0, period=1, seed=1)
    return local_pseudonym(int(pupils.numbers[0]), town.school(0).encode())


def november_the_school_delivers(town: Town) -> None:
    """Hours of every pupil, under pseudonyms."""
    pupils = draw_pupils(town.world.region.sites[0], index=0, period=1, seed=1)
    contract = town.world.gateway.contracts["absence-records"]
    body = records_document(pupils, contract, site=town.school(0), period=PERIOD)
    about = {"collection": "absence-records", "party": town.school(0), "period": PERIOD}
    http = town.machine(town.school(0), "submit")
    made = http.post("/v1/submissions", params=about, content=body)
    assert made.status_code == 201, made.text
    assert http.post(f"/v1/submissions/{made.json()['id']}/confirmation").status_code == 200


def held(town: Town, school: Person) -> dict[str, list[object]]:
    """What the school is answered when she asks what is held."""
    school.see("/school")
    csrf = school.page.split('name="csrf" value="')[1].split('"')[0]
    body = {"schoolYear": YEAR, "pseudonym": child(town)}
    asked = {"json": body, "headers": {"X-CSRF-Token": csrf}}
    answers = (school.http.post("/v1/access-requests", **asked) for _ in range(100))  # the log is a moment behind
    answer = next(each for each in answers if each.status_code != 503)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def november_the_school_asks_for_her(town: Town, school: Person) -> None:
    """On a page, and as a file to hand over; the program of the school may not ask, nor anybody without the page."""
    asked = {"school_year": YEAR, "pseudonym": child(town)}
    school.see("/access")
    answers = (school.press("/access", **asked) for _ in range(100))  # the log is a moment behind what it logs
    words = next(each for each in answers if "Aanlevering ontvangen" in each)
    assert "Dit is vastgelegd" in words
    assert PERIOD in words
    school.press("/access", act="file", **asked)
    assert json.loads(school.page) == held(town, school)
    school.see("/access")
    assert "Van dit schooljaar is niets vastgelegd" in school.press("/access", school_year=YEAR, pseudonym="A" * 86)
    machine = town.machine(town.school(0))
    body = {"schoolYear": YEAR, "pseudonym": child(town)}
    assert machine.post("/v1/access-requests", json=body).status_code == 403


def november_she_consents(school: Person) -> str:
    """On the school's page: one recipient, an age group, a day; what she takes home names no child."""
    school.see("/school/consents/new")
    school.press(
        "/school/consents/new",
        recipient=CARE, age_group="under-12", language="nl", answer="yes", first_day="2026-11-02",
        last_day="2027-07-31", parent_date="2026-11-01", parent_evidence=EVIDENCE,
    )  # fmt: skip
    assert "state-given" in school.page
    assert CARE in school.fetch(f"{school.at}/receipt").decode()
    return school.at.rpartition("/")[2]


def december_the_care_service_reads(town: Town, consent: str) -> None:
    """The school sends the hours of illness; the one service she named reads them, and opens the sealed reference."""
    reference = jwe.encrypt_compact({"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": "care-key-2026"}, b"7", KEY)
    record = {
        "consent": consent,
        "reference": reference,
        "data": {"period": PERIOD, "hours_illness": "31.5", "hours_scheduled": "235"},
    }
    sent = town.machine(town.school(0), "consent").post("/v1/consented-records", json=record)
    assert sent.status_code == 201, sent.text
    read = town.machine(CARE, "consent").get("/v1/consented-records").json()
    assert [one["data"]["hours_illness"] for one in read] == ["31.5"]
    assert jwe.decrypt_compact(read[0]["reference"], KEY).plaintext == b"7"
    stranger = town.machine(next(iter(town.world.region.swvs)), "consent")
    assert stranger.get("/v1/consented-records").json() == []


def january_she_withdraws(town: Town, school: Person, consent: str) -> None:
    """One button, no reason: from that moment the service reads nothing, and is told so."""
    town.calendar.turn_to("2027-01-11")
    school.log_in()
    school.see(f"/school/consents/{consent}")
    school.press(f"/school/consents/{consent}", act="withdrawn", by="parent")
    assert "state-withdrawn" in school.page
    assert town.machine(CARE, "consent").get("/v1/consented-records").json() == []


def january_a_key_leaked(town: Town, school: Person) -> None:
    """The row of November is held, but nothing leads to it any more: the answer does not say that there is none."""
    must(rotate(town.world.desk, ROWS, YEAR))
    must(renounce(town.world.desk, ROWS, YEAR))
    must(rotate(town.world.desk, SUBJECTS, YEAR))
    assert (held(town, school)["rows"], held(town, school)["rowsBeyondReach"]) == ([], True)
    school.see("/access")
    words = school.press("/access", school_year=YEAR, pseudonym="A" * 86)
    assert "Van eerdere perioden is niet alles terug te vinden" in words
    assert "In het logboek is van dit schooljaar niet alles terug te vinden" in words
    assert "Van dit schooljaar is niets vastgelegd" not in words


def september_nothing_is_left(town: Town, school: Person) -> None:
    """Thirty days after the school year: no row of her child, no hours, and the answer says so."""
    town.calendar.turn_to("2027-09-15")
    assert town.world.gateway.today == date(2027, 9, 15)
    must(run(town.world.gateway, operator_of(town.world.gateway)))
    school.log_in()
    assert (held(town, school)["rows"], held(town, school)["rowsBeyondReach"]) == ([], False)
    with town.world.gateway.reading() as session:
        assert session.exec(select(Enrolment.pid)).all() == []
        assert session.exec(select(ConsentedHealth.id)).all() == []
