"""Checkpoints and cosignatures of C2SP: known answers, and one change at a time."""

import json
from pathlib import Path
from typing import Any

import pytest
from tlog_scales.signing import MLDSA44CosignatureVerifier, Vkey
from tlog_scales.tlog import Checkpoint as TheirCheckpoint

from audit.checkpoint import Checkpoint, Cosigner, cosigned_text, cosigned_tree, open_checkpoint, verify_cosignature
from audit.errors import NoteError
from audit.merkle import EMPTY_ROOT, leaf_hash
from audit.note import ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE, Key, Note, Signature, Signer, parse_note
from tests.audit.world import root_of

LOG = Signer("example.nl/log", bytes(range(32)))
TREE = Checkpoint("example.nl/log", 3, leaf_hash(b"root"))


@pytest.fixture(scope="module")
def known(shared: Path) -> dict[str, Any]:
    """Cosignatures of others and of our own, with their keys."""
    found: dict[str, Any] = json.loads((shared / "vectors/audit/cosignatures_and_receipts.json").read_text())
    return found


def test_the_16_checkpoints_of_a_small_log_open_and_follow_from_its_entries(shared: Path) -> None:
    """Each checkpoint of Tessera's test log verifies, and its root is the one of the log's entries."""
    small = json.loads((shared / "vectors/audit/small_log_16_checkpoints.json").read_text())
    trees = [open_checkpoint(each, [Key.parse(small["vkey"])]).checkpoint for each in small["checkpoints"]]
    assert [tree.size for tree in trees] == list(range(16))
    leaves = [leaf_hash(each.encode()) for each in small["entries"]]
    assert [leaf.hex() for leaf in leaves] == small["tile_0_leaf_hashes_hex"]
    assert [tree.root for tree in trees] == [root_of(leaves[:size]) for size in range(16)]


def test_the_example_of_the_specification_parses(known: dict[str, Any]) -> None:
    """Origin, size, the time of the cosignature, and the head of the text a witness signs."""
    note = parse_note(known["checkpoint"])
    tree = Checkpoint.parse(note.text)
    assert (tree.origin, tree.size) == ("example.com/behind-the-sofa", 20852163)
    time = int.from_bytes(note.signatures[1].payload[:8])
    assert time == known["cosignature_time"]
    assert cosigned_text(tree, time).startswith(known["signed_message_head"].encode())


def test_the_known_cosignature_holds(known: dict[str, Any]) -> None:
    """The derived witness line verifies under its key, with its time, and the ML-DSA-44 message is the known one."""
    case = known["derived"]
    tree = Checkpoint.parse(case["checkpoint_body"])
    line = parse_note(f"{case['checkpoint_body']}\n{case['cosignature_line']}").signatures[0]
    assert verify_cosignature(Key.parse(case["vkey"]), line, tree) == case["time"]
    assert cosigned_tree(case["witness"], tree, case["time"]).hex() == case["mldsa44_signed_message_hex"]


def test_a_witness_key_of_others_is_read(known: dict[str, Any]) -> None:
    """A published vkey of type 04 parses and is written the same."""
    for text in known["vkeys_type_4"]:
        assert str(Key.parse(text)) == text


@pytest.mark.parametrize("kind", [ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE])
def test_both_kinds_of_witness_are_believed_and_only_for_what_they_signed(kind: int) -> None:
    """A line holds for its checkpoint and time; for another size, root, time or key it refuses the note."""
    witness = Cosigner("witness.example/w1", bytes(32), kind)
    line = witness.cosign(TREE, 1_795_320_480)
    note = Note(TREE.text(), (*LOG.sign(TREE.text()).signatures, line))
    opened = open_checkpoint(str(note), [LOG.key], [witness.key])
    assert opened.cosigned == ((witness.key, 1_795_320_480),)
    assert (opened.checkpoint, opened.by) == (TREE, LOG.key)
    other = Checkpoint(TREE.origin, 4, TREE.root)
    late = Signature(line.name, line.key_id, (1_795_320_481).to_bytes(8) + line.payload[8:])
    for wrong_line, tree in ((line, other), (late, TREE)):
        with pytest.raises(NoteError, match="is wrong"):
            verify_cosignature(witness.key, wrong_line, tree)


def test_the_independent_implementation_believes_our_ml_dsa_witness() -> None:
    """A cosignature made here verifies there."""
    witness = Cosigner("witness.example/w1", bytes(32), ML_DSA_44_COSIGNATURE)
    line = witness.cosign(TREE, 1_795_320_480)
    theirs = TheirCheckpoint(TREE.origin, TREE.size, TREE.root, [])
    MLDSA44CosignatureVerifier(Vkey.from_string(str(witness.key))).verify(line.payload, theirs)


def test_an_unknown_witness_is_ignored_and_a_known_one_that_is_wrong_refuses() -> None:
    """Lines of strangers say nothing; a wrong line under a known name and id makes the checkpoint suspect."""
    witness = Cosigner("witness.example/w1", bytes(32))
    line = witness.cosign(Checkpoint(TREE.origin, 9, TREE.root), 1)
    note = str(Note(TREE.text(), (*LOG.sign(TREE.text()).signatures, line)))
    assert open_checkpoint(note, [LOG.key]).cosigned == ()
    with pytest.raises(NoteError):
        open_checkpoint(note, [LOG.key], [witness.key])


def test_a_checkpoint_counts_only_for_the_log_that_signs_under_its_own_origin() -> None:
    """A known log cannot sign for another origin."""
    other = Signer("example.nl/other", bytes(32))
    note = str(other.sign(TREE.text()))
    with pytest.raises(NoteError, match="no known key"):
        open_checkpoint(note, [LOG.key, other.key])


@pytest.mark.parametrize("time", [0, 2**63])
def test_a_cosignature_without_a_valid_time_is_refused(time: int) -> None:
    """Zero says nothing about what the witness saw; above 2^63 - 1 is not a time."""
    witness = Cosigner("witness.example/w1", bytes(32))
    with pytest.raises(NoteError, match="no valid time"):
        verify_cosignature(witness.key, witness.cosign(TREE, time), TREE)


@pytest.mark.parametrize(
    "text",
    ["o\n1\n", "o\n01\nAAAA\n", "o\n-1\nAAAA\n", "\n1\nAAAA\n", f"o\n1\n{'A' * 43}=\nextension\n", "o\n1\nAAAA\n",
     f"o\n0\n{'A' * 43}=\n", f"o\n1\n{'A' * 43}=", f"o\n12345678901234567890\n{'A' * 43}=\n"],
)  # fmt: skip
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    """Too short, leading zero, negative, no origin, an extension, a short root, a wrong empty root, no newline."""
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


def test_the_empty_tree_has_its_root() -> None:
    """Size 0 goes with the hash of nothing."""
    tree = Checkpoint("o", 0, EMPTY_ROOT)
    assert Checkpoint.parse(tree.text()) == tree


def test_a_log_key_is_no_witness_key() -> None:
    """A signature of type 01 never counts as a cosignature, nor does a witness print its private key."""
    with pytest.raises(NoteError, match="not a witness"):
        verify_cosignature(LOG.key, Signature(LOG.key.name, LOG.key.id, bytes(7) + b"\x01" + bytes(64)), TREE)
    witness = Cosigner("w", bytes(32))
    assert repr(witness) == f"Cosigner({str(witness.key)!r})"
