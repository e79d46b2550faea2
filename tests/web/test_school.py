"""What a school is asked and told: the periods that are its own, and where its deliveries stand."""

import dataclasses
from datetime import date

import pytest

from gateway.demo.people import must
from gateway.formats.write import Format
from gateway.identity import Identity
from gateway.messages import problem_text, text
from gateway.outcome import Refused
from gateway.publish import handing
from gateway.publish.downloading import own_table
from gateway.receive import Received, Upload, receive
from gateway.web import answering, consenting, delivering, own_figures, school, trend
from gateway.web.forms import PageHandler
from tests.gateway.conftest import PERIOD, TABLE, World
from tests.gateway.noisy_release import deliver
from tests.web.asking import said

ASKED = f"/school/periods/{TABLE}/{PERIOD}"
LATER = "99ZZ00"


def seen(world: World, party: str, page: PageHandler = school.home) -> str:
    """A page of the period as somebody of a school sees it."""
    return said(world.gateway, page, Identity(party, "school"), table=TABLE, code=PERIOD)


def join(world: World) -> None:
    """A school that is in the register from a day after the reference date."""
    entry = dataclasses.replace(world.region.sites[0].entry, code=LATER)
    must(world.desk.register([entry], [], date(2026, 10, 15)))


@pytest.mark.parametrize("closed", [False, True])
def test_a_school_that_joined_later_is_not_asked_for_before(small_world: World, closed: bool) -> None:
    """Its page neither offers a period of before its time nor says that it did not deliver; behind the link is why."""
    join(small_world)
    if closed:
        must(small_world.desk.close_period(TABLE, PERIOD))
    page, refused = seen(small_world, LATER), seen(small_world, LATER, delivering.fill_in)
    assert PERIOD not in page
    assert text("pages", "school.nothing", "nl") in page
    assert problem_text("site-not-registered", "nl")[0] in refused
    assert PERIOD in seen(small_world, small_world.region.sites[0].code)


def test_a_board_reads_that_its_sites_deliver(small_world: World) -> None:
    """A board has the role of a school and no counts of its own: it is not asked for any, and is told who is."""
    page = seen(small_world, next(iter(small_world.region.boards)))
    assert ASKED not in page
    assert text("pages", "school.board", "nl") in page


def test_what_was_sent_and_never_confirmed_stays_in_sight(small_world: World) -> None:
    """After closing the school reads that it was received, as the operator does, with a link to it."""
    code = small_world.region.sites[0].code
    sent = must(receive(small_world.gateway, small_world.site(0), Upload(TABLE, code, PERIOD, small_world.counts(0))))
    assert isinstance(sent, Received)
    must(small_world.desk.close_period(TABLE, PERIOD))
    page = seen(small_world, code)
    assert text("pages", "state.received", "nl") in page
    assert text("pages", "state.missing", "nl") not in page
    assert f"/school/submissions/{sent.submission.id}" in page


@pytest.mark.parametrize(
    ("page", "words"), [(consenting.blank, "consent.board.text"), (answering.blank, "access.board.text")]
)
def test_a_board_is_offered_no_form_that_can_only_be_refused(small_world: World, page: PageHandler, words: str) -> None:
    """A site records consent and answers a parent under its own code; its board reads how, in the place of the form."""
    site = small_world.region.sites[0]
    must(small_world.desk.add_party("ORG-JGZ", "youth_health_care", "Jeugdgezondheidszorg"))
    shown = [seen(small_world, party, page) for party in (site.board, site.code)]
    assert [text("pages", words, "nl") in each for each in shown] == [True, False]
    assert ['class="stack"' in each for each in shown] == [False, True]


@pytest.mark.parametrize(("last", "there"), [(date(2026, 11, 2), True), (date(2026, 9, 1), False)])
def test_a_school_that_closed_reads_its_own_figures(
    small_world: World, monkeypatch: pytest.MonkeyPatch, last: date, there: bool
) -> None:
    """Figures, trend and file of a period on whose reference date it was in the register; of another none of them."""
    code, ours = small_world.region.sites[0].code, own_figures.figures
    deliver(small_world, 0, small_world.counts(0))
    must(small_world.desk.end_site(code, last))
    monkeypatch.setattr(handing, "proven", lambda _gateway, receipt, *_: receipt)
    assert [PERIOD in seen(small_world, code, page) for page in (ours, trend.of_school)] == [there, there]
    file = own_table(small_world.gateway, Identity(code, "school"), TABLE, PERIOD, Format.CSV)
    assert (file != Refused("not-found")) is there
    assert there or text("pages", "figures.none", "nl") in seen(small_world, code, ours)
