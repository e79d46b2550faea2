"""Merkle trees: the known answers of RFC 6962, an independent implementation, and a slow one that judges both."""

import base64
import itertools
import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlog_scales.tlog import ConsistencyProof, ConsistencyProofInvalid, InclusionProof, InclusionProofInvalid

from audit.errors import ProofError
from audit.merkle import (
    EMPTY_ROOT,
    Edge,
    Node,
    consistency_ranges,
    cover,
    fold,
    inclusion_ranges,
    leaf_hash,
    position,
    stored,
    verify_consistency,
    verify_inclusion,
)
from tests.audit.world import root_of

# The one probe whose roots have 12 bytes: it is valid in RFC 6962, and refused here by a stated rule.
TWELVE_BYTES = "consistency/additional/sizes-are-equal-one-and-proof-is-empty"


def slow_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + slow_root(leaves[:split]) + slow_root(leaves[split:])).digest()


@given(start=st.integers(0, 300), length=st.integers(0, 300))
def test_a_range_is_covered_by_the_fewest_perfect_subtrees(start: int, length: int) -> None:
    """They adjoin, make up the range, and no two of them make a perfect one together."""
    nodes = cover(start, start + length)
    spans = [(node.number << node.level, (node.number + 1) << node.level) for node in nodes]
    assert [at for span in spans for at in range(*span)] == [*range(start, start + length)]
    for left, right in itertools.pairwise(nodes):
        assert left.level != right.level or left.number & 1


def _leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


def _proof_of(leaves: list[bytes], ranges: list[tuple[int, int]]) -> list[bytes]:
    kept = Edge().extend(leaves)
    return [fold([kept[position(node)] for node in cover(*each)]) for each in ranges]


def _decode(probe: dict[str, object], name: str) -> bytes:
    return base64.b64decode(str(probe[name] or ""))


def _path_of(probe: dict[str, object]) -> list[bytes]:
    return [base64.b64decode(each) for each in probe["proof"] or []]  # type: ignore[attr-defined]  # JSON


def test_every_inclusion_probe_has_its_known_answer(shared: Path) -> None:
    """98 probes of the Go implementation: 6 hold, 92 are refused."""
    probes = json.loads((shared / "vectors/audit/rfc6962_inclusion.json").read_text())
    answers = []
    for probe in probes:
        try:
            verify_inclusion(
                index=probe["leafIdx"],
                size=probe["treeSize"],
                leaf=_decode(probe, "leafHash"),
                proof=_path_of(probe),
                root=_decode(probe, "root"),
            )
            answers.append(False)
        except ProofError:
            answers.append(True)
    assert answers == [probe["wantErr"] for probe in probes]
    assert len(probes) == 98


def test_every_consistency_probe_has_its_known_answer(shared: Path) -> None:
    """98 probes: 5 hold, 92 are refused, and the one with 12-byte roots is refused by the rule of 32 bytes."""
    probes = json.loads((shared / "vectors/audit/rfc6962_consistency.json").read_text())
    refused = set()
    for probe in probes:
        try:
            verify_consistency(
                old=probe["size1"],
                new=probe["size2"],
                old_root=_decode(probe, "root1"),
                new_root=_decode(probe, "root2"),
                proof=_path_of(probe),
            )
        except ProofError:
            refused.add(probe["case"])
    assert refused == {probe["case"] for probe in probes if probe["wantErr"]} | {TWELVE_BYTES}
    assert len(probes) == 98


def test_the_tree_of_eight_leaves_has_its_known_nodes_and_roots(shared: Path) -> None:
    """Every node stands at its position with its known hash, and every size has its known root."""
    known = json.loads((shared / "vectors/audit/rfc6962_tree_heads.json").read_text())
    leaves = [leaf_hash(bytes.fromhex(each)) for each in known["leaf_inputs_hex"]]
    kept = Edge().extend(leaves)
    for level, row in enumerate(known["node_hashes_hex_by_level"]):
        for number, node in enumerate(row):
            assert kept[position(Node(level, number))].hex() == node
    roots = known["root_hashes_hex_by_size"]
    sized = roots.items() if isinstance(roots, dict) else enumerate(roots)
    assert all(root_of(leaves[: int(size)]).hex() == root for size, root in sized)


def test_all_72_proofs_of_the_tree_of_eight_leaves_are_the_known_ones(shared: Path) -> None:
    """Made from stored nodes, every inclusion and consistency proof is the published one."""
    heads = json.loads((shared / "vectors/audit/rfc6962_tree_heads.json").read_text())
    leaves = [leaf_hash(bytes.fromhex(each)) for each in heads["leaf_inputs_hex"]]
    known = json.loads((shared / "vectors/audit/rfc6962_all_proofs_8_leaves_derived.json").read_text())
    for case in known["inclusion"]:
        made = _proof_of(leaves, inclusion_ranges(case["index"], case["size"]))
        assert [each.hex() for each in made] == case["proof_hex"]
    for case in known["consistency"]:
        made = _proof_of(leaves, consistency_ranges(case["size1"], case["size2"]))
        assert [each.hex() for each in made] == case["proof_hex"]
    assert len(known["inclusion"]) + len(known["consistency"]) == 72


@given(size=st.integers(0, 300))
def test_a_tree_grown_leaf_by_leaf_has_the_root_of_the_definition(size: int) -> None:
    """Growing in any size gives the root that RFC 6962 defines, and stores two nodes a leaf less the ones in n."""
    leaves, edge = _leaves_of(size), Edge()
    kept = [node for leaf in leaves for node in edge.extend([leaf])]
    assert edge.root() == slow_root(leaves)
    assert len(kept) == stored(size) == 2 * size - size.bit_count()


@given(size=st.integers(1, 300), data=st.data())
def test_every_leaf_is_proven_and_no_other_leaf_is(size: int, data: st.DataObject) -> None:
    """A proof holds for its own leaf, index, size and root, and for the independent implementation."""
    leaves, index = _leaves_of(size), data.draw(st.integers(0, size - 1))
    proof, root = _proof_of(leaves, inclusion_ranges(index, size)), slow_root(leaves)
    verify_inclusion(index=index, size=size, leaf=leaves[index], proof=proof, root=root)
    InclusionProof(index, size, proof).check(leaves[index], root)
    for wrong in ({"leaf": leaf_hash(b"other")}, {"index": (index + 1) % size} if size > 1 else {"index": 1}):
        right = {"index": index, "size": size, "leaf": leaves[index], "proof": proof, "root": root}
        with pytest.raises(ProofError):
            verify_inclusion(**(right | wrong))  # type: ignore[arg-type]  # a dictionary of mixed values


@given(old=st.integers(1, 300), more=st.integers(0, 300))
def test_a_tree_continues_each_of_its_earlier_trees(old: int, more: int) -> None:
    """A consistency proof holds for its two roots, and for the independent implementation."""
    leaves = _leaves_of(old + more)
    proof = _proof_of(leaves, consistency_ranges(old, old + more))
    roots = slow_root(leaves[:old]), slow_root(leaves)
    verify_consistency(old=old, new=old + more, old_root=roots[0], new_root=roots[1], proof=proof)
    ConsistencyProof(old, old + more, proof).check(*roots)


@given(old=st.integers(1, 200), more=st.integers(1, 200), place=st.integers(0, 199))
def test_a_tree_with_another_past_is_no_continuation(old: int, more: int, place: int) -> None:
    """Change one leaf of the past, and no honest proof of the new tree continues the old root."""
    leaves = _leaves_of(old + more)
    past = slow_root(leaves[:old])
    leaves[place % old] = leaf_hash(b"rewritten")
    proof = _proof_of(leaves, consistency_ranges(old, old + more))
    with pytest.raises(ProofError):
        verify_consistency(old=old, new=old + more, old_root=past, new_root=slow_root(leaves), proof=proof)


@given(
    index=st.integers(0, 70),
    size=st.integers(0, 70),
    proof=st.lists(st.sampled_from(_leaves_of(8)), max_size=8),
    leaf=st.sampled_from(_leaves_of(8)),
)
def test_two_verifiers_agree_on_any_inclusion_proof(index: int, size: int, proof: list[bytes], leaf: bytes) -> None:
    """On arbitrary input this verifier and the independent one give one answer."""
    root = _leaves_of(1)[0]
    try:
        InclusionProof(index, size, proof).check(leaf, root)
        theirs = True
    except InclusionProofInvalid:
        theirs = False
    try:
        verify_inclusion(index=index, size=size, leaf=leaf, proof=proof, root=root)
        ours = True
    except ProofError:
        ours = False
    assert ours == theirs


@given(
    old=st.integers(1, 40),
    new=st.integers(1, 40),
    proof=st.lists(st.sampled_from(_leaves_of(4)), max_size=6),
    roots=st.tuples(st.sampled_from(_leaves_of(4)), st.sampled_from(_leaves_of(4))),
)
def test_two_verifiers_agree_on_any_consistency_proof(
    old: int, new: int, proof: list[bytes], roots: tuple[bytes, bytes]
) -> None:
    """On arbitrary input this verifier and the independent one give one answer, from size 1 on."""
    try:
        ConsistencyProof(old, new, proof).check(*roots)
        theirs = True
    except ConsistencyProofInvalid:
        theirs = False
    try:
        verify_consistency(old=old, new=new, old_root=roots[0], new_root=roots[1], proof=proof)
        ours = True
    except ProofError:
        ours = False
    assert ours == theirs


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 3), (3, 2), (-1, 2)])
def test_nothing_is_proven_from_the_empty_tree_or_backwards(old: int, new: int) -> None:
    """Size 0 proves nothing and a tree does not shrink: both are refused, also with the empty proof."""
    with pytest.raises(ProofError):
        verify_consistency(old=old, new=new, old_root=EMPTY_ROOT, new_root=EMPTY_ROOT, proof=[])
    with pytest.raises(ProofError):
        consistency_ranges(old, new)


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33)])
def test_a_hash_has_32_bytes(wrong: bytes) -> None:
    """A shorter or longer leaf, root or proof hash is refused before anything is computed."""
    good = _leaves_of(1)[0]
    for leaf, root, proof in ((wrong, good, []), (good, wrong, []), (good, good, [wrong])):
        with pytest.raises(ProofError, match="32"):
            verify_inclusion(index=0, size=1, leaf=leaf, proof=proof, root=root)


def test_a_leaf_is_not_a_node() -> None:
    """The two prefixes differ, so the concatenation of two hashes cannot pass as an entry (second preimage)."""
    left, right = _leaves_of(2)
    assert leaf_hash(left + right) != root_of([left, right])


def test_an_edge_knows_how_many_peaks_its_size_has() -> None:
    """Five leaves have two perfect subtrees; another number is refused."""
    with pytest.raises(ProofError, match="2 hashes, not 1"):
        Edge(5, [bytes(32)])
