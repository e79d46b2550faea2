"""Pupils whose number changed: a list of old and new numbers in, the document `number-changes` out.

    {"collection": "number-changes", "site": "00AB00", "period": "2026-2027-1", "key_id": "…",
     "changes": [{"old": "86 characters", "new": "86 characters"}]}

A pupil without a citizen service number starts with an education number and may get the other one later; without this
document the gateway would take the two for two pupils. The pairs are in the order of their pseudonyms, as that of the
list would say something of the pupils; the school is told which row each pair was.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pseudonymisation.client.cache import Cache
from pseudonymisation.client.lookup import Delivery, misnamed, pseudonyms_of, write_document
from pseudonymisation.client.mapping import CHANGE_FIELDS, ColumnMap, Columns, find_columns
from pseudonymisation.client.messages import Fault, Refusal, fault, refusal
from pseudonymisation.client.source import Source
from pseudonymisation.number import Number, parse_number
from pseudonymisation.pseudonym import pseudonym_text


def change_numbers(
    header: Sequence[str],
    rows: Iterable[tuple[int, Sequence[str]]],
    *,
    site: str,
    period: str,
    source: Source,
    cache: Cache,
    output: Path,
    chosen: ColumnMap | None = None,
) -> Delivery | Refusal:
    """Make the document of number changes of a site; arguments as for `pseudonymise`.

    A number stands in the list once, as old or as new: chains and swaps would depend on their order.
    """
    if (problem := misnamed(site, period)) is not None:
        return problem
    columns = find_columns(header, chosen or ColumnMap(), CHANGE_FIELDS)
    faults, pairs = (columns, {}) if isinstance(columns, list) else _check(columns, rows)
    if faults:
        return refusal("faults", tuple(faults), count=len(faults))
    found = pseudonyms_of([digits for pair in pairs.values() for digits in pair], source, cache, None)
    if isinstance(found, Refusal):
        return found
    text = {digits: pseudonym_text(pseudonym) for digits, pseudonym in found.pseudonyms.items()}
    made = sorted((text[old], text[new], row) for row, (old, new) in pairs.items())
    document = {
        "collection": "number-changes",
        "site": site,
        "period": period,
        "key_id": source.key_id,
        "changes": [{"old": old, "new": new} for old, new, _ in made],
    }
    if (problem := write_document(output, document)) is not None:
        return problem
    rows_of_pairs = tuple(row for _, _, row in made)
    return Delivery(output, len(pairs), found.asked, 2 * len(pairs) - found.asked, (), rows_of_pairs)


def _check(columns: Columns, rows: Iterable[tuple[int, Sequence[str]]]) -> tuple[list[Fault], dict[int, list[str]]]:
    """Every fault of the list; its pairs by their row, if there is none."""
    faults: list[Fault] = []
    pairs: dict[int, list[str]] = {}
    first: dict[str, int] = {}
    for row, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        pairs[row] = []
        if columns.shifted(cells):
            faults.append(fault(row, "", "ROW-CELLS"))
            continue
        for name in CHANGE_FIELDS:
            text, heading = columns.cell(cells, name), columns.headings[name]
            number = parse_number(text)
            if not isinstance(number, Number):
                faults.append(fault(row, heading, number.value if text else "CELL-EMPTY"))
            elif number.digits in first:
                faults.append(fault(row, heading, "NUMBER-TWICE", first=first[number.digits]))
            else:
                first[number.digits] = row
                pairs[row].append(number.digits)
    return faults if pairs else [fault(0, "", "FILE-EMPTY")], pairs
