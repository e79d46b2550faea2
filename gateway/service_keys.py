"""The pseudonym service's public keys as this gateway has pinned them: one for each school year, all of one signer."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from audit.entry import Actor, Entry, Object
from audit.events import Event
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.store import ServiceKey
from policies.decision import Decision
from policies.question import Action
from pseudonymisation.errors import SignatureError
from pseudonymisation.key_document import KeyDocument, read_key_document

_SERVICE = "key:pseudonym-service"


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a file brought: how many new keys, and whether another signs from now on."""

    fresh: int
    other_signer: bool = False


def pin_service_keys(desk: Desk, document: bytes, *, signer: bytes | None = None) -> Pinned | Refused:
    """Pin the pseudonym service's public keys; a key that is pinned for a school year never changes.

    Args:
        desk: The operator's.
        document: The signed file of the service.
        signer: Who signs from now on, where that is another than who signed until now; without it only that one may.
    """
    gateway = desk.gateway
    try:
        keys = read_key_document(document, signer)
    except SignatureError:
        return Refused("key-document")
    if keys.operator != gateway.settings.service_operator:
        return Refused("service-operator")

    def act(session: Session, actor: Actor, decision: Decision) -> Pinned | Refused:
        before, now = _pinned(session), gateway.clock()
        other = bool(before) and before[-1].signer != keys.signer
        if other and (signer is None or not keys.keys):
            return Refused("key-document")
        if years := _contradicted(keys, before):
            return Refused("key-year", facts={"schoolYear": ", ".join(years)})
        fresh = [key for key in keys.keys if not any(one.for_school_year(key.school_year) for one in before)]
        if other:
            gateway.append(session, Entry(event=Event.KEY_ROTATED, actor=actor, object=Object(_SERVICE)), decision)
            named = col(ServiceKey.key_id).in_([key.key_id for key in keys.keys])
            for row in session.exec(select(ServiceKey).where(named)):
                row.document, row.pinned_at = document.decode(), now
        for key in fresh:
            year = key.school_year
            session.add(ServiceKey(key_id=key.key_id, school_year=year, document=document.decode(), pinned_at=now))
            about = Object(f"{_SERVICE}/{year}")
            gateway.append(session, Entry(event=Event.KEY_PUBLISHED, actor=actor, object=about), decision)
        return Pinned(len(fresh), other)

    return desk.act(Action.MANAGE_KEYS, act)


def _pinned(session: Session) -> Sequence[KeyDocument]:
    """The documents in which keys were pinned, the newest last."""
    by_age = select(ServiceKey.document).order_by(col(ServiceKey.pinned_at), col(ServiceKey.school_year))
    return [read_key_document(text.encode()) for text in session.exec(by_age)]


def _contradicted(keys: KeyDocument, before: Sequence[KeyDocument]) -> list[str]:
    """The years that have a key and would get another, or the same one for other days."""
    pinned = {key.school_year: key for one in before for key in one.keys}
    return [key.school_year for key in keys.keys if pinned.get(key.school_year, key) != key]
