"""The published table: its columns, and the one spelling of its rows in which releases are stored and served."""

import csv
import io
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple


class CellStatus(StrEnum):
    """Why a cell has a figure or has none; one word for primary and secondary suppression."""

    PUBLISHED = "published"
    SUPPRESSED = "suppressed"
    NOT_DELIVERED = "not_delivered"
    NOT_APPLICABLE = "not_applicable"


class TableRow(NamedTuple):
    """One cell of a release. Numbers that are not there are empty, never a symbol.

    Attributes:
        share: Whole per cent of the published total of the same kind, area and subdivision.
        lower: Lower end of the 95 % interval where `method` is `dp`.
        sites_delivered: Sites behind the figure, of `sites_expected`.
    """

    period: str
    level: str
    area: str
    sector: str
    subdivision: str
    kind: str
    band: str
    pupils: str
    status: str
    share: str
    method: str
    lower: str
    upper: str
    sites_delivered: str
    sites_expected: str


COLUMNS = TableRow._fields
KEY = ("period", "level", "area", "sector", "subdivision", "kind", "band")
NUMBERS = frozenset({"pupils", "share", "lower", "upper", "sites_delivered", "sites_expected"})
HEADER = (";".join(COLUMNS) + "\r\n").encode()


def encode_rows(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows as lines of CSV without a header: `;`, UTF-8, CRLF (RFC 4180)."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";", lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def decode_rows(lines: bytes) -> Sequence[TableRow]:
    """Rows from the lines that `encode_rows` made."""
    return [TableRow(*cells) for cells in csv.reader(io.StringIO(lines.decode(), newline=""), delimiter=";")]


def share_of(pupils: int, total: int) -> str:
    """A count as whole per cent of a total, halves rounded up; empty where there is no total."""
    return str((200 * pupils + total) // (2 * total)) if total else ""
