"""Check an audit log without trusting who made it: one file, standard library only; copy it anywhere and run it.

    python -m audit.verify [BUNDLE.zip] [--policy policy.txt] [--receipt RECEIPT [--file FILE]] [--lang en]

1. Keys: the policy you give; else the bundle's own, which then vouches for itself, and the verdict says so.
2. Every checkpoint is signed by its log, and by each known witness whose line it carries; one root for one size.
3. The last checkpoint is cosigned by the quorum of the policy.
4. Every receipt is signed, is of the file you give, and is proven into a signed checkpoint.
5. Every entry is counted again, from its bytes, into the root of every checkpoint and receipt; a selection is proven.
"""

import argparse
import base64
import contextlib
import functools
import io
import itertools
import json
import re
import sys
import time
import zipfile
from collections.abc import Iterator
from hashlib import sha256, sha512
from pathlib import Path
from typing import IO, NamedTuple

HASH, SIGNATURE, MAX_ENTRY, MAX_LINE, MAX_TEXT, MAX_TIME = 32, 64, 4096, 4098, 1_000_000, 253_402_300_799  # year 9999
MEMBER = re.compile(r"(policy|LEESMIJ)\.txt|(entries|proofs)\.jsonl|hashes|(checkpoints|receipts)/\w[\w.-]*", re.ASCII)
_spell = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
KINDS = {"log": {1}, "receipt": {1}, "witness": {4, 6}}  # of signatures: 1 Ed25519, 4 its cosignature, 6 of ML-DSA
SIGNED = re.compile(r"(\u2014 [^\s+]+ [A-Za-z0-9+/=]+\n)+")
NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
PROOF = "c2sp.org/tlog-proof@v1\n"
FAULTS = {
    "changed": ("is veranderd", "was changed"), "moved": ("staat op een andere plaats", "stands in another place"),
    "missing": ("ontbreekt", "is missing"), "repeated": ("staat er twee keer", "stands there twice"),
    "inserted": ("is ertussen gevoegd", "was inserted"), "surplus": ("staat na het einde", "stands after the end"),
    "proof": ("is niet bewezen", "is not proven"), "quorum": ("er zijn te weinig getuigen", "too few witnesses"),
    "truncated": ("ontbreekt, met alle regels erna", "is missing, with all that follow"),
    "hashes": ("heeft een andere hash in de hashlijst", "has another hash in the list of hashes"),
    "root": ("of een latere past niet bij een ondertekende stand", "or a later one does not fit a signed checkpoint"),
    "other-log": ("een stand of ontvangstbewijs is van logboek {0}, deze bundel van {1}: neem de bundel van {0}",
                  "a checkpoint or receipt is of log {0}, this bundle of {1}: take the bundle of {0}"),
    "fork": ("ondertekende standen spreken elkaar tegen", "signed checkpoints contradict each other"),
    "checkpoint": ("een stand heeft niet de juiste vorm", "a checkpoint is malformed"),
    "key": ("een stand is niet met een bekende sleutel ondertekend", "a checkpoint is signed by no known key"),
    "signature": ("de handtekening onder een stand klopt niet", "the signature of a checkpoint is wrong"),
    "cosignature": ("de handtekening van een getuige klopt niet", "the signature of a witness is wrong"),
    "policy": ("het beleidsbestand heeft niet de juiste vorm", "the policy file is malformed"),
    "receipt": ("een ontvangstbewijs is vals of veranderd", "a receipt is false or changed"),
    "unproven": ("het ontvangstbewijs heeft nog geen bewijs: haal het opnieuw op", "the receipt has no proof yet"),
    "file": ("het ontvangstbewijs is niet van dit bestand", "the receipt is not of this file"),
    "bundle": ("de bundel is onleesbaar of onvolledig", "the bundle is unreadable or incomplete"),
}  # fmt: skip


class Fault(Exception):  # noqa: N818  to find one is a normal outcome, not an error of this program
    """What is wrong: a kind of `FAULTS`, the index of the first entry it touches, if it touches one, and names."""

    def __init__(self, kind: str, index: int | None = None, *names: str) -> None:
        self.kind, self.index, self.names = kind, index, names


def _require(holds: object, kind: str, index: int | None = None, *names: str) -> None:
    if not holds:
        raise Fault(kind, index, *names)


# Ed25519 (RFC 8032 section 5.1): verification only, so nothing here is secret and nothing needs constant time.
_P, _L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
_D, _ROOT = -121665 * pow(121666, -1, _P) % _P, pow(2, (_P - 1) // 4, _P)
_BASE = (4 * pow(5, -1, _P) % _P).to_bytes(HASH, "little")
_Point = tuple[int, int, int, int]


def _decompress(data: bytes) -> _Point | None:
    sign, y = divmod(int.from_bytes(data, "little"), 1 << 255)
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
        total = _add(_add(total, total), point if bit == "1" else (0, 1, 1, 0))
    return total


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this is the Ed25519 signature of the message by the holder of this public key."""
    a, r, base = (_decompress(point) for point in (public, signature[:HASH], _BASE))
    s = int.from_bytes(signature[HASH:], "little")
    if not a or not r or not base or s >= _L or len(public) != HASH or len(signature) != SIGNATURE:
        return False
    k = int.from_bytes(sha512(signature[:HASH] + public + message).digest(), "little")
    left, right = _times(s, base), _add(r, _times(k % _L, a))
    return all((left[i] * right[2] - right[i] * left[2]) % _P == 0 for i in (0, 1))


class Key(NamedTuple):
    """A verifier key (C2SP signed-note): name, id, kind (1 log or receipt, 4 witness, 6 one not judged here), bytes."""

    name: str
    id: bytes
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read a vkey."""
        name, key_id, material = [*text.split("+", 2), "", ""][:3]
        data = _base64(material, "policy")
        _require(name and sha256(f"{name}\n".encode() + data).hexdigest()[:8] == key_id, "policy")
        return cls(name, bytes.fromhex(key_id), data[0], data[1:])


def _base64(text: str, kind: str) -> bytes:
    with contextlib.suppress(ValueError):
        if base64.b64encode(data := base64.b64decode(text, validate=True)).decode() == text and data:
            return data
    raise Fault(kind)


class Policy:
    """Keys of logs, receipts and witnesses, and how many witnesses suffice; no key and no name counts twice."""

    def __init__(self, text: str) -> None:
        self.keys: dict[str, dict[str, Key]] = {kind: {} for kind in KINDS}
        self.groups, self.quorum, free = dict[str, tuple[int, set[str]]](), "", set[str]()  # free: in no group yet
        for kind, *words in (line.split() for line in text.split("\n") if line.strip()[:1] not in {"", "#"}):
            named, names = kind in {"witness", "group"}, {"none", *self.keys["witness"], *self.groups}
            _require(words and not (named and words[0] in names), "policy")
            if kind in KINDS:
                key, others = Key.parse(words[named] if words[named:] else ""), self.keys[kind].values()
                _require(key.kind in KINDS[kind] and key not in others, "policy")
                _require(kind == "log" or all(key.public != other.public for other in others), "policy")
                self.keys[kind][words[0]] = key
            elif kind == "group":
                rule, members = "".join(words[1:2]), words[2:]
                needed = {"any": "1", "all": str(len(members))}.get(rule, rule)
                _require(needed in map(str, range(1, len(members) + 1)), "policy")
                _require(len(free.intersection(members)) == len(members), "policy")
                self.groups[words[0]], free = (int(needed), {*members}), free.difference(members)
            else:
                _require(kind == "quorum" and len(words) == 1 and words[0] in names and not self.quorum, "policy")
                self.quorum = words[0]
            free.update(words[:named])
        _require(self.quorum and "".join(text.split()).isprintable(), "policy")  # a name could rewrite the verdict

    def is_met(self, cosigners: set[str]) -> bool:
        """Whether the witnesses with these names are enough."""
        seen = {"none", *cosigners}
        for name, (needed, members) in self.groups.items():
            seen.update([name] if len(seen & members) >= needed else [])
        return self.quorum in seen


class Note(NamedTuple):
    """A signed note: its text, and the name, key id and bytes of each signature."""

    text: str
    lines: list[tuple[str, bytes, bytes]]

    @classmethod
    def parse(cls, text: str, kind: str) -> "Note":
        """Take a note apart; a malformed one is a fault of this kind."""
        body, blank, tail = text.rpartition("\n\n")
        _require(blank and SIGNED.fullmatch(tail) and all(c >= " " or c == "\n" for c in text), kind)
        lines = [(name, _base64(data, kind)) for _, name, data in map(str.split, tail.split("\n")[:-1])]
        return cls(body + "\n", [(name, data[:4], data[4:]) for name, data in lines])

    def signed(self, key: Key, kind: str) -> int | None:
        """When this key signed: seconds since 1970 UTC for a witness, else 0; None if it did not."""
        moment = None
        for name, key_id, payload in self.lines:
            if (name, key_id) == (key.name, key.id) and key.kind in {1, 4}:
                start = 8 if key.kind == 4 else 0  # noqa: PLR2004  a cosignature starts with its time
                moment = int.from_bytes(payload[:start], "big")
                text = (f"cosignature/v1\ntime {moment}\n{self.text}" if start else self.text).encode()
                if (start and not 0 < moment <= MAX_TIME) or not is_signed(key.public, payload[start:], text):
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
        _require(len(rest) == 3 and NUMBER.fullmatch(rest[0]), "checkpoint")  # noqa: PLR2004  size, root, end
        size, root = int(rest[0]), _base64(rest[1], "checkpoint")
        _require(len(root) == HASH and (size or root == sha256().digest()), "checkpoint")
        mine = [key for key in policy.keys["log"].values() if key.name == origin]
        by = next((key for key in mine if note.signed(key, "signature") is not None), None)
        if not by:
            raise Fault("key")
        cosigned = {name: at for name, key in policy.keys["witness"].items() if (at := note.signed(key, "cosignature"))}
        return cls(origin, size, root, by, cosigned)


def grow(peaks: list[tuple[int, bytes]], size: int, leaves: list[bytes]) -> None:
    """Add leaf hashes to a tree (RFC 6962) of which level and hash of each largest perfect subtree are kept."""
    while leaves:
        level = min(len(leaves), size & -size or len(leaves)).bit_length() - 1
        row, leaves, size = leaves[: 1 << level], leaves[1 << level :], size + (1 << level)
        while len(row) > 1:
            row = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
        while peaks and peaks[-1][0] == level:
            row, level = [sha256(b"\x01" + peaks.pop()[1] + row[0]).digest()], level + 1
        peaks.append((level, row[0]))


def prove(index: int, leaf: bytes, path: list[bytes], tree: Tree) -> None:
    """Follow an inclusion proof from a leaf hash to the root of a signed tree (RFC 9162 section 2.1.3.2)."""
    at, last, have = index, tree.size - 1, leaf
    for sibling in path:
        left = at & 1 or at == last
        have = sha256(b"\x01" + (sibling + have if left else have + sibling)).digest()
        _require(last and len(sibling) == HASH, "proof", index)
        while left and at and not at & 1:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    _require(0 <= index < tree.size and not last and have == tree.root, "proof", index)


def check_receipt(text: str, policy: Policy, content: bytes | None = None) -> Tree:
    """Step 4: verify a receipt; returns the tree it is proven into."""
    head, seam, proof = text.partition(f"\n\n{PROOF}")
    note = Note.parse(head + "\n" if seam else text, "receipt")
    _require(any(note.signed(key, "receipt") is not None for key in policy.keys["receipt"].values()), "receipt")
    is_plain = False  # two keys of one name, half a character: another reader would read another receipt
    with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
        line = json.loads(note.text, parse_float=int, parse_constant=int)  # int refuses what is no whole number
        is_plain, entry = _spell(line) + "\n" == note.text, _spell(line["entry"]).encode()
        mark, nonce = line["entry"].get("object", {}).get("commitment"), line.get("nonce", "")
    _require(is_plain, "receipt")
    if content is not None:
        secret = _base64(nonce, "receipt") if nonce else b""  # a longer one could hold the beginning of another file
        _require(len(secret) == HASH and mark == sha256(secret + content).hexdigest(), "file")
    index, *path = proof.partition("\n\n")[0].split("\n")
    if not seam or not index.startswith("index ") or not NUMBER.fullmatch(index[6:]):
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
    names = sorted(bundle.namelist())  # of two of one name, what unpacks it may show the other
    _require(len(set(names)) == len(names) and all(map(MEMBER.fullmatch, names)), "bundle")
    notes = [_text(bundle, name) for name in names if name.startswith("checkpoints/")]
    trees = sorted((Tree.parse(note, policy) for note in notes), key=lambda tree: tree.size)  # 2
    _require(trees and policy.is_met(set(trees[-1].cosigned)), "quorum" if trees else "bundle")  # 3
    last, roots = trees[-1], {tree.size: tree.root for tree in trees}
    receipts = [_text(bundle, name) for name in names if name.startswith("receipts/")]
    for tree in (*trees, *known, *(check_receipt(text, policy) for text in receipts)):  # 4
        _require(tree.origin == last.origin, "other-log", None, tree.origin, last.origin)
        _require(roots.setdefault(tree.size, tree.root) == tree.root, "fork")
    is_part = "proofs.jsonl" in names
    with bundle.open("entries.jsonl") as entries, bundle.open("proofs.jsonl" if is_part else "hashes") as beside:  # 5
        count = _check_selection(entries, beside, last) if is_part else _count(entries, beside, roots)
    return Verdict(count, not is_part, last, len(receipts))


def _text(bundle: zipfile.ZipFile, name: str) -> str:
    with bundle.open(name) as file:
        return file.read(MAX_TEXT).decode()  # of a bomb only the beginning, which nobody signed


def _check_selection(entries: IO[bytes], proofs: IO[bytes], tree: Tree) -> int:
    seen, files = set[int](), [iter(functools.partial(file.readline, MAX_LINE), b"") for file in (entries, proofs)]
    for line, beside in itertools.zip_longest(*files):
        _require(line and beside, "missing" if beside else "surplus")
        proof = json.loads(beside)
        index, path = proof["index"], [_base64(each, "proof") for each in proof["path"]]
        prove(index, sha256(b"\0" + line.removesuffix(b"\n")).digest(), path, tree)
        _require(index not in seen, "repeated", index)
        seen.add(index)
    return len(seen)


def _count(entries: IO[bytes], hashes: IO[bytes], roots: dict[int, bytes]) -> int:
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
            edge = [peak for _, peak in reversed(peaks)]
            root = functools.reduce(lambda right, left: sha256(b"\x01" + left + right).digest(), edge)
            if at == size and root != roots[size]:
                raise suspect or Fault("root", good)
            good = size if at == size else good
        if len(rest) > MAX_ENTRY:
            raise suspect or Fault("changed", at)
    if rest or at < max(roots):
        raise suspect or Fault("truncated", at)
    if suspect or hashes.read(1):
        raise Fault("hashes", suspect.index if suspect else at)
    return at


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
    parser = argparse.ArgumentParser("verify", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", nargs="?", type=Path)
    for option in ("--policy", "--receipt", "--file"):
        parser.add_argument(option, type=Path)
    parser.add_argument("--lang", choices=("nl", "en"), default="nl")
    given = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a screen may not have the letters of a name
    if not (given.bundle or (given.receipt and given.policy)) or (given.file and not given.receipt):
        parser.error("BUNDLE, or --receipt met/with --policy; --file met/with --receipt")
    if missing := next((path for path in vars(given).values() if isinstance(path, Path) and not path.is_file()), None):
        parser.error(f"{missing}: niet gevonden / not found")
    try:
        said, code = [*_run(given)], 0
    except Exception as error:  # noqa: BLE001  whatever a hostile bundle does to a parser, it is not in order
        fault, code = error if isinstance(error, Fault) else Fault("bundle"), 1
        at = ("", "") if fault.index is None else (f"regel {fault.index} ", f"entry {fault.index} ")
        nl, en = (sentence.format(*fault.names) for sentence in FAULTS[fault.kind])
        said = [(f"NIET IN ORDE: {at[0]}{nl} [{fault.kind}]", f"NOT IN ORDER: {at[1]}{en} [{fault.kind}]")]
    print("\n".join(sentence[given.lang == "en"] for sentence in said))  # noqa: T201  the verdict is the product
    return code


def _run(given: argparse.Namespace) -> Iterator[tuple[str, str]]:
    bundle, known, whole = zipfile.ZipFile(given.bundle) if given.bundle else None, list[Tree](), False
    policy = Policy(_text(bundle, "policy.txt") if bundle and not given.policy else given.policy.read_text("utf-8-sig"))
    if given.receipt:
        tree = check_receipt(given.receipt.read_text("utf-8"), policy, given.file.read_bytes() if given.file else None)
        _require(policy.is_met(set(tree.cosigned)), "quorum")
        known += [tree]
        yield "Ontvangstbewijs in orde.", "The receipt is in order."
    if bundle:
        entries, whole, tree, many = check_bundle(bundle, policy, known)
        yield f"In orde: {entries} regels, {many} bewijzen.", f"In order: {entries} entries, {many} receipts."
        if not whole:
            yield "Een selectie: bewijst aanwezigheid, geen volledigheid.", "It proves presence, not completeness."
    by, last = f"{tree.origin} ({tree.key.id.hex()})", tree.size - 1
    nl, en = ("Gecontroleerd", "Verified up to") if whole else ("Staat in het logboek", "Stands in the log up to")
    yield f"{nl} t/m regel {last}, ondertekend door {by}.", f"{en} entry {last}, signed by {by}."
    for name, seconds in sorted(tree.cosigned.items()):
        moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
        yield f"Medeondertekend door {name} op {moment}.", f"Cosigned by {name} at {moment}."
    if not given.policy:
        yield "LET OP: sleutels uit de bundel zelf; geef --policy.", "NOTE: the bundle's own keys; give --policy."


if __name__ == "__main__":
    sys.exit(main())
