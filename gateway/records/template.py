"""The template a site fills in: every row it has to deliver, the number of pupils left empty."""

from collections.abc import Iterable

from gateway.collections import Contract
from gateway.formats.read import read_sheet
from gateway.formats.sheet import UnreadableFile
from gateway.records.counts import COLUMNS


def template_rows(contract: Contract, subdivisions: Iterable[str]) -> list[tuple[str, ...]]:
    """The header and one row per cell, in the order of the contract."""
    return [COLUMNS, *((*cell, "") for cell in contract.cells(subdivisions))]


def offered_in(template: bytes, contract: Contract) -> tuple[str, ...]:
    """The subdivisions a site offers, as its template lists them; a row of totals lists none.

    Raises:
        UnreadableFile: not a template, or one without any subdivision of the contract.
    """
    sheet = read_sheet(template, COLUMNS)
    names = [name.lower() for name in sheet.header]
    if COLUMNS[0] not in names:
        raise UnreadableFile("COLUMN-MISSING", 1, COLUMNS[0])
    place = names.index(COLUMNS[0])
    listed = dict.fromkeys(cells[place].lower() for _, cells in sheet.rows if len(cells) > place)
    offered = tuple(code for code in listed if code in contract.offerable(None))
    if not offered:
        raise UnreadableFile("TEMPLATE-SUBDIVISIONS")
    return offered
