"""A late change after publication: the new release is protected together with the one it corrects."""

import csv
import dataclasses
import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlmodel import select

from disclosure import Hierarchy, Terms, ThresholdRule
from gateway.context import Gateway
from gateway.deliveries import withdraw
from gateway.demo.people import IN_FORCE, must
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.publish.asking import request_build
from gateway.publish.building import build
from gateway.publish.correcting import earlier
from gateway.publish.deciding import publish, review, withdraw_release
from gateway.publish.protecting import seed_for
from gateway.settings import Settings
from gateway.store import Period, Release, ReleaseSlice, Submission
from gateway.table import TableRow, decode_rows
from policies.engine import Engine
from tests.gateway.conftest import PERIOD, TABLE, World, build_world
from tests.gateway.noisy_release import SETTINGS, accounts, decree, deliver, delivered, noise, person
from tests.gateway.test_deciding import under, working

LATE = 3
SWV = "absence-insight-swv"
NOT_FOR_SWVS = Engine.load(in_force=[each for each in IN_FORCE if each.purpose != SWV])


def released(world: World) -> Release:
    """A release of the period, published by two people."""
    builder, other = person(world, "builder"), person(world, "other")
    release = asked_and_built(world, builder)
    must(review(world.gateway, other, release.id, approved=True, reason="checked"))
    return must(publish(world.gateway, builder, release.id, reason="due"))


def asked_and_built(world: World, builder: Identity) -> Release:
    """A release of the period that waits for its verdict."""
    release: Release = must(request_build(world.gateway, builder, TABLE, PERIOD))
    build(world.gateway, release.id)
    return release


def rows(gateway: Gateway, release: Release) -> dict[tuple[str, ...], TableRow]:
    """Cell → row of a release."""
    with gateway.reading() as session:
        parts = session.exec(select(ReleaseSlice).where(ReleaseSlice.release_id == release.id)).all()
    return {row[1:7]: row for part in parts for row in decode_rows(part.rows)}


def moved(counts: bytes, by: int) -> bytes:
    """The same file with some pupils of every kind one band higher, as far as there are."""
    lines = list(csv.reader(io.StringIO(counts.decode()), delimiter=";"))
    for low, high in itertools.pairwise(lines):
        if low[2] == "upto5" and high[2] == "5to10" and low[0] == lines[1][0]:
            low[3], high[3] = str(int(low[3]) - by), str(int(high[3]) + by)
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(lines)
    return text.getvalue().encode()


@dataclass(frozen=True)
class Versions:
    """A period released, changed by one site and released again."""

    world: World
    second: Release
    before: dict[tuple[str, ...], TableRow]
    after: dict[tuple[str, ...], TableRow]


def corrected(folder: Path, by: int) -> Versions:
    """What is out after one site changed `by` pupils of each kind."""
    world = build_world(folder)
    first = released(delivered(world))
    must(world.desk.reopen_for(TABLE, PERIOD, world.region.sites[LATE].code))
    deliver(world, LATE, moved(world.counts(LATE), by))
    must(world.desk.close_period(TABLE, PERIOD))
    second = released(world)
    return Versions(world, second, rows(world.gateway, first), rows(world.gateway, second))


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versions]:
    """Six pupils moved."""
    made = corrected(tmp_path_factory.mktemp("six"), 6)
    yield made
    made.world.gateway.database.dispose()


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versions]:
    """One pupil moved."""
    made = corrected(tmp_path_factory.mktemp("one"), 1)
    yield made
    made.world.gateway.database.dispose()


def test_correction_names_what_it_corrects(six: Versions) -> None:
    """The second release of a period corrects the first, and nothing in it is narrowed."""
    assert six.second.corrects is not None
    assert '"narrowed": 0' in six.second.certificate


def test_one_pupil_does_not_show(one: Versions) -> None:
    """Where one pupil moved, no cell is published with both figures."""
    shown = [(row.pupils, one.after[cell].pupils) for cell, row in one.before.items()]
    differ = [pair for pair in shown if all(pair) and pair[0] != pair[1]]
    assert differ == []


def test_elsewhere_nothing_changes(six: Versions) -> None:
    """Sites that delivered nothing new have the same rows."""
    late = six.world.region.sites[LATE].code
    same = [cell for cell in six.before if cell[0] == "site" and cell[1] != late]
    assert [six.before[cell].pupils for cell in same] == [six.after[cell].pupils for cell in same]


def test_hidden_stays_hidden(six: Versions) -> None:
    """What the first release hid, the correction hides."""
    hidden = [cell for cell, row in six.before.items() if row.status == "suppressed"]
    assert hidden
    assert {six.after[cell].status for cell in hidden} <= {"suppressed"}


def test_equal_counts_are_protected_alike(new_world: Callable[..., World]) -> None:
    """A table that is built again, as after a restore, hides the same cells: two of one period give counts away."""
    world = delivered(new_world())
    builder, other = person(world, "builder"), person(world, "other")
    made = []
    for _ in range(2):
        release = must(request_build(world.gateway, builder, TABLE, PERIOD))
        build(world.gateway, release.id)
        made.append(rows(world.gateway, release))
        must(review(world.gateway, other, release.id, approved=False, reason="again"))
    assert made[0] == made[1]


def test_the_seed_of_a_table_follows_from_key_counts_and_terms() -> None:
    """Whatever the order of its rows; another key, count or rule gives another."""
    counts = pd.DataFrame({"site": ["a", "b"], "pupils": [7, 9]})
    facts = {"dimensions": {"site": Hierarchy("site", counts[["site"]])}, "count": "pupils"}
    terms, other = (Terms(**facts, rule=ThresholdRule(minimum=minimum)) for minimum in (5, 10))
    seed = seed_for(b"key", counts, terms)
    assert seed_for(b"key", counts[::-1], terms) == seed
    changed = counts.assign(pupils=[7, 8])
    others = {seed_for(b"yek", counts, terms), seed_for(b"key", changed, terms), seed_for(b"key", counts, other)}
    assert len(others | {seed}) == 4


def test_nothing_new_is_no_correction(world: World) -> None:
    """Without a late change there is nothing to build."""
    released(delivered(world))
    assert request_build(world.gateway, person(world, "again"), TABLE, PERIOD) == Refused("release-exists")


def test_a_correction_waits_for_everybody_it_was_reopened_for(world: World) -> None:
    """What somebody confirmed after a build would never be counted: the period is closed again first."""
    released(delivered(world))
    for index in (LATE, LATE + 1):
        must(world.desk.reopen_for(TABLE, PERIOD, world.region.sites[index].code))
    deliver(world, LATE, moved(world.counts(LATE), 6))
    assert request_build(world.gateway, person(world, "early"), TABLE, PERIOD) == Refused("period-open")
    must(world.desk.close_period(TABLE, PERIOD))
    assert isinstance(request_build(world.gateway, person(world, "late"), TABLE, PERIOD), Release)


def test_after_withdrawal_readers_still_know(world: World) -> None:
    """A release built after a withdrawal corrects the withdrawn one: whoever downloaded it still has it."""
    first = released(delivered(world))
    must(withdraw_release(world.gateway, person(world, "third"), first.id, reason="wrong"))
    assert released(world).corrects == first.id


@pytest.mark.parametrize("then", ["published", "withdrawn", "built anew", "corrected in vain"])
def test_late_is_who_delivered_anew_since_the_first_release(new_world: Callable[..., World], then: str) -> None:
    """One site is reopened before it, one while it waits for its verdict and sends nothing, one when it is out.

    Of the first two anybody may know that nothing changed since: they hide the change of no other.
    """
    world = delivered(new_world())
    builder, other = person(world, "one"), person(world, "two")
    changed_late(world, 0, by=1)
    first = asked_and_built(world, builder)
    if then == "built anew":
        changed_late(world, 1, by=1)
        must(review(world.gateway, other, first.id, approved=False, reason="outdated"))
        first = asked_and_built(world, builder)
    else:
        must(world.desk.reopen_for(TABLE, PERIOD, world.region.sites[1].code))
    must(review(world.gateway, other, first.id, approved=True, reason="checked"))
    must(publish(world.gateway, builder, first.id, reason="due"))
    changed_late(world, 2, by=1)
    if then == "withdrawn":
        must(withdraw_release(world.gateway, other, first.id, reason="wrong"))
    if then == "corrected in vain":
        correction = asked_and_built(world, builder)
        must(review(world.gateway, other, correction.id, approved=False, reason="again"))
    correction = must(request_build(world.gateway, builder, TABLE, PERIOD))
    with world.gateway.reading() as session:
        period = session.get_one(Period, correction.period_id)
        found = earlier(session, correction, period, world.gateway.contracts[TABLE])
    assert {each.late for each in found.values()} == {(world.region.sites[2].code,)}


def test_second_correction_is_refused(six: Versions) -> None:
    """Three versions side by side are not examined; a second correction does not come, whoever is late or withdraws."""
    world = six.world
    must(world.desk.reopen_for(TABLE, PERIOD, world.region.sites[LATE].code))
    deliver(world, LATE, moved(world.counts(LATE), 7))
    must(world.desk.close_period(TABLE, PERIOD))
    assert request_build(world.gateway, person(world, "again"), TABLE, PERIOD) == Refused("corrected-once")


def test_a_correction_says_that_the_register_changed_since(world: World) -> None:
    """A site moved to another gemeente with a date before the period's: that is why; put back, it is built."""
    released(delivered(world))
    home = world.region.sites[0].entry
    elsewhere = next(site.gemeente for site in world.region.sites if site.gemeente != home.gemeente)
    must(world.desk.register([replace(home, gemeente=elsewhere)], [], date(2026, 9, 1)))
    must(world.desk.reopen_for(TABLE, PERIOD, world.region.sites[LATE].code))
    deliver(world, LATE, moved(world.counts(LATE), 6))
    must(world.desk.close_period(TABLE, PERIOD))
    failed = must(request_build(world.gateway, person(world, "first"), TABLE, PERIOD)).id
    build(world.gateway, failed)
    with world.gateway.reading() as session:
        assert session.get_one(Release, failed).failure == "register-changed"
    must(world.desk.register([home], [], date(2026, 9, 1)))
    assert released(world).corrects is not None


def test_a_release_that_does_not_say_whose_its_sites_were_is_corrected_too(world: World) -> None:
    """One of before the boards were kept beside the witnesses: it is read and corrected like any other."""
    first = released(delivered(world))
    with world.gateway.writing() as session, np.load(io.BytesIO(first.witnesses)) as kept:
        without = io.BytesIO()
        np.savez(without, **{name: kept[name] for name in kept if not name.endswith(("_sites", "_boards"))})
        session.get_one(Release, first.id).witnesses = without.getvalue()
    changed_late(world)
    assert '"narrowed": 0' in released(world).certificate


def test_a_correction_of_a_site_of_another_sector_says_register_changed(world: World) -> None:
    """By the register of now a sector has a site of then that had none then: that is why it is not built."""
    special = next(site for site in world.region.sites if site.sector == "vso")
    for index, site in enumerate(world.region.sites):
        if site.sector != "so":
            deliver(world, index, world.counts(index))
    must(world.desk.close_period(TABLE, PERIOD))
    released(world)
    must(world.desk.end_site(special.code, date(2026, 8, 1)))
    moved = dataclasses.replace(special, sector="so", swv=world.region.sites[0].swv)
    must(world.desk.register([moved.entry], [], date(2026, 8, 1)))
    changed_late(world)
    failed = must(request_build(world.gateway, person(world, "first"), TABLE, PERIOD)).id
    build(world.gateway, failed)
    with world.gateway.reading() as session:
        assert session.get_one(Release, failed).failure == "register-changed"


def changed_late(world: World, index: int = LATE, by: int = 6) -> None:
    """One site delivers other counts after the period was closed; it is closed again."""
    must(world.desk.reopen_for(TABLE, PERIOD, world.region.sites[index].code))
    deliver(world, index, moved(world.counts(index), by))
    must(world.desk.close_period(TABLE, PERIOD))


@pytest.mark.parametrize("what", ["another minimum", "a shorter list"])
def test_a_correction_says_that_the_law_changed_since(
    new_world: Callable[..., World], tmp_path: Path, what: str
) -> None:
    """What the first release hid was hidden by its own rule and list: under others it is not built; put back, it is."""
    world = delivered(new_world())
    then, now = {
        "another minimum": (under(world, tmp_path, minimum=8), world),
        "a shorter list": (world, working(world, NOT_FOR_SWVS)),
    }[what]
    released(then)
    changed_late(now)
    failed = must(request_build(now.gateway, person(now, "first"), TABLE, PERIOD)).id
    build(now.gateway, failed)
    with now.gateway.reading() as session:
        assert session.get_one(Release, failed).failure == "law-changed"
    assert released(then).corrects is not None


@pytest.fixture
def mixed(new_world: Callable[..., World]) -> World:
    """Secondary schools leave with noise, the others without; everything delivered."""
    return delivered(new_world(settings=Settings(in_force=IN_FORCE, methods={"vo": "dp"})))


def test_a_correction_leaves_noise_alone_where_nothing_changed(mixed: World) -> None:
    """A primary school is late: the noisy figures stay, byte for byte, and no budget is spent for them."""
    first = released(mixed)
    spent = accounts(mixed.gateway)
    must(mixed.desk.reopen_for(TABLE, PERIOD, mixed.region.sites[LATE].code))
    deliver(mixed, LATE, moved(mixed.counts(LATE), 6))
    must(mixed.desk.close_period(TABLE, PERIOD))
    second = released(mixed)
    before, after = rows(mixed.gateway, first), rows(mixed.gateway, second)
    noisy = {cell for cell in before if cell[2] == "vo"}
    assert noisy
    assert {cell: before[cell] for cell in noisy} == {cell: after[cell] for cell in noisy}
    assert before != after
    assert accounts(mixed.gateway) == spent
    assert '"narrowed": 0' in second.certificate


@pytest.mark.parametrize("change", ["ended", "moved"])
def test_noise_is_left_alone_under_the_register_of_then_only(mixed: World, change: str) -> None:
    """By the register of now a site of then is in another gemeente, or in none: nothing is built."""
    released(mixed)
    site = next(site for site in mixed.region.sites if site.sector == "vo")
    elsewhere = next(gemeente for gemeente in mixed.region.gemeenten if gemeente != site.gemeente)
    if change == "ended":
        must(mixed.desk.end_site(site.code, date(2026, 8, 1)))
    else:
        must(mixed.desk.register([replace(site.entry, gemeente=elsewhere)], [], date(2026, 8, 1)))
    changed_late(mixed)
    assert failure_of_a_correction(mixed) == "register-changed"


def test_noise_is_left_alone_under_the_list_of_then_only(
    new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less may be shown since the first release: what it showed more of a sector that nobody changed does not leave."""
    decree(monkeypatch, noise(per_release=125_000, per_period=250_000, per_school_year=1_000_000))
    world = delivered(new_world(settings=SETTINGS))
    released(world)
    changed_late(world)
    less = Engine.load(in_force=[each for each in IN_FORCE if each.purpose != SWV], methods=SETTINGS.methods)
    assert failure_of_a_correction(working(world, less)) == "law-changed"


def failure_of_a_correction(world: World) -> str | None:
    """Why a correction that was asked for could not be built."""
    asked: Release = must(request_build(world.gateway, person(world, "first"), TABLE, PERIOD))
    build(world.gateway, asked.id)
    with world.gateway.reading() as session:
        return session.get_one(Release, asked.id).failure


def test_a_correction_of_noise_costs_budget(mixed: World) -> None:
    """A secondary school is late: what the period's budget does not hold is refused, and nothing is built."""
    released(mixed)
    late = next(i for i, site in enumerate(mixed.region.sites) if site.sector == "vo")
    must(mixed.desk.reopen_for(TABLE, PERIOD, mixed.region.sites[late].code))
    deliver(mixed, late, moved(mixed.counts(late), 6))
    must(mixed.desk.close_period(TABLE, PERIOD))
    refused = request_build(mixed.gateway, person(mixed, "again"), TABLE, PERIOD)
    assert isinstance(refused, Refused)
    assert refused.code == "budget-exceeded"


def test_a_site_that_withdrew_has_delivered_nothing(new_world: Callable[..., World]) -> None:
    """Beside no delivery stands no figure and none that is hidden: the correction says that nothing was delivered."""
    world = delivered(new_world())
    released(world)
    site = world.region.sites[LATE].code
    must(world.desk.reopen_for(TABLE, PERIOD, site))
    with world.gateway.reading() as session:
        sent = session.exec(select(Submission.id).where(Submission.site == site)).one()
    must(withdraw(world.gateway, world.site(LATE), sent))
    must(world.desk.close_period(TABLE, PERIOD))
    without = [row for row in rows(world.gateway, released(world)).values() if row.sites_delivered == "0"]
    assert site in {row.area for row in without}
    assert {row.status for row in without} == {"not_delivered"}
