"""The register of processing, made from the files in force."""

# ruff: noqa: E501  a table is read by its rows

import datetime as dt
import json
from typing import Any

import pytest

from policies.changes import Change, changes
from policies.consent import Giver, State
from policies.documents import Language, changes_page, explanation, parents_page, receipt_page, register_page
from policies.dpia import Measured
from policies.errors import PolicyError
from policies.receipt import receipt
from policies.register import Json, digest, register_document
from tests.policies.consents import asked, given, signed, state, withdrawn
from tests.policies.world import law, noon

DAY = noon("2026-11-02")
FIGURE = Measured("attacker", "0 exact, 0 narrowed", DAY, "verklaring R-1")


def document(day: str = "2026-11-02", figures: tuple[Measured, ...] = (FIGURE,)) -> dict[str, Any]:
    """The register of a day."""
    engine = law()
    return dict(
        register_document(
            engine.law, on=dt.date.fromisoformat(day), standing=engine.standing(noon(day)), measured=figures
        )
    )


NOW = document()


def entry(part: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """The entry with this id."""
    return next(item for item in part if item["id"] == key)


def test_the_evidence_of_a_consent_has_the_term_of_accounting() -> None:
    """It outlives the health data that it allowed, and is listed where its term is, with the log's own."""
    events = {"nl": "gebeurtenissen rond een toestemming", "en": "events about a consent"}
    kept = {one["id"]: one["retention"]["after"] for one in NOW["controller"] if events in one["data"]}
    assert kept == {"accountability": "school_year"}


def test_the_controllers_register_has_everything_art_30_asks() -> None:
    """Art. 30(1)(a)-(g), and the legal basis with the document it stands in."""
    swv = entry(NOW["controller"], "absence-insight-swv")
    assert swv["controller"]["nl"].startswith("de minister")
    assert swv["purpose"]["en"] == "Insight into absence for the school partnership"
    assert swv["data_subjects"]["nl"].startswith("niemand")
    assert swv["data"] == [{"nl": "beschermde tabellen", "en": "protected tables"}]
    assert swv["recipients"] == [{"nl": "samenwerkingsverband", "en": "school partnership"}]
    assert swv["third_countries"] == []
    assert swv["retention"]["days"] == 1826
    assert swv["release"]["minimum"] == 5
    assert swv["legal_basis"][0]["source"]["nl"].startswith("Kamerstuk 36663 nr. 8")
    assert swv["in_force_by"] == {"from": "2026-08-01", "citation": "oefening, geen wet"}
    assert entry(NOW["controller"], "care-with-consent")["special_category"]
    assert entry(NOW["controller"], "statutory-counts")["special_category"]
    assert not swv["special_category"]


def test_the_processors_register_says_on_whose_behalf() -> None:
    """Art. 30(2)."""
    counting = entry(NOW["processor"], "counting-for-school")
    assert counting["on_behalf_of"]["nl"] == "de school"
    assert counting["processor"]["nl"] == "de beheerder van de verzuimpoort"


def test_the_register_says_what_the_engine_does() -> None:
    """Exactly the purposes that work that day are in it; the others are off, with the engine's reason."""
    before = document("2026-07-31")
    assert {item["id"] for item in NOW["controller"]} - {item["id"] for item in before["controller"]} == {
        "statutory-counts", "absence-insight-swv", "absence-insight-gemeente", "national-picture", "region-for-school",
    }  # fmt: skip
    off = entry(NOW["switched_off"], "research")
    assert off["why"][-1]["en"].startswith("The bill has no delivery to researchers")
    assert {item["id"] for item in NOW["controller"]} | {item["id"] for item in NOW["switched_off"]} == set(
        law().purposes
    )


def test_measures_carry_measured_figures_or_none() -> None:
    """A figure is shown with its day and evidence; without one nothing is claimed."""
    measures = NOW["assessment"]["measures"]
    assert entry(measures, "attacker")["measured"] == [
        {"value": "0 exact, 0 narrowed", "at": "2026-11-02T12:00:00+01:00", "evidence": "verklaring R-1"}
    ]
    assert entry(measures, "retention")["measured"] == []
    assert "nog niet gemeten" in register_page(NOW)


def test_a_figure_of_no_measure_is_an_error() -> None:
    """A mistyped measure would hide its figure in silence."""
    with pytest.raises(PolicyError, match="no measure atacker"):
        document(figures=(Measured("atacker", "0", DAY, "R-1"),))


def test_open_questions_are_what_is_undecided_and_what_rests_on_a_bill() -> None:
    """Undecided purposes and rules, and what the operator set in force."""
    asked_about = {item["id"] for item in NOW["open_questions"]}
    assert {"research", "mbo", "suspensions-undecided", "statutory-counts"} <= asked_about
    assert not {"provinces", "own-school", "not-your-school"} & asked_about


def test_a_document_carries_its_hash() -> None:
    """Over everything but itself; the same law and day give the same one."""
    assert NOW["sha256"] == digest(NOW) == document()["sha256"]
    assert digest({**NOW, "on": "2026-11-03"}) != NOW["sha256"]
    assert json.loads(json.dumps(NOW)) == NOW


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [Change("changed", "a", 1, 2)]),
        ({"a": 1}, {}, [Change("removed", "a", 1, None)]),
        ({}, {"a": {"b": 1}}, [Change("added", "a", None, {"b": 1})]),
        ({"p": [{"id": "x", "n": 1}]}, {"p": [{"id": "y", "n": 2}, {"id": "x", "n": 3}]}, [Change("changed", "p.x.n", 1, 3), Change("added", "p.y", None, {"id": "y", "n": 2})]),
        ({"l": [1, 2]}, {"l": [2, 1]}, [Change("changed", "l", [1, 2], [2, 1])]),
        ({"l": []}, {"l": [{"id": "x"}]}, [Change("changed", "l", [], [{"id": "x"}])]),
    ],
)  # fmt: skip
def test_two_versions_are_compared_entry_by_entry(before: Json, after: Json, found: list[Change]) -> None:
    """Entries are matched by their id, whatever their place."""
    assert list(changes(before, after)) == found


def test_a_page_of_changes_names_what_came_and_went() -> None:
    """From the day before to the day after the operator's date."""
    page = changes_page(document("2026-07-31"), NOW)
    assert "controller.statutory-counts" in page
    assert "erbij" in page
    assert "Er is niets veranderd" in changes_page(NOW, NOW)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_pages_are_whole_in_both_languages(language: Language) -> None:
    """Every purpose and rule is on the register, every plain sentence on the parents' page."""
    page, parents = register_page(NOW, language), parents_page(NOW, language)
    assert f'<html lang="{language}">' in page
    for rule in law().rules:
        assert f'id="rule-{rule}"' in page
    for purpose in law().purposes.values():
        assert getattr(purpose.plain, language) in parents.replace("&#39;", "'")
    assert NOW["sha256"] in page
    assert NOW["sha256"] in parents


def test_text_from_files_cannot_become_markup() -> None:
    """A citation with angle brackets stays text on every page."""
    wicked = "<script>alert(1)</script>"
    page = register_page(document(figures=(Measured("attacker", wicked, DAY, wicked),)))
    assert wicked not in page
    assert "&lt;script&gt;" in page


def test_the_law_of_a_day_as_plain_text() -> None:
    """For a terminal: purposes with their standing, rules as sentences with citation and place."""
    text = explanation(NOW)
    assert "+ statutory-counts: Wettelijke aantallen (voorgesteld, 2026-08-01, oefening, geen wet)" in text
    assert "- research: Wetenschappelijk onderzoek (onbeslist)" in text
    assert "swv-no-personal-data (10-law.cedar:" in text
    assert "&" not in text


GIVEN = [asked(), given()]


def made(events: list[Any], day: str = "2026-10-05") -> dict[str, Any]:
    """A receipt."""
    return dict(
        receipt(law().law, consent="c-1", state=state(events, day), site="00AB00", signatures=signed(Giver.PARENT), withdraw_at="https://school.example/intrekken")
    )  # fmt: skip


def test_a_receipt_speaks_the_terms_of_the_standard() -> None:
    """Record, status, controllers, legal basis, purpose, data, recipient, duration, notice and how to withdraw."""
    paper = made(GIVEN)
    record = paper["dpv:hasRecordOfActivity"]
    assert paper["@type"] == "dpv:ConsentReceipt"
    assert paper["dct:identifier"] == "c-1-2"
    assert record["dpv:hasConsentStatus"] == "dpv:ConsentGiven"
    assert record["dpv:hasLegalBasis"] == "eu-gdpr:A9-2-a"
    process = record["dpv:hasProcess"]
    assert process["dpv:hasRecipient"] == "ORG-JGZ"
    assert process["dpv:hasDuration"] == {"first_day": "2026-09-01", "last_day": "2027-03-01"}
    assert {item["@type"] for item in process["dpv:hasPersonalData"]} == {
        "dpv:SpecialCategoryPersonalData",
        "dpv:PersonalData",
    }
    assert json.loads(json.dumps(paper)) == paper


def test_a_receipt_follows_the_state() -> None:
    """After withdrawal it says so."""
    paper = made([*GIVEN, withdrawn("2026-10-01")])
    assert paper["dpv:hasRecordOfActivity"]["dpv:hasConsentStatus"] == "dpv:ConsentWithdrawn"
    assert "ingetrokken" in page_of(paper, "https://school.example/intrekken")


def page_of(paper: dict[str, Any], withdraw_at: str, language: Language = "nl") -> str:
    """What is taken home."""
    return receipt_page(paper, withdraw_at, language, recipient="GGD Ergens", day=lambda day: f"dag {day}")


def test_a_receipt_page_has_one_way_to_withdraw() -> None:
    """A link where there is an https address, words where there is not; never another kind of link."""
    paper = made(GIVEN)
    assert 'href="https://school.example/intrekken"' in page_of(paper, "https://school.example/intrekken")
    assert "Dat doet u bij: <strong>de administratie</strong>" in page_of(paper, "de administratie")
    assert "href" not in page_of(paper, "javascript:alert(1)")


@pytest.mark.parametrize(("language", "complain"), [("nl", "klagen bij de school"), ("en", "complain to the school")])
def test_a_receipt_page_says_who_receives_and_where_to_complain(language: Language, complain: str) -> None:
    """The recipient's name beside its code, the days in words, and somebody to turn to."""
    page = page_of(made(GIVEN), "de school", language)
    told = ("GGD Ergens (<code>ORG-JGZ</code>)", "dag 2026-09-01 – dag 2027-03-01", complain)
    assert [each for each in told if each not in page] == []


def test_there_is_no_receipt_for_nothing() -> None:
    """A consent that was never asked."""
    with pytest.raises(PolicyError, match="was asked"):
        receipt(law().law, consent="c-1", state=State(), site="00AB00", withdraw_at="x")
