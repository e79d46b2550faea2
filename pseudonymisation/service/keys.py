"""The service's keys: one random seed for each school year, and the key it signs its key document with."""

from collections.abc import Callable
from datetime import date

from pseudonymisation.domain import check_school_year, service_info
from pseudonymisation.errors import KeyringError
from pseudonymisation.key_document import ServiceKey, write_key_document
from pseudonymisation.keyring import KeyRecord, Keyring, KeyState
from pseudonymisation.oprf import public_key

EVALUATION = "pseudonym-service"
SIGNING = "pseudonym-service-signing"
_ALWAYS = {"not_before": date(2000, 1, 1), "not_after": date(9999, 12, 31)}


def open_year(
    keyring: Keyring, school_year: str, *, not_before: date, not_after: date, keep: Callable[[], None] = lambda: None
) -> KeyRecord:
    """The service's active key for a school year; made if there is none yet.

    Args:
        keyring: the service's own.
        school_year: such as `2026-2027`.
        not_before: first day on which it is used.
        not_after: first day after that: late corrections end there.
        keep: keeps the trace of a key that is new; it comes into use after that, so that none is used without one.

    Raises:
        KeyringError: the year was closed: schools and gateways hold its public key, and no other ever fits it.
    """
    check_school_year(school_year)
    closed = (EVALUATION, school_year, KeyState.DESTROYED)
    if any((record.purpose, record.school_year, record.state) == closed for record in keyring.records()):
        raise KeyringError("year-closed", year=school_year)
    found = keyring.active(EVALUATION, school_year)
    if found is None:
        ready = keyring.ready(EVALUATION, school_year, not_before=not_before, not_after=not_after)
        keep()
        found = keyring.active(EVALUATION, school_year) or keyring.activate(ready.key_id)
    return found


def service_document(keyring: Keyring, operator: str) -> bytes:
    """The signed public key document (`key_document`): the active key of each school year.

    The same keys give the same bytes, so that its published hash says whether a school has the file everybody has.

    Args:
        keyring: the service's own; gets a signing key if it has none.
        operator: the party that runs the service.
    """
    signing = keyring.open(SIGNING, None, **_ALWAYS)
    keys = [
        ServiceKey(
            key_id=record.key_id,
            school_year=record.school_year,
            public_key=public_key(keyring.secret(record.key_id), service_info(record.school_year)),
            not_before=record.not_before,
            not_after=record.not_after,
        )
        for record in keyring.records()
        if record.purpose == EVALUATION and record.state is KeyState.ACTIVE and record.school_year is not None
    ]
    return write_key_document(operator, keys, keyring.secret(signing.key_id))
