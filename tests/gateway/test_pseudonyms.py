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
