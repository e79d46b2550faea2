"""Somebody who sends anything at all, with any credential: the API never breaks, and answers as its document says."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.demo.people import IN_FORCE, MINISTER, must
from gateway.identity import add_person, identify_session, start_session
from gateway.settings import Settings
from tests.gateway.conftest import PERIOD, TABLE, Site, build_world, running
from tests.web.conftest import ticking

CHECKS = (status_code_conformance, content_type_conformance, response_schema_conformance)
SLICE, CAMPAIGN = 3, 1_200  # examples for each operation, mode of generation and seed; 43 operations


@dataclass(frozen=True)
class Babel:
    """A running gateway, what its callers carry, and ids that exist."""

    site: Site
    headers: list[dict[str, str]]
    ids: dict[str, str]


@pytest.fixture(scope="module")
def babel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Babel]:
    """A school with a submission, tokens and sessions of every role, and nobody too."""
    unlimited = Settings(in_force=IN_FORCE, requests_per_minute=10_000_000)
    made = build_world(tmp_path_factory.mktemp("babel") / "data", settings=unlimited)
    world = ticking(made)
    school = world.region.sites[0].code
    with running(world) as site:
        headers = [
            {},
            *(bearer(site, party) for party in (school, world.region.sites[1].code, world.region.sites[0].swv)),
        ]
        operator = world.gateway.settings.operator
        headers += [session_of(site, *who) for who in ((operator, "operator"), (MINISTER, "controller-officer"))]
        params = {"collection": TABLE, "party": school, "period": PERIOD}
        sent = httpx.post(f"{site.url}/v1/submissions", params=params, content=world.counts(0), headers=headers[1])
        yield Babel(site, headers, {"submission_id": sent.json()["id"], "party": school, "log": "1", "path": "0/000"})
    world.gateway.database.dispose()


def bearer(site: Site, party: str) -> dict[str, str]:
    expires = datetime.now(UTC) + timedelta(days=3650)
    return {"Authorization": f"Bearer {must(site.world.desk.issue_token(party, scopes=['all'], expires_at=expires))}"}


def session_of(site: Site, party: str, role: str) -> dict[str, str]:
    gateway = site.world.gateway
    with gateway.writing() as session:
        opened = start_session(session, add_person(session, party, role, role), gateway.clock())
    with gateway.reading() as session:
        found = identify_session(session, opened.secret, gateway.clock())
    assert found is not None
    return {"Cookie": f"verzuimpoort={opened.secret}", "X-CSRF-Token": found[1].csrf}


def babble(babel: Babel, examples: int, which: int = 0) -> Counter[int]:
    """Send generated requests to every operation, and collect the statuses; an answer out of line fails."""
    seen: Counter[int] = Counter()
    schema = schemathesis.openapi.from_url(f"{babel.site.url}/v1/openapi.json")
    for found in schema.get_all_operations():
        operation = found.ok()
        raw = operation.definition.raw
        shaped = "requestBody" in raw or any(one["in"] == "query" for one in raw.get("parameters", ()))
        for mode in GenerationMode if shaped else (GenerationMode.POSITIVE,):

            @seed(which)
            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(operation.as_strategy(generation_mode=mode), st.sampled_from(babel.headers), st.booleans())
            def one(case: Any, headers: dict[str, str], known: bool) -> None:  # noqa: ANN401  of schemathesis
                if known:
                    there = {name: babel.ids[name] for name in case.path_parameters or {} if name in babel.ids}
                    case.path_parameters = {**(case.path_parameters or {}), **there}
                answer = case.call(headers=headers)
                assert answer.status_code != 500, answer.text
                assert answer.status_code != 503 or answer.headers["Retry-After"]
                assert answer.headers["api-version"]
                case.validate_response(answer, checks=CHECKS)
                seen[answer.status_code] += 1

            one()
    return seen


def test_no_generated_request_breaks_the_api(babel: Babel) -> None:
    """A slice of generated requests, right and wrong ones: no 500, and every answer is one the document knows."""
    seen = babble(babel, SLICE)
    assert sum(seen.values()) > 43
    assert {200, 400, 401, 403, 404} <= seen.keys()


@pytest.mark.soak
def test_a_hundred_thousand_generated_requests_do_not_break_the_api(babel: Babel) -> None:
    """The same, a hundred thousand times."""
    total: Counter[int] = Counter()
    which = 1
    while sum(total.values()) < 100_000:
        total += babble(babel, CAMPAIGN, which)
        which += 1
    assert not total[500]
