"""Read the log: its state, its checkpoints, and proofs made from stored nodes, one look-up each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, Pool, case, func, select

from audit.driver import execute
from audit.errors import NeverSignedError, NotLoggedError
from audit.merkle import consistency_ranges, cover, fold, inclusion_ranges, position
from audit.note import Key
from audit.quorum import NONE, Policy
from audit.schema import CHECKPOINT, CLOSING, COSIGNATURE, ENTRY, LOG, PENDING
from audit.tlog_proof import Proof

_KEPT_FROM: Final = 8
_MOST_KEPT: Final = 1 << 16
_kept: Final = WeakKeyDictionary[Pool, dict[tuple[int, int], bytes]]()
"""Per database, by log and position: subtrees of 256 entries and more that were read before. A committed node never
changes, so a proof need only look up the lower part of its path. 8,000 of them cover a million entries; the sequencer
does not use them, for it must see what is stored."""


@dataclass(frozen=True, slots=True)
class LogState:
    """One log of the chain of yearly logs.

    Attributes:
        log: Its number: 1, 2, …
        origin: Its name in every checkpoint.
        key: Key that signs its checkpoints.
        size: Entries with an index.
        keep_until: None while it is open; then the moment from which its entries may be erased.
    """

    log: int
    origin: str
    key: Key
    size: int
    keep_until: int | None

    @property
    def is_closed(self) -> bool:
        """Whether it has had its last entry."""
        return self.keep_until is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands: the number of the log and the leaf index."""

    log: int
    index: int


def logs(connection: Connection) -> list[LogState]:
    """Every log, oldest first; only the last one can be open."""
    last = select(func.max(ENTRY.c.idx)).where(ENTRY.c.log == LOG.c.log).scalar_subquery()
    rows = connection.execute(
        select(LOG.c.log, LOG.c.origin, LOG.c.key, func.coalesce(CLOSING.c.size, last + 1, 0), CLOSING.c.keep_until)
        .outerjoin(CLOSING, CLOSING.c.log == LOG.c.log)
        .order_by(LOG.c.log)
    )
    return [LogState(log, origin, Key.parse(key), size, until) for log, origin, key, size, until in rows]


def locate(connection: Connection, leaf: bytes) -> Place:
    """Where the entry with this leaf hash stands; should somebody have written its bytes again, the first place.

    Raises:
        NotLoggedError: It has no index (yet); the sequencer gives it one within a second.
    """
    query = select(ENTRY.c.log, ENTRY.c.idx).where(ENTRY.c.hash == leaf).order_by(ENTRY.c.log, ENTRY.c.idx)
    row = connection.execute(query.limit(1)).one_or_none()
    if row is None:
        raise NotLoggedError("this entry has no index yet")
    return Place(row[0], row[1])


def checkpoint(
    connection: Connection, log: int, *, at_least: int = 0, policy: Policy | None = None, first: bool = False
) -> tuple[int, str]:
    """Size and signed text of a checkpoint of a log, with the cosignatures it has by now.

    Args:
        connection: Where to read.
        log: Number of the log.
        at_least: Size it must have reached.
        policy: Rather one whose cosignatures meet this quorum; where there is none, any.
        first: The smallest that will do, instead of the largest: the path to it is the shortest, and stays the same.

    Raises:
        NotLoggedError: There is none of that size (yet).
        NeverSignedError: There will be none: another log took over before this one signed its end.
    """
    size = _cosigned(connection, log, at_least, policy, first=first) if policy and policy.quorum != NONE else None
    if size is None:
        best = func.min if first else func.max
        size = connection.scalar(
            select(best(CHECKPOINT.c.size)).where(CHECKPOINT.c.log == log, CHECKPOINT.c.size >= at_least)
        )
    if size is None:
        if any(each.log > log for each in logs(connection)):
            raise NeverSignedError("another log went on before this one signed its end")
        raise NotLoggedError("there is no checkpoint of that size yet")
    return size, signed_note(connection, log, size)


def _cosigned(connection: Connection, log: int, at_least: int, policy: Policy, *, first: bool) -> int | None:
    """The nearest size whose cosignatures meet the quorum, counted where they are stored: there may be millions."""
    size = COSIGNATURE.c.size
    return connection.scalar(
        select(size)
        .where(COSIGNATURE.c.log == log, size >= at_least)
        .group_by(size)
        .having(_is_met(policy) == 1)
        .order_by(size if first else size.desc())
        .limit(1)
    )


def _is_met(policy: Policy) -> ColumnElement[Any]:
    """`Policy.is_met` of the cosignatures of one size, in SQL: 1 or 0."""
    seen: dict[str, ColumnElement[Any]] = {
        witness.name: func.max(case((COSIGNATURE.c.witness == str(witness.key), 1), else_=0))
        for witness in policy.witnesses
    }
    for name, group in policy.groups.items():
        many = reduce(add, (seen[member] for member in group.members))
        seen[name] = case((many >= group.threshold, 1), else_=0)
    return seen[policy.quorum]


def signed_size(connection: Connection, log: int) -> int:
    """Size of the latest checkpoint of a log, 0 if there is none."""
    return connection.scalar(select(func.max(CHECKPOINT.c.size)).where(CHECKPOINT.c.log == log)) or 0


def is_finished(connection: Connection, log: LogState) -> bool:
    """Whether a log is closed and has its final checkpoint."""
    return log.is_closed and signed_size(connection, log.log) == log.size


def signed_at(connection: Connection, log: int) -> int:
    """When the latest checkpoint of a log was made, in milliseconds since 1970 UTC; 0 if there is none."""
    made = select(CHECKPOINT.c.made).where(CHECKPOINT.c.log == log).order_by(CHECKPOINT.c.size.desc()).limit(1)
    return connection.scalar(made) or 0


def unsigned(connection: Connection, in_use: Sequence[LogState]) -> int:
    """Entries that the sequencer has still to sign: those without an index, and the end of the log in use, if any."""
    waiting = connection.scalar(select(func.count()).select_from(PENDING)) or 0
    return waiting + sum(log.size - signed_size(connection, log.log) for log in in_use)


def log_note(connection: Connection, log: int, size: int) -> str:
    """The checkpoint of exactly this size with the log's own signature only.

    Raises:
        NotLoggedError: There is none.
    """
    note = connection.scalar(select(CHECKPOINT.c.note).where(CHECKPOINT.c.log == log, CHECKPOINT.c.size == size))
    if note is None:
        raise NotLoggedError("there is no checkpoint of that size")
    return str(note)


def signed_note(connection: Connection, log: int, size: int) -> str:
    """The checkpoint of exactly this size, with the cosignatures it has.

    Raises:
        NotLoggedError: There is none.
    """
    note = log_note(connection, log, size)
    lines = connection.scalars(
        select(COSIGNATURE.c.line)
        .where(COSIGNATURE.c.log == log, COSIGNATURE.c.size == size)
        .order_by(COSIGNATURE.c.witness)
    )
    return "".join((note, *lines))


def inclusion(connection: Connection, place: Place, size: int) -> list[bytes]:
    """The inclusion proof of an entry in the tree of `size` entries.

    Raises:
        ProofError: The entry is not in a tree of that size.
        NotLoggedError: The log has not reached that size.
    """
    return hashes(connection, place.log, inclusion_ranges(place.index, size))


def consistency(connection: Connection, log: int, old: int, new: int) -> list[bytes]:
    """The proof that the tree of `new` entries only appended to the tree of `old` entries, 0 < old <= new.

    Raises:
        ProofError: The sizes are out of order.
        NotLoggedError: The log has not reached that size.
    """
    return hashes(connection, log, consistency_ranges(old, new))


def root(connection: Connection, log: int, size: int) -> bytes:
    """Root hash of the first `size` entries.

    Raises:
        NotLoggedError: The log has not reached that size.
    """
    return hashes(connection, log, [(0, size)])[0]


def hashes(connection: Connection, log: int, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """Hash of each range of leaves, folded from the perfect subtrees that cover it.

    Raises:
        NotLoggedError: A node is not stored: the log has not reached that size, or its retention has ended.
    """
    covers = [[(position(node), node.level) for node in cover(start, end)] for start, end in ranges]
    places = [each for cover_ in covers for each in cover_]
    kept = _kept.setdefault(connection.engine.pool, {})
    found = {place: known for place, _ in places if (known := kept.get((log, place)))}
    found |= nodes(connection, log, [place for place, _ in places if place not in found])
    if len(kept) > _MOST_KEPT:
        kept.clear()
    kept |= {(log, place): found[place] for place, level in places if level >= _KEPT_FROM}
    return [fold([found[place] for place, _ in cover_]) for cover_ in covers]


def nodes(connection: Connection, log: int, positions: Sequence[int]) -> dict[int, bytes]:
    """Stored nodes by position, in one look-up.

    Raises:
        NotLoggedError: One of them is not there.
    """
    if connection.dialect.name == "postgresql":
        look_up = "SELECT position, hash FROM audit_node WHERE log = %s AND position = ANY(%s::bigint[])"
        asked = ",".join(map(str, positions))  # the driver takes longer to spell a list than all the rest
        rows = execute(connection, look_up, (log, f"{{{asked}}}")).fetchall()
    else:
        marks = ",".join("?" * len(positions))
        look_up = f"SELECT position, hash FROM audit_node WHERE log = ? AND position IN ({marks})"  # noqa: S608  marks
        rows = execute(connection, look_up, (log, *positions)).fetchall()
    found = {place: bytes(value) for place, value in rows}
    if len(found) != len(set(positions)):
        raise NotLoggedError("the log does not hold a tree of that size")
    return found


def prove(connection: Connection, leaf: bytes, policy: Policy | None = None) -> Proof:
    """The proof that the entry with this leaf hash is in the log, by the first good checkpoint after it.

    Args:
        connection: Where to read.
        leaf: Leaf hash of the entry.
        policy: Rather by a checkpoint whose cosignatures meet this quorum; where there is none, by any.

    Raises:
        NotLoggedError: The entry has no index yet, or no signed checkpoint holds it yet.
    """
    place = locate(connection, leaf)
    size, note = checkpoint(connection, place.log, at_least=place.index + 1, policy=policy, first=True)
    return Proof(place.index, inclusion(connection, place, size), note)
