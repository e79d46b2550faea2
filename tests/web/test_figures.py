"""Released rows arranged for people, and drawn."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.collections import load_contracts
from gateway.publish.bars import SUPPRESSED, draw, legend, lines
from gateway.table import TableRow
from gateway.web.figures import ALL, Filters, bands, choices, chosen, settled

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
    """The bands of an area stand side by side, in reading order."""
    found = lines(table(("00AB00", "100", "90", "10"), ("00AC00", "80", "", "")))
    assert [line.area for line in found] == ["00AB00", "00AC00"]
    assert bands(found, CONTRACT) == ["total", "upto10", "above10"]
    assert found[1].cells["above10"].status == "suppressed"


def test_filters_settle_on_the_most_telling_choice() -> None:
    """Sites, all absence and the whole are chosen where nothing was asked; what does not exist is not believed."""
    rows = [*table(("00AB00", "100", "90", "10")), row("GM0344", "total", "9", level="gemeente", kind="illness")]
    there = choices(lines(rows))
    assert settled(Filters(), there) == Filters("site", "po", "total", "all")
    assert settled(Filters(kind="flu", level="moon"), there) == Filters("site", "po", "total", "all")
    assert settled(Filters(kind=ALL), there).kind == ALL


def test_ordering_by_share_puts_the_hidden_last() -> None:
    """Most absence first; a line that is not specified says nothing about its place and comes last."""
    found = lines(table(("00AA00", "100", "", ""), ("00AB00", "100", "95", "5"), ("00AC00", "100", "70", "30")))
    ordered = chosen(found, Filters("site", "po", "total", "all", "share"), {}, CONTRACT)
    assert [line.area for line in ordered] == ["00AC00", "00AB00", "00AA00"]


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


def test_all_bars_of_a_table_use_the_same_bands() -> None:
    """Where the single bands are mostly hidden every bar shows the margins, so that bars can be compared."""
    rows = table(("00AB00", "100", "90", "10"), ("00AC00", "100", "80", "20"))
    rows += [row("00AB00", band, "") for band in CONTRACT.bands.upper]
    drawn = draw(lines(sorted(rows, key=lambda each: each.area)), CONTRACT)
    assert [part.band for part in legend(bar for _, bar in drawn)] == ["upto10", "above10"]


def test_a_line_without_a_published_total_has_no_bar() -> None:
    """Without the whole there is nothing to divide."""
    drawn = draw(lines([row("00AB00", "total", ""), row("00AB00", "above10", "")]), CONTRACT)
    assert not drawn[0][1].parts
    assert SUPPRESSED not in [part.band for part in legend([drawn[0][1]])]
