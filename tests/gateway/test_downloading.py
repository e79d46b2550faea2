"""Whom a published release serves: those it was built and approved for, and everybody with what is public."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta

import openpyxl
import pytest
from sqlalchemy import select as core_select
from sqlmodel import select

from audit.entry import Actor, Entry, Object
from audit.events import Event, Role
from audit.schema import PENDING
from gateway.delivered import COUNTRY
from gateway.demo.people import IN_FORCE, MINISTER, must
from gateway.formats.write import Format
from gateway.identity import Identity
from gateway.messages import text
from gateway.outcome import Refused
from gateway.overview import has_chart, newest_downloads, own_figures
from gateway.publish.deciding import publish, review, withdraw_release
from gateway.publish.downloading import catalogue, hold, hold_own, read_certificate
from gateway.publish.handing import Held
from gateway.store import Period, Receipt, Release, ReleaseState
from gateway.web import recipient
from gateway.web.officer import certificates
from gateway.web.public import national
from policies.days import milliseconds
from policies.engine import Engine
from tests.gateway.conftest import NOW, PERIOD, TABLE, World, build_world
from tests.gateway.noisy_release import delivered, person
from tests.gateway.records import events
from tests.gateway.test_deciding import CARE, built, under, working
from tests.gateway.test_retention import COUNTS_OVER, TABLES_OVER, erased
from tests.web.asking import said

SWV, PUBLIC = "absence-insight-swv", "national-picture"
FULL = Engine.load(in_force=IN_FORCE)


def without(*purposes: str) -> Engine:
    """The law while some purposes are not in force."""
    return Engine.load(in_force=[each for each in IN_FORCE if each.purpose not in purposes])


def released(world: World, law: Engine) -> tuple[World, str]:
    """A release, built and published while a law was in force."""
    then = working(delivered(world), law)
    release, approver = built(then), person(then, "approver")
    must(review(then.gateway, approver, release, approved=True, reason="seen"))
    must(publish(then.gateway, approver, release, reason="due"))
    return world, release


@pytest.fixture(scope="module")
def not_for_swvs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A release from before the purpose of the SWVs was in force."""
    made = released(build_world(tmp_path_factory.mktemp("before") / "data"), without(SWV))
    yield made
    made[0].gateway.database.dispose()


@pytest.fixture(scope="module")
def not_public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A release that is for gemeenten and SWVs only."""
    made = released(build_world(tmp_path_factory.mktemp("closed") / "data"), without(PUBLIC))
    yield made
    made[0].gateway.database.dispose()


@pytest.fixture(scope="module")
def of_a_gone_purpose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A release that was made for a purpose of the deployment too, whose file is there no more."""
    folder = tmp_path_factory.mktemp("gone")
    then = under(build_world(folder / "data"), folder, minimum=5)
    made, release = released(then, then.gateway.engine)
    yield working(made, FULL), release
    made.gateway.database.dispose()


def swv(world: World) -> Identity:
    """Somebody of an SWV."""
    return Identity(next(iter(world.region.swvs)), "recipient")


def levels(world: World, who: Identity | None, release: str) -> set[str]:
    """Of which levels there are rows in what somebody gets."""
    found = hold(world.gateway, who, release, Format.CSV)
    if isinstance(found, Refused):
        return set()
    return {row["level"] for row in csv.DictReader(io.StringIO(found.body.decode("utf-8-sig")), delimiter=";")}


def test_a_release_serves_only_the_purposes_it_was_made_for(not_for_swvs: tuple[World, str]) -> None:
    """Approved before SWVs were to get tables: today's law lets an SWV in, and it gets what everybody gets of it."""
    world, release = not_for_swvs
    assert levels(world, swv(world), release) == levels(world, None, release) == {"country"}


def test_a_release_outlives_a_purpose_it_was_made_for(of_a_gone_purpose: tuple[World, str]) -> None:
    """The file of one of its purposes is gone: it is listed and handed out for the others, with its certificate."""
    world, release = of_a_gone_purpose
    for who in (None, swv(world), person(world, "reader")):
        assert [listed.release.id for listed in catalogue(world.gateway, who)] == [release]
        assert isinstance(read_certificate(world.gateway, who, release), str)
    assert levels(world, None, release) == {"country"}
    assert levels(world, swv(world), release) == {"swv", "site", "country"}
    assert not isinstance(hold(world.gateway, world.site(0), release, Format.CSV, level="swv"), Refused)


def test_a_school_reads_no_region_of_a_table_that_its_purpose_does_not_list(
    of_a_gone_purpose: tuple[World, str],
) -> None:
    """A table for SWVs alone stays theirs, also at the level that schools see of another collection."""
    world, release = of_a_gone_purpose
    with world.gateway.writing() as session:
        period = session.exec(select(Period)).one()
        period.table_id = "pilot-counts"
    refused = hold(world.gateway, world.site(0), release, Format.CSV, level="swv")
    with world.gateway.writing() as session:
        session.exec(select(Period)).one().table_id = TABLE
    assert isinstance(refused, Refused)
    assert refused.decision is not None
    assert refused.decision.rules == ("only-tables-the-purpose-lists",)


def test_a_certificate_that_counts_small_cells_is_read_without(of_a_gone_purpose: tuple[World, str]) -> None:
    """Stored when certificates still told how many cells are small: nobody reads that of it any more."""
    world, release = of_a_gone_purpose
    before = must(read_certificate(world.gateway, None, release)).split("\n\n")[0]
    with world.gateway.writing() as session:
        row = session.get_one(Release, release)
        said = json.loads(row.certificate)
        for verdicts in (said["attacker"], *(sector["verdicts"] for sector in said["sectors"].values())):
            verdicts |= {"small": 17, "safe": 17}
        row.certificate = json.dumps(said)
    after = must(read_certificate(world.gateway, None, release)).split("\n\n")[0]
    assert after == before
    assert '"small"' not in after


def test_what_is_left_of_a_withdrawn_correction_says_so(of_a_gone_purpose: tuple[World, str]) -> None:
    """The first release is out again, marked: it was corrected, and no other correction comes."""
    world, release = of_a_gone_purpose
    marks = []
    for state in (ReleaseState.REJECTED, ReleaseState.WITHDRAWN):
        with world.gateway.writing() as session:
            again = {"id": "c" * 32, "corrects": release, "state": state}
            session.merge(Release(**session.get_one(Release, release).model_dump() | again))
        listed = next(each for each in catalogue(world.gateway, None) if each.release.id == release)
        marks.append((listed.corrected_by, listed.correction_withdrawn))
    with world.gateway.writing() as session:
        session.delete(session.get_one(Release, "c" * 32))
    assert marks == [(None, False), (None, True)]


def test_a_chart_is_offered_where_there_is_one(of_a_gone_purpose: tuple[World, str]) -> None:
    """An SWV of a sector of which nobody delivered has none, and no button for it."""
    world, release = of_a_gone_purpose
    areas = (swv(world).party, COUNTRY, "VO0000")
    with world.gateway.reading() as session:
        offered = [has_chart(session, release, area) for area in areas]
    who = swv(world), None, Identity("VO0000", "recipient")
    given = [not isinstance(hold(world.gateway, one, release, Format.SVG), Refused) for one in who]
    assert offered == given == [True, True, False]


@pytest.mark.parametrize("own", [False, True])
def test_a_file_of_an_exercise_says_that_it_is_invented(of_a_gone_purpose: tuple[World, str], own: bool) -> None:
    """Its workbook, JSON and manifest, of a release and of a school's own figures."""
    world, release = of_a_gone_purpose
    found = must(
        hold_own(world.gateway, world.site(0), TABLE, PERIOD, Format.ZIP)
        if own
        else hold(world.gateway, None, release, Format.ZIP)
    )
    with zipfile.ZipFile(io.BytesIO(found.body)) as package:
        assert json.loads(package.read("verzuim.json"))["exercise"] == "yes"
        assert "\nexercise yes\n" in package.read("MANIFEST.txt").decode()
        book = openpyxl.load_workbook(io.BytesIO(package.read("verzuim.xlsx")))
    assert book["Leesmij"]["A2"].value == text("files", "exercise", "nl")
    assert book["Herkomst"]["B2"].value == "yes"


def test_a_school_sees_no_region_that_was_not_released(not_for_swvs: tuple[World, str]) -> None:
    """No table of a region is in it, so there is none beside a school's own figures."""
    world, release = not_for_swvs
    assert hold(world.gateway, world.site(0), release, Format.CSV, level="swv") == Refused("not-found")


def test_what_is_public_is_seen_while_the_own_purpose_is_not_in_force(not_for_swvs: tuple[World, str]) -> None:
    """An SWV that is logged in sees no less than somebody who is not."""
    world, release = not_for_swvs
    then = working(world, without(SWV))
    assert [listed.release.id for listed in catalogue(then.gateway, swv(then))] == [release]
    assert levels(then, swv(then), release) == {"country"}


def test_what_was_not_released_to_everybody_stays_with_its_recipients(not_public: tuple[World, str]) -> None:
    """A purpose that came into force after publication opens nothing: no list, no certificate, no table."""
    world, release = not_public
    assert catalogue(world.gateway, None) == []
    assert isinstance(read_certificate(world.gateway, None, release), Refused)
    assert levels(world, None, release) == set()
    assert levels(world, swv(world), release) == {"swv", "site", "country"}


def test_the_operator_looks_at_what_is_not_public(not_public: tuple[World, str]) -> None:
    """Without any public purpose in force it stands in the operator's list, and can be looked at."""
    world, release = not_public
    then = working(world, without(PUBLIC))
    operator = person(then, "reader")
    assert [listed.release.id for listed in catalogue(then.gateway, operator)] == [release]
    assert levels(then, operator, release) == {"country"}


def test_a_level_that_is_not_the_caller_s_is_not_there(not_for_swvs: tuple[World, str]) -> None:
    """Whoever asks for one gets a refusal, and not an empty file with a receipt."""
    world, release = not_for_swvs
    before = events(world).count("release.downloaded")
    for who, level in ((None, "site"), (None, "gemeente"), (swv(world), "gemeente"), (swv(world), "swv")):
        assert isinstance(hold(world.gateway, who, release, Format.CSV, level=level), Refused)
    for who, level in ((None, "site"), *((world.site(0), level) for level in ("gemeente", "swv", "country"))):
        assert hold(world.gateway, who, release, Format.CSV, level=level) == Refused("not-found")
    assert isinstance(hold(world.gateway, world.site(0), release, Format.CSV, level="site"), Held)
    assert events(world).count("release.downloaded") == before


def test_the_newest_release_comes_first_and_one_that_is_being_built_before_it(world: World) -> None:
    """Pages of the catalogue neither repeat nor skip one: of two without a moment of their own, the id decides."""
    operator = person(world, "builder")
    moments = {"a": NOW, "b": None, "c": NOW + timedelta(hours=1), "d": NOW, "e": None}
    with world.gateway.writing() as session:
        period = session.exec(select(Period.id)).one()
        for name, moment in reversed(moments.items()):
            state = ReleaseState.BUILT if moment else ReleaseState.BUILDING
            made = {"id": name, "built_at": moment, "state": state, "builder_id": operator.person, "seed": b""}
            session.add(Release(**made, period_id=period, purposes=PUBLIC))
    assert [listed.release.id for listed in catalogue(world.gateway, operator)] == ["b", "e", "c", "a", "d"]


def test_the_newest_receipts_of_a_release_are_those_that_are_shown(world: World) -> None:
    """A program that fetched it more often than a page shows: the last ones, and none of another party."""
    mine, about = swv(world).party, f"release:{'a' * 32}"
    asked = [(minute, mine) for minute in (1, 2, 3, 4)] + [(5, "GM0001")]
    for minute, party in asked:
        then = world.at(NOW + timedelta(minutes=minute)).gateway
        who, event = Actor(Role.RECIPIENT, party), Event.RELEASE_DOWNLOADED
        entry = Entry(event=event, actor=who, recipient=party, object=Object(about))
        with then.writing() as session:
            made = json.dumps({"details": {"format": "csv"}, "made": milliseconds(then.clock())})
            kept = {"party": party, "subject": about, "text": f"{made}\n"}
            session.add(Receipt(entry_id=then.append(session, entry).entry_id, **kept))
    world.at(NOW + timedelta(minutes=6)).sequence()
    with world.gateway.reading() as session:
        shown = newest_downloads(session, mine, "a" * 32, 2)
    assert [(each.made - NOW) / timedelta(minutes=1) for each in shown] == [4, 3]


@pytest.mark.parametrize("form", [Format.XLSX, Format.ZIP])
def test_a_school_s_own_file_says_that_it_is_its_own(not_for_swvs: tuple[World, str], form: Format) -> None:
    """What is written of its own counts has no text of a release in it."""
    world, _ = not_for_swvs
    found = hold_own(world.gateway, world.site(0), TABLE, PERIOD, form)
    assert not isinstance(found, Refused)
    with zipfile.ZipFile(io.BytesIO(found.body)) as outer:
        book = outer.read("verzuim.xlsx") if form is Format.ZIP else found.body
    assert openpyxl.load_workbook(io.BytesIO(book))["Leesmij"]["A1"].value == text("files", "own_title", "nl")


@pytest.mark.parametrize("gone", [False, True], ids=["not delivered", "erased"])
def test_without_counts_there_are_no_own_figures(world: World, gone: bool) -> None:
    """A school that delivered nothing, or whose counts were erased at their term, gets a refusal and no zeros."""
    if gone:
        delivered(world)
        with world.gateway.reading() as session:
            assert [own.period.code for own in own_figures(world.gateway, session, world.site(0).party)] == [PERIOD]
        erased(world.at(COUNTS_OVER))
    with world.gateway.reading() as session:
        assert own_figures(world.gateway, session, world.site(0).party) == []
    assert hold_own(world.gateway, world.site(0), TABLE, PERIOD, Format.CSV) == Refused("no-own-figures")
    assert events(world)[-1] == "request.refused"


def test_a_release_without_any_purpose_left_is_nobody_s(of_a_gone_purpose: tuple[World, str]) -> None:
    """It is listed for nobody, opens nothing and cannot be stopped; nothing breaks on it."""
    world, release = of_a_gone_purpose
    with world.gateway.writing() as session:
        session.get_one(Release, release).purposes = CARE
    reader = person(world, "nobody")
    assert (catalogue(world.gateway, None), catalogue(world.gateway, reader)) == ([], [])
    assert isinstance(withdraw_release(world.gateway, reader, release, reason="gone"), Refused)
    assert [levels(world, who, release) for who in (None, swv(world))] == [set(), set()]
    assert "tables" not in erased(world.at(COUNTS_OVER))
    assert erased(world.at(world.gateway.clock() + TABLES_OVER))["tables"] > 0


def past_its_term(world: World) -> World:
    """The same deployment five years later, after the retention run."""
    late = world.at(NOW + TABLES_OVER)
    erased(late)
    return late


def test_a_table_past_its_term_is_not_refused_as_withdrawn(not_for_swvs: tuple[World, str]) -> None:
    """Nobody said that it was wrong: whoever might have it reads that its term is over, and so does the log."""
    world, release = not_for_swvs
    late = past_its_term(world)
    for who in (None, swv(world), person(world, "reader")):
        assert hold(late.gateway, who, release, Format.CSV) == Refused("table-expired")
    with world.gateway.reading() as session:
        waiting = session.connection().execute(core_select(PENDING.c.data).order_by(PENDING.c.id)).scalars().all()
    assert [json.loads(data)["event"] for data in waiting[-3:]] == ["request.refused"] * 3
    assert "withdrawn-stays-withdrawn" not in str(waiting)


def test_pages_of_a_table_past_its_term_offer_nothing_of_it(not_for_swvs: tuple[World, str]) -> None:
    """Its page of files says why there are none, the officer's list calls it over, and the country has no table now."""
    world, release = not_for_swvs
    gateway, officer = past_its_term(world).gateway, Identity(MINISTER, "controller-officer")
    files = said(gateway, recipient.files, swv(world), release=release)
    assert text("pages", "releases.expired", "nl") in files
    assert f"/releases/{release}/download" not in files
    shown = said(gateway, certificates, officer).partition("<main")[2]
    assert [text("pages", f"state.{state}", "nl") in shown for state in ("expired", "withdrawn")] == [True, False]
    assert text("pages", "national.none", "nl") in said(gateway, national)
