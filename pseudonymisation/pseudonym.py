"""From the pseudonym y, which a school sends, to the pid, which is stored: y ends here.

`pid = HMAC-SHA256(K, "nl-verzuim/pid/v1" ‖ 00 ‖ purpose ‖ 00 ‖ school_year ‖ 00 ‖ y)[:16]`, with K random for each
purpose and school year. At 2.4 million pupils the chance that any two pids coincide is below 1e-26.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from hmac import digest

from pseudonymisation.domain import PID_LABEL, REKEY_LABEL, Domain
from pseudonymisation.errors import MalformedError
from pseudonymisation.text64 import from_text, to_text

KEY = 32
PSEUDONYM = 64
PID = 16
UNSAFE_KEYED_LOCAL = "unsafe-keyed-local"

_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def pseudonym_text(y: bytes) -> str:
    """How a pseudonym stands in a document: 86 characters of base64url."""
    return to_text(y)


def read_pseudonym(text: str) -> bytes:
    """The 64 bytes of a pseudonym in a document.

    Raises:
        MalformedError: any other text than the canonical base64url of 64 bytes.
    """
    return from_text(text, PSEUDONYM)


def pids(key: bytes, domain: Domain, ys: Iterable[bytes]) -> list[bytes]:
    """The pids of pseudonyms, in order.

    Args:
        key: K of this domain, 32 random bytes.
        domain: purpose and school year.
        ys: pseudonyms of 64 bytes.

    Raises:
        MalformedError: a key or a pseudonym of another length.
    """
    return list(map(_keyed(key, domain.prefix(PID_LABEL), PSEUDONYM), ys))


def rekeyer(key: bytes, domain: Domain) -> Callable[[bytes], bytes]:
    """The function from a stored pid to its successor, after a leak of the key that made it; no school is asked.

    Args:
        key: the new K of this domain, 32 random bytes.
        domain: purpose and school year.

    Returns:
        A function from 16 to 16 bytes; it raises MalformedError for another length.

    Raises:
        MalformedError: a key of another length.
    """
    return _keyed(key, domain.prefix(REKEY_LABEL), PID)


def pids_through(keys: Sequence[bytes], domain: Domain, ys: Iterable[bytes]) -> list[bytes]:
    """The pids of pseudonyms under a chain of keys: the first makes pids, each further one re-keys them.

    Args:
        keys: the chain of the domain's active key, oldest first; one key in a year without a leak.
        domain: purpose and school year.
        ys: pseudonyms of 64 bytes.

    Raises:
        MalformedError: an empty chain, or a length out of order.
    """
    if not keys:
        raise MalformedError("a chain of keys has at least one key")
    made = pids(keys[0], domain, ys)
    for key in keys[1:]:
        made = list(map(rekeyer(key, domain), made))
    return made


def pids_along(keys: Sequence[bytes], domain: Domain, ys: Sequence[bytes]) -> list[list[bytes]]:
    """The pids of pseudonyms under each key of a chain, oldest first: until rows are re-keyed they stand under any."""
    return [pids_through(keys[:many], domain, ys) for many in range(1, len(keys) + 1)]


def unsafe_keyed_local(key: bytes, inputs: Iterable[bytes]) -> list[bytes]:
    """Pseudonyms by a plain HMAC-SHA512 at the school, for tests only.

    Unsafe: whoever holds the key lists every number in minutes. Documents made so carry the key id
    `unsafe-keyed-local`, which a gateway refuses for a real period.

    Args:
        key: 32 bytes.
        inputs: from `number_input`.

    Returns:
        64 bytes each.
    """
    _check_key(key)
    return [digest(key, one, "sha512") for one in inputs]


def _check_key(key: bytes) -> None:
    if len(key) != KEY:
        raise MalformedError("a key has exactly 32 bytes")


def _keyed(key: bytes, prefix: bytes, size: int) -> Callable[[bytes], bytes]:
    """HMAC-SHA256 (RFC 2104) of `prefix ‖ value`, cut to 16 bytes, with both hash states made once for all values."""
    _check_key(key)
    padded = key.ljust(_BLOCK, b"\0")
    inner = sha256(padded.translate(_INNER) + prefix).copy
    outer = sha256(padded.translate(_OUTER)).copy

    def one(value: bytes) -> bytes:
        if len(value) != size:
            raise MalformedError(f"expected exactly {size} bytes")
        first = inner()
        first.update(value)
        second = outer()
        second.update(first.digest())
        return second.digest()[:PID]

    return one
