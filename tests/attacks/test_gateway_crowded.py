"""Somebody who sends a file that is small until it is read: it is told by what it would become, before it is that."""

import io
import json
import re
import zipfile
from collections.abc import Iterable, Sequence

import openpyxl
import pytest

from gateway.collections import load_contracts
from gateway.formats import read_csv
from gateway.formats.read_csv import MAX_DELIMITERS
from gateway.formats.read_xlsx import MAX_STRETCH, read_xlsx
from gateway.formats.sheet import MAX_CELL, MAX_COLUMNS, MAX_ROWS, Sheet, UnreadableFile
from gateway.outcome import Report
from gateway.records import Expected, parse
from gateway.records.document import MAX_ENTRIES, MAX_FIELDS

CONTRACTS = load_contracts()
_SPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_STRINGS = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
# A cell of a full row that names the first shared string.
_NAMED = "<row>" + '<c t="s"><v>0</v></c>' * MAX_COLUMNS + "</row>"


def book(rows: str, *, shared: str = "", names: int = 1) -> bytes:
    """A workbook with these rows in its one part, which so many sheets name, and one string that cells share."""
    kept, out = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(kept)
    with zipfile.ZipFile(kept) as good, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in good.namelist():
            part = good.read(name).decode()
            if name.endswith("sheet1.xml"):
                part = f"<worksheet {_SPACE}><sheetData>{rows}</sheetData></worksheet>"
            elif name == "xl/workbook.xml":
                part = re.sub("<sheet [^>]*/>", lambda found: found[0] * names, part)
            elif name == "[Content_Types].xml" and shared:
                override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_STRINGS}"/>'
                part = part.replace("</Types>", override + "</Types>")
            made.writestr(name, part)
        if shared:
            made.writestr("xl/sharedStrings.xml", f"<sst {_SPACE}><si><t>{shared}</t></si></sst>")
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        pytest.param(book(_NAMED * 2, shared="a" * MAX_CELL), "FILE-VALUES", id="a text that cells share"),
        pytest.param(book('<row><c r="ZZZ1"/></row>' * 1_000), "FILE-COLUMNS", id="blank rows of the widest kind"),
        pytest.param(book(_NAMED, shared="a", names=2), "FILE-XLSX-BOMB", id="one part as two sheets"),
        pytest.param(
            book("<row " + " ".join(f'a{one}=""' for one in range(MAX_STRETCH // 6)) + "/>"),
            "FILE-XLSX-BOMB",
            id="an element of attributes",
        ),
        pytest.param(
            book(f'<row><c t="inlineStr"><is><t>{"a" * MAX_STRETCH}</t></is></c></row>'),
            "FILE-XLSX-BOMB",
            id="a text",
        ),
        pytest.param(
            book('<row><c t="inlineStr"><is><t>' + "&quot;" * MAX_CELL + "</t></is></c></row>"),
            "",
            id="the longest cell",
        ),
        pytest.param(book('<row><c><v>1</v></c><c r="XFD1"/></row>' * 500), "", id="blank cells to the last column"),
    ],
)
def test_a_workbook_is_told_by_what_its_rows_would_hold(body: bytes, rule: str) -> None:
    """A few kilobytes that would become gigabytes are refused; a long note, and blank cells far right, are not."""
    try:
        read_xlsx(body)
        found = ""
    except UnreadableFile as error:
        found = error.fault.rule
    assert found == rule


@pytest.mark.parametrize(
    "body",
    [b"a" + b";a" * (MAX_DELIMITERS + 1), b'a;b;c\n"a\n"' + b';"a\n"' * (MAX_DELIMITERS + 1)],
    ids=["one line", "one row of many lines"],
)
def test_a_row_of_csv_is_too_wide_before_it_is_cells(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """Sixteen megabytes of delimiters are no list of five million cells."""
    widest = 0

    def rows(numbered: Iterable[tuple[int, Sequence[str]]], _notes: object) -> Sheet:
        nonlocal widest
        for _, row in numbered:
            widest = max(widest, len(row))
        raise AssertionError("read to its end")

    monkeypatch.setattr(read_csv, "checked_rows", rows)
    with pytest.raises(UnreadableFile, match="FILE-COLUMNS"):
        read_csv.read_csv(body, ())
    assert widest <= 3


@pytest.mark.parametrize("collection", ["absence-counts", "absence-records"])
@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b'{"counts":[' + b'{"":0},' * MAX_ENTRIES + b"0]}", "FILE-ROWS"),
        (b'{"counts":[' + b"[]," * MAX_ENTRIES + b"0]}", "FILE-ROWS"),
        (b'{"counts":[' + b"1.1," * (MAX_FIELDS + 1) + b"0]}", "FILE-VALUES"),
    ],
    ids=["objects", "lists", "numbers"],
)
def test_a_document_is_too_full_before_it_is_values(
    monkeypatch: pytest.MonkeyPatch, collection: str, body: bytes, rule: str
) -> None:
    """More rows or fields than the longest document has: nothing is made of them."""
    monkeypatch.setattr(json, "loads", None)
    outcome = parse(body, Expected(CONTRACTS[collection], "00AB00", "2026-2027-1", "so", ("undivided",), None))
    assert isinstance(outcome, Report)
    assert dict(outcome.totals) == {rule: 1}


def test_an_object_of_a_thousand_keys_is_no_row() -> None:
    """One fault, and not one for each key that nobody asked for."""
    body = json.dumps({str(key): 0 for key in range(1_000)}).encode()
    outcome = parse(body, Expected(CONTRACTS["absence-counts"], "00AB00", "2026-2027-1", "so", ("undivided",), None))
    assert isinstance(outcome, Report)
    assert dict(outcome.totals) == {"FILE-COLUMNS": 1}


def test_values_of_many_rows_are_counted_together() -> None:
    """Rows of the most columns there may be, each short: refused at the most values of a file."""
    with pytest.raises(UnreadableFile, match="FILE-VALUES"):
        read_csv.read_csv((b"a;" * MAX_COLUMNS)[:-1].join([b"", b"\n"]) * (MAX_ROWS // 5), ())
