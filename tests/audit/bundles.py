"""Bundles to break: a log with three checkpoints, a witness, and a receipt, as files by name."""

import io
import zipfile
from dataclasses import dataclass

from audit.checkpoint import Checkpoint, Cosigner, open_checkpoint
from audit.merkle import leaf_hash
from audit.note import Note, Signer
from audit.receipt import commit, issue, with_proof
from audit.tlog_proof import Proof
from audit.verify import Fault, Policy, Tree, check_bundle
from tests.audit.world import MORNING, ORIGIN, root_of, signer

RECEIPTS = Signer("verzuimpoort.example/receipts", bytes([9]) * 32)
WITNESS = Cosigner("witness.example/w1", bytes([8]) * 32)
POLICY = f"log {signer().key}\nreceipt {RECEIPTS.key}\nwitness w {WITNESS.key}\nquorum w\n"
SIZES = (7, 20, 33)
CONTENT, NONCE = b"the file", bytes(32)


def line_of(number: int) -> bytes:
    """An entry that differs from every other."""
    about = f'{{"commitment":"{commit(NONCE, CONTENT).hex()}","id":"submission:{number:032x}"}}'
    return f'{{"decision":"permit","object":{about},"salt":"{number * 7919:032x}","ts":{MORNING},"v":1}}'.encode()


@dataclass
class Bundle:
    """The files of a bundle; entries as lines and hashes as a list, so that a test can change one."""

    lines: list[bytes]
    hashes: list[bytes]
    notes: dict[int, str]
    receipt: str
    ending: bytes = b""  # after the last newline: nothing, unless somebody flipped that newline

    def zipped(self) -> zipfile.ZipFile:
        """The bundle as a zip file."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made:
            made.writestr("policy.txt", POLICY)
            made.writestr("entries.jsonl", b"".join(line + b"\n" for line in self.lines) + self.ending)
            made.writestr("hashes", b"".join(self.hashes))
            for size, note in self.notes.items():
                made.writestr(f"checkpoints/{size:019d}", note)
            made.writestr("receipts/000000", self.receipt)
        return zipfile.ZipFile(out)

    def fault(self, *known: Tree, policy: str = POLICY) -> Fault | None:
        """The first fault the verifier finds."""
        try:
            check_bundle(self.zipped(), Policy(policy), list(known))
        except Fault as fault:
            return fault
        return None


def checkpoint_note(leaves: list[bytes], size: int, by: Signer | None = None) -> str:
    """A checkpoint of the first `size` leaves, signed by the log and cosigned by the witness."""
    tree = Checkpoint(ORIGIN, size, root_of(leaves[:size]))
    note = (by or signer()).sign(tree.text())
    return str(Note(note.text, (*note.signatures, WITNESS.cosign(tree, 1_795_420_900))))


def good_bundle() -> Bundle:
    """A bundle without a fault: 33 entries, checkpoints at 7, 20 and 33, the receipt of entry 5."""
    lines = [line_of(number) for number in range(SIZES[-1])]
    hashes = [leaf_hash(line) for line in lines]
    notes = {size: checkpoint_note(hashes, size) for size in SIZES}
    receipt = issue(RECEIPTS, kind="submission", entry=lines[5], made=MORNING, nonce=NONCE, details={})
    proof = Proof(5, _path(hashes[:7], 5), notes[7])
    return Bundle(lines, hashes, notes, with_proof(receipt, proof))


def tree_of(note: str) -> Tree:
    """A checkpoint as the verifier knows it."""
    open_checkpoint(note, [signer().key])
    return Tree.parse(note, Policy(POLICY))


def _path(leaves: list[bytes], index: int) -> list[bytes]:
    """An inclusion proof by the definition of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*_path(leaves[:split], index), root_of(leaves[split:])]
    return [*_path(leaves[split:], index - split), root_of(leaves[:split])]
