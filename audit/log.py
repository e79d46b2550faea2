"""Append an entry in the caller's transaction: no entry, no action. An edge: reads the clock and makes the salt."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from audit.driver import execute
from audit.entry import Entry, Vocabulary
from audit.events import SHAPES
from audit.merkle import leaf_hash
from audit.spelling import encode

SALT_BYTES: Final = 16
TRACE_BYTES: Final = 16
SPAN_BYTES: Final = 8

_INSERT: Final = {
    "sqlite": "INSERT INTO audit_pending (data) VALUES (?)",
    "postgresql": "INSERT INTO audit_pending (data) VALUES (%s)",
}


def wall_clock() -> int:
    """Now, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Appended:
    """An entry that is in the log as soon as the caller's transaction commits.

    Attributes:
        data: Exact bytes.
    """

    data: bytes

    @property
    def leaf(self) -> bytes:
        """Their leaf hash: the entry's id, the `cause` of what follows from it, the key to its proof."""
        return leaf_hash(self.data)

    @property
    def entry_id(self) -> str:
        """The leaf hash in hexadecimal."""
        return self.leaf.hex()


@dataclass(frozen=True, slots=True)
class Log:
    """Writes entries with the words of one vocabulary.

    Attributes:
        vocabulary: The closed lists in force.
        clock: Milliseconds since 1970 UTC; tests replace it.
        random: Makes n unpredictable bytes; tests replace it.
    """

    vocabulary: Vocabulary
    clock: Callable[[], int] = wall_clock
    random: Callable[[int], bytes] = os.urandom

    def append(
        self,
        connection: Connection,
        entry: Entry,
        *,
        trace_id: str | None = None,
        span_id: str | None = None,
        parent_span_id: str | None = None,
    ) -> Appended:
        """Write an entry in the caller's transaction; it gets its index after the commit.

        Trace ids are those of this product's own trace, never of an incoming request. For entries that may not be
        joined to a site (consent) they are always made afresh, whatever the caller passes.

        Raises:
            EntryError: A word is not in the vocabulary, or an id has a wrong form; nothing was written.
        """
        self.vocabulary.demand(entry)
        if SHAPES[entry.event].unlinkable:
            trace_id = span_id = parent_span_id = None
        fresh = self.random(SALT_BYTES + TRACE_BYTES + SPAN_BYTES)
        data = encode(
            entry,
            salt=fresh[:SALT_BYTES],
            ts=self.clock(),
            trace_id=trace_id or fresh[SALT_BYTES:-SPAN_BYTES].hex(),
            span_id=span_id or fresh[-SPAN_BYTES:].hex(),
            parent_span_id=parent_span_id,
        )
        execute(connection, _INSERT[connection.dialect.name], (data,))
        return Appended(data)
