"""A table from a file of either kind, told apart by its content."""

from collections.abc import Collection

from gateway.formats.read_csv import read_csv
from gateway.formats.read_xlsx import read_xlsx
from gateway.formats.sheet import Content, Sheet, content_of


def read_sheet(body: bytes, known: Collection[str]) -> Sheet:
    """Read CSV or a workbook.

    Args:
        body: The file's bytes.
        known: Names of the columns the reader expects, by which delimiter and sheet are told.

    Raises:
        UnreadableFile: neither, or above a limit.
    """
    return read_xlsx(body, known) if content_of(body) is Content.XLSX else read_csv(body, known)
