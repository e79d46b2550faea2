"""That a tree only grew: an old size, the consistency proof, and the new signed checkpoint, as one text.

It is the body that a log sends to a witness (C2SP tlog-witness `add-checkpoint`), and the answer to a school or
recipient that sent the last checkpoint it saw:

    old 20852014
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
    …

    verzuimpoort.example.nl/audit/2026-2027
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — verzuimpoort.example.nl/audit/2026-2027 Az3grlgtzPIC…
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from audit.checkpoint import Checkpoint
from audit.errors import NoteError, ProofError
from audit.merkle import verify_consistency
from audit.note import decode_base64, encode_base64

MAX_PROOF: Final = 63
_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Continuation:
    """From `old` entries, by `proof`, to the signed `checkpoint`."""

    old: int
    proof: Sequence[bytes]
    checkpoint: str

    def __str__(self) -> str:
        lines = "".join(f"{encode_base64(each)}\n" for each in self.proof)
        return f"old {self.old}\n{lines}\n{self.checkpoint}"

    @classmethod
    def parse(cls, text: str) -> "Continuation":
        """Read one.

        Raises:
            NoteError: It is malformed.
        """
        head, blank, checkpoint = text.partition("\n\n")
        first, *lines = head.split("\n")
        match = _OLD.fullmatch(first)
        if not match or not blank or len(lines) > MAX_PROOF:
            raise NoteError("write `old <size>`, at most 63 hashes, an empty line, and a checkpoint")
        return cls(int(match[1]), [decode_base64(line) for line in lines], checkpoint)


def verify_continues(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """Check that `new` is the tree of `old`, with nothing but entries added.

    Both must have been opened with the log's key. The empty tree is continued by every tree, without a proof.

    Raises:
        ProofError: It is another log, an older tree, or a tree with another past: somebody rewrote the log.
    """
    if old.origin != new.origin:
        raise ProofError("these checkpoints are of two logs")
    if new.size < old.size:
        raise ProofError(f"the log went back from {old.size} to {new.size} entries")
    if old.size == 0:
        if proof:
            raise ProofError("the empty tree needs no proof")
        return
    verify_consistency(old=old.size, new=new.size, old_root=old.root, new_root=new.root, proof=proof)
