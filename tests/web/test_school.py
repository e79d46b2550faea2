"""What a school is asked and told: the periods that are its own, and where its deliveries stand."""

import dataclasses
import re
from datetime import date
from pathlib import Path

import pytest
from sqlmodel import select

from gateway.collections import CONTRACTS, load_contracts
from gateway.context import Gateway
from gateway.deliveries import confirm, receipt_of, withdraw
from gateway.demo.people import IN_FORCE, must
from gateway.formats.write import Format
from gateway.identity import Identity
from gateway.messages import problem_text, rule_text, text
from gateway.outcome import Fault, Refused
from gateway.publish import handing
from gateway.publish.downloading import hold_own, own_table
from gateway.publish.handing import Held
from gateway.receive import Received, Upload, receive
from gateway.retention import run
from gateway.store import Count, Period, Submission
from gateway.web import answering, consenting, delivering, desk, own_figures, school, trend
from gateway.web.forms import PageHandler
from gateway.web.words import moment
from policies.engine import Engine
from tests.gateway.conftest import PERIOD, TABLE, World
from tests.gateway.noisy_release import deliver
from tests.gateway.test_deciding import working
from tests.gateway.test_retention import COUNTS_OVER, machine
from tests.web.asking import said, sent

ASKED = f"/school/periods/{TABLE}/{PERIOD}"
LATER = "99ZZ00"
ENDED = Engine.load(in_force=[each for each in IN_FORCE if each.purpose != "statutory-counts"])


def seen(world: World, party: str, page: PageHandler = school.home) -> str:
    """A page of the period as somebody of a school sees it."""
    return said(world.gateway, page, Identity(party, "school"), table=TABLE, code=PERIOD)


def join(world: World) -> None:
    """A school that is in the register from a day after the reference date."""
    entry = dataclasses.replace(world.region.sites[0].entry, code=LATER)
    must(world.desk.register([entry], [], date(2026, 10, 15)))


def test_what_was_delivered_for_a_purpose_that_ended_is_still_the_schools(small_world: World) -> None:
    """Nothing more is asked for it; what was sent is read, with its receipt, and withdrawn while the period is open."""
    ended, who = working(small_world, ENDED).gateway, Identity(small_world.region.sites[0].code, "school")
    received = must(receive(small_world.gateway, who, Upload(TABLE, who.party, PERIOD, small_world.counts(0))))
    sent_one = received.submission.id
    must(confirm(small_world.gateway, who, sent_one))
    home = said(ended, school.home, who)
    assert text("pages", "school.nothing", "nl") in home
    assert sent_one in home
    assert text("pages", "deliver.ended", "nl") in said(ended, delivering.fill_in, who, table=TABLE, code=PERIOD)
    page = said(ended, school.submission, who, submission=sent_one)
    assert text("pages", "submission.withdraw", "nl") in page
    assert text("pages", "submission.correct", "nl") not in page
    small_world.sequence()
    assert isinstance(receipt_of(ended, who, sent_one), str)
    assert not isinstance(withdraw(ended, who, sent_one), Refused)
    assert isinstance(receive(ended, who, Upload(TABLE, who.party, PERIOD, small_world.counts(0))), Refused)


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


def send(world: World, drawn: int) -> str:
    """The first site sends counts, as drawn for that period: a version that waits."""
    upload = Upload(TABLE, world.region.sites[0].code, PERIOD, world.counts(0, drawn))
    sent = must(receive(world.gateway, world.site(0), upload))
    assert isinstance(sent, Received)
    return sent.submission.id


def page_of(world: World, party: str, submission: str) -> str:
    """The page of a version as somebody of the school sees it."""
    return said(world.gateway, school.submission, Identity(party, "school"), submission=submission)


@pytest.mark.parametrize("confirmed", [True, False])
def test_withdrawing_a_version_that_waits_says_which_one_counts(small_world: World, confirmed: bool) -> None:
    """A confirmed version before it stays the delivery, before and after withdrawing; without one there is none."""
    world, code, next_step = small_world, small_world.region.sites[0].code, ASKED
    if confirmed:
        next_step = f"/school/submissions/{send(world, 1)}"
        must(confirm(world.gateway, world.site(0), next_step.rpartition("/")[2]))
    waiting = send(world, 2)
    before = page_of(world, code, waiting)
    must(withdraw(world.gateway, world.site(0), waiting))
    after = page_of(world, code, waiting)
    stands, none = (
        text("pages", "submission.stands", "nl", version="1"),
        text("pages", "submission.withdraw.text", "nl"),
    )
    assert [stands in before, none in before, stands in after] == [confirmed, not confirmed, confirmed]
    assert f'href="{next_step}"' in after


def test_an_address_makes_a_page_say_no_fault_that_was_not(small_world: World) -> None:
    """Of a delivery its address tells what was tolerated; a rule that refuses a file is said of none that was taken."""
    version, asked = send(small_world, 1), "note=NOTE-CP1252&note=RAW-NUMBER&note=NOTE-NOTHING"
    who = Identity(small_world.region.sites[0].code, "school")
    page = said(small_world.gateway, school.submission, who, query=asked, submission=version)
    assert [rule_text(Fault(rule), "nl") in page for rule in ("NOTE-CP1252", "RAW-NUMBER")] == [True, False]


def test_a_delivery_whose_term_is_over_offers_no_receipt(small_world: World) -> None:
    """Counts and receipts are erased by then: the page says so in their place, and has no button to what is gone."""
    later, kept = small_world.at(COUNTS_OVER), send(small_world, 1)
    must(confirm(small_world.gateway, small_world.site(0), kept))
    pages = [page_of(small_world, small_world.region.sites[0].code, kept)]
    must(run(later.gateway, machine(later)))
    pages.append(page_of(later, later.region.sites[0].code, kept))
    assert [f"/school/submissions/{kept}/receipt" in page for page in pages] == [True, False]
    assert [text("pages", "submission.confirmed.text", "nl") in page for page in pages] == [True, False]
    assert [text("pages", "submission.erased", "nl") in page for page in pages] == [False, True]
    who = Identity(later.region.sites[0].code, "school")
    assert problem_text("receipt-expired", "nl")[0] in said(later.gateway, school.receipt, who, submission=kept)


def test_a_period_that_was_never_closed_offers_nothing_after_its_term(small_world: World) -> None:
    """Neither the form, nor a correction, nor a withdrawal, whatever was sent: each would be refused."""
    sites = [site.code for site in small_world.region.sites[:2]]
    kept = send(small_world, 1)
    must(confirm(small_world.gateway, small_world.site(0), kept))
    offers = (ASKED, f"/school/submissions/{kept}/withdrawal")
    for world, offered in ((small_world, True), (small_world.at(COUNTS_OVER), False)):
        pages = [page_of(world, sites[0], kept), *(seen(world, site) for site in sites)]
        assert [any(offer in page for page in pages) for offer in offers] == [offered] * 2
    form = seen(small_world.at(COUNTS_OVER), sites[1], delivering.fill_in)
    assert text("pages", "deliver.over", "nl") in form
    assert "<form method=" not in form.partition("<main")[2]


def test_the_operator_reads_that_a_period_left_open_is_over(small_world: World) -> None:
    """Its term ended: the list says so, and its page offers to close it and nothing else."""
    late = small_world.at(COUNTS_OVER)
    who = Identity(late.gateway.settings.operator, "operator")
    over = text("pages", "state.expired", "nl")
    assert [over in said(each.gateway, desk.home, who) for each in (small_world, late)] == [False, True]
    must(late.desk.close_period(TABLE, PERIOD))
    assert text("pages", "period.reopen", "nl") not in said(late.gateway, desk.period, who, table=TABLE, code=PERIOD)


def test_a_school_for_which_a_period_was_reopened_is_not_done(small_world: World) -> None:
    """Its page says that it can deliver anew and which delivery counts until then, and leads to the form."""
    world, code, kept = small_world, small_world.region.sites[0].code, send(small_world, 1)
    must(confirm(world.gateway, world.site(0), kept))
    pages = [seen(world, code)]
    must(world.desk.close_period(TABLE, PERIOD))
    must(world.desk.reopen_for(TABLE, PERIOD, code))
    pages.append(seen(world, code))
    at = moment(world.gateway.clock(), "nl")
    told = [text("pages", key, "nl", moment=at) for key in ("school.done", "school.reopened")]
    assert [[each in page for each in (*told, f"{ASKED}?from={kept}")] for page in pages] == [
        [True, False, False], [False, True, True],
    ]  # fmt: skip


@pytest.mark.parametrize(("wrong", "words"), [(6, "En nog 1 veld met"), (7, "En nog 2 velden met")])
def test_the_faults_that_are_not_listed_are_counted(small_world: World, wrong: int, words: str) -> None:
    """Below the first five of a group stands how many more there are."""
    code = small_world.region.sites[0].code
    cells = re.findall(r'name="(n\.[^"]+)"', seen(small_world, code, delivering.fill_in))
    form = dict.fromkeys(cells, "0") | dict.fromkeys(cells[:wrong], "x")
    who = Identity(code, "school")
    assert words in sent(small_world.gateway, delivering.deliver, who, form, table=TABLE, code=PERIOD)


def test_a_missing_delivery_of_a_closed_period_leads_to_what_can_be_done(small_world: World) -> None:
    """Among the earlier periods it links to the page that says how the period is reopened for the site."""
    must(small_world.desk.close_period(TABLE, PERIOD))
    page = seen(small_world, small_world.region.sites[0].code)
    assert text("pages", "state.missing", "nl") in page
    assert f'href="{ASKED}"' in page


OTHER = "own-counts"


def with_another_table(world: World, folder: Path) -> World:
    """The first site delivered for a second table of the same period too."""
    text_of = (CONTRACTS / f"{TABLE}.toml").read_text(encoding="utf-8")
    (folder / "own.toml").write_text(text_of.replace(f'"{TABLE}"', f'"{OTHER}"'), encoding="utf-8")
    kept = send(world, 1)
    must(confirm(world.gateway, world.site(0), kept))
    with world.gateway.writing() as session:
        first = session.get_one(Submission, kept)
        period = session.get_one(Period, first.period_id)
        again = Period(**period.model_dump(exclude={"id"}) | {"table_id": OTHER})
        session.add(again)
        session.flush()
        told = {"id": "f" * 32, "period_id": again.id, "collection": OTHER}
        session.add(Submission(**first.model_dump() | told))
        session.flush()
        for count in session.exec(select(Count).where(Count.submission_id == kept)).all():
            session.add(Count(**count.model_dump() | {"submission_id": told["id"]}))
    return World(dataclasses.replace(world.gateway, contracts=load_contracts(folder)), world.region)


def test_each_table_of_a_period_leads_to_its_own_figures(
    small_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two tables in one period a school reaches both, and no two things on a page have one name."""
    world, asked = with_another_table(small_world, tmp_path), []

    def noted(_gateway: Gateway, _who: Identity, table: str, code: str, _form: Format) -> Refused:
        asked.append((table, code))
        return Refused("not-found")

    monkeypatch.setattr(own_figures, "hold_own", noted)
    school_itself = Identity(world.region.sites[0].code, "school")
    home, history = (said(world.gateway, page, school_itself) for page in (school.home, school.history))
    for query in re.findall(r'"/school/figures\?([^"]+)"', home):
        said(world.gateway, own_figures.figures, school_itself, query=query)
    assert sorted(asked) == [(TABLE, PERIOD), (OTHER, PERIOD)]
    for page in (home, history):
        names = re.findall(r' id="([^"]+)"', page)
        assert len(names) == len(set(names))


def test_a_trend_of_a_school_is_of_one_table(
    small_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two tables in one period the figures of one are drawn: each has kinds and bands of its own."""
    world, asked = with_another_table(small_world, tmp_path), []

    def noted(gateway: Gateway, who: Identity, table: str, code: str, form: Format) -> Held | Refused:
        asked.append(table)
        return hold_own(gateway, who, table, code, form)

    monkeypatch.setattr(trend, "hold_own", noted)
    monkeypatch.setattr(handing, "proven", lambda _gateway, receipt, *_: receipt)
    said(world.gateway, trend.of_school, Identity(world.region.sites[0].code, "school"))
    assert len(asked) == 1


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
