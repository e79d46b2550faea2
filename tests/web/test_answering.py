"""The page on which a school answers a parent: what it says is all there is, or says what it misses."""

import json

from gateway.consented import read_all, send
from gateway.demo.people import must
from gateway.identity import Identity
from gateway.messages import text
from gateway.web import answering, consenting
from tests.gateway.conftest import World
from tests.gateway.documents import local_pseudonym
from tests.gateway.test_consents import HOURS, care, given, sealed
from tests.web.asking import said, sent


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


def test_the_list_of_consents_has_the_number_that_is_asked_for(small_world: World) -> None:
    """The number a school writes in the pupil's file is the whole one, which the answer to a parent needs."""
    care(small_world)
    standing = given(small_world)
    listed = said(small_world.gateway, consenting.home, Identity(standing.site, "school"))
    assert f"<code>{standing.id}</code>" in listed
