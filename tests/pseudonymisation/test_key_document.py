"""The public keys as schools pin them."""

import json
from datetime import date

import pytest

from pseudonymisation.errors import SignatureError
from pseudonymisation.key_document import KIND, ServiceKey, read_key_document, write_key_document
from pseudonymisation.oprf import public_key
from pseudonymisation.signed import sign_document, verify_document

SECRET, OTHER = b"s" * 32, b"o" * 32


def key(school_year: str = "2026-2027", key_id: str = "0123456789abcdef") -> ServiceKey:
    """A key of the service."""
    public = public_key(b"k" * 32, school_year.encode())
    return ServiceKey(key_id, school_year, public, date(2026, 8, 1), date(2027, 9, 1))


def test_keys_come_back_by_school_year() -> None:
    """What the service writes a school reads, one key for each year."""
    keys = [key(), key("2027-2028", "fedcba9876543210")]
    document = read_key_document(write_key_document("ORG-DIENST", keys, SECRET))
    assert document.operator == "ORG-DIENST"
    assert [document.for_school_year(year) for year in ("2026-2027", "2027-2028", "2028-2029")] == [*keys, None]


def test_a_gateway_insists_on_the_signer() -> None:
    """Fetched over the network, the document has to be signed by the key that is known."""
    data = write_key_document("ORG-DIENST", [key()], SECRET)
    signer = read_key_document(data).signer
    assert read_key_document(data, signer).signer == signer
    with pytest.raises(SignatureError, match="another key"):
        read_key_document(write_key_document("ORG-DIENST", [key()], OTHER), signer)


def test_two_keys_for_one_year_are_refused() -> None:
    """With two keys for a year a service could serve one to some schools and the other to the rest."""
    data = write_key_document("ORG-DIENST", [key(), key(key_id="fedcba9876543210")], SECRET)
    with pytest.raises(SignatureError, match="two keys"):
        read_key_document(data)


@pytest.mark.parametrize(
    "change",
    [
        {"public_key": "A" * 43},
        {"public_key": "short"},
        {"suite": "P256-SHA256"},
        {"key_id": "X"},
        {"extra": 1},
        {"not_after": "soon"},
    ],
)
def test_a_signed_document_of_another_form_is_refused(change: dict[str, object]) -> None:
    """A key that is no group element, another suite or an unknown field is not guessed at."""
    data = write_key_document("ORG-DIENST", [key()], SECRET)
    document = verify_document(KIND, data, read_key_document(data).signer)
    document["keys"][0] |= change
    with pytest.raises(SignatureError, match="form"):
        read_key_document(sign_document(KIND, document, SECRET))


def test_literal_form() -> None:
    """The file is readable: operator, and per key its id, year, suite, public key and validity."""
    data = json.loads(write_key_document("ORG-DIENST", [key()], SECRET))
    assert data["document"]["keys"][0].keys() == {
        "key_id", "school_year", "suite", "public_key", "not_before", "not_after",
    }  # fmt: skip


def test_the_same_keys_give_the_same_bytes() -> None:
    """A document is made the same at every request: two schools can compare theirs by a hash."""
    assert len({write_key_document("ORG-DIENST", [key()], SECRET) for _ in range(5)}) == 1
