"""Tables of figures on pages: nothing published is left out, and nothing is empty without a word."""

import re

import pytest

from gateway.messages import text
from tests.web.conftest import PERIOD, Stage, Visit
from tests.web.walking import expect

PHONE, LAPTOP, HEIGHT = 320, 1280, 800


def test_every_kind_stands_in_the_overview(stage: Stage) -> None:
    """A gemeente reads of unauthorised absence too, of which it gets margins only."""
    with stage.client("gemeente") as client:
        shown = client.get(f"/releases/{stage.release}").text
    overview = shown.split('class="summary"')[1].split("</section>")[0]
    kinds = re.findall(r'class="bar-name">([^<]+)<', overview)
    assert {kind.strip() for kind in kinds} == {
        text("pages", f"short.{kind}", "nl") for kind in ("all", "authorised", "illness", "unauthorised")
    }


def test_choices_without_figures_say_what_to_choose(stage: Stage) -> None:
    """Primary schools have no unauthorised absence each: instead of an empty table stand the levels that have it."""
    with stage.client("gemeente") as client:
        address = f"/releases/{stage.release}?level=site&sector=po&kind=unauthorised"
        shown = client.get(address, headers={"Accept-Language": "nl"}).text
    assert "figures-caption" not in shown
    assert text("pages", "table.nothing", "nl") in shown
    assert text("pages", "table.elsewhere", "nl", levels="land, gemeente") in shown


def test_a_phone_shows_the_bar_and_the_figure_it_is_for(stage: Stage, visit: Visit) -> None:
    """At 320 pixels bar and share of the highest band are in sight, unscrolled."""
    page = visit("swv", viewport={"width": PHONE, "height": HEIGHT})
    page.goto(f"/releases/{stage.release}")
    row = page.locator("table.figures tbody tr:has(svg.bar):has(.share)").first
    for part in (row.locator("svg.bar"), row.locator("td").first):
        box = part.bounding_box()
        assert box is not None
        assert box["width"] > 40
        assert box["x"] + box["width"] <= PHONE
    expect(page.locator("table.figures thead th").nth(1)).to_have_text(text("pages", "short.above10", "nl"))


def test_a_laptop_shows_a_table_of_all_kinds_whole(stage: Stage, visit: Visit) -> None:
    """At 1280 pixels no column is out of sight, for all kinds and subdivisions or for the own figures of a school."""
    page = visit("gemeente", viewport={"width": LAPTOP, "height": HEIGHT})
    page.goto(f"/releases/{stage.release}?level=country&kind=*&subdivision=*")
    inside, whole = page.locator(".scroller").evaluate("box => [box.clientWidth, box.scrollWidth]")
    assert whole <= inside
    school = visit("school", viewport={"width": LAPTOP, "height": HEIGHT})
    school.goto(f"/school/figures?period={PERIOD}")
    boxes = school.locator(".scroller").evaluate_all("all => all.map(box => box.scrollWidth - box.clientWidth)")
    assert max(boxes) <= 0


@pytest.mark.parametrize(
    ("role", "path"),
    [(None, "/national"), ("school", "/national"), ("swv", "/releases/RELEASE/files"), ("builder", "/national")],
)
def test_the_certificate_is_one_click_from_the_table(stage: Stage, role: str | None, path: str) -> None:
    """Whoever may take the table finds beside it what the judge found, signed, and may open it."""
    with stage.client(role) as client:
        shown = client.get(path.replace("RELEASE", stage.release)).text
        link = re.findall(r'href="(/v1/releases/[^"]+/certificate)"', shown)[0]
        certificate = client.get(link)
    assert certificate.status_code == 200
    assert '"attacker"' in certificate.text


def test_every_word_in_a_cell_is_explained(stage: Stage) -> None:
    """The page on reading says of "not delivered" more than the same words, and of the dash what it is."""
    with stage.client() as client:
        client.cookies.set("language", "en")
        shown = client.get("/reading").text
    told = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", shown))
    assert {"n.s.", "not delivered", "n/a", "–"} <= told.keys()
    assert all(len(meaning) > 2 * len(word) for word, meaning in told.items())
