"""A sheet of text cells, whatever file it came from, and the limits every upload has to keep."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.outcome import Fault
from pseudonymisation.words import plain

MAX_BYTES = 16_000_000
MAX_ROWS = 50_000
MAX_CELL = 64_000
MAX_COLUMNS = 200
# What all rows hold together: each value is an object of some fifty bytes, however short it is.
MAX_VALUES = 30 * MAX_ROWS
# Blank rows carry nothing, but reading them costs time: a file may not hide its end behind a million of them.
MAX_ROWS_WITH_BLANKS = 2 * MAX_ROWS


class Content(StrEnum):
    """What a file is, told by its first bytes and not by its name."""

    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A header and its rows as text.

    Attributes:
        header: Column names as in the file, stripped.
        rows: Pairs of file row (header = 1, so the first is 2) and cells, without trailing empty cells; wholly empty
            rows are left out.
        notes: Codes of what was tolerated and should be said, e.g. `NOTE-CP1252`.
        content: What it was read from.
        title: What the sheet is called in its workbook.
        beside: The other sheets of the workbook that are not empty, each with its number: nobody reads them as counts.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    notes: tuple[str, ...] = ()
    content: Content = Content.CSV
    title: str = ""
    beside: "tuple[tuple[int, Sheet], ...]" = ()


class UnreadableFile(Exception):  # noqa: N818  it is an outcome that `gateway.records` turns into a value
    """The file cannot be read as a sheet at all; `fault` says why."""

    def __init__(self, rule: str, row: int = 0, column: str = "", where: str = "") -> None:
        super().__init__(rule)
        self.fault = Fault(rule, row, column, where)


# How files begin that are text to a computer and no table to anybody: a PDF, and a web page or XML saved as .xls.
_NO_TABLES = (b"%pdf-", b"<!doctype", b"<html", b"<?xml", b"<table", b"<meta", b"<head", b"<body", b"<style")


def is_no_table(body: bytes) -> bool:
    """Whether a file that is neither XLSX nor JSON cannot be CSV either."""
    return b"\0" in body or body.lstrip(b"\xef\xbb\xbf \t\r\n")[:9].lower().startswith(_NO_TABLES)


def content_of(body: bytes) -> Content:
    """Tell CSV, XLSX and JSON apart by content."""
    if body.startswith(b"PK\x03\x04"):
        return Content.XLSX
    if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return Content.JSON
    return Content.CSV


def found_in(names: Iterable[str], known: Collection[str]) -> int:
    """How many known headings there are among names, both in plain form."""
    return len(set(map(plain, names)) & set(map(plain, known)))


def checked_rows(numbered: Iterator[tuple[int, Sequence[str]]], notes: tuple[str, ...] = ()) -> Sheet:
    """Collect rows under the limits of an upload.

    Args:
        numbered: File row (from 1) and cells; the first row that is not empty is the header.
        notes: What the reader tolerated.

    Raises:
        UnreadableFile: no header, or more rows, columns, values or text than an upload may have.
    """
    values = 0
    header: tuple[str, ...] | None = None
    rows: list[tuple[int, tuple[str, ...]]] = []
    for number, raw in numbered:
        if number > MAX_ROWS_WITH_BLANKS:
            raise UnreadableFile("FILE-ROWS", number)
        cells = _trimmed(raw)
        if not cells:
            continue
        if len(cells) > MAX_COLUMNS:
            raise UnreadableFile("FILE-COLUMNS", number)
        if any(len(cell) > MAX_CELL for cell in cells):
            raise UnreadableFile("FILE-CELL", number)
        values += len(cells)
        if values > MAX_VALUES:
            raise UnreadableFile("FILE-VALUES", number)
        if header is None:
            header = cells
        elif len(rows) == MAX_ROWS:
            raise UnreadableFile("FILE-ROWS", number)
        else:
            rows.append((number, cells))
    if header is None:
        raise UnreadableFile("FILE-EMPTY")
    return Sheet(header, tuple(rows), notes)


def _trimmed(raw: Sequence[str]) -> tuple[str, ...]:
    """Cells without white space around them and without the empty ones at the end."""
    cells = [cell.strip() for cell in raw]
    while cells and not cells[-1]:
        cells.pop()
    return tuple(cells)


def column_letter(index: int) -> str:
    """Name of a column as spreadsheets show it: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
