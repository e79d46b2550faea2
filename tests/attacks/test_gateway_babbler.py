"""Somebody who sends anything at all, with any credential: the API never breaks, and answers as its document says.

Two ways: each operation by itself, with ids that exist and others; and walks along the links of the document, where an
answer's id goes into the next request, so that requests meet every state there is.
"""

import itertools
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.generation.stateful import run_state_machine_as_test
from schemathesis.generation.stateful.state_machine import StepInput, StepOutput
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .house import House

CHECKS = (status_code_conformance, content_type_conformance, response_schema_conformance)
QUIET: dict[str, Any] = {
    "deadline": None, "database": None, "phases": [Phase.generate], "suppress_health_check": list(HealthCheck),
}  # fmt: skip
WALKING = settings(max_examples=25, stateful_step_count=8, **QUIET)
SLICE, WALKED = 2, 150  # examples for each operation and mode of generation; requests in walks
PARTS, IN_A_PART, EXAMPLES = 10, 10_000, 40  # the campaign, in parts that can be run one by one
USUAL = 0.7  # how often a walker does what its caller would: the right person, an orderly body


@dataclass
class Babbler:
    """Who sends: what its callers carry, the ids that exist, and what it was answered."""

    house: House
    schema: Any
    session: requests.Session
    seen: Counter[int] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)

    def headers(self, caller: str) -> dict[str, str]:
        """What a caller sends along: its token, or its session's cookie and CSRF token."""
        client = self.house.callers[caller]
        kept = {name: client.headers[name] for name in ("authorization", "x-csrf-token") if name in client.headers}
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        return kept | ({"cookie": cookies} if cookies else {})

    def send(self, case: Case, caller: str, **more: Any) -> Any:  # noqa: ANN401  an answer of schemathesis
        """Send a request and look at the answer; one that is out of line is kept with what is wrong with it."""
        answer = case.call(session=self.session, headers=self.headers(caller), **more)
        status = answer.status_code
        faults = ["nothing may be a 500"] if status == 500 else []
        if "api-version" not in answer.headers or (status == 503 and "retry-after" not in answer.headers):
            faults.append("a header is missing")
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            faults += [str(each) for each in group.exceptions]
        for fault in faults:
            self.wrong.setdefault(f"{name_of(case)} {status}: {fault}", f"by {caller}: {answer.text[:300]}")
        self.seen[status] += 1
        if answer.status_code < 400:
            self.done[name_of(case)] += 1
        return answer

    def point_at_what_is_there(self, case: Case) -> None:
        """Give a request the ids of the house in place of made-up ones."""
        ids = self.house.ids
        there = {
            "submission_id": ids["submission"], "release_id": ids["release"], "consent_id": ids["consent"],
            "entry_id": ids["entry"], "party": ids["code"], "log": "1", "path": "0/000",
        }  # fmt: skip
        case.path_parameters = {name: there.get(name, value) for name, value in (case.path_parameters or {}).items()}

    @property
    def sent(self) -> int:
        """How many requests were answered."""
        return sum(self.seen.values())


def name_of(case: Case) -> str:
    return str(case.operation.definition.raw["operationId"])


@pytest.fixture
def babbler(house: House) -> Babbler:
    """One babbler for each test, on both databases."""
    return Babbler(house, schemathesis.openapi.from_url(f"{house.site.url}/v1/openapi.json"), requests.Session())


def babble(babbler: Babbler, examples: int, which: int) -> None:
    """Send generated requests to every operation, right ones and wrong ones."""
    for found in babbler.schema.get_all_operations():
        operation = found.ok()
        raw = operation.definition.raw
        shaped = "requestBody" in raw or any(one["in"] == "query" for one in raw.get("parameters", ()))
        for mode in GenerationMode if shaped else (GenerationMode.POSITIVE,):

            @seed(which)
            @settings(max_examples=examples, **QUIET)
            @given(
                operation.as_strategy(generation_mode=mode),
                st.sampled_from(sorted(babbler.house.callers)),
                st.booleans(),
            )
            def one(case: Case, caller: str, known: bool) -> None:
                if known:
                    babbler.point_at_what_is_there(case)
                babbler.send(case, caller)

            one()


def walker(babbler: Babbler, which: int) -> type:
    """A state machine whose steps are the links of the document, mostly taken by the right caller in an orderly way."""
    doors, names, chance = babbler.house.doors, sorted(babbler.house.callers), Random(which)  # noqa: S311  repeatable

    class Walk(babbler.schema.as_state_machine()):  # type: ignore[misc]  made while running
        def step(self, input: StepInput) -> StepOutput:  # noqa: A002  of schemathesis
            if not input.is_applied and chance.random() < USUAL:
                babbler.point_at_what_is_there(input.case)
            return super().step(input)

        def call(self, case: Case, **_: Any) -> Any:  # noqa: ANN401  of schemathesis
            door, more, caller = doors[name_of(case)], dict[str, Any](), chance.choice(names)
            if chance.random() < USUAL:
                case.headers, case.cookies = type(case.headers)(), {}  # no made-up credentials beside the caller's
                caller = chance.choice(sorted(door.through) or names)
            if chance.random() < USUAL:
                case.query = dict(door.params)
                if door.body is not None:
                    more = {"data": self.body(name_of(case), door.body), "json": None}
            return babbler.send(case, caller, **more)

        def body(self, name: str, orderly: bytes) -> bytes:
            """The orderly body of an operation; of a file a new version."""
            if name != "submit":
                return orderly
            return babbler.house.site.world.counts(0, chance.randrange(1, 1_000))

        def validate_response(self, *_: Any, **__: Any) -> None:  # noqa: ANN401  done in `send`
            """Every answer was checked when it came."""

    return Walk


def walk(babbler: Babbler, requests_: int, which: int) -> None:
    """Walk along the links of the document for so many requests.

    What can be asked next depends on the answers, which differ from walk to walk; where that confuses hypothesis, a new
    walk begins.
    """
    until, machine = babbler.sent + requests_, walker(babbler, which)
    for number in itertools.count(1_000 * which):
        with suppress(Flaky):
            run_state_machine_as_test(seed(number)(type("Walk", (machine,), {})), settings=WALKING)
        if babbler.sent >= until:
            return


def test_no_generated_request_breaks_the_api(babbler: Babbler) -> None:
    """A slice of generated requests, right and wrong ones: no 500, and every answer is one the document knows."""
    babble(babbler, SLICE, 0)
    assert not babbler.wrong
    assert {200, 400, 401, 403, 404} <= babbler.seen.keys()


def test_no_walk_along_the_links_breaks_the_api(babbler: Babbler) -> None:
    """A slice of walks: what an answer leads to is asked next, by the right caller and by others."""
    walk(babbler, WALKED, 0)
    assert not babbler.wrong
    assert len(babbler.done) > 8


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_a_hundred_thousand_generated_requests_do_not_break_the_api(babbler: Babbler, part: int) -> None:
    """Ten thousand a part, a third of them in walks; `make soak ARGS="-s -k hundred_thousand"` does all on both."""
    walk(babbler, IN_A_PART // 3, 1 + part)
    which = itertools.count(1_000 * (1 + part))
    while babbler.sent < IN_A_PART:
        babble(babbler, EXAMPLES, next(which))
    print(f"part {part}: {babbler.sent} requests, {dict(sorted(babbler.seen.items()))}")  # noqa: T201  its result
    assert not babbler.wrong
