"""Find entries: what a privacy officer asks, answered from columns derived from the entries' bytes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, func, select, tuple_

from audit import leaf
from audit.events import Column, Event
from audit.note import encode_base64
from audit.proofs import Place
from audit.schema import ENTRY, INDEX, MARK, PENDING

UNREADABLE: Final = "unreadable"
"""Event under which bytes that are no entry can be found: somebody wrote past the log's own writer."""

_ASKED: Final = ("event", "decision", "recipient", "period", "purpose", "basis", "object")
_MAX_WORD: Final = 512  # an index of PostgreSQL takes no word above 2,704 bytes
_MAX_TS: Final = 253_402_300_799_999  # the last millisecond of the year 9999
_OF_ITSELF: Final = (Event.LOG_OPENED, Event.LOG_HEARTBEAT, Event.LOG_CLOSED)
_PARTY: Final = "party:"
_RULE: Final = "rule:"
_CORRECTS: Final = "corrects:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries; every part that is given must hold.

    Attributes:
        logs: Numbers of the logs; None for all of them.
        viewer: Only entries in which this organisation is actor, party or recipient, and what corrects one of these:
            the scope of its officer.
        organisation: The same, as a question.
        corrects: Leaf hash of an entry, of which the corrections are asked.
        rule: Id of a rule that decided or was broken.
        event: Event.
        decision: Outcome.
        recipient: Organisation that receives.
        period: Period or school year.
        purpose: Purpose id.
        basis: Legal basis.
        object: Id of what was acted upon.
        since: Milliseconds since 1970 UTC, inclusive.
        until: Milliseconds since 1970 UTC, exclusive.
    """

    logs: frozenset[int] | None = None
    viewer: str | None = None
    organisation: str | None = None
    corrects: str | None = None
    rule: str | None = None
    event: str | None = None
    decision: str | None = None
    recipient: str | None = None
    period: str | None = None
    purpose: str | None = None
    basis: str | None = None
    object: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An entry and where it stands."""

    place: Place
    data: bytes

    def fields(self) -> dict[str, Any]:
        """What the entry says; bytes that are no entry say that they are unreadable."""
        entry, _, _ = _read(self.data)
        return entry

    def line(self) -> bytes:
        """The entry as it was logged, one line of JSON; what is unreadable has its bytes in base64, as `bytes`."""
        fields = self.fields()
        is_entry = fields["event"] != UNREADABLE
        return self.data if is_entry else leaf.encode({**fields, "bytes": encode_base64(self.data)})


_NO_ENTRY: Final[dict[str, Any]] = {
    "ts": 0, "trace_id": "", "span_id": "", "event": UNREADABLE, "decision": "error", "actor": {"role": UNREADABLE},
}  # fmt: skip


def find(connection: Connection, wanted: Filter, *, before: Place | None = None, limit: int = 50) -> list[Found]:
    """The latest entries that fit, newest first; `before` continues below the last one of the previous page."""
    source, holds, order = _fitting(wanted)
    if before:
        holds.append(tuple_(order.log, order.idx) < (before.log, before.index))
    page = select(order.log, order.idx).select_from(source).where(*holds)
    page = page.order_by(order.log.desc(), order.idx.desc()).limit(limit)
    there = page.subquery()
    rows = connection.execute(
        select(ENTRY.c.log, ENTRY.c.idx, ENTRY.c.data)
        .join(there, (ENTRY.c.log == there.c.log) & (ENTRY.c.idx == there.c.idx))
        .order_by(ENTRY.c.log.desc(), ENTRY.c.idx.desc())
    )
    return [Found(Place(log, idx), data) for log, idx, data in rows]


def newest(connection: Connection, until: int) -> int:
    """When the newest act was done that is logged or waits for its index: milliseconds since 1970 UTC, 0 without one.

    What the log says of itself is no act; bytes that are no entry, and entries of after `until`, tell no time.
    """
    done = select(func.max(INDEX.c.ts)).where(INDEX.c.event.not_in(_OF_ITSELF), INDEX.c.ts <= until)
    waiting = connection.scalars(select(PENDING.c.data), execution_options={"yield_per": 1_000})
    times = [ts for _, (ts, event, *_), _ in map(_read, waiting) if event not in _OF_ITSELF and ts <= until]
    return int(max([connection.scalar(done) or 0, *times]))


def done_at(data: bytes) -> int:
    """When the act of an entry was done: milliseconds since 1970 UTC; 0 for bytes that are no entry."""
    _, (ts, *_), _ = _read(data)
    return int(ts)


def tally(connection: Connection, wanted: Filter, by: Column) -> dict[str, int]:
    """How many entries fit, per value of a column: acts of organisations, never anything counted from pupils."""
    source, holds, _ = _fitting(wanted)
    column: ColumnElement[Any] = INDEX.c[by] if by != "rule" else MARK.c.word
    if by == "rule":
        both = (MARK.c.log == INDEX.c.log) & (MARK.c.idx == INDEX.c.idx)
        source = source.join(MARK, both) if holds else MARK
        holds.append(MARK.c.word >= _RULE)  # the last words in any collation, where letters may come after every sign
    rows = connection.execute(
        select(column, func.count()).select_from(source).where(*holds, column.is_not(None)).group_by(column)
    )
    return {value.removeprefix(_RULE): count for value, count in sorted(map(tuple, rows))}


class _Order(NamedTuple):
    log: ColumnElement[int]
    idx: ColumnElement[int]


def _fitting(wanted: Filter) -> tuple[FromClause, list[ColumnElement[bool]], _Order]:
    """Tables, conditions, and the columns whose order an index gives for nothing."""
    source: FromClause = INDEX
    order = _Order(INDEX.c.log, INDEX.c.idx)
    words = [f"{_PARTY}{each}" for each in (wanted.viewer, wanted.organisation) if each]
    holds: list[ColumnElement[bool]] = []
    words += [f"{_CORRECTS}{wanted.corrects}"] if wanted.corrects else []
    for word in words + ([f"{_RULE}{wanted.rule}"] if wanted.rule else []):
        mark = MARK.alias()
        source = source.join(mark, (mark.c.log == INDEX.c.log) & (mark.c.idx == INDEX.c.idx))
        holds.append(mark.c.word == word)
        order = _Order(mark.c.log, mark.c.idx)
    holds += [INDEX.c[name] == value for name in _ASKED if (value := getattr(wanted, name)) is not None]
    if wanted.logs is not None:
        holds.append(order.log.in_(sorted(wanted.logs)))
    if wanted.since is not None:
        holds.append(INDEX.c.ts >= wanted.since)
    if wanted.until is not None:
        holds.append(INDEX.c.ts < wanted.until)
    return source, holds, order


def index_rows(
    connection: Connection, log: int, first: int, entries: Sequence[bytes]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Rows of `audit_index` and `audit_mark` for entries with the indexes from `first` on, in the order of columns.

    Whoever finds an entry finds what corrects it too, also where the correction names somebody else.
    """
    index, marks = [], []
    for idx, data in enumerate(entries, start=first):
        entry, columns, words = _read(data)
        index.append((log, idx, *columns))
        marks += [(word, log, idx) for word in {*words, *_of_the_corrected(connection, entry)}]
    return index, marks


def _of_the_corrected(connection: Connection, entry: dict[str, Any]) -> Iterator[str]:
    """The organisations of what an entry corrects, and of what that corrected; forged bytes may point to nothing."""
    with suppress(ValueError):
        while entry["event"] == Event.ENTRY_CORRECTED:
            wrong = select(ENTRY.c.data).where(ENTRY.c.hash == bytes.fromhex(entry.get("cause", ""))).limit(1)
            entry, _, words = _read(connection.scalar(wrong) or b"")
            yield from (word for word in words if word.startswith(_PARTY))


def _read(data: bytes) -> tuple[dict[str, Any], tuple[Any, ...], list[str]]:
    """An entry with its columns and words; bytes that are none must not stop the sequencer, a page or an export."""
    try:
        entry: dict[str, Any] = json.loads(data.decode("ascii"))
        get, actor, ts = entry.get, entry["actor"], entry["ts"]
        policy, activity, about = get("policy", {}), get("activity", {}), get("object", {})
        rest = (get("recipient"), get("period"), get("purpose"), get("basis"), about.get("id"))
        parties = {actor.get("organisation"), get("party"), rest[0]} - {None}
        words = [_PARTY + each for each in parties] + [_RULE + each for each in {*get("rules", ())}]
        words += [_CORRECTS + get("cause", "")] if entry["event"] == Event.ENTRY_CORRECTED else []
        musts = (entry["event"], entry["decision"], actor["role"], entry["trace_id"], entry["span_id"])
        inner = (policy.get("id"), policy.get("sha256"), activity.get("uri"), activity.get("version"))
        others = (about.get("commitment"), get("subjects_root"), get("cause"), get("parent_span_id"))
        texts = (*musts, *words, *(each for each in (*inner, *others, *rest) if each is not None))
        text = "".join(texts)
        is_entry = text.isprintable() and max(map(len, texts)) <= _MAX_WORD
        is_entry = is_entry and type(ts) is int and 0 <= ts <= _MAX_TS
        is_entry = is_entry and leaf.encode(entry) == data  # the one spelling, which knows no half characters
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        is_entry = False
    if not is_entry:
        return dict(_NO_ENTRY), (0, UNREADABLE, UNREADABLE, None, None, None, None, None), []
    return entry, (ts, musts[0], musts[1], *rest), words
