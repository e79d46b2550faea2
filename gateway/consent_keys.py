"""The data key of a consent: made when it is given, another one when it is narrowed, gone when it ended.

Gone also when the processor agreement of its site ended; under another agreement the first record gets a new one.

A backup of before then opens nothing of what was sent under it: whatever the key of its rows was, it is destroyed.
"""

from collections.abc import Collection
from datetime import timedelta

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlmodel import Session, select

from gateway.context import Gateway
from gateway.store import ConsentedHealth, ConsentRecord
from policies.consent import Terms
from pseudonymisation.keyring import KeyState

_NONCE = 12
_PADDED = 128  # longer than any hours of illness as JSON, which may end in blanks


def renew_key(gateway: Gateway, session: Session, row: ConsentRecord, terms: Terms) -> None:
    """A fresh key, under which go the records that are there; the one before is destroyed after this transaction.

    Never one that is there, also where a consent has none any more: it may be about to be destroyed.
    """
    first, last = terms.first_day, terms.last_day + timedelta(days=1)
    made = gateway.consent_keys.create(_purpose(row.id), None, not_before=first, not_after=last)
    fresh = gateway.consent_keys.activate(made.key_id).key_id
    for record in session.exec(select(ConsentedHealth).where(ConsentedHealth.consent_id == row.id)):
        record.ciphertext = encrypted(gateway, fresh, (row.id, record.id), decrypted(gateway, row.key_id, record))
    row.key_id = fresh


def has_key(gateway: Gateway, row: ConsentRecord) -> bool:
    """Whether what was sent under a consent can be opened."""
    record = gateway.consent_keys.record(row.key_id)
    return record is not None and record.state is not KeyState.DESTROYED


def keys_of(gateway: Gateway, row: ConsentRecord) -> list[str]:
    """Every key of a consent that is not destroyed."""
    alive = (state for state in KeyState if state is not KeyState.DESTROYED)
    return [key.key_id for key in gateway.consent_keys.of(_purpose(row.id), None, *alive)]


def destroy_keys(gateway: Gateway, *, ended: Collection[str] = (), narrowed: Collection[str] = ()) -> None:
    """Destroy every key of consents that ended, and those of narrowed ones that another followed; again does nothing.

    All at once: each destruction wraps keys that survive it anew, and on 31 July all consents of a year end. The keys
    are looked at before the rows: one that was followed by then is in use only if its row still says so.
    """
    over, less = ({_purpose(one) for one in ids} for ids in (ended, narrowed))
    keys = [key for key in gateway.consent_keys.records() if key.state is not KeyState.DESTROYED]
    with gateway.reading() as session:
        used = set(session.exec(select(ConsentRecord.key_id)))
    doomed = [key.key_id for key in keys if key.purpose in over]
    followed = [key for key in keys if key.purpose in less and key.state is KeyState.DECRYPT_ONLY]
    doomed += [key.key_id for key in followed if key.key_id not in used]
    if doomed:
        gateway.consent_keys.destroy(*doomed)


def encrypted(gateway: Gateway, key_id: str, names: tuple[str, str], plain: bytes) -> bytes:
    """What is stored of a record, named by its consent and itself: nonce and ciphertext under a key of its consent.

    Of one length: the ciphertext outlives its key in copies, and would tell how many digits the hours have.
    """
    nonce = gateway.random(_NONCE)
    cipher = AESGCM(gateway.consent_keys.secret(key_id))
    return nonce + cipher.encrypt(nonce, plain.ljust(_PADDED), _aad(*names))


def decrypted(gateway: Gateway, key_id: str, record: ConsentedHealth) -> bytes:
    """What was encrypted, with the blanks behind it."""
    nonce, sealed = record.ciphertext[:_NONCE], record.ciphertext[_NONCE:]
    cipher = AESGCM(gateway.consent_keys.secret(key_id))
    return cipher.decrypt(nonce, sealed, _aad(record.consent_id, record.id))


def _purpose(consent_id: str) -> str:
    return f"consent-{consent_id}"


def _aad(consent_id: str, record_id: str) -> bytes:
    """What binds a ciphertext to its record, so that none passes for another."""
    return f"nl-verzuim/consented/v1\0{consent_id}\0{record_id}".encode()
