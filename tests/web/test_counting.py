"""The form of counts: the file it makes, and where its faults belong."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.collections import load_contracts
from gateway.outcome import Fault, Report
from gateway.records import Expected, Parsed, parse
from gateway.web.counting import Placed, blank_csv, blank_xlsx, field_name, file_of_fields, totals

CONTRACT = load_contracts()["absence-counts"]
OFFERED = ("lower_years", "upper_years")
CELLS = list(CONTRACT.cells(OFFERED))
EXPECTED = Expected(CONTRACT, sector="po", offered=OFFERED)


COUNTS = {"upto5": "90", "5to10": "6", "10to20": "3", "above20": "1"}


def filled() -> dict[str, str]:
    """A hundred pupils, nobody away without leave."""
    nobody = dict.fromkeys(COUNTS, "0") | {"upto5": "100"}
    return {field_name(cell): (nobody if cell[1] == "unauthorised" else COUNTS)[cell[2]] for cell in CELLS}


def test_a_form_that_adds_up_passes_the_rules_of_any_file() -> None:
    """What is filled in is read back as exactly those counts."""
    parsed = parse(file_of_fields(CELLS, filled()), EXPECTED)
    assert isinstance(parsed, Parsed)
    assert parsed.counts["upper_years", "illness", "10to20"] == 3


@given(st.text(max_size=12))
def test_whatever_is_typed_stays_in_its_field(text: str) -> None:
    """Delimiters, quotes and line breaks in a field never become another row or column of the file."""
    values = filled() | {field_name(CELLS[5]): text}
    parsed = parse(file_of_fields(CELLS, values), EXPECTED)
    if isinstance(parsed, Report):
        fields = {fault.rule for fault in parsed.faults}
        assert fields <= {
            "COUNT-WHOLE",
            "COUNT-EMPTY",
            "COUNT-LARGE",
            "COUNT-TOTAL",
            "COUNT-ORDER",
            "RAW-NUMBER",
            "FILE-TYPE",
        }


def test_a_fault_of_a_row_stands_at_its_field() -> None:
    """Row 2 is the first field, the last row the last one; what is out of the form belongs to the whole."""
    report = Report.of([Fault("COUNT-EMPTY", 2), Fault("COUNT-WHOLE", len(CELLS) + 1), Fault("FILE-EMPTY")])
    placed = Placed.of(report, CELLS)
    assert [anchor for anchor, _ in placed.listed] == ["", field_name(CELLS[0]), field_name(CELLS[-1])]


def test_a_fault_of_a_table_stands_at_its_subdivision_before_its_fields() -> None:
    """Sums that differ are named at the table; the list goes through the form from top to bottom."""
    total = Fault("COUNT-TOTAL", where="upper_years · illness ≠ authorised")
    report = Report.of([total, Fault("COUNT-EMPTY", 2), Fault("COUNT-EMPTY", len(CELLS))])
    placed = Placed.of(report, CELLS)
    assert [anchor for anchor, _ in placed.listed] == [field_name(CELLS[0]), "t.upper_years", field_name(CELLS[-2])]
    assert [fault.rule for _, fault in placed.inside("upper_years")] == ["COUNT-TOTAL", "COUNT-EMPTY"]


def test_sums_count_what_is_a_number_and_nothing_else() -> None:
    """A kind of which nothing was filled in has no sum; what is no number is left out."""
    values = {field_name(CELLS[0]): "12", field_name(CELLS[1]): "x", field_name(CELLS[2]): "٣"}
    assert totals(CELLS, values) == {(CELLS[0][0], CELLS[0][1]): "12"}


def test_both_templates_ask_for_every_cell_and_nothing_more() -> None:
    """The blank CSV and the blank workbook lead to the same faults: each number is missing, and that is all."""
    for body in (blank_csv(CONTRACT, OFFERED), blank_xlsx(CONTRACT, OFFERED)):
        report = parse(body, EXPECTED)
        assert isinstance(report, Report)
        assert dict(report.totals) == {"COUNT-EMPTY": len(CELLS)}


def test_a_field_with_endless_digits_is_left_out_of_the_sums() -> None:
    """What is no count is not added up; its fault is told at its field, and what was typed stays."""
    cell = next(cell for cell in CELLS if cell[1] == "all")
    sums = totals(CELLS, filled() | {field_name(cell): "9" * 5_000})
    assert sums[cell[0], "all"] == "10"
