"""The pseudonym service's own log: what its events become, through the service as a deployment opens it."""

import errno
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, select

from audit.schema import PENDING
from gateway import pseudonyms
from gateway.messages import LANGUAGES, MendableError
from gateway.pseudonyms import Service, create_service_folder, open_service, open_service_year
from pseudonymisation.errors import KeyringError
from pseudonymisation.service import GrantReason, close_year, grant_quota
from pseudonymisation.service.keys import EVALUATION

SITE, YEAR = "00AB00", "2026-2027"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service of its own operator."""
    create_service_folder(tmp_path / "service", operator="ORG-DIENST", gateway_key=bytes(32))
    opened = open_service(tmp_path / "service")
    yield opened
    opened.engine.dispose()


def logged(service: Service) -> list[dict[str, Any]]:
    """Every entry, the oldest first."""
    with service.engine.connect() as connection:
        return [json.loads(data) for data in connection.scalars(select(PENDING.c.data).order_by(PENDING.c.id))]


@pytest.mark.parametrize(
    ("elements", "most"), [(1, 100), (100, 100), (101, 1_000), (1_000, 1_000), (1_001, 10_000), (10_000, 10_000)]
)
@pytest.mark.parametrize("reason", GrantReason)
def test_the_log_says_what_a_grant_is_worth(service: Service, reason: GrantReason, elements: int, most: int) -> None:
    """The reason and a class of size; how many exactly, which can be how many pupils arrived, is not in it."""
    now = datetime.now(UTC)
    grant = {"site": SITE, "school_year": YEAR, "elements": elements, "reason": reason}
    grant_quota(service.engine, service.append, **grant, now=now)
    entry = logged(service)[-1]
    assert (entry["event"], entry["party"], entry["period"]) == ("quota.granted", SITE, YEAR)
    assert entry["object"] == {"id": f"quota:{reason}-upto-{most}"}


def test_a_batch_that_is_answered_again_is_told_from_a_new_one(service: Service) -> None:
    """Two events of the log with one batch: the second cost nothing."""
    fields = {"site": SITE, "school_year": YEAR, "key_id": "0" * 16, "elements": 50, "batch": "ab" * 32}
    with service.engine.begin() as connection:
        for event in ("evaluation-answered", "evaluation-repeated"):
            service.append(connection, event, fields)
    entries = logged(service)[-2:]
    assert [each["event"] for each in entries] == ["batch.evaluated", "batch.repeated"]
    assert {each["object"]["id"] for each in entries} == {f"batch:{fields['batch']}"}


def made_on(moment: datetime, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, after `service init` at that moment."""
    monkeypatch.setattr(pseudonyms, "wall_clock", lambda: moment)
    create_service_folder(folder, operator="ORG-DIENST", gateway_key=bytes(32))
    return folder


def years(service: Service) -> list[tuple[str | None, str]]:
    """Every evaluation key there is or was: its school year and state."""
    return sorted((one.school_year, one.state) for one in service.keyring.records() if one.purpose == EVALUATION)


def test_making_the_service_logs_the_year_it_opens(service: Service) -> None:
    """The first year's key is in its log as every later one is, once, however often the folder is made again."""
    ((year, _),) = years(service)
    create_service_folder(service.register_file.parent, operator="ORG-DIENST", gateway_key=bytes(32))
    (entry,) = logged(service)
    assert (entry["event"], entry["object"]) == ("key.created", {"id": f"key:pseudonym-service/{year}"})


def test_a_folder_that_is_moved_takes_its_database_along(service: Service, tmp_path: Path) -> None:
    """The settings name no place, so what is logged at the new one stands after what was logged at the old one."""
    service.engine.dispose()
    moved = (tmp_path / "service").rename(tmp_path / "moved")
    opened = open_service(moved)
    assert [entry["event"] for entry in logged(opened)] == ["key.created"]
    opened.engine.dispose()
    assert not (tmp_path / "service").exists()


def named(service: Service, file: Path) -> Path:
    """The folder of the service, with settings that name a place of its database, as they once did."""
    service.engine.dispose()
    folder = service.register_file.parent
    with (folder / "service.toml").open("a") as settings:
        settings.write(f'database = "sqlite:///{file}"\n')
    return folder


def test_settings_that_name_the_database_of_their_folder_go_on(service: Service, tmp_path: Path) -> None:
    """Also by another way to the same folder."""
    folder = named(service, tmp_path / "service" / "service.sqlite")
    (tmp_path / "other").symlink_to(folder)
    for way in (folder, tmp_path / "other"):
        opened = open_service(way)
        assert [entry["event"] for entry in logged(opened)] == ["key.created"]
        opened.engine.dispose()


@pytest.mark.parametrize("there", [False, True])
def test_a_moved_or_copied_folder_leaves_the_database_of_the_old_place_alone(
    service: Service, tmp_path: Path, there: bool
) -> None:
    """Settings that name it are refused, with the line to take out; nothing is made there, and nothing written."""
    elsewhere = tmp_path / "old.sqlite"
    if there:
        elsewhere.touch()
    folder = named(service, elsewhere)
    with pytest.raises(MendableError) as refused:
        open_service(folder)
    assert all(str(elsewhere) in refused.value.said(language) for language in LANGUAGES)
    assert elsewhere.read_bytes() == b"" if there else not elsewhere.exists()


def test_a_database_elsewhere_is_made_with_the_folder(tmp_path: Path) -> None:
    """Whoever names one wants it there, and from then on it is opened, not one in the folder."""
    elsewhere, folder = tmp_path / "elsewhere.sqlite", tmp_path / "service"
    create_service_folder(folder, operator="ORG-DIENST", gateway_key=bytes(32), database=f"sqlite:///{elsewhere}")
    open_service(folder).engine.dispose()
    assert (elsewhere.exists(), (folder / "service.sqlite").exists()) == (True, False)


@pytest.mark.parametrize(("hour", "year"), [(21, "2025-2026"), (22, "2026-2027")])
def test_the_first_year_is_that_of_the_day_in_the_netherlands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hour: int, year: str
) -> None:
    """At 22:00 UTC on 31 July a new school year has begun."""
    opened = open_service(made_on(datetime(2026, 7, 31, hour, tzinfo=UTC), tmp_path / "service", monkeypatch))
    opened.engine.dispose()
    assert years(opened) == [(year, "active")]


def test_a_closed_year_gets_no_other_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by opening it nor by making the folder again; the next year's key is made, and the log says which."""
    now = datetime(2026, 11, 1, tzinfo=UTC)
    service = open_service(made_on(now, tmp_path / "service", monkeypatch))
    close_year(service.engine, service.append, service.keyring, YEAR)
    for again in (
        lambda: open_service_year(service, YEAR),
        lambda: made_on(now, tmp_path / "service", monkeypatch),
    ):
        with pytest.raises(KeyringError, match="was closed"):
            again()
    open_service_year(service, "2027-2028")
    assert years(service) == [(YEAR, "destroyed"), ("2027-2028", "active")]
    assert [each["event"] for each in logged(service)] == ["key.created", "key.destroyed", "key.created"]
    service.engine.dispose()


def test_no_key_comes_into_use_that_the_log_does_not_have(service: Service) -> None:
    """Its entry cannot be kept, as on a full disk: the key waits, and the next time it is that one, with its entry."""

    def full(_connection: Connection) -> None:
        raise OSError(errno.ENOSPC, "no room")

    before = len(logged(service))
    event.listen(service.engine, "commit", full)
    with pytest.raises(OSError, match="no room"):
        open_service_year(service, "2027-2028")
    event.remove(service.engine, "commit", full)
    assert service.keyring.active(EVALUATION, "2027-2028") is None
    opened = open_service_year(service, "2027-2028")
    assert [each["event"] for each in logged(service)[before:]] == ["key.created"]
    assert [one.key_id for one in service.keyring.records() if one.school_year == "2027-2028"] == [opened]
