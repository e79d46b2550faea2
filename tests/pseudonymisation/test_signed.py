"""Signed documents: what was signed comes back, and nothing else does."""

import json
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from pseudonymisation.errors import SignatureError
from pseudonymisation.signed import sign_document, signer_of, verify_document
from pseudonymisation.text64 import from_text, to_text

KIND = "verzuimpoort/test/v1"
SECRET, OTHER = b"s" * 32, b"o" * 32
PUBLIC = Ed25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_what_was_signed_comes_back(document: dict[str, object]) -> None:
    """Any document of strings, integers, lists and mappings survives signing and verifying."""
    assert verify_document(KIND, sign_document(KIND, document, SECRET), PUBLIC) == document


@given(st.integers(0), st.integers(1, 255))
def test_any_altered_byte_is_refused_or_harmless(place: int, change: int) -> None:
    """With one byte changed the file is refused, or still says exactly what was signed (white space)."""
    document = {"serial": 7, "sites": ["00AB00"]}
    data = bytearray(sign_document(KIND, document, SECRET))
    data[place % len(data)] ^= change
    with suppress(SignatureError):
        assert verify_document(KIND, bytes(data), PUBLIC) == document


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    """What is no signed document is refused with the room's error, whatever it is."""
    with pytest.raises(SignatureError):
        verify_document(KIND, data, PUBLIC)


def test_another_signer_is_refused() -> None:
    """A good signature by somebody else is no signature."""
    with pytest.raises(SignatureError, match="another key"):
        verify_document(KIND, sign_document(KIND, {}, OTHER), PUBLIC)


def test_a_claimed_signer_is_not_believed() -> None:
    """Writing the trusted key into a file signed by another does not help."""
    signed = json.loads(sign_document(KIND, {"serial": 1}, OTHER)) | {"signer": to_text(PUBLIC)}
    with pytest.raises(SignatureError, match="altered"):
        verify_document(KIND, json.dumps(signed).encode(), PUBLIC)


def test_one_kind_never_passes_for_another() -> None:
    """A signed register is no key document, even with its kind rewritten."""
    data = sign_document(KIND, {}, SECRET)
    with pytest.raises(SignatureError, match="kind"):
        verify_document("verzuimpoort/other/v1", data, PUBLIC)
    renamed = json.dumps(json.loads(data) | {"kind": "verzuimpoort/other/v1"}).encode()
    with pytest.raises(SignatureError, match="altered"):
        verify_document("verzuimpoort/other/v1", renamed, PUBLIC)


@pytest.mark.parametrize(
    "text", ['{"document": {"a": 1, "a": 1}}', '{"document": {"a": 1.0}}', '{"document": {"a": NaN}}', "[" * 100_000]
)
def test_json_with_two_readings_is_refused(text: str) -> None:
    """Doubled keys, fractions and the like have no single canonical form."""
    with pytest.raises(SignatureError):
        verify_document(KIND, text.encode(), PUBLIC)


def test_the_signed_bytes_are_the_specified_ones() -> None:
    """Label, kind and canonical document, with zero bytes between: another implementation can verify it."""
    signed = json.loads(sign_document(KIND, {"b": [1, "é"], "a": None}, SECRET))
    message = 'nl-verzuim/signed/v1\0verzuimpoort/test/v1\0{"a":null,"b":[1,"é"]}'.encode()
    signature = from_text(signed["signature"], 64)
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(signature, message)


def test_the_order_of_the_file_does_not_matter() -> None:
    """A file that another program wrote with other spaces and another order of keys still verifies."""
    signed = json.loads(sign_document(KIND, {"b": {"d": 1, "c": 2}, "a": 3}, SECRET))
    signed["document"] = {"a": 3, "b": {"d": 1, "c": 2}}
    again = json.dumps(dict(reversed(signed.items()))).encode()
    assert verify_document(KIND, again, PUBLIC) == {"a": 3, "b": {"c": 2, "d": 1}}


def test_signer_is_named() -> None:
    """A file says which key it is signed with."""
    assert signer_of(sign_document(KIND, {}, SECRET)) == PUBLIC
