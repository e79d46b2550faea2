"""The operator's page of a party: who and what may act for it."""

import html
import re
from datetime import timedelta

import httpx
import pytest

from gateway.demo.people import must
from gateway.messages import problem_text, text
from gateway.outcome import Refused
from gateway.web import parties
from tests.gateway.conftest import World
from tests.web.asking import said
from tests.web.conftest import CARE, Stage, age, csrf
from tests.web.judging import faults_of_markup

OIN = "00000003123456780000"


def test_a_certificate_is_seen_and_has_a_button_that_ends_it(small_world: World) -> None:
    """Its number stands at its party like a token, with the same button while it is good."""
    code, desk = small_world.region.sites[0].code, small_world.desk
    must(desk.register_oin(code, OIN, scopes=["submit"]))
    before = said(small_world.gateway, parties.party, desk.identity, party=code)
    assert must(desk.revoke_token(OIN))
    after = said(small_world.gateway, parties.party, desk.identity, party=code)
    assert [f'name="token" value="{OIN}"' in page for page in (before, after)] == [True, False]
    assert f'<code class="hash">{OIN}</code> <span>{text("pages", "scope.submit", "nl")}</span>' in before
    assert text("pages", "state.revoked", "nl") in after.partition(OIN)[2]


def test_a_locked_party_gets_no_token_and_its_page_says_why(small_world: World) -> None:
    """Neither a token nor a certificate is a way around the lock; the page has the command that ends it."""
    code, desk = small_world.region.sites[0].code, small_world.desk
    expires = small_world.gateway.clock() + timedelta(days=1)

    def tried() -> list[object]:
        token = desk.issue_token(code, scopes=["submit"], expires_at=expires)
        return [
            isinstance(each, Refused) and each.code for each in (token, desk.register_oin(code, OIN, scopes=["submit"]))
        ]

    must(desk.end_credentials(code))
    locked = said(small_world.gateway, parties.party, desk.identity, party=code)
    refused = tried()
    must(desk.let_in(code))
    let_in = said(small_world.gateway, parties.party, desk.identity, party=code)
    assert [f"verzuimpoort party let-in {code}" in page for page in (locked, let_in)] == [True, False]
    assert (refused, tried()) == (["party-locked"] * 2, [False] * 2)


def test_the_page_of_a_site_says_how_a_site_ends(small_world: World) -> None:
    """No button ends a site: the command stands there, and not at a party that is none."""
    site = small_world.region.sites[0]
    pages = [
        said(small_world.gateway, parties.party, small_world.desk.identity, party=code)
        for code in (site.code, site.swv)
    ]
    assert [f"verzuimpoort party end {site.code}" in page for page in pages] == [True, False]


SUPPLIER = "ORG-LEVERANCIER"
FORMS = [
    (SUPPLIER, {"act": "mandate", "site": "01ab|VO1", "until": ""}, "until"),
    (SUPPLIER, {"act": "mandate", "site": "01ab|VO1", "until": "LATER"}, "site"),
    (SUPPLIER, {"act": "mandate", "site": "SITE", "until": "2020-01-01"}, "until"),
    (SUPPLIER, {"act": "invite", "role": "privacy-officer", "label": "x" * 201}, "label"),
    (CARE, {"act": "key", "jwk": '{"kty": "EC", "d": "geheim"}'}, "jwk"),
]


@pytest.mark.parametrize(("party", "typed", "field"), FORMS)
def test_a_refused_form_comes_back_with_its_fault_at_the_field(
    stage: Stage, party: str, typed: dict[str, str], field: str
) -> None:
    """What was typed stays, but for a key that can be a private one; the summary leads to the field that is wrong."""
    later, site = str(stage.gateway.today + timedelta(days=1)), stage.sites[0].code
    typed = {name: value.replace("LATER", later).replace("SITE", site) for name, value in typed.items()}
    with stage.client("builder") as builder:
        add_supplier(builder)
        answer = send(builder, party, typed)
    assert answer.status_code == 400
    assert re.findall(r'class="fault" id="(\w+)-fault"', answer.text) == [field]
    assert answer.text.count('aria-invalid="true"') == 1
    assert f'<li><a href="#{field}">' in answer.text
    assert {name: shown(answer.text, name) for name in typed if name != "act"} == {
        name: "" if name == "jwk" else value for name, value in typed.items() if name != "act"
    }
    assert not faults_of_markup(answer.text)


def test_a_mandate_of_an_unknown_site_says_what_is_wrong(stage: Stage) -> None:
    """At the field stands that the code is not in the register, not only what to do."""
    later = str(stage.gateway.today + timedelta(days=1))
    with stage.client("builder") as builder:
        add_supplier(builder)
        answer = send(builder, SUPPLIER, {"act": "mandate", "site": "00ZZ00", "until": later})
    assert ". ".join(problem_text("unknown-party", "nl")) in answer.text


def add_supplier(client: httpx.Client) -> None:
    """A supplier of the register; once more changes nothing."""
    added = {"csrf": csrf(client.get("/operator/parties").text), "code": SUPPLIER, "kind": "supplier"}
    client.post("/operator/parties", data=added | {"name": "Leverancier"})


def test_what_was_typed_stays_when_the_proof_is_too_old(stage: Stage) -> None:
    """Before anything is typed the page leads to a fresh proof; a form that is sent all the same comes back whole."""
    with stage.fresh("builder") as builder:
        age(stage, builder.cookies, proven_at=stage.gateway.settings.proven_for)
        assert 'href="/session">opnieuw' in builder.get(f"/operator/parties/{CARE}").text
        told = send(builder, CARE, {"act": "invite", "role": "privacy-officer", "label": "Wim"})
        problem = send(builder, CARE, {"act": "withdraw-key", "kid": "none"})
    assert (told.status_code, shown(told.text, "label"), shown(told.text, "role")) == (403, "Wim", "privacy-officer")
    assert '<a class="button" href="/session">' in problem.text


def send(client: httpx.Client, party: str, fields: dict[str, str]) -> httpx.Response:
    address = f"/operator/parties/{party}"
    return client.post(address, data={"csrf": csrf(client.get(address).text), **fields})


def shown(page: str, name: str) -> str:
    """What a field of a page holds."""
    field = re.split("</div>", page.partition(f' id="{name}" ')[2])[0]
    found = re.search(r'value="([^"]*)"(?: selected| required)', field) or re.search(">([^<]*)</textarea>", field)
    return html.unescape(found[1]) if found else "?"
