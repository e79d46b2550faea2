"""The oblivious function against RFC 9497, and the faults of the library it wraps."""

import json
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pseudonymisation.domain import number_input, service_info
from pseudonymisation.errors import MalformedError, ProofError
from pseudonymisation.oprf import (
    ELEMENT,
    MAX_BATCH,
    MAX_INPUT,
    PROOF,
    blind,
    check_public_key,
    evaluate,
    finalise,
    is_element,
    known_output,
    public_key,
)

SEED, OTHER_SEED = b"s" * 32, b"o" * 32
INFO = service_info("2026-2027")
PUBLIC = public_key(SEED, INFO)


@pytest.fixture(scope="module")
def suite(shared: Path) -> dict[str, object]:
    """RFC 9497 appendix A.1.2: ristretto255-SHA512, mode VOPRF."""
    suites = json.loads((shared / "vectors/pseudonymisation/rfc9497_oprf.json").read_text())["suites"]
    return next(one for one in suites if (one["identifier"], one["mode"]) == ("ristretto255-SHA512", 1))


def hexes(text: str) -> list[bytes]:
    """The values of a comma-separated field of the RFC's vectors."""
    return [bytes.fromhex(one) for one in text.split(",")]


def test_rfc9497_key_pair(suite: dict[str, str]) -> None:
    """DeriveKeyPair gives the public key of the RFC."""
    assert public_key(bytes.fromhex(suite["seed"]), bytes.fromhex(suite["keyInfo"])).hex() == suite["pkSm"]


def test_rfc9497_evaluations_and_outputs(suite: dict[str, str]) -> None:
    """Every evaluated element and every output of the RFC comes out, single and in a batch."""
    seed, info = bytes.fromhex(suite["seed"]), bytes.fromhex(suite["keyInfo"])
    for vector in suite["vectors"]:
        answer = evaluate(seed, info, hexes(vector["BlindedElement"]))
        assert answer[PROOF:] == b"".join(hexes(vector["EvaluationElement"]))
        assert [known_output(seed, info, one) for one in hexes(vector["Input"])] == hexes(vector["Output"])


def test_known_answers_of_the_design(shared: Path) -> None:
    """From number to y, as an independent computation fixed it; the blind way gives the same."""
    known = json.loads((shared / "vectors/pseudonymisation/design_known_answers.json").read_text())
    seed, info = bytes.fromhex(known["seed_hex"]), known["info"].encode()
    assert info == INFO
    inputs = [number_input(row["number"]) for row in known["rows"]]
    assert [one.hex() for one in inputs] == [row["oprf_input_hex"] for row in known["rows"]]
    blinding = blind(inputs)
    outputs = finalise(blinding, evaluate(seed, info, blinding.elements), bytes.fromhex(known["public_key_hex"]))
    assert [one.hex() for one in outputs] == [row["y_hex"] for row in known["rows"]]


@settings(max_examples=25)
@given(st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=20), st.binary(min_size=32, max_size=32))
def test_the_blind_way_agrees_with_the_direct_one(inputs: list[bytes], seed: bytes) -> None:
    """Blind, evaluate, finalise gives what the holder of the seed computes directly."""
    blinding = blind(inputs)
    answer = evaluate(seed, INFO, blinding.elements)
    assert finalise(blinding, answer, public_key(seed, INFO)) == [known_output(seed, INFO, one) for one in inputs]


def test_blinding_hides_equal_inputs() -> None:
    """The same input blinded twice gives unrelated elements: the service cannot see that it is the same."""
    assert len({one for _ in range(50) for one in blind([b"same", b"same"]).elements}) == 100


def test_a_wrong_key_is_one_quiet_error(capfd: pytest.CaptureFixture[str]) -> None:
    """The library panics on a proof under another key; here that is a ProofError and nothing on stderr."""
    blinding = blind([b"a", b"b"])
    with pytest.raises(ProofError):
        finalise(blinding, evaluate(OTHER_SEED, INFO, blinding.elements), PUBLIC)
    assert capfd.readouterr() == ("", "")


def test_stderr_works_again_after_a_panic(capfd: pytest.CaptureFixture[str]) -> None:
    """Silencing the panic does not silence what comes after it."""
    blinding = blind([b"a"])
    with pytest.raises(ProofError):
        finalise(blinding, evaluate(OTHER_SEED, INFO, blinding.elements), PUBLIC)
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_refusals_use_up_no_descriptors() -> None:
    """A service that cheats a thousand times does not exhaust the files a process may have open."""
    blinding = blind([b"a"])
    answer = evaluate(OTHER_SEED, INFO, blinding.elements)
    before = os.dup(0)
    os.close(before)
    for _ in range(20):
        with pytest.raises(ProofError):
            finalise(blinding, answer, PUBLIC)
    after = os.dup(0)
    os.close(after)
    assert after == before


@given(st.integers(0, PROOF + 3 * ELEMENT - 1), st.integers(1, 255))
def test_any_altered_byte_is_refused(place: int, change: int) -> None:
    """A proof or element with one changed byte fails, wherever the byte is."""
    blinding = blind([b"a", b"b", b"c"])
    answer = bytearray(evaluate(SEED, INFO, blinding.elements))
    answer[place] ^= change
    with pytest.raises(ProofError):
        finalise(blinding, bytes(answer), PUBLIC)


@given(st.binary(max_size=300))
def test_an_invented_answer_is_refused(answer: bytes) -> None:
    """Arbitrary bytes are never an answer, and never another error."""
    with pytest.raises(ProofError):
        finalise(blind([b"a", b"b"]), answer, PUBLIC)


@given(st.binary(min_size=ELEMENT, max_size=ELEMENT))
def test_arbitrary_bytes_as_element(data: bytes) -> None:
    """32 bytes are either an element that can be evaluated or refused as malformed; nothing else happens."""
    if is_element(data):
        assert len(evaluate(SEED, INFO, [data])) == PROOF + ELEMENT
    else:
        with pytest.raises(MalformedError):
            evaluate(SEED, INFO, [data])


def test_the_identity_is_no_element() -> None:
    """Evaluating the identity would give the identity under every key (RFC 9497 section 4.1 forbids it)."""
    assert not is_element(bytes(32))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_elements_have_exactly_32_bytes(length: int) -> None:
    """A trailing byte, which the library lets pass, is refused."""
    element = (blind([b"a"]).elements[0] * 2)[:length]
    with pytest.raises(MalformedError):
        evaluate(SEED, INFO, [element])


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_seeds_have_exactly_32_bytes(length: int) -> None:
    """The library takes other seeds; a short one would be a weak key."""
    with pytest.raises(MalformedError):
        public_key(b"s" * length, INFO)


def test_info_is_bounded() -> None:
    """An info the library refuses is the same clear error."""
    with pytest.raises(MalformedError):
        public_key(SEED, b"i" * 70_000)


@pytest.mark.parametrize("count", [0, MAX_BATCH + 1])
def test_batches_have_1_to_5000_elements(count: int) -> None:
    """An empty batch, which the library evaluates, and one too long are refused on both sides."""
    with pytest.raises(MalformedError):
        blind([b"a"] * count)
    with pytest.raises(MalformedError):
        evaluate(SEED, INFO, [blind([b"a"]).elements[0]] * count)


@pytest.mark.parametrize("length", [0, MAX_INPUT + 1])
def test_inputs_have_1_to_65535_bytes(length: int) -> None:
    """The RFC encodes a length in two bytes; longer inputs would collide or fail elsewhere."""
    with pytest.raises(MalformedError):
        blind([b"a" * length])
    with pytest.raises(MalformedError):
        known_output(SEED, INFO, b"a" * length)


@pytest.mark.parametrize("key", [b"", bytes(32), b"\xff" * 32, PUBLIC[:31], PUBLIC + b"\0"])
def test_malformed_public_keys(key: bytes) -> None:
    """A key file that is damaged is refused before anything is sent."""
    with pytest.raises(MalformedError):
        check_public_key(key)


def test_blinds_stay_out_of_logs() -> None:
    """The blinds of a batch do not show in `repr`."""
    assert "Client" not in repr(blind([b"a"]))


def test_every_evaluation_has_a_fresh_proof() -> None:
    """Two proofs of the same batch differ: none tells anything about the next."""
    elements = blind([b"a"]).elements
    proofs = [evaluate(SEED, INFO, elements)[:PROOF] for _ in range(5)]
    assert all(one != two for one, two in pairwise(proofs))
