"""The public keys of the pseudonym service, as one signed document: published, logged, and pinned at every school.

A school trusts the file it was given (`--service-key`), not the service: a service that uses a key of its own for one
school, to recognise its pupils, then fails the proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pseudonymisation.errors import MalformedError, SignatureError
from pseudonymisation.oprf import ELEMENT, check_public_key
from pseudonymisation.signed import sign_document, signer_of, verify_document
from pseudonymisation.text64 import from_text, to_text

KIND = "verzuimpoort/service-keys/v1"
_STRICT = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """One public key of the service.

    Attributes:
        key_id: 16 hexadecimal digits.
        school_year: the year it serves.
        public_key: 32 bytes, an element of ristretto255.
        not_before: first day on which the service uses it.
        not_after: first day after that.
    """

    key_id: str
    school_year: str
    public_key: bytes
    not_before: date
    not_after: date


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """What the service publishes: its operator (a registered party), and at most one key for each school year."""

    operator: str
    keys: tuple[ServiceKey, ...]
    signer: bytes

    def for_school_year(self, school_year: str) -> ServiceKey | None:
        """The key of that year, or None."""
        return next((key for key in self.keys if key.school_year == school_year), None)


class _KeyForm(BaseModel):
    model_config = _STRICT
    key_id: str = Field(pattern="^[0-9a-f]{16}$")
    school_year: str = Field(pattern="^20[0-9]{2}-20[0-9]{2}$")
    suite: Literal["ristretto255-SHA512"] = "ristretto255-SHA512"
    public_key: str
    not_before: date
    not_after: date


class _DocumentForm(BaseModel):
    model_config = _STRICT
    operator: str
    keys: tuple[_KeyForm, ...]


def write_key_document(operator: str, keys: Sequence[ServiceKey], secret: bytes) -> bytes:
    """The signed document.

    Args:
        operator: the party that runs the service.
        keys: at most one for each school year.
        secret: Ed25519 seed of the service, 32 bytes.
    """
    forms = tuple(
        _KeyForm(
            key_id=key.key_id,
            school_year=key.school_year,
            public_key=to_text(key.public_key),
            not_before=key.not_before,
            not_after=key.not_after,
        )
        for key in keys
    )
    form = _DocumentForm(operator=operator, keys=forms)
    return sign_document(KIND, form.model_dump(mode="json"), secret)


def read_key_document(data: bytes, signer: bytes | None = None) -> KeyDocument:
    """Verify and read the document.

    Args:
        data: the file.
        signer: the service's signing key, where it is known beforehand (a gateway that fetches the document). A school
            that was handed the file trusts the file itself; the signature then only shows that it arrived whole.

    Raises:
        SignatureError: altered, signed by another key, not of this form, or two keys for one year.
    """
    trusted = signer_of(data) if signer is None else signer
    try:
        form = _DocumentForm.model_validate(verify_document(KIND, data, trusted))
        keys = tuple(_service_key(key) for key in form.keys)
    except (ValidationError, MalformedError):
        raise SignatureError("the key document is signed but not of the form this version knows") from None
    if len({key.school_year for key in keys}) != len(keys):
        raise SignatureError("the key document has two keys for one school year")
    return KeyDocument(form.operator, keys, trusted)


def _service_key(form: _KeyForm) -> ServiceKey:
    public = check_public_key(from_text(form.public_key, ELEMENT))
    return ServiceKey(form.key_id, form.school_year, public, form.not_before, form.not_after)
