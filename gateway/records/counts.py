"""The statutory form: one row for each subdivision, kind and leaf band, and a whole number of pupils."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from gateway.collections import TOTAL, Contract
from gateway.formats.sheet import Content, Sheet, UnreadableFile, column_letter
from gateway.outcome import Fault
from gateway.records.document import Json, check_head, entries_in
from gateway.records.expected import Cell, Expected, Parsed
from gateway.records.raw import raw_cells, raw_sheets
from gateway.records.rules import check_counts, check_subdivision, where_not_offered

COLUMNS = ("subdivision", "kind", "band", "pupils")
FIELDS = frozenset({"collection", "site", "period", "counts"})
MAX_PUPILS = 100_000


def counts_of_sheet(sheet: Sheet, expected: Expected) -> Parsed | list[Fault]:
    """Check a CSV or XLSX file of counts."""
    faults = list(raw_sheets(sheet))
    places, column_faults = _columns(sheet)
    if column_faults or faults:
        return faults + column_faults
    long = [Fault("ROW-CELLS", number) for number, cells in sheet.rows if len(cells) > len(sheet.header)]
    numbered = (
        (number, tuple(cells[place] if place < len(cells) else "" for place in places)) for number, cells in sheet.rows
    )
    parsed = _counts(numbered, expected)
    if isinstance(parsed, Parsed) and not long:
        return replace(parsed, notes=sheet.notes, unchecked=expected.unchecked(document=False))
    return long + (parsed if isinstance(parsed, list) else [])


def counts_of_document(document: Mapping[str, Json], expected: Expected) -> Parsed | list[Fault]:
    """Check a JSON document of counts; rows are numbered from 1 in the order of the document."""
    faults = check_head(document, expected, FIELDS)
    entries = entries_in(document, "counts")
    if isinstance(entries, Fault):
        return [*faults, entries]
    rows: list[tuple[int, tuple[str, ...]]] = []
    quoted: set[int] = set()
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, Mapping) or entry.keys() != set(COLUMNS):
            faults.append(Fault("JSON-ENTRY", number))
            continue
        rows.append((number, tuple(json_text(entry[name]) for name in COLUMNS)))
        if isinstance(entry["pupils"], str):
            quoted.add(number)
    faults += raw_cells(rows)
    parsed = _counts(rows, expected, quoted)
    if isinstance(parsed, Parsed) and not faults:
        return replace(parsed, unchecked=expected.unchecked(document=True))
    return faults + (parsed if isinstance(parsed, list) else [])


def json_text(value: Json) -> str:
    """A JSON value as the text of a cell; what is neither text nor a number is no cell and reads as empty."""
    if isinstance(value, bool) or value is None or isinstance(value, list | Mapping):
        return ""
    return str(value)


def _columns(sheet: Sheet) -> tuple[tuple[int, ...], list[Fault]]:
    """Where each column of the contract stands, and what is wrong with the header."""
    header = sheet.header
    names = [name.lower() for name in header]
    faults = [Fault("COLUMN-MISSING", 1, name) for name in COLUMNS if name not in names]
    faults += [Fault("COLUMN-DUPLICATE", 1, name) for name in COLUMNS if names.count(name) > 1]
    faults += [
        Fault("COLUMN-UNKNOWN", 1, column_letter(index)) for index, name in enumerate(names) if name not in COLUMNS
    ]
    if sheet.content is Content.XLSX and not set(names) & set(COLUMNS):
        return (), [Fault("FILE-XLSX-SHEET")]
    if len(header) == 1 and len(faults) > len(COLUMNS) and not any(len(cells) > 1 for _, cells in sheet.rows):
        raise UnreadableFile("FILE-DELIMITER", 1)
    return (() if faults else tuple(names.index(name) for name in COLUMNS)), faults


def _counts(
    rows: Iterable[tuple[int, Sequence[str]]], expected: Expected, quoted: Container[int] = ()
) -> Parsed | list[Fault]:
    """The counts of numbered rows; of those that are `quoted` the number of pupils is text in a document."""
    faults: list[Fault] = []
    counts: dict[Cell, int] = {}
    seen: dict[Cell, int] = {}
    for number, (subdivision, kind, band, pupils) in rows:
        cell = (subdivision.lower(), kind.lower(), band.lower())
        code_faults = list(_codes(cell, number, expected))
        faults += code_faults
        if code_faults:
            continue
        if cell in seen:
            faults.append(Fault("ROW-DUPLICATE", number, where=" · ".join(cell)))
            continue
        seen[cell] = number
        rule = pupils_fault(pupils)
        if rule is None:
            counts[cell] = int(pupils)
            rule = "JSON-COUNT-TEXT" if number in quoted else None
        if rule is not None:
            faults.append(Fault(rule, number, "pupils", " · ".join(cell)))
    faults += check_counts(counts, expected, known_cells=seen)
    return faults or Parsed(counts)


def _codes(cell: Cell, number: int, expected: Expected) -> Iterator[Fault]:
    subdivision, kind, band = cell
    contract: Contract = expected.contract
    rule = check_subdivision(subdivision, expected)
    if rule is not None:
        yield Fault(rule, number, "subdivision", where_not_offered(rule, subdivision))
    if kind not in contract.kinds.members:
        yield Fault("CODE-KIND", number, "kind")
    if band in contract.bands.margins or band == TOTAL:
        yield Fault("CODE-MARGIN", number, "band")
    elif band not in contract.bands.upper:
        yield Fault("CODE-BAND", number, "band")


def pupils_fault(text: str) -> str | None:
    """The rule that a number of pupils breaks, as it was written."""
    if not text:
        return "COUNT-EMPTY"
    if not (text.isascii() and text.isdigit()):
        return "COUNT-WHOLE"
    return None if len(text) <= len(str(MAX_PUPILS)) and int(text) <= MAX_PUPILS else "COUNT-LARGE"
