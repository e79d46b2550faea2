"""The adversary keeps the log and signs what he likes: with bundles and receipts he means to deceive a verifier.

He counts on a reader who sees other bytes than were checked: a second file of one name, a second key in one object,
bytes after the end, digits that only look like digits, a name that rewrites the screen.
"""

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.checkpoint import Checkpoint, open_checkpoint
from audit.errors import NoteError
from audit.merkle import leaf_hash
from audit.note import Signature, Signer, encode_base64
from audit.quorum import parse_policy
from audit.receipt import Verdict, issue, verify_receipt, with_proof
from audit.tlog_proof import Proof
from audit.verify import Fault, Policy, Tree, check_bundle, check_receipt, main
from tests.audit.bundles import CONTENT, NONCE, POLICY, RECEIPTS, WITNESS, checkpoint_note, good_bundle, line_of
from tests.audit.world import MORNING, ORIGIN, root_of, signer

LAST_YEAR = signer("verzuimpoort.example/audit/2025-2026", 3)
BOTH_YEARS = POLICY.replace("quorum w", f"log {LAST_YEAR.key}\nquorum w")
RELAXED = POLICY.replace("quorum w", "quorum none")
Members = list[tuple[str, bytes]]


def _members() -> Members:
    """The files of a good bundle, in order, so that one name may stand there twice."""
    with good_bundle().zipped() as good:
        return [(name, good.read(name)) for name in good.namelist()]


def _fault(members: Members, policy: str = POLICY) -> str:
    """The kind of fault that the verifier finds in a zip file with these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the second file of one name, and writes it
        for name, data in members:
            made.writestr(name, data)
    with zipfile.ZipFile(out) as bundle:
        try:
            check_bundle(bundle, Policy(policy), [])
        except Fault as fault:
            return fault.kind
    return ""


def test_a_bundle_made_member_by_member_is_in_order() -> None:
    """What the attacks below change is in order before they do."""
    assert _fault(_members()) == ""


@pytest.mark.parametrize("name", ["entries.jsonl", "hashes", "checkpoints/0000000000000000033", "receipts/000000"])
def test_two_files_of_one_name_are_refused(name: str) -> None:
    """The verifier would read the last, a person who unpacks it the first."""
    first = (name, dict(_members())[name].replace(b"permit", b"denied"))
    assert _fault([first, *_members()]) == "bundle"


@pytest.mark.parametrize(
    "name",
    ["../policy.txt", "/etc/passwd", "checkpoints/../policy.txt", "receipts\\x", "entries.jsonl/", "C:x", "hashes\n"],
)
def test_a_bundle_holds_nothing_but_its_own_files(name: str) -> None:
    """Paths that lead out of the folder of who unpacks it, and files that nobody verified."""
    assert _fault([*_members(), (name, b"")]) == "bundle"


@pytest.mark.parametrize(
    ("name", "kind"), [("checkpoints/34", "checkpoint"), ("receipts/000001", "receipt"), ("policy.txt", "")]
)
def test_a_bomb_is_given_up_before_it_fills_the_memory(name: str, kind: str) -> None:
    """Sixty megabytes in sixty kilobytes: no more than the first megabyte is unpacked; the policy given is another."""
    rest = [member for member in _members() if member[0] != name]
    assert _fault([*rest, (name, b"\n" * 60_000_000)]) == kind


@pytest.mark.parametrize(
    ("member", "more", "kind"),
    [
        ("entries.jsonl", b"{}", "truncated"),
        ("entries.jsonl", b"\n", "surplus"),
        ("hashes", b"\0", "hashes"),
        ("checkpoints/0000000000000000033", b"\n", "checkpoint"),
        ("receipts/000000", b"\n", "checkpoint"),
    ],
)
def test_bytes_after_the_end_are_found(member: str, more: bytes, kind: str) -> None:
    """One byte more in any file of a bundle."""
    assert _fault([(name, data + more * (name == member)) for name, data in _members()]) == kind


def _selection(*chosen: tuple[bytes, int], ending: bytes = b"") -> Members:
    """A selection of the tree of 33, with honest proofs for these indexes beside these lines."""
    bundle = good_bundle()
    proofs = [
        {"index": index, "path": [encode_base64(each) for each in _path(bundle.hashes, index)]} for _, index in chosen
    ]
    return [
        ("checkpoints/33", bundle.notes[33].encode()),
        ("entries.jsonl", b"".join(line + b"\n" for line, _ in chosen) + ending),
        ("proofs.jsonl", "".join(f"{json.dumps(proof)}\n" for proof in proofs).encode()),
    ]


def _path(leaves: list[bytes], index: int) -> list[bytes]:
    """An inclusion proof by the definition of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < split:
        return [*_path(leaves[:split], index), root_of(leaves[split:])]
    return [*_path(leaves[split:], index - split), root_of(leaves[:split])]


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        (_selection((line_of(4), 4), (line_of(9), 9)), ""),
        (_selection((line_of(4), 4), (line_of(4), 4)), "repeated"),
        (_selection((line_of(4), 4), ending=b'{"event":"never.happened"}'), "surplus"),
        (_selection((line_of(5), 4)), "proof"),
    ],
)
def test_a_selection_says_no_more_than_it_proves(members: Members, kind: str) -> None:
    """An entry twice would count twice; bytes without a newline would be read by people and not by the verifier."""
    assert _fault(members) == kind


def _receipt(index: str = "0", *, line: Callable[[str], str] = lambda text: text, note: str = "") -> str:
    """A receipt of the only entry of a log, its line changed before the gateway signs it."""
    entry = line_of(0)
    honest = issue(RECEIPTS, kind="submission", entry=entry, made=MORNING, nonce=NONCE, details={})
    signed = str(RECEIPTS.sign(line(honest.partition("\n")[0]) + "\n"))
    proven = with_proof(signed, Proof(0, [], note or checkpoint_note([leaf_hash(entry)], 1)))
    return proven.replace("index 0", f"index {index}")


def _both(text: str, policy: str, content: bytes | None = CONTENT) -> tuple[bool, bool]:
    """Whether each of the two verifiers, which share no code, believes a receipt."""
    good = verify_receipt(text, parse_policy(policy), content).verdict in {Verdict.PROVEN, Verdict.UNWITNESSED}
    try:
        check_receipt(text, Policy(policy), content)
    except Fault:
        return good, False
    return good, True


def _twice(text: str) -> str:
    """The key `entry` a second time: some readers show the first, some the last."""
    return text.replace('"entry":', '"entry":{"decision":"deny"},"entry":')


CHANGES: dict[str, Callable[[str], str]] = {
    "two keys of one name": _twice,
    "half a character": lambda text: text.replace("permit", "\\ud800"),
    "an escape where none is needed": lambda text: text.replace("permit", "p\\u0065rmit"),
    "another order": lambda text: text.replace('"details":{},', "").replace('"v":1}', '"v":1,"details":{}}'),
    "a fraction": lambda text: text.replace(f'"ts":{MORNING}', f'"ts":{MORNING}.0'),
    "no number": lambda text: text.replace(f'"ts":{MORNING}', '"ts":NaN'),
    "no object": lambda _: '"entry"',
    "no entry": lambda text: text.replace('"entry"', '"entree"'),
    "nothing": lambda _: "",
    "a number as long as a book": lambda text: text.replace(f'"ts":{MORNING}', f'"ts":{"9" * 5_000}'),
    "a nest": lambda _: "[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_receipt_that_can_be_read_in_two_ways_is_refused_by_both(change: str) -> None:
    """The gateway itself signed it, so only the one spelling keeps two readers from seeing two receipts."""
    assert _both(_receipt(), RELAXED) == (True, True)
    assert _both(_receipt(line=CHANGES[change]), RELAXED) == (False, False)


@pytest.mark.parametrize("index", ["00", "\u0660", "+0", "0 ", "-0", "9" * 5_000])
def test_an_index_has_one_spelling(index: str) -> None:
    """Leading zeros, Arabic digits, signs: a digit for one program is none for another."""
    assert _both(_receipt(index), RELAXED) == (False, False)


@pytest.mark.parametrize("size", ["01", "\u0661", "1" * 5_000])
def test_a_size_has_one_spelling(size: str) -> None:
    """The same in a checkpoint, signed by the log."""
    text = f"{ORIGIN}\n{size}\n{encode_base64(root_of([leaf_hash(line_of(0))]))}\n"
    assert _both(_receipt(note=str(signer().sign(text))), RELAXED) == (False, False)


def test_the_receipt_of_one_year_does_not_pass_with_the_tree_of_another() -> None:
    """The checkpoint of the one log under the proof of the other, both years known: not proven, and no bundle's."""
    bundle = good_bundle()
    other = [leaf_hash(line_of(number + 500)) for number in range(33)]
    tree = Checkpoint(LAST_YEAR.key.name, 33, root_of(other))
    foreign = bundle.receipt.replace(bundle.notes[7], str(LAST_YEAR.sign(tree.text())))
    assert _both(foreign, BOTH_YEARS) == (False, False)
    members = [*_members(), ("checkpoints/34", str(LAST_YEAR.sign(tree.text())).encode())]
    assert _fault(members, BOTH_YEARS.replace("quorum w", "quorum none")) == "other-log"


def _note(*more: Signature) -> str:
    note = signer().sign(Checkpoint(ORIGIN, 1, root_of([leaf_hash(line_of(0))])).text())
    return f"{note}{''.join(map(str, more))}"


FALSE = Signature(ORIGIN, signer().key.id, bytes(64))


@pytest.mark.parametrize(
    ("more", "is_good"),
    [
        (Signer("stranger.example", bytes([5]) * 32).sign("x\n").signatures[0], True),
        (Signer(ORIGIN, bytes([5]) * 32).sign("x\n").signatures[0], True),
        (FALSE, False),
        (WITNESS.cosign(Checkpoint(ORIGIN, 1, bytes(32)), 9), False),
        (Signature(WITNESS.key.name, WITNESS.key.id, bytes(72)), False),
        (WITNESS.cosign(Checkpoint(ORIGIN, 1, root_of([leaf_hash(line_of(0))])), 9), True),
    ],
)
def test_a_second_signature_line_counts_only_for_its_own_key(more: Signature, is_good: bool) -> None:
    """A stranger's line is ignored, also under the log's name; a false one of a known key spoils the whole note."""
    assert _both(_receipt(note=_note(more)), RELAXED) == (is_good, is_good)


def test_an_empty_tree_has_one_root() -> None:
    """A signed size of nothing with another root, or a root of another length, is malformed for both."""
    for size, root in ((0, bytes(32)), (0, b"x"), (5, bytes(31))):
        note = str(signer().sign(f"{ORIGIN}\n{size}\n{encode_base64(root)}\n"))
        with pytest.raises(Fault, match="checkpoint"):
            Tree.parse(note, Policy(RELAXED))
        with pytest.raises(NoteError):
            open_checkpoint(note, [signer().key])


def test_a_name_cannot_rewrite_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bundle's own policy names a witness with escape codes that would wipe the warning off the screen."""
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, data in _members():
            made.writestr(name, data.replace(b"witness w ", b"witness w\x1b[2K ").replace(b"quorum w", b"quorum none"))
    assert main([str(path)]) == 1
    assert capsys.readouterr().out.endswith("[policy]\n")
