"""A document of records without a fault, accepted whole and fast: column by column, in a parser that is typed.

Whatever this accepts, `gateway.records.rows` accepts with the same outcome (a property test); about everything else it
says nothing, and the document is walked through to name each fault.
"""

import re
from binascii import a2b_base64
from collections.abc import Sequence
from functools import lru_cache
from operator import ge
from typing import Any

import msgspec

from gateway.formats.sheet import MAX_ROWS
from gateway.outcome import GatewayError
from gateway.records.counting import add_sent, count_rows
from gateway.records.expected import Expected, Parsed, Row
from gateway.records.rows import HUNDREDTHS, KEY_ID, MAX_HOURS, PSEUDONYM
from gateway.records.rules import check_counts, check_subdivision

_BYTES = 64
_LENGTH = 86
# 86 characters and two of filling are 66 whole bytes, of which the first 64 are the pseudonym.
_FILLED, _FILLING = 66, "AA"
_PSEUDONYMS = re.compile(rf"(?:{PSEUDONYM.pattern}{_FILLING})*")
_STANDARD = bytes.maketrans(b"-_", b"+/")
# A number in binary is exact in hundredths only when it was written without an exponent and with two decimals at most.
_LONG_FRACTION = re.compile(rb"\.[0-9]{3}")
_EXPONENT = re.compile(rb":\s*-?[0-9.]+[eE]")
_HEAD = ("collection", "site", "period", "key_id")


def accept(body: bytes, expected: Expected) -> Parsed | None:
    """What a document says, or None where anything at all is odd.

    Steps: (1) the fields of the contract and no others, each of its type; numbers that are exact; no key twice: each
    key has its colon, and nothing else in a clean document has one; (2) about the right site, period and key; (3) each
    column; (4) the counts.

    Args:
        body: JSON in UTF-8.
        expected: The contract of a collection of records, and what is known of the sender.
    """
    form = expected.contract.collection.records
    if form is None:
        raise GatewayError("not a collection of records")
    sent = tuple(form.sent_as_counts.values())
    try:  # (1)
        document = _decoder((form.scheduled, *form.hours.values()), sent).decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    records, counted = document.records, {name: getattr(document, f"sent{n}") for n, name in enumerate(sent)}
    keys = len(_HEAD) + 1 + len(sent) + (3 + len(form.hours)) * len(records)
    keys += sum(len(entry) for entries in counted.values() for entry in entries)
    if body.count(b":") != keys or _LONG_FRACTION.search(body) or _EXPONENT.search(body):
        return None
    if not _is_about(document, expected):  # (2)
        return None
    rows = _rows(records, expected)  # (3)
    if rows is None:
        return None
    counts = count_rows(rows, expected, form)  # (4)
    if add_sent(counts, counted, expected, form) or any(check_counts(counts, expected, known_cells=counts)):
        return None
    return Parsed(counts, rows, document.key_id, unchecked=expected.unchecked(document=True))


@lru_cache(maxsize=16)
def _decoder(columns: Sequence[str], sent: Sequence[str]) -> msgspec.json.Decoder[Any]:
    """The parser of a contract: of these columns of hours, and of these lists that arrive counted.

    The attributes of a record have names of their own, since a contract's need not be those of a program.
    """
    hours = {f"hours{place}": name for place, name in enumerate(columns)}
    counted = {f"sent{place}": name for place, name in enumerate(sent)}
    record = msgspec.defstruct(
        "Record",
        [("pseudonym", str), ("subdivision", str), *((name, float) for name in hours)],
        rename=hours,
        forbid_unknown_fields=True,
        gc=False,
    )
    document = msgspec.defstruct(
        "Document",
        [
            *((name, str) for name in _HEAD),
            ("records", list[record]),  # type: ignore[valid-type]  # made above
            *((name, list[dict[str, str | int]]) for name in counted),
        ],
        rename=counted,
        forbid_unknown_fields=True,
    )
    return msgspec.json.Decoder(document)


def _is_about(document: Any, expected: Expected) -> bool:  # noqa: ANN401  made from a contract
    return (
        document.collection == expected.contract.collection.id
        and expected.site in {None, document.site}
        and expected.period in {None, document.period}
        and KEY_ID.fullmatch(document.key_id) is not None
        and (expected.keys is None or document.key_id in expected.keys)
    )


def _rows(records: Sequence[Any], expected: Expected) -> tuple[Row, ...] | None:
    """The rows, where every column is as it should be and no pupil is there twice."""
    if not 0 < len(records) <= MAX_ROWS:
        return None
    pseudonyms, subdivisions, *columns = zip(*map(msgspec.structs.astuple, records), strict=True)
    filled = _FILLING.join((*pseudonyms, ""))
    if (
        len(set(pseudonyms)) < len(records)
        or set(map(len, pseudonyms)) != {_LENGTH}
        or not _PSEUDONYMS.fullmatch(filled)
    ):
        return None
    if any(check_subdivision(code, expected) is not None for code in set(subdivisions)):
        return None
    scheduled, *hours = map(_hundredths, columns)
    if not (scheduled and all(hours) and all(scheduled)):
        return None
    missed = list(zip(*hours, strict=True))
    if not all(map(ge, scheduled, map(sum, missed))):
        return None
    raw = a2b_base64(filled.encode().translate(_STANDARD))
    ys = (raw[start : start + _BYTES] for start in range(0, len(raw), _FILLED))
    return tuple(map(Row, ys, subdivisions, scheduled, missed))


def _hundredths(column: Sequence[float]) -> list[int]:
    """Hours in 1/100 hour, which are whole after the look at how they are written; empty where one is out of range."""
    if min(column) < 0 or max(column) > MAX_HOURS:
        return []
    return list(map(round, map(float(HUNDREDTHS).__mul__, column)))
