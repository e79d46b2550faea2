"""Public keys of recipients (JWK, RFC 7517), to which sites seal case references: which are taken."""

import json
import re
from collections.abc import Mapping

_TYPES = ("EC", "OKP", "RSA")
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


def is_public_key(jwk: Mapping[str, object]) -> bool:
    """Whether this is a whole public key, without a private part."""
    from joserfc.errors import JoseError  # noqa: PLC0415  a server that knows no recipient loads no JOSE
    from joserfc.jwk import import_key  # noqa: PLC0415

    parts: dict[str, str | list[str]] = {name: value for name, value in jwk.items() if isinstance(value, str)}
    if parts.get("kty") not in _TYPES or _PRIVATE & jwk.keys() or len(parts) < len(jwk):
        return False
    try:
        import_key(parts)
    except (JoseError, ValueError, KeyError):
        return False
    return True
