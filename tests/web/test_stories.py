"""Each audience from its login link to its goal, in a real browser; every state on the way is judged by axe."""

import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook

from audit.quorum import parse_policy
from audit.receipt import Verdict, verify_receipt
from gateway.messages import rule_text
from gateway.outcome import Fault
from gateway.oversight import policy_text
from gateway.store import ReleaseChart
from tests.web.conftest import OPEN_PERIOD, PERIOD, TABLE, Stage, Visit
from tests.web.walking import Page, both, coded, enter, expect, said, sound, spoken

BANDS = {"upto5": "90", "5to10": "6", "10to20": "3", "above20": "1"}
# Who delivers the same once more gets the old answer: each story that confirms has counts of its own.
UNSCRIPTED = {"nl": BANDS | {"upto5": "89", "above20": "2"}, "en": BANDS | {"upto5": "88", "above20": "3"}}
TYPED = {"nl": BANDS | {"upto5": "87", "above20": "4"}, "en": BANDS | {"upto5": "86", "above20": "5"}}
NOBODY = {"upto5": "100", "5to10": "0", "10to20": "0", "above20": "0"}
FORM = f"/school/periods/{TABLE}/{OPEN_PERIOD}"


def count(kind: str, band: str, bands: Mapping[str, str] = BANDS) -> str:
    """One of the counts of a hundred pupils of whom nobody was away without leave."""
    return (NOBODY if kind == "unauthorised" else bands)[band]


def fill(page: Page, bands: Mapping[str, str] = BANDS) -> None:
    """Fill in counts that add up."""
    for field in page.locator("form.counts input[data-kind]").all():
        _, _, kind, band = (field.get_attribute("name") or "").split(".")
        field.fill(count(kind, band, bands))


@both
def test_a_school_delivers_and_keeps_its_receipt(stage: Stage, visit: Visit, language: str) -> None:
    """Link, empty form, faults at their place, counts that add up, confirmation, a receipt that holds, withdrawal."""
    page = visit(language=language)
    enter(page, stage, "school")
    expect(page).to_have_url(re.compile("/school$"))
    page.locator(f"main a[href='{FORM}']").click()
    page.locator("form.counts button[value=deliver]").click()
    expect(page.locator("#faults")).to_be_focused()
    sound(page)
    page.locator("#faults a").first.click()
    expect(page.locator("form.counts input").nth(1)).to_be_focused()
    fill(page)
    verdict = page.locator("[data-verdict]").first
    expect(verdict).to_have_text(said(page, "count.equal").replace("#", "100"))
    page.locator("form.counts input[data-kind]").first.fill("91")
    expect(verdict).to_have_attribute("data-state", "bad")
    page.locator("form.counts button[value=check]").click()
    wrong = page.locator("fieldset.field-fault .fault").first
    expect(page.get_by_text(wrong.inner_text())).to_have_count(1)
    sound(page)
    page.locator("form.counts input[data-kind]").first.fill("90")
    page.locator("form.counts button[value=check]").click()
    expect(page.get_by_text(said(page, "deliver.good"))).to_be_visible()
    page.locator("form.counts button[value=deliver]").click()
    expect(page.locator(".state-received")).to_be_visible()
    expect(page.locator(".steps [aria-current]")).to_have_text(said(page, "steps.confirm"))
    sound(page)
    page.get_by_role("button", name=said(page, "submission.confirm")).click()
    expect(page.locator(".state-confirmed")).to_be_visible()
    sound(page)
    with page.expect_download() as started:
        page.get_by_role("link", name=said(page, "receipt.download")).click()
    receipt = Path(started.value.path()).read_text(encoding="utf-8")
    checked = verify_receipt(receipt, parse_policy(policy_text(stage.gateway)))
    assert checked.verdict is Verdict.PROVEN
    page.locator("summary").click()
    page.locator("button.danger").click()
    expect(page.locator(".state-withdrawn")).to_be_visible()
    sound(page)


@both
def test_a_school_delivers_without_javascript(stage: Stage, visit: Visit, language: str) -> None:
    """The form is checked, delivered and confirmed by the server alone; sums stand in the page that comes back."""
    page, bands = visit("school", language=language, java_script_enabled=False), UNSCRIPTED[language]
    page.goto(FORM)
    fill(page, bands | {"upto5": str(int(bands["upto5"]) + 1)})
    page.locator("form.counts button[value=check]").click()
    expect(page.locator("output").first).to_have_text("101")
    expect(page.locator("#faults")).to_be_visible()
    fill(page, bands)
    page.locator("form.counts button[value=deliver]").click()
    page.locator("main form button").first.click()
    expect(page.locator(".state-confirmed")).to_be_visible()
    corrected(page, bands)
    page.goto("/school/history")
    versions = page.locator(f"table:has([id='h-{TABLE}/{OPEN_PERIOD}']) tbody tr")
    expect(versions.nth(0)).to_contain_text(said(page, "state.confirmed"))
    expect(versions.nth(1)).to_contain_text(said(page, "state.replaced"))


def corrected(page: Page, bands: Mapping[str, str]) -> None:
    """Correct what was confirmed: the form has its counts, and the new version takes its place once confirmed."""
    page.get_by_role("link", name=said(page, "submission.correct")).click()
    expect(page.locator("form.counts input[data-kind]").first).to_have_value(bands["upto5"])
    fill(page, bands | {"upto5": str(int(bands["upto5"]) - 1), "5to10": str(int(bands["5to10"]) + 1)})
    page.locator("form.counts button[value=deliver]").click()
    page.get_by_role("button", name=said(page, "submission.confirm")).click()
    expect(page.locator(".state-confirmed")).to_be_visible()


@both
def test_a_school_chooses_a_file_in_its_own_language(stage: Stage, visit: Visit, language: str, tmp_path: Path) -> None:
    """The button is the page's own, also without JavaScript; of the browser's words only the file's name is shown.

    Neither in colours that the reader chose.
    """
    (tmp_path / "counts.csv").write_text("x")
    page = visit("school", language=language, java_script_enabled=False)
    page.goto(FORM)
    field = page.get_by_label(said(page, "deliver.file.choose"), exact=True)
    own = "field => [getComputedStyle(field, '::file-selector-button').display, getComputedStyle(field).color]"
    for colours in ("active", "none"):
        page.emulate_media(forced_colors=colours)
        assert field.evaluate(own) == ["none", "rgba(0, 0, 0, 0)"]
    with page.expect_file_chooser() as asked:
        page.locator("label[for=file]").click()
    asked.value.set_files(tmp_path / "counts.csv")
    assert field.evaluate(own)[1] == page.locator("body").evaluate("body => getComputedStyle(body).color")


@both
def test_a_school_hands_over_its_template_as_a_workbook(
    stage: Stage, visit: Visit, language: str, tmp_path: Path
) -> None:
    """The template, filled in, passes the check; its counts then stand in the form, ready to be delivered."""
    page = visit("school", language=language)
    page.goto(FORM)
    with page.expect_download() as started:
        page.locator("a[href$='template.xlsx']").click()
    book = load_workbook(io.BytesIO(Path(started.value.path()).read_bytes()))
    sheet = book.worksheets[0]
    assert [cell.value for cell in sheet[1]] == ["subdivision", "kind", "band", "pupils"]
    for row in sheet.iter_rows(min_row=2):
        row[3].value = int(count(row[1].value, row[2].value))
    book.save(tmp_path / "filled.xlsx")
    page.locator("#file").set_input_files(tmp_path / "filled.xlsx")
    page.locator("form[enctype] button[value=check]").click()
    expect(page.locator(".note-ok")).to_be_visible()
    expect(page.locator("form.counts input[data-kind]").first).to_have_value("90")
    sound(page)


@both
def test_a_school_sees_what_is_wrong_with_a_file(stage: Stage, visit: Visit, language: str, tmp_path: Path) -> None:
    """Every fault with row, column and mend; nothing of the file itself is shown."""
    page = visit("school", language=language)
    page.goto(FORM)
    file = tmp_path / "export.csv"
    file.write_text("subdivision;kind;band;pupils\nlower_years;illness;upto5;-7\nlower_years;griep;upto5;8\n")
    page.locator("#file").set_input_files(file)
    page.locator("form[enctype] button[value=deliver]").click()
    table = page.locator(".faults tbody")
    expect(table).to_contain_text("COUNT-WHOLE")
    expect(table).to_contain_text("CODE-KIND")
    expect(table).to_contain_text(rule_text(Fault("CODE-KIND"), spoken(page)))
    assert "griep" not in page.content()
    sound(page)


@both
def test_a_school_delivers_with_the_keyboard_alone(stage: Stage, visit: Visit, language: str) -> None:
    """Skip link, form, delivery and confirmation without a mouse; what has the focus is always outlined."""
    page = visit("school", language=language)
    page.goto(FORM)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    for _ in range(80):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.name ?? ''")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        if name.startswith("n."):
            page.keyboard.type(count(*name.split(".")[2:], TYPED[language]))
        elif page.evaluate("document.activeElement.value") == "deliver":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/school/submissions/**")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('main form button')"):
            break
    page.keyboard.press("Enter")
    expect(page.locator(".state-confirmed")).to_be_visible()


@both
def test_a_school_compares_itself_with_its_region(stage: Stage, visit: Visit, language: str) -> None:
    """Beside the own figures stand the partnership as a whole and the country; each is a look in the log."""
    page = visit("school", language=language)
    page.goto(f"/school/figures?period={PERIOD}")
    heads = page.locator("#own-total ~ thead th.beside")
    expect(heads.first).to_have_text(said(page, "figures.swv", band=said(page, "short.above10")))
    expect(heads.last).to_have_text(said(page, "figures.country", band=said(page, "short.above10")))
    sound(page)
    page.goto("/school/trend")
    expect(page.get_by_role("columnheader", name=said(page, "trend.region"))).to_be_visible()
    sound(page)
    stage.site.world.sequence()
    officer = visit("controller-officer", language=language)
    officer.goto("/audit?rule=school-compares-with-its-region")
    expect(officer.locator("tbody .state-permit").first).to_be_visible()


@both
def test_a_school_finds_a_closed_period_closed(stage: Stage, visit: Visit, language: str) -> None:
    """There is no form to fill in for nothing: the page says what counts, and how a late change is asked for."""
    page = visit("school", language=language)
    page.goto(f"/school/periods/{TABLE}/{PERIOD}")
    expect(page.locator(".note-warn")).to_contain_text(said(page, "deliver.closed"))
    expect(page.locator("form.counts")).to_have_count(0)
    page.get_by_role("link", name=said(page, "school.look")).click()
    expect(page.locator(".state-confirmed")).to_be_visible()


@both
def test_an_swv_reads_its_table_and_fetches_it(stage: Stage, visit: Visit, language: str) -> None:
    """From the list to the table, its filters and its schools; file, chart and receipt are of the same slice."""
    page = visit(language=language)
    enter(page, stage, "swv")
    page.get_by_role("link", name=said(page, "releases.open")).first.click()
    expect(page.locator("svg.bar").first).to_be_visible()
    page.locator("#kind").select_option("illness")
    page.get_by_role("button", name=said(page, "filter.show")).click()
    expect(page.locator("caption")).to_contain_text(said(page, "short.illness"))
    page.get_by_role("link", name=said(page, "release.schools")).click()
    expect(page.locator("tbody tr").first).to_be_visible()
    page.get_by_role("link", name=said(page, "release.files")).click()
    dictionary = page.locator("a[href$='/dictionary']").get_attribute("href") or ""
    assert page.request.get(dictionary).json()["url"] == "table?format=csv"
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV", exact=True).click()
    downloaded = Path(started.value.path()).read_bytes()
    with page.expect_download() as started, stage.gateway.reading() as session:
        page.get_by_role("link", name=said(page, "download.svg")).click()
        party = next(iter(stage.site.world.region.swvs))
        stored = session.get_one(ReleaseChart, (stage.release, "swv", party, language))
    assert Path(started.value.path()).read_bytes() == stored.svg
    page.reload()
    with page.expect_download() as proof:
        page.locator("a[href^='/receipts/']").first.click()
    rules = parse_policy(policy_text(stage.gateway))
    receipt = Path(proof.value.path()).read_text(encoding="utf-8")
    assert verify_receipt(receipt, rules).verdict is Verdict.PROVEN
    assert len(pd.read_csv(io.BytesIO(downloaded), sep=";")) > 0
    assert page.locator(".snippet").count() == 4


@pytest.mark.parametrize(("language", "switch"), [("nl", "English"), ("en", "Nederlands")])
def test_a_gemeente_reads_in_the_other_language(stage: Stage, visit: Visit, language: str, switch: str) -> None:
    """The same pages in the other language, by the switch on the page, which leads back to the page it was on."""
    page = visit(language=language)
    enter(page, stage, "gemeente")
    page.goto(f"/releases/{stage.release}?level=country")
    page.get_by_role("link", name=switch).click()
    expect(page).to_have_url(re.compile(f"/releases/{stage.release}\\?level=country$"))
    expect(page.locator(f"html[lang={language}]")).to_have_count(0)
    expect(page.locator("tbody th").first).to_have_text(coded(page, "po"))
    sound(page)


@both
def test_the_controllers_officer_checks_everything(stage: Stage, visit: Visit, tmp_path: Path, language: str) -> None:
    """Timeline, refusals, one entry with its proof, the verdict; the bundle holds up on another machine."""
    page = visit(language=language)
    enter(page, stage, "controller-officer")
    with stage.site.client(stage.sites[0].code) as curious:
        curious.get(f"/v1/submissions/{'0' * 32}")
    stage.site.world.sequence()
    page.get_by_role("link", name=said(page, "audit.view.refused"), exact=True).click()
    expect(page.locator("tbody .state-deny").first).to_be_visible()
    page.goto("/audit?event=release.published")
    page.locator("tbody a").first.click()
    expect(page.locator(".rung-root")).to_be_visible()
    page.get_by_role("button", name=said(page, "check.button"), exact=True).click()
    expect(page.locator(".note-ok")).to_contain_text(said(page, "check.entry.good"))
    sound(page)
    page.get_by_role("link", name=said(page, "nav.check"), exact=True).click()
    page.get_by_role("button", name=said(page, "check.all.button")).click()
    expect(page.locator(".note-ok")).to_contain_text(said(page, "check.good"))
    sound(page)
    saved = {}
    for name, locator in (
        ("bundle.zip", page.get_by_role("button", name=said(page, "check.bundle"))),
        ("verify.pyz", page.locator("a[href$='verify.pyz']")),
    ):
        with page.expect_download() as started:
            locator.click()
        saved[name] = tmp_path / name
        started.value.save_as(saved[name])
    policy = tmp_path / "policy.txt"
    policy.write_text(page.request.get("/audit/policy.txt").text())
    command = [sys.executable, "-I", str(saved["verify.pyz"]), str(saved["bundle.zip"]), "--policy", str(policy)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.splitlines()[0].startswith("In orde")) == (0, True)


@both
def test_an_officer_follows_an_entry_to_the_rules_of_that_time(stage: Stage, visit: Visit, language: str) -> None:
    """From an entry to the version under which was decided, and to what each version changed."""
    page = visit("controller-officer", language=language)
    page.goto("/audit?event=policy.loaded")
    page.locator("tbody a").last.click()
    page.get_by_role("link", name=said(page, "entry.policy.look")).click()
    expect(page.locator(".note-warn")).to_contain_text(said(page, "rules.earlier", moment=""))
    sound(page)
    page.get_by_role("link", name=said(page, "rules.view.history"), exact=True).click()
    chapters = page.locator(".chapter")
    title = getattr(stage.gateway.law.purposes.by_id["statutory-counts"].title, language)
    expect(chapters).to_have_count(2)
    expect(chapters.first.locator(".change-started")).to_contain_text(title)
    expect(chapters.last).to_contain_text(said(page, "rules.first", rules="|", purposes="").partition("|")[0])
    sound(page)


@both
def test_an_officer_of_an_swv_sees_its_own_trail_only(stage: Stage, visit: Visit, language: str) -> None:
    """Entries of others are not there, not even by their address; the bundle is a selection with proofs."""
    with stage.client("controller-officer") as everything:
        found = re.findall(r"/audit/entries/([0-9a-f]{64})", everything.get("/audit?event=submission.confirmed").text)
    page = visit(language=language)
    enter(page, stage, "privacy-officer")
    assert page.goto(f"/audit/entries/{found[0]}").status == 404  # type: ignore[union-attr]  # goto answers
    page.goto("/audit")
    assert said(page, "event.submission.confirmed") not in page.locator("tbody").inner_text()
    page.goto("/audit/check")
    with page.expect_download() as started:
        page.get_by_role("button", name=said(page, "check.bundle")).click()
    names = zipfile.ZipFile(started.value.path()).namelist()
    assert {"entries.jsonl", "proofs.jsonl"} <= set(names)


@both
def test_an_officer_asks_what_would_be_decided_and_signs_a_review(stage: Stage, visit: Visit, language: str) -> None:
    """A named pupil is refused to an SWV for every purpose, its own table is not; the review stands in the log."""
    page = visit("controller-officer", language=language)
    page.goto("/audit/ask")
    for case, verdict in (("named", "ask.no"), ("own-area", "ask.yes")):
        page.locator("#who").select_option("swv")
        page.locator("#case").select_option(case)
        page.get_by_role("button", name=said(page, "ask.button")).click()
        expect(page.locator(".note-title")).to_contain_text(said(page, verdict))
        sound(page)
    page.goto("/audit")
    page.get_by_role("button", name=said(page, "audit.review.button")).click()
    stage.site.world.sequence()
    page.goto("/audit?event=audit.reviewed")
    expect(page.locator("tbody tr").first).to_contain_text(said(page, "event.audit.reviewed"))
    expect(page.locator("section.task p")).to_contain_text(said(page, "audit.review.last", moment="").rstrip(" ."))
    sound(page)


@both
def test_the_public_finds_the_national_picture(stage: Stage, visit: Visit, language: str) -> None:
    """From the start page to the table by sector, and to how it is read."""
    page = visit(language=language)
    page.goto("/")
    page.get_by_role("link", name=said(page, "start.see")).click()
    expect(page.locator("tbody th").first).to_have_text(coded(page, "po"))
    hidden = said(page, "short.suppressed")
    page.get_by_role("link", name=hidden, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(hidden)


def test_pages_hold_up_in_print_and_in_forced_colours(stage: Stage, visit: Visit) -> None:
    """On paper there is no navigation; with forced colours the bars keep their shades."""
    page = visit("swv")
    page.goto(f"/releases/{stage.release}")
    page.emulate_media(media="print")
    expect(page.locator(".main-nav")).to_be_hidden()
    expect(page.locator("table.figures")).to_be_visible()
    page.emulate_media(media="screen", forced_colors="active")
    shades = page.locator("svg.bar rect.part").evaluate_all("parts => parts.map(p => getComputedStyle(p).fill)")
    assert len(set(shades)) > 1
    sound(page)
