"""Receipts: issued at once, proven within a second, checked offline by two verifiers that share no code."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.checkpoint import Cosigner
from audit.entry import Object
from audit.errors import AuditError, EntryError
from audit.note import Note, Signer, parse_note
from audit.proofs import prove
from audit.quorum import parse_policy
from audit.receipt import Verdict, commit, equality_tag, issue, verify_receipt, with_proof
from audit.tlog_proof import Proof
from audit.verify import Fault, check_receipt
from audit.verify import Policy as TheirPolicy
from tests.audit.world import MORNING, World, entry, signer

RECEIPTS = Signer("verzuimpoort.example/receipts", bytes([9]) * 32)
WITNESS = Cosigner("witness.example/w1", bytes([8]) * 32)
NONCE, FILE = bytes(range(32)), b"subdivision;kind;band;pupils\nhavo;all;upto5;412\n"
POLICY = f"log {signer().key}\nreceipt {RECEIPTS.key}\nwitness w {WITNESS.key}\n"
RELAXED, STRICT = f"{POLICY}quorum none\n", f"{POLICY}quorum w\n"


@pytest.fixture
def promised(small_world: World) -> str:
    """A receipt as it is given at once."""
    made = small_world.append(entry(object=Object(f"submission:{0:032x}", commit(NONCE, FILE))))[0]
    small_world.leaf = made.leaf  # type: ignore[attr-defined]  # for the fixture below
    details = {"counts": [{"band": "upto5", "pupils": 412}]}
    return issue(RECEIPTS, kind="submission", entry=made.data, made=MORNING, nonce=NONCE, details=details)


@pytest.fixture
def proven(small_world: World, promised: str) -> str:
    """The same with its proof."""
    small_world.grow(4)
    return with_proof(promised, small_world.read(lambda c: prove(c, small_world.leaf)))  # type: ignore[attr-defined]


def _their_verdict(text: str, policy: str, content: bytes | None) -> str:
    """What the stand-alone verifier says, in the words of this room."""
    try:
        tree = check_receipt(text, TheirPolicy(policy), content)
    except Fault as fault:
        return {"file": "other-file", "unproven": "promised"}.get(fault.kind, "refused")
    return "proven" if TheirPolicy(policy).is_met(set(tree.cosigned)) else "unwitnessed"


@pytest.mark.parametrize(
    ("make", "policy", "content", "verdict"),
    [
        (lambda text: text, RELAXED, FILE, Verdict.PROVEN),
        (lambda text: text, RELAXED, None, Verdict.PROVEN),
        (lambda text: text, STRICT, FILE, Verdict.UNWITNESSED),
        (lambda text: text, RELAXED, FILE + b" ", Verdict.OTHER_FILE),
        (lambda text: text.partition("\n\nc2sp")[0] + "\n", RELAXED, FILE, Verdict.PROMISED),
        (lambda text: text.replace("412", "413"), RELAXED, FILE, Verdict.REFUSED),
        (lambda text: text.replace("index 1\n", "index 2\n"), RELAXED, FILE, Verdict.REFUSED),
        (lambda text: text, f"log {signer().key}\nquorum none\n", FILE, Verdict.REFUSED),
        (lambda text: text, f"receipt {RECEIPTS.key}\nquorum none\n", FILE, Verdict.REFUSED),
    ],
)
def test_a_receipt_is_worth_what_both_verifiers_say(
    proven: str, make: Callable[[str], str], policy: str, content: bytes | None, verdict: Verdict
) -> None:
    """Proven, unwitnessed, promised, of another file, changed, or signed by nobody we know."""
    text = make(proven)
    assert verify_receipt(text, parse_policy(policy), content).verdict == verdict
    assert _their_verdict(text, policy, content) == verdict


def test_under_a_former_key_only_what_is_in_the_log_counts(promised: str, proven: str) -> None:
    """The first receipt key of a policy is in use; whoever has one of the others promises nothing."""
    policy = RELAXED.replace("receipt ", f"receipt {Signer(RECEIPTS.key.name, bytes([7]) * 32).key}\nreceipt ")
    verdicts = [verify_receipt(each, parse_policy(policy), FILE).verdict for each in (proven, promised)]
    assert verdicts == [Verdict.PROVEN, Verdict.FORMER]
    assert _their_verdict(proven, policy, FILE) == "proven"


def test_a_proven_receipt_says_where_its_entry_stands_and_who_saw_it(proven: str) -> None:
    """Index, tree, cosignatures and content are there once they are proven; the reason is empty."""
    note = parse_note(Proof.parse(proven[proven.index("c2sp") :]).checkpoint)
    tree = verify_receipt(proven, parse_policy(RELAXED)).tree
    assert tree is not None
    line = WITNESS.cosign(tree.checkpoint, 1_795_420_900)
    seen = proven.replace(str(note), str(Note(note.text, (*note.signatures, line))))
    checked = verify_receipt(seen, parse_policy(STRICT), FILE)
    assert (checked.verdict, checked.index, checked.reason) == (Verdict.PROVEN, 1, "")
    assert checked.tree is not None
    assert checked.tree.cosigned == ((WITNESS.key, 1_795_420_900),)
    assert checked.content is not None
    assert checked.content["details"] == {"counts": [{"band": "upto5", "pupils": 412}]}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0), character=st.characters(codec="ascii"))
def test_one_changed_character_is_found_by_both_verifiers(proven: str, place: int, character: str) -> None:
    """Wherever one character is changed, the receipt is worth nothing, and the two verifiers agree."""
    place %= len(proven)
    changed = proven[:place] + character + proven[place + 1 :]
    verdict = verify_receipt(changed, parse_policy(RELAXED), FILE).verdict
    assert _their_verdict(changed, RELAXED, FILE) == verdict
    assert verdict == Verdict.PROVEN if changed == proven else verdict in {Verdict.REFUSED, Verdict.PROMISED}


@given(text=st.text(max_size=80))
def test_arbitrary_text_is_refused(text: str) -> None:
    """A verdict, never a crash."""
    assert verify_receipt(text, parse_policy(RELAXED)).verdict == Verdict.REFUSED


def test_a_later_proof_replaces_the_earlier_one(proven: str) -> None:
    """Fetching a receipt again does not make it grow."""
    again = with_proof(proven, Proof(1, [bytes(32)], "checkpoint\n"))
    assert again.count("tlog-proof") == 1
    assert again.endswith("checkpoint\n")


def test_a_commitment_hides_and_binds() -> None:
    """It differs with the nonce and with the file, and needs a nonce of 32 bytes."""
    assert len({commit(NONCE, FILE), commit(bytes(32), FILE), commit(NONCE, FILE + b"x")}) == 3
    with pytest.raises(AuditError, match="32 bytes"):
        commit(b"short", FILE)


def test_equal_bytes_are_recognised_by_who_holds_the_key_only() -> None:
    """The tag of a file is the same each time under one key and differs under another."""
    assert equality_tag(NONCE, FILE) == equality_tag(NONCE, FILE) != equality_tag(bytes(32), FILE)


def test_a_receipt_of_something_that_is_no_entry_is_not_issued() -> None:
    """The entry goes in as canonical bytes, and so do the details."""
    for data, details in ((b"{}x", {}), (b"{}", {"share": 0.5})):
        with pytest.raises(EntryError):
            issue(RECEIPTS, kind="submission", entry=data, made=1, details=details)  # type: ignore[dict-item]


def test_a_receipt_without_a_commitment_is_of_no_file(small_world: World) -> None:
    """An entry about no file gives a receipt that no file matches."""
    made = small_world.append(entry(object=None))[0]
    text = issue(RECEIPTS, kind="confirmation", entry=made.data, made=1, details={})
    assert verify_receipt(text, parse_policy(RELAXED), FILE).verdict == Verdict.OTHER_FILE
    assert _their_verdict(text, RELAXED, FILE) == "other-file"
