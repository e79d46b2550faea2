"""The pseudonym service as adversary: it wants to recognise a school's pupils, or to give wrong pseudonyms."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from pseudonymisation.client import Refusal, ServiceSource
from pseudonymisation.domain import number_input, service_info
from pseudonymisation.oprf import blind, evaluate
from pseudonymisation.text64 import from_text, to_text
from tests.pseudonymisation.world import PERIOD, YEAR, World, numbers

INFO = service_info(YEAR)
INPUTS = [number_input(digits) for digits in numbers(4)]
Elements = Sequence[bytes]
Cheat = Callable[[bytes, Elements], bytes]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The honest world whose key the school pinned."""
    with World(tmp_path) as made:
        yield made


def asked(world: World, cheat: Cheat, **changes: object) -> list[bytes] | Refusal:
    """What a school makes of a service that answers as the cheat does, given its seed and the blinded elements."""
    seed = world.keyring.secret(world.key.key_id)

    def handler(request: httpx.Request) -> httpx.Response:
        elements = [from_text(one, 32) for one in json.loads(request.content)["blinded"]]
        raw = cheat(seed, elements)
        evaluated = [to_text(raw[at : at + 32]) for at in range(64, len(raw), 32)]
        body = {"key_id": world.key.key_id, "proof": to_text(raw[:64]), "evaluated": evaluated, "remaining": 1}
        return httpx.Response(200, json=body | changes)

    http = httpx.Client(transport=httpx.MockTransport(handler), base_url="http://service")
    return ServiceSource(http, world.key, PERIOD).evaluate(INPUTS, missing=len(INPUTS))


def honest(seed: bytes, elements: Elements) -> bytes:
    """What the service should do."""
    return evaluate(seed, INFO, elements)


def under_a_key_for_this_school(_: bytes, elements: Elements) -> bytes:
    """Tag the pupils of one school with a key of its own."""
    return evaluate(b"per-school-key--per-school-key--", INFO, elements)


def under_last_years_key(seed: bytes, elements: Elements) -> bytes:
    """Join two school years."""
    return evaluate(seed, service_info("2025-2026"), elements)


def tag_one_pupil(seed: bytes, elements: Elements) -> bytes:
    """Evaluate one element under another key, under the proof of the honest batch."""
    good, other = honest(seed, elements), under_a_key_for_this_school(seed, elements)
    return good[:96] + other[96:128] + good[128:]


def swap_two(seed: bytes, elements: Elements) -> bytes:
    """Give two pupils each other's pseudonym."""
    good = honest(seed, elements)
    return good[:64] + good[96:128] + good[64:96] + good[128:]


def evaluate_in_another_order(seed: bytes, elements: Elements) -> bytes:
    """A valid proof, but of the elements in another order."""
    return honest(seed, elements[::-1])


def give_one_pupil_twice(seed: bytes, elements: Elements) -> bytes:
    """Let two pupils fall together."""
    good = honest(seed, elements)
    return good[:96] + good[64:96] + good[128:]


def drop_the_last(seed: bytes, elements: Elements) -> bytes:
    """A valid proof of a shorter batch."""
    return honest(seed, elements[:-1])


def add_one(seed: bytes, elements: Elements) -> bytes:
    """A valid proof of a longer batch."""
    return honest(seed, [*elements, elements[0]])


def answer_another_batch(seed: bytes, elements: Elements) -> bytes:
    """Replay the valid answer to a batch of somebody else."""
    return honest(seed, blind([b"%d" % index for index in range(len(elements))]).elements)


def return_what_came(seed: bytes, elements: Elements) -> bytes:
    """Evaluate with the key 1: every school could compute it."""
    return honest(seed, elements)[:64] + b"".join(elements)


def give_the_identity(seed: bytes, elements: Elements) -> bytes:
    """Map every pupil to the neutral element."""
    return honest(seed, elements)[:64] + bytes(32 * len(elements))


def zero_the_proof(seed: bytes, elements: Elements) -> bytes:
    """The right elements without the proof."""
    return bytes(64) + honest(seed, elements)[64:]


def cut_the_proof_in_half(seed: bytes, elements: Elements) -> bytes:
    """Shift everything by half a proof."""
    return honest(seed, elements)[32:]


CHEATS = [
    under_a_key_for_this_school, under_last_years_key, tag_one_pupil, swap_two, evaluate_in_another_order,
    give_one_pupil_twice, drop_the_last, add_one, answer_another_batch, return_what_came, give_the_identity,
    zero_the_proof, cut_the_proof_in_half,
]  # fmt: skip


def test_the_honest_service_is_believed(world: World) -> None:
    """Without a cheat the same road leads to pseudonyms: the refusals below are about the cheat."""
    outcome = asked(world, honest)
    assert isinstance(outcome, list)
    assert len({y for y in outcome if len(y) == 64}) == len(INPUTS)


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.__name__)
def test_every_cheat_is_refused(world: World, cheat: Cheat, capfd: pytest.CaptureFixture[str]) -> None:
    """A school never takes a pseudonym that the pinned key did not make, and sees one clear sentence only."""
    outcome = asked(world, cheat)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "proof-failed"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "change",
    [
        {"evaluated": "x"},
        {"proof": ""},
        {"proof": None},
        {"remaining": "1"},
        {"extra": 1},
        {"key_id": ""},
    ],
)
def test_a_malformed_answer_is_refused(world: World, change: dict[str, object]) -> None:
    """An answer of another form is no answer, whatever it holds."""
    outcome = asked(world, honest, **change)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "no-service-there"


def test_an_empty_answer_is_refused(world: World) -> None:
    """A proof of nothing proves nothing."""
    outcome = asked(world, honest, evaluated=[])
    assert isinstance(outcome, Refusal)
    assert outcome.code == "proof-failed"


def test_a_second_key_file_for_one_school_is_another_file(world: World, tmp_path: Path) -> None:
    """To tag a school the service has to give it another key file, whose bytes differ from the published ones."""
    (tmp_path / "tagging").mkdir()
    with World(tmp_path / "tagging") as tagging:
        assert tagging.key.public_key != world.key.public_key
        assert tagging.document != world.document


def test_blinded_elements_tell_nothing_of_equality(world: World) -> None:
    """The service cannot see that a school asks for the same pupil again: its blinded elements have no repeat."""
    seen: list[bytes] = []

    def remember(seed: bytes, elements: Elements) -> bytes:
        seen.extend(elements)
        return honest(seed, elements)

    for _ in range(20):
        asked(world, remember)
    assert len(set(seen)) == len(seen) == 80
