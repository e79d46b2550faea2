"""Consent at a school: recorded without a name, as easily withdrawn as given, and nothing is asked of a browser."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from markupsafe import escape

from gateway.consents import ask
from gateway.demo.people import must
from gateway.identity import Identity
from gateway.messages import problem_text
from gateway.web import consenting
from gateway.web.words import day
from policies.consent import AgeGroup
from tests.gateway.conftest import NOW, World
from tests.gateway.test_consents import care, given, terms
from tests.web.asking import said, sent
from tests.web.conftest import CARE, Stage, Visit
from tests.web.walking import Page, both, expect, sound, spoken

EVIDENCE = sha256(b"nonce and form").hexdigest()
FORM = b"%PDF signed by hand"


def fill(page: Page, *, age: str, answer: str) -> None:
    page.locator("#recipient").select_option(CARE)
    page.locator(f"#age-{age}").check()
    page.locator(f"#answer-{answer}").check()


@both
def test_consent_is_recorded_kept_and_withdrawn(stage: Stage, visit: Visit, language: str, tmp_path: Path) -> None:
    """A signed form becomes a commitment, its key is kept unasked; the receipt goes home; one button withdraws."""
    page = visit("school", language=language)
    page.goto("/school/consents")
    page.locator("main .actions a").click()
    fill(page, age="under-12", answer="yes")
    form = tmp_path / "form.pdf"
    form.write_bytes(FORM)
    with page.expect_download() as kept:
        page.locator("#parent_file").set_input_files(form)
    key = Path(kept.value.path()).read_text().split()
    expect(page.locator("#parent_evidence")).to_have_value(key[-1])
    assert key[-1] == sha256(bytes.fromhex(key[1]) + FORM).hexdigest()
    sound(page)
    page.locator("main form button:not([name=speak])").click()
    expect(page.locator("#faults")).to_be_focused()
    sound(page)
    page.locator("#parent_date").fill("2026-11-01")
    page.locator("main form button:not([name=speak])").click()
    expect(page.locator("h1 .state-given")).to_be_visible()
    expect(page.locator("section[aria-labelledby=events] code")).to_have_text(key[-1][:16])
    sound(page)
    with page.expect_download() as started:
        page.locator("a[href$='/receipt']").click()
    receipt = Path(started.value.path()).read_text(encoding="utf-8")
    assert CARE in receipt
    assert page.url.rpartition("/")[2] in receipt
    page.locator("button[value=withdrawn]").click()
    expect(page.locator("h1 .state-withdrawn")).to_be_visible()
    sound(page)
    answered(visit("care", language=language), page.url.rpartition("/")[2])


def test_a_form_that_is_taken_back_leaves_no_commitment(visit: Visit, tmp_path: Path) -> None:
    """Without a chosen form the field is empty again and nothing is said of a key."""
    page = visit("school")
    page.goto("/school/consents/new")
    (tmp_path / "form.pdf").write_bytes(FORM)
    with page.expect_download():
        page.locator("#parent_file").set_input_files(tmp_path / "form.pdf")
    expect(page.locator("[data-kept]").first).to_be_visible()
    page.locator("#parent_file").set_input_files([])
    expect(page.locator("#parent_evidence")).to_have_value("")
    expect(page.locator("[data-kept]").first).to_be_hidden()


def answered(page: Page, consent: str) -> None:
    """The recipient finds the notice that a consent has ended, and answers it."""
    page.goto("/releases")
    page.locator("main a[href='/notices']").click()
    card = page.locator("section.card", has=page.locator(f"#n-{consent[:8]}"))
    sound(page)
    card.locator("input[value=erased]").check()
    card.locator("button").click()
    expect(card.locator(".state-confirmed")).to_be_visible()
    sound(page)


@both
def test_both_sign_between_twelve_and_sixteen_without_javascript(stage: Stage, visit: Visit, language: str) -> None:
    """Who is missing is named at the field; the answer can follow later, and end sooner than was asked."""
    page = visit("school", language=language, java_script_enabled=False)
    page.goto("/school/consents/new")
    fill(page, age="12-15", answer="yes")
    page.locator("#parent_date").fill("2026-11-01")
    page.locator("#parent_evidence").fill(EVIDENCE)
    page.locator("main form button:not([name=speak])").click()
    expect(page.locator("#faults a")).to_have_attribute("href", "#pupil_date")
    page.locator("#answer-later").check()
    page.locator("main form button:not([name=speak])").click()
    expect(page.locator("h1 .state-asked")).to_be_visible()
    for name in ("parent", "pupil"):
        page.locator(f"#{name}_date").fill("2026-11-01")
        page.locator(f"#{name}_evidence").fill(EVIDENCE)
    page.locator("button[value=given]").click()
    expect(page.locator("h1 .state-given")).to_be_visible()
    page.locator("#last_day").fill("2027-01-31")
    page.locator("button[value=narrowed]").click()
    expect(page.locator("dl.facts").first).to_contain_text(day(date(2027, 1, 31), spoken(page)))
    page.locator("#last_day").fill("2027-07-31")
    page.locator("button[value=narrowed]").click()
    expect(page.locator("#faults a")).to_have_attribute("href", "#last_day")


def test_a_consent_that_begins_later_says_from_when(stage: Stage, visit: Visit) -> None:
    """School and recipient read the first day, not that it holds; it does not end before it begins."""
    page = visit("school")
    page.goto("/school/consents/new")
    fill(page, age="under-12", answer="yes")
    page.locator("#first_day").fill("2026-12-01")
    page.locator("#parent_date").fill("2026-11-01")
    page.locator("#parent_evidence").fill(EVIDENCE)
    page.locator("main form button:not([name=speak])").click()
    expect(page.locator("main .note-title")).to_have_text("De toestemming geldt vanaf 1 december 2026")
    sound(page)
    number = page.url.rpartition("/")[2][:8]
    page.locator("#last_day").fill("2026-11-30")
    page.locator("button[value=narrowed]").click()
    expect(page.locator("#faults a")).to_have_attribute("href", "#last_day")
    for role, address in (("school", "/school/consents"), ("care", "/notices")):
        listed = visit(role)
        listed.goto(address)
        expect(listed.locator("tr", has_text=number)).to_contain_text("vanaf 1 december 2026")


@both
def test_a_no_is_the_end_of_it(stage: Stage, visit: Visit, language: str) -> None:
    """After a refusal nothing can be done with the consent but reading that nothing is passed on."""
    page = visit("school", language=language)
    page.goto("/school/consents/new")
    fill(page, age="16-plus", answer="no")
    page.locator("main form button:not([name=speak])").click()
    expect(page.locator("h1 .state-refused")).to_be_visible()
    assert page.locator("main button").count() == 0
    sound(page)


def test_a_consent_of_another_school_is_not_there(stage: Stage, visit: Visit) -> None:
    """An id that is not of this school gives the same page as one that does not exist."""
    with stage.client("school") as school:
        strange = school.get(f"/school/consents/{'0' * 32}")
    assert strange.status_code == 404


SIGNED = {"parent": "2026-11-01", "pupil": "2026-11-01"}
FUTURE = {"pupil": "2026-11-03"}


def signatures(days: Mapping[str, str]) -> dict[str, str]:
    """The fields of who signed, and when."""
    return {
        f"{who}_{name}": value for who, day in days.items() for name, value in (("date", day), ("evidence", EVIDENCE))
    }


def pointed(page: str) -> list[str]:
    """Where the summary of faults leads; each place is on the page."""
    summary = re.search(r'<section class="faults".*?</section>', page, re.DOTALL)
    assert summary
    assert 'id="faults-title"' in summary[0]
    found = re.findall(r'href="#([^"]+)"', summary[0])
    assert [place for place in found if f'id="{place}"' not in page] == []
    return found


@pytest.mark.parametrize(
    ("age", "days", "older", "places"),
    [
        ("under-12", {}, "", ["parent_date"]),
        ("under-12", SIGNED, "", ["pupil_date"]),
        ("under-12", {"parent": "2026-11-01"}, "2027-08-01", ["older_on"]),
        ("under-12", {"parent": "2026-11-01"}, "2026-11-01", ["age_group"]),
        ("12-15", SIGNED | FUTURE, "", ["pupil_date"]),
        ("16-plus", {}, "", ["pupil_date"]),
        ("16-plus", SIGNED, "", ["parent_date"]),
        ("16-plus", FUTURE, "", ["pupil_date"]),
        ("16-plus", {"pupil": "2026-11-01"}, "2026-12-01", ["older_on"]),
    ],
)
def test_a_fault_of_a_new_consent_leads_to_its_field(
    small_world: World, age: str, days: Mapping[str, str], older: str, places: list[str]
) -> None:
    """A signature that is missing, too early or too many, and a birthday that does not belong: each at its place."""
    care(small_world)
    school = Identity(small_world.region.sites[0].code, "school")
    form = {
        "recipient": CARE, "first_day": "2026-11-02", "last_day": "2027-07-31", "language": "nl", "answer": "yes",
        "age_group": age, "older_on": older,
    }  # fmt: skip
    assert pointed(sent(small_world.gateway, consenting.register, school, form | signatures(days))) == places


@pytest.mark.parametrize(
    ("days", "later", "places"),
    [({}, 0, ["pupil_date"]), (FUTURE, 0, ["pupil_date"]), ({"pupil": "2026-11-02"}, 20, [])],
)
def test_a_fault_of_an_asked_consent_leads_to_a_field_that_is_there(
    small_world: World, days: Mapping[str, str], later: int, places: list[str]
) -> None:
    """Only the pupil's day is a field of a consent at sixteen; one who grew older since is asked again, elsewhere."""
    care(small_world)
    made = {"age_group": "12-15", "older_on": date(2026, 11, 20)} if later else {"age_group": "16-plus"}
    site, then = small_world.site(0), small_world.at(NOW + timedelta(days=later))
    standing = must(ask(small_world.gateway, site, terms(**made | {"age_group": AgeGroup(made["age_group"])})))
    form = {"act": "given"} | signatures(days | ({"parent": "2026-11-02"} if later else {}))
    school = Identity(site.party, "school")
    assert pointed(sent(then.gateway, consenting.change, school, form, consent=standing.id)) == places


@pytest.mark.parametrize("act", ["else", "given"])
def test_an_act_that_the_page_has_not_names_no_field(small_world: World, act: str) -> None:
    """What a consent that holds cannot do, as from an older page, is malformed: no fault that leads nowhere."""
    care(small_world)
    standing = given(small_world)
    school = Identity(standing.site, "school")
    answer = sent(small_world.gateway, consenting.change, school, {"act": act}, consent=standing.id)
    assert 'class="faults"' not in answer
    assert problem_text("invalid-request", "nl")[0] in answer


def test_the_receipt_names_who_receives_and_where_to_go(small_world: World) -> None:
    """A parent reads names and days, not codes and numbers, and at which school the consent is withdrawn."""
    care(small_world)
    standing, site = given(small_world), small_world.region.sites[0]
    page = said(small_world.gateway, consenting.receipt, Identity(standing.site, "school"), consent=standing.id)
    told = (
        "Jeugdgezondheidszorg (<code>ORG-JGZ</code>)",
        "2 november 2026 – 31 juli 2027",
        f"<strong>{escape(site.name)}</strong>",
    )
    assert [each for each in told if each not in page] == []
