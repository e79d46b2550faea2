"""What a decision costs, with all rules loaded, on one core, beside the same library used the plain way.

Run from the root of the project: `python -m benchmarks.policies`.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import cedarpy

from policies.decision import Permit
from policies.engine import Engine
from policies.parties import Caller, Kind, Party, Role
from policies.purpose import PACKAGED
from policies.question import NO_MANDATE, Action, Request, caller_facts, mandate_facts
from policies.register import register_document
from policies.terms import terms
from policies.things import Area, OwnTable
from tests.policies.world import CALLERS, DELIVERY, DEMO, READY, RECORD, SLICE, TWO, noon

NOW = noon("2026-11-02")
ROUNDS = 5_000
NATION = 7_500


def nation() -> Iterator[Request]:
    """One submission of each of 7,500 schools, then round again: every caller is another one."""
    while True:
        for number in range(NATION):
            code = f"{number:04d}AA"
            site = Caller(Party(code, Kind.SITE, sectors=frozenset({"po"})), Role.SCHOOL)
            yield Request(
                site, Action.SUBMIT, replace(DELIVERY, party=code), ("statutory-counts",), "absence-counts", TWO
            )


def questions() -> dict[str, Iterator[Request]]:
    """The questions of a period, by name."""

    def always(who: str, action: Action, thing: object, purpose: str) -> Iterator[Request]:
        request = Request(CALLERS[who], action, thing, (purpose,), "absence-counts", TWO)  # type: ignore[arg-type]  # the thing of the action
        while True:
            yield request

    return {
        "submit, one school": always("school", Action.SUBMIT, DELIVERY, "statutory-counts"),
        "submit, 7,500 schools in turn": nation(),
        "download, an swv's site": always(
            "swv", Action.DOWNLOAD_RELEASE, replace(SLICE, level="site", area=Area.OWN_SITE), "absence-insight-swv"
        ),
        "read a consented record": always(
            "youth health care", Action.READ_CONSENTED_RECORD, RECORD, "care-with-consent"
        ),
        "publish a release": always("operator", Action.PUBLISH_RELEASE, READY, "absence-insight-swv"),
        "refused: not found": always("other school", Action.READ_OWN_TABLE, OwnTable("00AB00"), "own-school"),
        "refused: a purpose switched off": always("school", Action.SUBMIT, DELIVERY, "unfunded-schools"),
        "refused, with near miss": always(
            "swv", Action.DOWNLOAD_RELEASE, replace(SLICE, level="gemeente"), "absence-insight-swv"
        ),
    }


def row(name: str, act: Callable[[], object], rounds: int = ROUNDS) -> None:
    """Time an act after a tenth of the rounds as warming up: the rate by the core's own time, the rest by the clock."""
    for _ in range(rounds // 10):
        act()
    times = []
    busy = time.process_time()
    for _ in range(rounds):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    busy = time.process_time() - busy
    cuts = statistics.quantiles(times, n=100)
    print(f"| {name} | {rounds / busy:,.0f} | {cuts[49] * 1e6:,.0f} | {cuts[98] * 1e6:,.0f} |")


def plain_cedar(engine: Engine, request: Request) -> Callable[[], object]:
    """The same question to the library as its first page shows it: policies and schema as text, entities as a list."""
    policies = "\n".join(path.read_text() for path in sorted((PACKAGED / "rules").glob("*.cedar")))
    schema = (PACKAGED / "schema.cedarschema").read_text()
    known = terms(engine.purposes[request.purposes[0]], engine.law.in_force.get(request.purposes[0]))
    entities = [
        {"uid": {"type": kind, "id": name}, "attrs": facts, "parents": []}
        for kind, name, facts in (
            ("Caller", "caller", caller_facts(request.caller)),
            ("Mandate", "none", mandate_facts(NO_MANDATE)),
            ("Purpose", "purpose", known),
            (request.thing.TYPE, "thing", request.thing.facts()),
        )
    ]
    question = {
        "principal": {"type": "Caller", "id": "caller"},
        "action": {"type": "Action", "id": request.action.value},
        "resource": {"type": request.thing.TYPE, "id": "thing"},
        "context": {
            "today": 20261102, "action": request.action.value, "collection": request.collection,
            "purpose": {"type": "Purpose", "id": "purpose"}, "two_operators": True, "unsafe_single_operator": False,
        },
    }  # fmt: skip
    if not cedarpy.is_authorized(question, policies, entities, schema).allowed:
        raise RuntimeError("the plain way must answer the same")
    return lambda: cedarpy.is_authorized(question, policies, entities, schema)


def pin() -> None:
    """Stay on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def main() -> None:
    """Print the table."""
    pin()
    engine = Engine.load(in_force=DEMO)
    size = f"{len(engine.rules)} rules, {len(engine.purposes)} purposes"
    print(f"{size}; one of {os.cpu_count()} cores, {platform.machine()}\n")
    print("| decision | per second of one core | median µs | p99 µs |\n|---|---:|---:|---:|")
    asked = questions()
    for name, requests in asked.items():
        decision = engine.decide(next(requests), at=NOW)
        if isinstance(decision, Permit) == name.startswith("refused") or decision.verdict == "error":
            raise RuntimeError(f"{name}: decided otherwise")
        row(name, lambda requests=requests: engine.decide(next(requests), at=NOW))  # type: ignore[misc]  # mypy cannot infer a lambda with a bound default
    row("the library alone, rules as text: submit", plain_cedar(engine, next(asked["submit, one school"])), 60)
    print("\n| act | ms |\n|---|---:|")
    for name, act in {
        "load and check all policies": lambda: Engine.load(in_force=DEMO),
        "register of processing, as JSON": lambda: json.dumps(
            register_document(engine.law, on=NOW.date(), standing=engine.standing(NOW))
        ),
    }.items():
        times = [_timed(act) for _ in range(5)]
        print(f"| {name} | {statistics.median(times) * 1e3:,.0f} |")
    program = "from policies.engine import Engine; Engine.load()"
    times = [_timed(lambda: subprocess.run([sys.executable, "-c", program], check=True)) for _ in range(3)]  # noqa: S603  this program
    print(f"| a fresh process, imports included | {statistics.median(times) * 1e3:,.0f} |")


def _timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
