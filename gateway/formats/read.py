"""A table from a file of either kind, told apart by its content."""

import re
from collections.abc import Collection

from gateway.formats.read_csv import DELIMITERS, read_csv
from gateway.formats.read_xlsx import read_xlsx
from gateway.formats.sheet import Content, Sheet, UnreadableFile, content_of, found_in

_DELIMITER = re.compile(f"[{DELIMITERS}]")
_TITLES = 100


def read_sheet(body: bytes, known: Collection[str]) -> Sheet:
    """Read CSV or a workbook.

    Args:
        body: The file's bytes.
        known: Names of the columns the reader expects, by which delimiter and sheet are told.

    Raises:
        UnreadableFile: neither, above a limit, or with a title above its heading.
    """
    sheet = read_xlsx(body, known) if content_of(body) is Content.XLSX else read_csv(body, known)
    if not found_in(sheet.header, known):
        for number, cells in sheet.rows[:_TITLES]:  # a title may have told the delimiter wrong
            if found_in(_DELIMITER.split(DELIMITERS[0].join(cells)), known) > 1:
                raise UnreadableFile("FILE-HEADER", number)
    return sheet
