"""The pseudonym service as a deployment of its own: folder, database, keys and audit log apart from the gateway's.

```
pseudonym/
  service.toml      operator, and the gateway's public key for the register
  register.json     the signed register the gateway exported
  service.sqlite    answers, quotas, and the service's own audit log
  keys/             0700: key-encryption key, ring/, log key
```
The room `pseudonymisation` knows nothing of `audit`; here its events become entries.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from sqlalchemy import Connection, Engine

from audit.entry import Actor, Entry, Object
from audit.entry import Vocabulary as AuditVocabulary
from audit.events import Decision as Outcome
from audit.events import Event, Role
from audit.guards import create
from audit.log import Log
from gateway.context import Gateway, wall_clock
from gateway.outcome import GatewayError
from gateway.periods import first_day, last_use, school_year_on
from gateway.register import sites_on
from gateway.yearly import YearlyLog
from pseudonymisation.kek import FileKek
from pseudonymisation.keyring import Keyring
from pseudonymisation.private_file import make_private_folder, read_private, write_private
from pseudonymisation.service import (
    Credential,
    RegisteredSite,
    RegisterFile,
    create_service,
    credential_hash,
    export_register,
    open_store,
    open_year,
)

REGISTER_KEY = "register.key"
REGISTER_DAYS = 120
_EVENTS = {
    "evaluation-answered": (Event.BATCH_EVALUATED, Outcome.PERMIT),
    "evaluation-repeated": (Event.BATCH_EVALUATED, Outcome.PERMIT),
    "evaluation-refused": (Event.BATCH_REFUSED, Outcome.DENY),
    "quota-granted": (Event.QUOTA_GRANTED, Outcome.PERMIT),
    "register-loaded": (Event.SETTING_CHANGED, Outcome.PERMIT),
    "school-year-closed": (Event.KEY_DESTROYED, Outcome.PERMIT),
}


@dataclass(frozen=True, slots=True)
class Service:
    """An opened pseudonym service."""

    operator: str
    engine: Engine
    keyring: Keyring
    app: FastAPI
    log: YearlyLog
    append: "_Appender"


def create_service_folder(folder: Path, *, operator: str, gateway_key: bytes, database: str = "") -> None:
    """Make the service's folder, keys and settings where they are missing."""
    make_private_folder(folder)
    make_private_folder(folder / "keys")
    if not (folder / "keys" / "kek.json").exists():
        FileKek.create(folder / "keys" / "kek.json")
    if not (folder / "keys" / "log.key").exists():
        write_private(folder / "keys" / "log.key", os.urandom(32))
    settings = folder / "service.toml"
    if not settings.exists():
        url = database or f"sqlite:///{folder.absolute() / 'service.sqlite'}"
        lines = (f'operator = "{operator}"', f'gateway_key = "{gateway_key.hex()}"', f'database = "{url}"')
        write_private(settings, "\n".join((*lines, "")).encode())
    keyring = Keyring(folder / "keys" / "ring", FileKek(folder / "keys" / "kek.json"))
    year = school_year_on(wall_clock().date())
    open_year(keyring, year, not_before=first_day(year), not_after=last_use(year))


def open_service(folder: Path) -> Service:
    """Open the service in a folder that `create_service_folder` made and the gateway exported its register to.

    Raises:
        GatewayError: the folder is not a service's.
    """
    try:
        settings = tomllib.loads(read_private(folder / "service.toml").decode())
        operator, gateway_key = settings["operator"], bytes.fromhex(settings["gateway_key"])
    except (tomllib.TOMLDecodeError, KeyError, ValueError) as error:
        raise GatewayError(f"{folder / 'service.toml'} is not the settings of a pseudonym service") from error
    engine = open_store(settings["database"])
    with engine.begin() as connection:
        create(connection)
    keyring = Keyring(folder / "keys" / "ring", FileKek(folder / "keys" / "kek.json"))
    log = Log(AuditVocabulary(operator, names=frozenset({"pseudonym-service"})))
    append = _Appender(log, operator)
    app = create_service(
        engine=engine,
        keyring=keyring,
        registers=RegisterFile(folder / "register.json", gateway_key),
        append=append,
        clock=wall_clock,
        operator=operator,
    )
    yearly = YearlyLog(engine, log, f"{operator.lower()}.pseudonym-service", read_private(folder / "keys" / "log.key"))
    return Service(operator, engine, keyring, app, yearly, append)


def register_public_key(gateway: Gateway) -> bytes:
    """The public key under which this gateway exports its register; made on first use."""
    file = gateway.home.keys / REGISTER_KEY
    if not file.exists():
        write_private(file, os.urandom(32))
    return Ed25519PrivateKey.from_private_bytes(read_private(file)).public_key().public_bytes_raw()


def export_service_register(gateway: Gateway, target: Path, tokens: Mapping[str, str], *, serial: int) -> int:
    """Write the signed register of sites for the service; returns how many sites are in it.

    Args:
        gateway: Whose register.
        target: The file, replaced whole.
        tokens: Site → its token for the service; only hashes are written.
        serial: Higher than that of the last export.
    """
    today = gateway.today
    expires = today + timedelta(days=REGISTER_DAYS)
    register_public_key(gateway)
    with gateway.reading() as session:
        facts = sites_on(session, today)
    sites = [
        RegisteredSite(
            site=row.site,
            pupils=row.pupils or 0,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            credentials=(Credential(sha256=credential_hash(tokens[row.site]), not_after=expires),)
            if row.site in tokens
            else (),
        )
        for row in facts
    ]
    document = export_register(
        sites,
        serial=serial,
        operator=gateway.settings.operator,
        issued=gateway.clock(),
        expires=expires,
        secret=read_private(gateway.home.keys / REGISTER_KEY),
    )
    write_private(target, document)
    return len(sites)


@dataclass(frozen=True, slots=True)
class _Appender:
    """Turns events of the service into entries of its log; counts of pupils stay out."""

    log: Log
    operator: str

    def __call__(self, connection: Connection, event: str, fields: Mapping[str, Any]) -> None:
        kind, outcome = _EVENTS[event]
        about = f"batch:{fields['batch']}" if "batch" in fields else None
        if kind is Event.KEY_DESTROYED:
            about = f"key:pseudonym-service/{fields['school_year']}"
        entry = Entry(
            event=kind,
            actor=Actor(Role.PSEUDONYM_SERVICE, self.operator),
            decision=outcome,
            party=fields.get("site"),
            period=fields.get("school_year"),
            object=Object(about) if about else None,
        )
        self.log.append(connection, entry)
