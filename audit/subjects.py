"""Whose data an entry was about, in a side table that can be erased: the log itself holds only a root hash.

A data subject is known here by a *tag*: the HMAC of a pseudonym under the log key of the school year. The tags of one
entry, each with a salt of its own, are the leaves of a small Merkle tree, filled up with random leaves to a power of
two of at least 64, so that the root says neither who nor how many. For a parent's access request the school brings
the pseudonym, the tags lead to the entries, and a proof leads from the salted tag to the root in the log. To erase is
to forget tag and salt: the root stays valid and says nothing. When the log key of a year is destroyed no tag of that
year can be made again, in a backup either.
"""

import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select, update

from audit.errors import AuditError
from audit.merkle import Edge, cover, fold, inclusion_ranges, leaf_hash, position, root_of, verify_inclusion
from audit.schema import SUBJECT

TAG_BYTES: Final = 32
SALT_BYTES: Final = 16
SMALLEST: Final = 64
_DOMAIN: Final = b"nl-verzuim/log-subject/v1\x00"


def tag(key: bytes, pseudonym: bytes) -> bytes:
    """The tag of a data subject under the log key (32 bytes) of a school year."""
    if len(key) != TAG_BYTES:
        raise AuditError("a log key has 32 bytes")
    return hmac.digest(key, _DOMAIN + pseudonym, "sha256")


@dataclass(frozen=True, slots=True)
class Subjects:
    """The data subjects of one entry: salted tags in the order of their leaves, padding among them."""

    leaves: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def of(cls, tags: Iterable[bytes], random: Callable[[int], bytes]) -> "Subjects":
        """Salt the tags and fill up; sorted by tag, so that the order says nothing either.

        Args:
            tags: Tags, each once; made by `tag`.
            random: Makes n unpredictable bytes.
        """
        known = set(tags)
        size = max(SMALLEST, 1 << (len(known) - 1).bit_length()) if known else SMALLEST
        padding = [random(TAG_BYTES) for _ in range(size - len(known))]
        return cls(tuple((each, random(SALT_BYTES)) for each in sorted([*known, *padding])))

    @property
    def root(self) -> bytes:
        """What the entry carries as `subjects_root`."""
        return root_of(leaf_hash(salt + each) for each, salt in self.leaves)


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
    tag: bytes
    salt: bytes
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
    root = subjects.root
    connection.execute(
        insert(SUBJECT),
        [
            {
                "root": root,
                "place": place,
                "leaf": leaf_hash(salt + each),
                "school_year": school_year,
                "tag": each,
                "salt": salt,
            }
            for place, (each, salt) in enumerate(subjects.leaves)
        ],
    )


def find(connection: Connection, tags: Sequence[bytes]) -> list[Held]:
    """Every root under which one of these tags stands, with its proof; the entry is the one with that root."""
    rows = connection.execute(
        select(SUBJECT.c.root, SUBJECT.c.place, SUBJECT.c.tag, SUBJECT.c.salt)
        .where(SUBJECT.c.tag.in_(tags))
        .order_by(SUBJECT.c.root, SUBJECT.c.place)
    ).all()
    return [_held(connection, *row) for row in rows]


def _held(connection: Connection, root: bytes, place: int, tag: bytes, salt: bytes) -> Held:
    leaves = connection.scalars(select(SUBJECT.c.leaf).where(SUBJECT.c.root == root).order_by(SUBJECT.c.place)).all()
    stored = Edge().extend(leaves)
    ranges = inclusion_ranges(place, len(leaves))
    proof = [fold([stored[position(node)] for node in cover(*each)]) for each in ranges]
    return Held(root, tag, salt, place, len(leaves), proof)


def erase(connection: Connection, tags: Sequence[bytes]) -> int:
    """Forget these data subjects: tag and salt go, the leaf stays for the proofs of the others. Returns how many."""
    return connection.execute(update(SUBJECT).where(SUBJECT.c.tag.in_(tags)).values(tag=None, salt=None)).rowcount


def erase_year(connection: Connection, school_year: str) -> int:
    """Forget every data subject of a school year, e.g. when its log key is destroyed. Returns how many rows."""
    year = SUBJECT.c.school_year == school_year
    return connection.execute(
        update(SUBJECT).where(year, SUBJECT.c.tag.is_not(None)).values(tag=None, salt=None)
    ).rowcount
