"""Every rule of a file: what breaks it, where the fault is placed, and that nothing of the cell is repeated."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.collections import load_contracts
from gateway.formats.read_csv import read_csv
from gateway.formats.read_xlsx import read_xlsx
from gateway.formats.sheet import MAX_BYTES, MAX_ROWS, UnreadableFile
from gateway.messages import LANGUAGES, Language, catalogue, rule_text
from gateway.outcome import Fault, Report
from gateway.records import Expected, Parsed, parse, raw_in
from gateway.records.clean import accept
from gateway.records.counts import pupils_fault
from gateway.records.document import read_document
from gateway.records.rows import hundredths, records_of_document
from gateway.records.template import offered_in, template_rows
from gateway.web.words import fault_text
from pseudonymisation.client.mapping import ColumnMap, subdivision_codes
from pseudonymisation.client.rows import check_rows
from pseudonymisation.client.rows import hundredths as in_hundredths

CONTRACTS = load_contracts()
COUNTS = Expected(CONTRACTS["absence-counts"], sector="so", offered=("undivided",))
RECORDS = Expected(
    CONTRACTS["absence-records"],
    site="00AB00",
    period="2026-2027-1",
    sector="so",
    offered=("undivided",),
    keys=frozenset({"k1"}),
)
GOOD = {
    ("authorised", "upto5"): 20, ("authorised", "5to10"): 6, ("authorised", "10to20"): 3, ("authorised", "above20"): 1,
    ("illness", "upto5"): 23, ("illness", "5to10"): 5, ("illness", "10to20"): 2, ("illness", "above20"): 0,
    ("unauthorised", "upto5"): 29, ("unauthorised", "5to10"): 1, ("unauthorised", "10to20"): 0,
    ("unauthorised", "above20"): 0,
    ("all", "upto5"): 19, ("all", "5to10"): 7, ("all", "10to20"): 3, ("all", "above20"): 1,
}  # fmt: skip
BSN = "111222333"


def rows(**changes: object) -> list[list[str]]:
    """A good sheet as rows of cells, header first; `kind_band=value` changes one cell."""
    values = {key: str(changes.get("_".join(key), value)) for key, value in GOOD.items()}
    return [
        ["subdivision", "kind", "band", "pupils"],
        *(["undivided", kind, band, value] for (kind, band), value in values.items()),
    ]


def as_csv(table: list[list[str]], delimiter: str = ";") -> bytes:
    return "\n".join(delimiter.join(row) for row in table).encode()


def as_xlsx(table: list[list[object]], *before: tuple[str, list[list[object]]]) -> bytes:
    """A workbook with its counts on the last sheet; those before it have a state and rows of their own."""
    book = openpyxl.Workbook()
    for state, text in before:
        book.active.sheet_state = state
        for row in text:
            book.active.append(row)
        book.active = book.create_sheet()
    for row in table:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def shown(table: list[list[object]], hidden: list[list[object]]) -> bytes:
    """A workbook of a visible sheet with a hidden one before it."""
    return as_xlsx(table, ("hidden", hidden))


def faults(body: bytes, expected: Expected = COUNTS) -> list[Fault]:
    outcome = parse(body, expected)
    assert isinstance(outcome, Report)
    return list(outcome.faults)


def broken(body: bytes, expected: Expected = COUNTS) -> set[str]:
    return {fault.rule for fault in faults(body, expected)}


def test_a_good_file_says_what_it_holds() -> None:
    """A complete file of one subdivision becomes its sixteen leaf counts."""
    parsed = parse(as_csv(rows()), COUNTS)
    assert isinstance(parsed, Parsed)
    assert parsed.counts == {("undivided", *key): value for key, value in GOOD.items()}


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_the_header_tells_the_delimiter(delimiter: str) -> None:
    """Semicolon, comma and tab give the same counts."""
    assert parse(as_csv(rows(), delimiter), COUNTS) == parse(as_csv(rows()), COUNTS)


def test_xlsx_and_csv_give_the_same_counts() -> None:
    """A workbook with numbers as numbers reads like the text file."""
    table = [[int(cell) if cell.isdigit() else cell for cell in row] for row in rows()]
    parsed = parse(as_xlsx(table), COUNTS)
    assert isinstance(parsed, Parsed)
    assert parsed.counts == parse(as_csv(rows()), COUNTS).counts


@pytest.mark.parametrize("before", [("visible", [["Uitleg"]]), ("hidden", rows(all_upto5="7")), ("visible", [])])
def test_the_sheet_with_the_counts_is_read(before: tuple[str, list[list[object]]]) -> None:
    """Before it may stand an explanation, an empty sheet or a hidden one."""
    parsed = parse(as_xlsx(rows(), before), COUNTS)
    assert isinstance(parsed, Parsed)
    assert parsed.counts == parse(as_csv(rows()), COUNTS).counts


def test_a_hidden_sheet_is_not_read_for_a_visible_one_with_a_slip() -> None:
    """The last period's counts, hidden behind a heading that is mistyped, are not delivered: the heading is said."""
    assert ("COLUMN-MISSING", "pupils") in {(fault.rule, fault.column) for fault in faults(shown(WITH_SLIP, rows()))}
    assert isinstance(parse(shown([["Uitleg"]], rows()), COUNTS), Parsed)


WITH_SLIP = [["subdivision", "kind", "band", "aantal"], *rows()[1:]]


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (("visible", rows(all_upto5="7")), [("FILE-XLSX-SHEETS", "#2")]),
        (("visible", WITH_SLIP), [("FILE-XLSX-SHEETS", "#1")]),
        (("visible", [["Periode 1"], *rows()]), [("FILE-XLSX-SHEETS", "#1")]),
        (("visible", WITH_SLIP[:1]), []),
        (("visible", [["subdivision", "kind"], ["undivided", "all"]]), []),
        (("hidden", rows(all_upto5="7")), []),
    ],
    ids=["another period", "its heading has a slip", "below a title", "no rows", "a list of codes", "hidden"],
)
def test_of_two_tables_none_is_delivered(before: tuple[str, list[list[object]]], told: list[tuple[str, str]]) -> None:
    """A sheet for each period or class: nobody could tell which was meant, so the second is named and none is read."""
    outcome = parse(as_xlsx(rows(), before), COUNTS)
    found = outcome.faults if isinstance(outcome, Report) else ()
    assert [(fault.rule, fault.where) for fault in found] == told


def test_a_hidden_sheet_is_not_read_for_a_visible_one_below_a_title() -> None:
    """The last period's counts, hidden, do not stand in for those of a sheet whose heading is not in its first row."""
    assert broken(shown([["Periode 2"], *rows()], rows(all_upto5="7"))) == {"FILE-XLSX-SHEETS"}


def with_rows_hidden(table: list[list[object]], said: str) -> bytes:
    """A workbook of which the fifth row and the seventh are hidden, in the words of the program that wrote it."""
    book = zipfile.ZipFile(io.BytesIO(as_xlsx(table)))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name in book.namelist():
            made.writestr(
                name, re.sub(rb'<row r="([57])"', rb'<row r="\1" hidden="%b"' % said.encode(), book.read(name))
            )
    return out.getvalue()


@pytest.mark.parametrize(("said", "told"), [("1", [5]), ("true", [5]), ("0", []), ("false", [])])
def test_a_row_that_a_filter_hides_is_not_delivered(said: str, told: list[int]) -> None:
    """Who filters on the own site and saves sees half of the rows; LibreOffice says of each whether it is hidden."""
    outcome = parse(with_rows_hidden(rows(), said), COUNTS)
    found = outcome.faults if isinstance(outcome, Report) else ()
    assert [(fault.rule, fault.row) for fault in found] == [("FILE-XLSX-HIDDEN", row) for row in told]


def test_a_hidden_row_without_anything_in_it_hides_nothing() -> None:
    """Nor does one of a sheet that is not read as the table."""
    empty: list[object] = [None, None, None, " "]
    with_blanks = [*rows()[:4], empty, rows()[4], empty, *rows()[5:]]
    assert isinstance(parse(with_rows_hidden(with_blanks, "1"), COUNTS), Parsed)
    beside = openpyxl.load_workbook(io.BytesIO(as_xlsx(rows(), ("visible", [["Uitleg"]]))))
    beside.worksheets[0].row_dimensions[1].hidden = True
    out = io.BytesIO()
    beside.save(out)
    assert isinstance(parse(out.getvalue(), COUNTS), Parsed)


@pytest.mark.parametrize("state", ["visible", "hidden"])
def test_a_sheet_of_pupils_beside_the_counts_stops_the_workbook(state: str) -> None:
    """Whoever sends it and whoever gets it refuses a number or a column of names on any sheet, and says on which."""
    beside = (state, [["naam", "nummer"], ["x", "123456782"]])
    found = [(fault.rule, fault.where) for fault in faults(as_xlsx(rows(), beside))]
    assert ("RAW-NUMBER", "#1") in found
    assert ("RAW-COLUMN", "#1") in found
    assert raw_in(as_xlsx(rows(), beside)) is not None


@pytest.mark.parametrize(("hours", "passes"), [("10000", True), ("10000.01", False), ("12000", False)])
def test_hours_the_gateway_refuses_are_refused_at_the_school(hours: str, passes: bool) -> None:
    """Both have one limit: a record that the school's client passes is not refused here under a number nobody knows."""
    document = json.dumps({"hours": "?"}).replace('"?"', hours).encode()
    headings = ("BSN", "Bouw", "Roosteruren", "Geoorloofd", "Ziekte", "Ongeoorloofd")
    row = (BSN, "ongedeeld", hours, "0", "0", "0")
    faults_at_school = check_rows(headings, [(2, row)], chosen=ColumnMap(), offered=None).faults
    assert (hundredths(read_document(document)["hours"]) is not None, not faults_at_school) == (passes, passes)


def test_the_school_knows_every_subdivision_of_the_form() -> None:
    """And no other: what its client takes for a code is one here."""
    assert set(subdivision_codes(ColumnMap()).values()) == set(CONTRACTS["absence-records"].offerable(None))


@pytest.mark.parametrize(("language", "place"), [("nl", "Blad 1: "), ("en", "Sheet 1: ")])
def test_a_fault_of_another_sheet_names_that_sheet(language: Language, place: str) -> None:
    """A sheet that is too wide beside the counts, or one of pupils: the message begins with its number."""
    for beside in ([["x"] * 300], [["x", BSN]]):
        (fault,) = faults(as_xlsx(rows(), ("visible", beside)))
        assert fault.where == "#1"
        assert rule_text(fault, language).startswith(place)
        assert fault_text(fault, language) == rule_text(fault, language)


def test_a_workbook_without_the_header_is_told_so() -> None:
    """Where no sheet has the columns, the mend is to put the counts on one, and nothing is said of semicolons."""
    assert broken(as_xlsx([["Toelichting"]], ("visible", [["Uitleg", "van", "de", "telling"]]))) == {"FILE-XLSX-SHEET"}


def test_a_number_of_a_workbook_has_its_fifteen_digits() -> None:
    """What stands as 12.3 in a workbook is read as 12.3, without the noise of its binary form."""
    sheet = read_xlsx(as_xlsx([["hours"], [12.299999999999999], [0.1 + 0.2], [1e15], [7.0]]))
    assert [cells for _, cells in sheet.rows] == [("12.3",), ("0.3",), ("1000000000000000",), ("7",)]


def test_a_percentage_of_a_workbook_keeps_its_sign() -> None:
    """What Excel shows as 5% is 0.05 in the file: it is no number of hours or pupils, nor does it hide a BSN."""
    book = openpyxl.Workbook()
    book.active.append(["hours"])
    for row, (value, form) in enumerate([(0.05, "0%"), (1, "0.0 %"), (7, "0.00"), (int(BSN), "0%")], start=2):
        book.active.cell(row, 1, value).number_format = form
    out = io.BytesIO()
    book.save(out)
    read = [cell for _, (cell,) in read_xlsx(out.getvalue()).rows]
    assert [cell.endswith("%") for cell in read] == [True, True, False, True]
    assert [in_hundredths(cell) for cell in read] == [None, None, 700, None]
    assert [pupils_fault(cell) for cell in read] == ["COUNT-WHOLE", "COUNT-WHOLE", None, "COUNT-WHOLE"]
    assert raw_in(out.getvalue()) is not None


def resized(book: bytes, ref: str) -> bytes:
    """The same workbook, every sheet of which says to be of another size."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            said = re.sub(rb'(<dimension ref=")[^"]*', rb"\g<1>" + ref.encode(), before.read(name))
            after.writestr(name, said)
    return out.getvalue()


@pytest.mark.parametrize("ref", ["A1", "A1:D5", "A1:B41", "A1:XFD1048576"])
@pytest.mark.parametrize(
    "book",
    [
        as_xlsx(rows()),
        as_xlsx([[*row, BSN] for row in rows()]),
        as_xlsx(rows(), ("visible", [["x", "nummer"], ["y", BSN]])),
    ],
    ids=["good", "number beside", "number on another sheet"],
)
def test_a_sheet_is_read_whole_whatever_size_it_says_to_be(book: bytes, ref: str) -> None:
    """A tool that wrote its size wrong loses no row, and no number of a pupil hides outside of it."""
    assert parse(resized(book, ref), COUNTS) == parse(book, COUNTS)
    assert raw_in(resized(book, ref)) == raw_in(book)


def test_a_row_far_below_on_a_second_sheet_is_not_waited_for() -> None:
    """A sheet that numbers its only row in millions of millions is refused at the limit, not counted up to."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(as_xlsx([["x"]], ("visible", rows())))) as before,
        zipfile.ZipFile(out, "w") as book,
    ):
        for name in before.namelist():
            far = before.read(name).replace(b'<row r="1"', b'<row r="1000000000000"').replace(b'r="A1"', b'r="A9"')
            book.writestr(name, far if name.endswith("sheet2.xml") else before.read(name))
    assert broken(out.getvalue()) == {"FILE-ROWS"}


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("first", ["Code", "Code (a; b)"])
def test_a_number_is_seen_behind_every_delimiter(delimiter: str, first: str) -> None:
    """An export with headings nobody knows is read by the delimiter it has most of, and looked through for others."""
    export = as_csv([[first, "Bouw", "Klas"], [BSN, "onderbouw", "1a"]], delimiter)
    found = raw_in(export)
    assert found is not None
    assert [(fault.rule, fault.row) for fault in found.faults] == [("RAW-NUMBER", 2)]


@pytest.mark.parametrize(
    "title", ["", "Verzuimoverzicht 2026-2027;;;\r\n", "Overzicht van 1 december\r\n\r\nOBS De Wissel;1\r\n"]
)
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize(
    ("heading", "cell"),
    [("Leerling", "Jan de Vries"), ("Achternaam", "Vries"), ("Stamnr", "10231"), ("OWN", f'="{BSN}"')],
)
def test_an_export_that_names_pupils_stays_at_the_school(title: str, delimiter: str, heading: str, cell: str) -> None:
    """By its heading, also below a title, whatever delimiter the first line tells."""
    export = as_csv([["Klas", heading, "Lesuren", "Ziekte"], ["2C", cell, "200", "5"]], delimiter)
    assert raw_in(title.encode() + export) is not None


def test_a_title_above_the_pupils_of_another_sheet_hides_them_not() -> None:
    """What a workbook has beside its counts is looked through in the same way."""
    pupils = [["Verzuimoverzicht"], ["Klas", "Leerling", "Ziekte"], ["2C", "Vries, Jan de", 5]]
    (fault,) = faults(as_xlsx(rows(), ("visible", pupils)))
    assert (fault.rule, fault.row, fault.column, fault.where) == ("RAW-COLUMN", 2, "B", "#1")


@pytest.mark.parametrize(
    ("beside", "found"),
    [
        ({"records": [{}, {"pseudonym": BSN}]}, [("RAW-NUMBER", 2)]),
        ({"records": [{"subdivision": [f"{BSN[:4]}.{BSN[4:6]}.{BSN[6:]}"]}]}, [("RAW-NUMBER", 1)]),
        ({"records": [{"hours_scheduled": int(BSN)}]}, [("RAW-NUMBER", 1)]),
        ({"records": [{"hours_scheduled": float(BSN)}]}, [("RAW-NUMBER", 1)]),
        ({"records": [{}, {}, {"Achternaam": "x"}]}, [("RAW-FIELD", 3)]),
        ({"pupils": {BSN: {"deep": [{"geboortedatum": None}]}}}, [("RAW-NUMBER", 0), ("RAW-FIELD", 1)]),
        ({"records": [{"pseudonym": "A" * 86, "hours_scheduled": 200.25, "subdivision": None}]}, []),
    ],
)
def test_a_document_that_names_pupils_is_known_at_the_school(
    beside: dict[str, object], found: list[tuple[str, int]]
) -> None:
    """A number as text, integer or key, and a field of names, each with its place; a document of pseudonyms passes."""
    report = raw_in(json.dumps({"collection": "absence-records", **beside}).encode())
    assert [(fault.rule, fault.row) for fault in (report.faults if report else ())] == found


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_without_a_known_heading_the_first_line_tells_the_delimiter(delimiter: str) -> None:
    """The one it has most of; a line of nothing but delimiters tells nothing."""
    export = as_csv([["", "", ""], ["Leerling", "Bouw", "Klas"], [BSN, "onderbouw", "1a"]], delimiter)
    sheet = read_csv(export, ())
    assert (sheet.header, sheet.rows) == (("Leerling", "Bouw", "Klas"), ((3, (BSN, "onderbouw", "1a")),))


def test_a_counts_file_may_begin_with_delimiters_only() -> None:
    """A spreadsheet that saved an empty first row wrote `,,,`: the header comes after it."""
    assert parse(b",,,\n" + as_csv(rows(), ","), COUNTS) == parse(as_csv(rows()), COUNTS)


@pytest.mark.parametrize("first", [b"sep=;\r\n", b"\xef\xbb\xbfsep=;\n", b"SEP=,\n"])
def test_the_first_line_for_excel_is_no_header(first: bytes) -> None:
    """It is skipped, and rows are counted as Excel shows them."""
    assert parse(first + as_csv(rows()), COUNTS) == parse(as_csv(rows()), COUNTS)
    assert {fault.row for fault in faults(first + as_csv(rows(authorised_upto5="x")))} == {2}


@pytest.mark.parametrize("row", ["x,12,5,", "x,12,5,2"])
def test_a_decimal_comma_between_commas_is_seen(row: str) -> None:
    """It moves the cells after it, also where it only pushes an empty last one out of the row; blank rows move none."""
    table = f"name,hours,remark\n,,,,\nx,12,\n{row}\n".encode()
    with pytest.raises(UnreadableFile) as refused:
        read_csv(table, ())
    assert (refused.value.fault.rule, refused.value.fault.row) == ("ROW-CELLS", 4)


def test_a_heading_of_two_lines_is_one_row() -> None:
    """Rows are counted as a spreadsheet shows them, a blank one too, whatever stands in a cell."""
    sheet = read_csv(b'number;"hours\nplanned"\r\n1;2\r\n\r\n"a\nb";4\r\n5;6\r\n', ())
    assert [row for row, _ in sheet.rows] == [2, 4, 5]


def test_windows_text_is_read_and_said_so() -> None:
    """cp1252 is accepted with a note; a byte-order mark before UTF-8 is not noticed at all."""
    table = rows()
    table[0].append("é")
    assert "COLUMN-UNKNOWN" in broken(as_csv(table).decode().encode("cp1252"))
    assert parse(b"\xef\xbb\xbf" + as_csv(rows()), COUNTS).notes == ()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"all_upto5": "-1"}, "COUNT-WHOLE"),
        ({"all_upto5": "12,5"}, "COUNT-WHOLE"),
        ({"all_upto5": "1e3"}, "COUNT-WHOLE"),
        ({"all_upto5": "٣"}, "COUNT-WHOLE"),
        ({"all_upto5": ""}, "COUNT-EMPTY"),
        ({"all_upto5": "100001"}, "COUNT-LARGE"),
        ({"all_upto5": BSN}, "RAW-NUMBER"),
        ({"all_upto5": "20"}, "COUNT-TOTAL"),
        ({"illness_10to20": "5", "illness_5to10": "2"}, "COUNT-ORDER"),
        ({"all_10to20": "11", "all_upto5": "11"}, "COUNT-ORDER"),
    ],
)
def test_a_wrong_count_breaks_its_rule(change: dict[str, str], rule: str) -> None:
    """Each kind of wrong number is named by its own rule."""
    assert rule in broken(as_csv(rows(**change)))


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (lambda table: table[0].__setitem__(3, "aantal"), "COLUMN-MISSING"),
        (lambda table: [row.append("x") for row in table], "COLUMN-UNKNOWN"),
        (lambda table: [row.append(row[3]) for row in table], "COLUMN-DUPLICATE"),
        (
            lambda table: [row.append(cell) for row, cell in zip(table, ["Achternaam", *"x" * 16], strict=True)],
            "RAW-COLUMN",
        ),
        (lambda table: table[5].append("7"), "ROW-CELLS"),
        (lambda table: table.append(table[-1]), "ROW-DUPLICATE"),
        (lambda table: table.pop(), "ROW-MISSING"),
        (lambda table: table[3].__setitem__(0, "bovenbouw"), "CODE-SUBDIVISION"),
        (lambda table: table[3].__setitem__(0, "havo"), "CODE-SUBDIVISION"),
        (lambda table: table[3].__setitem__(1, "ziekte"), "CODE-KIND"),
        (lambda table: table[3].__setitem__(2, "lt5"), "CODE-BAND"),
        (lambda table: table[3].__setitem__(2, "above10"), "CODE-MARGIN"),
        (lambda table: table[3].__setitem__(2, "total"), "CODE-MARGIN"),
    ],
)
def test_a_wrong_sheet_breaks_its_rule(edit: Callable[[list[list[str]]], object], rule: str) -> None:
    """Each kind of wrong column, row or code is named by its own rule."""
    table = rows()
    edit(table)
    assert rule in broken(as_csv(table))


def test_a_subdivision_must_be_offered() -> None:
    """One of the sector that this site does not offer is refused by its own rule, which names it."""
    offered = {"sector": "vo", "offered": ("havo",)}
    others = [line | {"subdivision": "vwo"} for line in illness(1)]
    counted = faults(
        as_csv([[cell.replace("undivided", "vwo") for cell in row] for row in rows()]), replace(COUNTS, **offered)
    )
    sent = faults(document([record(subdivision="havo")], illness_counts=others), replace(RECORDS, **offered))
    listed = faults(document([record(subdivision="vwo")]), replace(RECORDS, **offered))
    for found in (counted, sent, listed):
        assert {fault.where for fault in found if fault.rule == "SUBDIVISION-OFFERED"} == {"vwo"}
    assert "vwo" in rule_text(listed[0], "en")


def test_what_is_not_known_is_not_checked_and_said_so() -> None:
    """Offline the offered subdivisions are unknown: the file passes and the rule is listed as not checked."""
    parsed = parse(as_csv(rows()), replace(COUNTS, sector=None, offered=None))
    assert isinstance(parsed, Parsed)
    assert parsed.unchecked == ("SUBDIVISION-OFFERED",)


def test_a_document_says_of_whom_it_is_and_offline_nobody_checks_it() -> None:
    """Its site and its period are held against nothing without a connection, of counts as of records."""
    lines = [dict(zip(rows()[0], row, strict=True)) | {"pupils": int(row[3])} for row in rows()[1:]]
    about = {"collection": "absence-counts", "site": "00AB00", "period": "2026-2027-1"}
    parsed = parse(json.dumps({**about, "counts": lines}).encode(), COUNTS)
    assert isinstance(parsed, Parsed)
    assert parsed.unchecked == ("JSON-SITE", "JSON-PERIOD")


def test_a_template_tells_what_is_offered() -> None:
    """The subdivisions read back from a template are those it was made for."""
    table = template_rows(CONTRACTS["absence-counts"], ("havo", "vwo"))
    assert offered_in(as_csv([list(row) for row in table]), CONTRACTS["absence-counts"]) == ("havo", "vwo")


def test_a_template_is_read_as_a_delivery_is() -> None:
    """Capitals do not matter, and a row of totals below is no subdivision."""
    table = [*rows(), ["Totaal", "", "", "120"]]
    table[1][0] = "Undivided"
    assert offered_in(as_csv(table), CONTRACTS["absence-counts"]) == ("undivided",)


def test_a_template_without_subdivisions_is_at_fault_itself() -> None:
    """Where its rows were deleted, it is not the delivery that has what the register does not."""
    for table in (rows()[:1], [*rows()[:1], ["Totaal", "", "", "0"]]):
        with pytest.raises(UnreadableFile) as refused:
            offered_in(as_csv(table), CONTRACTS["absence-counts"])
        assert refused.value.fault == Fault("TEMPLATE-SUBDIVISIONS")


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("title", [["Verzuim 2026-2027"], ["Verzuim 2026-2027", "", "", ""], ["Verzuim", "De Wissel"]])
def test_a_heading_below_a_title_is_pointed_at(title: list[str], delimiter: str) -> None:
    """The rows above it are to be deleted; nothing is said of a delimiter that is right, nor of columns there are."""
    table = [title, ["", "", "", ""], *rows()]
    for body in (as_csv(table, delimiter), as_xlsx(table)):
        assert [(fault.rule, fault.row) for fault in faults(body)] == [("FILE-HEADER", 3)]


def test_a_heading_in_other_words_is_not_blamed_on_the_delimiter() -> None:
    """Below a title too: the rows have cells, so that what is missing are the names of the columns."""
    dutch = ["onderdeel", "soort", "verzuimband", "leerlingen"]
    assert "COLUMN-MISSING" in broken(as_csv([["Verzuim 2026-2027", "", "", ""], dutch, *rows()[1:]]))
    assert "FILE-DELIMITER" not in broken(as_csv([["Verzuim 2026-2027", "", "", ""], dutch, *rows()[1:]]))


def test_all_faults_come_at_once_in_the_order_of_the_file() -> None:
    """Three wrong rows give three faults at their rows."""
    table = rows(authorised_upto5="x", illness_upto5="-3", all_upto5="")
    assert [(fault.row, fault.rule) for fault in faults(as_csv(table))] == [
        (2, "COUNT-WHOLE"),
        (6, "COUNT-WHOLE"),
        (14, "COUNT-EMPTY"),
    ]


def test_a_report_holds_a_hundred_of_each_rule_and_their_number() -> None:
    """Of 300 duplicate rows a hundred are listed and all are counted."""
    table = rows()
    outcome = parse(as_csv(table + table[-1:] * 300), COUNTS)
    assert isinstance(outcome, Report)
    assert len(outcome.faults) == 100
    assert outcome.totals == {"ROW-DUPLICATE": 300}


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "FILE-EMPTY"),
        (b"  \n ", "FILE-EMPTY"),
        (b"x" * (MAX_BYTES + 1), "FILE-SIZE"),
        (b"\x00\x01\x02\x03", "FILE-TYPE"),
        (b"%PDF-1.7\nall of it text", "FILE-TYPE"),
        (b"\xef\xbb\xbf\n<HTML><table>", "FILE-TYPE"),
        (b"<table><tr><td>subdivision</td></tr></table>", "FILE-TYPE"),
        (b"<meta charset=utf-8><table>", "FILE-TYPE"),
        (b"subdivision|kind|band|pupils\nundivided|all|upto5|3", "FILE-DELIMITER"),
        (b'subdivision;kind;band;pupils\n"undivided";"all"x;upto5;3', "FILE-QUOTES"),
        (as_csv([["subdivision"], *[["x"]] * (MAX_ROWS + 1)]), "FILE-ROWS"),
        (b"\n" * 200_000 + b"x", "FILE-ROWS"),
        (b";" * 300 + b"x", "FILE-COLUMNS"),
        (b"subdivision;kind;band;pupils\n" + b"y" * 70_000, "FILE-CELL"),
        (b"PK\x03\x04 but no zip", "FILE-XLSX"),
        (b'{"collection": "absence-counts", "site": "00AB00", "period": "2026-2027-1"}', "JSON-FIELD-MISSING"),
        (b'{"counts": NaN}', "JSON-NUMBER"),
        (b'{"counts": 1e999999999999999999999}', "JSON-NUMBER"),
        (b'{"counts": 1e-99999999999999999999}', "JSON-NUMBER"),
        (b'{"counts": [}', "JSON-SYNTAX"),
        (b'{"counts": [], "counts": []}', "JSON-DUPLICATE-KEY"),
        (b"[" * 100_000, "JSON-SYNTAX"),
        (b'["counts"]', "JSON-OBJECT"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(body: bytes, rule: str) -> None:
    """Empty, too large, binary, damaged, too deep: each has one clear reason."""
    assert rule in broken(body)


def zipped(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name.replace("__", "/"), data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (zipped(**{"[Content_Types].xml": b"x", "xl__sheet.xml": b"0" * 150_000_000}), "FILE-XLSX-BOMB"),
        (zipped(**{"[Content_Types].xml": b"x", "xl__vbaProject.bin": b"x"}), "FILE-XLSX-MACRO"),
        (zipped(**{"[Content_Types].xml": b"x", "xl__externalLinks__externalLink1.xml": b"x"}), "FILE-XLSX-LINK"),
        (zipped(readme=b"x"), "FILE-XLSX"),
        (zipped(**{"[Content_Types].xml": b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"}), "FILE-XLSX"),
    ],
)
def test_a_dangerous_workbook_is_not_opened(body: bytes, rule: str) -> None:
    """Bombs, macros, links and entities are refused before or instead of being parsed."""
    assert broken(body) == {rule}


@pytest.mark.parametrize(
    ("part", "before", "more"),
    [
        ("xl/styles.xml", b"</cellXfs>", b"<xf/>" * 60_000),
        ("xl/workbook.xml", b"</sheets>", b"<sheet/>" * 60_000),
        ("xl/worksheets/sheet1.xml", b"</row>", b"<c/>" * 2_000_000),
    ],
)
def test_a_workbook_of_many_styles_is_refused_before_it_is_opened(part: str, before: bytes, more: bytes) -> None:
    """Each style, sheet or cell would become an object, whatever the zip's ratio."""
    assert broken(rewritten(part, lambda text: text.replace(before, more + before, 1))) == {"FILE-XLSX-BOMB"}


def test_a_workbook_in_an_encoding_that_hides_its_elements_is_not_read() -> None:
    """The parts of a workbook are UTF-8 or UTF-16; in UTF-7 nothing would be counted."""
    hidden = b"<?xml version='1.0' encoding='utf-7'?>"
    sheet = "xl/worksheets/sheet1.xml"
    assert broken(rewritten(sheet, lambda text: hidden + text.replace(b"<", b"+ADw-"))) == {"FILE-XLSX"}


def rewritten(part: str, change: Callable[[bytes], bytes]) -> bytes:
    """A good workbook with one part changed, stored without compression."""
    good, out = zipfile.ZipFile(io.BytesIO(as_xlsx([*rows()]))), io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name in good.namelist():
            made.writestr(name, change(good.read(name)) if name == part else good.read(name))
    return out.getvalue()


def record(letter: str = "A", **changes: object) -> dict[str, object]:
    return {
        "pseudonym": letter * 85 + "A",
        "subdivision": "undivided",
        "hours_scheduled": 235,
        "hours_authorised": 12.5,
        "hours_unauthorised": 0,
    } | changes


def illness(upto5: int, above5: int = 0) -> list[dict[str, object]]:
    pupils = (("upto5", upto5), ("5to10", 0), ("10to20", above5), ("above20", 0))
    return [{"subdivision": "undivided", "band": band, "pupils": n} for band, n in pupils]


def document(records: list[object] | None = None, **changes: object) -> bytes:
    whole: dict[str, object] = {
        "collection": "absence-records",
        "site": "00AB00",
        "period": "2026-2027-1",
        "key_id": "k1",
        "records": [record()] if records is None else records,
        "illness_counts": illness(1),
    }
    return json.dumps(whole | changes).encode()


def test_records_are_counted_at_receipt() -> None:
    """12.5 of 235 hours is 5.3 %: band 5to10 authorised and in all, upto5 unauthorised; illness arrives counted."""
    parsed = parse(document(), RECORDS)
    assert isinstance(parsed, Parsed)
    assert {cell[1:] for cell, n in parsed.counts.items() if n} == {
        ("authorised", "5to10"),
        ("unauthorised", "upto5"),
        ("all", "5to10"),
        ("illness", "upto5"),
    }


@pytest.mark.parametrize(
    ("hours", "band"),
    [(5, "upto5"), (5.01, "5to10"), (10, "5to10"), (10.01, "10to20"), (20, "10to20"), (20.01, "above20")],
)
def test_bands_end_inclusive_and_compare_exactly(hours: float, band: str) -> None:
    """Of 100 scheduled hours exactly 5, 10 and 20 still belong to the lower band; one hundredth more does not."""
    body = document([record(hours_scheduled=100, hours_authorised=hours)], illness_counts=[])
    outcome = parse(body, replace(RECORDS, offered=None))
    assert isinstance(outcome, Report)  # illness is missing, which is all that is wrong
    assert {fault.rule for fault in outcome.faults} == {"ROW-MISSING"}
    assert CONTRACTS["absence-records"].band_of(round(hours * 100), 10_000) == band


@pytest.mark.parametrize(
    ("records", "rule"),
    [
        ([record(), record()], "PSEUDONYM-DUPLICATE"),
        ([record(pseudonym="A" * 86 + "=")], "PSEUDONYM-FORM"),
        ([record(pseudonym="A" * 85 + "B")], "PSEUDONYM-FORM"),
        ([record(pseudonym=BSN)], "RAW-NUMBER"),
        ([record(subdivision=BSN)], "RAW-NUMBER"),
        ([record(hours_authorised=1.005)], "HOURS-FORM"),
        ([record(hours_authorised=-1)], "HOURS-FORM"),
        ([record(hours_authorised="3")], "HOURS-FORM"),
        ([record(hours_authorised=True)], "HOURS-FORM"),
        ([record(hours_scheduled=0, hours_authorised=0)], "HOURS-SCHEDULED"),
        ([record(hours_authorised=200, hours_unauthorised=36)], "HOURS-SUM"),
        ([record(hours_illness=3)], "HEALTH-FIELD"),
        ([record(opmerking="x")], "JSON-FIELD-UNKNOWN"),
        ([{"pseudonym": "A" * 86}], "JSON-FIELD-MISSING"),
        (["x"], "JSON-ENTRY"),
        ([record(subdivision="pro")], "CODE-SUBDIVISION"),
    ],
)
def test_a_wrong_record_breaks_its_rule(records: list[object], rule: str) -> None:
    """Each kind of wrong record is named by its own rule."""
    assert rule in broken(document(records), RECORDS)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"site": "00AC00"}, "JSON-SITE"),
        ({"period": "2026-2027-2"}, "JSON-PERIOD"),
        ({"collection": "absence-counts"}, "JSON-COLLECTION"),
        ({"key_id": "other"}, "KEY-UNKNOWN"),
        ({"key_id": 7}, "KEY-FORM"),
        ({"records": {}}, "JSON-LIST"),
        ({"illness_counts": None}, "JSON-LIST"),
        ({"note": "x"}, "JSON-FIELD-UNKNOWN"),
        ({"illness_counts": [{"subdivision": "undivided", "band": "upto5", "pupils": 2.5}]}, "COUNT-WHOLE"),
        ({"illness_counts": [{"subdivision": "undivided", "band": "above10", "pupils": 0}]}, "CODE-BAND"),
    ],
)
def test_a_wrong_head_breaks_its_rule(change: dict[str, object], rule: str) -> None:
    """A document about another site, period or key, or with a malformed part, is refused."""
    assert rule in broken(document(**change), RECORDS)


def test_a_document_of_any_period_can_leave_the_school() -> None:
    """The code of a period is no pupil's number, in whatever year."""
    codes = [f"{first}-{first + 1}-{quarter}" for first in range(2020, 2099) for quarter in range(1, 5)]
    assert [code for code in codes if raw_in(document(period=code)) is not None] == []


def test_a_subdivision_without_pupils_needs_no_lines() -> None:
    """Nobody is in it, so nobody in it was ill; with some of its bands or with records all of it has to be there."""
    expected = replace(RECORDS, sector="po", offered=("lower_years", "upper_years"))
    lower, upper = ([line | {"subdivision": code} for line in illness(1)] for code in expected.offered)
    first = record("A", subdivision="lower_years")
    for parser in (parse, accept):
        parsed = parser(document([first], illness_counts=lower), expected)
        assert isinstance(parsed, Parsed)
        of_upper = {cell: n for cell, n in parsed.counts.items() if cell[0] == "upper_years"}
        assert of_upper == dict.fromkeys(expected.contract.cells(["upper_years"]), 0)
    assert broken(document([first], illness_counts=lower + upper[1:]), expected) == {"ROW-MISSING"}
    second = record("B", subdivision="upper_years")
    assert broken(document([first, second], illness_counts=lower), expected) == {"ROW-MISSING"}
    assert broken(document([], illness_counts=[]), expected) == {"ROW-MISSING"}


@pytest.mark.parametrize("parser", [parse, accept])
def test_lines_of_a_subdivision_without_records_need_no_register(parser: Callable[..., object]) -> None:
    """What the gateway takes of a site that offers it passes at a school that does not say what it offers."""
    offline = Expected(CONTRACTS["absence-records"])
    first = record(subdivision="lower_years")
    lower, upper, ill = (
        [line | {"subdivision": code} for line in illness(number)]
        for code, number in (("lower_years", 1), ("upper_years", 0), ("upper_years", 1))
    )
    parsed = parser(document([first], illness_counts=lower + upper), offline)
    assert isinstance(parsed, Parsed)
    assert {n for cell, n in parsed.counts.items() if cell[0] == "upper_years"} == {0}
    assert len(parsed.counts) == 2 * len(GOOD)
    assert broken(document([first], illness_counts=lower + ill), offline) == {"COUNT-TOTAL"}


def test_numbers_are_numbers_and_exact() -> None:
    """A number of pupils in quotes is text, and hours with a digit far behind the point are not in hundredths."""
    lines = [dict(zip(rows()[0], row, strict=True)) for row in rows()[1:]]
    about = {"collection": "absence-counts", "site": "00AB00", "period": "2026-2027-1"}
    quoted = faults(json.dumps({**about, "counts": lines}).encode())
    assert {fault.rule for fault in quoted} == {"JSON-COUNT-TEXT"}
    assert (quoted[0].row, quoted[0].where) == (1, "undivided · authorised · upto5")
    assert broken(
        document(illness_counts=[line | {"pupils": str(line["pupils"])} for line in illness(1)]), RECORDS
    ) == {"JSON-COUNT-TEXT"}
    whole = [line | {"pupils": int(line["pupils"])} for line in lines]
    assert isinstance(parse(json.dumps({**about, "counts": whole}).encode(), COUNTS), Parsed)
    far = document().replace(b"12.5", b"10." + b"0" * 34 + b"1")
    assert broken(far, RECORDS) == {"HOURS-FORM"}


def test_a_document_has_no_more_entries_than_a_file_has_rows() -> None:
    """Counts of a site are a few hundred lines: a million of them is refused before they are looked at one by one."""
    about = {"collection": "absence-counts", "site": "00AB00", "period": "2026-2027-1"}
    many = [{}] * (MAX_ROWS + 1)
    for body, expected in (
        (json.dumps({**about, "counts": many}).encode(), COUNTS),
        (document(illness_counts=many), RECORDS),
    ):
        assert [(fault.rule, fault.row) for fault in faults(body, expected)] == [("FILE-ROWS", MAX_ROWS + 1)]


def test_illness_above_authorised_is_refused() -> None:
    """More pupils ill above a bound than absent with leave above it cannot be."""
    assert broken(document(illness_counts=illness(0, 1)), RECORDS) == {"COUNT-ORDER"}


def test_records_do_not_come_as_csv() -> None:
    """An export with pupils in it is not what this collection takes."""
    assert broken(b"pseudonym;subdivision\n", RECORDS) == {"FILE-RECORDS-JSON"}


def test_every_rule_has_its_text_in_both_languages() -> None:
    """No rule is without a mend, and every text fills in with the facts a fault has."""
    for rule in catalogue("rules"):
        fault = Fault(rule, 3, "pupils", "undivided · all · upto5")
        assert all(len(rule_text(fault, language)) > 20 for language in LANGUAGES)


SECRETS = st.text(st.characters(codec="utf-8", exclude_characters='\r\n;,\t"\x00'), min_size=4, max_size=40)


@given(SECRETS, st.integers(0, 3))
def test_no_fault_repeats_a_cell(secret: str, column: int) -> None:
    """Whatever stands in a cell, the report does not contain it."""
    table = rows()
    table[4][column] = f"{secret}Jansen{secret}"
    outcome = parse(as_csv(table), COUNTS)
    assert isinstance(outcome, Report)
    told = " ".join(rule_text(fault, "nl") + fault.column + fault.where for fault in outcome.faults)
    assert "Jansen" not in told


@given(st.binary(max_size=400))
def test_any_bytes_give_a_value(body: bytes) -> None:
    """No input makes the parser raise: it is a good file or a report."""
    for expected in (COUNTS, RECORDS):
        assert isinstance(parse(body, expected), Parsed | Report)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["collection", "site", "period", "key_id", "records", "illness_counts", "counts", "pseudonym", "subdivision",
         "hours_scheduled", "hours_authorised", "hours_unauthorised", "band", "pupils", "kind"]), inner, max_size=6),
    max_leaves=30,
))  # fmt: skip
def test_any_json_gives_a_value(value: object) -> None:
    """No JSON document makes the parser raise."""
    for expected in (COUNTS, RECORDS):
        assert isinstance(parse(json.dumps(value).encode(), expected), Parsed | Report)


NUMBER = st.one_of(
    st.integers(0, 300).map(str),
    st.sampled_from(["-0", "-0.0", "0.5", "12.25", "7.001", "7.010", "12.3400000000000000001", "1e2", "1.5E1", "1e-1"]),
    st.sampled_from(["123000000000000000001e-20", "1e400", "1000000001", "-1", "01", "true", "null", '"3"', "[1]"]),
)
TEXT = st.sampled_from(["A" * 86, "B" * 85 + "Q", "C" * 85 + "g", "-" * 85 + "w", "D" * 85, "E" * 87, "F" * 85 + "B"])
RECORD = st.tuples(
    st.tuples(st.just("pseudonym"), TEXT.map(json.dumps) | st.sampled_from(["7", f'"\\u0041{"A" * 85}"', '"\\ud800"'])),
    st.tuples(st.just("subdivision"), st.sampled_from(['"undivided"'] * 4 + ['"havo"', "1", '"undivided:"'])),
    *(st.tuples(st.just(f"hours_{name}"), small | NUMBER) for name, small in (
        ("scheduled", st.integers(200, 300).map(str)), ("authorised", st.just("5.5")), ("unauthorised", st.just("0"))
    )),
).map(list)  # fmt: skip
TWICE = st.none() | st.sampled_from(["pseudonym", "hours_scheduled", "note"])


@given(st.lists(st.tuples(RECORD, TWICE), min_size=1, max_size=3), st.sampled_from([": ", ":", " :\n"]), st.data())
def test_what_the_fast_way_accepts_the_slow_way_accepts_alike(
    entries: list[tuple[list[tuple[str, str]], str | None]], colon: str, data: st.DataObject
) -> None:
    """A document accepted whole has no faults when it is explained record by record, and says the very same."""
    told = []
    for fields, twice in entries:
        pairs = [*fields, *([(twice, dict(fields).get(twice, "1"))] if twice and data.draw(st.booleans()) else [])]
        told.append(
            "{" + ",".join(f'"{name}"{colon}{value}' for name, value in data.draw(st.permutations(pairs))) + "}"
        )
    whole = document([], illness_counts=illness(len(entries))).decode()
    body = whole.replace('"records": []', f'"records": [{", ".join(told)}]').encode()
    fast = accept(body, RECORDS)
    if fast is not None:
        assert fast == records_of_document(read_document(body), RECORDS)


@pytest.mark.parametrize(
    ("old", "new", "fast"),
    [
        ("235", "235.00", True),
        ("12.5", "12.50", True),
        ("12.5", "12.500", False),
        ("12.5", "1.25e1", False),
        ("12.5", "12.500000000000000000001", False),
        ('"k1",', '"k1", "site": "00AB00",', False),
        ('"site"', '"\\u0073ite"', True),
        ("{", "\ufeff{", False),
    ],
)
def test_a_clean_document_takes_the_fast_way(old: str, new: str, *, fast: bool) -> None:
    """However it is spelled; what may be odd takes the slow one, a number that may not be exact and a key twice too."""
    body = document([record("A"), record("B")], illness_counts=illness(2)).decode().replace(old, new, 1).encode()
    assert (accept(body, RECORDS) is not None) is fast
