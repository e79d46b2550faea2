"""Rows of pupils to the counts of a site, together with the kinds that the school counted itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import itemgetter

from gateway.collections import Records
from gateway.outcome import Fault
from gateway.records.counts import COLUMNS, MAX_PUPILS, json_text, pupils_fault
from gateway.records.document import Json, entries_in
from gateway.records.expected import Cell, Expected, Row
from gateway.records.rules import check_subdivision, where_not_offered
from pseudonymisation.number import looks_raw


def count_rows(rows: Sequence[Row], expected: Expected, form: Records) -> dict[Cell, int]:
    """Rows to leaf counts of every kind whose hours are in the rows, zeros included."""
    contract = expected.contract
    subdivision, scheduled = [row.subdivision for row in rows], [row.scheduled for row in rows]
    hours = [row.hours for row in rows]
    missed = {kind: list(map(itemgetter(place), hours)) for place, kind in enumerate(form.hours)}
    for kind, parts in contract.kinds.sum_of.items():
        missed[kind] = list(map(sum, zip(*(missed[part] for part in parts), strict=True)))
    counted: Counter[Cell] = Counter()
    for kind, column in missed.items():
        alike = Counter(zip(subdivision, column, scheduled, strict=True))  # most pupils missed nothing
        for (code, hours_missed, of_hours), pupils in alike.items():
            counted[code, kind, contract.band_of(hours_missed, of_hours)] += pupils
    subdivisions = expected.offered or tuple(dict.fromkeys(subdivision))
    return {cell: counted[cell] for cell in contract.cells(subdivisions) if cell[1] in missed}


def add_sent(counts: dict[Cell, int], document: Mapping[str, Json], expected: Expected, form: Records) -> list[Fault]:
    """Add the kinds that arrive counted: leaf bands of each subdivision, whole numbers, zeros written as 0.

    A subdivision that the site offers and that has no pupils has no records, and so no lines here: all of it is zero.
    One that has lines here and no records has no pupils in its rows either, where it is not known what is offered.
    """
    faults: list[Fault] = []
    for kind, name in form.sent_as_counts.items():
        entries = entries_in(document, name)
        if isinstance(entries, Fault):
            faults.append(entries)
            continue
        for number, entry in enumerate(entries, start=1):
            fault = _sent_entry(counts, kind, entry, expected)
            if fault is not None:
                faults.append(replace(fault, row=number, column=name))
    for kind in form.sent_as_counts:
        _add_nobody(counts, kind, expected)
    if expected.offered is None:
        without_rows = expected.contract.cells(tuple(dict.fromkeys(cell[0] for cell in counts)))
        counts |= {cell: 0 for cell in without_rows if cell not in counts and cell[1] not in form.sent_as_counts}
    return faults


def _add_nobody(counts: dict[Cell, int], kind: str, expected: Expected) -> None:
    """Zeros of a counted kind where a subdivision has neither records nor lines; one that has some is left as it is."""
    somebody = {cell[0] for cell, pupils in counts.items() if pupils}
    sent = {cell[0] for cell in counts if cell[1] == kind}
    if somebody:
        empty = [each for each in expected.offered or () if each not in somebody | sent]
        counts |= {cell: 0 for cell in expected.contract.cells(empty) if cell[1] == kind}


def _sent_entry(counts: dict[Cell, int], kind: str, entry: Json, expected: Expected) -> Fault | None:
    """Put one entry of a counted kind into `counts`, or name the rule it breaks and the codes where it does."""
    if not isinstance(entry, Mapping) or entry.keys() != {"subdivision", "band", "pupils"}:
        return Fault("JSON-ENTRY")
    subdivision, band, pupils = (entry[name] for name in COLUMNS if name != "kind")
    cell = (json_text(subdivision), kind, json_text(band))
    rule = _sent_fault(cell, pupils, expected)
    if rule is None and cell in counts:
        rule = "ROW-DUPLICATE"
    if rule in {None, "JSON-COUNT-TEXT"} and isinstance(pupils, int | str):
        counts[cell] = int(pupils)
    if rule is None:
        return None
    placed = rule in {"COUNT-WHOLE", "JSON-COUNT-TEXT", "ROW-DUPLICATE"}  # of which the codes are known to be codes
    return Fault(rule, where=" · ".join(cell) if placed else where_not_offered(rule, cell[0]))


def _sent_fault(cell: Cell, pupils: Json, expected: Expected) -> str | None:
    subdivision, _, band = cell
    if any(looks_raw(text) for text in (subdivision, band, json_text(pupils))):
        return "RAW-NUMBER"
    if band not in expected.contract.bands.upper:
        return "CODE-BAND"
    rule = check_subdivision(subdivision, expected)
    if rule is None and isinstance(pupils, str) and pupils_fault(pupils) is None:
        return "JSON-COUNT-TEXT"
    if rule is None and (isinstance(pupils, bool) or not isinstance(pupils, int) or not 0 <= pupils <= MAX_PUPILS):
        return "COUNT-WHOLE"
    return rule
