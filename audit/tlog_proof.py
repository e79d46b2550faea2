"""The proof that an entry is in a log as one text (C2SP tlog-proof v1): index, path, signed checkpoint."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from audit.checkpoint import Signed, open_checkpoint
from audit.errors import NoteError
from audit.merkle import verify_inclusion
from audit.note import decode_base64, encode_base64
from audit.quorum import Policy

HEAD: Final = "c2sp.org/tlog-proof@v1\n"
MAX_PATH: Final = 63
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Proof:
    """Leaf index, the hashes of the path from the leaf upward, and the signed checkpoint they lead to."""

    index: int
    path: Sequence[bytes]
    checkpoint: str

    def __str__(self) -> str:
        path = "".join(f"{encode_base64(each)}\n" for each in self.path)
        return f"{HEAD}index {self.index}\n{path}\n{self.checkpoint}"

    @classmethod
    def parse(cls, text: str) -> "Proof":
        """Read a proof; an `extra` line, which nothing authenticates, is refused.

        Raises:
            NoteError: It is malformed.
        """
        head, blank, checkpoint = text.partition("\n\n")
        version, *lines = head.split("\n")
        match = _INDEX.fullmatch(lines[0]) if lines else None
        if version + "\n" != HEAD or not match or not blank or len(lines) > MAX_PATH + 1:
            raise NoteError("a proof has a version line, an index line, at most 63 hashes, and a checkpoint")
        return cls(int(match[1]), [decode_base64(line) for line in lines[1:]], checkpoint)

    def verify(self, leaf: bytes, policy: Policy) -> Signed:
        """Check that the path leads from a leaf hash to a checkpoint that a log of the policy signed.

        Whether enough witnesses cosigned it, the caller asks with `policy.is_met`.

        Raises:
            NoteError: The checkpoint is not signed by its log, or wrongly by a known witness.
            ProofError: The path does not lead there.
        """
        tree = open_checkpoint(self.checkpoint, policy.logs, policy.witness_keys())
        size, root = tree.checkpoint.size, tree.checkpoint.root
        verify_inclusion(index=self.index, size=size, leaf=leaf, proof=self.path, root=root)
        return tree
