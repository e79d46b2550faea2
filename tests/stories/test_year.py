"""A slice of the national year (`benchmarks.year`): real processes, some of them killed, and everything adds up."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.year.deliver import Promises
from benchmarks.year.reckoning import Reckoning, reckon
from benchmarks.year.story import Plan, YearFigures, live_a_year
from gateway.deliveries import confirm, withdraw
from gateway.demo.people import must
from gateway.receive import Upload, receive
from gateway.settings import Home
from tests.gateway.conftest import PERIOD, TABLE, build_world


@pytest.fixture
def year(database: str, tmp_path: Path) -> YearFigures:
    """Two periods of a small invented region; on PostgreSQL two servers and two workers behind nginx, one killed."""
    shared = database.startswith("postgresql") and shutil.which("nginx", path="/usr/sbin:/usr/bin") is not None
    plan = Plan(
        sites=10, invented=True, servers=1 + shared, workers=1 + shared, strikes=True, records_every=5, sample=1,
        turns=30, periods=(2, 3),
    )  # fmt: skip
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    return live_a_year(plan, Home(data, database), lambda _: None)


def test_a_year_adds_up(year: YearFigures) -> None:
    """Nothing lost, doubled or unlogged; nothing learnt by pooling everything; nothing left; the log verifies."""
    told = year.reckoning
    assert told is not None
    assert (told.lost, told.doubled, told.unlogged) == (0, 0, 0)
    verdicts = [period.verdict for period in year.periods]
    assert [(one.exact, one.narrowed) for one in verdicts] == [(0, 0)] * 2
    assert all(one.attacked == one.small > 0 for one in verdicts)
    assert year.kills >= 4
    assert year.promises.refused > 0
    assert year.promises.withdrawn
    assert year.accesses > 0
    assert year.rekeyed > 0
    assert year.left == 0
    assert year.entries.startswith("In order: ")


@pytest.mark.parametrize("act", [confirm, withdraw])
def test_an_entry_without_its_act_is_reckoned(tmp_path: Path, act: Callable[..., object]) -> None:
    """What the log says was done, and nobody was told of, counts as much as what is not in it."""
    world = build_world(tmp_path / "data")
    school = world.site(0)
    sent = must(receive(world.gateway, school, Upload(TABLE, school.party, PERIOD, world.counts(0)))).submission.id
    must(act(world.gateway, school, sent))
    assert reckon(world.gateway, Promises(received={sent}), downloads=0) == Reckoning(lost=0, doubled=0, unlogged=1)
    world.gateway.database.dispose()
