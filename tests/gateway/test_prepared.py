"""What a file is made with: keys that end, or follow one another, while it is under way."""

from collections.abc import Callable

import pytest

from gateway.changes import change_numbers
from gateway.demo.people import must
from gateway.keys import destroy, renounce, rotate
from gateway.outcome import CHANGED, Refused
from gateway.prepared import SUBJECTS
from gateway.receive import Received
from pseudonymisation.keyring import KeyRecord, Keyring, KeyState

from .conftest import World
from .records import delivered, events, sent
from .test_changes import NEW, document

YEAR, PURPOSE = "2026-2027", "counting-for-school"
ACTS = [
    lambda world, _: sent(world, drawn=2),
    lambda world, first: change_numbers(world.gateway, world.site(0), document(world, (first, NEW))),
]
EACH = pytest.mark.parametrize("act", ACTS, ids=["deliver", "change a number"])
Act = Callable[[World, bytes], object]


def cut_off(world: World, turn: Callable[..., object], purpose: str) -> None:
    """The key in use is put away, and the one that takes its place is not there yet."""
    store = Keyring._store

    def ends(ring: Keyring, record: KeyRecord, *, shredding: bool = False) -> KeyRecord:
        made = store(ring, record, shredding=shredding)
        if record.state is KeyState.DECRYPT_ONLY:
            raise InterruptedError
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keyring, "_store", ends)
        with pytest.raises(InterruptedError):
            turn(world.desk, purpose, YEAR)
    assert world.gateway.keyring.active(purpose, YEAR) is None


@EACH
@pytest.mark.parametrize("turn", [rotate, renounce])
def test_while_keys_follow_one_another_the_same_call_can_come_again(
    world: World, turn: Callable[..., object], act: Act
) -> None:
    """Between the two keys it is busy, with its entry: there is a key, the operator has none to make."""
    first, *_ = delivered(world)
    if turn is renounce:
        must(rotate(world.desk, PURPOSE, YEAR))
    cut_off(world, turn, PURPOSE)
    assert (act(world, first), events(world)[-1]) == (CHANGED, "submission.refused")
    must(turn(world.desk, PURPOSE, YEAR))
    assert not isinstance(act(world, first), Refused)


def test_while_the_log_s_key_turns_a_file_can_come_again(world: World) -> None:
    """The key of its tags is as good a reason to wait."""
    delivered(world)
    cut_off(world, rotate, SUBJECTS)
    assert sent(world, drawn=2) == CHANGED
    must(rotate(world.desk, SUBJECTS, YEAR))
    assert isinstance(sent(world, drawn=2), Received)


@EACH
@pytest.mark.parametrize("ends", ["renounced", "destroyed"])
def test_a_key_that_ends_before_it_opens_is_no_error(
    world: World, monkeypatch: pytest.MonkeyPatch, act: Act, ends: str
) -> None:
    """Found in use, and gone when it is to open: a file goes on under the next one, or is refused with an entry."""
    first, *_ = delivered(world)
    must(rotate(world.desk, PURPOSE, YEAR))
    key, chain = world.gateway.keyring.active(PURPOSE, YEAR), Keyring.chain
    assert key is not None
    left: list[Callable[[], object]] = [
        lambda: renounce(world.desk, PURPOSE, YEAR) if ends == "renounced" else destroy(world.desk, key.key_id)
    ]

    def ending(ring: Keyring, key_id: str) -> list[bytes]:
        while left:
            must(left.pop()())
        return chain(ring, key_id)

    monkeypatch.setattr(Keyring, "chain", ending)
    done, files = act(world, first), act is ACTS[0]
    assert isinstance(done, Received) if files and ends == "renounced" else isinstance(done, Refused)
    assert events(world)[-1] == ("submission.received" if isinstance(done, Received) else "submission.refused")
