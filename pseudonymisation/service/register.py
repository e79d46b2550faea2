"""The service's register: which sites there are, how many pupils they have, and how they prove who they are.

The gateway exports it as a signed file; the service takes no other word for it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pseudonymisation.errors import SignatureError
from pseudonymisation.signed import sign_document, verify_document

KIND = "verzuimpoort/service-register/v1"
_FORM = ConfigDict(extra="forbid", frozen=True)
_BEARER = re.compile(r"Bearer ([!-~]{20,256})")
_TOKEN_LABEL = b"nl-verzuim/service-token/v1\0"


class Credential(BaseModel):
    """A bearer token, as its hash: high entropy, so a hash suffices.

    Attributes:
        sha256: `credential_hash` of the token.
        not_after: first day on which it is refused.
    """

    model_config = _FORM
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    not_after: date


class RegisteredSite(BaseModel):
    """A site that may ask.

    Attributes:
        site: such as `00AB00`.
        pupils: registered pupils, the measure of the quota.
        valid_from: first day.
        valid_to: first day after; None while it lasts.
        credentials: any of them identifies the site.
    """

    model_config = _FORM
    site: str = Field(pattern="^[0-9]{2}[A-Z]{2}[0-9]{2}$")
    pupils: int = Field(ge=0, le=100_000)
    valid_from: date
    valid_to: date | None = None
    credentials: tuple[Credential, ...] = ()

    def valid_on(self, day: date) -> bool:
        """Whether the day lies in `[valid_from, valid_to)`."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


class Register(BaseModel):
    """All sites at one moment.

    Attributes:
        serial: goes up with every export; the service never goes back to a lower one.
        operator: the party that runs the gateway.
        issued: UTC.
        expires: first day on which the whole register is refused.
        sites: each once.
    """

    model_config = _FORM
    serial: int = Field(ge=1)
    operator: str = Field(min_length=1, max_length=64)
    issued: datetime
    expires: date
    sites: tuple[RegisteredSite, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        hashes = [credential.sha256 for site in self.sites for credential in site.credentials]
        if len({site.site for site in self.sites}) != len(self.sites) or len(set(hashes)) != len(hashes):
            raise ValueError("a site or a credential stands in the register twice")
        return self

    def site(self, code: str, day: date) -> RegisteredSite | None:
        """The site with this code if it is valid on the day and so is the register."""
        found = self._by_code.get(code)
        return found if found is not None and found.valid_on(day) and day < self.expires else None

    def holder(self, token: str, day: date) -> str | None:
        """The code of the site that owns a bearer token valid on the day."""
        wanted = credential_hash(token)
        code, credential = self._by_hash.get(wanted, (None, None))
        if credential is None or not compare_digest(credential.sha256, wanted) or day >= credential.not_after:
            return None
        return code

    @cached_property
    def _by_code(self) -> Mapping[str, RegisteredSite]:
        return {site.site: site for site in self.sites}

    @cached_property
    def _by_hash(self) -> Mapping[str, tuple[str, Credential]]:
        return {credential.sha256: (site.site, credential) for site in self.sites for credential in site.credentials}


def credential_hash(token: str) -> str:
    """What the register holds of a service token. The label keeps a token for the gateway from working here."""
    return sha256(_TOKEN_LABEL + token.encode()).hexdigest()


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer …` header, or None."""
    match = _BEARER.fullmatch(authorization or "")
    return match[1] if match else None


def export_register(
    sites: Sequence[RegisteredSite], *, serial: int, operator: str, issued: datetime, expires: date, secret: bytes
) -> bytes:
    """The signed register file, made by the gateway.

    Args:
        sites: each once.
        serial: higher than the last export's.
        operator: the party that runs the gateway.
        issued: UTC.
        expires: first day on which the service refuses it.
        secret: Ed25519 seed of the gateway, 32 bytes.
    """
    register = Register(serial=serial, operator=operator, issued=issued, expires=expires, sites=tuple(sites))
    return sign_document(KIND, register.model_dump(mode="json"), secret)


def load_register(data: bytes, signer: bytes) -> Register:
    """Verify and read a register file.

    Args:
        data: the file.
        signer: the gateway's public key, 32 bytes, pinned at the service.

    Raises:
        SignatureError: altered, signed by another key, or not of this form.
    """
    document: dict[str, Any] = verify_document(KIND, data, signer)
    try:
        return Register.model_validate(document)
    except ValidationError:
        raise SignatureError("the register is signed but not of the form this version knows") from None


class RegisterFile:
    """A register file that may be replaced while the service runs.

    Args:
        path: the file.
        signer: the gateway's public key, 32 bytes.

    Raises:
        SignatureError: as `load_register`.
    """

    def __init__(self, path: Path, signer: bytes) -> None:
        self._path = path
        self._signer = signer
        self._seen: tuple[tuple[int, int, int], Register] | None = None
        self()

    def __call__(self) -> Register:
        """The register as it stands in the file now; read again when the file changed."""
        status = self._path.stat()
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if self._seen is None or self._seen[0] != stamp:
            self._seen = (stamp, load_register(self._path.read_bytes(), self._signer))
        return self._seen[1]
