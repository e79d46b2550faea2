"""Raw identifiers in a file: whoever sends one is stopped at the door, and nothing of the file is kept."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from gateway.formats.sheet import Sheet, column_letter
from gateway.outcome import Fault
from pseudonymisation.number import looks_raw, personal_header


def raw_sheets(sheet: Sheet) -> Iterator[Fault]:
    """Every fault of a table that names pupils, in its own cells and in the sheets beside it (`#2` is the second)."""
    yield from raw_table([(1, sheet.header), *sheet.rows])
    for number, other in sheet.beside:
        for fault in raw_sheets(other):
            yield replace(fault, where=f"#{number}")


def raw_table(rows: Sequence[tuple[int, Sequence[str]]]) -> Iterator[Fault]:
    """A fault for each heading that announces a person, also below a title, and for each cell with a number."""
    widest = -1
    for number, cells in rows:
        filled = sum(map(bool, cells))
        if filled > widest:  # a row that is wider than all above it can be a heading
            widest = filled
            yield from _raw_headings(number, cells)
    yield from raw_cells(rows)


def raw_cells(rows: Iterable[tuple[int, Sequence[str]]]) -> Iterator[Fault]:
    """A fault for each cell that is, as a whole, a number passing an 11-test."""
    for number, cells in rows:
        for index, cell in enumerate(cells):
            if looks_raw(cell):
                yield Fault("RAW-NUMBER", number, column_letter(index))


def _raw_headings(number: int, header: Sequence[str]) -> Iterator[Fault]:
    """A fault for each heading that announces a name, birth date, address or number; the heading is not repeated."""
    for index, heading in enumerate(header):
        if personal_header(heading) is not None:
            yield Fault("RAW-COLUMN", number, column_letter(index))
