"""That a tree only grew: the text a witness gets, and the check a monitor makes."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checkpoint import Checkpoint, open_checkpoint
from audit.continuation import Continuation, verify_continues
from audit.errors import AuditError, NoteError, ProofError
from audit.merkle import EMPTY_ROOT, leaf_hash
from audit.note import Key


def test_the_known_request_to_a_witness_continues_the_known_checkpoint(shared: Path) -> None:
    """From size 7 to 15 of Tessera's test log; the text comes back byte for byte."""
    folder = shared / "vectors/audit"
    body = json.loads((folder / "cosignatures_and_receipts.json").read_text())["derived_add_checkpoint_body"]
    small = json.loads((folder / "small_log_16_checkpoints.json").read_text())
    keys = [Key.parse(small["vkey"])]
    request = Continuation.parse(body)
    assert str(request) == body
    old, new = (open_checkpoint(each, keys).checkpoint for each in (small["checkpoints"][7], request.checkpoint))
    verify_continues(old, new, request.proof)
    with pytest.raises(ProofError):
        verify_continues(Checkpoint(old.origin, old.size, leaf_hash(b"another past")), new, request.proof)


@pytest.mark.parametrize(
    ("old", "new", "proof", "why"),
    [
        (("a", 1), ("b", 1), [], "two logs"),
        (("a", 2), ("a", 1), [], "went back"),
        (("a", 0), ("a", 1), [bytes(32)], "needs no proof"),
        (("a", 2), ("a", 2), [bytes(32)], "two different trees"),
    ],
)
def test_what_is_no_continuation_is_refused(
    old: tuple[str, int], new: tuple[str, int], proof: list[bytes], why: str
) -> None:
    """Another origin, an older tree, a proof where none is needed."""
    roots = EMPTY_ROOT if old[1] == 0 else leaf_hash(b""), leaf_hash(b"")
    with pytest.raises(ProofError, match=why):
        verify_continues(Checkpoint(*old, roots[0]), Checkpoint(*new, roots[1]), proof)


def test_every_tree_continues_the_empty_one() -> None:
    """The first time nothing is known yet, and no proof is needed."""
    verify_continues(Checkpoint("a", 0, EMPTY_ROOT), Checkpoint("a", 5, leaf_hash(b"")), [])


@given(text=st.text(max_size=60).map(lambda text: "old " + text) | st.text(max_size=60))
def test_arbitrary_text_is_refused_or_read(text: str) -> None:
    """Nothing crashes the parser."""
    with suppress(AuditError):
        assert str(Continuation.parse(text)) == text


@pytest.mark.parametrize("text", ["old 01\n\nc", "old 1\nc", "new 1\n\nc", "old 1\n" + "AAAA\n" * 64 + "\nc"])
def test_a_malformed_request_is_refused(text: str) -> None:
    """Leading zero, no empty line, another word, 64 hashes."""
    with pytest.raises(NoteError):
        Continuation.parse(text)
