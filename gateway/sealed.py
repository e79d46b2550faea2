"""Case references sealed to a recipient's public key (JWE, RFC 7516): which are taken, and that nothing stands beside.

What is sealed stays unknown here. All the rest has a closed form, so that no name can be told in the clear.
"""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.recipient_key import AGREED, CURVES, WRAPPED, is_public_key

# Compact serialisation (section 7.1) for A256GCM: header, encrypted key, nonce of 12 bytes, ciphertext, tag of 16.
_COMPACT = re.compile(r"(?=.{1,4000}\Z)([\w-]+)\.([\w-]*)\.([\w-]{16})\.([\w-]+)\.([\w-]{22})", re.ASCII)
_WORDS: Mapping[str, tuple[str, ...]] = {
    "alg": (*AGREED, *WRAPPED),
    "enc": ("A256GCM",),
    "typ": ("JOSE", "JWT"),
    "cty": ("JWT", "json", "text/plain"),
}
_NEEDED = {"alg", "enc", "kid"}
_KEY_BYTES = {"ECDH-ES": 0, "ECDH-ES+A256KW": 40}
_POINT = re.compile(r"[\w-]{43,88}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Seal:
    """How a case reference says it is sealed.

    Attributes:
        kid: The recipient's key.
        curve: Kind and curve of the sender's ephemeral key; None where the algorithm has none.
        wrapped: Bytes of the encrypted key.
    """

    kid: str
    curve: tuple[str, str] | None
    wrapped: int

    def fits(self, jwk: Mapping[str, object]) -> bool:
        """Whether this is how something is sealed to that public key."""
        if self.curve is not None:
            return self.curve == (jwk.get("kty"), jwk.get("crv"))
        return jwk.get("kty") == "RSA" and self.wrapped == len(urlsafe_b64decode(f"{jwk['n']}==").lstrip(b"\0"))


def read_seal(reference: str) -> Seal | None:
    """How a case reference is sealed; None when it is no JWE of the algorithms taken here, or says anything more."""
    form = _COMPACT.fullmatch(reference)
    header = _header(form[1]) if form is not None else None
    if form is None or header is None:
        return None
    alg, kid, epk = str(header["alg"]), header["kid"], header.get("epk")
    wrapped = len(form[2]) * 3 // 4
    if not (isinstance(kid, str) and kid.isascii() and kid.isprintable()):
        return None
    if alg not in _KEY_BYTES:
        return Seal(kid, None, wrapped) if epk is None else None
    if wrapped != _KEY_BYTES[alg] or not isinstance(epk, dict) or not _is_ephemeral(epk):
        return None
    return Seal(kid, (epk["kty"], epk["crv"]), wrapped)


def _header(text: str) -> Mapping[str, object] | None:
    """A protected header with the members it needs, and of any other none but those with a closed list of words."""
    try:
        header = json.loads(urlsafe_b64decode(f"{text}=="), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict) or not header.keys() >= _NEEDED:
        return None
    said = {name: value for name, value in header.items() if name not in {"kid", "epk"}}
    return header if all(value in _WORDS.get(name, ()) for name, value in said.items()) else None


def _is_ephemeral(epk: Mapping[str, object]) -> bool:
    """Whether this is a public key on a curve and nothing else."""
    points = {"x", "y"} if epk.get("kty") == "EC" else {"x"}
    if epk.keys() != {"kty", "crv", *points} or epk["crv"] not in CURVES:
        return False
    return all(_POINT.fullmatch(str(epk[name])) for name in points) and is_public_key(epk)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("a member stands twice")
    return found
