"""Proofs from stored nodes: they are the ones the tree has, for every entry, size and pair of sizes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import proofs
from audit.checkpoint import Cosigner, open_checkpoint
from audit.errors import LogBrokenError, NotLoggedError, ProofError
from audit.merkle import cover, leaf_hash, position, verify_consistency, verify_inclusion
from audit.proofs import Place, checkpoint, consistency, inclusion, locate, logs, prove, root, signed_note, signed_size
from audit.quorum import Policy, parse_policy
from tests.audit.world import World, entry, root_of

SIZE = 41
WITNESSES = [Cosigner(f"witness.example/w{number}", bytes([number + 1]) * 32) for number in range(4)]


@pytest.fixture
def leaves(world: World) -> list[bytes]:
    """The leaf hashes of a log of 41 entries."""
    made = world.grow(SIZE - 1)
    first = world.read(lambda c: c.exec_driver_sql("SELECT hash FROM audit_entry WHERE idx = 0").scalar_one())
    return [bytes(first), *(each.leaf for each in made)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_entry_is_proven_in_every_size(world: World, leaves: list[bytes], data: st.DataObject) -> None:
    """An inclusion proof from the database holds against the root of that size."""
    size = data.draw(st.integers(1, SIZE))
    index = data.draw(st.integers(0, size - 1))
    path = world.read(lambda c: inclusion(c, Place(1, index), size))
    verify_inclusion(index=index, size=size, leaf=leaves[index], proof=path, root=root_of(leaves[:size]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_size_continues_every_smaller_one(world: World, leaves: list[bytes], data: st.DataObject) -> None:
    """A consistency proof from the database holds against both roots, which the database gives too."""
    new = data.draw(st.integers(1, SIZE))
    old = data.draw(st.integers(1, new))
    path, roots = world.read(lambda c: (consistency(c, 1, old, new), (root(c, 1, old), root(c, 1, new))))
    assert roots == (root_of(leaves[:old]), root_of(leaves[:new]))
    verify_consistency(old=old, new=new, old_root=roots[0], new_root=roots[1], proof=path)


def test_the_upper_part_of_a_tree_is_looked_up_once(
    world: World, leaves: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proofs stay what they are when large subtrees come from memory, which does not grow beyond its bound."""
    asked: list[int] = []
    stored = proofs.nodes
    monkeypatch.setattr(proofs, "_KEPT_FROM", 2)
    monkeypatch.setattr(proofs, "nodes", lambda c, log, places: asked.extend(places) or stored(c, log, places))
    all_of_them = [(index, size) for size in range(1, SIZE + 1) for index in range(size)]

    def ask() -> list[list[bytes]]:
        return world.read(lambda c: [inclusion(c, Place(1, index), size) for index, size in all_of_them])

    first = ask()
    upper = {position(node) for start in range(0, SIZE, 4) for node in cover(start, SIZE) if node.level >= 2}
    assert upper & set(asked)
    asked.clear()
    assert ask() == first
    assert asked
    assert not upper & set(asked)
    monkeypatch.setattr(proofs, "_MOST_KEPT", 3)
    assert ask() == first
    assert len(proofs._kept[world.engine.pool]) <= 3 + SIZE.bit_length()
    root_41 = root_of(leaves)
    for (index, size), path in zip(all_of_them, first, strict=True):
        if size == SIZE:
            verify_inclusion(index=index, size=size, leaf=leaves[index], proof=path, root=root_41)


def test_the_sequencer_sees_what_is_stored_and_no_memory_of_it(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that was proven from before and is forged since stops the signing all the same."""
    monkeypatch.setattr(proofs, "_KEPT_FROM", 0)
    small_world.grow(SIZE - 1)
    small_world.read(lambda c: [root(c, 1, size) for size in range(1, SIZE + 1)])
    forge = "UPDATE audit_node SET hash = zeroblob(32) WHERE position = 62"
    small_world.sql("DROP TRIGGER audit_node_update_guard", forge)
    small_world.append(entry())
    with pytest.raises(LogBrokenError):
        small_world.step()


def test_an_entry_is_found_and_proven_by_its_leaf_hash(world: World) -> None:
    """From leaf hash to a text that proves it offline."""
    made = world.grow(5)[2]
    proof = world.read(lambda c: prove(c, made.leaf))
    tree = proof.verify(leaf_hash(made.data), Policy(logs=(world.key,)))
    assert (proof.index, tree.checkpoint.size) == (3, 6)


def test_what_is_not_sequenced_or_not_signed_yet_is_not_proven(world: World) -> None:
    """An entry is promised by its receipt until the sequencer has signed a tree that holds it."""
    made = world.append(entry())[0]
    with pytest.raises(NotLoggedError, match="no index yet"):
        world.read(lambda c: locate(c, made.leaf))
    crashed = world.sequencer_of()
    crashed._publish = lambda *_: None  # type: ignore[assignment]  # orders, and dies before it signs
    crashed.step(world.now)
    with pytest.raises(NotLoggedError, match="no checkpoint"):
        world.read(lambda c: prove(c, made.leaf))


def test_a_size_the_log_has_not_reached_is_refused(world: World) -> None:
    """Beyond the end there are no nodes, no checkpoints and no proofs."""
    world.grow(3)
    for ask in (lambda c: root(c, 1, 5), lambda c: consistency(c, 1, 4, 5), lambda c: checkpoint(c, 1, at_least=5),
                lambda c: signed_note(c, 1, 3), lambda c: root(c, 2, 1)):  # fmt: skip
        with pytest.raises(NotLoggedError):
            world.read(ask)
    with pytest.raises(ProofError):
        world.read(lambda c: inclusion(c, Place(1, 4), 4))


def test_the_state_of_a_log_is_read_in_one_look(world: World) -> None:
    """Number, origin, key, size; open. Without a log there is no state and no signed size."""
    assert world.read(logs) == []
    assert world.read(lambda c: signed_size(c, 1)) == 0
    world.grow(2)
    (state,) = world.read(logs)
    assert (state.log, state.key, state.size, state.is_closed) == (1, world.key, 3, False)
    size, note = world.read(lambda c: checkpoint(c, 1))
    assert open_checkpoint(note, [state.key]).checkpoint.size == size == world.read(lambda c: signed_size(c, 1)) == 3


@pytest.mark.parametrize(
    "quorum",
    ["quorum none", "quorum w2", "group g any w0 w1\nquorum g", "group g 2 w0 w1 w2 w3\nquorum g",
     "group three any w0 w1 w2\ngroup q all three w3\nquorum q", "group q all w0 w1 w2 w3\nquorum q"],
)  # fmt: skip
def test_the_checkpoint_asked_for_is_the_nearest_that_meets_the_quorum(world: World, quorum: str) -> None:
    """Each set of four witnesses under a size of its own: met as `is_met` says, of those the newest or the first."""
    policy = parse_policy("".join(f"witness w{at} {one.key}\n" for at, one in enumerate(WITNESSES)) + quorum)
    met, sizes = [], []
    for chosen in range(16):
        world.grow(1)
        these = [one for at, one in enumerate(WITNESSES) if chosen >> at & 1]
        sizes.append(world.cosign(*these))
        met += [sizes[-1]] if policy.is_met({one.key for one in these}) else []
    for at_least in (0, *sizes):
        good = [size for size in met if size >= at_least] or [size for size in sizes if size >= at_least]
        found = [world.read(lambda c, f=first, n=at_least: checkpoint(c, 1, at_least=n, policy=policy, first=f)[0])
                 for first in (False, True)]  # fmt: skip
        assert found == [good[-1], good[0]]
