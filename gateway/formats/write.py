"""A published table as a file: CSV, XLSX, JSON or Parquet. Equal content gives equal bytes."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from gateway.formats.dictionary import codes
from gateway.messages import LANGUAGES, text
from gateway.table import COLUMNS, HEADER, NUMBERS, TableRow, decode_rows

# A fixed moment in the properties of a workbook: the moment of writing would make every file another.
_CREATED = datetime(2026, 1, 1, tzinfo=UTC)
EXERCISE = "exercise"  # in what is told about a table: every figure in it is invented
_COLUMN_WIDTH = 16
_TEXT_WIDTH = 100


class Format(StrEnum):
    """What a recipient can ask for."""

    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"
    PARQUET = "parquet"
    ZIP = "zip"
    SVG = "svg"

    @property
    def media_type(self) -> str:
        """The Content-Type of a file of this form."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8; header=present",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.JSON: "application/json",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.ZIP: "application/zip",
    Format.SVG: "image/svg+xml",
}
# What a table alone is written as; `formats.package` puts all of them in one, and charts are stored pictures.
FILES = (Format.CSV, Format.XLSX, Format.JSON, Format.PARQUET)


def write_table(lines: bytes, form: Format, about: Mapping[str, str], *, own: bool = False) -> bytes:
    """Write stored lines as a file.

    Args:
        lines: Rows as `gateway.table.encode_rows` made them.
        form: One of `FILES`.
        about: Where the table comes from: period, release, and `exercise` where it is of one; stands in XLSX, JSON
            and the metadata of Parquet, and beside a CSV only in its package.
        own: Whether it is a site's own table, small counts included; XLSX says so.
    """
    if form is Format.CSV:
        return HEADER + lines
    rows = decode_rows(lines)
    if form is Format.XLSX:
        return _workbook(rows, about, own=own)
    return _json(rows, about) if form is Format.JSON else _parquet(rows, about)


def typed(row: TableRow) -> dict[str, str | int | None]:
    """A row with whole numbers as numbers and what is not there as None."""
    return {
        name: (int(value) if value else None) if name in NUMBERS else value
        for name, value in zip(COLUMNS, row, strict=True)
    }


def _json(rows: Sequence[TableRow], about: Mapping[str, str]) -> bytes:
    return json.dumps({**about, "rows": [typed(row) for row in rows]}, ensure_ascii=False).encode()


def _parquet(rows: Sequence[TableRow], about: Mapping[str, str]) -> bytes:
    import pyarrow as pa  # noqa: PLC0415  large, and few downloads need it
    from pyarrow import parquet  # noqa: PLC0415  likewise

    schema = pa.schema(
        [(name, pa.int64() if name in NUMBERS else pa.string()) for name in COLUMNS], metadata=dict(about)
    )
    target = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist([typed(row) for row in rows], schema=schema), target)
    return target.getvalue()


def _workbook(rows: Sequence[TableRow], about: Mapping[str, str], *, own: bool) -> bytes:
    """Four sheets: readme, data, meaning of the symbols, provenance; Dutch first, English beside it.

    Strings are written as strings: no formula and no link can come out of a table.
    """
    import xlsxwriter  # noqa: PLC0415  only workbooks need it

    target = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(target, options)
    book.set_properties({"created": _CREATED})
    bold, wrap = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
    readme = book.add_worksheet("Leesmij")
    readme.set_column(0, 1, _TEXT_WIDTH, wrap)
    for line, key in enumerate(_told(rows, about, own=own)):
        for column, language in enumerate(LANGUAGES):
            readme.write_string(line, column, text("files", key, language), bold if line == 0 else wrap)
    _data_sheet(book.add_worksheet("Levering"), rows, bold)
    symbols = book.add_worksheet("Toelichting")
    symbols.set_column(0, 0, _COLUMN_WIDTH)
    symbols.set_column(1, 2, _TEXT_WIDTH, wrap)
    for line, (key, texts) in enumerate(codes(own=own).items()):
        symbols.write_string(line, 0, key, bold)
        for column, language in enumerate(LANGUAGES, start=1):
            symbols.write_string(line, column, texts[language])
    provenance = book.add_worksheet("Herkomst")
    provenance.set_column(0, 1, _TEXT_WIDTH // 2)
    for line, (name, value) in enumerate(about.items()):
        provenance.write_string(line, 0, text("files", f"about_{name}", "nl"), bold)
        provenance.write_string(line, 1, value)
    book.close()
    return target.getvalue()


def _told(rows: Sequence[TableRow], about: Mapping[str, str], *, own: bool) -> Iterator[str]:
    """The texts of the first sheet, the title first."""
    yield "own_title" if own else "title"
    if EXERCISE in about:
        yield EXERCISE
    yield "numbers"
    if not own:
        yield from ("empty", "add")
    if any(row.method == "dp" for row in rows):
        yield "noise"
    yield "questions"


def _data_sheet(sheet: Any, rows: Sequence[TableRow], bold: object) -> None:  # noqa: ANN401  xlsxwriter has no types
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(COLUMNS) - 1, _COLUMN_WIDTH)
    for column, name in enumerate(COLUMNS):
        sheet.write_string(0, column, text("files", f"column_{name}", "nl"), bold)
    for line, row in enumerate(rows, start=1):
        for column, value in enumerate(typed(row).values()):
            if isinstance(value, int):
                sheet.write_number(line, column, value)
            elif value:
                sheet.write_string(line, column, value)
    if rows:
        sheet.autofilter(0, 0, len(rows), len(COLUMNS) - 1)
