"""Merkle trees of RFC 6962: hashes, the cover of a proof in stored nodes, and the two verifiers.

A tree of n leaves stores the hash of every *perfect* subtree once, in the order in which appending completes them:
leaf 0, leaf 1, the node above both, leaf 2, leaf 3, the node above those, the node above all four, …  So the store is
append-only and dense, and one integer, the *position*, names a node. A proof is a short list of ranges of leaves;
the hash of a range folds the few perfect subtrees that cover it.

Every hash is SHA-256 and exactly 32 bytes; a proof or root of another length is refused.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from audit.errors import ProofError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


class Node(NamedTuple):
    """The perfect subtree over leaves `number * 2**level` up to `(number + 1) * 2**level`."""

    level: int
    number: int


def leaf_hash(data: bytes) -> bytes:
    """Hash of one entry (RFC 6962 section 2.1: prefix 0x00)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees (RFC 6962 section 2.1: prefix 0x01)."""
    return sha256(b"\x01" + left + right).digest()


def stored(size: int) -> int:
    """Number of nodes a tree of `size` leaves stores, which is also the position of the next leaf."""
    return 2 * size - size.bit_count()


def position(node: Node) -> int:
    """Place of a node in the store: its last leaf comes first, then the nodes that this leaf completes."""
    last_leaf = ((node.number + 1) << node.level) - 1
    return stored(last_leaf) + node.level


def cover(start: int, end: int) -> list[Node]:
    """The perfect subtrees that make up leaves `start` to `end`, left to right (none for an empty range)."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start & ((1 << level) - 1):
            level = (start & -start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """Hash over adjacent perfect subtrees of falling size; the empty tree for none."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


class Edge:
    """The right edge of a growing tree: its size and the hashes of its largest perfect subtrees, left to right."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ProofError(f"the right edge of {size} leaves has {size.bit_count()} hashes, not {len(self.peaks)}")

    def extend(self, leaves: Iterable[bytes]) -> list[bytes]:
        """Append leaf hashes; returns the nodes to store, the first at position `stored(size before)`."""
        fresh, peaks, size = [], self.peaks, self.size
        for leaf in leaves:
            fresh.append(leaf)
            peaks.append(leaf)
            full = size
            while full & 1:
                right = peaks.pop()
                peaks[-1] = node_hash(peaks[-1], right)
                fresh.append(peaks[-1])
                full >>= 1
            size += 1
        self.size = size
        return fresh

    def root(self) -> bytes:
        """Root hash of the tree so far."""
        return fold(self.peaks)


def _split(start: int, end: int) -> int:
    """Where RFC 6962 splits a range: after the largest power of two smaller than its length."""
    return start + (1 << ((end - start - 1).bit_length() - 1))


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges whose hashes prove leaf `index` in a tree of `size`, from the leaf upward (RFC 6962, 2.1.1)."""
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size}")
    ranges, start, end = [], 0, size
    while end - start > 1:
        split = _split(start, end)
        if index < split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """The ranges whose hashes prove that the tree of `old` leaves begins the tree of `new` (RFC 6962, 2.1.2)."""
    if not 0 < old <= new:
        raise ProofError(f"no consistency proof from {old} to {new} leaves")
    ranges, start, end = [], 0, new
    while end > old:
        split = _split(start, end)
        if old <= split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    return [(start, end), *ranges[::-1]] if start else ranges[::-1]


def verify_inclusion(*, index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` is the hash at `index` of the tree with this size and root (RFC 9162, 2.1.3.2).

    Raises:
        ProofError: It is not, or the proof has a wrong form.
    """
    _demand_hashes(leaf, root, *proof)
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size}")
    have = leaf
    for sibling, left in _steps(index, size - 1, proof):
        have = node_hash(sibling, have) if left else node_hash(have, sibling)
    if have != root:
        raise ProofError(f"leaf {index} is not proven to be in the tree of {size}")


def verify_consistency(*, old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `new` leaves only appended to the tree of `old` leaves (RFC 9162, 2.1.4.2).

    `old` is at least 1: the empty tree proves nothing, so who accepts it must say so a layer above.

    Raises:
        ProofError: It did not, or the proof has a wrong form.
    """
    _demand_hashes(old_root, new_root, *proof)
    if not 0 < old <= new:
        raise ProofError(f"no consistency proof from {old} to {new} leaves")
    if old == new:
        if proof or old_root != new_root:
            raise ProofError(f"two different trees of {new} leaves")
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        raise ProofError("the consistency proof is empty")
    shared = (~(old - 1) & old).bit_length() - 1
    before = after = path[0]
    for sibling, left in _steps((old - 1) >> shared, (new - 1) >> shared, path[1:]):
        after = node_hash(sibling, after) if left else node_hash(after, sibling)
        before = node_hash(sibling, before) if left else before
    if before != old_root or after != new_root:
        raise ProofError(f"the tree of {new} leaves does not continue the tree of {old}")


def _steps(at: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Walk from node `at` of a row that ends with node `last` to the root: each sibling, and whether it stands left."""
    for sibling in proof:
        if not last:
            raise ProofError("the proof is too long")
        left = bool(at & 1) or at == last
        yield sibling, left
        while left and at and not at & 1:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")


def _demand_hashes(*hashes: bytes) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofError(f"every hash has exactly {HASH_BYTES} bytes")
