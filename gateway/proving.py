"""The proof that an entry is in the log, by a checkpoint that enough witnesses cosigned where there is one."""

from collections.abc import Sequence
from dataclasses import dataclass

from audit.errors import NeverSignedError, NoteError, NotLoggedError
from audit.merkle import inclusion_ranges, node_hash
from audit.proofs import prove
from audit.quorum import Policy
from audit.tlog_proof import Proof
from gateway.context import Gateway
from gateway.outcome import Refused
from gateway.witnesses import known

FOLLOWS = Refused("proof-follows", retry_after=1)
"""It has no index yet, or no signed checkpoint holds it yet."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a proof: what is there already, joined with what the log gives for the entries beside it.

    Attributes:
        first: First entry that the neighbour's hash covers.
        last: Last entry it covers.
        left: The neighbour stands on the left.
        neighbour: Its hash.
        result: Hash of both together.
    """

    first: int
    last: int
    left: bool
    neighbour: str
    result: str


def proof_of(gateway: Gateway, entry_id: str) -> Proof | Refused:
    """The proof of the entry with this leaf hash; `FOLLOWS`, or that there will be none."""
    try:
        with gateway.reading() as session:
            return prove(session.connection(), bytes.fromhex(entry_id), quorum_of(gateway))
    except NeverSignedError:
        return Refused("proof-never")
    except NotLoggedError:
        return FOLLOWS


def quorum_of(gateway: Gateway) -> Policy | None:
    """Witnesses and quorum in force; None while their file is wrong: nothing waits for that, and the check tells it."""
    try:
        return known(gateway.home)
    except NoteError:
        return None


def steps_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> list[Step]:
    """The proof as steps from the leaf upward (RFC 6962 section 2.1.1)."""
    steps, have = [], leaf
    for (start, end), neighbour in zip(inclusion_ranges(index, size), path, strict=True):
        left = end <= index
        have = node_hash(neighbour, have) if left else node_hash(have, neighbour)
        steps.append(Step(start, end - 1, left, neighbour.hex(), have.hex()))
    return steps
