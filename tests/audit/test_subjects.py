"""Data subjects: found for who asks, forgotten for who may be forgotten, and the log stays as it is."""

import hmac
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from audit.errors import AuditError, ProofError
from audit.leaf import parse
from audit.merkle import leaf_hash
from audit.proofs import prove
from audit.quorum import Policy
from audit.schema import SUBJECT
from audit.subjects import SLOT_BYTES, Subjects, erase_year, find, store, tag, tags
from tests.audit.world import World, entry, root_of

KEY, YEAR = bytes(range(32)), "2026-2027"
MAKE = random.Random(3).randbytes  # noqa: S311  a test repeats itself


def _tags(count: int, key: bytes = KEY) -> list[bytes]:
    return [tag(key, f"pid {number}".encode()) for number in range(count)]


def _logged(world: World, subjects: Subjects) -> bytes:
    with world.engine.begin() as connection:
        made = world.log.append(connection, entry(subjects_root=subjects.root))
        store(connection, subjects, YEAR)
    world.step()
    return made.leaf


def test_a_parents_request_leads_from_a_pseudonym_to_the_entries(world: World) -> None:
    """Two submissions held this pupil, one did not: two proofs, each up to the root in an entry of the log."""
    subjects = [Subjects.of(_tags(3), MAKE), Subjects.of(_tags(1), MAKE), Subjects.of(_tags(3)[1:], MAKE)]
    leaves = [_logged(world, each) for each in subjects]
    held = world.read(lambda c: find(c, _tags(1)))
    assert {each.root for each in held} == {subjects[0].root, subjects[1].root}
    for each in held:
        each.verify()
    roots = {each.root.hex() for each in held}
    entries = [parse(world.append(entry())[0].data)]  # an entry without subjects holds no root
    assert "subjects_root" not in entries[0]
    for leaf, mine in zip(leaves, subjects, strict=True):
        world.read(lambda c, leaf=leaf: prove(c, leaf)).verify(leaf, Policy(logs=(world.key,)))
        assert (mine.root.hex() in roots) is (mine is not subjects[2])


def test_a_destroyed_year_holds_no_tag(world: World) -> None:
    """All tags and salts of the year go at once, padding too; another year keeps its own."""
    _logged(world, Subjects.of(_tags(3), MAKE))
    with world.engine.begin() as connection:
        store(connection, Subjects.of(_tags(2), MAKE), "2027-2028")
        assert erase_year(connection, YEAR) == 64
    assert world.read(lambda c: c.scalars(select(SUBJECT.c.school_year)).all()) == ["2027-2028"]
    assert world.read(lambda c: find(c, _tags(1)))


@given(count=st.integers(0, 200))
def test_the_number_of_leaves_says_nothing_but_a_power_of_two(count: int) -> None:
    """At least 64, never fewer than the pupils, and padding cannot be told from a tag."""
    slots = Subjects.of(_tags(count), MAKE).slots
    leaves = [slots[start : start + SLOT_BYTES] for start in range(0, len(slots), SLOT_BYTES)]
    assert len(leaves) >= max(64, count)
    assert len(leaves).bit_count() == 1
    assert (tags := [each[16:] for each in leaves]) == sorted(tags)
    assert {len(each) for each in leaves} == {48}


@given(count=st.integers(0, 200))
def test_the_root_is_that_of_a_merkle_tree(count: int) -> None:
    """Over the hashes of salt and tag, as the log's own trees are made."""
    made = Subjects.of(_tags(count), MAKE)
    slots = (made.slots[start : start + SLOT_BYTES] for start in range(0, len(made.slots), SLOT_BYTES))
    assert made.root == root_of(map(leaf_hash, slots))


def test_only_the_roots_that_matter_are_searched(world: World) -> None:
    """Entries of others about the same pupil stay out of the answer."""
    subjects = [Subjects.of(_tags(3), MAKE), Subjects.of(_tags(2), MAKE)]
    for each in subjects:
        _logged(world, each)
    held = world.read(lambda c: find(c, _tags(1), [subjects[1].root]))
    assert [each.root for each in held] == [subjects[1].root]


def test_equal_subjects_have_different_roots() -> None:
    """Each entry has salts of its own, so two roots cannot be compared."""
    assert Subjects.of(_tags(5), MAKE).root != Subjects.of(_tags(5), MAKE).root


def test_a_tag_is_an_hmac() -> None:
    """As Python's own HMAC makes it, one by one and many at once."""
    wanted = [hmac.digest(KEY, b"nl-verzuim/log-subject/v1\x00" + each, "sha256") for each in (b"a", b"b" * 64)]
    assert tags(KEY, [b"a", b"b" * 64]) == wanted == [tag(KEY, b"a"), tag(KEY, b"b" * 64)]


def test_a_tag_needs_the_key_of_its_year() -> None:
    """Under another key a pseudonym has another tag; a key that is too short is refused."""
    assert tag(KEY, b"pid") != tag(bytes(32), b"pid")
    with pytest.raises(AuditError, match="32 bytes"):
        tag(b"short", b"pid")


def test_a_forged_proof_of_a_subject_is_refused(world: World) -> None:
    """Another tag under the same proof does not verify."""
    _logged(world, Subjects.of(_tags(3), MAKE))
    held = world.read(lambda c: find(c, _tags(1)))[0]
    forged = type(held)(held.root, _tags(2)[1], held.salt, held.place, held.size, held.proof)
    with pytest.raises(ProofError):
        forged.verify()
