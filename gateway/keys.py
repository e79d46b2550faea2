"""The life of the keys behind stored pids, after their making: followed after a leak, renounced, destroyed.

The room `pseudonymisation` knows how (`rotation`); here each step is decided, and logged in the transaction that
changes the rows. Keys of a school year that is over end in `retention`.
"""

from dataclasses import dataclass

from sqlalchemy import update
from sqlmodel import Session, col, select

from audit.entry import Actor, Entry, Object
from audit.events import Event
from audit.subjects import erase_year
from gateway.context import Gateway, take_the_desk
from gateway.database import forget_log
from gateway.operate import Desk
from gateway.outcome import GatewayError, Refused
from gateway.periods import hold_year
from gateway.prepared import SUBJECTS, hold_pids, hold_versions, years_cut
from gateway.store import Enrolment, Submission, table_of
from policies.decision import Decision
from policies.question import Action
from pseudonymisation import rotation
from pseudonymisation.domain import Domain
from pseudonymisation.keyring import KeyRecord, KeyState

_LIVE = (KeyState.ACTIVE, KeyState.DECRYPT_ONLY)


@dataclass(frozen=True, slots=True)
class Rotated:
    """A key in the place of another, or destroyed.

    Attributes:
        purpose: What the key serves.
        rows: How many rows went with it. Tags of the log's subjects stand among random ones: they are not counted.
    """

    key_id: str
    purpose: str
    rows: int


def rotate(desk: Desk, purpose: str, year: str) -> Rotated | Refused:
    """After a leak: a new key follows the one in use, and every stored pid is re-keyed; no school is asked.

    Steps, completed by running them again: (1) deliveries from now on pass through both keys, also one that was under
    way: those being kept are waited for, the others are prepared again (`receive`); (2) in one transaction for each
    key, every pid under a leaked one becomes one under the key that followed it; (3) on SQLite the old bytes leave the
    write-ahead log too. Tags of the log's subjects stand in signed roots and cannot be re-keyed: when their key leaks
    they are erased instead, in (1), so that none of the new key is among them.
    """
    gateway = desk.gateway

    def act(session: Session, actor: Actor, decision: Decision) -> KeyRecord | Refused:
        leaked = gateway.keyring.active(purpose, year) or rotation.half_succeeded(gateway.keyring, purpose, year)
        if leaked is None:
            return Refused("unknown-key")
        hold_year(session, year)
        gateway.append(session, _entry(Event.KEY_CREATED, actor, leaked), decision)
        if purpose == SUBJECTS and erase_year(session.connection(), year):
            gateway.append(session, _entry(Event.KEY_ROTATED, actor, leaked), decision)
        return rotation.succeed(gateway.keyring, leaked.key_id)

    made = desk.act(Action.MANAGE_KEYS, act)  # (1)
    if isinstance(made, Refused):
        return made
    total = 0
    for link in _links(gateway, made) if purpose != SUBJECTS else ():
        moved = _rekey(desk, link)  # (2)
        if isinstance(moved, Refused):
            return moved
        total += moved
    forget_log(gateway.database)  # (3)
    return Rotated(made.key_id, purpose, total)


def renounce(desk: Desk, purpose: str, year: str) -> Rotated | Refused:
    """At the start of the next period after a leak: a fresh key alone, and every leaked key is destroyed, at once.

    Refused while rows stand under a key that would be destroyed: a rotation that broke off is completed first. They are
    destroyed once the entry is kept. Run again after a crash, it completes what it began.
    """
    gateway = desk.gateway

    def act(session: Session, actor: Actor, decision: Decision) -> tuple[KeyRecord, list[str]] | Refused:
        current = gateway.keyring.active(purpose, year)
        if current is None or current.previous is None:
            current = rotation.half_renounced(gateway.keyring, purpose, year)
        if current is None:
            return Refused("unknown-key")
        if current.state is KeyState.ACTIVE and _stand_under_leaked(gateway, session, current):
            return Refused("rows-left")
        gateway.append(session, _entry(Event.KEY_RETIRED, actor, current), decision)
        fresh = rotation.renounce(gateway.keyring, current.key_id, not_before=gateway.today)
        return fresh, gateway.keyring.links(current.key_id)[:-1]

    renounced = desk.act(Action.MANAGE_KEYS, act)
    if isinstance(renounced, Refused):
        return renounced
    fresh, leaked = renounced
    gateway.keyring.destroy(*leaked)
    return Rotated(fresh.key_id, purpose, 0)


def destroy(desk: Desk, key_id: str) -> Rotated | Refused:
    """Destroy a key for good: what stands under it is erased in one transaction with its entry, then the key goes.

    One in use is put away in that transaction, after the deliveries that are being kept: no other is kept under it.
    The key of a consent ends with its consent, and one through which a key in use passes with `renounce`.
    """
    gateway, known = desk.gateway, desk.gateway.keyring.record(key_id)
    year = (known and known.school_year) or ""

    def act(session: Session, actor: Actor, decision: Decision) -> Rotated | Refused:
        hold_pids(session, year)
        take_the_desk(session, Action.MANAGE_KEYS)
        record = gateway.keyring.record(key_id)
        if record is None or record.school_year is None or record.state is KeyState.DESTROYED:
            return Refused("unknown-key")
        if key_id in gateway.keyring.needed():
            return Refused("key-needed")
        hold_year(session, year)
        erased = _erase_under(gateway, session, record)
        if isinstance(erased, Refused):
            return erased
        gateway.append(session, _entry(Event.KEY_DESTROYED, actor, record), decision)
        if record.state is KeyState.ACTIVE:
            gateway.keyring.retire(key_id)
        return Rotated(key_id, record.purpose, erased)

    gone = desk.act(Action.MANAGE_KEYS, act, alone=False)  # at the desk nobody waits for a rotation
    if not isinstance(gone, Refused):
        gateway.keyring.destroy(key_id)
        forget_log(gateway.database)
    return gone


def renew_keks(desk: Desk, *, consents: bool) -> Refused | None:
    """After a key-encryption key leaked: every key it wraps, or that of consents, stands under one that nobody has.

    The keys themselves stay as they are: whoever has the leaked one and a copy of the ring of before has those. Run
    again after a crash, it completes what it began.
    """
    gateway = desk.gateway

    def act(session: Session, actor: Actor, decision: Decision) -> None:
        about = Object("key:key-encryption")
        gateway.append(session, Entry(event=Event.KEY_ROTATED, actor=actor, object=about), decision)

    refused = desk.act(Action.MANAGE_KEYS, act)
    if refused is None:
        (gateway.consent_keys if consents else gateway.keyring).renew_keks()
    return refused


def rotate_restored(desk: Desk) -> None:
    """After a restore: what came back from before a rotation goes through it once more.

    Pids are re-keyed. Of tags nothing tells which key made them: all go of a school year in which one went out of use.

    Raises:
        GatewayError: the law does not let the operator.
    """
    gateway = desk.gateway
    records = gateway.keyring.records()
    followed = {one.previous for one in records}
    last = [one for one in records if one.state in _LIVE and one.key_id not in followed and one.purpose != SUBJECTS]
    links = [link for one in last for link in _links(gateway, one) if link.state is not KeyState.DESTROYED]

    def forget(session: Session, actor: Actor, decision: Decision) -> None:
        for year in sorted(years_cut(gateway.keyring)):
            if erase_year(session.connection(), year):
                about = Object(f"key:{SUBJECTS}/{year}")
                gateway.append(session, Entry(event=Event.KEY_ROTATED, actor=actor, object=about), decision)

    for outcome in (*(_rekey(desk, link) for link in links), desk.act(Action.MANAGE_KEYS, forget)):
        if isinstance(outcome, Refused):
            raise GatewayError(f"keys could not follow after the restore: {outcome.code}")


def _erase_under(gateway: Gateway, session: Session, record: KeyRecord) -> int | Refused:
    """Erase what stands under a key: pids with their rows, and says how many; or the tags of the log's subjects.

    Nothing tells tags of two keys apart: where those of another stand beside them none are erased.
    """
    if record.purpose != SUBJECTS:
        return rotation.erase(session.connection(), table_of(Enrolment), [record.key_id])
    year = record.school_year or ""
    tagged = _with_tags(gateway, year)
    if record.key_id in tagged:
        if len(tagged) > 1:
            return Refused("tags-shared")
        erase_year(session.connection(), year)
    return 0


def _with_tags(gateway: Gateway, year: str) -> set[str]:
    """Keys of a school year of which tags may stand: when one is followed, its tags go, and all that stand beside."""
    live = {one.key_id: one.previous for one in gateway.keyring.of(SUBJECTS, year, *_LIVE)}
    current = gateway.keyring.active(SUBJECTS, year)
    if current is not None and current.previous is not None:
        return {current.key_id}
    return live.keys() - set(live.values())


def _links(gateway: Gateway, current: KeyRecord) -> list[KeyRecord]:
    """Every key that followed a leaked one, oldest first, up to the key in use."""
    records = {record.key_id: record for record in gateway.keyring.records()}
    links = []
    while current.previous is not None:
        links.append(current)
        current = records[current.previous]
    return links[::-1]


def _stand_under_leaked(gateway: Gateway, session: Session, current: KeyRecord) -> bool:
    """Whether rows stand under the keys that this one followed; none do after a rotation that was completed."""
    leaked = gateway.keyring.links(current.key_id)[:-1]
    found = select(Enrolment.key_id).where(col(Enrolment.key_id).in_(leaked)).limit(1)
    return session.exec(found).first() is not None


def _rekey(desk: Desk, successor: KeyRecord) -> int | Refused:
    """(2) One transaction: rows, submissions and entry; how many rows."""
    leaked, year = successor.previous or "", successor.school_year or ""

    def act(session: Session, actor: Actor, decision: Decision) -> int:
        hold_pids(session, year)
        hold_versions(session, year, col(Submission.pid_key_id) == leaked)
        connection, gateway, table = session.connection(), desk.gateway, table_of(Enrolment)
        domain, key = Domain(successor.purpose, year), gateway.keyring.secret(successor.key_id)
        moved = rotation.rekey(connection, table, leaked=leaked, successor=successor.key_id, key=key, domain=domain)
        named = update(Submission).where(col(Submission.pid_key_id) == leaked)
        session.execute(named.values(pid_key_id=successor.key_id))
        if moved:
            gateway.append(session, _entry(Event.KEY_ROTATED, actor, successor), decision)
        return moved

    return desk.act(Action.MANAGE_KEYS, act, alone=False)  # it takes minutes


def _entry(event: Event, actor: Actor, record: KeyRecord) -> Entry:
    return Entry(event=event, actor=actor, object=Object(f"key:{record.purpose}/{record.school_year}"))
