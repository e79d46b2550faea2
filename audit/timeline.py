"""Find entries: what a privacy officer asks, answered from columns derived from the entries' bytes."""

import json
from collections.abc import Sequence
from typing import Any, Final

UNREADABLE: Final = "unreadable"
"""Event under which bytes that are no entry can be found: somebody wrote past the log's own writer."""

_COLUMNS: Final = ("event", "decision", "recipient", "period", "purpose", "basis")


def index_rows(log: int, first: int, entries: Sequence[bytes]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of `audit_index` and `audit_mark` for entries with the indexes from `first` on."""
    index, marks = [], []
    for idx, data in enumerate(entries, start=first):
        columns, words = _searchable(data)
        index.append({"log": log, "idx": idx} | columns)
        marks += [{"word": word, "log": log, "idx": idx} for word in words]
    return index, marks


def _searchable(data: bytes) -> tuple[dict[str, Any], list[str]]:
    try:
        entry = json.loads(data)
        organisation = entry["actor"].get("organisation")
        columns = {name: entry.get(name) for name in _COLUMNS}
        columns |= {"ts": entry["ts"], "organisation": organisation, "object": entry.get("object", {}).get("id")}
        parties = {organisation, entry.get("party"), entry.get("recipient")} - {None}
        words = sorted({*parties, *entry.get("rules", ())})
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        nothing = dict.fromkeys((*_COLUMNS, "organisation", "object"))
        return nothing | {"ts": 0, "event": UNREADABLE, "decision": UNREADABLE}, []
    return columns, words
