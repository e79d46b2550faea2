"""The operator's people from their login links to a published release, and to somebody who is let in."""

import json

import pytest
from joserfc.jwk import ECKey

from gateway.messages import named
from gateway.store import ReleaseState
from tests.gateway.conftest import PERIOD, TABLE
from tests.web.conftest import CARE, SITES, Stage, Visit, await_state, csrf, deliver
from tests.web.walking import both, enter, expect, said, sound, spoken


@pytest.mark.parametrize(("language", "number"), [("nl", 3), ("en", 4)])
def test_four_eyes_release_a_period(stage: Stage, visit: Visit, language: str, number: int) -> None:
    """One person opens, closes and builds; cannot approve; another approves with a reason; published, withdrawn."""
    builder, approver, period = visit(language=language), visit(language=language), f"2026-2027-{number}"
    enter(builder, stage, "builder")
    builder.locator("#code").fill(period)
    builder.locator("#deadline").fill("2027-03-01")
    builder.get_by_role("button", name=said(builder, "operator.open.button")).click()
    expect(builder.locator("h1 .state-open")).to_be_visible()
    deliver(stage.site.world, period, range(SITES - 2), number)
    builder.reload()
    expect(builder.locator(".numbers a").first).to_contain_text(str(SITES - 2))
    builder.get_by_role("button", name=said(builder, "period.close")).click()
    builder.get_by_role("button", name=said(builder, "period.build.button")).click()
    release = builder.url.rpartition("/")[2]
    await_state(stage.gateway, release, ReleaseState.BUILT)
    builder.reload()
    expect(builder.get_by_text(said(builder, "review.own"), exact=True)).to_be_visible()
    expect(builder.locator("#useful-po ~ tbody th").first).to_have_text(named("site", spoken(builder)))
    assert builder.get_by_role("button", name=said(builder, "review.approve")).count() == 0
    sound(builder)
    enter(approver, stage, "approver")
    approver.goto(f"/operator/releases/{release}")
    approver.locator("textarea:visible").fill("Vergeleken met periode 1, niets vreemds.")
    sound(approver)
    approver.get_by_role("button", name=said(approver, "review.approve")).click()
    expect(approver.get_by_text("Vergeleken met periode 1")).to_be_visible()
    approver.locator("textarea:visible").fill("Afgesproken dag.")
    approver.get_by_role("button", name=said(approver, "review.publish")).click()
    expect(approver.locator("h1 .state-published")).to_be_visible()
    reader = visit("swv", language=language)
    reader.goto("/releases")
    expect(reader.locator(".newest")).to_contain_text(period)
    approver.locator("aside summary").click()
    approver.locator("textarea:visible").fill("Oefening voorbij.")
    approver.get_by_role("button", name=said(approver, "review.withdraw")).click()
    expect(approver.locator("h1 .state-withdrawn")).to_be_visible()
    sound(approver)


@both
def test_the_operator_keeps_the_register(stage: Stage, visit: Visit, language: str) -> None:
    """A supplier with its mandate, and a recipient's key that is lost again: each stands on its page."""
    page, supplier, key = visit("builder", language=language), f"ORG-LAS-{language.upper()}", f"care-key-{language}"
    page.goto("/operator/parties")
    page.locator("#code").fill(supplier)
    page.locator("#new-kind").select_option("supplier")
    page.locator("#name").fill("Leerlingadministratie BV")
    page.get_by_role("button", name=said(page, "parties.add")).click()
    expect(page.get_by_text(said(page, "party.mandates.none"))).to_be_visible()
    page.locator("#site").fill(stage.sites[2].code)
    page.get_by_role("button", name=said(page, "party.mandate.button")).click()
    expect(page.locator("section[aria-labelledby=mandates] li")).to_contain_text(stage.sites[2].code)
    sound(page)
    page.goto(f"/operator/parties/{CARE}")
    made = ECKey.generate_key("P-256", {"kid": key}, private=True)
    page.locator("#jwk").fill(json.dumps(made.as_dict(private=False)))
    page.get_by_role("button", name=said(page, "party.key.button")).click()
    listed = page.locator("section[aria-labelledby=keys] li", has_text=key)
    expect(listed).to_be_visible()
    sound(page)
    listed.get_by_role("button", name=said(page, "party.key.withdraw")).click()
    expect(listed).to_have_count(0)
    page.goto("/operator/system")
    for heading in ("system.keys", "system.log", "system.retention", "operator.jobs"):
        expect(page.get_by_role("heading", name=said(page, heading), exact=True)).to_be_visible()
    expect(page.locator("table .state-active").first).to_be_visible()


@both
def test_the_operator_lets_somebody_in(stage: Stage, visit: Visit, language: str) -> None:
    """A participant is found, a link is made and works once; it is shown on one page only."""
    page, guest = visit("builder", language=language), visit(language=language)
    page.goto("/operator/parties")
    page.locator("#q").fill("Samenwerkingsverband")
    page.get_by_role("button", name=said(page, "parties.find")).click()
    page.locator("tbody a").first.click()
    page.locator("#label").fill("Analist")
    page.get_by_role("button", name=said(page, "party.invite.button")).click()
    sound(page)
    link = page.locator(".secret").inner_text().replace(stage.gateway.settings.base_url, stage.url)
    guest.goto(link)
    guest.locator("main button").click()
    expect(guest.locator(".who")).to_contain_text("Analist")
    page.reload()
    assert link.rpartition("/")[2] not in visit("builder").goto(page.url).text()  # type: ignore[union-attr]  # goto answers
    guest.goto(link)
    gone = said(guest, "login.expired")
    expect(guest.get_by_role("heading", level=1)).to_have_text(gone)


def test_a_reopening_is_ended_on_the_page_of_its_period(stage: Stage) -> None:
    """Reopened for one school, the page names it and offers to close; to build only when that is done."""
    address, late = f"/operator/periods/{TABLE}/{PERIOD}", stage.sites[1].code
    with stage.client("builder") as builder:
        sent = {"csrf": csrf(builder.get(address).text)}
        builder.post(address, data=sent | {"act": "reopen", "site": late})
        reopened = builder.get(address).text
        builder.post(address, data=sent | {"act": "close"})
        closed = builder.get(address).text
    offered = [[f'value="{act}"' in page for act in ("close", "build")] for page in (reopened, closed)]
    assert offered == [[True, False], [False, True]]
    assert f"Heropend voor {late}" in reopened
