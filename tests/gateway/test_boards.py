"""Whose a school is: which boards know its counts, in a release and in what corrects it."""

import io
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from sqlmodel import select

from disclosure import Build, Terms
from gateway.demo.people import must
from gateway.publish import correcting, protecting
from gateway.publish.asking import request_build
from gateway.publish.building import build
from gateway.publish.correcting import earlier
from gateway.register import boards_since
from gateway.store import Period, Release
from tests.gateway.conftest import PERIOD, TABLE, World
from tests.gateway.noisy_release import deliver, delivered, person
from tests.gateway.test_correcting import LATE, changed_late, moved, released

MOVED, IDLE, EARLY = 1, 2, 4  # primary schools, as LATE is
HOME, OTHER = "home", "ORG-90009"


def becomes(world: World, day: date, board: str | None) -> None:
    """A school has a board from a day on, `HOME` is its own; without one it is registered no more."""
    site = world.region.sites[MOVED]
    if board is None:
        must(world.desk.end_site(site.code, day))
    else:
        must(world.desk.register([replace(site.entry, board=site.board if board == HOME else board)], [], day))


# What is registered, and which boards then know the school: at some time, and in which spans between two changes.
HISTORIES: dict[str, tuple[list[tuple[date, str | None]], list[str]]] = {
    "nothing": ([], [HOME]),
    "another board before it": ([(date(2026, 9, 1), OTHER)], [OTHER]),
    "another board since": ([(date(2026, 10, 15), OTHER)], [HOME, f"{HOME} 2026-10-01--2026-10-15", OTHER]),
    "another board to come": ([(date(2027, 1, 1), OTHER)], [HOME, f"{HOME} 2026-10-01--2027-01-01", OTHER]),
    "another board for a while": (
        [(date(2026, 10, 10), OTHER), (date(2026, 10, 20), HOME)],
        [
            HOME,
            f"{HOME} 2026-10-01--2026-10-10",
            f"{HOME} 2026-10-01--2026-10-20",
            f"{HOME} 2026-10-10--",
            f"{HOME} 2026-10-20--",
            OTHER,
            f"{OTHER} 2026-10-10--2026-10-20",
        ],
    ),
    "closed": ([(date(2026, 10, 15), None)], [HOME]),
    "closed, and begun anew": (
        [(date(2026, 10, 10), None), (date(2026, 10, 20), OTHER)],
        [HOME, f"{HOME} 2026-10-01--2026-10-20", OTHER],
    ),
}


@pytest.mark.parametrize("history", HISTORIES)
def test_every_board_since_the_reference_date_knows_a_school(world: World, history: str) -> None:
    """That of the day itself, of any day after it, and of a day to come that is registered already."""
    steps, boards = HISTORIES[history]
    for day, board in steps:
        becomes(world, day, board)
    site = world.region.sites[MOVED]
    with world.gateway.reading() as session:
        found = {board for code, board in boards_since(session, date(2026, 10, 1)) if code == site.code}
    assert found == {board.replace(HOME, site.board) for board in boards}


def test_a_board_knows_no_school_before_it_has_it(world: World) -> None:
    """A school goes to another board on New Year's Day: until then that board has the others, and reads as such."""
    primary = [site for site in world.region.sites if site.sector == "po"]
    taker, taken = next((one.board, other) for one in primary for other in primary if other.board != one.board)
    must(world.desk.register([replace(taken.entry, board=taker)], [], date(2027, 1, 1)))
    with world.gateway.reading() as session:
        boards = pd.DataFrame(boards_since(session, date(2026, 10, 1)), columns=["site", "board"])
    known = boards.groupby("board")["site"].agg(set)
    own = {site.code for site in world.region.sites if site.board == taker}
    assert known[taker] == known[f"{taker} 2027-01-01--"] == own | {taken.code}
    assert known[f"{taker} 2026-10-01--2027-01-01"] == own


def insiders_of(release: Release, sector: str) -> set[tuple[str, str]]:
    """Site and board, as a release keeps them."""
    with np.load(io.BytesIO(release.witnesses)) as kept:
        return set(zip(kept[f"{sector}_sites"].tolist(), kept[f"{sector}_boards"].tolist(), strict=True))


def test_a_release_keeps_every_board_that_was_an_insider(world: World) -> None:
    """A school with another board since the reference date is known to both, and nothing is narrowed by either."""
    becomes(world, date(2026, 10, 15), OTHER)
    made = released(delivered(world))
    site = world.region.sites[MOVED]
    primary = {(each.code, each.board) for each in world.region.sites if each.sector == "po"}
    assert insiders_of(made, "po") >= primary | {(site.code, OTHER)}
    assert (site.code, f"{site.board} 2026-10-15--") not in insiders_of(made, "po")
    assert '"narrowed": 0' in made.certificate


def insiders_when_correcting(patch: pytest.MonkeyPatch) -> list[pd.DataFrame]:
    """Keep from now on the insiders of each table that is corrected."""
    found: list[pd.DataFrame] = []
    real = correcting.correct

    def correct(old: pd.DataFrame, new: pd.DataFrame, frame: pd.DataFrame, terms: Terms, **named: object) -> Build:
        found.append(terms.coalitions)
        return real(old, new, frame, terms, **named)  # type: ignore[arg-type]  # passed on as it came

    patch.setattr(correcting, "correct", correct)
    return found


@pytest.mark.parametrize("day", [date(2026, 9, 1), date(2026, 11, 1), date(2027, 1, 1)])
def test_a_correction_holds_against_the_board_of_then_and_that_of_now(
    world: World, monkeypatch: pytest.MonkeyPatch, day: date
) -> None:
    """A school got another board after the first release, whatever the day: both know it, and nothing is narrowed."""
    found = insiders_when_correcting(monkeypatch)
    released(delivered(world))
    becomes(world, day, OTHER)
    changed_late(world)
    assert '"narrowed": 0' in released(world).certificate
    site = world.region.sites[MOVED]
    every = pd.concat(found)
    known = set(every.loc[every["site"] == site.code, "insider"])
    assert {f"{site.board} then" if day < date(2026, 10, 1) else site.board, OTHER} <= known


def test_a_correction_that_the_board_of_now_could_read_is_not_built(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A school went to the other board of its region after a first release in which only boards were insiders."""
    home = world.region.sites[0]
    other = next(site.board for site in world.region.sites if site.board != home.board)
    with monkeypatch.context() as before:
        for module in (protecting, correcting):
            before.setattr(module, "insiders", lambda boards: boards.rename(columns={"board": "insider"}))
        released(delivered(world))
    must(world.desk.register([replace(home.entry, board=other)], [], date(2026, 11, 1)))
    changed_late(world)
    failed = must(request_build(world.gateway, person(world, "first"), TABLE, PERIOD)).id
    build(world.gateway, failed)
    with world.gateway.reading() as session:
        assert session.get_one(Release, failed).failure == "not-protectable"


def test_only_who_delivered_anew_may_have_changed(world: World) -> None:
    """Not who was reopened before the first release, nor who was after it and sent nothing: witnesses need no more."""
    codes = [site.code for site in world.region.sites]
    delivered(world)
    must(world.desk.reopen_for(TABLE, PERIOD, codes[EARLY]))
    deliver(world, EARLY, moved(world.counts(EARLY), 6))
    must(world.desk.close_period(TABLE, PERIOD))
    released(world)
    for index in (LATE, IDLE):
        must(world.desk.reopen_for(TABLE, PERIOD, codes[index]))
    deliver(world, LATE, moved(world.counts(LATE), 6))
    must(world.desk.close_period(TABLE, PERIOD))
    second = must(request_build(world.gateway, person(world, "again"), TABLE, PERIOD))
    with world.gateway.reading() as session:
        period = session.exec(select(Period)).one()
        found = earlier(session, second, period, world.gateway.contracts[TABLE])
    assert {sector: each.late for sector, each in found.items()} == dict.fromkeys(found, (codes[LATE],))
