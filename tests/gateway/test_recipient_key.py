"""Keys of recipients: only those to which something can be sealed, and that only their owner opens."""

from base64 import urlsafe_b64encode

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.recipient_key import public_key_id, thumbprint

KID = {"kid": "care-key-2026"}
KEY = dict(ECKey.generate_key("P-256", KID).as_dict(private=False))
OKP = {"kty": "OKP", **KID}
EXAMPLE = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
    "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5haj"
    "rn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
)
SHORT = urlsafe_b64encode(bytes([0xC1]) * 128).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "jwk",
    [
        KEY | {"use": "enc", "alg": "ECDH-ES"},
        dict(ECKey.generate_key("P-521", KID).as_dict(private=False)),
        dict(OKPKey.generate_key("X25519", KID).as_dict(private=False)),
        dict(OKPKey.generate_key("X448", KID).as_dict(private=False)),
        dict(RSAKey.generate_key(2048, KID).as_dict(private=False)) | {"alg": "RSA-OAEP-256"},
    ],
)
def test_a_key_for_sealing_is_taken(jwk: dict[str, object]) -> None:
    """On every curve of a seal, and RSA of 2048 bits; also where it says so itself."""
    assert public_key_id(jwk) == "care-key-2026"


def test_a_key_is_named_by_what_its_owner_can_compute() -> None:
    """The thumbprint of the example of RFC 7638, paragraph 3.1; what else a key says of itself does not count."""
    named = thumbprint({"kty": "RSA", "n": EXAMPLE, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
    assert urlsafe_b64encode(bytes.fromhex(named)) == b"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs="


@pytest.mark.parametrize(
    "jwk",
    [
        dict(OKPKey.generate_key("Ed25519", KID).as_dict(private=False)),
        dict(ECKey.generate_key("secp256k1", KID).as_dict(private=False)),
        {"kty": "RSA", **KID, "n": SHORT, "e": "AQAB"},
        OKP | {"crv": "X25519", "x": "A" * 43},
        OKP | {"crv": "X25519", "x": f"AQ{'A' * 41}"},
        OKP | {"crv": "X448", "x": "A" * 75},
        KEY | {"use": "sig"},
        KEY | {"alg": "ES256"},
        KEY | {"alg": "RSA-OAEP-256"},
        KEY | {"key_ops": "verify"},
    ],
)
def test_a_key_that_nobody_can_or_should_seal_to_is_none(jwk: dict[str, object]) -> None:
    """For signatures, of another curve, too short, or a point with which everybody shares one secret."""
    assert public_key_id(jwk) is None
