"""Strict JSON: no NaN, no duplicate keys, exact decimals, bounded depth."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import NoReturn, TypeAlias

from gateway.formats.sheet import MAX_COLUMNS, MAX_ROWS, UnreadableFile
from gateway.outcome import Fault
from gateway.records.expected import Expected

# Objects and lists; a document has a list of rows for what it is about and one for each kind that arrives counted.
MAX_ENTRIES = 4 * MAX_ROWS
# Fields of all rows together.
MAX_FIELDS = 15 * MAX_ROWS
Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | Decimal | bool | None"


def refuse_crowded(body: bytes) -> None:
    """Refuse a document with more values than any upload has, before anything is made of it.

    A body of fewer bytes cannot have them, so what is delivered every day is not looked through.

    Raises:
        UnreadableFile: more objects and lists, or more values, than a document of the longest file.
    """
    if len(body) > MAX_ENTRIES and body.count(b"{") + body.count(b"[") > MAX_ENTRIES:
        raise UnreadableFile("FILE-ROWS", MAX_ROWS + 1)
    if len(body) > MAX_FIELDS and body.count(b",") > MAX_FIELDS:
        raise UnreadableFile("FILE-VALUES")


def read_document(body: bytes) -> Mapping[str, Json]:
    """Read one JSON object; numbers with a point become exact `Decimal`s.

    Raises:
        UnreadableFile: not JSON, not UTF-8, not an object, NaN, Infinity or beyond any number, a key twice in one
            object, nested too deep, or more in it than an upload has.
    """
    refuse_crowded(body)
    try:
        document = json.loads(
            body.decode("utf-8-sig"),
            parse_float=_exact,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except json.JSONDecodeError as error:
        raise UnreadableFile("JSON-SYNTAX", error.lineno) from error
    except UnicodeDecodeError as error:
        raise UnreadableFile("FILE-ENCODING") from error
    except (RecursionError, ValueError) as error:  # ValueError: an integer of more digits than Python converts
        raise UnreadableFile("JSON-SYNTAX") from error
    if not isinstance(document, dict):
        raise UnreadableFile("JSON-OBJECT")
    return document


def check_head(document: Mapping[str, Json], expected: Expected, fields: frozenset[str]) -> list[Fault]:
    """Faults in the fields around the data: none missing, none unknown, and about the right site and period."""
    faults = [Fault("JSON-FIELD-MISSING", column=name) for name in sorted(fields - document.keys())]
    faults += [Fault("JSON-FIELD-UNKNOWN") for _ in document.keys() - fields]
    about = {"collection": expected.contract.collection.id, "site": expected.site, "period": expected.period}
    faults += [
        Fault(f"JSON-{name.upper()}", column=name)
        for name, wanted in about.items()
        if name in document and wanted is not None and document[name] != wanted
    ]
    return faults


def entries_in(document: Mapping[str, Json], name: str) -> list[Json] | Fault:
    """What a list of a document holds, or the fault that it is none.

    Raises:
        UnreadableFile: more than a file may have rows.
    """
    entries = document.get(name)
    if not isinstance(entries, list):
        return Fault("JSON-LIST", column=name)
    if len(entries) > MAX_ROWS:
        raise UnreadableFile("FILE-ROWS", MAX_ROWS + 1)
    return entries


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    if len(pairs) > MAX_COLUMNS:
        raise UnreadableFile("FILE-COLUMNS")
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise UnreadableFile("JSON-DUPLICATE-KEY")
    return unique


def _exact(number: str) -> Decimal:
    try:
        return Decimal(number)
    except InvalidOperation as error:  # an exponent of more digits than a decimal has
        raise UnreadableFile("JSON-NUMBER") from error


def _refuse_constant(_name: str) -> NoReturn:
    raise UnreadableFile("JSON-NUMBER")
