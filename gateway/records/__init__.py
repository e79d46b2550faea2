"""Parse and check a file: one set of rules for the offline `check` and for the gateway.

`parse` reads a file of any accepted form, finds all faults at once, and returns what the file says or the report.
"""

import re

from gateway.formats.read import read_sheet
from gateway.formats.sheet import MAX_BYTES, Content, UnreadableFile, content_of
from gateway.outcome import Fault, Report
from gateway.records.clean import accept
from gateway.records.counts import COLUMNS, counts_of_document, counts_of_sheet
from gateway.records.document import read_document, refuse_crowded
from gateway.records.expected import Expected, Parsed, Row
from gateway.records.leaving import raw_document
from gateway.records.raw import raw_sheets, raw_table
from gateway.records.rows import records_of_document

__all__ = ["Expected", "Parsed", "Row", "parse", "raw_in"]
_ANY_DELIMITER = re.compile(r"[;,\t|]")


def parse(body: bytes, expected: Expected) -> Parsed | Report:
    """Check a whole file against its contract.

    Args:
        body: The file as it was sent; told apart by content, not by name.
        expected: The contract and what is known of the sender; what is not known is not checked and reported so.

    Returns:
        What the file says, or every fault in it; a file with one fault is refused whole.
    """
    try:
        if not body.strip():
            raise UnreadableFile("FILE-EMPTY")
        if len(body) > MAX_BYTES:
            raise UnreadableFile("FILE-SIZE")
        parsed = _read(body, expected)
    except UnreadableFile as error:
        return Report.of([error.fault])
    return parsed if isinstance(parsed, Parsed) else Report.of(parsed)


def raw_in(body: bytes) -> Report | None:
    """What in a file names pupils: raw numbers, or a column or field of names. For who is about to send it to anybody.

    Raises:
        UnreadableFile: no table can be read from it, nor a document.
    """
    if len(body) > MAX_BYTES:
        raise UnreadableFile("FILE-SIZE")
    content = content_of(body)
    if content is Content.JSON:
        found = list(raw_document(read_document(body)))
        return Report.of(found) if found else None
    sheet = read_sheet(body, COLUMNS)
    faults = list(raw_sheets(sheet))
    if not faults and content is Content.CSV:  # nor may they hide behind a delimiter that was not told right
        lines = ((number, ";".join(cells)) for number, cells in [(1, sheet.header), *sheet.rows])
        faults = list(raw_table([(number, _ANY_DELIMITER.split(line)) for number, line in lines]))
    return Report.of(faults) if faults else None


def _read(body: bytes, expected: Expected) -> Parsed | list[Fault]:
    content = content_of(body)
    if content is Content.JSON:
        refuse_crowded(body)
        if expected.contract.collection.form == "records":
            return accept(body, expected) or records_of_document(read_document(body), expected)
        return counts_of_document(read_document(body), expected)
    if expected.contract.collection.form == "records":
        raise UnreadableFile("FILE-RECORDS-JSON")
    return counts_of_sheet(read_sheet(body, COLUMNS), expected)
