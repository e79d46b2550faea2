"""The pseudonym service as a deployment of its own: folder, database, keys and audit log apart from the gateway's.

```
pseudonym/
  service.toml      operator, the gateway's public key for the register, `database` where that is another than the one
                    here, and `[pkcs11]` for a token in place of kek.json
  register.json     the signed register the gateway exported
  service.sqlite    answers, quotas, and the service's own audit log; goes along when the folder is moved
  keys/             0700: key-encryption key or token.name, ring/, log key
```
The room `pseudonymisation` knows nothing of `audit`; here its events become entries.
"""

import json
import os
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from operator import attrgetter
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, Engine, make_url
from sqlmodel import Session, col, select

from audit.entry import Actor, Entry, Object
from audit.entry import Vocabulary as AuditVocabulary
from audit.events import Decision as Outcome
from audit.events import Event, Role
from audit.guards import create
from audit.log import Log
from gateway.context import Gateway, wall_clock
from gateway.delivered import there
from gateway.http.api import doors_to
from gateway.key_store import NAME, RING, begin_kek, open_kek
from gateway.messages import MendableError
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.periods import first_day, last_use, school_year, school_year_on
from gateway.register import EXPORT_DAYS, exports, stays_of
from gateway.service_log import ServiceLog
from gateway.settings import Home, Pkcs11, demand_owner
from gateway.store import Period, ServiceCredential, SiteFacts
from gateway.yearly import YearlyLog
from policies.days import local_day, milliseconds
from policies.decision import Decision
from policies.question import Action
from pseudonymisation.errors import SignatureError
from pseudonymisation.keyring import Keyring
from pseudonymisation.private_file import make_private, make_private_folder, read_private
from pseudonymisation.service import (
    Credential,
    GrantReason,
    RegisteredSite,
    RegisterFile,
    create_service,
    credential_hash,
    export_register,
    grant_quota,
    open_store,
    open_year,
)
from pseudonymisation.service.quota import MAX_GRANT

REGISTER_KEY = "register.key"
REGISTER_FILE = "register.json"
_SETTINGS = "service.toml"
_DATABASE = "service.sqlite"
_KEK = "service-kek"
# The log says of a grant at most how many it was, never how many: 3 of them for pupils who arrived are 3 pupils.
_GRANT_SIZES = (100, 1_000, MAX_GRANT)
_EVENTS = {
    "evaluation-answered": (Event.BATCH_EVALUATED, Outcome.PERMIT),
    "evaluation-repeated": (Event.BATCH_REPEATED, Outcome.PERMIT),
    "evaluation-refused": (Event.BATCH_REFUSED, Outcome.DENY),
    "quota-granted": (Event.QUOTA_GRANTED, Outcome.PERMIT),
    "register-loaded": (Event.SETTING_CHANGED, Outcome.PERMIT),
    "school-year-opened": (Event.KEY_CREATED, Outcome.PERMIT),
    "school-year-closed": (Event.KEY_DESTROYED, Outcome.PERMIT),
    "kek-renewed": (Event.KEY_ROTATED, Outcome.PERMIT),
}
_NAMES = frozenset({"pseudonym-service", *(f"{why}-upto-{size}" for why in GrantReason for size in _GRANT_SIZES)})


@dataclass(frozen=True, slots=True)
class Service:
    """An opened pseudonym service."""

    operator: str
    engine: Engine
    keyring: Keyring
    log: ServiceLog
    append: "_Appender"
    register_file: Path
    gateway_key: bytes

    def registers(self) -> RegisterFile:
        """The register that the gateway exported to it.

        Raises:
            MendableError: the file is missing, altered or signed by another gateway.
        """
        try:
            return RegisterFile(self.register_file, self.gateway_key)
        except FileNotFoundError as error:
            raise MendableError("no-register", file=self.register_file) from error
        except SignatureError as error:
            raise MendableError("register-not-ours", file=self.register_file) from error


def create_service_folder(folder: Path, *, operator: str, gateway_key: bytes, database: str = "") -> str:
    """Make the service's folder, settings and keys where they are missing, and the key of this school year.

    Returns:
        The operator that the settings name: settings that are there already stay as they are.

    Raises:
        MendableError: an argument is wrong, or the folder is another user's; nothing was made.
        KeyringError: this school year was closed; everything else is there.
    """
    demand_owner(folder)
    settings = folder / _SETTINGS
    given = {"operator": operator, "gateway_key": gateway_key.hex()} | ({"database": database} if database else {})
    fresh = not settings.exists()
    made = _checked(given) if fresh else _read_settings(folder)
    make_private_folder(folder)
    make_private_folder(folder / "keys")
    make_private(folder / "keys" / "log.key", os.urandom(32))
    begin_kek(_KEK, folder / "keys" / "kek.json", made.pkcs11, os.urandom(NAME))
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in given.items()]
    make_private(settings, "".join(lines).encode())
    service = _opened(folder, made, fresh=fresh)
    try:
        open_service_year(service, school_year_on(local_day(wall_clock())))
    finally:
        service.engine.dispose()
    return made.operator


def open_service(folder: Path) -> Service:
    """Open the service in a folder that `create_service_folder` made; it needs no register before it serves.

    Raises:
        MendableError: the folder is not a service's, or another user's, or it was moved or copied away from the
            database that its settings name.
    """
    demand_owner(folder)
    return _opened(folder, _read_settings(folder), fresh=False)


def service_app(service: Service) -> FastAPI:
    """The service as an ASGI application, with the doors by which everybody follows its log as the gateway's.

    Raises:
        MendableError: it has no register yet, or not one of its gateway.
    """
    app = create_service(
        engine=service.engine,
        keyring=service.keyring,
        registers=service.registers(),
        append=service.append,
        clock=wall_clock,
        operator=service.operator,
    )
    app.router.routes.append(doors_to(service.log))
    return app


def grant(service: Service, site: str, year: str, *, elements: int, reason: GrantReason) -> None:
    """Enlarge the quota of a site that the service's register knows today.

    Raises:
        MendableError: it does not.
    """
    now = wall_clock()
    if service.registers()().site(site, local_day(now)) is None:
        raise MendableError("site-not-registered", site=site, file=service.register_file)
    engine, append = service.engine, service.append
    grant_quota(engine, append, site=site, school_year=year, elements=elements, reason=reason, now=now)


def open_service_year(service: Service, year: str) -> str:
    """Make the service's key of a school year where it is missing, and log that before it comes into use; its id.

    Raises:
        KeyringError: the year was closed.
    """

    def keep() -> None:
        with service.engine.begin() as connection:
            service.append(connection, "school-year-opened", {"school_year": year})

    return open_year(service.keyring, year, not_before=first_day(year), not_after=last_use(year), keep=keep).key_id


def renew_service_kek(service: Service) -> None:
    """After its key-encryption key leaked: the keys of the service stay, and stand under one that nobody has."""
    with service.engine.begin() as connection:
        service.append(connection, "kek-renewed", {})
    service.keyring.renew_keks()


class _Settings(BaseModel):
    """`service.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    operator: str = Field(pattern=r"^ORG-[A-Z0-9-]+$")
    gateway_key: str = Field(pattern=r"^[0-9a-f]{64}$")
    database: str = Field("", pattern=r"^(sqlite|postgresql\+psycopg)://")
    pkcs11: Pkcs11 | None = None


def _checked(given: Mapping[str, str]) -> _Settings:
    try:
        return _Settings.model_validate(given)
    except ValidationError as error:
        places = ", ".join(str(fault["loc"][0]) for fault in error.errors())
        raise MendableError("service-arguments", places=places) from error


def _read_settings(folder: Path) -> _Settings:
    file = folder / _SETTINGS
    if not file.exists():
        raise MendableError("no-service", folder=folder)
    try:
        return _Settings.model_validate(tomllib.loads(read_private(file).decode()))
    except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as error:
        raise MendableError("service-settings", file=file) from error


def _opened(folder: Path, settings: _Settings, *, fresh: bool) -> Service:
    database = _database(folder, settings, fresh=fresh)
    engine = open_store(database)
    with engine.begin() as connection:
        create(connection)
    keyring = _keyring(folder, settings)
    log, actor = Log(AuditVocabulary(settings.operator, names=_NAMES)), Actor(Role.PSEUDONYM_SERVICE, settings.operator)
    origin = f"{settings.operator.lower()}.pseudonym-service"
    yearly = YearlyLog(engine, log, origin, read_private(folder / "keys" / "log.key"))
    own = ServiceLog(Home(folder, database), yearly, actor)
    key = bytes.fromhex(settings.gateway_key)
    return Service(settings.operator, engine, keyring, own, _Appender(log, actor), folder / REGISTER_FILE, key)


def _database(folder: Path, settings: _Settings, *, fresh: bool) -> str:
    """The database of a folder: its own, unless its settings name another.

    Settings of development versions named their own place. So where one elsewhere is not there, or the folder has one
    too, the folder was moved or copied; unless the settings are fresh, and it is to be made.
    """
    own = folder.absolute() / _DATABASE
    named = make_url(settings.database) if settings.database and not fresh else None
    if named is not None and named.drivername == "sqlite" and named.database:
        other = Path(named.database)
        if other.resolve() != own.resolve() and (own.exists() or not other.exists()):
            raise MendableError("service-moved", file=folder / _SETTINGS, database=other, own=own)
    return settings.database or f"sqlite:///{own}"


def _keyring(folder: Path, settings: _Settings) -> Keyring:
    return Keyring(folder / "keys" / RING, open_kek(_KEK, folder / "keys" / "kek.json", settings.pkcs11))


def register_public_key(gateway: Gateway) -> bytes:
    """The public key under which this gateway exports its register; made on first use."""
    file = gateway.home.keys / REGISTER_KEY
    make_private(file, os.urandom(32))
    return Ed25519PrivateKey.from_private_bytes(read_private(file)).public_key().public_bytes_raw()


def issue_service_tokens(desk: Desk, sites: Sequence[str], *, days: int) -> Mapping[str, str] | Refused:
    """Give sites a token each for the service, shown once; the register that is exported next names their hashes."""
    last = desk.gateway.today + timedelta(days=days)

    def act(session: Session, actor: Actor, decision: Decision) -> Mapping[str, str] | Refused:
        if not set(session.exec(select(SiteFacts.site)).all()).issuperset(sites):
            return Refused("unknown-party")
        tokens = {site: secrets.token_urlsafe(32) for site in sites}
        for site, token in tokens.items():
            session.add(ServiceCredential(sha256=credential_hash(token), site=site, not_after=last))
            about = Object(f"token:{desk.gateway.new_id()}")
            entry = Entry(event=Event.TOKEN_ISSUED, actor=actor, party=site, object=about)
            desk.gateway.append(session, entry, decision)
        return tokens

    return desk.act(Action.MANAGE_ACCESS, act)


@dataclass(frozen=True, slots=True)
class Exported:
    """The signed register as the service takes it, and how many sites are in it."""

    document: bytes
    sites: int


def export_service_register(desk: Desk) -> Exported | Refused:
    """Make the signed register of sites and their credentials for the service; the export is logged by now."""
    gateway, today = desk.gateway, desk.gateway.today
    expires = today + timedelta(days=EXPORT_DAYS)
    register_public_key(gateway)

    def act(session: Session, actor: Actor, decision: Decision) -> Exported:
        held: dict[str, list[Credential]] = {}
        for row in session.exec(select(ServiceCredential).where(col(ServiceCredential.not_after) >= today)):
            held.setdefault(row.site, []).append(Credential(sha256=row.sha256, not_after=row.not_after))
        sites = [
            RegisteredSite(
                site=row.site,
                pupils=row.pupils or 0,
                valid_from=row.valid_from,
                valid_to=until,
                credentials=tuple(held.get(row.site, ())),
            )
            for row, until in stays_of(session, today, before=expires, still=_asked_until(session))
        ]
        document = export_register(
            sites,
            serial=_next_serial(session, gateway),
            operator=gateway.settings.operator,
            issued=gateway.clock(),
            expires=expires,
            secret=read_private(gateway.home.keys / REGISTER_KEY),
        )
        gateway.append(session, Entry(event=Event.REGISTER_EXPORTED, actor=actor), decision)
        return Exported(document, len(sites))

    return desk.act(Action.MANAGE_REGISTER, act)


def _next_serial(session: Session, gateway: Gateway) -> int:
    """The present second, or what comes after every export so far: one may have been made while the clock was ahead."""
    made = [*exports(session), milliseconds(gateway.clock())]
    return reduce(lambda serial, moment: max(moment // 1_000, serial + 1), made, 0)


def _asked_until(session: Session) -> dict[str, date]:
    """Sites that a period can ask, with the first day on which keys of the last such school year are not used any more.

    A site that closed delivers for a period on whose reference date it was there, also when that is reopened for it
    later: until that day the service answers it, without another register. One that no period asks it does not.
    """
    until: dict[str, date] = {}
    for period in sorted(session.exec(select(Period)), key=attrgetter("code")):
        sites = session.exec(select(SiteFacts.site).where(there(period)))
        until |= dict.fromkeys(sites, last_use(school_year(period.code)))
    return until


@dataclass(frozen=True, slots=True)
class _Appender:
    """Turns events of the service into entries of its log; counts of pupils stay out.

    A grant is `quota:cache-lost-upto-1000`: its reason, and the class of its size.
    """

    log: Log
    actor: Actor

    def __call__(self, connection: Connection, event: str, fields: Mapping[str, Any]) -> None:
        kind, outcome = _EVENTS[event]
        about = f"batch:{fields['batch']}" if "batch" in fields else None
        if kind is Event.QUOTA_GRANTED:
            size = next(size for size in _GRANT_SIZES if fields["elements"] <= size)
            about = f"quota:{fields['reason']}-upto-{size}"
        if kind in (Event.KEY_CREATED, Event.KEY_DESTROYED):
            about = f"key:pseudonym-service/{fields['school_year']}"
        if kind is Event.KEY_ROTATED:
            about = "key:pseudonym-service"
        entry = Entry(
            event=kind,
            actor=self.actor,
            decision=outcome,
            party=fields.get("site"),
            period=fields.get("school_year"),
            object=Object(about) if about else None,
        )
        self.log.append(connection, entry)
