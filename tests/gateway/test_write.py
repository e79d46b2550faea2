"""Files for recipients: read back with the programs people use, equal bytes for equal content, no formula."""

import io
import re
import zipfile
from numbers import Real

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.formats.write import EXERCISE, FILES, Format, write_table
from gateway.messages import LANGUAGES, catalogue
from gateway.table import COLUMNS, NUMBERS, CellStatus, TableRow, decode_rows, encode_rows, share_of


def row(level: str, area: str, band: str, pupils: str, share: str = "") -> TableRow:
    status = "published" if pupils else "suppressed"
    of = ("2026-2027-1", level, area, "po", "total", "all", band, pupils, status, share, "exact", "", "", "9", "10")
    return TableRow(*of)


ROWS = [
    row("swv", "PO9901", "total", "400", "100"),
    row("swv", "PO9901", "above10", "40", "10"),
    row("site", "90BB00", "above10", ""),
]
ABOUT = {"period": "2026-2027-1", "release": "0" * 32}
LINES = encode_rows(ROWS)


def frame_of(form: Format) -> pd.DataFrame:
    body = write_table(LINES, form, ABOUT)
    if form is Format.CSV:
        return pd.read_csv(io.BytesIO(body), sep=";", dtype=str, keep_default_na=False)
    if form is Format.PARQUET:
        return pq.read_table(io.BytesIO(body)).to_pandas()
    if form is Format.JSON:
        return pd.DataFrame(pd.read_json(io.BytesIO(body), typ="series", dtype=False)["rows"])
    return pd.read_excel(io.BytesIO(body), sheet_name="Levering", dtype=object)


@pytest.mark.parametrize("form", FILES)
def test_every_form_is_read_back_with_its_figures(form: Format) -> None:
    """CSV, XLSX, JSON and Parquet hold the same rows, every cell of them, and a hidden figure is empty in each."""
    assert [tuple(map(spelled, row)) for row in frame_of(form).itertuples(index=False)] == ROWS


def spelled(value: object) -> str:
    """A cell as a row spells it: whole numbers without a fraction, nothing for what is not there."""
    if isinstance(value, Real):
        return "" if pd.isna(value) else str(int(value))
    return str(value or "")


@pytest.mark.parametrize("form", FILES)
def test_equal_content_gives_equal_bytes(form: Format) -> None:
    """Writing twice gives the same file, byte for byte."""
    assert write_table(LINES, form, ABOUT) == write_table(LINES, form, ABOUT)


def test_a_workbook_bears_no_moment_of_its_own_making() -> None:
    """Two made in different seconds would differ by it; the moment in its properties and in its archive is fixed."""
    with zipfile.ZipFile(io.BytesIO(write_table(LINES, Format.XLSX, ABOUT))) as book:
        moments = re.findall(rb"[0-9-]+T[0-9:]+Z", book.read("docProps/core.xml"))
        assert set(moments) == {b"2026-01-01T00:00:00Z"}
        assert {part.date_time for part in book.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_workbook_explains_itself() -> None:
    """Four sheets; the data sheet has Dutch headings, a frozen header and numbers as numbers."""
    book = openpyxl.load_workbook(io.BytesIO(write_table(LINES, Format.XLSX, ABOUT)))
    assert book.sheetnames == ["Leesmij", "Levering", "Toelichting", "Herkomst"]
    sheet = book["Levering"]
    assert sheet.freeze_panes == "A2"
    assert [cell.value for cell in sheet[1]][7:9] == ["leerlingen", "status"]
    assert sheet["H2"].value == 400


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "http://example.org"])
def test_no_text_becomes_a_formula_or_link(text: str) -> None:
    """Whatever a code looks like, a workbook holds it as plain text."""
    one = ROWS[0]._replace(area=text)
    book = openpyxl.load_workbook(io.BytesIO(write_table(encode_rows([one]), Format.XLSX, ABOUT)))
    cell = book["Levering"]["C2"]
    assert (cell.data_type, cell.hyperlink) == ("s", None)


def test_parquet_says_that_it_is_of_an_exercise() -> None:
    """What is told about a table stands in its metadata, where the columns have no place for it."""
    body = write_table(LINES, Format.PARQUET, ABOUT | {EXERCISE: "yes"})
    assert pq.read_schema(io.BytesIO(body)).metadata.get(b"exercise") == b"yes"


def test_figures_are_numbers_or_nothing_in_parquet() -> None:
    """Numeric columns are nullable integers, all others text."""
    schema = pq.read_schema(io.BytesIO(write_table(LINES, Format.PARQUET, ABOUT)))
    assert {name: str(schema.field(name).type) for name in COLUMNS} == {
        name: "int64" if name in NUMBERS else "string" for name in COLUMNS
    }


@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=8)] * 15)))
def test_rows_survive_their_spelling(rows: list[tuple[str, ...]]) -> None:
    """Encoding and decoding gives the same rows, whatever they hold."""
    made = [TableRow(*row) for row in rows]
    assert list(decode_rows(encode_rows(made))) == made


@pytest.mark.parametrize(
    ("pupils", "total", "share"), [(1, 3, "33"), (1, 2, "50"), (5, 1000, "1"), (4, 1000, "0"), (0, 0, "")]
)
def test_a_share_is_a_whole_per_cent(pupils: int, total: int, share: str) -> None:
    """Halves are rounded up; without a total there is no share."""
    assert share_of(pupils, total) == share


def test_every_code_and_heading_has_its_words() -> None:
    """Statuses and columns have texts in both languages."""
    assert all(catalogue("codes")[status.value][language] for status in CellStatus for language in LANGUAGES)
    assert all(catalogue("files")[f"column_{name}"][language] for name in COLUMNS for language in LANGUAGES)
