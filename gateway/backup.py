"""Backup and restore that keep shredding true, on SQLite and PostgreSQL alike: a backup of one restores into the other.

Two files, to be kept apart. The data: `backup.json`, settings, witnesses and, in one snapshot, a member of JSON lines
for each table. The keys: the gateway's own, and both keyrings, every key still wrapped. The key-encryption keys are in
neither: each is renewed when a key of its ring is destroyed, so what was destroyed after a backup opens from no copy.
`kek.json` belongs in a safe; when a school year's key is destroyed, the file of the keys and that copy are made anew.
One of those in `consent-kek.json` is renewed whenever a consent ends, which nobody has to follow: it needs no copy.
Restored without it, every consent is over and is asked for again; what else there is does not hang on it. The data may
be of any day.

    {"format": "verzuimpoort/backup/v1", "revision": "0001", "made": "2026-11-23T18:00:00+00:00"}

After a restore nothing goes on as if nothing had happened: rows without a key are erased, those under a key that leaked
since are re-keyed, consents whose key is gone are over, privacy budgets are used up, nothing is released of a school
year before the operator says what was published since the backup, whoever was logged in is not, tokens are revoked, and
the log goes on under a new name, because its old name may have signed what this backup does not know.
"""

import base64
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, Table, and_, delete, func, insert, inspect, select, text, update
from sqlmodel import Session, SQLModel, col

from audit import guards
from audit import schema as audit_schema
from audit.entry import Actor, Entry, Object
from audit.events import Event
from audit.timeline import newest
from gateway import budgets, consent_ends, retention, shelf, unsettled  # noqa: F401  its tables are part of a backup
from gateway.app import CONSENTS, KEY_FILES, RING, open_gateway, yearly_log
from gateway.context import Gateway, actor_of, operator_of
from gateway.identity import caller_of
from gateway.keys import rotate_restored
from gateway.messages import MendableError
from gateway.operate import Desk
from gateway.outcome import GatewayError, Refused
from gateway.publish import ledger
from gateway.revision import demand_newest, revision_of, upgrade
from gateway.roles import grant_rights
from gateway.settings import FORMER_RECEIPTS_FILE, SETTINGS_FILE, WITNESSES_FILE, Home
from gateway.store import LoginLink, Oin, ServiceCredential, Token, WebSession
from policies.days import milliseconds, moment_of
from policies.decision import Decision
from policies.question import Action
from pseudonymisation.keyring import KeyRecord
from pseudonymisation.private_file import make_private, make_private_folder, read_private

_GATEWAY: Final = SQLModel.metadata  # complete once `budgets` and `shelf` are imported
FORMAT: Final = "verzuimpoort/backup/v1"
_ABOUT: Final = "backup.json"
_DATA_FILES: Final = (SETTINGS_FILE, WITNESSES_FILE, FORMER_RECEIPTS_FILE)
_CHUNK: Final = 5_000


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


def restore(where: Home, data: Path, keys: Path) -> Restored:
    """Bring a backup back into an empty database, and then make true what has happened since.

    Steps: (1) settings, witnesses and keys where they are missing; all that could stop the settling is
    opened; (2) the keyrings take in what still opens; (3) one transaction: tables, rows, and only then guards, rights
    and the mark that nothing is settled, with which no server and no worker starts; (4) `settle`. What broke off before
    (3) is run again, what broke off after it is completed by `settle` alone.

    Raises:
        MendableError: not a backup, of another version, or the database is not empty: names the mend.
        KeyringError: the key-encryption key is missing: it comes back first.
        PolicyError: the settings name rules or purposes that are not here or wrong.
    """
    with _opened(data, _ABOUT, "backup-not-data") as archive, _opened(keys, KEY_FILES[0], "backup-not-keys") as ring:
        about = _about(archive)
        _put_back(archive, _DATA_FILES, where.folder)  # (1)
        _put_back(ring, KEY_FILES, where.keys)
        gateway = open_gateway(where)
        try:
            with gateway.database.begin() as connection:
                _demand_empty(connection)
            records, consented = (
                [_record(ring.read(name)) for name in ring.namelist() if name.startswith(f"{each}/")]
                for each in (RING, CONSENTS)
            )
            refused = gateway.keyring.restore(records) + gateway.consent_keys.restore(consented)  # (2)
            rows = _fill(gateway.database, archive, about["revision"])  # (3)
            ended, erased = settle(gateway)  # (4)
        finally:
            gateway.database.dispose()
    return Restored(datetime.fromisoformat(about["made"]), rows, len(refused), ended, erased)


def settle(gateway: Gateway) -> tuple[int, Mapping[str, int]]:
    """After any restore, by this program or by the database's own means: make true what happened since.

    Steps, completed by running them again: (1) sessions, links and tokens end, for what was revoked since has come
    back; (2) privacy budgets are used up and builds end, for what was spent and published since is unknown here,
    and of school years that had begun nothing is released until the operator tells it (`told.tell`); (3) the log,
    which says until here of which moment the backup is, goes on under a new name; (4) consents whose key is gone
    are over; (5) rows and tags of before a rotation go through it once more; (6) a retention run, which also erases
    rows without a key; (7) servers and workers may start.

    Returns:
        How many consents ended, and what the retention run erased.

    Raises:
        MendableError: the database is of another version; nothing was changed.
    """
    operator = operator_of(gateway)
    with gateway.writing() as session:
        connection, now = session.connection(), gateway.clock()
        demand_newest(connection)
        known_until = _newest_act(connection, now) if unsettled.begin(connection) else None
        caller = caller_of(session, operator, gateway.today)
        gateway.append(session, Entry(event=Event.BACKUP_RESTORED, actor=actor_of(caller)))
        _end_credentials(session, now)  # (1)
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
        about = {"format": FORMAT, "revision": revision_of(connection), "made": gateway.clock().isoformat()}
        archive.writestr(_ABOUT, json.dumps(about))
        _put_in(archive, _DATA_FILES, gateway.home.folder, Path.read_bytes)
        for table in _tables():
            with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as lines:
                for row in _rows_of(connection, table):
                    lines.write(row)


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


@contextmanager
def _new_zip(target: Path) -> Iterator[zipfile.ZipFile]:
    """A new zip file of its owner only; one that was not finished does not stay."""
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            yield archive
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _tables() -> list[Table]:
    """Every table, those first to which others refer."""
    return [*_GATEWAY.sorted_tables, *audit_schema.METADATA.sorted_tables]


def _demand_all(connection: Connection) -> None:
    """Refuse a backup that would leave out a table of the database.

    Raises:
        MendableError: the database has a table that this program does not know.
    """
    unknown = set(inspect(connection).get_table_names()) - {table.name for table in _tables()} - {"alembic_version"}
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


def _rows_of(connection: Connection, table: Table) -> Iterator[bytes]:
    keys = list(table.primary_key.columns)
    found = connection.execution_options(yield_per=_CHUNK).execute(select(table).order_by(*keys))
    for row in found:
        yield json.dumps([_plain(value) for value in row], ensure_ascii=False).encode() + b"\n"


def _plain(value: object) -> object:
    """A value as JSON; what JSON has no form for says what it is."""
    match value:
        case bytes():
            return {"bytes": base64.b64encode(value).decode()}
        case datetime():
            return {"moment": value.isoformat()}
        case date():
            return {"day": value.isoformat()}
        case _:
            return value


def _value(plain: Any) -> object:  # noqa: ANN401  JSON
    if not isinstance(plain, dict):
        return plain
    ((form, written),) = plain.items()
    return _FORMS[form](written)


_FORMS: Final[Mapping[str, Callable[[str], object]]] = {
    "bytes": base64.b64decode,
    "moment": datetime.fromisoformat,
    "day": date.fromisoformat,
}


def _fill(database: Engine, archive: zipfile.ZipFile, revision: str) -> int:
    with database.begin() as connection:
        _demand_empty(connection)
        upgrade(connection)
        if revision_of(connection) != revision:
            raise MendableError("backup-revision", revision=revision)
        audit_schema.METADATA.create_all(connection)
        rows = sum(_load(connection, table, archive) for table in _tables())
        _go_on_counting(connection)
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


def _load(connection: Connection, table: Table, archive: zipfile.ZipFile) -> int:
    """The rows of one table; each line is the list of its values in the order of the columns.

    Where a row refers to one of its own table, such as a correction, that is told once all of them are there.
    """
    names = [column.name for column in table.columns]
    own = [column.name for column in table.columns if any(key.references(table) for key in column.foreign_keys)]
    referring: list[dict[str, object]] = []
    always = table is audit_schema.PENDING and connection.dialect.name == "postgresql"
    statement = text(_OVERRIDING) if always else insert(table)
    many = 0
    name = f"{table.name}.jsonl"
    if name not in archive.namelist():
        raise MendableError("backup-torn", name=name)
    with archive.open(name) as lines:
        while chunk := list(islice(lines, _CHUNK)):
            rows = [dict(zip(names, map(_value, json.loads(line)), strict=True)) for line in chunk]
            if own:
                referring += [row for row in rows if any(row[name] is not None for name in own)]
                rows = [row | dict.fromkeys(own) for row in rows]
            connection.execute(statement, rows)
            many += len(rows)
    for row in referring:
        mine = and_(*(column == row[column.name] for column in table.primary_key))
        connection.execute(update(table).where(mine).values({name: row[name] for name in own}))
    return many


def _go_on_counting(connection: Connection) -> None:
    """Numbers that the database gives out go on after the last one used, in the waiting room of the log too."""
    entry, pending = audit_schema.ENTRY, audit_schema.PENDING
    used = [connection.scalar(select(func.max(column))) or 0 for column in (entry.c.source, pending.c.id)]
    if connection.dialect.name == "sqlite":
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'audit_pending'"))
        connection.execute(text("INSERT INTO sqlite_sequence VALUES ('audit_pending', :last)"), {"last": max(used)})
        return
    last = {(pending.name, "id"): max(used)}
    for table in _GATEWAY.sorted_tables:
        counted = table.autoincrement_column
        if counted is not None and not counted.foreign_keys:
            last[table.name, counted.name] = connection.scalar(select(func.max(counted))) or 0
    for (of, column), number in last.items():
        sequence = func.pg_get_serial_sequence(of, column)
        connection.execute(select(func.setval(sequence, max(number, 1), number > 0)))


def _end_credentials(session: Session, now: datetime) -> None:
    for gone in (LoginLink, WebSession, ServiceCredential):
        session.execute(delete(gone))
    for kept in (Token, Oin):
        session.execute(update(kept).where(col(kept.revoked_at).is_(None)).values(revoked_at=now))


_OVERRIDING: Final = "INSERT INTO audit_pending (id, data) OVERRIDING SYSTEM VALUE VALUES (:id, :data)"
