"""The one spelling of an entry: the exact bytes that are stored and hashed."""

import re
from collections.abc import Callable
from typing import Any, Final

from audit import leaf
from audit.entry import Actor, Entry, Object
from audit.errors import EntryError

VERSION: Final = 1
_HEX: Final = re.compile(r"[0-9a-f]*")


def encode(entry: Entry, *, salt: bytes, ts: int, trace_id: str, span_id: str, parent_span_id: str | None) -> bytes:
    """The exact bytes that are stored and hashed.

    Args:
        entry: What happened.
        salt: 16 random bytes, so that the public leaf hash says nothing.
        ts: Milliseconds since 1970 UTC.
        trace_id: 32 hexadecimal digits (W3C Trace Context).
        span_id: 16 hexadecimal digits.
        parent_span_id: 16 hexadecimal digits, or None at the root of a trace.

    Raises:
        EntryError: An id has a wrong form, or the entry is longer than 4 KiB.
    """
    for name, value, digits in (
        ("trace_id", trace_id, 32),
        ("span_id", span_id, 16),
        ("parent_span_id", parent_span_id or span_id, 16),
    ):
        if len(value) != digits or not _HEX.fullmatch(value):
            raise EntryError(name, f"must be {digits} lower-case hexadecimal digits")
    parts = [f'"salt":"{salt.hex()}"', f'"span_id":"{span_id}"', f'"trace_id":"{trace_id}","ts":{ts},"v":{VERSION}']
    if parent_span_id:
        parts.append(f'"parent_span_id":"{parent_span_id}"')
    if entry.rules:
        parts.append(f'"rules":[{",".join(map(leaf.spell, entry.rules))}]')
    for name, spell in _SPELLINGS:
        if (value := getattr(entry, name)) is not None:
            parts.append(f'"{name}":{spell(value)}')
    parts.sort()  # by name, for they begin with it, and no name begins another
    data = f"{{{','.join(parts)}}}".encode()
    if len(data) > leaf.MAX_BYTES:
        raise EntryError("rules", f"make the entry longer than {leaf.MAX_BYTES} bytes")
    return data


def _spell_actor(actor: Actor) -> str:
    organisation = f'"organisation":{leaf.spell(actor.organisation)},' if actor.organisation else ""
    return f'{{{organisation}"role":{leaf.spell(actor.role)}}}'


def _spell_object(about: Object) -> str:
    commitment = f'"commitment":{_spell_hash(about.commitment)},' if about.commitment else ""
    return f'{{{commitment}"id":{leaf.spell(about.id)}}}'


def _spell_hash(value: bytes) -> str:
    return f'"{value.hex()}"'


# How each field is spelled, straight to text: the general encoder of JSON takes five times as long. That both spell
# alike is tested.
_SPELLINGS: Final[tuple[tuple[str, Callable[[Any], str]], ...]] = (
    ("activity", lambda value: f'{{"uri":{leaf.spell(value.uri)},"version":{leaf.spell(value.version)}}}'),
    ("actor", _spell_actor),
    ("amount", str),
    ("basis", leaf.spell),
    ("cause", _spell_hash),
    ("decision", leaf.spell),
    ("event", leaf.spell),
    ("object", _spell_object),
    ("party", leaf.spell),
    ("period", leaf.spell),
    ("policy", lambda value: f'{{"id":{leaf.spell(value.id)},"sha256":{_spell_hash(value.sha256)}}}'),
    ("purpose", leaf.spell),
    ("recipient", leaf.spell),
    ("subjects_root", _spell_hash),
)
