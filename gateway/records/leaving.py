"""What in a document names pupils: looked for before it leaves the school, where its contract is not asked yet."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from gateway.outcome import Fault
from gateway.records.counts import json_text
from gateway.records.document import Json
from pseudonymisation.number import looks_raw, personal_header

_LAST = 8  # power of ten of the first of nine digits


def raw_document(document: Json) -> Iterator[Fault]:
    """A fault for each number of a pupil, and for each field that announces a person, however deep it stands.

    A fault is placed by its number in the outermost list. A pseudonym is no exception: none looks like a number.
    """
    waiting: list[tuple[int, Json]] = [(0, document)]
    while waiting:
        row, value = waiting.pop()
        if isinstance(value, Mapping):
            yield from (Fault("RAW-FIELD", row) for name in value if personal_header(name) is not None)
            waiting += [(row, name) for name in value]
            waiting += [(row, one) for one in value.values()]
        elif isinstance(value, list):
            waiting += [(row or place, one) for place, one in enumerate(value, start=1)]
        elif looks_raw(_text(value)):
            yield Fault("RAW-NUMBER", row)


def _text(value: Json) -> str:
    """As a cell holds it; one with an exponent is written out where it has as many digits as a pupil's number."""
    return f"{value:f}" if isinstance(value, Decimal) and value.adjusted() == _LAST else json_text(value)
