"""The service's register: signed, dated, and the only word on who may ask."""

from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pseudonymisation.errors import SignatureError
from pseudonymisation.service.quota import base_quota
from pseudonymisation.service.register import (
    KIND,
    Credential,
    RegisteredSite,
    RegisterFile,
    bearer_token,
    credential_hash,
    export_register,
    load_register,
)
from pseudonymisation.signed import sign_document
from tests.pseudonymisation.world import GATEWAY_PUBLIC, GATEWAY_SECRET

TOKEN = "t" * 40
TODAY = date(2026, 10, 1)


def site(code: str = "00AB00", token: str = TOKEN, **changes: object) -> RegisteredSite:
    """A site that is valid today."""
    credential = Credential(sha256=credential_hash(token), not_after=date(2027, 1, 1))
    fields = {"pupils": 300, "valid_from": date(2026, 8, 1), "valid_to": date(2027, 8, 1), "credentials": (credential,)}
    return RegisteredSite(site=code, **(fields | changes))


def exported(*sites: RegisteredSite, serial: int = 1, secret: bytes = GATEWAY_SECRET) -> bytes:
    """A register file."""
    issued, expires = datetime(2026, 9, 1, tzinfo=UTC), date(2027, 9, 1)
    return export_register(sites, serial=serial, operator="ORG-LOKET", issued=issued, expires=expires, secret=secret)


def test_what_the_gateway_exports_the_service_reads() -> None:
    """Sites, credentials and dates survive the file."""
    register = load_register(exported(site(), site("01CD01", "u" * 40)), GATEWAY_PUBLIC)
    assert register.sites == (site(), site("01CD01", "u" * 40))
    assert (register.serial, register.operator) == (1, "ORG-LOKET")


@pytest.mark.parametrize(
    ("day", "known"),
    [(date(2026, 7, 31), False), (date(2026, 8, 1), True), (date(2027, 7, 31), True), (date(2027, 8, 1), False)],
)
def test_a_site_is_valid_between_its_dates(day: date, known: bool) -> None:
    """From the first day up to, not including, the last."""
    assert (load_register(exported(site()), GATEWAY_PUBLIC).site("00AB00", day) is not None) == known


@pytest.mark.parametrize(("day", "holder"), [(date(2026, 12, 31), "00AB00"), (date(2027, 1, 1), None)])
def test_a_credential_expires(day: date, holder: str | None) -> None:
    """A token works up to, not including, its last day."""
    assert load_register(exported(site()), GATEWAY_PUBLIC).holder(TOKEN, day) == holder


def test_an_expired_register_knows_nobody() -> None:
    """A register that is no longer kept up gives no access: a revoked credential would still stand in it."""
    register = load_register(exported(site(valid_to=None)), GATEWAY_PUBLIC)
    assert register.site("00AB00", date(2027, 8, 31)) is not None
    assert register.site("00AB00", date(2027, 9, 1)) is None


@given(st.text(max_size=60))
def test_other_tokens_belong_to_nobody(token: str) -> None:
    """No other text is a credential."""
    assert load_register(exported(site()), GATEWAY_PUBLIC).holder(token, TODAY) is None


def test_the_file_shows_no_token() -> None:
    """The register holds a hash only, and not the hash a gateway would keep of the same token."""
    assert TOKEN.encode() not in exported(site())


def test_the_hash_of_a_token_is_the_specified_one() -> None:
    """SHA-256 with a label of its own: registers of before stay valid, and a gateway's hash never is one."""
    assert credential_hash(TOKEN) == sha256(b"nl-verzuim/service-token/v1\0" + TOKEN.encode()).hexdigest()
    assert credential_hash(TOKEN) != sha256(TOKEN.encode()).hexdigest()


def test_another_signer_is_refused() -> None:
    """The service takes only its gateway's word."""
    with pytest.raises(SignatureError):
        load_register(exported(site(), secret=b"x" * 32), GATEWAY_PUBLIC)


def test_doubles_are_refused() -> None:
    """A site or a credential that stands in it twice makes no register."""
    with pytest.raises(ValidationError, match="twice"):
        exported(site(), site(token="u" * 40))
    with pytest.raises(ValidationError, match="twice"):
        exported(site(), site("01CD01"))


def test_a_signed_file_of_another_form_is_refused() -> None:
    """A good signature does not excuse an unknown form."""
    with pytest.raises(SignatureError, match="form"):
        load_register(sign_document(KIND, {"serial": 1}, GATEWAY_SECRET), GATEWAY_PUBLIC)


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    """An export while the service runs takes effect at the next request."""
    path = tmp_path / "register.json"
    path.write_bytes(exported(site()))
    registers = RegisterFile(path, GATEWAY_PUBLIC)
    assert registers() is registers()
    path.with_name("new").write_bytes(exported(site(pupils=301), serial=2))
    path.with_name("new").replace(path)
    assert registers().sites[0].pupils == 301


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, None),
        ("", None),
        ("Bearer", None),
        (f"Bearer {TOKEN}", TOKEN),
        (f"bearer {TOKEN}", None),
        (f"Basic {TOKEN}", None),
        (f"Bearer {TOKEN} x", None),
        ("Bearer short", None),
    ],
)
def test_bearer_headers(header: str | None, token: str | None) -> None:
    """Only the one form is a token."""
    assert bearer_token(header) == token


@pytest.mark.parametrize(
    ("pupils", "quota"), [(0, 25), (1, 27), (5, 31), (10, 37), (340, 433), (341, 435), (100_000, 120_025)]
)
def test_quota_is_a_fifth_more_than_the_pupils_and_25(pupils: int, quota: int) -> None:
    """ceil(1.2 × pupils) + 25, exact."""
    assert base_quota(pupils) == quota
