"""The operator's pages: what a table is called, what failed and how to go on, and forms that were refused."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway import retention
from gateway.consents import append, ask, own
from gateway.demo.people import must
from gateway.identity import Identity
from gateway.messages import text
from gateway.outcome import Refused
from gateway.publish.asking import request_build
from gateway.publish.downloading import Listed
from gateway.retention import JOB
from gateway.store import Job, JobState, Period, Release
from gateway.web import consenting, desk, parties
from gateway.web.forms import FormHandler
from gateway.web.sheets import foremost
from policies.consent import Giver, Withdrawn
from policies.engine import Engine
from tests.gateway.conftest import PERIOD, TABLE, World
from tests.gateway.noisy_release import delivered, person
from tests.gateway.test_consents import care, signed, terms
from tests.gateway.test_deciding import built, working
from tests.web.asking import said, sent


def test_the_monitor_is_a_table_of_sites(small_world: World) -> None:
    """Its caption, which is read out and not seen, is its own and not that of the table of periods."""
    page = said(small_world.gateway, desk.period, small_world.desk.identity, table=TABLE, code=PERIOD)
    caption = page.partition('<caption id="sites"')[2].partition("</caption>")[0]
    assert caption.endswith(f">{text('pages', 'monitor.caption', 'nl')}")


def test_a_collection_that_is_only_counted_has_a_page_and_no_release(small_world: World) -> None:
    """No purpose lets its tables out: the operator sees who delivered, and the button says what is missing."""
    must(small_world.desk.close_period(TABLE, PERIOD))
    engine, operator = small_world.gateway.engine, person(small_world, "builder")
    counting = {name: purpose for name, purpose in engine.purposes.items() if purpose.release is None}
    law = replace(engine.law, purposes=replace(engine.purposes, by_id=counting))
    gateway = replace(small_world.gateway, engine=Engine(law, engine._schema))
    assert text("pages", "monitor.caption", "nl") in said(gateway, desk.period, operator, table=TABLE, code=PERIOD)
    assert request_build(gateway, operator, TABLE, PERIOD) == Refused("no-purpose")


def test_a_pilot_does_not_take_the_place_of_the_national_picture(small_world: World) -> None:
    """Its table is newer and public too: what is shown first is of the statutory collection, the newest of it."""
    ids = [("pilot-counts", "c"), (TABLE, "b"), (TABLE, "a")]
    there = [Listed(Release(id=key), Period(table_id=table), None, False) for table, key in ids]
    assert [each.release.id for each in foremost(small_world.gateway, there)] == ["b", "a", "c"]


def test_a_waiting_release_stands_on_the_page_of_its_period_whatever_became_of_its_purposes(small_world: World) -> None:
    """They ended: who operates finds it there, to reject it."""
    release = built(delivered(small_world, sites=4))
    later = working(small_world, Engine.load()).gateway
    page = said(later, desk.period, small_world.desk.identity, table=TABLE, code=PERIOD)
    assert f"/operator/releases/{release}" in page


def test_work_that_failed_stands_apart_with_its_remedy(small_world: World) -> None:
    """What waits is no failure; what failed five times is not under way, and beside it stands the command."""
    pages = []
    for state in (JobState.WAITING, JobState.FAILED):
        with small_world.gateway.writing() as session:
            session.add(Job(kind=JOB, subject="", due_at=small_world.gateway.clock(), state=state))
        pages.append(said(small_world.gateway, desk.system, small_world.desk.identity))
    under_way = [page.partition(text("pages", "operator.jobs", "nl"))[2] for page in pages]
    assert ["verzuimpoort job dismiss" in page for page in pages] == [False, True]
    assert [page.count("state-failed") for page in pages] == [0, 1]
    assert [page.count("state-failed") for page in under_way] == [0, 0]


def test_the_page_of_what_runs_tells_nothing_that_can_be_of_one_pupil(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a consent, without, and while its key is being destroyed it is the same; of late rows it says no number."""
    care(small_world)
    gateway, school, seen = small_world.gateway, small_world.site(0), []
    for act in (None, lambda: ask(gateway, school, terms(), signed(Giver.PARENT)), lambda: _withdraw(small_world)):
        if act:
            must(act())
        seen.append(said(gateway, desk.system, small_world.desk.identity).partition("<main")[2])
    assert len(set(seen)) == 1
    for many in (1, 335):
        monkeypatch.setattr(retention, "overdue", lambda _gateway, many=many: many)
        seen.append(said(gateway, desk.system, small_world.desk.identity).partition("<main")[2])
    assert seen[-1] == seen[-2] != seen[0]


def _withdraw(world: World) -> object:
    (standing,) = own(world.gateway, world.site(0))
    return append(world.gateway, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))


def test_the_command_for_a_copy_of_the_keys_is_whole() -> None:
    """Without an option `backup` copies nothing."""
    assert "verzuimpoort backup --keys" in text("pages", "system.keys.kek", "nl", id="")


REFUSED = [
    (desk.open_period, {"reference_date": ""}),
    (parties.add_party, {"code": "x", "kind": "supplier"}),
    (consenting.change, {"act": "given"}),
]


@pytest.mark.parametrize(("page", "form"), REFUSED)
def test_a_refused_form_says_so_in_its_title(small_world: World, page: FormHandler, form: Mapping[str, str]) -> None:
    """Who hears the title first knows that the form came back."""
    care(small_world)
    consent = must(ask(small_world.gateway, small_world.site(0), terms()))
    who = Identity(consent.site, "school") if page is consenting.change else small_world.desk.identity
    answer = sent(small_world.gateway, page, who, form, consent=consent.id)
    assert f"<title>{text('pages', 'deliver.faulty', 'nl')} " in answer
