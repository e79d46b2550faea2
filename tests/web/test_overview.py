"""What people look over, on SQLite and on PostgreSQL."""

import dataclasses
import re
from datetime import date

import pytest
from sqlmodel import Session

from gateway import overview
from gateway.deliveries import confirm, withdraw
from gateway.demo.people import must
from gateway.identity import Identity, add_person
from gateway.receive import Received, Upload, receive
from gateway.register import sites_on
from gateway.store import Approval, Period, Release, ReleaseState, Submission
from tests.gateway.conftest import NOW, SINCE, World
from tests.web.conftest import OPEN_PERIOD, PERIOD, TABLE, Stage


def send(world: World, index: int) -> Submission:
    """A delivery that is not confirmed yet."""
    upload = Upload(TABLE, world.region.sites[index].code, PERIOD, world.counts(index))
    received = must(receive(world.gateway, world.site(index), upload))
    assert isinstance(received, Received)
    return received.submission


def period_of(session: Session) -> Period:
    return overview.periods(session)[0]


def test_the_sites_of_an_area_are_those_that_a_period_asks(small_world: World) -> None:
    """One that is not funded is none of them, nor is one of another sector where a sector is asked for."""
    with small_world.gateway.writing() as session:
        its = list(sites_on(session, NOW.date(), swv=next(iter(small_world.region.swvs))))
        its[0].funded = False
        session.flush()
        asked = {facts.site for facts in its[1:]}
        of = session, "swv", its[0].swv or "", NOW.date()
        assert overview.sites_of(*of) == asked
        found = [overview.sites_of(*of, sector=sector) for sector in ("po", "so", "vo", "vso")]
        assert sorted(site for part in found for site in part) == sorted(asked)
        assert its[0].site not in {site for part in found for site in part}
        session.rollback()


def test_the_monitor_tells_delivered_received_and_missing_apart(small_world: World) -> None:
    """Confirmed counts; sent and not confirmed waits; withdrawn and never sent are both missing."""
    sent = [send(small_world, index) for index in range(3)]
    must(confirm(small_world.gateway, small_world.site(0), sent[0].id))
    must(withdraw(small_world.gateway, small_world.site(2), sent[2].id))
    with small_world.gateway.reading() as session:
        found = {
            each.facts.site: each.state
            for each in overview.deliveries(session, small_world.gateway.contracts, period_of(session))
        }
        progress = overview.progress(session, small_world.gateway.contracts, period_of(session))
        only = {
            state: overview.deliveries(session, small_world.gateway.contracts, period_of(session), state)
            for state in set(found.values())
        }
    codes = [site.code for site in small_world.region.sites]
    assert [found[code] for code in codes[:4]] == ["delivered", "received", "missing", "missing"]
    assert (progress.delivered, progress.received, progress.missing) == (1, 1, len(codes) - 2)
    for state, shown in only.items():
        assert [each.facts.site for each in shown] == sorted(code for code in found if found[code] == state)


def test_every_site_that_did_not_deliver_can_be_reached(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """From page to page the monitor leads to each of them once, in one state, until there is no more."""
    monkeypatch.setattr(overview, "PAGE", 2)
    found, address = [], f"/operator/periods/{TABLE}/{OPEN_PERIOD}?state=missing"
    with stage.client("builder") as builder:
        while address:
            page = builder.get(address).text
            found += re.findall(r'<th scope="row"><a href="/operator/parties/(\w+)"', page)
            address = "".join(re.findall(r'href="([^"]+after=[^"]+)"', page)).replace("&amp;", "&")
    with stage.gateway.reading() as session:
        period = next(each for each in overview.periods(session) if each.code == OPEN_PERIOD)
        assert len(found) == overview.progress(session, stage.gateway.contracts, period).missing > 4
    assert found == sorted(set(found))


def test_a_correction_under_way_does_not_unsay_the_delivery(small_world: World) -> None:
    """A site whose first version is confirmed has delivered, whatever newer version waits."""
    must(confirm(small_world.gateway, small_world.site(0), send(small_world, 0).id))
    code = small_world.region.sites[0].code
    upload = Upload(TABLE, code, PERIOD, small_world.counts(0, period=2))
    must(receive(small_world.gateway, small_world.site(0), upload))
    with small_world.gateway.reading() as session:
        own = overview.own_periods(small_world.gateway, session, code)[0]
        assert overview.progress(session, small_world.gateway.contracts, period_of(session)).received == 0
    assert own.waits
    assert own.confirmed is not None
    assert own.current is not None
    assert own.current.version > own.confirmed.version


def test_a_late_change_of_one_site_shows_as_reopened(small_world: World) -> None:
    """After closing only the site for which the period was reopened may still deliver."""
    codes = [site.code for site in small_world.region.sites[:2]]
    must(small_world.desk.close_period(TABLE, PERIOD))
    must(small_world.desk.reopen_for(TABLE, PERIOD, codes[0]))
    with small_world.gateway.reading() as session:
        reopened = {
            each.facts.site
            for each in overview.deliveries(session, small_world.gateway.contracts, period_of(session))
            if each.reopened
        }
        assert reopened == {codes[0]}
        assert [overview.own_periods(small_world.gateway, session, code)[0].takes for code in codes] == [True, False]


def test_a_site_that_is_not_funded_is_asked_nothing(small_world: World) -> None:
    """It sees no open period, as the law would refuse what it sends, and the monitor waits for one site fewer."""
    site = small_world.region.sites[0]
    unfunded = dataclasses.replace(site.entry, funded=False)
    must(small_world.desk.register([unfunded], [], NOW.date() - SINCE))
    with small_world.gateway.reading() as session:
        assert overview.own_periods(small_world.gateway, session, site.code) == []
        assert (
            overview.progress(session, small_world.gateway.contracts, period_of(session)).expected
            == len(small_world.region.sites) - 1
        )


def test_a_delivery_of_a_site_that_is_asked_no_more_hides_nobody_who_is_missing(small_world: World) -> None:
    """One delivered and ended before the reference date: as many are missing as the list of missing sites has."""
    must(confirm(small_world.gateway, small_world.site(0), send(small_world, 0).id))
    send(small_world, 1)
    for gone in small_world.region.sites[:2]:
        must(small_world.desk.end_site(gone.code, date(2026, 9, 1)))
    with small_world.gateway.reading() as session:
        progress = overview.progress(session, small_world.gateway.contracts, period_of(session))
        missing = overview.deliveries(session, small_world.gateway.contracts, period_of(session), "missing")
    assert (progress.delivered, progress.received, progress.missing) == (0, 0, len(missing))


def test_a_verdict_stays_blind_until_the_decision(small_world: World) -> None:
    """Before the decision a person reads the own verdict only, and that there are others; afterwards all of them."""
    operator = small_world.gateway.settings.operator
    with small_world.gateway.writing() as session:
        people = [add_person(session, operator, "operator", label).id or 0 for label in "abc"]
        period = period_of(session)
        release = Release(
            id="1" * 32,
            period_id=period.id or 0,
            purposes="",
            builder_id=people[0],
            seed=b"x",
            state=ReleaseState.BUILT,
        )
        session.add(release)
        session.flush()
        for person in people[1:]:
            verdict = Approval(release_id=release.id, person_id=person, approved=True, reason=f"door {person}", at=NOW)
            session.add(verdict)
        session.flush()
        mine = overview.reviewed(session, release, people[1])
        assert ([row.person_id for row, _ in mine.verdicts], mine.hidden) == ([people[1]], 1)
        assert overview.reviewed(session, release, people[0]).built_by_viewer
        release.state = ReleaseState.APPROVED
        assert len(overview.reviewed(session, release, people[1]).verdicts) == 2


def test_searching_the_register_takes_the_words_literally(small_world: World) -> None:
    """A per cent sign is a sign, not a joker; codes and names are searched alike."""
    with small_world.gateway.reading() as session:
        code = small_world.region.sites[0].code
        assert [party.code for party in overview.find_parties(session, code.lower(), "")] == [code]
        assert not overview.find_parties(session, "%", "")
        assert {party.kind for party in overview.find_parties(session, "", "swv")} == {"swv"}


def test_an_exercise_is_said_only_while_nothing_is_real(small_world: World) -> None:
    """Without periods nothing is said; with exercises only it is; one real period ends it."""
    with small_world.gateway.writing() as session:
        assert overview.only_exercises(session)
        real = Period(table_id=TABLE, code="2026-2027-4", reference_date=date(2026, 10, 1), deadline=date(2026, 10, 2))
        session.add(real)
        session.flush()
        assert not overview.only_exercises(session)


def test_a_name_and_a_label_are_known_of_people_only(small_world: World) -> None:
    """A machine has the name of its party and no label."""
    site = small_world.region.sites[0]
    with small_world.gateway.reading() as session:
        assert overview.name_and_label(session, Identity(site.code, "machine")) == (site.name, "")
