"""Backup and restore that keep shredding true, on SQLite and PostgreSQL alike: a backup of one restores into the other.

Two files, to be kept apart. The data: `backup.json`, settings, witnesses and, in one snapshot, a member of JSON lines
for each table. The keys: the gateway's own, and both keyrings, every key still wrapped. The key-encryption keys are in
neither: each is renewed when a key of its ring is destroyed, so what was destroyed after a backup opens from no copy.
`kek.json` belongs in a safe; when a school year's key is destroyed, the file of the keys and that copy are made anew:
only together do they open what still lives, so a restore with one that is older is refused.
One of those in `consent-kek.json` is renewed whenever a consent ends, which nobody has to follow: it needs no copy.
Restored without it, every consent is over and is asked for again; what else there is does not hang on it. The data may
be of any day.

    {"format": "verzuimpoort/backup/v1", "revision": "0007", "version": "0.1.0", "made": "2026-11-23T18:00:00+00:00"}

After a restore nothing goes on as if nothing had happened: rows without a key are erased, those under a key that leaked
since are re-keyed, consents whose key is gone are over, privacy budgets are used up, nothing is released of a school
year before the operator says what was published since the backup, whoever was logged in is not, tokens are revoked, and
the log goes on under a new name, because its old name may have signed what this backup does not know.
"""

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, delete, func, inspect, update
from sqlmodel import Session, col, select

from audit import guards
from audit import schema as audit_schema
from audit.entry import Actor, Entry, Object
from audit.events import Event
from audit.timeline import newest
from gateway import consent_ends, retention, unsettled
from gateway.app import CONSENTS, KEY_FILES, begin_keyring, open_gateway, yearly_log
from gateway.context import Gateway, actor_of, operator_of
from gateway.identity import caller_of
from gateway.key_store import RING
from gateway.keys import rotate_restored
from gateway.lines import fill, lines_of, rows_in, tables
from gateway.messages import MendableError
from gateway.operate import Desk
from gateway.outcome import GatewayError, Refused
from gateway.publish import ledger
from gateway.revision import demand_newest, revision_of, upgrade
from gateway.roles import grant_rights
from gateway.settings import FORMER_RECEIPTS_FILE, SETTINGS_FILE, WITNESSES_FILE, Home
from gateway.store import Enrolment, LoginLink, Oin, ServiceCredential, Token, WebSession, table_of
from gateway.yearly import demand_name
from policies.days import milliseconds, moment_of
from policies.decision import Decision
from policies.question import Action
from pseudonymisation.keyring import KeyRecord
from pseudonymisation.private_file import make_private, make_private_folder, new_private, read_private

FORMAT: Final = "verzuimpoort/backup/v1"
_ABOUT: Final = "backup.json"
_DATA_FILES: Final = (SETTINGS_FILE, WITNESSES_FILE, FORMER_RECEIPTS_FILE)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back and what it did not.

    Attributes:
        made: The moment of the backup.
        rows: Rows of all tables that came back.
        refused: Keys of the backup that were destroyed since: they open no more.
        ended: Consents whose key was destroyed since: they are over.
        erased: What the retention run after it erased, by kind; rows without a key among them.
    """

    made: datetime
    rows: int
    refused: int
    ended: int
    erased: Mapping[str, int]


def backup(desk: Desk, *, data: Path | None, keys: Path | None) -> Refused | None:
    """Write the files of a backup, readable by their owner only; the entry is in the backup itself.

    The data first: what they hold has its key in the keys, but for what was destroyed in between. Both or neither.

    Args:
        desk: The operator's.
        data: Where the data go; None for the keys alone.
        keys: Where the keys go; None for the data alone.

    Raises:
        MendableError: a file is there already, or the database is of another version than this program.
    """
    for file in filter(None, (data, keys)):
        if file.exists():
            raise MendableError("backup-exists", file=file)
    gateway = desk.gateway

    def act(session: Session, actor: Actor, decision: Decision) -> None:
        about = Object(f"backup:{gateway.new_id()}")
        gateway.append(session, Entry(event=Event.BACKUP_MADE, actor=actor, object=about), decision)

    logged = desk.act(Action.MANAGE_KEYS, act)
    if isinstance(logged, Refused):
        return logged
    with ExitStack() as undone:
        if data is not None:
            _write_data(gateway, data)
            undone.callback(data.unlink)
        if keys is not None:
            _write_keys(gateway, keys)
        undone.pop_all()
    return None


def restore(where: Home, data: Path, keys: Path, *, lost: int = 0) -> Restored:
    """Bring a backup back into an empty database, and then make true what has happened since.

    Steps: (1) settings, witnesses and keys where they are missing; all that could stop the settling is opened; (2) the
    keyrings take in what still opens; (3) one transaction: tables, rows, and only then guards, rights and the mark that
    nothing is settled, with which no server and no worker starts; (4) `settle`. What broke off before (3) is run again,
    what broke off after it is completed by `settle` alone.

    Args:
        where: Folder and empty database.
        data: The file with the data, of any day.
        keys: The newest file with the keys.
        lost: How many keys are gone for good, as the operator says: what stands under them is erased. If their
            key-encryption key is too, another is made.

    Raises:
        MendableError: not a backup, of another version, the database is not empty, other keys are there, or keys stay
            away: names the mend.
        KeyringError: the key-encryption key is missing: it comes back first.
        PolicyError: the settings name rules or purposes that are not here or wrong.
    """
    with _opened(data, _ABOUT, "backup-not-data") as archive, _opened(keys, KEY_FILES[0], "backup-not-keys") as ring:
        about = _about(archive)
        _put_back(archive, _DATA_FILES, where.folder)  # (1)
        _put_back(ring, KEY_FILES, where.keys)
        if lost:
            begin_keyring(where)
        gateway = open_gateway(where)
        try:
            with gateway.database.begin() as connection:
                _demand_empty(connection)
            _demand_same(ring, where.keys)
            refused = _take_in(gateway, archive, ring, lost)  # (2)
            rows = _fill(gateway.database, archive, about)  # (3)
            ended, erased = settle(gateway, lost=lost)  # (4)
        finally:
            gateway.database.dispose()
    return Restored(datetime.fromisoformat(about["made"]), rows, refused, ended, erased)


def settle(gateway: Gateway, *, lost: int = 0) -> tuple[int, Mapping[str, int]]:
    """After any restore, by this program or by the database's own means: make true what happened since.

    Steps, completed by running them again: (1) the roles get their rights, also to connect; sessions, links and
    tokens end, for what was revoked since has come back; (2) privacy budgets are used up and builds end, for what
    was spent and published since is unknown, and of school years that had begun nothing is released until the
    operator tells it (`told.tell`); (3) the log, which says until here of which moment the backup is, goes on under
    a new name; (4) consents whose key is gone are over; (5) rows and tags of before a rotation go through it once
    more; (6) a retention run, which also erases rows without a key; (7) servers and workers may start.

    Args:
        gateway: On the database that was restored.
        lost: How many keys are gone for good, as the operator says: what stands under them is erased.

    Returns:
        How many consents ended, and what the retention run erased.

    Raises:
        MendableError: the database is of another version, or keys of its rows stay away; nothing was changed.
    """
    operator, now = operator_of(gateway), gateway.clock()
    with gateway.writing() as session:
        demand_newest(connection := session.connection())
        demand_name(connection, gateway.settings.log_name, gateway.home)
        under = session.exec(select(Enrolment.key_id, func.count()).group_by(Enrolment.key_id))
        _demand_keys(gateway, dict(under.all()), (), lost)
        known_until = _newest_act(connection, now) if unsettled.begin(connection) else None
        acted = Entry(event=Event.BACKUP_RESTORED, actor=actor_of(caller_of(session, operator, gateway.today)))
        gateway.append(session, acted)
        _settle_access(session, now)  # (1)
        ledger.settle(session, known_until=known_until, now=now)  # (2)
    yearly_log(gateway).take_over()  # (3)
    ended = consent_ends.end_keyless(gateway)  # (4)
    rotate_restored(Desk(gateway, operator))  # (5)
    erased = retention.run(gateway, operator)  # (6)
    if isinstance(erased, Refused):
        raise GatewayError(f"the retention run after the restore was refused: {erased.code}")
    with gateway.writing() as session:
        unsettled.unmark(session.connection())  # (7)
    return ended, erased.of


def _newest_act(connection: Connection, now: datetime) -> datetime:
    """When the last thing that came back was done: the backup is of that moment."""
    return moment_of(newest(connection, milliseconds(now)))


def _write_data(gateway: Gateway, target: Path) -> None:
    with gateway.reading() as session, _new_zip(target) as archive:
        connection = session.connection()
        demand_newest(connection)
        _demand_all(connection)
        about = {"format": FORMAT, "revision": revision_of(connection), "version": version("verzuimpoort")}
        about["made"] = gateway.clock().isoformat()
        archive.writestr(_ABOUT, json.dumps(about))
        _put_in(archive, _DATA_FILES, gateway.home.folder, Path.read_bytes)
        for table in tables():
            with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as lines:
                lines.writelines(lines_of(connection, table))


def _write_keys(gateway: Gateway, target: Path) -> None:
    """The gateway's own keys and the keyrings as they stand; a destroyed key leaves its file without the secret."""
    with _new_zip(target) as archive:
        _put_in(archive, KEY_FILES, gateway.home.keys, read_private)
        for folder, keyring in ((RING, gateway.keyring), (CONSENTS, gateway.consent_keys)):
            for record in keyring.records():
                archive.writestr(f"{folder}/{record.key_id}.json", record.model_dump_json())


def _put_in(archive: zipfile.ZipFile, names: Iterable[str], folder: Path, read: Callable[[Path], bytes]) -> None:
    for name in names:
        if (folder / name).exists():
            archive.writestr(name, read(folder / name))


def _put_back(archive: zipfile.ZipFile, names: Iterable[str], folder: Path) -> None:
    """Files of a backup into a folder of their owner only, never over one that is there."""
    make_private_folder(folder)
    for name in names:
        if name in archive.namelist():
            make_private(folder / name, archive.read(name))


def _demand_same(ring: zipfile.ZipFile, folder: Path) -> None:
    """Refuse to go on with other keys than those of the backup, such as those that `init` makes for a new deployment.

    Raises:
        MendableError: names them.
    """
    other = [name for name in KEY_FILES if name in ring.namelist() and read_private(folder / name) != ring.read(name)]
    if other:
        raise MendableError("restore-other-keys", folder=folder, names=", ".join(other))


def _take_in(gateway: Gateway, archive: zipfile.ZipFile, ring: zipfile.ZipFile, lost: int) -> int:
    """Keys of a backup into both keyrings; how many did not open, which of consents may be all (see the module).

    Raises:
        MendableError: more keys of school years stay away than are lost.
    """
    records, consented = (
        [_record(ring.read(name)) for name in ring.namelist() if name.startswith(f"{each}/")]
        for each in (RING, CONSENTS)
    )
    refused = gateway.keyring.restore(records)
    under = Counter(str(row["key_id"]) for row in rows_in(archive, table_of(Enrolment)))
    _demand_keys(gateway, under, refused, lost)
    return len(refused) + len(gateway.consent_keys.restore(consented))


def _demand_keys(gateway: Gateway, under: Mapping[str, int], refused: Iterable[str], lost: int) -> None:
    """Refuse to settle where more keys stay away than are gone for good: it erases what stands under them.

    Nothing tells a key that was destroyed after the backup from one whose key-encryption key was only not brought
    along. The newest file of keys and the copy of `kek.json` that belongs to it open every key that still lives.

    Args:
        gateway: Its keyring has taken in what opens.
        under: Rows of pupils by the key they stand under.
        refused: Living keys of the backup that did not open, with or without rows.
        lost: How many the operator says are gone.

    Raises:
        MendableError: names how many stay away, and how many rows would be erased.
    """
    away = {*refused, *under.keys() - {record.key_id for record in gateway.keyring.records()}}
    if len(away) > lost:
        rows = sum(under.get(key, 0) for key in away)
        raise MendableError("restore-keys-away", folder=gateway.home.keys, keys=len(away), rows=rows)


@contextmanager
def _new_zip(target: Path) -> Iterator[zipfile.ZipFile]:
    """A new zip file of its owner only; one that was not finished never had its name."""
    with new_private(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        yield archive


def _demand_all(connection: Connection) -> None:
    """Refuse a backup that would leave out a table of the database.

    Raises:
        MendableError: the database has a table that this program does not know.
    """
    unknown = set(inspect(connection).get_table_names()) - {table.name for table in tables()} - {"alembic_version"}
    if unknown:
        raise MendableError("backup-unknown-tables", tables=", ".join(sorted(unknown)))


@contextmanager
def _opened(file: Path, member: str, otherwise: str) -> Iterator[zipfile.ZipFile]:
    """A file of a backup, known by one of its members: keys taken for data, or data for keys, would erase every row."""
    try:
        archive = zipfile.ZipFile(file)
        archive.getinfo(member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise MendableError(otherwise, file=file) from error
    with archive:
        yield archive


def _about(archive: zipfile.ZipFile) -> dict[str, str]:
    about: dict[str, str] = json.loads(archive.read(_ABOUT))
    if about.get("format") != FORMAT:
        raise MendableError("backup-form")
    return about


def _record(data: bytes) -> KeyRecord:
    try:
        return KeyRecord.model_validate_json(data)
    except ValidationError as error:
        raise MendableError("backup-key") from error


def _fill(database: Engine, archive: zipfile.ZipFile, about: Mapping[str, str]) -> int:
    with database.begin() as connection:
        _demand_empty(connection)
        upgrade(connection)
        if revision_of(connection) != about["revision"]:
            raise MendableError("backup-revision", revision=about["revision"], version=about.get("version", "?"))
        audit_schema.METADATA.create_all(connection)
        rows = fill(connection, archive)
        guards.create(connection)
        grant_rights(connection)
        unsettled.mark(connection)
    return rows


def _demand_empty(connection: Connection) -> None:
    """Refuse to restore over what is there.

    Raises:
        MendableError: there are tables; where an earlier restore was not settled, that is what is left to do.
    """
    unsettled.demand_settled(connection)
    if inspect(connection).get_table_names():
        raise MendableError("restore-not-empty")


def _settle_access(session: Session, now: datetime) -> None:
    grant_rights(session.connection())
    for gone in (LoginLink, WebSession, ServiceCredential):
        session.execute(delete(gone))
    for kept in (Token, Oin):
        session.execute(update(kept).where(col(kept.revoked_at).is_(None)).values(revoked_at=now))
