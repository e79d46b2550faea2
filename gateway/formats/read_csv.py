"""CSV into a sheet: strict UTF-8 first, then cp1252; the delimiter is told by the first line that says anything."""

import csv
import io
import re
import string
from collections.abc import Collection, Iterator

from gateway.formats.sheet import MAX_CELL, Sheet, UnreadableFile, checked_rows, found_in, is_no_table

DELIMITERS = ";,\t"
_BLANK = DELIMITERS + string.whitespace
# The first line by which Excel is told the delimiter: Excel does not show it, so rows are counted from the next one.
_FOR_EXCEL = re.compile(r"sep=.\r?\n", re.IGNORECASE)
# A row is told to be too wide before it becomes cells; spreadsheets write 16,384 columns of which most are empty, and a
# text between quotation marks may hold delimiters.
MAX_DELIMITERS = 100_000
csv.field_size_limit(MAX_CELL + 1)


def decode(body: bytes) -> tuple[str, tuple[str, ...]]:
    """Text of a file and what has to be said about its encoding.

    Nothing is guessed: UTF-8 with or without a byte-order mark, else Windows-1252, the code page of Dutch exports.
    """
    try:
        return body.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        pass
    try:
        return body.decode("cp1252"), ("NOTE-CP1252",)
    except UnicodeDecodeError as error:
        raise UnreadableFile("FILE-ENCODING") from error


def delimiter_of(first_line: str, known: Collection[str]) -> str:
    """The delimiter that finds most of the known column names in the first line, else the one it has most of."""

    def found(delimiter: str) -> tuple[int, int]:
        return found_in(first_line.split(delimiter), known), first_line.count(delimiter)

    return max(DELIMITERS, key=found)


def read_csv(body: bytes, known: Collection[str]) -> Sheet:
    """Read a delimited text file.

    Args:
        body: The file's bytes, at most 16 MB.
        known: Names of the columns the reader expects; they decide the delimiter.

    Raises:
        UnreadableFile: empty, binary, of no readable encoding, badly quoted, or above a limit.
    """
    if is_no_table(body):
        raise UnreadableFile("FILE-TYPE")
    text, notes = decode(body)
    told = _FOR_EXCEL.match(text)
    text = text[told.end() :] if told else text
    first_line = next((line for line in io.StringIO(text) if line.strip(_BLANK)), "")
    delimiter = delimiter_of(first_line[:MAX_CELL], known)
    return checked_rows(_numbered(text, delimiter, known), notes)


class _TooWide(Exception):  # noqa: N818  carries an outcome out of the lines, which have no number of a row
    """A row of more delimiters than one may have."""


class _Lines:
    """The lines of a text, as long as a row of them has no more delimiters than one may have."""

    def __init__(self, text: str, delimiter: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self._delimiter = delimiter
        self.delimiters = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.delimiters += line.count(self._delimiter)
            if self.delimiters > MAX_DELIMITERS:
                raise _TooWide
            yield line


def _numbered(text: str, delimiter: str, known: Collection[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows by number as a spreadsheet counts them: a line break within a cell begins none, a blank line is one.

    Between commas a decimal comma without quotes moves the cells after it; of a row whose last ones are empty nobody
    could tell that later.
    """
    number = width = 0
    lines = _Lines(text, delimiter)
    try:
        for number, row in enumerate(csv.reader(lines, delimiter=delimiter, strict=True), 1):
            lines.delimiters = 0
            filled = any(cell.strip() for cell in row)
            if delimiter == "," and filled and 0 < width < len(row):
                if found_in(row, known) <= 1:
                    raise UnreadableFile("ROW-CELLS", number)
                width = len(row)  # the heading, below a title
            width = width or filled * len(row)
            yield number, row
    except _TooWide:
        raise UnreadableFile("FILE-COLUMNS", number + 1) from None
    except csv.Error as error:
        rule = "FILE-CELL" if "field limit" in str(error) else "FILE-QUOTES"
        raise UnreadableFile(rule, number + 1) from error
