"""Records: one row per enrolment, a pseudonym in place of the pupil's number, counted here on behalf of the site.

Here every fault is explained; `gateway.records.clean` accepts a document without any, and much faster.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from decimal import Decimal

from gateway.collections import HEALTH, Records
from gateway.outcome import Fault, GatewayError
from gateway.records.counting import add_sent, count_rows
from gateway.records.counts import json_text
from gateway.records.document import Json, check_head, entries_in
from gateway.records.expected import Expected, Parsed, Row
from gateway.records.raw import raw_cells
from gateway.records.rules import check_counts, check_subdivision, where_not_offered
from pseudonymisation.number import looks_raw

HUNDREDTHS = 100
_HUNDREDTH = Decimal("0.01")
MAX_HOURS = 10_000
# 64 bytes are 512 bits, 86 characters 516: the last four bits of the last character must be zero.
PSEUDONYM = re.compile(r"[A-Za-z0-9_-]{85}[AQgw]")
KEY_ID = re.compile(r"[a-z0-9-]{1,64}")


def records_of_document(document: Mapping[str, Json], expected: Expected) -> Parsed | list[Fault]:
    """Check a document of records and count it.

    Steps: (1) the head; (2) each record with all its faults, and no pseudonym twice; (3) rows become counts, together
    with the kinds that the school counted itself; (4) the counts obey the rules of every delivery.
    """
    form = expected.contract.collection.records
    if form is None:
        raise GatewayError("not a collection of records")
    sent = form.sent_as_counts
    faults = check_head(  # (1)
        document, expected, frozenset({"collection", "site", "period", "key_id", "records", *sent.values()})
    )
    key_id = document.get("key_id")
    if not isinstance(key_id, str) or not KEY_ID.fullmatch(key_id):
        faults.append(Fault("KEY-FORM", column="key_id"))
        key_id = ""
    elif expected.keys is not None and key_id not in expected.keys:
        faults.append(Fault("KEY-UNKNOWN", column="key_id"))
    entries = entries_in(document, "records")
    if isinstance(entries, Fault):
        return [*faults, entries]
    rows, record_faults = explain(entries, expected, form)  # (2)
    faults += record_faults
    if faults:
        return faults
    counts = count_rows(rows, expected, form)  # (3)
    faults += add_sent(counts, document, expected, form)
    faults += check_counts(counts, expected, known_cells=counts)  # (4)
    return faults or Parsed(counts, tuple(rows), key_id, unchecked=expected.unchecked(document=True))


def hundredths(value: Json) -> int | None:
    """Hours in 1/100 hour from a JSON number with at most two digits after the point; None when it is anything else."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= MAX_HOURS:
        return None
    rounded = Decimal(value).quantize(_HUNDREDTH)
    return int(rounded * HUNDREDTHS) if rounded == value else None


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
            self.faults.append(Fault(rule, number, "subdivision", where_not_offered(rule, subdivision)))

    def _check_hours(self, number: int, scheduled: int | None, hours: tuple[int | None, ...]) -> None:
        named = [(self._scheduled, scheduled), *zip(self._hours, hours, strict=True)]
        wrong = [Fault("HOURS-FORM", number, name) for name, value in named if value is None]
        if wrong:
            self.faults += wrong
        elif scheduled == 0:
            self.faults.append(Fault("HOURS-SCHEDULED", number, self._scheduled))
        elif scheduled is not None and sum(h or 0 for h in hours) > scheduled:
            self.faults.append(Fault("HOURS-SUM", number))
