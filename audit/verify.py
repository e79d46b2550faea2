"""Check an audit log without trusting who made it: one file, standard library only; copy it anywhere and run it.

    python -m audit.verify [BUNDLE.zip] [--policy policy.txt] [--receipt RECEIPT [--file FILE]] [--lang en]

A bundle holds `entries.jsonl` (one entry a line: the exact bytes), `hashes` (32 bytes an entry), `checkpoints/<size>`,
`receipts/*`, `policy.txt`; or, when it is a selection, `proofs.jsonl` (index and path of each entry) for `hashes`.

1. Keys: the policy you give; else the bundle's own, which then vouches for itself, and the verdict says so.
2. Every checkpoint is signed by its log, and by each known witness whose line it carries; one root for one size.
3. The last checkpoint is cosigned by the quorum of the policy.
4. Every receipt is signed, is of the file you give, and is proven into a signed checkpoint.
5. Every entry is counted again, from its bytes, into the root of every checkpoint and receipt; a selection is proven.
It shares no code with the log it checks; the tests let the two judge each other.
"""

import argparse
import base64
import contextlib
import itertools
import json
import sys
import time
import zipfile
from collections.abc import Iterator
from hashlib import sha256, sha512
from pathlib import Path
from typing import IO, NamedTuple

HASH, SIGNATURE, MAX_ENTRY = 32, 64, 4096  # bytes
PROOF = "c2sp.org/tlog-proof@v1\n"
FAULTS = {
    "changed": ("is veranderd", "was changed"),
    "missing": ("ontbreekt", "is missing"),
    "inserted": ("is ertussen gevoegd", "was inserted"),
    "moved": ("staat op een andere plaats", "stands in another place"),
    "repeated": ("staat er twee keer", "stands there twice"),
    "truncated": ("ontbreekt, met alle regels erna", "is missing, with all that follow"),
    "surplus": ("staat na het einde", "stands after the end"),
    "hashes": ("heeft een andere hash in de hashlijst", "has another hash in the list of hashes"),
    "root": ("of een latere past niet bij een ondertekende stand", "or a later one does not fit a signed checkpoint"),
    "proof": ("is niet bewezen", "is not proven"),
    "fork": ("ondertekende standen spreken elkaar tegen", "signed checkpoints contradict each other"),
    "checkpoint": ("een stand heeft niet de juiste vorm", "a checkpoint is malformed"),
    "key": ("een stand is niet met een bekende sleutel ondertekend", "a checkpoint is signed by no known key"),
    "signature": ("de handtekening onder een stand klopt niet", "the signature of a checkpoint is wrong"),
    "cosignature": ("de handtekening van een getuige klopt niet", "the signature of a witness is wrong"),
    "quorum": ("er zijn te weinig getuigen", "there are too few witnesses"),
    "policy": ("het beleidsbestand heeft niet de juiste vorm", "the policy file is malformed"),
    "receipt": ("een ontvangstbewijs is vals of veranderd", "a receipt is false or changed"),
    "unproven": ("het ontvangstbewijs heeft nog geen bewijs: haal het opnieuw op", "the receipt has no proof yet"),
    "file": ("het ontvangstbewijs is niet van dit bestand", "the receipt is not of this file"),
    "bundle": ("de bundel is onleesbaar of onvolledig", "the bundle is unreadable or incomplete"),
}


class Fault(Exception):  # noqa: N818  to find one is a normal outcome, not an error of this program
    """What is wrong: a kind of `FAULTS`, and the index of the first entry it touches, if it touches one."""

    def __init__(self, kind: str, index: int | None = None) -> None:
        self.kind, self.index = kind, index


# Ed25519 (RFC 8032 section 5.1): verification only, so nothing here is secret and nothing needs constant time.
_P, _L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
_D, _ROOT = -121665 * pow(121666, -1, _P) % _P, pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]


def _decompress(data: bytes) -> _Point | None:
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * v**3 * pow(u * v**7, (_P - 5) // 8, _P) % _P
    x = x if (v * x * x - u) % _P == 0 else x * _ROOT % _P
    good = y < _P and not (v * x * x - u) % _P and (x or not sign)
    x = _P - x if x & 1 != sign else x
    return (x, y, 1, x * y % _P) if good else None


def _add(p: _Point, q: _Point) -> _Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    for bit in f"{scalar:b}":
        total = _add(total, total)
        total = _add(total, point) if bit == "1" else total
    return total


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this is the Ed25519 signature of the message by the holder of this public key."""
    a, r, s = _decompress(public), _decompress(signature[:HASH]), int.from_bytes(signature[HASH:], "little")
    if not a or not r or s >= _L or len(public) != HASH or len(signature) != SIGNATURE:
        return False
    k = int.from_bytes(sha512(signature[:HASH] + public + message).digest(), "little")
    left, right = _times(s, _BASE), _add(r, _times(k % _L, a))
    return all((left[i] * right[2] - right[i] * left[2]) % _P == 0 for i in (0, 1))


_BASE = _decompress((4 * pow(5, -1, _P) % _P).to_bytes(HASH, "little")) or (0, 1, 1, 0)


# Keys, policy, signed notes, checkpoints (C2SP signed-note, tlog-policy, tlog-checkpoint, tlog-cosignature).
class Key(NamedTuple):
    """A verifier key: name, id, kind (1 log or receipt, 4 witness, 6 witness whose kind is not judged here), bytes."""

    name: str
    id: bytes
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read a vkey."""
        name, _, rest = text.partition("+")
        key_id, _, material = rest.partition("+")
        data = _base64(material, "policy")
        if not name or sha256(f"{name}\n".encode() + data).hexdigest()[:8] != key_id:
            raise Fault("policy")
        return cls(name, bytes.fromhex(key_id), data[0], data[1:])


def _base64(text: str, kind: str) -> bytes:
    with contextlib.suppress(ValueError):
        data = base64.b64decode(text, validate=True)
        if data and base64.b64encode(data).decode() == text:
            return data
    raise Fault(kind)


class Policy:
    """Keys of logs, receipts and witnesses, and how many witnesses suffice."""

    def __init__(self, text: str) -> None:
        self.keys: dict[str, dict[str, Key]] = {"log": {}, "receipt": {}, "witness": {}}
        self.groups: list[list[str]] = []
        self.quorum = ""
        for kind, *words in (line.split() for line in text.split("\n") if line.strip()):
            if kind in self.keys and len(words) > (kind == "witness"):
                self.keys[kind][words[0]] = Key.parse(words[kind == "witness"])
            elif kind == "group" and words[2:]:
                self.groups.append(words)
            elif kind == "quorum" and words and not self.quorum:
                self.quorum = words[0]
            elif not kind.startswith("#"):
                raise Fault("policy")
        self.is_met(set())

    def is_met(self, cosigners: set[str]) -> bool:
        """Whether the witnesses with these names are enough."""
        seen = {"none": True} | {name: name in cosigners for name in self.keys["witness"]}
        try:
            for name, rule, *members in self.groups:
                needed = {"any": 1, "all": len(members)}.get(rule) or int(rule)
                seen[name] = 0 < needed <= sum(seen[member] for member in members)
            return seen[self.quorum]
        except (KeyError, ValueError):
            raise Fault("policy") from None


class Note(NamedTuple):
    """A signed note: its text, and the name, key id and bytes of each signature."""

    text: str
    lines: list[tuple[str, bytes, bytes]]

    @classmethod
    def parse(cls, text: str, kind: str) -> "Note":
        """Take a note apart; a malformed one is a fault of this kind."""
        body, blank, tail = text.rpartition("\n\n")
        words = [line.split(" ") for line in tail.split("\n")[:-1]]
        good = all(len(line) == 3 and line[0] == "\u2014" and line[1] for line in words)  # noqa: PLR2004  — name base64
        if not blank or not words or not good or not tail.endswith("\n") or any(c < " " and c != "\n" for c in text):
            raise Fault(kind)
        data = [_base64(line[2], kind) for line in words]
        return cls(body + "\n", [(line[1], each[:4], each[4:]) for line, each in zip(words, data, strict=True)])

    def signed(self, key: Key, kind: str) -> int | None:
        """When this key signed: seconds since 1970 UTC for a witness, else 0; None if it did not."""
        moment = None
        for name, key_id, payload in self.lines:
            if (name, key_id) == (key.name, key.id) and key.kind in {1, 4}:
                start = 8 if key.kind == 4 else 0  # noqa: PLR2004  a cosignature starts with its time
                moment = int.from_bytes(payload[:start], "big")
                message = f"cosignature/v1\ntime {moment}\n{self.text}" if start else self.text
                if not is_signed(key.public, payload[start:], message.encode()):
                    raise Fault(kind)
        return moment


class Tree(NamedTuple):
    """A checkpoint that its log signed: origin, size, root, key that signed, and who cosigned when."""

    origin: str
    size: int
    root: bytes
    key: Key
    cosigned: dict[str, int]

    @classmethod
    def parse(cls, text: str, policy: Policy) -> "Tree":
        """Verify a checkpoint and its cosignatures."""
        origin, *rest = (note := Note.parse(text, "checkpoint")).text.split("\n")
        if len(rest) != 3 or not rest[0].isdecimal() or str(int(rest[0])) != rest[0]:  # noqa: PLR2004  size, root, end
            raise Fault("checkpoint")
        mine = [key for key in policy.keys["log"].values() if key.name == origin]
        by = next((key for key in mine if note.signed(key, "signature") is not None), None)
        if not by:
            raise Fault("key")
        times = {name: note.signed(key, "cosignature") for name, key in policy.keys["witness"].items()}
        cosigned = {name: moment for name, moment in times.items() if moment is not None}
        return cls(origin, int(rest[0]), _base64(rest[1], "checkpoint"), by, cosigned)


# Merkle trees and proofs (RFC 6962, RFC 9162 section 2.1.3.2, C2SP tlog-proof).
def grow(peaks: list[tuple[int, bytes]], size: int, leaves: list[bytes]) -> None:
    """Add leaf hashes to a tree of `size`, of which level and hash of each largest perfect subtree are kept."""
    while leaves:
        level = len(leaves).bit_length() - 1
        level = min(level, (size & -size).bit_length() - 1) if size else level
        row, leaves, size = leaves[: 1 << level], leaves[1 << level :], size + (1 << level)
        while len(row) > 1:
            pairs = iter(row)
            row = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
        while peaks and peaks[-1][0] == level:
            row, level = [sha256(b"\x01" + peaks.pop()[1] + row[0]).digest()], level + 1
        peaks.append((level, row[0]))


def root_of(peaks: list[tuple[int, bytes]]) -> bytes:
    """Root hash of the tree with these perfect subtrees."""
    total = peaks[-1][1] if peaks else sha256().digest()
    for _, peak in reversed(peaks[:-1]):
        total = sha256(b"\x01" + peak + total).digest()
    return total


def prove(index: int, leaf: bytes, path: list[bytes], tree: Tree) -> None:
    """Follow an inclusion proof from a leaf hash to the root of a signed tree."""
    at, last, have = index, tree.size - 1, leaf
    for sibling in path:
        left = at & 1 or at == last
        have = sha256(b"\x01" + (sibling + have if left else have + sibling)).digest()
        if not last or len(sibling) != HASH:
            raise Fault("proof", index)
        while left and at and not at & 1:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    if not 0 <= index < tree.size or last or have != tree.root:
        raise Fault("proof", index)


def check_receipt(text: str, policy: Policy, content: bytes | None = None) -> Tree:
    """Step 4: verify a receipt; returns the tree it is proven into."""
    head, seam, proof = text.partition(f"\n\n{PROOF}")
    note = Note.parse(head + "\n" if seam else text, "receipt")
    if all(note.signed(key, "receipt") is None for key in policy.keys["receipt"].values()):
        raise Fault("receipt")
    line = json.loads(note.text)
    entry = json.dumps(line["entry"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    mark, nonce = line["entry"].get("object", {}).get("commitment"), bytes.fromhex(line.get("nonce", ""))
    if content is not None and mark != sha256(nonce + content).hexdigest():
        raise Fault("file")
    index, *path = proof.partition("\n\n")[0].split("\n")
    if not seam or not index.startswith("index ") or not index[6:].isdecimal():
        raise Fault("receipt" if seam else "unproven")
    tree = Tree.parse(proof.partition("\n\n")[2], policy)
    prove(int(index[6:]), sha256(b"\0" + entry).digest(), [_base64(each, "receipt") for each in path], tree)
    return tree


class Verdict(NamedTuple):
    """A check that found no fault: entries checked, whether that is the whole log, the last tree, receipts."""

    entries: int
    whole: bool
    tree: Tree
    receipts: int


def check_bundle(bundle: zipfile.ZipFile, policy: Policy, known: list[Tree]) -> Verdict:
    """Steps 2 to 5, also against trees already known from elsewhere; raises the first Fault."""
    names = sorted(bundle.namelist())
    notes = [bundle.read(name).decode() for name in names if name.startswith("checkpoints/")]
    trees = sorted((Tree.parse(note, policy) for note in notes), key=lambda tree: tree.size)  # 2
    if not trees or not policy.is_met(set(trees[-1].cosigned)):  # 3
        raise Fault("quorum" if trees else "bundle")
    last, roots = trees[-1], {tree.size: tree.root for tree in trees}
    receipts = [bundle.read(name).decode() for name in names if name.startswith("receipts/")]
    for tree in (*trees, *known, *(check_receipt(text, policy) for text in receipts)):  # 4
        if tree.origin != last.origin or roots.setdefault(tree.size, tree.root) != tree.root:
            raise Fault("fork")
    with bundle.open("entries.jsonl") as entries:  # 5
        if "proofs.jsonl" in names:
            return Verdict(_check_selection(entries, bundle.read("proofs.jsonl"), last), False, last, len(receipts))
        with bundle.open("hashes") as hashes:
            _count(entries, hashes, roots)
    return Verdict(last.size, True, last, len(receipts))


def _check_selection(entries: IO[bytes], proofs: bytes, tree: Tree) -> int:
    lines, paths = entries.read().split(b"\n")[:-1], [json.loads(line) for line in proofs.splitlines()]
    for line, proof in itertools.zip_longest(lines, paths):
        if line is None or proof is None:
            raise Fault("missing" if line is None else "surplus", proof and proof["index"])
        path = [_base64(each, "proof") for each in proof["path"]]
        prove(proof["index"], sha256(b"\0" + line).digest(), path, tree)
    return len(lines)


def _count(entries: IO[bytes], hashes: IO[bytes], roots: dict[int, bytes]) -> None:
    """Count every entry into every root; of what is wrong, name the first entry."""
    peaks, at, good, rest, suspect = list[tuple[int, bytes]](), 0, 0, b"", None
    while chunk := entries.read(MAX_ENTRY << 10):
        *lines, rest = (rest + chunk).split(b"\n")
        leaves, listed = [sha256(b"\0" + line).digest() for line in lines], hashes.read(HASH * len(lines))
        if not suspect and b"".join(leaves) != listed:
            suspect = _classify(at, leaves, listed + hashes.read(HASH))
        while leaves:
            size = min((size for size in roots if size > at), default=0)
            if not size:
                raise suspect or Fault("surplus", at)
            part, leaves = leaves[: size - at], leaves[size - at :]
            grow(peaks, at, part)
            at += len(part)
            if at == size and root_of(peaks) != roots[size]:
                raise suspect or Fault("root", good)
            good = size if at == size else good
        if len(rest) > MAX_ENTRY:
            raise suspect or Fault("changed", at)
    if rest or at < max(roots):
        raise suspect or Fault("truncated", at)
    if suspect or hashes.read(1):
        raise Fault("hashes", suspect.index if suspect else at)


def _classify(first: int, got: list[bytes], listed: bytes) -> Fault:
    want = [listed[at : at + HASH] for at in range(0, len(listed), HASH)]
    at = next(at for at, pair in enumerate(itertools.zip_longest(got, want)) if pair[0] != pair[1])
    here, after, instead = got[at : at + 1], got[at + 1 : at + 2], want[at : at + 1]
    late, early = here == want[at + 1 : at + 2], after == instead
    kinds = [(not instead, "surplus"), (late and early, "moved"), (late, "missing"), (early, "inserted")]
    kinds += [(here[0] in want[:at], "repeated"), (here[0] in want, "moved"), (True, "changed")]
    return Fault(next(kind for holds, kind in kinds if holds), first + at)


def main(arguments: list[str] | None = None) -> int:
    """Run the check and print the verdict; 0 in order, 1 a fault, 2 wrong use."""
    parser = argparse.ArgumentParser(prog="verify", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("bundle", nargs="?", type=Path)
    for option in ("--policy", "--receipt", "--file"):
        parser.add_argument(option, type=Path)
    parser.add_argument("--lang", choices=("nl", "en"), default="nl")
    given = parser.parse_args(arguments)
    if not given.bundle and not (given.receipt and given.policy):
        parser.error("BUNDLE, or --receipt with --policy")
    try:
        said, code = [*_run(given)], 0
    except Exception as error:  # noqa: BLE001  whatever a hostile bundle does to a parser, it is not in order
        fault, code = error if isinstance(error, Fault) else Fault("bundle"), 1
        at = ("", "") if fault.index is None else (f"regel {fault.index} ", f"entry {fault.index} ")
        nl, en = FAULTS[fault.kind]
        said = [(f"NIET IN ORDE: {at[0]}{nl} [{fault.kind}]", f"NOT IN ORDER: {at[1]}{en} [{fault.kind}]")]
    print("\n".join(sentence[given.lang == "en"] for sentence in said))  # noqa: T201  the verdict is the product
    return code


def _run(given: argparse.Namespace) -> Iterator[tuple[str, str]]:
    bundle, known = zipfile.ZipFile(given.bundle) if given.bundle else None, list[Tree]()
    policy = Policy(bundle.read("policy.txt").decode() if bundle and not given.policy else given.policy.read_text())
    if given.receipt:
        tree = check_receipt(given.receipt.read_text("utf-8"), policy, given.file.read_bytes() if given.file else None)
        if not policy.is_met(set(tree.cosigned)):
            raise Fault("quorum")
        known += [tree]
        yield "Ontvangstbewijs in orde.", "The receipt is in order."
    if bundle:
        entries, whole, tree, many = check_bundle(bundle, policy, known)
        yield f"In orde: {entries} regels, {many} bewijzen.", f"In order: {entries} entries, {many} receipts."
        if not whole:
            yield (
                "Een selectie: bewijst aanwezigheid, geen volledigheid.",
                "Selection: proves presence, not completeness.",
            )
    by, last = f"{tree.origin} ({tree.key.id.hex()})", tree.size - 1
    yield f"Gecontroleerd t/m regel {last}, ondertekend door {by}.", f"Verified up to entry {last}, signed by {by}."
    for name, seconds in sorted(tree.cosigned.items()):
        moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
        yield f"Medeondertekend door {name} op {moment}.", f"Cosigned by {name} at {moment}."
    if not given.policy:
        yield "LET OP: sleutels uit de bundel zelf; geef --policy.", "NOTE: the bundle's own keys; give --policy."


if __name__ == "__main__":
    sys.exit(main())
