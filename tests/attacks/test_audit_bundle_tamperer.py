"""The adversary has the bundle: he flips, drops, swaps, cuts, adds, repeats, and signs again with a key of his own.

Every one of his changes is found, with its kind and, where there is one, the first entry it touches.
"""

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.merkle import leaf_hash
from audit.note import Signer
from audit.verify import Fault, Policy, check_bundle, main
from tests.audit.bundles import POLICY, SIZES, Bundle, checkpoint_note, good_bundle, line_of
from tests.audit.world import ORIGIN

LAST = SIZES[-1]
THIEF = Signer(ORIGIN, bytes([66]) * 32)
IN_THE_LOG = {"changed", "missing", "inserted", "moved", "repeated", "truncated", "surplus"}
IN_A_NOTE = {"checkpoint", "key", "signature", "cosignature", "quorum", "fork"}
Judge = Callable[[Fault], bool]


def _at(index: int, kinds: set[str]) -> Judge:
    return lambda fault: fault.index == index and fault.kind in kinds


def _flip_entry(bundle: Bundle, chance: random.Random) -> Judge:
    """One bit of one entry, or of the newline after it."""
    index = chance.randrange(LAST)
    text = bytearray(b"".join(line + b"\n" for line in bundle.lines))
    start = sum(len(line) + 1 for line in bundle.lines[:index])
    text[start + chance.randrange(len(bundle.lines[index]) + 1)] ^= 1 << chance.randrange(8)
    bundle.lines = bytes(text).split(b"\n")
    bundle.ending = bundle.lines.pop()
    return _at(index, IN_THE_LOG)


def _drop(bundle: Bundle, chance: random.Random) -> Judge:
    index = chance.randrange(LAST)
    del bundle.lines[index]
    return _at(index, {"missing" if index < LAST - 1 else "truncated"})


def _swap(bundle: Bundle, chance: random.Random) -> Judge:
    first, second = sorted(chance.sample(range(LAST), 2))
    bundle.lines[first], bundle.lines[second] = bundle.lines[second], bundle.lines[first]
    return _at(first, {"moved"})


def _cut(bundle: Bundle, chance: random.Random) -> Judge:
    index = chance.randrange(LAST)
    del bundle.lines[index:]
    return _at(index, {"truncated"})


def _add(bundle: Bundle, chance: random.Random) -> Judge:
    index = chance.randrange(LAST + 1)
    bundle.lines.insert(index, line_of(chance.randrange(1000, 9999)))
    return _at(index, {"inserted" if index < LAST else "surplus"})


def _repeat(bundle: Bundle, chance: random.Random) -> Judge:
    """An entry a second time, somewhere else."""
    index, source = chance.randrange(LAST), chance.randrange(LAST)
    bundle.lines.insert(index, bundle.lines[source])
    return _at(index + (index == source), {"inserted", "repeated", "moved", "surplus"})


def _replace(bundle: Bundle, chance: random.Random) -> Judge:
    """An entry in the place of another."""
    index, source = chance.sample(range(LAST), 2)
    bundle.lines[index] = bundle.lines[source]
    return _at(index, {"repeated", "moved", "missing", "inserted"})


def _flip_hash(bundle: Bundle, chance: random.Random) -> Judge:
    index = chance.randrange(LAST)
    value = bytearray(bundle.hashes[index])
    value[chance.randrange(32)] ^= 1 << chance.randrange(8)
    bundle.hashes[index] = bytes(value)
    return _at(index, {"hashes"})


def _flip_note(bundle: Bundle, chance: random.Random) -> Judge:
    """One bit of a checkpoint: its text or a signature; of the last one also who cosigned."""
    size = chance.choice(SIZES)
    bundle.notes[size] = _flip(bundle.notes[size], chance, with_witness=size == LAST)
    return lambda fault: fault.kind in IN_A_NOTE | {"surplus", "root", "truncated"}


def _flip_receipt(bundle: Bundle, chance: random.Random) -> Judge:
    """One bit of a receipt, its proof, or the checkpoint in it."""
    bundle.receipt = _flip(bundle.receipt, chance, with_witness=False)
    return lambda fault: fault.kind in IN_A_NOTE | {"receipt", "proof", "unproven"}


def _flip(text: str, chance: random.Random, *, with_witness: bool) -> str:
    """One bit, anywhere; in the witness's line only where something rests on it.

    A line of a key nobody knows is ignored, as C2SP demands: making a stranger of an unneeded witness is no attack.
    """
    data = bytearray(text.encode())
    end = len(data) if with_witness else text.encode().rindex("\u2014".encode())
    data[chance.randrange(end)] ^= 1 << chance.randrange(7)
    return data.decode(errors="replace")


def _rewrite(bundle: Bundle, chance: random.Random) -> Judge:
    """An entry and its hash: found between the last checkpoint that still fits and the next."""
    index = chance.randrange(LAST)
    bundle.lines[index] = line_of(chance.randrange(1000, 9999))
    bundle.hashes[index] = leaf_hash(bundle.lines[index])
    good = max((size for size in SIZES if size <= index), default=0)
    return _at(good, {"root"})


def _sign_again(bundle: Bundle, chance: random.Random) -> Judge:
    """The same, and every checkpoint signed with a stolen name and a key of his own; the witness is bribed."""
    _rewrite(bundle, chance)
    bundle.notes = {size: checkpoint_note(bundle.hashes, size, THIEF) for size in SIZES}
    return _at_none({"key"})


def _at_none(kinds: set[str]) -> Judge:
    return lambda fault: fault.index is None and fault.kind in kinds


def _drop_note(bundle: Bundle, chance: random.Random) -> Judge:
    """A checkpoint left out: the log then goes on after its last signed size, or has no checkpoint for a receipt."""
    del bundle.notes[LAST]
    return _at(SIZES[-2], {"surplus"})


def _old_cosignature(bundle: Bundle, chance: random.Random) -> Judge:
    """The witness's line of an earlier checkpoint, replayed under the last."""
    earlier = chance.choice(SIZES[:-1])
    line = bundle.notes[earlier].rsplit("\u2014", 1)[1]
    bundle.notes[LAST] = bundle.notes[LAST].rsplit("\u2014", 1)[0] + "\u2014" + line
    return _at_none({"cosignature"})


ATTACKS = (_flip_entry, _drop, _swap, _cut, _add, _repeat, _replace, _flip_hash, _flip_note, _flip_receipt, _rewrite,
           _sign_again, _drop_note, _old_cosignature)  # fmt: skip


def _campaign(seed: int, rounds: int) -> list[str]:
    """Attacks that were not found as they should be."""
    chance, missed = random.Random(seed), []  # noqa: S311  a campaign repeats itself
    for number in range(rounds):
        attack = ATTACKS[number % len(ATTACKS)]
        bundle = good_bundle()
        judge = attack(bundle, chance)
        fault = bundle.fault()
        if fault is None or not judge(fault):
            missed.append(f"{number} {attack.__name__}: {fault and (fault.kind, fault.index)}")
    return missed


@pytest.mark.parametrize("seed", [1, 2])
def test_every_tampering_is_found_with_kind_and_index(seed: int) -> None:
    """A seeded slice of the campaign: 140 attacks of 14 kinds."""
    assert _campaign(seed, 140) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 20))
def test_ten_thousand_tamperings_are_found(seed: int) -> None:
    """The whole campaign: ten times a thousand attacks."""
    assert _campaign(seed, 1_000) == []


def test_a_bundle_broken_anywhere_gives_a_verdict_and_never_a_crash(tmp_path: Path) -> None:
    """One bit of the zip file itself, 200 times: in order only if every file it still names reads as it was.

    A directory cut short can lose a receipt, which nothing promised: the verdict says how many it checked.
    """
    chance, path, stream = random.Random(3), tmp_path / "bundle.zip", good_bundle().zipped().fp  # noqa: S311  repeatable
    assert stream is not None
    stream.seek(0)
    good = stream.read()
    files = _files(good)
    for _ in range(200):
        broken = bytearray(good)
        broken[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
        path.write_bytes(broken)
        code = main([str(path)])
        there = _files(bytes(broken)) if code == 0 else files
        assert {"entries.jsonl", "hashes"} <= there.keys()
        assert there.items() <= files.items()


def _files(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist() if name != "policy.txt"}


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    """Sixty megabytes without a newline are given up after the first chunk."""
    path, bundle = tmp_path / "bundle.zip", good_bundle()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("policy.txt", POLICY)
        made.writestr("hashes", b"")
        made.writestr("entries.jsonl", bytes(60_000_000))
        made.writestr(f"checkpoints/{LAST}", bundle.notes[LAST])
    with zipfile.ZipFile(path) as opened, pytest.raises(Fault) as found:
        check_bundle(opened, Policy(POLICY), [])
    assert (found.value.kind, found.value.index) == ("changed", 0)
