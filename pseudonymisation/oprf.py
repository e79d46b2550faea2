"""Verifiable oblivious pseudo-random function, RFC 9497 mode VOPRF, suite ristretto255-SHA512.

The only file that imports `voprf` (0.2), because that package needs guarding:

- `finalize_batch` with a proof under another key panics in Rust; the panic arrives as a `BaseException` that
  `except Exception` misses, and Rust writes to stderr first;
- lengths are not checked everywhere (33-byte elements, 16-byte seeds, empty batches, inputs over 65,535 bytes pass);
- the interpreter lock is held, so parallel evaluation needs processes: `evaluate` takes and returns plain bytes.

Elements and public keys are 32 bytes, a proof 64 bytes, an output 64 bytes.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from voprf import ristretto

from pseudonymisation.errors import MalformedError, ProofError

ELEMENT = 32
PROOF = 64
SEED = 32
MAX_BATCH = 5_000
MAX_INPUT = 65_535

_stderr = Lock()


@dataclass(frozen=True, slots=True)
class Blinding:
    """What a client keeps between blinding and finalising: cannot be stored, never leaves the process.

    Attributes:
        elements: what goes to the service, 32 bytes each, in the order of the inputs.
        clients: the blinds, opaque.
    """

    elements: tuple[bytes, ...]
    clients: tuple[ristretto.Client, ...] = field(repr=False)


def blind(inputs: Sequence[bytes]) -> Blinding:
    """Blind each input with a fresh random scalar (RFC 9497 section 3.3.2, Blind).

    Args:
        inputs: 1 to 5,000 inputs of 1 to 65,535 bytes.

    Raises:
        MalformedError: a length out of range.
    """
    _check_count(len(inputs))
    if not all(1 <= len(one) <= MAX_INPUT for one in inputs):
        raise MalformedError("an input has 1 to 65,535 bytes")
    pairs = [ristretto.Client.blind(one) for one in inputs]
    return Blinding(tuple(blinded.serialize() for _, blinded in pairs), tuple(client for client, _ in pairs))


def evaluate(seed: bytes, info: bytes, elements: Sequence[bytes]) -> bytes:
    """Evaluate a batch with the key derived from a seed, with one proof for all (BlindEvaluate).

    Args:
        seed: 32 secret bytes.
        info: public text of the key, at most 65,535 bytes together with the seed's framing.
        elements: 1 to 5,000 blinded elements of 32 bytes.

    Returns:
        The proof (64 bytes) followed by one evaluated element of 32 bytes each, in order.

    Raises:
        MalformedError: a length out of range, or bytes that are no element of the group.
    """
    _check_count(len(elements))
    inputs = [_element(one) for one in elements]
    return bytes(_evaluator(seed, info).evaluate_batch(inputs).serialize())


def finalise(blinding: Blinding, answer: bytes, public_key: bytes) -> list[bytes]:
    """Verify the proof of a whole batch and unblind it (Finalize).

    A key of this school alone, a reordered, shortened, foreign or invented answer all fail here: the proof binds every
    blinded element to its evaluation under the public key.

    Args:
        blinding: from `blind`, used once.
        answer: proof and evaluated elements as `evaluate` returned them.
        public_key: the pinned key of the service, 32 bytes.

    Returns:
        One output of 64 bytes for each input, in order.

    Raises:
        MalformedError: the public key is no group element.
        ProofError: the answer does not belong to this batch and this key.
    """
    key = _public_key(public_key)
    if len(answer) != PROOF + ELEMENT * len(blinding.elements):
        raise ProofError("the answer does not have one element for each that was sent")
    try:
        with _silenced_stderr():
            evaluated = ristretto.VerifiableBatchOutput.deserialize(answer)
            outputs = ristretto.Client.finalize_batch(list(blinding.clients), evaluated, key)
    except ValueError:
        raise ProofError("the answer is no proof with group elements") from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ProofError("the proof does not hold under the pinned public key") from None
    return [bytes(output) for output in outputs]


def public_key(seed: bytes, info: bytes) -> bytes:
    """The public key, 32 bytes, of the key pair derived from a seed (DeriveKeyPair).

    Raises:
        MalformedError: the seed is not 32 bytes.
    """
    return bytes(_evaluator(seed, info).public_key.serialize())


def is_element(data: bytes) -> bool:
    """Whether these are the 32 bytes of a group element that may be evaluated (not the identity)."""
    try:
        _element(data)
    except MalformedError:
        return False
    return True


def check_public_key(key: bytes) -> bytes:
    """The same bytes if they are a public key of this suite.

    Raises:
        MalformedError: they are not.
    """
    _public_key(key)
    return key


def known_output(seed: bytes, info: bytes, message: bytes) -> bytes:
    """What a holder of the seed computes for a known input: the reference the blind way must agree with.

    Raises:
        MalformedError: the seed is not 32 bytes or the input has another length than 1 to 65,535.
    """
    if not 1 <= len(message) <= MAX_INPUT:
        raise MalformedError("an input has 1 to 65,535 bytes")
    return bytes(_evaluator(seed, info).evaluate_known_input(message))


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_BATCH:
        raise MalformedError("a batch has 1 to 5,000 elements")


def _element(data: bytes) -> ristretto.BlindedInput:
    if len(data) != ELEMENT:
        raise MalformedError("an element has exactly 32 bytes")
    try:
        return ristretto.BlindedInput.deserialize(data)
    except ValueError:
        raise MalformedError("not an element of the group ristretto255") from None


def _public_key(data: bytes) -> ristretto.PublicKey:
    try:
        return ristretto.PublicKey.deserialize(data)
    except ValueError:
        raise MalformedError("not a public key of the suite ristretto255-SHA512") from None


def _evaluator(seed: bytes, info: bytes) -> ristretto.Evaluator:
    if len(seed) != SEED:
        raise MalformedError("a seed has exactly 32 bytes")
    try:
        return ristretto.Evaluator.from_seed(seed, info)
    except ValueError:
        raise MalformedError("the info of a key is too long") from None


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Keep Rust's panic message off the school's screen; a process without a stderr has nothing to silence."""
    with _stderr:
        try:
            kept = os.dup(2)
        except OSError:
            yield
            return
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nothing)
