"""The pseudonym service after its backup came back: one log under each name, no quota twice, no key of another time."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from audit.checkpoint import Checkpoint
from audit.events import Event
from audit.note import parse_note
from audit.proofs import checkpoint, logs
from audit.timeline import Filter, find
from gateway.cli import app
from gateway.cli.following import Followed, follow
from gateway.messages import LANGUAGES, MendableError
from gateway.periods import school_year_on
from gateway.pseudonyms import Service, create_service_folder, open_service
from gateway.service_log import take_out
from gateway.service_restore import settle
from pseudonymisation.service import GrantReason, RegisteredSite, base_quota, close_year, export_register, grant_quota
from pseudonymisation.service.store import accept_register, charge, store_answer
from tests.databases import copy_database, drop_database

from .test_service_log import outside, step

SEED, NOW = bytes([3]) * 32, datetime.now(UTC)
YEAR = school_year_on(NOW.date())
PUPILS = {"00AB00": 100, "00CD00": 40}
Restore = Callable[[], Service]


def register(folder: Path, serial: int) -> None:
    """What the gateway exports, put into the folder."""
    sites = [RegisteredSite(site=site, pupils=pupils, valid_from=NOW.date()) for site, pupils in PUPILS.items()]
    days = {"issued": NOW, "expires": (NOW + timedelta(days=9)).date()}
    (folder / "register.json").write_bytes(
        export_register(sites, serial=serial, operator="ORG-POORT", secret=SEED, **days)
    )


@pytest.fixture
def service(tmp_path: Path, database: str) -> Iterator[Service]:
    """A service that worked with register 1, and whose log has a checkpoint."""
    gateway_key = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    folder = tmp_path / "service"
    create_service_folder(folder, operator="ORG-DIENST", gateway_key=gateway_key, database=database)
    register(folder, 1)
    opened = open_service(folder)
    with opened.engine.begin() as connection:
        accept_register(connection, 1)
    step(opened.log)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def restored(service: Service, tmp_path: Path) -> Iterator[Restore]:
    """Makes a backup of folder and database at once; called, it brings that back, with register 2 of after it."""
    service.engine.dispose()
    folder, url = service.log.home.folder, service.log.home.database
    back = shutil.copytree(folder, tmp_path / "back")
    if make_url(url).drivername == "sqlite":
        shutil.copy(str(make_url(url).database), back / "service.sqlite")
        copy = f"sqlite:///{back}/service.sqlite"
    else:
        copy = copy_database(url)
    settings = back / "service.toml"
    settings.write_text(settings.read_text().replace(url, copy))
    made: list[Service] = []

    def bring_back() -> Service:
        register(back, 2)
        made.append(open_service(back))
        return made[-1]

    yield bring_back
    for each in made:
        each.engine.dispose()
    if copy != f"sqlite:///{back}/service.sqlite":
        drop_database(copy)


def act(service: Service, times: int) -> None:
    """So many entries of the log, with their place and a signed checkpoint."""
    for _ in range(times):
        take_out(service.log)
    step(service.log)


def signed(service: Service) -> dict[tuple[str, int], bytes]:
    """The root of the newest checkpoint of each log, by origin and size."""
    with service.engine.connect() as connection:
        notes = [checkpoint(connection, each.log) for each in logs(connection)]
    parsed = [Checkpoint.parse(parse_note(note[1]).text) for note in notes if note is not None]
    return {(each.origin, each.size): each.root for each in parsed}


def left(service: Service, site: str) -> int:
    """How many elements the service still gives a site: tried one by one, in ever smaller batches."""
    many, batch = 0, 4096
    with service.engine.begin() as connection:
        while batch:
            if charge(connection, site, YEAR, batch, base_quota(PUPILS[site])) is None:
                batch //= 2
            else:
                many += batch
    return many


def test_no_log_has_two_roots_of_one_size(service: Service, restored: Restore) -> None:
    """What was signed after the backup, and what is signed after the restore, stand under names of their own."""
    act(service, 2)
    before = signed(service)
    back = restored()
    settle(back)
    act(back, 2)
    after = signed(back)
    assert {
        name: (before[name], after[name]) for name in before.keys() & after.keys() if before[name] != after[name]
    } == {}
    assert len(after) == 2


def test_who_followed_the_log_until_the_backup_follows_it_through_the_restore(
    service: Service, restored: Restore, tmp_path: Path
) -> None:
    """The log of before ends as it was seen, and the new one goes on from it: no alarm."""
    with outside(service) as http:
        assert follow(http, tmp_path / "seen.json") is Followed.FIRST
    back = restored()
    settle(back)
    with outside(back) as http:
        assert follow(http, tmp_path / "seen.json") is Followed.CONTINUES


def test_the_log_says_that_it_was_restored(restored: Restore) -> None:
    """In the new log, by the service."""
    back = restored()
    settle(back)
    step(back.log)
    with back.log.reading() as session:
        found = find(session.connection(), Filter(event=Event.BACKUP_RESTORED.value), limit=9)
    assert len(found) == 1


def test_no_site_gets_its_quota_twice(service: Service, restored: Restore) -> None:
    """What was used since the backup is unknown: nothing is left but what is granted from then on."""
    with service.engine.begin() as connection:
        charge(connection, "00AB00", YEAR, 90, base_quota(PUPILS["00AB00"]))
    back = restored()
    settled = settle(back)
    reason = GrantReason.SERVICE_RESTORED
    grant_quota(back.engine, back.append, site="00CD00", school_year=YEAR, elements=7, reason=reason, now=NOW)
    assert [left(back, site) for site in PUPILS] == [0, 7]
    assert YEAR in settled.years


def test_answers_of_a_year_that_was_closed_since_go_again(service: Service, tmp_path: Path) -> None:
    """The data of the backup are older than the keys: its answers are erased once more, and nothing is logged twice."""
    with service.engine.begin() as connection:
        facts = {"site": "00AB00", "school_year": YEAR, "key_id": "0" * 16, "elements": 1, "answer": b"x", "now": NOW}
        store_answer(connection, digest=bytes(32), **facts)
    keys = [record.key_id for record in service.keyring.records() if record.school_year == YEAR]
    service.keyring.destroy(*keys)
    register(service.log.home.folder, 2)
    settle(service)
    with service.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM service_batch").scalar() == 0


def test_a_token_that_leaked_since_is_not_taken_again(restored: Restore) -> None:
    """The register of the backup is refused: the gateway exports another, and nothing was done meanwhile."""
    back = restored()
    register(back.log.home.folder, 1)
    with pytest.raises(MendableError) as refused:
        settle(back)
    assert all("service register" in refused.value.said(language) for language in LANGUAGES)
    assert len(signed(back)) == 1


def test_keys_of_another_time_than_their_key_encryption_key_are_refused(service: Service, restored: Restore) -> None:
    """A ring of before a closing with the key-encryption key of after it opens nothing: nothing was done."""
    close_year(service.engine, service.append, service.keyring, YEAR)
    back = restored()
    shutil.copy(service.log.home.folder / "keys" / "kek.json", back.log.home.folder / "keys" / "kek.json")
    with pytest.raises(MendableError) as refused:
        settle(back)
    assert all("kek.json" in refused.value.said(language) for language in LANGUAGES)
    assert len(signed(back)) == 1


def test_it_is_typed_with_yes(restored: Restore) -> None:
    """On a service that is healthy it costs every school its quota; what follows for whom is said."""
    folder = str(restored().log.home.folder)
    assert CliRunner().invoke(app, ["service", "settle-restore", "--folder", folder]).exit_code == 2
    done = CliRunner().invoke(app, ["service", "settle-restore", "--folder", folder, "--yes", "--lang", "en"])
    assert done.exit_code == 0, done.output
    assert f"org-dienst.pseudonym-service/{YEAR}/" in done.output
    assert "--reason service-restored --school-year YEAR --folder DIR" in done.output
