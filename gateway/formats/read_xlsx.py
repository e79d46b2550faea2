"""XLSX into a sheet, after the zip container has been looked over for bombs, macros and links."""

import io
import re
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

from gateway.formats.sheet import (
    MAX_BYTES,
    MAX_CELL,
    MAX_COLUMNS,
    MAX_ROWS,
    MAX_VALUES,
    Content,
    Sheet,
    UnreadableFile,
    checked_rows,
    found_in,
)

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.cell.read_only import EmptyCell, ReadOnlyCell
    from openpyxl.worksheet.worksheet import Worksheet

MAX_UNPACKED = 100_000_000
MAX_PART = 40_000_000
MAX_RATIO = 100
# A small part may compress far better than any real sheet without being dangerous.
RATIO_FROM = 1_000_000
MAX_PARTS = 1_000
# openpyxl makes an object of every element, of some hundred bytes: of all of a part at once, or of a row, a string.
MAX_ELEMENTS = 50_000
MAX_ELEMENTS_IN_ROWS = MAX_VALUES  # of cells with a text three each: ten such cells a row
# A workbook is read part by part, the sheet that counts three times: its strings, and that sheet as full as it may be.
MAX_ELEMENTS_READ = 6 * MAX_ELEMENTS_IN_ROWS
# From one element to the next: a tag with its attributes and the text after it, a sign of which may be `&quot;`.
MAX_STRETCH = 8 * MAX_CELL
_OTHER_ENCODING = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["'](?!utf-(?:8|16)["'])""", re.IGNORECASE)
_HEADER_WITHIN = 100


def read_xlsx(body: bytes, known: Collection[str] = ()) -> Sheet:
    """Read a workbook as text, one sheet as the table and the others beside it.

    Whole numbers lose their `.0`; one that is shown as a percentage gets the sign, so that nobody takes it for hours.

    Args:
        body: The file's bytes.
        known: Names of the columns the reader expects: the sheet with most of them is read, a hidden one only where
            no visible one has any, and else the first.

    Raises:
        UnreadableFile: not a workbook, with macros or external links, unpacking to more than 100 MB or 40 MB a part,
            above a limit, with one part as two sheets, with a second sheet that may be the one that was meant, or with
            rows in it that are hidden.
    """
    _inspect(body)
    from openpyxl.reader.excel import ExcelReader  # noqa: PLC0415  heavy, and most uploads are not workbooks

    try:
        reader = ExcelReader(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
        reader.archive = _Archive(io.BytesIO(body))
        reader.read()
        workbook = reader.wb
        try:
            _prepare(workbook)
            room = _Room()
            chosen, sheets = _chosen(workbook, known, room), enumerate(workbook.worksheets, start=1)
            others = ((number, _read_filled(sheet, number, room)) for number, sheet in sheets if sheet is not chosen)
            beside = tuple((number, other) for number, other in others if other is not None)
            table = _read(chosen, room, _hidden(chosen))
            read = replace(table, content=Content.XLSX, title=chosen.title, beside=beside)
            seen = {number for number, sheet in enumerate(workbook.worksheets, start=1) if _is_visible(sheet)}
            _refuse_second(read, seen if _is_visible(chosen) else {number for number, _ in beside}, known)
            return read
        finally:
            workbook.close()
    except UnreadableFile:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers raise on a damaged workbook
        raise UnreadableFile("FILE-XLSX") from error


def _inspect(body: bytes) -> None:
    """Refuse a container that is dangerous to open; sizes are those of the zip directory."""
    try:
        parts = zipfile.ZipFile(io.BytesIO(body)).infolist()
    except zipfile.BadZipFile as error:
        raise UnreadableFile("FILE-XLSX") from error
    unpacked = sum(part.file_size for part in parts)
    too_much = any(
        part.file_size > MAX_PART
        or (part.file_size > RATIO_FROM and part.file_size > MAX_RATIO * max(part.compress_size, 1))
        for part in parts
    )
    if unpacked > MAX_UNPACKED or too_much or len(parts) > MAX_PARTS:
        raise UnreadableFile("FILE-XLSX-BOMB")
    names = {part.filename.lower() for part in parts}
    if "[content_types].xml" not in names:
        raise UnreadableFile("FILE-XLSX")
    if any(name.endswith("vbaproject.bin") or "/macrosheets/" in name for name in names):
        raise UnreadableFile("FILE-XLSX-MACRO")
    if any("/externallinks/" in name or "/embeddings/" in name for name in names):
        raise UnreadableFile("FILE-XLSX-LINK")


class _Archive(zipfile.ZipFile):
    """Hands out parts while they have no more elements than a workbook needs, whatever they are called."""

    elements = 0

    def open(self, name: str | zipfile.ZipInfo, *_: object) -> "_Part":  # type: ignore[override]  # only to be read
        """A part that is read as it comes: the rows of a sheet, the strings that they share."""
        return _Part(self, zipfile.ZipFile.open(self, name), MAX_ELEMENTS_IN_ROWS)

    def read(self, name: str | zipfile.ZipInfo, pwd: bytes | None = None) -> bytes:
        """A part that becomes objects as a whole: styles, the list of sheets, relations."""
        with zipfile.ZipFile.open(self, name, pwd=pwd) as part:
            return _Part(self, part, MAX_ELEMENTS).read()


class _Part(io.RawIOBase):
    """Counts elements while they pass; each begins with one byte in UTF-8 and UTF-16, the encodings of a workbook."""

    def __init__(self, archive: _Archive, part: IO[bytes], most: int) -> None:
        self._archive = archive
        self._part = part
        self._left = most
        self._stretch = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._part.read(size)
        if _OTHER_ENCODING.match(chunk):
            raise UnreadableFile("FILE-XLSX")
        elements = _elements(chunk)
        self._left -= elements
        self._archive.elements += elements
        first, *others = map(len, chunk.split(b"<"))
        longest = max(self._stretch + first, *others, 0)
        self._stretch = others[-1] if others else longest
        if self._left < 0 or self._archive.elements > MAX_ELEMENTS_READ or longest > MAX_STRETCH:
            raise UnreadableFile("FILE-XLSX-BOMB")
        return chunk

    def close(self) -> None:
        self._part.close()
        super().close()


@dataclass(slots=True)
class _Room:
    """What the rows of a workbook may still hold, all sheets together, blank cells and whatever is read twice too.

    A cell costs its place in a row however blank it is, and a text that cells share is copied by each of them.
    """

    cells: int = MAX_ROWS * MAX_COLUMNS
    values: int = MAX_VALUES
    signs: int = MAX_BYTES

    def rows(
        self, sheet: "Worksheet", *, most: int | None = None
    ) -> "Iterator[tuple[int, tuple[ReadOnlyCell | EmptyCell, ...]]]":
        """Rows by number, without the blank cells at their end."""
        for number, row in enumerate(sheet.iter_rows(max_row=most), start=1):
            width = len(row)
            self.cells -= width
            if self.cells < 0:
                raise UnreadableFile("FILE-COLUMNS", number)
            while width and row[width - 1].value is None:
                width -= 1
            self.values -= width
            self.signs -= sum(len(cell.value) for cell in row[:width] if isinstance(cell.value, str))
            if self.values < 0 or self.signs < 0:
                raise UnreadableFile("FILE-VALUES", number)
            yield number, row[:width]


def _elements(xml: bytes) -> int:
    return xml.count(b"<") - xml.count(b"</")


def _prepare(workbook: "Workbook") -> None:
    """Let sheets be read whole, and refuse two that are one part: no program writes that, and each would be read."""
    for sheet in workbook.worksheets:
        sheet.reset_dimensions()  # what a sheet says of its own size may be less than what it holds
    parts = [sheet._worksheet_path for sheet in workbook.worksheets]  # noqa: SLF001  only it knows which part it is
    if len(set(parts)) < len(parts):
        raise UnreadableFile("FILE-XLSX-BOMB")


def _chosen(workbook: "Workbook", known: Collection[str], room: _Room) -> "Worksheet":
    """The sheet with the known header: before it there may be an explanation.

    A hidden one counts only where no visible one has a known heading: that one may have a slip in another.
    """

    def rank(sheet: "Worksheet") -> tuple[bool, int, bool]:
        first = ([_text(cell.value) for cell in row] for _, row in room.rows(sheet, most=_HEADER_WITHIN))
        header = next((row for row in first if any(map(str.strip, row))), [])
        found, visible = found_in(header, known), _is_visible(sheet)
        return visible and found > 0, found, visible

    sheets = workbook.worksheets
    return max(sheets, key=rank) if len(sheets) > 1 else sheets[0]


def _is_visible(sheet: "Worksheet") -> bool:
    return bool(sheet.sheet_state == "visible")


def _refuse_second(read: Sheet, others: Collection[int], known: Collection[str]) -> None:
    """Refuse a workbook that has a second table, of another period or class: which was meant, nobody could tell.

    A table has rows below more than half of the headings of the one that is read, for one of them may have a slip.
    """
    found = found_in(read.header, known)
    for number, other in read.beside:
        lines = [other.header, *(cells for _, cells in other.rows)]
        if number in others and any(2 * found_in(line, known) > found > 0 for line in lines[:-1][:_HEADER_WITHIN]):
            raise UnreadableFile("FILE-XLSX-SHEETS", where=f"#{number}")


def _hidden(sheet: "Worksheet") -> set[int]:
    """The rows that a filter, a group or a hand has hidden, which openpyxl does not tell row by row."""
    from openpyxl.xml.functions import iterparse  # noqa: PLC0415  that of defusedxml

    hidden, number = set(), 0
    with sheet._get_source() as part:  # noqa: SLF001  only it knows which part a sheet is
        for _, element in iterparse(part):
            if element.tag.endswith("}row"):
                number = int(float(element.get("r", number + 1)))
                if element.get("hidden", "").strip() in {"1", "true"}:
                    hidden.add(number)
                element.clear()
    return hidden


def _read(sheet: "Worksheet", room: _Room, hidden: Collection[int] = ()) -> Sheet:
    return checked_rows(_numbered(room.rows(sheet), hidden))


def _read_filled(sheet: "Worksheet", number: int, room: _Room) -> Sheet | None:
    try:
        return _read(sheet, room)
    except UnreadableFile as error:
        if error.fault.rule == "FILE-EMPTY":
            return None
        error.fault = replace(error.fault, where=f"#{number}")
        raise


def _numbered(
    rows: "Iterator[tuple[int, tuple[ReadOnlyCell | EmptyCell, ...]]]", hidden: Collection[int]
) -> Iterator[tuple[int, list[str]]]:
    """Rows by number; one that says something and is hidden was not meant by whoever looked at the sheet."""
    for number, row in rows:
        cells = [_text(cell.value) + _sign(cell) for cell in row]
        if number in hidden and any(cell.strip() for cell in cells):
            raise UnreadableFile("FILE-XLSX-HIDDEN", number)
        yield number, cells


def _sign(cell: "ReadOnlyCell | EmptyCell") -> str:
    return "%" if isinstance(cell.value, int | float) and "%" in cell.number_format else ""


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, float):  # a workbook keeps 15 digits; what comes after them is binary noise
        return f"{value:.15g}"
    return str(value)
