"""The operator's page of a party: who and what may act for it."""

from gateway.demo.people import must
from gateway.messages import text
from gateway.web import parties
from tests.gateway.conftest import World
from tests.web.asking import said

OIN = "00000003123456780000"


def test_a_certificate_is_seen_and_has_a_button_that_ends_it(small_world: World) -> None:
    """Its number stands at its party like a token, with the same button while it is good."""
    code, desk = small_world.region.sites[0].code, small_world.desk
    must(desk.register_oin(code, OIN, scopes=["submit"]))
    before = said(small_world.gateway, parties.party, desk.identity, party=code)
    assert must(desk.revoke_token(OIN))
    after = said(small_world.gateway, parties.party, desk.identity, party=code)
    assert [f'name="token" value="{OIN}"' in page for page in (before, after)] == [True, False]
    assert text("pages", "state.revoked", "nl") in after.partition(OIN)[2]
