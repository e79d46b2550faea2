"""The pseudonym service's own log: what its events become, through the service as a deployment opens it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from audit.schema import PENDING
from gateway.pseudonyms import Service, create_service_folder, open_service
from pseudonymisation.service import GrantReason, grant_quota

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
    (entry,) = logged(service)
    assert (entry["event"], entry["party"], entry["period"]) == ("quota.granted", SITE, YEAR)
    assert entry["object"] == {"id": f"quota:{reason}-upto-{most}"}


def test_a_batch_that_is_answered_again_is_told_from_a_new_one(service: Service) -> None:
    """Two events of the log with one batch: the second cost nothing."""
    fields = {"site": SITE, "school_year": YEAR, "key_id": "0" * 16, "elements": 50, "batch": "ab" * 32}
    with service.engine.begin() as connection:
        for event in ("evaluation-answered", "evaluation-repeated"):
            service.append(connection, event, fields)
    entries = logged(service)
    assert [each["event"] for each in entries] == ["batch.evaluated", "batch.repeated"]
    assert {each["object"]["id"] for each in entries} == {f"batch:{fields['batch']}"}
