"""Keys of recipients: only those to which something can be sealed, and that only their owner opens."""

from base64 import urlsafe_b64encode

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.recipient_key import public_key_id

KID = {"kid": "care-key-2026"}
KEY = dict(ECKey.generate_key("P-256", KID).as_dict(private=False))
OKP = {"kty": "OKP", **KID}
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
