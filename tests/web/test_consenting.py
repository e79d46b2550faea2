"""Consent at a school: recorded without a name, as easily withdrawn as given, and nothing is asked of a browser."""

from datetime import date
from hashlib import sha256
from pathlib import Path

from gateway.web.words import day
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
    page.locator("main form button").click()
    expect(page.locator("#faults")).to_be_focused()
    sound(page)
    page.locator("#parent_date").fill("2026-11-01")
    page.locator("main form button").click()
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
    page.locator("main form button").click()
    expect(page.locator("#faults a")).to_have_attribute("href", "#pupil_date")
    page.locator("#answer-later").check()
    page.locator("main form button").click()
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
    page.locator("main form button").click()
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
    page.locator("main form button").click()
    expect(page.locator("h1 .state-refused")).to_be_visible()
    assert page.locator("main button").count() == 0
    sound(page)


def test_a_consent_of_another_school_is_not_there(stage: Stage, visit: Visit) -> None:
    """An id that is not of this school gives the same page as one that does not exist."""
    with stage.client("school") as school:
        strange = school.get(f"/school/consents/{'0' * 32}")
    assert strange.status_code == 404
