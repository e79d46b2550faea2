"""A release with noise: paid, drawn once, served as it was stored, however often anything is killed or asked again."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import delete, select, update

from disclosure.perturb import Measured
from gateway import retention
from gateway.app import open_gateway
from gateway.budgets import BudgetSpend, SpendState
from gateway.demo.people import IN_FORCE, must
from gateway.formats.write import Format
from gateway.identity import Identity
from gateway.outcome import GatewayError, Refused
from gateway.publish import building, noisy
from gateway.publish.asking import request_build
from gateway.publish.building import build, give_up
from gateway.publish.deciding import publish, review
from gateway.publish.downloading import download
from gateway.publish.ledger import begin
from gateway.store import Period, Release, ReleaseChart, ReleaseSlice, ReleaseSource
from gateway.table import TableRow, decode_rows
from gateway.tabulate import tabulate
from gateway.working import background
from policies.engine import Engine
from policies.release import NoisyLevel

from .conftest import NOW, PERIOD, SINCE, TABLE, World, build_world
from .noisy_release import (
    KILLS,
    SETTINGS,
    accounts,
    count_draws,
    decree,
    deliver,
    delivered,
    noise,
    person,
    release_of,
    spends,
)
from .test_consents import entries
from .test_deciding import grounds, grounds_of, working

ROOT = Path(__file__).parents[2]
PAID = noise(per_release=125_000, per_period=125_000, per_school_year=500_000)


@pytest.fixture
def noisy_world(database: str, tmp_path: Path) -> Iterator[World]:
    """Ten sites delivered; every sector leaves with noise."""
    made = delivered(build_world(tmp_path / "data", database=database, settings=SETTINGS))
    yield made
    made.gateway.database.dispose()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[World]:
    """The same on SQLite alone."""
    made = delivered(build_world(tmp_path / "data", settings=SETTINGS))
    yield made
    made.gateway.database.dispose()


def rows_of(world: World) -> list[TableRow]:
    with world.gateway.reading() as session:
        return [row for part in session.exec(select(ReleaseSlice)) for row in decode_rows(part.rows)]


def asked(world: World) -> Release:
    release: Release = must(request_build(world.gateway, person(world, "builder"), TABLE, PERIOD))
    return release


def published(world: World) -> Release:
    builder = person(world, "builder")
    release: Release = must(request_build(world.gateway, builder, TABLE, PERIOD))
    build(world.gateway, release.id)
    must(review(world.gateway, person(world, "approver"), release.id, approved=True, reason="x"))
    return must(publish(world.gateway, builder, release.id, reason="x"))


def test_a_release_is_paid_when_it_is_asked_for(noisy_world: World) -> None:
    """Before anything is built every sector's amount is on disk: per purpose and period, and for the year."""
    asked(noisy_world)
    assert {spend.asked for spend in spends(noisy_world.gateway).values()} == {125_000}
    assert {spent for _, spent in accounts(noisy_world.gateway).values()} == {125_000}


def test_the_log_says_what_noise_was_paid_and_drawn_for(embedded: World) -> None:
    """Reserved, spent and built by the gateway itself: each entry has the purpose that the figures serve."""
    release = asked(embedded)
    build(embedded.gateway, release.id)
    told = [entry for entry in entries(embedded) if f"release:{release.id}" in str(entry.get("object"))]
    assert {entry["event"] for entry in told} == {"release.asked", "budget.reserved", "budget.spent", "release.built"}
    assert {grounds(entry) for entry in told} == {grounds_of(embedded, release.purposes.split()[0])}


def test_figures_with_noise_carry_their_interval(embedded: World) -> None:
    """Every published noisy cell lies in its interval and is five or more; head-counts are exact and have none."""
    release = asked(embedded)
    build(embedded.gateway, release.id)
    rows = rows_of(embedded)
    noisy_rows = [row for row in rows if row.status == "published" and row.method == "dp"]
    assert noisy_rows
    assert all(int(row.lower) <= int(row.pupils) <= int(row.upper) and int(row.pupils) >= 5 for row in noisy_rows)
    assert {row.band for row in rows if row.method == "exact"} == {"total"}
    assert not [row for row in rows if (row.lower or row.upper) and (row.method != "dp" or not row.pupils)]
    certificate = json.loads(release_of(embedded.gateway).certificate)
    assert {sector["privacy"]["rho_millionths"] for sector in certificate["sectors"].values()} == {125_000}


def test_noisy_figures_add_up_along_every_path(embedded: World) -> None:
    """Bands add up to the exact head-count, and published SWVs and the country agree."""
    build(embedded.gateway, asked(embedded).id)
    found = {row[1:7]: int(row.pupils) for row in rows_of(embedded) if row.pupils}
    for (level, area, sector, subdivision, kind, band), pupils in found.items():
        other = {"upto10": "above10", "above10": "upto10"}.get(band)
        rest = found.get((level, area, sector, subdivision, kind, other or ""))
        if rest is not None:
            assert pupils + rest == found[level, area, sector, subdivision, kind, "total"]


def test_noise_is_drawn_once_and_downloads_serve_what_was_stored(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built, built again, downloaded again: the same bytes, one draw per sector, nothing more spent."""
    drawn = count_draws(monkeypatch)
    release = published(embedded)
    paid, sectors = accounts(embedded.gateway), len(spends(embedded.gateway))
    swv = Identity(next(iter(embedded.region.swvs)), "machine", scopes=frozenset({"all"}))
    with background(embedded.gateway, threading.Event()):
        first, second = (must(download(embedded.gateway, swv, release.id, Format.CSV)).body for _ in range(2))
    build(embedded.gateway, release.id)
    assert first == second
    assert (len(drawn), accounts(embedded.gateway)) == (sectors, paid)


def test_a_certificate_says_what_its_period_cost_in_all(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second build of a period: what it promises of an enrolment by itself, and with what was drawn before."""
    decree(monkeypatch, noise(per_release=125_000, per_period=250_000, per_school_year=1_000_000))
    first = asked(embedded)
    with embedded.gateway.writing() as session:
        session.get_one(Release, first.id).state = "rejected"
    second = must(request_build(embedded.gateway, person(embedded, "again"), TABLE, PERIOD))
    build(embedded.gateway, second.id)
    with embedded.gateway.reading() as session:
        told = json.loads(session.get_one(Release, second.id).certificate)["sectors"]["vo"]["privacy"]
    assert (told["rho_millionths"], told["rho_millionths_of_period"]) == (125_000, 250_000)
    assert (told["epsilon"], told["epsilon_of_period"]) == (2.861, 4.161)


def test_noise_is_drawn_as_it_was_paid_for(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paid with 10,000; the worker's purpose files say 125,000 by then: 10,000 is drawn and certified."""
    with monkeypatch.context() as patch:
        decree(patch, noise(per_release=10_000, per_period=10_000, per_school_year=40_000))
        release = asked(embedded)
    drawn = count_draws(monkeypatch)
    build(embedded.gateway, release.id)
    assert set(drawn) == {10_000}
    certificate = json.loads(release_of(embedded.gateway).certificate)
    assert {sector["privacy"]["rho_millionths"] for sector in certificate["sectors"].values()} == {10_000}


def test_kept_answers_keep_their_meaning(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that goes on under purpose files with other shares gives the bytes that it would have given."""
    release, first = built_and_forgotten(embedded, monkeypatch)
    decree(monkeypatch, PAID)
    build(embedded.gateway, release.id)
    assert stored(embedded) == first


def test_a_second_draw_would_be_seen(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that draws again when it is asked again fails the comparison: its bytes differ."""
    release = published(embedded)
    first = stored(embedded)
    monkeypatch.setattr(noisy, "begin", _always_reserved)
    monkeypatch.setattr(noisy, "keep", lambda *_: None)
    forget(embedded, release)
    build(embedded.gateway, release.id)
    assert stored(embedded) != first


def test_a_late_school_between_asking_and_building_costs_no_budget(new_world: Callable[..., World]) -> None:
    """Nothing was reserved for its sector: it waits until the release is built, and pays as a correction."""
    world = new_world(settings=SETTINGS)
    secondary = [index for index, site in enumerate(world.region.sites) if site.sector == "vo"]
    late = world.region.sites[secondary[0]].code
    for index in set(range(10)) - set(secondary):
        deliver(world, index, world.counts(index))
    must(world.desk.close_period(TABLE, PERIOD))
    release, paid = asked(world), set(spends(world.gateway))
    assert world.desk.reopen_for(TABLE, PERIOD, late) == Refused("release-under-way")
    build(world.gateway, release.id)
    must(review(world.gateway, person(world, "approver"), release.id, approved=True, reason="x"))
    must(publish(world.gateway, person(world, "publisher"), release.id, reason="x"))
    must(world.desk.reopen_for(TABLE, PERIOD, late))
    deliver(world, secondary[0], world.counts(secondary[0]))
    must(world.desk.close_period(TABLE, PERIOD))
    build(world.gateway, asked(world).id)
    assert set(spends(world.gateway)) - paid == {"vo"}


def test_what_was_not_paid_for_is_not_drawn_nor_tried_again(new_world: Callable[..., World]) -> None:
    """Since it was asked for, the settings let one more sector leave with noise: the build says so and ends."""
    world = delivered(new_world())
    release = asked(world)
    build(working(world, Engine.load(in_force=IN_FORCE, methods={"vo": "dp"})).gateway, release.id)
    found = release_of(world.gateway)
    assert (found.state, found.failure) == ("failed", "not-reserved")


def test_who_lost_its_lease_draws_and_keeps_nothing(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker gave the build up while the first drew: that draw is not kept, and no other is begun."""
    release, real = asked(embedded), noisy.measure

    def slow(counts: pd.DataFrame, **named: object) -> Measured:
        give_up(embedded.gateway, release.id)
        return real(counts, **named)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(noisy, "measure", slow)
    with pytest.raises(GatewayError, match="ended"):
        build(embedded.gateway, release.id)
    with pytest.raises(GatewayError, match="ended"):
        begin(embedded.gateway, release.id, "vso")
    left = spends(embedded.gateway)
    assert {sector: (spend.state, spend.answers) for sector, spend in left.items()} == {
        "po": (SpendState.DRAWING, b""), **dict.fromkeys(("so", "vo", "vso"), (SpendState.RESERVED, b"")),
    }  # fmt: skip


@pytest.mark.parametrize("kept", [False, True])
def test_a_draw_outlives_a_database_that_is_away(embedded: World, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restarted just when answers are to be kept, or before it could say that they are: they are offered again."""
    drawn, real, away = count_draws(monkeypatch), noisy.keep, [OperationalError("COMMIT", {}, Exception("restarting"))]

    def keep(*given: object) -> None:
        if kept or not away:
            real(*given)  # type: ignore[arg-type]  # passed on as they came
        if away:
            raise away.pop()

    monkeypatch.setattr(noisy, "keep", keep)
    build(embedded.gateway, asked(embedded).id)
    assert (release_of(embedded.gateway).state, len(drawn)) == ("built", len(spends(embedded.gateway)))


def test_answers_are_kept_no_longer_than_the_build(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small figures stand in them unsuppressed: stored, they are gone; what was spent stays spent."""
    assert all(spend.answers for spend in drawn_only(embedded, asked(embedded), monkeypatch).values())
    build(embedded.gateway, release_of(embedded.gateway).id)
    kept = spends(embedded.gateway).values()
    assert {(spend.answers, spend.state, spend.asked) for spend in kept} == {(b"", SpendState.DRAWN, 125_000)}


def test_a_build_that_is_given_up_leaves_no_answers(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes on from them any more."""
    release = asked(embedded)
    drawn_only(embedded, release, monkeypatch)
    give_up(embedded.gateway, release.id)
    assert {spend.answers for spend in spends(embedded.gateway).values()} == {b""}


def test_the_retention_run_erases_answers_that_were_left(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a build under way stay; once it ended, however that was, the run of the day takes them."""
    release = asked(embedded)
    sectors = len(drawn_only(embedded, release, monkeypatch))
    operator = Identity(embedded.gateway.settings.operator, "operator")
    assert "answers" not in retention.run(embedded.gateway, operator).of
    with embedded.gateway.writing() as session:
        session.get_one(Release, release.id).state = "rejected"
    assert retention.run(embedded.gateway, operator).of["answers"] == sectors
    assert {spend.answers for spend in spends(embedded.gateway).values()} == {b""}


def test_building_again_after_a_crash_gives_the_same_bytes(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the answers kept, everything that follows from them comes out the same."""
    release, first = built_and_forgotten(embedded, monkeypatch)
    build(embedded.gateway, release.id)
    assert stored(embedded) == first


def test_answers_of_another_register_are_not_published(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn, then a site is put in another gemeente before the next worker goes on: nothing is built of the answers."""
    release = asked(embedded)
    drawn_only(embedded, release, monkeypatch)
    first, *rest = (site.entry for site in embedded.region.sites)
    other = next(entry.gemeente for entry in rest if entry.gemeente != first.gemeente)
    must(embedded.desk.register([replace(first, gemeente=other)], [], NOW.date() - SINCE))
    build(embedded.gateway, release.id)
    found = release_of(embedded.gateway)
    assert (found.state, found.failure) == ("failed", "noise-outdated")


@pytest.mark.parametrize("step", KILLS)
def test_killed_at_any_step(noisy_world: World, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process killed before or after any commit: nothing reserved is lost or given back, nothing is drawn twice.

    Killed between the begin of a draw and the keeping of its answers, noise may have been seen: the release fails and
    its budget stays spent. Killed anywhere else, the next worker finishes it, with a draw only where there was none.
    """
    gateway, release = noisy_world.gateway, asked(noisy_world)
    paid, sectors = accounts(gateway), len(spends(gateway))
    gateway.database.dispose()
    where = [str(gateway.home.folder), gateway.home.database, release.id, step]
    killed = subprocess.run([sys.executable, "-m", "tests.gateway.noisy_release", *where], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    before = {sector: spend.answers for sector, spend in spends(gateway).items() if spend.answers}
    drawn = count_draws(monkeypatch)
    build(gateway, release.id)
    found = release_of(gateway)
    assert accounts(gateway) == paid
    if step in ("before-draw", "after-draw"):
        assert (found.state, found.failure, drawn) == ("failed", "noise-lost", [])
    else:
        assert (found.state, len(drawn)) == ("built", sectors - len(before))
    assert [spend.answers for spend in spends(gateway).values()] == [b""] * sectors


def test_a_second_release_of_the_period_is_refused(embedded: World) -> None:
    """What one release may ask is all there is for a period: another one is refused with cap, spent, asked, left."""
    release = asked(embedded)
    with embedded.gateway.writing() as session:
        session.get_one(Release, release.id).state = "rejected"
    refused = request_build(embedded.gateway, person(embedded, "again"), TABLE, PERIOD)
    assert isinstance(refused, Refused)
    assert refused.code == "budget-exceeded"
    assert {name: refused.facts[name] for name in ("cap", "spent", "asked", "left")} == {
        "cap": "125000", "spent": "125000", "asked": "125000", "left": "0",
    }  # fmt: skip


def test_a_sector_published_with_noise_does_not_leave_exact_that_year(embedded: World) -> None:
    """After a release with noise the same deployment without noise is refused, by the ledger."""
    published(embedded)
    refused = rejected_and_asked_exact(embedded)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.facts["method"], refused.facts["asked"]) == ("other-method", "dp", "exact")


def test_a_sector_whose_noise_was_never_published_can_leave_exact(embedded: World) -> None:
    """A build that was rejected spent the period's noise; without noise the same period is built."""
    build(embedded.gateway, asked(embedded).id)
    assert isinstance(rejected_and_asked_exact(embedded), Release)


def test_every_level_of_the_shares_can_be_asked(embedded: World) -> None:
    """What a purpose file may name, a sector with SWVs answers."""
    with embedded.gateway.reading() as session:
        period = session.exec(select(Period)).one()
        table = next(t for t in tabulate(session, period, embedded.gateway.contracts[TABLE]) if t.has_swv)
    levels = get_args(NoisyLevel)
    design = noisy.design_of(table, noise(shares=dict.fromkeys(levels, 100 // len(levels))))
    assert len(design.asks) == len(levels)


def _always_reserved(*_: object) -> BudgetSpend:
    return BudgetSpend(
        release_id="", population="", school_year="", asked=1, noise=PAID.model_dump_json(), state=SpendState.RESERVED
    )


def rejected_and_asked_exact(world: World) -> Release | Refused:
    """The answer to the period asked for again, with settings that name no sector for noise."""
    file = world.gateway.home.settings_file
    file.write_text(re.sub(r"(?m)^methods = .*$", "methods = {}", file.read_text()))
    plain = World(open_gateway(world.gateway.home), world.region).at(NOW).gateway
    with world.gateway.writing() as session:
        session.exec(update(Release).values(state="rejected"))
    outcome = request_build(plain, person(world, "again"), TABLE, PERIOD)
    plain.database.dispose()
    return outcome


def stored(world: World) -> bytes:
    """All slices of the release, in order."""
    with world.gateway.reading() as session:
        parts = session.exec(select(ReleaseSlice).order_by(ReleaseSlice.level, ReleaseSlice.area, ReleaseSlice.sector))
        return b"".join(part.rows for part in parts)


def drawn_only(world: World, release: Release, patch: pytest.MonkeyPatch) -> dict[str, BudgetSpend]:
    """What was spent by a build that stopped just before the release was stored."""
    with patch.context() as stopping:
        stopping.setattr(building, "_store", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            build(world.gateway, release.id)
    return spends(world.gateway)


def built_and_forgotten(world: World, patch: pytest.MonkeyPatch) -> tuple[Release, bytes]:
    """A release as it stood before it was stored, and the bytes that were stored."""
    release = asked(world)
    kept = drawn_only(world, release, patch)
    build(world.gateway, release.id)
    first = stored(world)
    forget(world, release)
    with world.gateway.writing() as session:
        for spend in kept.values():
            session.merge(spend)
    return release, first


def forget(world: World, release: Release) -> None:
    """As if the process had died just before the release was stored."""
    with world.gateway.writing() as session:
        session.exec(delete(ReleaseSlice))
        session.exec(delete(ReleaseChart))
        session.exec(delete(ReleaseSource))
        session.get_one(Release, release.id).state = "building"
