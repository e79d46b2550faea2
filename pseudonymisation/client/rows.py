"""From the cells of an export to checked rows; all faults at once, none with a value in it."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pseudonymisation.client.mapping import ColumnMap, Columns, find_columns, subdivision_codes
from pseudonymisation.client.messages import Fault, fault
from pseudonymisation.number import Number, parse_number
from pseudonymisation.words import plain

MAX_ROWS = 50_000
MAX_HOURS = 10_000  # as at the gateway, which can only name the record of a list that is sorted by pseudonym
_HOURS = re.compile(r"([0-9]{1,6})(?:[.,]([0-9]{1,2}))?")
_HOUR_FIELDS = ("hours_scheduled", "hours_authorised", "hours_illness", "hours_unauthorised")


@dataclass(frozen=True, slots=True)
class PupilRow:
    """One pupil in one period.

    Attributes:
        number: valid; its digits are not in `repr`.
        subdivision: code.
        scheduled: scheduled hours in 1/100 hour, above 0.
        authorised: hours of authorised absence in 1/100 hour.
        illness: of which illness, in 1/100 hour.
        unauthorised: hours of unauthorised absence in 1/100 hour.
    """

    number: Number
    subdivision: str
    scheduled: int
    authorised: int
    illness: int
    unauthorised: int


@dataclass(frozen=True, slots=True)
class Checked:
    """Rows that passed, faults that refuse the file, warnings that do not."""

    pupils: tuple[PupilRow, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def hundredths(text: str) -> int | None:
    """Hours as an integer of 1/100 hour: `12,5` is 1250; None if it is no number with at most two decimals."""
    match = _HOURS.fullmatch(text)
    return None if match is None else int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def check_rows(
    header: Sequence[str],
    rows: Iterable[tuple[int, Sequence[str]]],
    *,
    chosen: ColumnMap,
    offered: Collection[str] | None,
) -> Checked:
    """Check every row of an export.

    Args:
        header: the heading row.
        rows: row number in the file (heading = 1) and cells as text; wholly empty rows are skipped.
        chosen: what the school adds to the known headings and values.
        offered: subdivision codes the site offers; None if that is not known here.
    """
    columns = find_columns(header, chosen)
    if isinstance(columns, list):
        return Checked((), tuple(columns), ())
    reader = _Reader(columns, subdivision_codes(chosen), chosen.fixed_subdivision, offered)
    for row, cells in rows:
        if any(cell.strip() for cell in cells):
            reader.read(row, cells)
        if reader.count > MAX_ROWS:
            return Checked((), (fault(0, "", "FILE-LONG"),), ())
    if reader.count == 0:
        return Checked((), (fault(0, "", "FILE-EMPTY"),), ())
    return Checked(tuple(reader.pupils), tuple(reader.faults), tuple(reader.warnings))


class _Reader:
    """Reads row after row and remembers which pupil stood where."""

    def __init__(
        self, columns: Columns, codes: Mapping[str, str], fixed: str | None, offered: Collection[str] | None
    ) -> None:
        self._columns = columns
        self._codes = codes
        self._fixed = fixed
        self._offered = offered
        self._first: dict[str, int] = {}
        self.count = 0
        self.pupils: list[PupilRow] = []
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []

    def read(self, row: int, cells: Sequence[str]) -> None:
        self.count += 1
        if self._columns.shifted(cells):
            self._wrong(row, "", "ROW-CELLS")
            return
        before = len(self.faults)
        number = self._number(row, self._columns.cell(cells, "number"))
        subdivision = self._subdivision(row, cells)
        hours = [self._hours(row, name, self._columns.cell(cells, name)) for name in _HOUR_FIELDS]
        known = [one for one in hours if one is not None]
        if len(known) == len(_HOUR_FIELDS):
            self._balance(row, *known)
        if len(self.faults) == before and number is not None and subdivision is not None:
            self.pupils.append(PupilRow(number, subdivision, *known))

    def _wrong(self, row: int, name: str, rule: str, **facts: int) -> None:
        self.faults.append(fault(row, self._columns.headings.get(name, name), rule, **facts))

    def _number(self, row: int, text: str) -> Number | None:
        number = parse_number(text)
        if not isinstance(number, Number):
            self._wrong(row, "number", number.value if text else "CELL-EMPTY")
            return None
        first = self._first.setdefault(number.digits, row)
        if first != row:
            self._wrong(row, "number", "NUMBER-TWICE", first=first)
            return None
        if number.unusual:
            self.warnings.append(fault(row, self._columns.headings["number"], "NUMBER-UNUSUAL"))
        return number

    def _subdivision(self, row: int, cells: Sequence[str]) -> str | None:
        text = self._fixed or self._columns.cell(cells, "subdivision")
        word = plain(text)
        code = self._codes.get(word) if word else None
        if code is None or (self._offered is not None and code not in self._offered):
            self._wrong(row, "subdivision", "SUBDIVISION" if text else "CELL-EMPTY")
            return None
        return code

    def _hours(self, row: int, name: str, text: str) -> int | None:
        hours = hundredths(text)
        if hours is None:
            self._wrong(row, name, "HOURS-FORMAT" if text else "CELL-EMPTY")
        elif hours > 100 * MAX_HOURS:
            self._wrong(row, name, "HOURS-LARGE")
            return None
        return hours

    def _balance(self, row: int, scheduled: int, authorised: int, illness: int, unauthorised: int) -> None:
        if scheduled == 0:
            self._wrong(row, "hours_scheduled", "HOURS-SCHEDULED")
        elif authorised + unauthorised > scheduled:
            self._wrong(row, "hours_scheduled", "HOURS-SUM")
        if illness > authorised:
            self._wrong(row, "hours_illness", "HOURS-ILLNESS")
