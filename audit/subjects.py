"""Whose data an entry was about, in a side table that can be erased: the log itself holds only a root hash.

A data subject is known here by a *tag*: the HMAC of a pseudonym under the log key of the school year. The tags of one
entry, each with a salt of its own, are the leaves of a small Merkle tree, filled up with random leaves to a power of
two of at least 64, so that the root says neither who nor how many. For a parent's access request the school brings
the pseudonym, the tags lead to the entries, and a proof leads from the salted tag to the root in the log. Tags and
salts of a school year are erased together: the roots stay valid and say nothing. When the log key of a year is
destroyed no tag of that year can be made again, in a backup either.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from audit.errors import AuditError
from audit.merkle import leaf_hash, node_hash, verify_inclusion
from audit.schema import SUBJECT

TAG_BYTES: Final = 32
SALT_BYTES: Final = 16
SLOT_BYTES: Final = SALT_BYTES + TAG_BYTES
SMALLEST: Final = 64
_DOMAIN: Final = b"nl-verzuim/log-subject/v1\x00"
_BLOCK: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


def tag(key: bytes, pseudonym: bytes) -> bytes:
    """The tag of a data subject under the log key (32 bytes) of a school year."""
    return tags(key, [pseudonym])[0]


def tags(key: bytes, pseudonyms: Iterable[bytes]) -> list[bytes]:
    """The tags of many data subjects: HMAC-SHA256 (RFC 2104) with both hash states of the key made once.

    Raises:
        AuditError: A key of another length.
    """
    if len(key) != TAG_BYTES:
        raise AuditError("a log key has 32 bytes")
    padded = key.ljust(_BLOCK, b"\0")
    inner, outer = sha256(padded.translate(_INNER) + _DOMAIN).copy, sha256(padded.translate(_OUTER)).copy
    made = []
    for pseudonym in pseudonyms:
        first, second = inner(), outer()
        first.update(pseudonym)
        second.update(first.digest())
        made.append(second.digest())
    return made


@dataclass(frozen=True, slots=True)
class Subjects:
    """The data subjects of one entry, padding among them.

    Attributes:
        slots: Salt (16 bytes) and tag (32 bytes) of each leaf, in the order of the leaves.
        root: What the entry carries as `subjects_root`.
    """

    slots: bytes = field(repr=False)
    root: bytes

    @classmethod
    def of(cls, tags: Iterable[bytes], random: Callable[[int], bytes]) -> "Subjects":
        """Salt the tags and fill up; sorted by tag, so that the order says nothing either.

        Args:
            tags: Tags, each once; made by `tag`.
            random: Makes n unpredictable bytes.
        """
        known = set(tags)
        size = max(SMALLEST, 1 << (len(known) - 1).bit_length()) if known else SMALLEST
        padding = _cut(random(TAG_BYTES * (size - len(known))), TAG_BYTES)
        salts = _cut(random(SALT_BYTES * size), SALT_BYTES)
        slots = [salt + each for salt, each in zip(salts, sorted([*known, *padding]), strict=True)]
        return cls(b"".join(slots), _levels(list(map(leaf_hash, slots)))[-1][0])


@dataclass(frozen=True, slots=True)
class Held:
    """That a tag stands under a root: its salt, its place, and the proof.

    Attributes:
        root: `subjects_root` of the entry.
        tag: The tag.
        salt: Its salt.
        place: Leaf index.
        size: Number of leaves.
        proof: Inclusion proof of SHA-256(0x00, salt, tag).
    """

    root: bytes
    tag: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    place: int
    size: int
    proof: Sequence[bytes]

    def verify(self) -> None:
        """Check the proof.

        Raises:
            ProofError: It does not hold.
        """
        leaf = leaf_hash(self.salt + self.tag)
        verify_inclusion(index=self.place, size=self.size, leaf=leaf, proof=self.proof, root=self.root)


def store(connection: Connection, subjects: Subjects, school_year: str) -> None:
    """Keep the subjects of an entry, in the transaction that appends it."""
    row = {"root": subjects.root, "school_year": school_year, "slots": subjects.slots}
    connection.execute(insert(SUBJECT), row)


def find(connection: Connection, tags: Sequence[bytes], roots: Sequence[bytes] | None = None) -> list[Held]:
    """Every root under which one of these tags stands, with its proof; the entry is the one with that root.

    Args:
        connection: Where to look.
        tags: Of one or a few data subjects: all slots are searched for each, for which there is no index that every
            delivery would have to keep up.
        roots: Of the entries that matter; all by default.
    """
    among = SUBJECT.c.root.in_(roots) if roots is not None else SUBJECT.c.root.is_not(None)
    return [
        _held(root, slots, place)
        for each in tags
        for root, slots in _holding(connection, each, among)
        for place in _places(slots, each)
    ]


def _holding(connection: Connection, each: bytes, among: ColumnElement[bool]) -> list[tuple[bytes, bytes]]:
    """Roots and slots in which these bytes occur."""
    inside = func.instr if connection.dialect.name == "sqlite" else func.pg_catalog.position
    query = select(SUBJECT.c.root, SUBJECT.c.slots).where(among, inside(SUBJECT.c.slots, each) > 0)
    return [(bytes(root), bytes(slots)) for root, slots in connection.execute(query.order_by(SUBJECT.c.root))]


def _held(root: bytes, slots: bytes, place: int) -> Held:
    leaves = list(map(leaf_hash, _cut(slots, SLOT_BYTES)))
    proof = [level[(place >> height) ^ 1] for height, level in enumerate(_levels(leaves)[:-1])]
    salt, each = (slot := slots[place * SLOT_BYTES :])[:SALT_BYTES], slot[SALT_BYTES:SLOT_BYTES]
    return Held(root, each, salt, place, len(leaves), proof)


def erase_year(connection: Connection, school_year: str) -> int:
    """Forget every data subject of a school year, e.g. when its log key is destroyed. Returns how many leaves.

    No leaf need stay: there is nobody left whose proof would need it.
    """
    of_year = SUBJECT.c.school_year == school_year
    size = connection.scalar(select(func.coalesce(func.sum(func.length(SUBJECT.c.slots)), 0)).where(of_year))
    connection.execute(delete(SUBJECT).where(of_year))
    return int(size or 0) // SLOT_BYTES


def _cut(many: bytes, size: int) -> list[bytes]:
    """Pieces of one size."""
    return [many[start : start + size] for start in range(0, len(many), size)]


def _places(slots: bytes, each: bytes) -> Iterator[int]:
    """Leaf indexes at which a tag stands."""
    yield from (place for place, slot in enumerate(_cut(slots, SLOT_BYTES)) if slot[SALT_BYTES:] == each)


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """The whole tree over a power of two of leaf hashes: leaves, the nodes above them, …, the root."""
    levels = [leaves]
    while len(level := levels[-1]) > 1:
        levels.append(list(map(node_hash, level[::2], level[1::2])))
    return levels
