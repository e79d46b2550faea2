"""The reviewer: a person of the operator who sees every build of a period, also those that never leave."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.people import must
from gateway.formats.write import Format
from gateway.publish.deciding import publish, review
from gateway.publish.downloading import hold
from gateway.publish.handing import Held
from tests.databases import KINDS
from tests.gateway.conftest import PERIOD, TABLE, World, copied_world
from tests.gateway.noisy_release import deliver, person
from tests.gateway.test_correcting import asked_and_built

LATE = 3


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A small deployment, on SQLite and on PostgreSQL."""
    with copied_world(request, tmp_path / "data") as made:
        yield made


@pytest.mark.parametrize("form", [Format.CSV, Format.ZIP])
def test_two_builds_are_not_laid_side_by_side(world: World, form: Format) -> None:
    """A school came late, so the first build was rejected; the second, less the first, would be that school."""
    builder, reviewer = person(world, "builder"), person(world, "reviewer")
    for index in set(range(10)) - {LATE}:
        deliver(world, index, world.counts(index))
    must(world.desk.close_period(TABLE, PERIOD))
    first = asked_and_built(world, builder)
    seen = [hold(world.gateway, reviewer, first.id, form)]
    must(review(world.gateway, reviewer, first.id, approved=False, reason="one came late"))
    seen.append(hold(world.gateway, reviewer, first.id, form))
    must(world.desk.reopen_for(TABLE, PERIOD, world.region.sites[LATE].code))
    deliver(world, LATE, world.counts(LATE))
    must(world.desk.close_period(TABLE, PERIOD))
    second = asked_and_built(world, builder)
    seen.append(hold(world.gateway, reviewer, second.id, form))
    must(review(world.gateway, reviewer, second.id, approved=True, reason="seen"))
    must(publish(world.gateway, builder, second.id, reason="due"))
    assert {getattr(each, "code", "") for each in seen} == {"forbidden"}
    assert isinstance(hold(world.gateway, reviewer, second.id, form), Held)
