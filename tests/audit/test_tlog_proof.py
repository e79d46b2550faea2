"""The proof of an entry as one text: the known one, and what is refused."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import AuditError, NoteError, ProofError
from audit.merkle import leaf_hash
from audit.note import Key
from audit.quorum import Policy
from audit.tlog_proof import HEAD, Proof


def test_the_known_proof_holds_for_its_entry_and_no_other(shared: Path) -> None:
    """Entry `five` of Tessera's test log is proven; entry `six` is not; an unknown log's word counts for nothing."""
    folder = shared / "vectors/audit"
    case = json.loads((folder / "cosignatures_and_receipts.json").read_text())["derived_tlog_proof"]
    key = Key.parse(json.loads((folder / "small_log_16_checkpoints.json").read_text())["vkey"])
    proof = Proof.parse(case["proof"])
    assert str(proof) == case["proof"]
    assert proof.verify(leaf_hash(case["entry"].encode()), Policy(logs=(key,))).checkpoint.size == 15
    with pytest.raises(ProofError):
        proof.verify(leaf_hash(b"six"), Policy(logs=(key,)))
    with pytest.raises(NoteError):
        proof.verify(leaf_hash(case["entry"].encode()), Policy())


@given(index=st.integers(0, 2**60), path=st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_proof_survives_writing_and_reading(index: int, path: list[bytes]) -> None:
    """Index, path and checkpoint come back as they were."""
    proof = Proof(index, path, "origin\n1\nroot\n\nsignature\n")
    assert Proof.parse(str(proof)) == proof


@given(text=st.text(max_size=60).map(lambda text: HEAD + text) | st.text(max_size=60))
def test_arbitrary_text_is_refused_or_read(text: str) -> None:
    """Nothing crashes the parser."""
    with suppress(AuditError):
        assert str(Proof.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [f"{HEAD}index 01\n\nc", f"{HEAD}index 1", f"{HEAD}extra AAAA\nindex 1\n\nc", f"{HEAD}index -1\n\nc",
     "c2sp.org/tlog-proof@v2\nindex 1\n\nc", f"{HEAD}index 1\nAAA\n\nc", f"{HEAD}index 1\n" + "AAAA\n" * 64 + "\nc"],
)  # fmt: skip
def test_a_malformed_proof_is_refused(text: str) -> None:
    """Leading zero, no checkpoint, unauthenticated extra data, another version, sloppy base64, 64 hashes."""
    with pytest.raises(NoteError):
        Proof.parse(text)
