"""Records: one row per enrolment, a pseudonym in place of the pupil's number, counted here on behalf of the site."""

import re
from base64 import urlsafe_b64decode
from binascii import a2b_base64
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from operator import itemgetter

from gateway.collections import Records
from gateway.formats.sheet import MAX_ROWS, UnreadableFile
from gateway.outcome import Fault, GatewayError
from gateway.records.counts import COLUMNS, MAX_PUPILS, json_text
from gateway.records.document import Json, check_head
from gateway.records.expected import Cell, Expected, Parsed, Row
from gateway.records.raw import raw_cells
from gateway.records.rules import check_counts, check_subdivision
from pseudonymisation.number import looks_raw

HUNDREDTHS = 100
MAX_HOURS = 10_000
# 64 bytes are 512 bits, 86 characters 516: the last four bits of the last character must be zero.
PSEUDONYM = re.compile(r"[A-Za-z0-9_-]{85}[AQgw]")
PSEUDONYMS = re.compile(rf"(?:{PSEUDONYM.pattern})*")
_LENGTH = 86
HEALTH = re.compile(r"illness|sick|ziek|health|gezond|medic|diagnos|verzuimreden|reason", re.IGNORECASE)


def records_of_document(document: Mapping[str, Json], expected: Expected) -> Parsed | list[Fault]:
    """Check a document of records and count it.

    Steps: (1) the head; (2) each record, and no pseudonym twice: a clean document is accepted whole and fast, any other
    is walked through to explain every fault; (3) rows become counts, together with the kinds that
    the school counted itself; (4) the counts obey the rules of every delivery.
    """
    form = expected.contract.collection.records
    if form is None:
        raise GatewayError("not a collection of records")
    sent = form.sent_as_counts
    faults = check_head(  # (1)
        document, expected, frozenset({"collection", "site", "period", "key_id", "records", *sent.values()})
    )
    key_id = document.get("key_id")
    if not isinstance(key_id, str) or not re.fullmatch(r"[a-z0-9-]{1,64}", key_id):
        faults.append(Fault("KEY-FORM", column="key_id"))
        key_id = ""
    elif expected.keys is not None and key_id not in expected.keys:
        faults.append(Fault("KEY-UNKNOWN", column="key_id"))
    entries = document.get("records")
    if not isinstance(entries, list):
        return [*faults, Fault("JSON-LIST", column="records")]
    if len(entries) > MAX_ROWS:
        raise UnreadableFile("FILE-ROWS", MAX_ROWS + 1)
    rows = accept(entries, expected, form) if not faults else None  # (2)
    if rows is None:
        rows, record_faults = explain(entries, expected, form)
        faults += record_faults
    if faults:
        return faults
    counts = _counted(rows, expected, form)  # (3)
    faults += _add_sent(counts, document, expected, form)
    faults += check_counts(counts, expected, known_cells=counts)  # (4)
    return faults or Parsed(counts, tuple(rows), key_id, unchecked=expected.unchecked)


def hundredths(value: Json) -> int | None:
    """Hours in 1/100 hour from a JSON number with at most two digits after the point; None when it is anything else."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= MAX_HOURS:
        return None
    scaled = value * HUNDREDTHS
    whole = int(scaled)
    return whole if whole == scaled else None


def accept(entries: list[Json], expected: Expected, form: Records) -> list[Row] | None:
    """The rows of a document without faults, column by column; None where anything at all is odd.

    What this accepts, `explain` accepts with the same rows (a property test).
    """
    names = ("pseudonym", "subdivision", form.scheduled, *form.hours.values())
    try:
        columns = list(zip(*map(itemgetter(*names), entries), strict=True))  # type: ignore[arg-type]
        pseudonyms, subdivisions, scheduled = columns[:3]
        text = "".join(pseudonyms)
        unique = len(set(pseudonyms)) == len(entries) and sum(map(len, entries)) == len(names) * len(entries)  # type: ignore[arg-type]
        known = all(check_subdivision(code, expected) is None for code in set(subdivisions))
        hours = {value: hundredths(value) for column in columns[2:] for value in set(column)}
        hours_by_row = list(zip(*([hours[value] for value in column] for column in columns[3:]), strict=True))
    except (IndexError, KeyError, TypeError, ValueError, AttributeError):
        return None
    whole = PSEUDONYMS.fullmatch(text) and set(map(len, pseudonyms)) == {_LENGTH}
    if not (whole and unique and known) or any(type(value) is bool for column in columns[2:] for value in column):
        return None
    rows = []
    plain = text.replace("-", "+").replace("_", "/")
    for place, (subdivision, value, missed) in enumerate(zip(subdivisions, scheduled, hours_by_row, strict=True)):
        of = hours[value]
        if not of or None in missed or sum(missed) > of:
            return None
        pseudonym = plain[place * _LENGTH : (place + 1) * _LENGTH]
        rows.append(Row(a2b_base64(f"{pseudonym}=="), subdivision, of, missed))
    return rows


def explain(entries: list[Json], expected: Expected, form: Records) -> tuple[list[Row], list[Fault]]:
    """Every record on its own, with every fault of each."""
    reader = _RecordReader(expected, form)
    rows = [reader.read(number, entry) for number, entry in enumerate(entries, start=1)]
    return [row for row in rows if row is not None], reader.faults


class _RecordReader:
    """Reads records one by one and gathers their faults."""

    def __init__(self, expected: Expected, form: Records) -> None:
        self.faults: list[Fault] = []
        self._expected = expected
        self._hours = tuple(form.hours.values())
        self._scheduled = form.scheduled
        self._fields = {"pseudonym", "subdivision", self._scheduled, *self._hours}
        self._subdivisions: dict[str, str | None] = {}
        self._seen: set[str] = set()

    def read(self, number: int, entry: Json) -> Row | None:
        """One record, or None after its faults were noted."""
        before = len(self.faults)
        if not isinstance(entry, Mapping):
            self.faults.append(Fault("JSON-ENTRY", number))
            return None
        if entry.keys() != self._fields:
            self._wrong_fields(number, entry)
            return None
        pseudonym, subdivision = entry["pseudonym"], entry["subdivision"]
        if not isinstance(pseudonym, str) or not PSEUDONYM.fullmatch(pseudonym):
            raw = isinstance(pseudonym, str) and looks_raw(pseudonym)
            self.faults.append(Fault("RAW-NUMBER" if raw else "PSEUDONYM-FORM", number, "pseudonym"))
        elif pseudonym in self._seen:
            self.faults.append(Fault("PSEUDONYM-DUPLICATE", number, "pseudonym"))
        else:
            self._seen.add(pseudonym)
        self._check_subdivision(number, subdivision)
        scheduled = hundredths(entry[self._scheduled])
        hours = tuple(hundredths(entry[name]) for name in self._hours)
        self._check_hours(number, scheduled, hours)
        if len(self.faults) > before or scheduled is None:
            return None
        return Row(
            urlsafe_b64decode(f"{pseudonym}=="),
            str(subdivision),
            scheduled,
            tuple(h or 0 for h in hours),
        )

    def _wrong_fields(self, number: int, entry: Mapping[str, Json]) -> None:
        unknown = entry.keys() - self._fields
        if any(HEALTH.search(name) for name in unknown):
            self.faults.append(Fault("HEALTH-FIELD", number))
        elif unknown:
            self.faults.append(Fault("JSON-FIELD-UNKNOWN", number))
        self.faults += [Fault("JSON-FIELD-MISSING", number, name) for name in sorted(self._fields - entry.keys())]
        texts = [json_text(value) for name, value in entry.items() if name != "pseudonym"]
        self.faults += [Fault("RAW-NUMBER", number) for _ in list(raw_cells([(number, texts)]))]

    def _check_subdivision(self, number: int, subdivision: Json) -> None:
        if not isinstance(subdivision, str):
            self.faults.append(Fault("CODE-SUBDIVISION", number, "subdivision"))
            return
        if subdivision not in self._subdivisions:
            self._subdivisions[subdivision] = check_subdivision(subdivision, self._expected)
        rule = self._subdivisions[subdivision]
        if rule is not None:
            rule = "RAW-NUMBER" if looks_raw(subdivision) else rule
            self.faults.append(Fault(rule, number, "subdivision"))

    def _check_hours(self, number: int, scheduled: int | None, hours: tuple[int | None, ...]) -> None:
        named = [(self._scheduled, scheduled), *zip(self._hours, hours, strict=True)]
        wrong = [Fault("HOURS-FORM", number, name) for name, value in named if value is None]
        if wrong:
            self.faults += wrong
        elif scheduled == 0:
            self.faults.append(Fault("HOURS-SCHEDULED", number, self._scheduled))
        elif scheduled is not None and sum(h or 0 for h in hours) > scheduled:
            self.faults.append(Fault("HOURS-SUM", number))


def _counted(rows: list[Row], expected: Expected, form: Records) -> dict[Cell, int]:
    """Rows to leaf counts of every kind whose hours are in the rows, zeros included."""
    contract = expected.contract
    place = {kind: index for index, kind in enumerate(form.hours)}
    parts: dict[str, tuple[int, ...]] = {kind: (index,) for kind, index in place.items()}
    parts |= {kind: tuple(place[part] for part in of) for kind, of in contract.kinds.sum_of.items()}
    alike = Counter((row.subdivision, row.scheduled, row.hours) for row in rows)
    counted: Counter[Cell] = Counter()
    for (subdivision, scheduled, hours), pupils in alike.items():
        for kind, indexes in parts.items():
            missed = sum(hours[index] for index in indexes)
            counted[subdivision, kind, contract.band_of(missed, scheduled)] += pupils
    subdivisions = expected.offered or tuple(dict.fromkeys(row.subdivision for row in rows))
    return {cell: counted[cell] for cell in contract.cells(subdivisions) if cell[1] in parts}


def _add_sent(counts: dict[Cell, int], document: Mapping[str, Json], expected: Expected, form: Records) -> list[Fault]:
    """Add the kinds that arrive counted: leaf bands of each subdivision, whole numbers, zeros written as 0."""
    faults: list[Fault] = []
    for kind, name in form.sent_as_counts.items():
        entries = document.get(name)
        if not isinstance(entries, list):
            faults.append(Fault("JSON-LIST", column=name))
            continue
        for number, entry in enumerate(entries, start=1):
            fault = _sent_entry(counts, kind, entry, expected)
            if fault is not None:
                faults.append(Fault(fault, number, name))
    return faults


def _sent_entry(counts: dict[Cell, int], kind: str, entry: Json, expected: Expected) -> str | None:
    """Put one entry of a counted kind into `counts`, or name the rule it breaks."""
    if not isinstance(entry, Mapping) or entry.keys() != {"subdivision", "band", "pupils"}:
        return "JSON-ENTRY"
    subdivision, band, pupils = (entry[name] for name in COLUMNS if name != "kind")
    cell = (json_text(subdivision), kind, json_text(band))
    rule = _sent_fault(cell, pupils, expected)
    if rule is None and cell in counts:
        rule = "ROW-DUPLICATE"
    if rule is None and isinstance(pupils, int):
        counts[cell] = pupils
    return rule


def _sent_fault(cell: Cell, pupils: Json, expected: Expected) -> str | None:
    subdivision, _, band = cell
    if any(looks_raw(text) for text in (subdivision, band, json_text(pupils))):
        return "RAW-NUMBER"
    if band not in expected.contract.bands.upper:
        return "CODE-BAND"
    if isinstance(pupils, bool) or not isinstance(pupils, int) or not 0 <= pupils <= MAX_PUPILS:
        return "COUNT-WHOLE"
    return check_subdivision(subdivision, expected)
