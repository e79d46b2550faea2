"""The frame of every page: whoever it offers a way gets an answer there."""

import httpx
import pytest

from gateway.demo.people import must
from gateway.identity import add_person, issue_link, roles_for
from gateway.register import KINDS, party_fault
from gateway.web.pages import NAVIGATION
from tests.web.conftest import Stage

EVERY = [kind for kind in KINDS if "recipient" in roles_for(kind, operator=False) and kind != "operator"]
CODES = ("GM9999", "PO9999")


@pytest.mark.parametrize("kind", EVERY)
def test_every_recipient_can_follow_its_menu(stage: Stage, kind: str) -> None:
    """Also where no published table has a row of its own area: there is a page, and it says so."""
    own = f"ORG-{kind.replace('_', '-').upper()}"
    code = next(each for each in (*CODES, own) if party_fault(each, kind) is None)
    must(stage.site.world.desk.add_party(code, kind, "Zonder gebied"))
    with stage.gateway.writing() as session:
        link = issue_link(session, add_person(session, code, "recipient", kind), stage.gateway.clock())
    cookies = dict(httpx.post(f"{stage.url}/login/{link}").cookies)
    with httpx.Client(base_url=stage.url, cookies=cookies, timeout=30) as client:
        answers = {path: client.get(path).status_code for path, _ in NAVIGATION["recipient"]}
    assert set(answers.values()) == {200}, answers
