"""The stand-alone verifier: its cryptography against another one, and every fault it names."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.checkpoint import Checkpoint
from audit.merkle import leaf_hash
from audit.note import Signer
from audit.receipt import issue, with_proof
from audit.tlog_proof import Proof
from audit.verify import FAULTS, PROOF, Fault, Policy, check_receipt, is_signed, main
from tests.audit.bundles import (
    CONTENT,
    NONCE,
    POLICY,
    RECEIPTS,
    SIZES,
    Bundle,
    checkpoint_note,
    good_bundle,
    line_of,
    tree_of,
)
from tests.audit.world import MORNING, ORIGIN, signer

THIEF = Signer(ORIGIN, bytes([66]) * 32)


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=80), flip=st.integers(0, 64 * 8 - 1))
def test_its_ed25519_believes_what_another_implementation_signs(seed: bytes, message: bytes, flip: int) -> None:
    """A signature made by `cryptography` holds; with one bit flipped, or over another message, it does not."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert is_signed(public, signature, message)
    assert not is_signed(public, signature, message + b"x")
    broken = bytearray(signature)
    broken[flip // 8] ^= 1 << flip % 8
    assert not is_signed(public, bytes(broken), message)


RFC_8032 = [  # section 7.1, tests 1 to 3: public key, first and second half of the signature, message
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901",
        "555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        "",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        "72",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        "af82",
    ),
]


@pytest.mark.parametrize(("public", "first", "second", "message"), RFC_8032)
def test_its_ed25519_has_the_known_answers(public: str, first: str, second: str, message: str) -> None:
    """The published signatures hold; with s raised by the group order they do not (malleability)."""
    key, known, text = (bytes.fromhex(each) for each in (public, first + second, message))
    assert is_signed(key, known, text)
    order = 2**252 + 27742317777372353535851937790883648493
    raised = known[:32] + (int.from_bytes(known[32:], "little") + order).to_bytes(32, "little")
    assert not is_signed(key, raised, text)


@pytest.mark.parametrize("public", [bytes(31), bytes(33), b"\xff" * 32, bytes([2]) + bytes(31)])
def test_a_public_key_that_is_no_point_verifies_nothing(public: bytes) -> None:
    """Wrong length, a coordinate beyond the field, or no point of the curve."""
    assert not is_signed(public, bytes(64), b"")


def test_a_good_bundle_has_no_fault() -> None:
    """Three checkpoints, a witness, a receipt, 33 entries: in order, also against a tree known from elsewhere."""
    bundle = good_bundle()
    assert bundle.fault() is None
    assert bundle.fault(tree_of(bundle.notes[20])) is None


def _set(files: str, at: int, value: bytes) -> Callable[[Bundle], None]:
    return lambda bundle: getattr(bundle, files).__setitem__(at, value)


def _swap(bundle: Bundle) -> None:
    bundle.lines[4], bundle.lines[11] = bundle.lines[11], bundle.lines[4]


def _swap_neighbours(bundle: Bundle) -> None:
    bundle.lines[4], bundle.lines[5] = bundle.lines[5], bundle.lines[4]


def _rewrite_history(bundle: Bundle) -> None:
    """An entry and its hash changed; the signatures are the old ones."""
    bundle.lines[12] = line_of(99)
    bundle.hashes[12] = _hash(bundle.lines[12])


def _resign(bundle: Bundle) -> None:
    """The same, and every checkpoint signed again, with a key of the same name."""
    _rewrite_history(bundle)
    bundle.notes = {size: checkpoint_note(bundle.hashes, size, THIEF) for size in bundle.notes}


def _hash(line: bytes) -> bytes:
    return leaf_hash(line)


@pytest.mark.parametrize(
    ("tamper", "kind", "index"),
    [
        (_set("lines", 9, line_of(99)), "changed", 9),
        (lambda bundle: bundle.lines.pop(9), "missing", 9),
        (lambda bundle: bundle.lines.pop(), "truncated", 32),
        (lambda bundle: bundle.lines.__delitem__(slice(10, None)), "truncated", 10),
        (lambda bundle: bundle.lines.insert(9, line_of(99)), "inserted", 9),
        (lambda bundle: bundle.lines.append(line_of(99)), "surplus", 33),
        (_swap, "moved", 4),
        (_swap_neighbours, "moved", 4),
        (_set("lines", 9, line_of(3)), "repeated", 9),
        (_set("hashes", 9, bytes(32)), "hashes", 9),
        (lambda bundle: bundle.hashes.pop(), "hashes", 32),
        (lambda bundle: bundle.hashes.append(bytes(32)), "hashes", 33),
        (_rewrite_history, "root", 7),
        (_resign, "key", None),
        (lambda bundle: bundle.notes.pop(33), "surplus", 20),
        (lambda bundle: bundle.notes.clear(), "bundle", None),
        (lambda bundle: bundle.notes.update({33: bundle.notes[33].replace("33", "34", 1)}), "signature", None),
        (lambda bundle: bundle.notes.update({33: bundle.notes[33][:-10]}), "checkpoint", None),
        (lambda bundle: bundle.notes.update({33: bundle.notes[33].rsplit("\u2014", 1)[0]}), "quorum", None),
        (lambda bundle: bundle.notes.update({33: _reline(bundle.notes[33], bundle.notes[20])}), "cosignature", None),
        (lambda bundle: bundle.notes.update({33: _first_line(bundle.notes[33])}), "key", None),
        (lambda bundle: bundle.notes.update({7: checkpoint_note([bytes(32)] * 7, 7)}), "fork", None),
        (lambda bundle: bundle.__setattr__("receipt", bundle.receipt.replace("permit", "deny")), "receipt", None),
        (lambda bundle: bundle.__setattr__("receipt", bundle.receipt.replace("index 5", "index 6")), "proof", 6),
        (lambda bundle: bundle.__setattr__("receipt", _promised(bundle.receipt)), "unproven", None),
    ],
)  # fmt: skip
def test_each_fault_is_named_with_its_kind_and_first_entry(
    tamper: Callable[[Bundle], object], kind: str, index: int | None
) -> None:
    """One thing is wrong, and the verdict says what and where."""
    bundle = good_bundle()
    tamper(bundle)
    fault = bundle.fault()
    assert fault is not None
    assert (fault.kind, fault.index) == (kind, index)


def _reline(note: str, other: str) -> str:
    """The checkpoint with the witness's line of another one."""
    return note.rsplit("\u2014", 1)[0] + "\u2014" + other.rsplit("\u2014", 1)[1]


def _promised(receipt: str) -> str:
    return receipt.partition("\n\nc2sp")[0] + "\n"


def _first_line(note: str) -> str:
    """The checkpoint with the witness's line only."""
    head, _, tail = note.partition("\n\n")
    return f"{head}\n\n\u2014{tail.rsplit(chr(0x2014), 1)[1]}"


def test_a_log_that_was_rolled_back_is_found_by_who_holds_a_later_checkpoint() -> None:
    """A shorter log with good signatures is in order by itself, and not against a later receipt."""
    late, bundle = tree_of(good_bundle().notes[33]), good_bundle()
    del bundle.lines[20:], bundle.hashes[20:], bundle.notes[33]
    assert bundle.fault() is None
    fault = bundle.fault(late)
    assert fault is not None
    assert (fault.kind, fault.index) == ("truncated", 20)


def test_a_split_view_is_found_by_who_holds_the_other_view() -> None:
    """Two checkpoints of one size, both with good signatures, cannot both be in order."""
    other = [_hash(line_of(number + 100)) for number in range(20)]
    fault = good_bundle().fault(tree_of(checkpoint_note(other, 20)))
    assert fault is not None
    assert fault.kind == "fork"


@pytest.mark.parametrize("lang", ["nl", "en"])
def test_a_good_receipt_of_another_year_is_told_which_bundle_to_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lang: str
) -> None:
    """It contradicts nothing: both logs are named, and that it is not of this bundle."""
    other = Signer(ORIGIN.replace("2026-2027", "2025-2026"), bytes([1]) * 32)
    path, policy = _files(tmp_path)
    policy.write_text(f"log {other.key}\n{POLICY}".replace("quorum w", "quorum none"))
    entry = line_of(500)
    tree = Checkpoint(other.key.name, 1, leaf_hash(entry))
    made = issue(RECEIPTS, kind="submission", entry=entry, made=MORNING, details={})
    (tmp_path / "receipt").write_text(with_proof(made, Proof(0, [], str(other.sign(tree.text())))))
    given = [str(path), "--policy", str(policy), "--receipt", str(tmp_path / "receipt"), "--lang", lang]
    assert main(given) == 1
    old, new = other.key.name, ORIGIN
    assert (
        capsys.readouterr().out
        == {
            "nl": f"NIET IN ORDE: een stand of ontvangstbewijs is van logboek {old}, deze bundel van {new}: "
            f"neem de bundel van {old} [other-log]\n",
            "en": f"NOT IN ORDER: a checkpoint or receipt is of log {old}, this bundle of {new}: "
            f"take the bundle of {old} [other-log]\n",
        }[lang]
    )


@pytest.mark.parametrize(
    ("entries", "proofs", "kind"),
    [
        (b"{}\n", b"", "surplus"),
        (b"", b'{"index":5,"path":[]}\n', "missing"),
        (b"{}\n", b'{"index":5,"path":[]}\n', "proof"),
        (b"{}\n", b'{"index":5,"path":["x"]}\n', "proof"),
        (b"{}\n", b"no json\n", "bundle"),
    ],
)
def test_a_selection_with_other_entries_or_proofs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], entries: bytes, proofs: bytes, kind: str
) -> None:
    """An entry without a proof, a proof without an entry, an entry with a proof of something else."""
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("policy.txt", POLICY)
        made.writestr("checkpoints/33", good_bundle().notes[33])
        made.writestr("entries.jsonl", entries)
        made.writestr("proofs.jsonl", proofs)
    assert main([str(path)]) == 1
    assert capsys.readouterr().out.endswith(f"[{kind}]\n")


@pytest.mark.parametrize("lang", ["nl", "en"])
def test_the_verdict_is_a_plain_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], lang: str) -> None:
    """Up to which entry, signed by whom, cosigned by whom and when; with foreign keys nothing more is said."""
    path, policy = _files(tmp_path)
    assert main([str(path), "--policy", str(policy), "--lang", lang]) == 0
    by = f"{ORIGIN} ({signer().key.id.hex()})"
    assert (
        capsys.readouterr().out.splitlines()
        == {
            "nl": [
                "In orde: 33 regels, 1 bewijzen.",
                f"Gecontroleerd t/m regel 32, ondertekend door {by}.",
                "Medeondertekend door w op 2026-11-23 08:01:40 UTC.",
            ],
            "en": [
                "In order: 33 entries, 1 receipts.",
                f"Verified up to entry 32, signed by {by}.",
                "Cosigned by w at 2026-11-23 08:01:40 UTC.",
            ],
        }[lang]
    )


def test_a_bundle_that_vouches_for_itself_is_said_to_do_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a policy from outside the keys are the bundle's own, and the verdict warns."""
    path, _ = _files(tmp_path)
    assert main([str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "LET OP: sleutels uit de bundel zelf; geef --policy."


def test_a_receipt_is_checked_with_its_file_and_against_a_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A school's receipt, its file, and the officer's bundle: in order together; of another file: not."""
    path, policy = _files(tmp_path)
    receipt, content, other = (tmp_path / name for name in ("receipt.txt", "file.csv", "other.csv"))
    receipt.write_text(good_bundle().receipt, "utf-8")
    content.write_bytes(CONTENT)
    other.write_bytes(CONTENT + b" ")
    given = ["--policy", str(policy), "--receipt", str(receipt)]
    assert main([*given, "--file", str(content)]) == 0
    assert main([str(path), *given, "--file", str(content)]) == 0
    assert "Ontvangstbewijs in orde." in capsys.readouterr().out
    assert main([*given, "--file", str(other), "--lang", "en"]) == 1
    assert capsys.readouterr().out == "NOT IN ORDER: the receipt is not of this file [file]\n"


def test_a_receipt_with_a_longer_nonce_is_of_no_other_file() -> None:
    """The beginning of the file moved into the nonce gives the same commitment, but not a second file."""
    bundle = good_bundle()
    moved = issue(
        RECEIPTS, kind="submission", entry=bundle.lines[5], made=MORNING, nonce=NONCE + CONTENT[:3], details={}
    )
    receipt = moved + bundle.receipt.removeprefix(bundle.receipt.partition(f"\n{PROOF}")[0])
    assert check_receipt(receipt, Policy(POLICY)).size == SIZES[0]
    with pytest.raises(Fault, match="file"):
        check_receipt(receipt, Policy(POLICY), CONTENT[3:])


def test_a_screen_without_the_letters_of_a_name_still_shows_the_verdict(tmp_path: Path) -> None:
    """A witness with an accent in its name, printed where there are no accents: written out, not an error."""
    path, policy = _files(tmp_path)
    policy.write_text(POLICY.replace("witness w", "witness caf\u00e9").replace("quorum w", "quorum caf\u00e9"), "utf-8")
    run = [sys.executable, "-m", "audit.verify", str(path), "--policy", str(policy)]
    said = subprocess.run(run, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=True).stdout
    assert rb"Medeondertekend door caf\xe9 op" in said


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_is_said_to_be_unreadable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    """An empty file, another file, an empty zip: a verdict and not a traceback."""
    path = tmp_path / "bundle.zip"
    path.write_bytes(content)
    assert main([str(path), "--lang", "en"]) == 1
    assert "[bundle]" in capsys.readouterr().out


def test_wrong_use_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to check: exit code 2 and what to give."""
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "BUNDLE" in capsys.readouterr().err


def test_a_file_without_its_receipt_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bundle says nothing of a file: whoever gives one and no receipt is not told that all is in order."""
    path, policy = _files(tmp_path)
    (tmp_path / "file.csv").write_bytes(CONTENT)
    with pytest.raises(SystemExit) as stopped:
        main([str(path), "--policy", str(policy), "--file", str(tmp_path / "file.csv")])
    assert stopped.value.code == 2
    assert "--file met/with --receipt" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["bundle.zip", "policy.txt"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str) -> None:
    """A mistyped name is wrong use, not a verdict on a log."""
    path, policy = _files(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(SystemExit) as stopped:
        main([str(path), "--policy", str(policy)])
    assert stopped.value.code == 2
    assert missing in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["", "quorum x", "log x\nquorum none", "group g 1 a\nquorum g", "nonsense"])
def test_a_malformed_policy_is_a_fault(policy: str) -> None:
    """No quorum, an unknown witness, no key, an unknown member, an unknown line."""
    with pytest.raises(Fault, match="policy"):
        Policy(policy)


def test_every_kind_of_fault_has_a_sentence_in_two_languages() -> None:
    """No fault is told in one language only."""
    assert all(len({*texts, ""}) == 3 for texts in FAULTS.values())


def _files(folder: Path) -> tuple[Path, Path]:
    path, policy = folder / "bundle.zip", folder / "policy.txt"
    stream = good_bundle().zipped().fp
    assert stream is not None
    stream.seek(0)
    path.write_bytes(stream.read())
    policy.write_text(POLICY)
    return path, policy
