"""Who is calling: tokens of machines, one-time login links and browser sessions of people, and their party.

Secrets are 32 random bytes; only their SHA-256 is stored, and comparison takes constant time. What a caller may do is
not decided here but by the policies.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import bindparam, delete, update
from sqlmodel import Session, col, select

from gateway.outcome import GatewayError, Refused
from gateway.register import kind_of_code, mandates, sector_of
from gateway.settings import TOKEN_FORM
from gateway.store import LoginLink, Oin, Party, Person, ServiceCredential, Token, WebSession, table_of
from policies.days import local_day
from policies.parties import Caller, Kind, Mandate, Role
from policies.parties import Party as PolicyParty

LINK_LIFE = timedelta(hours=1)
IDLE = timedelta(minutes=15)
ABSOLUTE = timedelta(hours=8)
_AHEAD = timedelta(seconds=60)
ROLES = tuple(role.value for role in Role if role is not Role.MACHINE)
SCOPES = ("submit", "download", "consent", "audit", "all")
_OIN = re.compile(r"[0-9]{20}")
# Built once, and asking for columns: every request of a machine begins with it.
_TOKENS, _OINS, _SESSIONS = table_of(Token).c, table_of(Oin).c, table_of(WebSession).c
_BY_ID = table_of(Token).select().where(_TOKENS.id == bindparam("id"))
_GOOD = {
    Token: select(_TOKENS.id)
    .where(_TOKENS.id == bindparam("key"), _TOKENS.revoked_at.is_(None), _TOKENS.expires_at > bindparam("now"))
    .with_for_update(read=True),
    Oin: select(_OINS.number)
    .where(_OINS.number == bindparam("key"), _OINS.party == bindparam("party"), _OINS.revoked_at.is_(None))
    .with_for_update(read=True),
    WebSession: select(_SESSIONS.person_id)
    .where(_SESSIONS.secret_hash == bindparam("key"), _SESSIONS.started_at > bindparam("since"))
    .with_for_update(read=True),
}


@dataclass(frozen=True, slots=True)
class Credential:
    """Which credential was shown: the row that is looked at again before something is kept."""

    kind: type[Token | Oin | WebSession]
    key: str | bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller whose credential was valid.

    Attributes:
        party: Code of the party the credential belongs to.
        role: Role of the person, or `machine`.
        person: Row of the person, None for a machine.
        scopes: What a machine's token may be used for; empty for people.
        proven: Whether the person proved a short while ago who it is: publishing and handing out credentials need it.
        credential: What was shown; None for the operator's command line.
    """

    party: str
    role: str
    person: int | None = None
    scopes: frozenset[str] = frozenset()
    proven: bool = False
    credential: Credential | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A new browser session: its secret for the cookie, which is not stored here."""

    secret: str = field(repr=False)
    identity: Identity


def issue_token(session: Session, party: str, *, scopes: Iterable[str], expires_at: datetime) -> tuple[str, str]:
    """Make a token for a machine of a party; returns its id and the token, which is shown once and never again."""
    token_id, secret = secrets.token_hex(16), secrets.token_urlsafe(32)
    session.add(
        Token(
            id=token_id,
            secret_hash=_digest(secret),
            party=party,
            role="machine",
            scopes=" ".join(sorted(scopes)),
            expires_at=expires_at,
        )
    )
    session.flush()
    return token_id, f"vp_{token_id}_{secret}"


def revoke_token(session: Session, key: str, now: datetime) -> tuple[str, str] | None:
    """Revoke a token by its id or by itself, or a certificate's number, at once; None when there is none or no more.

    Returns:
        Its party, and the id or number: never the secret, which is part of a token that leaked.
    """
    leaked = TOKEN_FORM.fullmatch(key)
    key = leaked[1] if leaked else key
    row: Token | Oin | None = (
        session.get(Oin, key, with_for_update=True) if oin_fits(key) else session.get(Token, key, with_for_update=True)
    )
    if row is None or row.revoked_at is not None:
        return None
    row.revoked_at = now
    session.flush()
    return row.party, key


def identify_token(session: Session, text: str, now: datetime) -> Identity | None:
    """The machine behind a token; None when it is malformed, unknown, expired or revoked, without saying which."""
    match = TOKEN_FORM.fullmatch(text)
    token = session.connection().execute(_BY_ID, {"id": match[1]}).first() if match else None
    given = _digest(match[2] if match else "")
    stored = token.secret_hash if token is not None else bytes(32)
    if not hmac.compare_digest(given, stored) or token is None:
        return None
    if token.revoked_at is not None or token.expires_at <= now:
        return None
    return Identity(
        token.party, token.role, scopes=frozenset(token.scopes.split()), credential=Credential(Token, token.id)
    )


def register_oin(session: Session, number: str, party: str, *, scopes: Iterable[str]) -> bool:
    """Let the holder of certificates with this number (20 digits) speak for a party; False when it speaks for another.

    Raises:
        GatewayError: not a number of 20 digits; callers check with `oin_fits` first.
    """
    if not oin_fits(number):
        raise GatewayError("not an OIN")
    row = session.get(Oin, number)
    if row is not None and row.party != party and row.revoked_at is None:
        return False
    row = row or Oin(number=number, party=party, scopes="")
    row.party, row.scopes, row.revoked_at = party, " ".join(sorted(scopes)), None
    session.add(row)
    return True


def oin_fits(number: str) -> bool:
    """Whether this can be an organisation's number (OIN: 20 digits, Logius)."""
    return _OIN.fullmatch(number) is not None


def identify_oin(session: Session, number: str) -> Identity | None:
    """The machine behind a client certificate that the proxy verified; None when its number is unknown or revoked."""
    row = session.get(Oin, number)
    if row is None or row.revoked_at is not None:
        return None
    return Identity(row.party, "machine", scopes=frozenset(row.scopes.split()), credential=Credential(Oin, number))


def still_good(session: Session, identity: Identity, now: datetime) -> bool:
    """Whether the credential that was shown was not ended meanwhile; nobody ends it before this transaction is over.

    For acts that follow a body: its sender, who may take its time, can have been shut out while it was under way.
    """
    shown = identity.credential
    if shown is None:
        return True
    given = {"key": shown.key, "party": identity.party, "now": now, "since": now - ABSOLUTE}
    return session.connection().execute(_GOOD[shown.kind], given).first() is not None


def shut_out(session: Session, party: str) -> Refused | None:
    """Why nothing that opens a door is handed out to a party: it is not in the register, or locked out."""
    row = session.get(Party, party)
    if row is None:
        return Refused("unknown-party")
    return None if row.locked_at is None else Refused("party-locked")


def end_credentials(session: Session, party: str, now: datetime) -> int:
    """End everything that opens a door for a party: sessions, login links, tokens, certificates; returns how many.

    Tokens for the pseudonym service among them: it knows when it gets the register that is exported next. The party is
    locked from then on, so that nobody logs in again through the provider. Sessions end last: who is logging in at this
    moment holds the link or the party until its session is there.
    """
    people = select(Person.id).where(Person.party == party)
    unused = col(LoginLink.used_at).is_(None)
    locked = update(Party).where(col(Party.code) == party).values(locked_at=now)
    session.connection().execute(locked)
    statements = (
        delete(LoginLink).where(col(LoginLink.person_id).in_(people), unused),
        delete(WebSession).where(col(WebSession.person_id).in_(people)),
        delete(ServiceCredential).where(col(ServiceCredential.site) == party),
        *(
            update(row).where(col(row.party) == party, col(row.revoked_at).is_(None)).values(revoked_at=now)
            for row in (Token, Oin)
        ),
    )
    return sum(session.connection().execute(statement).rowcount for statement in statements)


def add_person(session: Session, party: str, role: str, label: str) -> Person:
    """Register somebody who works with the gateway.

    Raises:
        GatewayError: no such role; the command line and the pages offer only those there are.
    """
    if role not in ROLES:
        raise GatewayError("no such role")
    person = Person(party=party, role=role, label=label)
    session.add(person)
    session.flush()
    return person


def find_person(session: Session, party: str, role: str, label: str, *, hold: bool = False) -> Person | None:
    """Who goes by a label at a party in a role: the first that was registered; by none goes whose label was erased.

    Four eyes are two persons, so nobody may become a second one by being invited again: of who is held the label is not
    erased before the transaction ends.
    """
    named = select(Person).where(Person.party == party, Person.role == role, Person.label == label, Person.label != "")
    query = named.order_by(col(Person.id))
    return session.exec(query.with_for_update() if hold else query).first()


def issue_link(session: Session, person: Person, now: datetime) -> str:
    """A one-time secret with which a person opens a session within the hour."""
    if person.id is None:
        raise GatewayError("a person without a row cannot log in")
    secret = secrets.token_urlsafe(32)
    session.add(LoginLink(secret_hash=_digest(secret), person_id=person.id, expires_at=now + LINK_LIFE))
    return secret


def link_is_open(session: Session, secret: str, now: datetime) -> bool:
    """Whether a login link can still be used; looking does not use it up."""
    return _opened_by(session, session.get(LoginLink, _digest(secret)), now) is not None


def open_session(
    session: Session, secret: str, now: datetime, *, proven_for: timedelta, former: str = ""
) -> Opened | None:
    """Use up a login link and open a browser session in the place of the former one of this browser.

    None when the link is unknown, used, expired or its party locked; then the former session goes on.
    """
    link = session.get(LoginLink, _digest(secret), with_for_update=True)
    person = _opened_by(session, link, now)
    if link is None or person is None:
        return None
    link.used_at = now
    return start_session(session, person, now, proven_at=now, proven_for=proven_for, former=former)


def start_session(
    session: Session, person: Person, now: datetime, *, proven_at: datetime, proven_for: timedelta, former: str = ""
) -> Opened:
    """A browser session of somebody who proved at a moment who it is; it ends the former one of this browser."""
    close_session(session, former)
    cookie = secrets.token_urlsafe(32)
    person.seen_on = local_day(now)
    row = WebSession(
        secret_hash=_digest(cookie),
        person_id=person.id or 0,
        csrf=secrets.token_urlsafe(32),
        started_at=now,
        seen_at=now,
        proven_at=proven_at,
    )
    session.add(row)
    return Opened(cookie, _identity(person, row, proven=_lasts(proven_at, proven_for, now)))


def identify_session(
    session: Session, cookie: str, now: datetime, *, proven_for: timedelta
) -> tuple[Identity, WebSession] | None:
    """The person behind a session cookie, or None: unknown, idle for 15 minutes, or older than eight hours."""
    row = session.get(WebSession, _digest(cookie))
    if row is None or not (_lasts(row.seen_at, IDLE, now) and _lasts(row.started_at, ABSOLUTE, now)):
        return None
    return _identity(session.get_one(Person, row.person_id), row, proven=_lasts(row.proven_at, proven_for, now)), row


def keep_alive(session: Session, cookie: str, now: datetime) -> None:
    """Note that a browser session was used; one that was ended in the meantime stays ended."""
    used = update(WebSession).where(col(WebSession.secret_hash) == _digest(cookie)).values(seen_at=now)
    session.connection().execute(used)


def close_session(session: Session, cookie: str) -> bool:
    """End a browser session; False when it was ended before."""
    ended = delete(WebSession).where(col(WebSession.secret_hash) == _digest(cookie))
    return session.exec(ended).rowcount > 0


def close_sessions_of(session: Session, person: int) -> None:
    """End every browser session of a person, on whatever device."""
    session.execute(delete(WebSession).where(col(WebSession.person_id) == person))


def caller_of(session: Session, identity: Identity, day: date) -> Caller:
    """What the policies know of a caller on the day of the request, Europe/Amsterdam."""
    return Caller(policy_party(session, identity.party, day), Role(identity.role))


def sender_of(
    session: Session, identity: Identity, day: date, *, site: str, reference_date: date, collection: str
) -> Caller:
    """What the policies know of who acts on a delivery of a site: the site itself, or who has its mandate on that day.

    The site is as it was on the period's reference date, which holds for the whole period.
    """
    delivering = policy_party(session, site, reference_date)
    if site == identity.party:
        return Caller(delivering, Role(identity.role))
    given = mandate_of(session, identity.party, site, day, collection=collection)
    return Caller(policy_party(session, identity.party, day), Role(identity.role), delivering, given)


def mandate_of(
    session: Session, supplier: str, site: str, day: date, *, collection: str, hold: bool = False
) -> Mandate | None:
    """What mandates allow together for a collection; where none names it, the first, so that the law can say so.

    Acts and collections of different mandates are not mixed: an act is covered where one mandate names both.
    """
    rows = mandates(session, supplier, site, day, hold=hold)
    scopes = [tuple(frozenset(part.split()) for part in row.scope.split("|")) for row in rows]
    of_it = [(row, scope) for row, scope in zip(rows, scopes, strict=True) if collection in scope[1]]
    chosen = of_it or list(zip(rows, scopes, strict=True))[:1]
    if not chosen:
        return None
    return Mandate(
        giver=chosen[0][0].site,
        holder=chosen[0][0].supplier,
        valid_from=max(row.valid_from for row, _ in chosen),
        valid_until=min(row.valid_to or date.max for row, _ in chosen),
        actions=frozenset[str]().union(*(actions for _, (actions, _) in chosen)),
        collections=frozenset({collection}) if of_it else chosen[0][1][1],
    )


def policy_party(session: Session, code: str, day: date) -> PolicyParty:
    """A party as the policies see it on a day; one that nobody registered is a party of no rights."""
    site = sector_of(session, code, day) if kind_of_code(code) == Kind.SITE else None
    if site is not None:
        sector, funded = site
        return PolicyParty(code, Kind.SITE, sectors=frozenset({sector}), funded=funded)
    party = session.get(Party, code)
    if party is None:
        return PolicyParty(code, Kind.OTHER, registered=False)
    return PolicyParty(code, Kind(party.kind), registered=party.kind != Kind.SITE)


def roles_for(kind: str, *, operator: bool) -> tuple[str, ...]:
    """Roles that persons of a kind of party can have: the operator's own, a school's, or a recipient's."""
    if operator:
        return ("operator", "privacy-officer")
    if kind in (Kind.SITE, Kind.BOARD):
        return ("school", "privacy-officer")
    if kind == Kind.MINISTER:
        return ("controller-officer", "recipient")
    return ("recipient", "privacy-officer")


def _opened_by(session: Session, link: LoginLink | None, now: datetime) -> Person | None:
    """Whom a login link lets in at this moment: nobody of a party that is locked, whenever the link was made."""
    if link is None or link.used_at is not None or link.expires_at <= now:
        return None
    person = session.get_one(Person, link.person_id)
    return person if session.get_one(Party, person.party).locked_at is None else None


def _lasts(since: datetime, life: timedelta, now: datetime) -> bool:
    """Whether what began then is not over; what began more than a minute from now is: a clock ran ahead."""
    return since - _AHEAD <= now < since + life


def _identity(person: Person, row: WebSession, *, proven: bool) -> Identity:
    shown = Credential(WebSession, row.secret_hash)
    return Identity(person.party, person.role, person.id, proven=proven, credential=shown)


def _digest(secret: str) -> bytes:
    """A plain hash suffices: the secret has 256 bits, so there is nothing to search."""
    return hashlib.sha256(secret.encode()).digest()
