"""Charts of a release: drawn once from protected rows, and nothing else in them."""

import re
import xml.etree.ElementTree as ET

import pytest

from gateway.collections import load_contracts
from gateway.messages import LANGUAGES, Language, named, number, text
from gateway.publish.charts import chart, charts
from gateway.publish.protecting import Slice
from gateway.table import TableRow

CONTRACT = load_contracts()["absence-counts"]
SVG = "{http://www.w3.org/2000/svg}"


def row(band: str, pupils: str, share: str = "", *, sector: str = "po", level: str = "swv") -> TableRow:
    status = "published" if pupils else "suppressed"
    return TableRow(
        "2026-2027-1", level, "PO9901", sector, "total", "all", band, pupils, status, share, "exact", "", "", "9", "10"
    )


ROWS = [row("total", "400", "100"), row("upto10", "360", "90"), row("above10", "40", "10")]
HIDDEN = [row("total", "397", "100"), row("upto10", ""), row("above10", "")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_chart_says_what_the_table_says(language: Language) -> None:
    """Total and shares stand in words beside the bars; the parts of the bar have the widths of their counts."""
    root = ET.fromstring(chart(ROWS, "Verband <1> & zo", CONTRACT, language))  # noqa: S314  our own bytes
    words = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert any("Verband <1> & zo" in word for word in words)
    assert "n = 400" in words
    assert "90% · 10%" in words
    widths = [float(each.get("width", "0")) for each in root.findall(f"{SVG}rect") if each.get("height") == "20"]
    assert widths[0] == pytest.approx(9 * widths[1], rel=0.01)


def test_what_is_not_specified_is_one_hatched_part() -> None:
    """No number stands in the picture but those of published cells and of the bands' names."""
    picture = chart(HIDDEN, "Verband", CONTRACT, "nl").decode()
    shown = re.findall(r">([^<]+)</text>", picture)
    assert [each for each in shown if re.search(r"\d", each)] == [
        "Verzuim 2026-2027-1", "9 van 10 vestigingen leverden", "n = 397",
    ]  # fmt: skip
    assert picture.count('fill="url(#hatch)"') == 2


def test_a_long_name_is_broken_and_not_cut_off() -> None:
    """Period and exercise stand above the name, which takes as many lines as it needs; what reads aloud has all."""
    lines = ["Samenwerkingsverband passend primair onderwijs", "Zuid-Kennemerland en Haarlemmermeer e.o."]
    name = " ".join(lines)
    root = ET.fromstring(chart(ROWS, name, CONTRACT, "nl", exercise=True))  # noqa: S314  our own bytes
    words = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert words[:3] == ["Oefening, verzonnen cijfers 2026-2027-1", *lines]
    assert name in root.get("aria-label", "")


@pytest.mark.parametrize(("language", "said"), [("nl", "n = 8.361"), ("en", "n = 8,361")])
def test_a_chart_writes_numbers_as_the_pages_do(language: Language, said: str) -> None:
    """With the separator of thousands of its language."""
    many = [row("total", "8361", "100"), *ROWS[1:]]
    rows = [each._replace(sites_delivered="7012", sites_expected="7464") for each in many]
    picture = chart(rows, "Verband", CONTRACT, language).decode()
    assert said in picture
    assert all(number(sites, language) in picture for sites in (7012, 7464))


def test_every_line_of_a_chart_is_drawn_or_says_why() -> None:
    """Margins stand beside bands of another kind, with their own shades; without a total the status is said."""
    fine = [row("total", "400"), *(row(band, "100", "25") for band in CONTRACT.bands.upper)]
    coarse = [each._replace(kind="unauthorised") for each in (row("total", "400"), *ROWS[1:])]
    absent = row("total", "")._replace(kind="illness", status="not_delivered")
    picture = chart([*fine, *coarse, absent], "Verband", CONTRACT, "nl").decode()
    assert ">25% · 25% · 25% · 25%<" in picture
    assert ">90% · 10%<" in picture
    assert f">{named('not_delivered', 'nl')}<" in picture
    drawn = re.findall(r'height="20" fill="([^"]+)"', picture)
    assert len(set(drawn)) == len(drawn) == 6


def test_a_chart_says_no_nought_of_somebody() -> None:
    """A share that rounds to nought or to all is said as what it is."""
    rows = [row("total", "400"), row("upto10", "399", "100"), row("above10", "1", "0")]
    assert "&gt;\u00a099% · &lt;\u00a01%" in chart(rows, "Verband", CONTRACT, "nl").decode()


def test_a_chart_says_of_noise_and_of_an_exercise() -> None:
    """Noisy shares are no exact ones, and invented figures are none of anybody: the picture says both by itself."""
    noisy = [each._replace(method="dp") if each.band != "total" else each for each in ROWS]
    told = text("files", "chart_noise", "en")
    assert told in chart(noisy, "Verband", CONTRACT, "en").decode()
    assert told not in chart(ROWS, "Verband", CONTRACT, "en").decode()
    assert "Exercise, invented figures" in chart(ROWS, "Verband", CONTRACT, "en", exercise=True).decode()


def test_equal_rows_give_equal_bytes() -> None:
    """Drawing twice gives the same file; it holds no style, script or link to anywhere."""
    first = chart(ROWS, "Verband", CONTRACT, "nl")
    assert first == chart(ROWS, "Verband", CONTRACT, "nl")
    assert not re.search(rb"style=|<style|<script|href|on\w+=", first)


def test_every_region_has_one_chart_per_language_with_all_its_sectors() -> None:
    """Sites have none; the sectors of a region stand in one picture."""
    parts = [
        Slice("swv", "PO9901", "po", tuple(ROWS)),
        Slice("site", "90BB00", "po", tuple(ROWS)),
        Slice("swv", "PO9901", "so", tuple(each._replace(sector="so") for each in HIDDEN)),
    ]
    made = list(charts("r", parts, {"PO9901": "Verband"}, CONTRACT))
    assert [(each.level, each.area, each.language) for each in made] == [
        ("swv", "PO9901", language) for language in LANGUAGES
    ]
    assert "primair onderwijs" in made[0].svg.decode()
    assert "speciaal onderwijs" in made[0].svg.decode()
