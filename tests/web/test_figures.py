"""Released rows arranged for people, and drawn."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.collections import load_contracts
from gateway.publish.bars import SUPPRESSED, draw, legend, lines
from gateway.table import TableRow
from gateway.web.figures import ALL, Filters, bands, chosen, elsewhere, settled

CONTRACT = load_contracts()["absence-counts"]


def row(area: str, band: str, pupils: str, *, kind: str = "all", level: str = "site", share: str = "") -> TableRow:
    status = "published" if pupils else "suppressed"
    return TableRow(
        "2026-2027-1", level, area, "po", "total", kind, band, pupils, status, share, "exact", "", "", "1", "1"
    )


def table(*cells: tuple[str, str, str, str]) -> list[TableRow]:
    """Rows of (area, total, up to 10 %, above 10 %)."""
    made = []
    for area, total, low, high in cells:
        share = str(100 * int(high) // int(total)) if high else ""
        made += [row(area, "total", total), row(area, "upto10", low), row(area, "above10", high, share=share)]
    return made


def test_rows_of_one_area_become_one_line() -> None:
    """The bands of an area stand side by side; the highest, which the table is for, comes first."""
    found = lines(table(("00AB00", "100", "90", "10"), ("00AC00", "80", "", "")))
    assert [line.area for line in found] == ["00AB00", "00AC00"]
    assert bands(found, CONTRACT) == ["above10", "total", "upto10"]
    assert found[1].cells["above10"].status == "suppressed"


def test_filters_settle_on_the_most_telling_choice() -> None:
    """Sites, all absence and the whole are chosen where nothing was asked; what does not exist is not believed."""
    rows = [*table(("00AB00", "100", "90", "10")), row("GM0344", "total", "9", level="gemeente", kind="illness")]
    found = lines(rows)
    assert settled(Filters(), found) == Filters("site", "po", "total", "all")
    assert settled(Filters(kind="flu", level="moon"), found) == Filters("site", "po", "total", "all")
    assert settled(Filters(kind=ALL), found).kind == ALL


def test_a_kind_settles_on_a_level_that_has_it() -> None:
    """Sites have no unauthorised absence here: who asks for it gets the region's; asked for both, there is nothing."""
    rows = [*table(("00AB00", "100", "90", "10")), row("GM0344", "total", "9", level="gemeente", kind="unauthorised")]
    found = lines(rows)
    assert settled(Filters(kind="unauthorised"), found) == Filters("gemeente", ALL, "total", "unauthorised")
    both = settled(Filters(kind="unauthorised", level="site"), found)
    assert not chosen(found, both, {}, CONTRACT)
    assert elsewhere(found, both) == ["gemeente"]


def test_ordering_by_share_puts_the_hidden_last() -> None:
    """Most absence first; a line that is not specified says nothing about its place and comes last."""
    found = lines(table(("00AA00", "100", "", ""), ("00AB00", "100", "95", "5"), ("00AC00", "100", "70", "30")))
    ordered = chosen(found, Filters("site", "po", "total", "all", "share"), {}, CONTRACT)
    assert [line.area for line in ordered] == ["00AC00", "00AB00", "00AA00"]


@example([(0, True)] * 4)
@given(st.lists(st.tuples(st.integers(0, 900), st.booleans()), min_size=4, max_size=4))
def test_a_bar_is_its_whole_row_and_draws_nothing_hidden(counts: list[tuple[int, bool]]) -> None:
    """Parts lie side by side without a gap; a hidden band has no part of its own, only the remainder is hatched."""
    total = sum(n for n, _ in counts)
    names = tuple(CONTRACT.bands.upper)
    cells = [(name, str(n) if shown else "") for name, (n, shown) in zip(names, counts, strict=True)]
    rows = [row("00AB00", "total", str(total)), *(row("00AB00", name, text) for name, text in cells)]
    parts = draw(lines(rows), CONTRACT)[0][1].parts
    if not total:
        assert not parts
        return
    assert [part.start for part in parts] == [0, *(part.start + part.width for part in parts)][: len(parts)]
    assert parts[-1].start + parts[-1].width == 1000
    hidden = {name for name, text in cells if not text}
    assert not hidden & {part.band for part in parts}


@pytest.mark.parametrize(
    ("published", "shown"),
    [
        ("upto5 5to10 10to20 above20 upto10 above10", "upto5 5to10 10to20 above20"),
        ("upto5 5to10 upto10 above10", "upto5 5to10 above10"),
        ("upto10 above10", "upto10 above10"),
        ("upto5", "upto5 suppressed"),
        ("above20 upto10", "upto10 above20 suppressed"),
    ],
)
def test_a_bar_is_as_fine_as_its_line_is_published(published: str, shown: str) -> None:
    """A margin stands in the place of bands that are not all published; a published figure is never hatched."""
    pupils = {"upto5": 40, "5to10": 30, "10to20": 20, "above20": 10, "upto10": 70, "above10": 30}
    rows = [row("00AB00", band, str(n) if band in published.split() else "") for band, n in pupils.items()]
    parts = draw(lines([row("00AB00", "total", "100"), *rows]), CONTRACT)[0][1].parts
    assert [part.band for part in parts] == shown.split()


def test_a_line_of_margins_only_is_drawn_beside_lines_of_bands() -> None:
    """Of unauthorised absence a region gets margins only: its bar is there, whatever the other bars show."""
    rows = [row("GM0344", "total", "100"), *(row("GM0344", band, "25") for band in CONTRACT.bands.upper)]
    rows += [each._replace(kind="unauthorised") for each in table(("GM0344", "100", "96", "4"))]
    drawn = draw(lines(rows), CONTRACT)
    assert [part.band for part in drawn[1][1].parts] == ["upto10", "above10"]
    assert [part.band for part in legend(bar for _, bar in drawn)] == [
        *CONTRACT.bands.upper,
        *CONTRACT.bands.margins,
    ]


def test_no_shade_means_two_things() -> None:
    """On one page each shade is of one band or margin."""
    rows = [row("00AB00", "total", "100"), *(row("00AB00", band, "25") for band in CONTRACT.bands.upper)]
    drawn = draw(lines([*rows, *table(("00AC00", "100", "90", "10"))]), CONTRACT)
    shades = [part.shade for part in legend(bar for _, bar in drawn)]
    assert len(set(shades)) == len(shades) == 6


@pytest.mark.parametrize(
    ("pupils", "total", "share", "said"),
    [
        ("52", "12422", "0", "<\u00a01%"),
        ("0", "12422", "0", "0%"),
        ("12370", "12422", "100", ">\u00a099%"),
        ("12422", "12422", "100", "100%"),
        ("9", "100", "9", "9%"),
        ("", "100", "", ""),
    ],
)
def test_a_share_of_somebody_is_not_nought_nor_of_a_part_all(pupils: str, total: str, share: str, said: str) -> None:
    """The table keeps its whole per cent; people read what it means."""
    [line] = lines([row("00AB00", "total", total), row("00AB00", "above10", pupils, share=share)])
    assert line.share("above10") == said


@pytest.mark.parametrize(
    ("total", "status", "unsaid"),
    [("", "not_delivered", "not_delivered"), ("", "suppressed", "suppressed"), ("0", "published", "")],
)
def test_a_line_without_a_bar_says_why(total: str, status: str, unsaid: str) -> None:
    """The status of its total; of nobody there is nothing to say, also where each nought is published."""
    cells = [row("00AB00", band, total)._replace(status=status) for band in ("total", *CONTRACT.bands.upper)]
    [line] = lines(cells)
    assert (draw([line], CONTRACT)[0][1].parts, line.unsaid) == ([], unsaid)


def test_a_line_without_a_published_total_has_no_bar() -> None:
    """Without the whole there is nothing to divide."""
    drawn = draw(lines([row("00AB00", "total", ""), row("00AB00", "above10", "")]), CONTRACT)
    assert not drawn[0][1].parts
    assert SUPPRESSED not in [part.band for part in legend([drawn[0][1]])]
