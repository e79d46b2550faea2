"""Which figures the public register shows: of what is out, and of an exercise only where it says so."""

import json
from datetime import timedelta

import pytest
from sqlmodel import select

from gateway import accountability
from gateway.identity import add_person
from gateway.store import Period, Release, ReleaseState
from tests.gateway.conftest import NOW, TABLE, World

CERTIFICATE = {
    "attacker": {"exact": 0, "narrowed": 0},
    "sectors": {"po": {"cells": {"suppressed": 2, "listed": 10}}},
}
EXERCISE, REAL = "2026-2027-1", "2026-2027-2"


def put(world: World, name: str, code: str, state: ReleaseState, hours: int) -> None:
    """A release of a period that went out some hours ago."""
    with world.gateway.writing() as session:
        builder = add_person(session, world.gateway.settings.operator, "operator", "builder").id or 0
        period = session.exec(select(Period.id).where(Period.code == code)).one()
        out = NOW - timedelta(hours=hours)
        session.add(
            Release(
                id=name * 32,
                period_id=period or 0,
                purposes="national-picture",
                state=state,
                builder_id=builder,
                built_at=out,
                published_at=out,
                seed=b"x",
                certificate=json.dumps(CERTIFICATE),
            )
        )


@pytest.fixture
def real(world: World) -> World:
    """A deployment with a real period beside its exercise."""
    with world.gateway.writing() as session:
        days = {"reference_date": NOW.date(), "deadline": NOW.date()}
        session.add(Period(table_id=TABLE, code=REAL, exercise=False, **days))
    return world


def shown(world: World) -> dict[str, tuple[str, str]]:
    """Measure → its figure and where it can be checked, of those that a release tells."""
    found = {each.measure: (each.value, each.evidence) for each in accountability.measured(world.gateway)}
    return {name: found[name] for name in ("attacker", "threshold") if name in found}


def test_the_register_shows_what_is_out(real: World) -> None:
    """Not what was withdrawn since, nor an exercise that is newer."""
    put(real, "a", REAL, ReleaseState.PUBLISHED, 3)
    put(real, "b", REAL, ReleaseState.WITHDRAWN, 2)
    put(real, "c", EXERCISE, ReleaseState.PUBLISHED, 1)
    certificate = f"/v1/releases/{'a' * 32}/certificate"
    assert shown(real) == {"attacker": ("0 exact, 0 narrowed", certificate), "threshold": ("2 / 10", certificate)}


@pytest.mark.parametrize("many", [1, 335])
def test_the_register_says_no_number_that_can_be_of_one_school_or_pupil(
    world: World, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """Between the end of an agreement and the next run the rows that are late are the pupils of that one school."""
    monkeypatch.setattr("gateway.retention.overdue", lambda _gateway: many)
    monkeypatch.setattr(accountability, "overdue_notices", lambda _gateway: (None,) * many)
    found = {each.measure: each.value for each in accountability.measured(world.gateway)}
    assert found["rows-erased"] == found["withdrawal-answered"] == "meer dan 0 / more than 0"


def test_the_register_says_that_a_figure_is_of_an_exercise(world: World) -> None:
    """Where nothing real is out the exercise is shown, by its name."""
    put(world, "c", EXERCISE, ReleaseState.PUBLISHED, 1)
    assert {value for value, _ in shown(world).values()} == {
        "0 exact, 0 narrowed (oefening / exercise)",
        "2 / 10 (oefening / exercise)",
    }


def test_the_register_shows_nothing_of_what_was_withdrawn(real: World) -> None:
    """Without a release that is out there is no figure."""
    put(real, "b", REAL, ReleaseState.WITHDRAWN, 2)
    assert shown(real) == {}
