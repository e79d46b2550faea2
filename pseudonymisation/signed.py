"""Small signed JSON documents: Ed25519 (RFC 8032) over the kind and the canonical bytes of the document.

    {"document": {…}, "kind": "verzuimpoort/service-keys/v1", "signature": "86 characters", "signer": "43 characters"}

The signature covers `"nl-verzuim/signed/v1" ‖ 00 ‖ kind ‖ 00 ‖ document`, the document with sorted keys and without
spaces (the subset of RFC 8785 that has no fractions). Whoever verifies brings the public key along: `signer` only says
which one to bring.
"""

import json
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pseudonymisation.errors import MalformedError, SignatureError
from pseudonymisation.text64 import from_text, to_text

_LABEL = b"nl-verzuim/signed/v1"
_KEY = 32
_SIGNATURE = 64


def sign_document(kind: str, document: Mapping[str, Any], secret: bytes) -> bytes:
    """A signed document as a file.

    Args:
        kind: what the document is, such as `verzuimpoort/service-keys/v1`; a signature never serves another kind.
        document: strings, integers, booleans, None, lists and mappings of them.
        secret: Ed25519 seed, 32 bytes.
    """
    key = Ed25519PrivateKey.from_private_bytes(secret)
    signed = {
        "document": document,
        "kind": kind,
        "signature": to_text(key.sign(_message(kind, document))),
        "signer": to_text(key.public_key().public_bytes_raw()),
    }
    return json.dumps(signed, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def verify_document(kind: str, data: bytes, signer: bytes) -> dict[str, Any]:
    """The document, if the signer made it and meant it as this kind.

    Args:
        kind: the kind that is wanted.
        data: the file.
        signer: the public key that is trusted, 32 bytes.

    Raises:
        SignatureError: altered, of another kind, signed by another key, or no such file at all.
    """
    signed = _parse(data)
    document, signature = signed.get("document"), signed.get("signature")
    if signed.get("kind") != kind or not isinstance(document, dict) or not isinstance(signature, str):
        raise SignatureError(f"this file is no signed document of the kind {kind}")
    if not compare_digest(signer_of(data), signer):
        raise SignatureError("this file is signed by another key than the one that is trusted")
    try:
        key = Ed25519PublicKey.from_public_bytes(signer)
        key.verify(from_text(signature, _SIGNATURE), _message(kind, document))
    except (InvalidSignature, MalformedError, ValueError):
        raise SignatureError("the signature does not hold: this file was altered") from None
    return document


def signer_of(data: bytes) -> bytes:
    """The public key a file claims to be signed with; says nothing about whether it is.

    Raises:
        SignatureError: no signed document.
    """
    try:
        return from_text(str(_parse(data).get("signer")), _KEY)
    except MalformedError:
        raise SignatureError("this file names no signer") from None


def _message(kind: str, document: Mapping[str, Any]) -> bytes:
    canonical = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return b"\0".join((_LABEL, kind.encode(), canonical.encode()))


def _parse(data: bytes) -> dict[str, Any]:
    try:
        signed = json.loads(data, object_pairs_hook=_unique, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise SignatureError("this file is no JSON of the form that is signed") from None
    if not isinstance(signed, dict):
        raise SignatureError("this file is no signed document")
    return signed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(_: str) -> NoReturn:
    raise ValueError("fractions have no canonical form here")
