"""Public keys of recipients (JWK, RFC 7517), to which sites seal case references: which are taken."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

CURVES = ("P-256", "P-384", "P-521", "X25519", "X448")
AGREED, WRAPPED = ("ECDH-ES", "ECDH-ES+A256KW"), ("RSA-OAEP-256",)
_ALGORITHMS = {"EC": AGREED, "OKP": AGREED, "RSA": WRAPPED}
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_RSA_BITS = 2048
_TRIAL = bytes(range(56))
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k"}


def read_jwk(document: bytes | str) -> Mapping[str, object]:
    """The key in a JSON document; an empty one, which no register takes, where there is none."""
    try:
        jwk = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    return jwk if isinstance(jwk, dict) else {}


def public_key_id(jwk: Mapping[str, object]) -> str | None:
    """The id of a public key to which something can be sealed; None for a key that is not whole, or has a private part.

    A private key is refused: nobody but the recipient may hold it.
    """
    kid = str(jwk.get("kid", ""))
    return kid if is_public_key(jwk) and _ID.fullmatch(kid) else None


def thumbprint(jwk: Mapping[str, object]) -> str:
    """The SHA-256 thumbprint of a public key (RFC 7638) in hexadecimal, by which the log names it."""
    members = {name: jwk[name] for name in _MEMBERS[str(jwk["kty"])]}
    return sha256(json.dumps(members, separators=(",", ":")).encode()).hexdigest()


def is_public_key(jwk: Mapping[str, object]) -> bool:
    """Whether something can be sealed to this: a whole public key, for that use, without a private part.

    A curve or size that is not taken is no such key, nor a point with which everybody shares the same secret.
    """
    parts: dict[str, str | list[str]] = {name: value for name, value in jwk.items() if isinstance(value, str)}
    taken = _ALGORITHMS.get(str(parts.get("kty")), ())
    if not taken or _PRIVATE & jwk.keys() or len(parts) < len(jwk) or "key_ops" in jwk:
        return False
    if parts.get("use", "enc") != "enc" or parts.get("alg", taken[0]) not in taken:
        return False
    return (parts["kty"] == "RSA" or parts.get("crv") in CURVES) and _is_sound(parts)


def _is_sound(parts: dict[str, str | list[str]]) -> bool:
    from joserfc.errors import JoseError  # noqa: PLC0415  a server that knows no recipient loads no JOSE
    from joserfc.jwk import import_key  # noqa: PLC0415

    try:
        if parts["kty"] == "RSA" and _bits(str(parts["n"])) < _RSA_BITS:
            return False
        key = import_key(parts).raw_value
        if isinstance(key, X25519PublicKey):
            X25519PrivateKey.from_private_bytes(_TRIAL[:32]).exchange(key)
        if isinstance(key, X448PublicKey):
            X448PrivateKey.from_private_bytes(_TRIAL).exchange(key)
    except (JoseError, ValueError, KeyError):  # a point of low order is a `ValueError` of the exchange
        return False
    return True


def _bits(number: str) -> int:
    return int.from_bytes(urlsafe_b64decode(f"{number}==")).bit_length()
