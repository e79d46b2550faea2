"""Every operation of the API against every kind of caller: who gets through, and that nobody sees or changes another's.

The table in `house.py` is the whole of it: an operation or a caller without a place in it fails the test.
"""

from typing import Any

import httpx
from sqlmodel import SQLModel, select

from gateway.http.api import create_api
from gateway.store import (
    Approval,
    ConsentedHealth,
    ConsentEvent,
    ConsentNotice,
    ConsentRecord,
    Count,
    Enrolment,
    Party,
    PartyKey,
    Period,
    Person,
    Release,
    Submission,
    Token,
)

from .house import ALL, OF_SCHOOL, House, knock

KEPT = (
    Approval, ConsentEvent, ConsentNotice, ConsentRecord, ConsentedHealth, Count, Enrolment, Party, PartyKey, Period,
    Person, Release, Submission, Token,
)  # fmt: skip
LOCKED = {401, 403, 404}


def test_the_table_is_complete(house: House) -> None:
    """Every operation of the document has its place, and nothing else has."""
    paths = create_api(house.site.world.gateway).openapi()["paths"]
    assert {one["operationId"] for path in paths.values() for one in path.values()} == house.doors.keys()
    assert house.callers.keys() == ALL


def test_nobody_gets_through_another_s_door(house: House) -> None:
    """For each operation: who is not in the table is refused, learns nothing of the school, and changes nothing."""
    wrong = []
    for name, door in house.doors.items():
        before = kept(house)
        for caller in sorted(ALL - door.through):
            answer = knock(house, door, caller)
            if answer.status_code not in {*LOCKED, 400} or told(house, answer, caller):
                wrong.append(f"{name} by {caller}: {answer.status_code}")
        if kept(house) != before:
            wrong.append(f"{name}: something changed")
    assert not wrong


def test_everybody_gets_through_its_own(house: House) -> None:
    """For each operation: who is in the table gets past the lock; none of the answers tells of another's."""
    last = {"withdrawSubmission", "withdrawConsent", "withdrawRelease", "submit"}
    wrong = []
    for name, door in sorted(house.doors.items(), key=lambda pair: pair[0] in last):
        for caller in sorted(door.through):
            answer = knock(house, door, caller)
            while answer.status_code == 503:
                answer = knock(house, door, caller)
            if answer.status_code in LOCKED and name != "readTile" and not of_its_state(answer):
                wrong.append(f"{name} by {caller}: {answer.status_code} {answer.text[:200]}")
            if told(house, answer, caller):
                wrong.append(f"{name} by {caller}: tells of the school")
    assert not wrong


def of_its_state(answer: httpx.Response) -> bool:
    """Whether the law refuses because one operator built this release, the other approved it, and it is published."""
    rules = {rule["id"] for rule in answer.json().get("decision", {}).get("rules", ())}
    return bool(rules & {"nobody-approves-an-own-build", "nobody-approves-twice", "no-second-publication"})


def told(house: House, answer: httpx.Response, caller: str) -> bool:
    """Whether an answer names what only the school, its supplier, its officers or the consent's recipient may know."""
    may_know = {
        "submission": OF_SCHOOL | {"mandated", "controller-officer"},
        "consent": OF_SCHOOL | {"care", "controller-officer"},
    }
    return any(house.ids[thing] in answer.text and caller not in callers for thing, callers in may_know.items())


def kept(house: House) -> dict[str, list[Any]]:
    """Everything that is kept, credentials' last use apart."""
    with house.site.world.gateway.reading() as session:
        return {model.__name__: rows_of(session, model) for model in KEPT}


def rows_of(session: Any, model: type[SQLModel]) -> list[Any]:  # noqa: ANN401  a session
    return sorted(repr(row.model_dump()) for row in session.exec(select(model)))
