"""The form in which a site fills in its counts: fields, the file they make, and where a fault belongs."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.collections import Contract
from gateway.outcome import Fault, Report
from gateway.records.counts import COLUMNS, pupils_fault
from gateway.records.expected import Cell
from gateway.records.template import template_rows
from gateway.table import encode_rows

_FIRST_ROW = 2
_NAME = ".".join


def field_name(cell: Cell) -> str:
    """Name and anchor of the field of a cell."""
    return _NAME(("n", *cell))


def table_name(subdivision: str) -> str:
    """Anchor of the table of a subdivision."""
    return f"t.{subdivision}"


def file_of_fields(cells: Iterable[Cell], values: Mapping[str, str]) -> bytes:
    """The fields as the CSV file they stand for: it passes the same rules as any other file."""
    rows = [COLUMNS, *((*cell, values.get(field_name(cell), "")) for cell in cells)]
    return encode_rows(rows)


def blank_csv(contract: Contract, subdivisions: Sequence[str]) -> bytes:
    """The file a site fills in: every row it has to deliver, the numbers left empty."""
    return encode_rows(template_rows(contract, subdivisions))


def blank_xlsx(contract: Contract, subdivisions: Sequence[str]) -> bytes:
    """The same as a workbook: codes locked by nothing, head frozen, cursor on the first number."""
    import xlsxwriter  # noqa: PLC0415  only workbooks need it

    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_formulas": False})
    sheet, bold = book.add_worksheet("Tellingen"), book.add_format({"bold": True})
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(COLUMNS) - 1, 18)
    for line, row in enumerate(template_rows(contract, subdivisions)):
        for column, value in enumerate(row):
            sheet.write_string(line, column, value, *((bold,) if line == 0 else ()))
    sheet.set_selection(1, len(COLUMNS) - 1, 1, len(COLUMNS) - 1)
    book.close()
    return target.getvalue()


@dataclass(frozen=True, slots=True)
class Placed:
    """The faults of a form: what stands at which field or table, and the list above it.

    Attributes:
        at: Anchor → its faults.
        listed: (anchor, fault) in the order of the form; an empty anchor where a fault is of the whole.
    """

    at: Mapping[str, Sequence[Fault]]
    listed: Sequence[tuple[str, Fault]]

    def inside(self, subdivision: str) -> list[tuple[str, Fault]]:
        """The faults of a table and of its fields, in the order of the form."""
        own = (table_name(subdivision), f"n.{subdivision}.")
        return [(anchor, fault) for anchor, fault in self.listed if anchor == own[0] or anchor.startswith(own[1])]

    @classmethod
    def of(cls, report: Report, cells: Sequence[Cell]) -> "Placed":
        """Put each fault where its mend is."""
        order = {anchor: place for place, anchor in enumerate(_anchors(cells))}
        listed = [(_anchor(fault, cells), fault) for fault in report.faults]
        listed.sort(key=lambda pair: order.get(pair[0], -1))
        at: dict[str, list[Fault]] = {}
        for anchor, fault in listed:
            at.setdefault(anchor, []).append(fault)
        return cls(at, listed)


def totals(cells: Iterable[Cell], values: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """(subdivision, kind) → sum of its bands, as far as they can be counts; empty while nothing is filled in."""
    sums: dict[tuple[str, str], str] = {}
    for subdivision, kind, band in cells:
        text = values.get(field_name((subdivision, kind, band)), "")
        if pupils_fault(text) is None:
            sums[subdivision, kind] = str(int(sums.get((subdivision, kind), "0")) + int(text))
    return sums


def _anchors(cells: Iterable[Cell]) -> list[str]:
    """Every anchor of the form from top to bottom: each table, then its fields."""
    found = [anchor for cell in cells for anchor in (table_name(cell[0]), field_name(cell))]
    return list(dict.fromkeys(found))


def _anchor(fault: Fault, cells: Sequence[Cell]) -> str:
    if _FIRST_ROW <= fault.row < _FIRST_ROW + len(cells):
        return field_name(cells[fault.row - _FIRST_ROW])
    subdivision = fault.where.partition(" ")[0]
    return table_name(subdivision) if any(cell[0] == subdivision for cell in cells) else ""
