"""After a restore: what may have been published since the backup is asked for before anything leaves again."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.backup import settle
from gateway.budgets import ReleasedSince
from gateway.demo.people import must
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.publish import ledger
from gateway.publish.ahead import ahead
from gateway.publish.asking import request_build
from gateway.publish.building import build
from gateway.publish.deciding import publish, review
from gateway.publish.ledger import not_known, other_method
from gateway.store import Period, Release
from gateway.told import tell

from .conftest import NOW, PERIOD, TABLE, World, build_world
from .noisy_release import SETTINGS, accounts, count_draws, delivered, person, release_of
from .records import events

YEAR, NEXT = "2026-2027", "2026-2027-2"


@pytest.fixture
def restored(database: str, tmp_path: Path) -> Iterator[World]:
    """Delivered and closed, with noise for every sector; brought back from a backup of before any release."""
    made = delivered(build_world(tmp_path / "data", database=database, settings=SETTINGS))
    settle(made.gateway)
    yield made
    made.gateway.database.dispose()


@pytest.fixture
def exact(new_world: Callable[..., World]) -> World:
    """Delivered and closed, every sector exact."""
    return delivered(new_world())


def asked(world: World, period: str = PERIOD) -> Release | Refused:
    return request_build(world.gateway, person(world, "again"), TABLE, period)


def code_of(outcome: object) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.code


def test_nothing_is_built_before_it_is_told_what_was_published(restored: World) -> None:
    """A first release of a period that may be out already is refused, with both moments; no budget is touched."""
    refused = asked(restored)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.facts["schoolYear"]) == ("release-not-known", YEAR)
    assert refused.facts["backup"] <= refused.facts["restored"] == NOW.isoformat()
    assert accounts(restored.gateway) == {}


def test_where_nothing_was_published_exact_figures_go_on(exact: World) -> None:
    """The operator says so, it is in the log, and the release is built."""
    settle(exact.gateway)
    assert isinstance(tell(exact.desk, YEAR), ReleasedSince)
    assert events(exact)[-1] == "setting.changed"
    assert isinstance(asked(exact), Release)


def test_noise_may_have_been_drawn_though_nothing_was_published(restored: World) -> None:
    """Builds since the backup that were rejected spent what no account tells of: nothing is left of that year's."""
    must(tell(restored.desk, YEAR))
    with restored.gateway.reading() as session:
        assert {each.fits for each in ahead(restored.gateway, session.get_one(Period, 1))} == {False}
    refused = asked(restored)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.facts["account"], refused.facts["left"]) == ("budget-exceeded", f"po/{YEAR}", "0")


def test_a_period_that_was_published_is_not_built_again(restored: World) -> None:
    """Its readers have another version."""
    must(tell(restored.desk, YEAR, [PERIOD]))
    assert code_of(asked(restored)) == "release-forgotten"


def test_a_forgotten_release_fixed_the_method_of_its_year(restored: World) -> None:
    """A sector that left with noise does not leave exact in the same year."""
    must(tell(restored.desk, YEAR, [NEXT]))
    with restored.gateway.reading() as session:
        refused = other_method(session, [("vo", "exact")], YEAR)
    assert code_of(refused) == "other-method"


def test_a_release_that_was_under_way_ends(new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been finished after the backup, with noise of its own: nothing is drawn for it again."""
    world = delivered(new_world(settings=SETTINGS))
    release: Release = must(asked(world))
    settle(world.gateway)
    drawn = count_draws(monkeypatch)
    build(world.gateway, release.id)
    found = release_of(world.gateway)
    assert (found.state, found.failure, drawn) == ("failed", "restored", [])


def test_what_came_back_built_waits_to_be_published(exact: World) -> None:
    """Another version may be out; once it is told, the same bytes are published."""
    builder = person(exact, "builder")
    release: Release = must(request_build(exact.gateway, builder, TABLE, PERIOD))
    build(exact.gateway, release.id)
    must(review(exact.gateway, person(exact, "other"), release.id, approved=True, reason="x"))
    settle(exact.gateway)
    assert code_of(publish(exact.gateway, builder, release.id, reason="x")) == "release-not-known"
    must(tell(exact.desk, YEAR))
    assert isinstance(publish(exact.gateway, builder, release.id, reason="x"), Release)


@pytest.mark.parametrize("approved", [False, True])
def test_what_came_back_of_a_period_that_is_out_stays_inside(exact: World, approved: bool) -> None:
    """Built or approved at the backup, while its readers may have another version: it goes no step further."""
    builder, other = person(exact, "builder"), person(exact, "other")
    release: Release = must(request_build(exact.gateway, builder, TABLE, PERIOD))
    build(exact.gateway, release.id)
    if approved:
        must(review(exact.gateway, other, release.id, approved=True, reason="x"))
    settle(exact.gateway)
    must(tell(exact.desk, YEAR, [PERIOD]))
    onwards = (
        publish(exact.gateway, builder, release.id, reason="x")
        if approved
        else review(exact.gateway, other, release.id, approved=True, reason="x")
    )
    assert code_of(onwards) == "release-forgotten"
    assert must(review(exact.gateway, other, release.id, approved=False, reason="x")).state == "rejected"


def test_a_school_year_that_begins_after_the_restore_asks_nothing(exact: World) -> None:
    """Nothing of it can have been published before."""
    settle(exact.gateway)
    with exact.gateway.reading() as session:
        periods = [
            Period(table_id=TABLE, code=f"{first}-{first + 1}-1", reference_date=NOW.date(), deadline=NOW.date())
            for first in (2026, 2028)
        ]
        assert [not_known(session, period) is None for period in periods] == [False, True]


def test_every_restore_asks_anew(exact: World) -> None:
    """What was told after an earlier restore says nothing of a later one, but what was out stays out."""
    settle(exact.gateway)
    must(tell(exact.desk, YEAR, [PERIOD]))
    later = exact.at(NOW + timedelta(days=1))
    with later.gateway.writing() as session:
        ledger.settle(session, known_until=NOW, now=later.gateway.clock())
    assert code_of(asked(later)) == "release-not-known"
    must(tell(later.desk, YEAR))
    assert code_of(asked(later)) == "release-forgotten"


def test_where_nothing_was_forgotten_nothing_is_told(exact: World) -> None:
    """Without a restore, and for a school year that begins long after it, what is said would block periods for ever."""
    assert code_of(tell(exact.desk, YEAR, [PERIOD])) == "nothing-forgotten"
    settle(exact.gateway)
    assert code_of(tell(exact.desk, "2028-2029")) == "nothing-forgotten"
    must(tell(exact.desk, YEAR))
    assert must(tell(exact.desk, YEAR, [NEXT])).periods == NEXT


def test_only_the_operator_tells_and_only_of_that_year(exact: World) -> None:
    """A school does not, and a period of another year, or what is none, is refused."""
    assert isinstance(tell(Desk(exact.gateway, exact.site(0)), YEAR), Refused)
    for wrong in ("2025-2026-1", f"{YEAR}-9"):
        assert code_of(tell(exact.desk, YEAR, [wrong])) == "unknown-period"
