"""The composition root: opens keys, law, contracts and database, and hands them to everything else as one value."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sqlalchemy import Engine
from sqlmodel import Session

from audit.entry import Actor, Entry, Object
from audit.events import Event, Role
from audit.guards import create
from audit.log import Log
from audit.note import Signer
from gateway.collections import Contracts, load_contracts
from gateway.context import Gateway, vocabulary
from gateway.database import open_database, reading
from gateway.identity import add_person, find_person, issue_link
from gateway.key_store import NAME, NAME_FILE, RING, begin_kek, make_kek, open_kek
from gateway.messages import MendableError
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.periods import demand_tables, school_year_on
from gateway.register import add_parties
from gateway.revision import demand_newest, upgrade
from gateway.roles import create_roles, demand_sequencing, grant_rights
from gateway.settings import Home, Settings, read_settings, write_settings
from gateway.store import Person
from gateway.unsettled import demand_settled
from gateway.yearly import LOG_KEY, YearlyLog, demand_name, demand_own
from policies.decision import Decision
from policies.engine import Engine as PolicyEngine
from policies.errors import BadPolicy
from policies.question import Action
from pseudonymisation.keyring import Keyring
from pseudonymisation.private_file import make_private, make_private_folder, read_private, write_private

SEED = 32
_RECEIPTS, _TAGS, _KEK = "receipts.key", "tags.key", "kek.json"
_LOG_NAME, _NAME_OF_BEFORE = "log.name", "verzuimpoort.example/audit"
CONSENTS = "consents"
_BRANCHES = 64  # of the keys of consents: 6,400 of them live a hundred to a branch
KEY_FILES = (_RECEIPTS, LOG_KEY, _TAGS, "register.key", NAME_FILE, _LOG_NAME)


@dataclass(frozen=True, slots=True)
class FirstPerson:
    """The first operator of a new deployment, and the secret of the login link."""

    person: Person
    secret: str = field(repr=False)


def open_gateway(where: Home, settings: Settings | None = None) -> Gateway:
    """Open an existing deployment.

    Args:
        where: Its folder and database.
        settings: In place of those in its file.

    Raises:
        SettingsError: the settings are missing or wrong.
        BadPolicy: a rule or purpose is wrong; says where.
        CollectionError: a contract is wrong.
        KeyringError: a key is missing or open to others.
        MendableError: the key-encryption key of the consents is missing, or the log has another name.
    """
    settings = _with_log_name(where, settings or read_settings(where))
    engine, contracts = read_law(settings)
    return Gateway(
        home=where,
        settings=settings,
        database=open_database(where.database),
        engine=engine,
        contracts=contracts,
        log=Log(vocabulary(settings, engine.law, contracts)),
        keyring=open_keyring(where, settings),
        consent_keys=open_consent_keys(where, settings),
        receipts=Signer(f"{settings.log_name}/receipts", read_private(where.keys / _RECEIPTS)),
        tag_key=read_private(where.keys / _TAGS),
    )


def read_law(settings: Settings) -> tuple[PolicyEngine, Contracts]:
    """The rules, purposes and contracts of a deployment, held against each other.

    Raises:
        BadPolicy: a rule or purpose is wrong, or asks what no contract has.
        CollectionError: a contract is wrong.
    """
    engine = PolicyEngine.load(purposes=settings.purposes, in_force=settings.in_force, methods=settings.methods)
    contracts = load_contracts(*settings.collections)
    faults = list(engine.purposes.contract_faults(_kinds(contracts), _halved(contracts)))
    if faults:
        raise BadPolicy(faults)
    return engine, contracts


def create_deployment(where: Home, settings: Settings) -> Gateway:
    """Make data folder, settings, keys and database where they are missing, and open the deployment.

    What is there already is left alone, so that a second run goes on with it.

    Raises:
        MendableError: the database is another deployment's; nothing was made.
    """
    make_private_folder(where.folder)
    _demand_own(where)
    write_settings(where, settings)
    make_private_folder(where.keys)
    if not (where.keys / _RECEIPTS).exists():
        make_private(where.keys / _LOG_NAME, _own_log_name(read_settings(where)).encode())
    for name in (_RECEIPTS, LOG_KEY, _TAGS):
        make_private(where.keys / name, os.urandom(SEED))
    begin_keyring(where)
    gateway = open_gateway(where)
    migrate(gateway.database)
    with gateway.writing() as session:
        _own_parties(session, gateway.settings)
    return gateway


def migrate(engine: Engine, *, roles: bool = False) -> None:
    """Bring a database to the newest revision, in one transaction; the audit room makes its own tables and guards.

    Args:
        engine: Of the owner of the tables.
        roles: Make the roles of `gateway.roles` where they are missing; those that are there get their rights anyway.

    Raises:
        MendableError: a newer version of the program made the tables.
    """
    with engine.begin() as connection:
        upgrade(connection)
        create(connection)
        if roles:
            create_roles(connection)
        grant_rights(connection)


def begin_keyring(where: Home) -> None:
    """Make the key-encryption key of a deployment that has no keys under it yet, or none any more: see `begin_kek`."""
    begin_kek("kek", where.keys / _KEK, read_settings(where).pkcs11, os.urandom(NAME))


def open_keyring(where: Home, settings: Settings) -> Keyring:
    """The keys of this deployment.

    Raises:
        KeyringError: the key-encryption key is missing, in its file or token, or a key is open to others.
    """
    return Keyring(where.keys / RING, open_kek("kek", where.keys / _KEK, settings.pkcs11))


def open_consent_keys(where: Home, settings: Settings) -> Keyring:
    """The keys of consents, under a key-encryption key of their own; made where there never was a consent.

    Raises:
        MendableError: there are keys, and the file with the key-encryption key is missing: no copy of it is anywhere.
        KeyringError: likewise the token.
    """
    name, file = "consent-kek", where.keys / "consent-kek.json"
    if not (where.keys / CONSENTS).exists():
        make_kek(name, file, settings.pkcs11, _BRANCHES)
    elif settings.pkcs11 is None and not file.exists():
        raise MendableError("consent-kek-missing", file=file, keys=where.keys / CONSENTS)
    return Keyring(where.keys / CONSENTS, open_kek(name, file, settings.pkcs11))


def demand_workable(gateway: Gateway) -> None:
    """Refuse to serve, or to work in the background, on a database that this deployment would harm.

    Raises:
        MendableError: it was restored and not settled, is of another version or another deployment, or has periods of
            a table without a contract.
    """
    with gateway.reading() as session:
        demand_settled(session.connection())
        demand_newest(session.connection())
        demand_own(session.connection(), gateway.home)
        demand_tables(session, gateway.contracts)
        demand_name(session.connection(), gateway.settings.log_name, gateway.home)


def yearly_log(gateway: Gateway) -> YearlyLog:
    """The logs of this deployment, one a school year: the only thing that holds their signing key."""
    seed = read_private(gateway.home.keys / LOG_KEY)
    return YearlyLog(gateway.database, gateway.log, gateway.settings.log_name, seed)


def renew_log_key(desk: Desk) -> str | Refused:
    """After a leak of the log's key: the log goes on under a new key and another name; returns that name.

    The old log ends as it is found, and the new one commits to its end; receipts of it stay good. A worker that runs
    has the old key in memory: it signs nothing any more, and says so until it is started again.

    Steps, completed by running them again: (1) decided, and logged in the old log; (2) the new key is in place; (3) the
    old log ends and the new one begins.

    Raises:
        MendableError: this login of the database may not write the log; nothing was changed.
    """
    gateway = desk.gateway
    with gateway.reading() as session:
        demand_sequencing(session.connection())
        demand_name(session.connection(), gateway.settings.log_name, gateway.home)

    def act(session: Session, actor: Actor, decision: Decision) -> None:
        about = Object(f"key:gateway/{school_year_on(gateway.today)}")
        gateway.append(session, Entry(event=Event.KEY_ROTATED, actor=actor, object=about), decision)

    refused = desk.act(Action.MANAGE_KEYS, act)  # (1)
    if refused is not None:
        return refused
    write_private(gateway.home.keys / LOG_KEY, os.urandom(SEED))  # (2)
    return yearly_log(gateway).take_over()  # (3)


def first_links(gateway: Gateway, labels: Iterable[str]) -> list[FirstPerson]:
    """Register the first persons of the operator, once, and give each a one-time login link, with an entry.

    A second run makes links again; while the operator is locked out they open nothing.
    """
    made, actor = [], Actor(Role.OPERATOR, gateway.settings.operator)
    with gateway.writing() as session:
        for label in labels:
            who = (gateway.settings.operator, "operator", label)
            person = find_person(session, *who, hold=True) or add_person(session, *who)
            made.append(FirstPerson(person, issue_link(session, person, gateway.clock())))
            about = Object(f"link:{gateway.new_id()}")
            gateway.append(session, Entry(event=Event.LINK_ISSUED, actor=actor, party=who[0], object=about))
    return made


def _demand_own(where: Home) -> None:
    """See `demand_own`; of a database that may be empty, or have no file yet."""
    database = open_database(where.database)
    try:
        with reading(database) as session:
            demand_own(session.connection(), where)
    finally:
        database.dispose()


def _own_log_name(settings: Settings) -> str:
    """The name of the log of a new deployment, which no other has: a witness and an auditor see many."""
    host = urlsplit(settings.base_url).hostname or ""
    return settings.log_name or f"{re.sub(r'[^a-z0-9.-]', '-', host)}/audit"


def _with_log_name(where: Home, settings: Settings) -> Settings:
    """The settings with the name that the log got when the deployment was made.

    Raises:
        MendableError: they name another now; no receipt of before would be one of this gateway's any more.
    """
    file = where.keys / _LOG_NAME
    name = read_private(file).decode() if file.exists() else settings.log_name or _NAME_OF_BEFORE
    if settings.log_name not in {"", name}:
        raise MendableError("log-name-fixed", file=where.settings_file, log=name)
    return settings.model_copy(update={"log_name": name})


def _kinds(contracts: Contracts) -> dict[str, tuple[str, ...]]:
    """Kinds of every collection, for the purposes to be held against."""
    return {name: contract.kinds.members for name, contract in contracts.items()} | {"consented-records": ()}


def _halved(contracts: Contracts) -> frozenset[str]:
    """Collections whose table has margins over its bands."""
    return frozenset(name for name, contract in contracts.items() if contract.bands.margins)


def _own_parties(session: Session, settings: Settings) -> None:
    """Register the operators of gateway and pseudonym service: nobody may act who is not in the register."""
    add_parties(
        session,
        [
            (settings.service_operator, "operator", "Pseudoniemdienst"),
            (settings.operator, "operator", "Verzuimpoort"),
        ],
    )
