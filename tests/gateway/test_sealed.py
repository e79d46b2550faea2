"""Case references: sealed to a key as its kind asks, with nothing in the clear beside it."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.sealed import read_seal

P256 = ECKey.generate_key("P-256")
KEYS = {
    "P-256": (P256, "ECDH-ES+A256KW"),
    "P-521": (ECKey.generate_key("P-521"), "ECDH-ES"),
    "X25519": (OKPKey.generate_key("X25519"), "ECDH-ES"),
    "X448": (OKPKey.generate_key("X448"), "ECDH-ES+A256KW"),
    "RSA": (RSAKey.generate_key(2048), "RSA-OAEP-256"),
}


def sealed(key: ECKey | OKPKey | RSAKey = P256, alg: str = "ECDH-ES+A256KW", **more: str) -> str:
    header = {"alg": alg, "enc": "A256GCM", "kid": "care-key-2026"} | more
    return jwe.encrypt_compact(header, b"dossier 7", key, algorithms=[alg, header["enc"]])


def with_header(**more: object) -> str:
    """A good reference whose header says something else; a member that is None is left out."""
    first, *rest = sealed().split(".")
    header = json.loads(urlsafe_b64decode(f"{first}==")) | more
    told = json.dumps({name: value for name, value in header.items() if value is not None})
    return ".".join([urlsafe_b64encode(told.encode()).decode().rstrip("="), *rest])


def with_part(place: int, part: str) -> str:
    parts = sealed().split(".")
    return ".".join([*parts[:place], part, *parts[place + 1 :]])


@pytest.mark.parametrize("name", KEYS)
def test_what_is_sealed_fits_the_key_it_is_sealed_to_and_no_other_kind(name: str) -> None:
    """Elliptic curves of the register's kinds, and RSA: each as a common library seals."""
    seal = read_seal(sealed(*KEYS[name]))
    assert seal is not None
    assert seal.kid == "care-key-2026"
    assert [other for other, (key, _) in KEYS.items() if seal.fits(key.as_dict(private=False))] == [name]


@pytest.mark.parametrize("more", [{"typ": "JOSE"}, {"cty": "text/plain"}])
def test_a_header_may_say_what_is_sealed_in_words_of_a_list(more: dict[str, str]) -> None:
    """As some libraries do by themselves."""
    assert read_seal(sealed(**more)) is not None


@pytest.mark.parametrize(
    "more",
    [
        {"leerling": "Jan de Vries"},
        {"apu": "SmFuIGRlIFZyaWVz"},
        {"typ": "Jan de Vries"},
        {"cty": ["Jan"]},
        {"alg": "dir"},
        {"alg": "RSA-OAEP-256"},
        {"alg": "ECDH-ES"},
        {"enc": "A128GCM"},
        {"kid": None},
        {"epk": None},
        {"epk": "Jan de Vries"},
        {"epk": {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}},
        {"epk": P256.as_dict(private=True)},
        {"epk": {**P256.as_dict(private=False), "leerling": "Jan"}},
    ],
)
def test_a_header_that_says_anything_else_is_not_sealed(more: dict[str, object]) -> None:
    """Members beside those of a seal, other words, no ephemeral key, or one that is none or says more."""
    assert read_seal(with_header(**more)) is None


def test_a_member_that_stands_twice_is_not_sealed() -> None:
    """Only the last is read by most readers: the first could say anything."""
    first, *rest = sealed().split(".")
    twice = b'{"kid":"Jan",' + urlsafe_b64decode(f"{first}==")[1:]
    assert read_seal(".".join([urlsafe_b64encode(twice).decode().rstrip("="), *rest])) is None


@pytest.mark.parametrize(
    ("place", "part"), [(1, ""), (1, "AA"), (2, "AA"), (3, ""), (4, "AA"), (4, "A" * 23), (3, "Jan de Vries")]
)
def test_parts_have_the_size_of_their_algorithm(place: int, part: str) -> None:
    """An encrypted key, a nonce or a tag of another length is none."""
    assert read_seal(with_part(place, part)) is None


def test_an_encrypted_key_has_the_size_of_the_rsa_key() -> None:
    """What is longer or shorter was not encrypted to it."""
    key, alg = KEYS["RSA"]
    parts = sealed(key, alg).split(".")
    seal = read_seal(".".join([parts[0], "QUFB", *parts[2:]]))
    assert seal is not None
    assert not seal.fits(key.as_dict(private=False))
