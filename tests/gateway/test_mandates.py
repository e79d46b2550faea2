"""Suppliers act under a mandate only: with its dates, for its site, within its scope; bad consents over HTTP."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import event
from sqlmodel import select

from gateway import deliveries
from gateway.deliveries import own_submissions
from gateway.demo.people import must
from gateway.grants import MANDATED, USUAL, end_agreement, end_mandate, grant_mandate, register_agreements
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.receive import VERSIONS, Checked, Received, Upload, receive
from gateway.register import has_agreement
from gateway.repeat import to_repeat
from gateway.store import Period, Submission
from policies.consent import Giver

from .conftest import NOW, PERIOD, TABLE, Site, World
from .test_consents import care, given, signed, terms
from .test_receive import records

SUPPLIER = "ORG-LAS"
AS_SUPPLIER = Identity(SUPPLIER, "machine", scopes=frozenset({"all"}))


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """A small deployment with a supplier that has a mandate of the first site, to submit counts, for ten days."""
    made = new_world()
    made.desk.add_party(SUPPLIER, "supplier", "Leverancier")
    grant_mandate(
        made.desk,
        SUPPLIER,
        made.region.sites[0].code,
        actions=["submit"],
        collections=[TABLE],
        valid_from=date(2026, 11, 1),
        valid_to=date(2026, 11, 11),
    )
    return made


def sent(world: World, index: int = 0, **more: bool) -> object:
    upload = Upload(TABLE, world.region.sites[index].code, PERIOD, world.counts(index))
    return receive(world.gateway, AS_SUPPLIER, upload, **more)


def test_a_mandate_has_dates_a_site_and_a_scope(world: World) -> None:
    """On its days it lets pass what it names; a day early or late, for another site or act, nothing."""
    assert isinstance(sent(world.at(NOW - timedelta(days=2))), Refused)
    assert isinstance(sent(world), Received)
    assert isinstance(sent(world.at(NOW + timedelta(days=9))), Refused)
    assert isinstance(sent(world, 1), Refused)
    assert not isinstance(sent(world, dry_run=True), Checked)


def test_a_usual_mandate_lets_a_supplier_do_all_but_withdraw() -> None:
    """Where a site does not say what its supplier may do, withdrawing stays the site's own."""
    assert set(MANDATED) - set(USUAL) == {"withdraw-submission"}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"valid_to": date(2026, 11, 1)}, "MANDATE-DAYS"),
        ({"actions": ["submit", "vliegen"]}, "MANDATE-ACTIONS"),
        ({"actions": []}, "MANDATE-ACTIONS"),
        ({"collections": ["absence-count"]}, "MANDATE-COLLECTIONS"),
    ],
)
def test_a_mandate_that_allows_nothing_is_not_granted(world: World, change: dict[str, object], rule: str) -> None:
    """An end before the start, and acts or collections that are not there, are refused with what there is."""
    asked = {"actions": ["submit"], "collections": [TABLE], "valid_from": date(2026, 11, 1)}
    asked |= {"valid_to": date(2026, 11, 11)} | change
    outcome = grant_mandate(world.desk, SUPPLIER, world.region.sites[1].code, **asked)  # type: ignore[arg-type]
    assert isinstance(outcome, Refused)
    assert outcome.report is not None
    assert set(outcome.report.totals) == {rule}
    assert rule == "MANDATE-DAYS" or outcome.report.faults[0].where


def test_a_supplier_lists_what_its_mandates_let_it_read(world: World) -> None:
    """Submissions of the sites that let it, newest first; not of one that only lets it submit, nor after the end."""
    first, second = (site.code for site in world.region.sites[:2])
    today = world.gateway.today
    for index in (0, 1, 2):
        upload = Upload(TABLE, world.region.sites[index].code, PERIOD, world.counts(index))
        later = world.at(NOW + timedelta(minutes=index))
        assert isinstance(receive(later.gateway, world.site(index), upload), Received)
    assert own_submissions(world.gateway, AS_SUPPLIER) == []
    for site in (first, second):
        days = {"valid_from": today, "valid_to": today + timedelta(days=9)}
        grant_mandate(world.desk, SUPPLIER, site, actions=["read-submission"], collections=[TABLE], **days)
    assert [row.site for row, _ in own_submissions(world.gateway, AS_SUPPLIER)] == [second, first]
    assert [row.site for row, _ in own_submissions(world.gateway, world.site(2))] == [world.region.sites[2].code]
    end_mandate(world.desk, SUPPLIER, second)
    assert [row.site for row, _ in own_submissions(world.gateway, AS_SUPPLIER, PERIOD)] == [first]


def test_the_law_is_asked_no_further_than_a_page_reaches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supplier of the whole country reads its first page without a decision on each site of the country."""
    days = {"valid_from": world.gateway.today, "valid_to": world.gateway.today + timedelta(days=9)}
    for index in range(4):
        site = world.region.sites[index].code
        grant_mandate(world.desk, SUPPLIER, site, actions=["read-submission"], collections=[TABLE], **days)
        receive(world.gateway, world.site(index), Upload(TABLE, site, PERIOD, world.counts(index)))
    asked: list[object] = []
    decide = deliveries.decide_on
    monkeypatch.setattr(deliveries, "decide_on", lambda *question: asked.append(question) or decide(*question))
    found = own_submissions(world.gateway, AS_SUPPLIER, most=2)
    assert (len(found), len(asked)) == (2, 2)


def test_a_site_of_many_versions_is_not_read_whole(world: World) -> None:
    """Of hundreds of versions a page takes those it shows, and an act the newest and those in force."""
    site, many, read = world.region.sites[0].code, 4 * deliveries._AT_ONCE, list[object]()
    with world.gateway.writing() as session:
        period = session.exec(select(Period)).one().id or 0
        sent = {"period_id": period, "site": site, "sender": site, "received_at": NOW, "collection": TABLE}
        sent |= {"tag": b"x", "entry_id": "y"}
        session.add_all(
            Submission(id=f"{at:032x}", version=at, state="confirmed" if at == 7 else "replaced", **sent)
            for at in range(1, many + 1)
        )
    event.listen(Submission, "load", seen := lambda one, _: read.append(one))
    try:
        assert len(own_submissions(world.gateway, world.site(0), most=3)) == 3
    finally:
        event.remove(Submission, "load", seen)
    assert len(read) <= deliveries._AT_ONCE
    with world.gateway.reading() as session:
        found = session.connection().execute(VERSIONS, {"period": period, "site": site})
        assert [row.version for row in found] == [many, 7]


@pytest.mark.parametrize("late", [False, True])
def test_signatures_are_of_today_or_before(world: World, late: bool) -> None:
    """A signature of tomorrow is refused: somebody's clock is wrong; the moment of an event is the gateway's own."""
    from gateway.consents import ask  # noqa: PLC0415  beside its only use
    from gateway.standing import Standing  # noqa: PLC0415  beside its only use

    care(world)
    signature = signed(Giver.PARENT)[0].model_copy(update={"date": date(2026, 11, 3 if late else 2)})
    outcome = ask(world.gateway, world.site(0), terms(), (signature,))
    assert isinstance(outcome, Refused if late else Standing)


def test_evidence_must_be_there_and_nobody_else_learns_of_it(site: Site) -> None:
    """Over HTTP: no commitment to the evidence is 400, a recipient that nobody knows is refused, strangers see 404."""
    care(site.world)
    today = site.world.gateway.today
    asked = terms(first_day=today).model_dump(mode="json")
    own, other = (one.code for one in site.world.region.sites[:2])
    with site.client(own) as http, site.client(other) as stranger:
        bare = {"terms": asked, "signatures": [{"giver": "parent", "date": str(today)}]}
        refused = http.post("/v1/consents", json=bare)
        assert (refused.status_code, "evidence" in refused.text) == (400, True)
        unknown = {"terms": asked | {"recipient": "ORG-NIEMAND"}}
        assert http.post("/v1/consents", json=unknown).status_code in {400, 403, 404}
        made = http.post("/v1/consents", json={"terms": asked})
        assert made.status_code == 201
        assert [one["id"] for one in http.get("/v1/consents").json()] == [made.json()["id"]]
        for consent in (made.json()["id"], "0" * 32):
            assert stranger.get(f"/v1/consents/{consent}").status_code == 404
    assert given(site.world).state.given


def test_a_mandate_can_be_ended(world: World) -> None:
    """A school that leaves its supplier stops it the same day; another mandate begins it anew."""
    site, today = world.region.sites[0].code, world.gateway.today
    assert isinstance(sent(world), Received)
    assert end_mandate(world.desk, SUPPLIER, site) == 1
    assert sent(world) == Refused("not-found")
    assert end_mandate(world.desk, SUPPLIER, site) == Refused("not-found")
    days = {"valid_from": today, "valid_to": today + timedelta(days=9)}
    grant_mandate(world.desk, SUPPLIER, site, actions=["submit"], collections=[TABLE], **days)
    assert isinstance(sent(world), Received)


def test_mandates_add_up_and_do_not_mix(world: World) -> None:
    """One for counts and one for records both work, each for its own acts only."""
    rows, today = "absence-records", world.gateway.today
    scope = {"actions": ["submit", "check"], "collections": [rows]}
    until = today + timedelta(days=9)
    grant_mandate(world.desk, SUPPLIER, world.region.sites[0].code, **scope, valid_from=today, valid_to=until)
    assert isinstance(sent(world), Received)
    assert not isinstance(sent(world, dry_run=True), Checked)
    for dry_run, kind in ((False, Received), (True, Checked)):
        upload = Upload(rows, world.region.sites[0].code, PERIOD, records(world, 0))
        assert isinstance(receive(world.gateway, AS_SUPPLIER, upload, dry_run=dry_run), kind)


def test_an_agreement_can_be_ended(world: World) -> None:
    """Without a processor agreement a site delivers counts and no records; a new one lets it again."""
    code, gateway = world.region.sites[0].code, world.gateway
    file = Upload("absence-records", code, PERIOD, records(world, 0))
    assert end_agreement(world.desk, code) == 1
    assert isinstance(receive(gateway, world.site(0), file), Refused)
    assert isinstance(receive(gateway, world.site(0), Upload(TABLE, code, PERIOD, world.counts(0))), Received)
    assert end_agreement(world.desk, code) == Refused("not-found")
    assert register_agreements(world.desk, [code], gateway.today) == 1
    assert isinstance(receive(gateway, world.site(0), file), Received)


def test_an_agreement_that_begins_later_stands_in_the_way_of_none_of_today(world: World) -> None:
    """Registered from next year and then from today, it holds today; a second time nothing is new."""
    code, today = world.region.sites[0].code, world.gateway.today
    assert end_agreement(world.desk, code) == 1
    days = (date(2027, 1, 1), today, today, date(2027, 1, 1))
    assert [register_agreements(world.desk, [code], day) for day in days] == [1, 1, 0, 0]
    with world.gateway.reading() as session:
        assert has_agreement(session, code, today)
        assert has_agreement(session, code, date(2027, 1, 1))


def test_after_a_restore_what_begins_later_is_gone_through_too(world: World) -> None:
    """A mandate and an agreement from tomorrow on may have been ended after the backup, like those of today."""
    site, tomorrow = world.region.sites[1].code, world.gateway.today + timedelta(days=1)
    days = {"valid_from": tomorrow, "valid_to": tomorrow + timedelta(days=1)}
    must(grant_mandate(world.desk, SUPPLIER, site, actions=USUAL, collections=[TABLE], **days))
    must(end_agreement(world.desk, site))
    must(register_agreements(world.desk, [site], tomorrow))
    with world.gateway.reading() as session:
        again = dict(to_repeat(session, world.gateway.today))
    assert (again["mandates"], again["agreements"]) == ({"supplier": SUPPLIER, "sites": "2"}, {"number": "10"})
