"""What stands between a built release and its readers: the law of the day, other eyes, and figures that still hold."""

import dataclasses
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import policies
from audit.events import Event
from gateway.context import vocabulary
from gateway.database import UNAVAILABLE
from gateway.deliveries import own_submissions, withdraw
from gateway.demo.people import IN_FORCE, must
from gateway.outcome import Refused
from gateway.periods import find_period
from gateway.publish import deciding
from gateway.publish.asking import request_build, sources_of, to_correct
from gateway.publish.building import build, give_up
from gateway.publish.deciding import publish, review
from gateway.store import Period, Release, ReleaseState
from policies.engine import Engine
from policies.purpose import InForce
from tests.gateway.conftest import PERIOD, TABLE, World
from tests.gateway.noisy_release import SETTINGS, deliver, delivered, person
from tests.gateway.records import elsewhere, events
from tests.gateway.test_consents import entries

CARE = "absence-insight-care"
LIKE = "absence-insight-gemeente"


def under(world: World, folder: Path, *, minimum: int) -> World:
    """The same deployment under a law with one purpose more, whose figures start at a minimum."""
    text = (Path(policies.__file__).parent / "purposes" / f"{LIKE}.toml").read_text(encoding="utf-8")
    text = text.replace(LIKE, CARE).replace('["gemeente"]', '["youth_health_care"]')
    (folder / f"{CARE}.toml").write_text(text.replace("minimum = 5", f"minimum = {minimum}"), encoding="utf-8")
    word = InForce(purpose=CARE, from_date=IN_FORCE[0].from_date, citation="test")
    return working(world, Engine.load(purposes=[folder], in_force=[*IN_FORCE, word]))


def working(world: World, engine: Engine) -> World:
    """The same deployment under another law."""
    words = vocabulary(world.gateway.settings, engine.law, world.gateway.contracts)
    log = dataclasses.replace(world.gateway.log, vocabulary=words)
    return World(dataclasses.replace(world.gateway, engine=engine, log=log), world.region)


def built(world: World) -> str:
    """A release that waits for its review."""
    release: Release = must(request_build(world.gateway, person(world, "builder"), TABLE, PERIOD))
    build(world.gateway, release.id)
    return release.id


def grounds(entry: Mapping[str, Any]) -> tuple[object, ...]:
    """What an entry was done for: purpose, legal basis, and the line in the register of processing."""
    return entry.get("purpose"), entry.get("basis"), entry.get("activity", {}).get("uri")


def grounds_of(world: World, purpose: str) -> tuple[object, ...]:
    """The same, of a purpose by the law and the settings."""
    basis = world.gateway.law.purposes[purpose].legal_basis[0].reference
    return purpose, basis, f"{world.gateway.settings.base_url}/register#{purpose}"


def state(world: World, release: str) -> str:
    """Where it stands."""
    with world.gateway.reading() as session:
        return session.get_one(Release, release).state


def corrected(world: World, index: int) -> None:
    """One site delivers other counts after the period was closed; it is closed again."""
    must(world.desk.reopen_for(TABLE, PERIOD, world.region.sites[index].code))
    deliver(world, index, world.counts(index, period=2))
    must(world.desk.close_period(TABLE, PERIOD))


def rules(refused: object) -> tuple[str, ...]:
    """Which rules of the law refused."""
    assert isinstance(refused, Refused)
    assert refused.decision is not None
    return refused.decision.rules


def test_a_period_nobody_delivered_for_is_not_released(world: World) -> None:
    """A release of nothing would have to be corrected, which a period can be once: it is refused and costs nothing."""
    must(world.desk.close_period(TABLE, PERIOD))
    assert request_build(world.gateway, person(world, "builder"), TABLE, PERIOD) == Refused("nothing-delivered")
    with world.gateway.reading() as session:
        period = find_period(session, TABLE, PERIOD)
        assert period is not None
        assert to_correct(session, period) is None


@pytest.mark.parametrize(
    ("part", "key", "now"),
    [
        ("kinds", "members", ("authorised", "illness", "unauthorised", "all", "late")),
        ("kinds", "members", ("authorised", "unauthorised", "all")),
        ("bands", "upper", {"upto5": 5, "5to8": 8, "8to20": 20, "above20": 100}),
    ],
    ids=["a kind more", "a kind less", "other bands"],
)
def test_nothing_is_built_over_counts_of_another_contract(world: World, part: str, key: str, now: object) -> None:
    """What was not asked of who delivered would count as nought: the refusal names these schools instead."""
    deliver(world, 0, world.counts(0))
    must(world.desk.close_period(TABLE, PERIOD))
    was = world.gateway.contracts[TABLE]
    becomes = dataclasses.replace(was, **{part: getattr(was, part).model_copy(update={key: now})})
    gateway = dataclasses.replace(world.gateway, contracts={**world.gateway.contracts, TABLE: becomes})
    told = {"sites": world.region.sites[0].code, "number": "1"}
    refused = request_build(gateway, person(world, "builder"), TABLE, PERIOD)
    assert refused == Refused("contract-changed", facts=told)


def test_the_log_says_of_a_release_who_wished_it_and_what_for(world: World) -> None:
    """Also of one that a worker gave up: each act on it has the purpose, its article and its line of the register."""
    release = must(request_build(delivered(world).gateway, person(world, "builder"), TABLE, PERIOD))
    give_up(world.gateway, release.id)
    told = [entry for entry in entries(world) if entry.get("object") == {"id": f"release:{release.id}"}]
    assert [(entry["event"], entry["decision"], entry.get("rules")) for entry in told] == [
        ("release.asked", "permit", ["build-release"]), ("release.refused", "error", None),
    ]  # fmt: skip
    assert [grounds(entry) for entry in told] == [grounds_of(world, release.purposes.split()[0])] * 2


def test_a_release_whose_purposes_ended_keeps_no_period_occupied(world: World) -> None:
    """It is approved no more, and rejected all the same: the next version of a purpose begins with its period free."""
    release = built(delivered(world))
    later, other = working(world, Engine.load()), person(world, "other")
    assert isinstance(review(later.gateway, other, release, approved=True, reason="seen"), Refused)
    must(review(later.gateway, other, release, approved=False, reason="of before"))
    with world.gateway.reading() as session:
        period = find_period(session, TABLE, PERIOD)
        assert period is not None
        assert to_correct(session, period) is None


def test_nothing_changes_between_the_wish_for_a_release_and_its_making(world: World) -> None:
    """While it is built the period is reopened for nobody, so that what is built is what was asked and paid for."""
    late = world.region.sites[0].code
    release = must(request_build(delivered(world).gateway, person(world, "builder"), TABLE, PERIOD)).id
    assert world.desk.reopen_for(TABLE, PERIOD, late) == Refused("release-under-way")
    build(world.gateway, release)
    assert isinstance(world.desk.reopen_for(TABLE, PERIOD, late), Period)


def test_what_left_the_register_before_it_was_built_is_not_released(world: World) -> None:
    """The only site that delivered is ended between the wish for a release and its making: the release fails."""
    deliver(world, 0, world.counts(0))
    must(world.desk.close_period(TABLE, PERIOD))
    release = must(request_build(world.gateway, person(world, "builder"), TABLE, PERIOD)).id
    must(world.desk.end_site(world.region.sites[0].code, date(2026, 9, 1)))
    build(world.gateway, release)
    assert state(world, release) == ReleaseState.FAILED


def test_a_school_listed_under_another_sector_than_it_delivered_holds_up_no_release(
    new_world: Callable[..., World],
) -> None:
    """Ended, and listed with a sector that lacks what it delivered: refused by name, and the others are released."""
    world = new_world()
    at, school = next(each for each in enumerate(world.region.sites) if len(each[1].subdivisions) > 1)
    special = next(at for at, site in enumerate(world.region.sites) if site.sector == "vso")
    deliver(world, at, world.counts(at))
    deliver(world, special, world.counts(special))
    must(world.desk.end_site(school.code, date(2026, 8, 1)))
    other = dataclasses.replace(school.entry, sector="so", subdivisions=("undivided",))
    refused = world.desk.register([other], [], date(2026, 8, 1))
    must(world.desk.close_period(TABLE, PERIOD))
    assert state(world, built(world)) == ReleaseState.BUILT
    assert isinstance(refused, Refused)
    assert refused.report is not None
    assert [(fault.rule, fault.where) for fault in refused.report.faults] == [("SITE-DELIVERED", school.code)]
    assert must(world.desk.register([other], [], date(2026, 10, 2))).added == 1


def test_a_school_that_withdrew_is_listed_under_its_own_sector(new_world: Callable[..., World]) -> None:
    """Before it was ended the school withdrew what it delivered under the wrong one: nothing is in the way."""
    world = new_world()
    at, school = next(each for each in enumerate(world.region.sites) if len(each[1].subdivisions) > 1)
    deliver(world, at, world.counts(at))
    must(withdraw(world.gateway, world.site(at), own_submissions(world.gateway, world.site(at))[0][0].id))
    must(world.desk.end_site(school.code, date(2026, 8, 1)))
    other = dataclasses.replace(school.entry, sector="so", subdivisions=("undivided",))
    assert must(world.desk.register([other], [], date(2026, 8, 1))).added == 1


def test_figures_from_before_a_stricter_law_do_not_leave(new_world: Callable[..., World], tmp_path: Path) -> None:
    """Built to show counts from five, while the law of today shows them from ten: not approved, nor published."""
    lenient = under(delivered(new_world()), tmp_path, minimum=5)
    waiting, approver = built(lenient), person(lenient, "approver")
    strict = under(lenient, tmp_path, minimum=10)
    assert rules(review(strict.gateway, approver, waiting, approved=True, reason="seen")) == ("counts-from-five",)
    must(review(lenient.gateway, approver, waiting, approved=True, reason="seen"))
    assert rules(publish(strict.gateway, approver, waiting, reason="due")) == ("counts-from-five",)
    must(publish(lenient.gateway, approver, waiting, reason="due"))


def test_figures_that_a_stricter_law_holds_back_keep_no_period_occupied(
    new_world: Callable[..., World], tmp_path: Path
) -> None:
    """What can no longer be approved can still be rejected, and the period is built anew under the new law."""
    lenient = under(delivered(new_world()), tmp_path, minimum=5)
    waiting, approver = built(lenient), person(lenient, "approver")
    strict = under(lenient, tmp_path, minimum=10)
    must(review(strict.gateway, approver, waiting, approved=False, reason="from before"))
    assert isinstance(request_build(strict.gateway, person(strict, "again"), TABLE, PERIOD), Release)


def test_whoever_approved_takes_it_back(world: World) -> None:
    """An approved release is rejected by the same person, never goes out, and another one can be built."""
    waiting, approver = built(delivered(world)), person(world, "approver")
    must(review(world.gateway, approver, waiting, approved=True, reason="seen"))
    must(review(world.gateway, approver, waiting, approved=False, reason="seen again"))
    assert state(world, waiting) == ReleaseState.REJECTED
    assert publish(world.gateway, approver, waiting, reason="due") == Refused(
        "release-state", facts={"state": ReleaseState.REJECTED}
    )
    assert state(world, built(world)) == ReleaseState.BUILT


def test_figures_that_count_no_more_do_not_leave(world: World) -> None:
    """A school corrected its counts after the build: neither approved nor published, and the next build has them."""
    waiting, approver = built(delivered(world)), person(world, "approver")
    corrected(world, 3)
    assert review(world.gateway, approver, waiting, approved=True, reason="seen") == Refused("release-outdated")
    must(review(world.gateway, approver, waiting, approved=False, reason="outdated"))
    second = built(world)
    must(review(world.gateway, approver, second, approved=True, reason="seen"))
    corrected(world, 4)
    assert publish(world.gateway, approver, second, reason="due") == Refused("release-outdated")
    with world.gateway.reading() as session:
        assert sources_of(session, waiting) != sources_of(session, second)


@pytest.mark.parametrize("event", [Event.RELEASE_APPROVED, Event.RELEASE_PUBLISHED])
@pytest.mark.parametrize("act", ["withdraw", "end the site"])
def test_what_a_release_counts_stays_until_its_entry_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, event: Event, act: str
) -> None:
    """Between the look at what it counts and the entry no delivery of it is withdrawn, and no site of it ends."""
    builder, other, school = person(world, "builder"), person(world, "other"), world.region.sites[0].code
    release = must(request_build(delivered(world).gateway, builder, TABLE, PERIOD)).id
    build(world.gateway, release)
    if event is Event.RELEASE_PUBLISHED:
        must(review(world.gateway, other, release, approved=True, reason="checked"))
    must(world.desk.reopen_for(TABLE, PERIOD, school))
    sent = own_submissions(world.gateway, world.site(0))[0][0].id
    look, looked = deciding.outdated, list[bool]()
    acts: dict[str, Callable[..., object]] = {
        "withdraw": lambda desk: withdraw(desk.gateway, world.site(0), sent),
        "end the site": lambda desk: desk.end_site(school, date(2026, 9, 1)),
    }

    def then_acting(*given: Any) -> bool:  # noqa: ANN401  passed on as it came
        looked.append(look(*given))
        with pytest.raises(UNAVAILABLE):
            acts[act](away)
        return looked[-1]

    with monkeypatch.context() as patch, elsewhere(world) as away:
        patch.setattr("gateway.database.BUSY_SECONDS", 0)
        patch.setattr(deciding, "outdated", then_acting)
        if event is Event.RELEASE_PUBLISHED:
            must(publish(world.gateway, builder, release, reason="due"))
        else:
            must(review(world.gateway, other, release, approved=True, reason="checked"))
    assert looked == [False]
    assert events(world)[-1] == event.value


def test_a_release_with_noise_goes_out_as_it_was_drawn(new_world: Callable[..., World]) -> None:
    """Its budget is spent and may not be there for another one: a late change does not hold it back."""
    world = delivered(new_world(settings=SETTINGS))
    waiting, approver = built(world), person(world, "approver")
    corrected(world, 3)
    must(review(world.gateway, approver, waiting, approved=True, reason="seen"))
    must(publish(world.gateway, approver, waiting, reason="due"))
