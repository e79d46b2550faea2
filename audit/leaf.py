"""Canonical bytes: the one spelling of an entry, so that equal content has equal bytes and equal hashes.

A subset of RFC 8785 (JSON Canonicalization Scheme): objects with ASCII keys in sorted order, arrays, strings, and
integers of at most 53 bits; no spaces, no null, no booleans, no fractions.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from audit.errors import EntryError

MAX_BYTES = 4096
MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 8

Value: TypeAlias = str | int | Sequence["Value"] | Mapping[str, "Value"]

spell = json.encoder.encode_basestring
"""The canonical spelling of one text."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def encode(value: Mapping[str, Value]) -> bytes:
    """Canonical bytes of a value whose parts are known to be canonical, such as a checked entry.

    Use `canonical` for anything else: this does not look inside.
    """
    return _ENCODER.encode(value).encode()


def canonical(value: Mapping[str, Value]) -> bytes:
    """Canonical bytes of any value of the subset.

    Raises:
        EntryError: The value lies outside the subset.
    """
    _check(value, "", MAX_DEPTH)
    return encode(value)


def parse(data: bytes) -> dict[str, Value]:
    """Read canonical bytes back; any other spelling of the same content is refused.

    Raises:
        EntryError: The bytes are not canonical.
    """
    try:
        value = json.loads(data.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise EntryError("entry", "must be canonical JSON (RFC 8785) in UTF-8") from None
    if not isinstance(value, dict):
        raise EntryError("entry", "must be a JSON object")
    if canonical(value) != data:
        raise EntryError("entry", "must be in canonical form: sorted unique keys, no spaces, shortest escapes")
    return value


def _no_constant(_: str) -> None:
    raise ValueError


def _check(value: object, path: str, depth: int) -> None:
    where = path or "entry"
    if not depth:
        raise EntryError(where, f"is nested more than {MAX_DEPTH} deep")
    if isinstance(value, Mapping):
        for key, part in value.items():
            if not (isinstance(key, str) and key.isascii() and key.isprintable()):
                raise EntryError(where, "must have printable ASCII keys")
            _check(part, f"{path}.{key}" if path else key, depth - 1)
    elif isinstance(value, list | tuple):
        for part in value:
            _check(part, path, depth - 1)
    elif not _is_plain(value):
        raise EntryError(where, "must be text, a whole number of at most 53 bits, a list or an object")


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER
