"""The page on which a school answers a parent: what it says is all there is, or says what it misses."""

import json
import re
from dataclasses import replace

from gateway.access import Held, HeldRow
from gateway.collections import Records
from gateway.consented import read_all, send
from gateway.consents import append
from gateway.demo.people import must
from gateway.identity import Identity
from gateway.messages import named, text
from gateway.retention import run
from gateway.web import answering, consenting
from policies.consent import Giver, Withdrawn
from tests.gateway.conftest import World
from tests.gateway.documents import local_pseudonym
from tests.gateway.records import delivered
from tests.gateway.test_consents import HOURS, KEY, care, given, sealed
from tests.gateway.test_retention import LAST_DAY, OVER, machine
from tests.web.asking import said, sent
from tests.web.conftest import CARE, Stage, Visit
from tests.web.walking import both, expect, sound


def asked(world: World, consents: str, **more: str) -> str:
    """What the first school reads of a pupil of whom it delivered nothing, and of these consents."""
    school = Identity(world.region.sites[0].code, "school")
    form = {"school_year": "2026-2027", "pseudonym": local_pseudonym(1, b"x"), "consents": consents}
    return sent(world.gateway, answering.ask, school, form | more)


def test_a_number_that_leads_to_no_consent_is_not_nothing(small_world: World) -> None:
    """A slip in a number is told, and that nothing is recorded is not; a shortened one is no number."""
    care(small_world)
    number = given(small_world).id
    slip = f"{'0' if number[0] != '0' else '1'}{number[1:]}"
    words = {key: text("pages", f"access.{key}", "nl") for key in ("nothing", "unknown", "found")}
    words["fault"] = text("pages", "access.fault.consents", "nl", most="20")
    answers = [asked(small_world, form) for form in ("", slip, number[:8], number.upper())]
    told = [[key for key, said in words.items() if said in answer] for answer in answers]
    assert told == [["nothing"], ["unknown"], ["fault"], ["found"]]


def test_the_page_asks_about_the_year_of_which_rows_are_kept(small_world: World) -> None:
    """After the summer that is the year before, until its rows are erased; then it is the year that began."""
    delivered(small_world)
    school = Identity(small_world.region.sites[0].code, "school")
    years = []
    for moment in (LAST_DAY, OVER):
        later = small_world.at(moment)
        must(run(later.gateway, machine(later)))
        page = said(later.gateway, answering.blank, school)
        years += re.findall(r'name="school_year"[^>]* value="([^"]*)"', page)
    assert years == ["2026-2027", "2027-2028"]


def test_an_empty_answer_names_the_years_of_which_rows_are_kept(small_world: World) -> None:
    """Beside that nothing is recorded for this school year stands of which others there are rows."""
    delivered(small_world)
    page = asked(small_world, "", school_year="2027-2028")
    assert text("pages", "access.nothing", "nl") in page
    assert text("pages", "access.others", "nl", years="2026-2027") in page


def test_page_and_file_have_the_hours_and_who_read_them(small_world: World) -> None:
    """What the gateway can open it shows: hours, when they came, what happened to the consent, every use of it."""
    recipient, standing = care(small_world), given(small_world)
    must(send(small_world.gateway, small_world.site(0), standing.id, sealed(), HOURS))
    read_all(small_world.gateway, recipient)
    small_world.sequence()
    page = asked(small_world, standing.id)
    told = ("31,50", "235,00", text("pages", "consent.event.given", "nl"), text("pages", "event.record.read", "nl"))
    assert [each for each in told if each not in page] == []
    (consent,) = json.loads(asked(small_world, standing.id, act="file"))["consents"]
    assert [record["data"]["hours_illness"] for record in consent["records"]] == ["31.5"]
    assert [event["event"] for event in consent["events"]] == ["asked", "given"]
    logged = ["consent.asked", "consent.given", "record.stored", "record.read"]
    assert [act["event"] for act in consent["log"]] == logged


def test_hours_of_two_collections_stand_each_under_their_kind(small_world: World) -> None:
    """A deployment's own rows have other kinds of hours, in another order: no number stands under another's head."""
    gateway, site = small_world.gateway, small_world.region.sites[0].code
    contract = gateway.contracts["absence-records"]
    own = {"id": "pilot-records", "records": Records(scheduled="s", hours={"unauthorised": "u", "all": "a"})}
    pilot = replace(contract, collection=contract.collection.model_copy(update=own))
    rows = (
        HeldRow("2026-2027-1", "absence-records", "undivided", 20_000, (100, 200)),
        HeldRow("2026-2027-2", "pilot-records", "undivided", 20_000, (300, 400)),
    )
    page = said(
        replace(gateway, contracts={**gateway.contracts, "pilot-records": pilot}),
        lambda request, who: answering._page(request, who, {}, [], Held(rows, (), ())),
        Identity(site, "school"),
    )
    heads = re.findall('<th scope="col" class="num">(.*?)</th>', page)
    cells = re.findall('<td class="num">(.*?)</td>', page)
    places = [heads.index(named(kind, "nl")) for kind in ("authorised", "unauthorised", "all")]
    assert [[line[at] for at in places] for line in (cells[: len(heads)], cells[len(heads) :])] == [
        ["1,00", "2,00", ""],
        ["", "3,00", "4,00"],
    ]


def test_the_list_of_consents_has_the_number_that_is_asked_for(small_world: World) -> None:
    """The number a school writes in the pupil's file is the whole one, which the answer to a parent needs."""
    care(small_world)
    standing = given(small_world)
    listed = said(small_world.gateway, consenting.home, Identity(standing.site, "school"))
    assert f"<code>{standing.id}</code>" in listed


@both
def test_an_answer_with_a_consent_reads_well(stage: Stage, visit: Visit, language: str) -> None:
    """Sound before and after its end, with hours and with none, beside a number that is nobody's."""
    page = visit("school", language=language, viewport={"width": 320, "height": 900})
    world = stage.site.world
    world.desk.register_key(CARE, {name: str(value) for name, value in KEY.as_dict(private=False).items()})
    standing = given(world)
    must(send(world.gateway, world.site(0), standing.id, sealed(), HOURS))
    for state in ("given", "withdrawn"):
        page.goto("/access")
        page.locator("#pseudonym").fill(local_pseudonym(1, b"x"))
        page.locator("#consents").fill(f"{standing.id} {'0' * 32}")
        page.locator("main form.stack button:not([name=speak])").click()
        expect(page.locator(f"h2 .state-{state}")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        sound(page)
        append(world.gateway, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
