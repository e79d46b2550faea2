"""After a consent ended: what its recipient answers, and what its school reads of that."""

from gateway.consents import append
from gateway.identity import Identity
from gateway.messages import text
from gateway.web import consenting, noticing, recipient
from policies.consent import Giver, Withdrawn
from tests.gateway.conftest import World
from tests.gateway.test_consents import care, given
from tests.web.asking import said, sent


def withdrawn(world: World) -> tuple[Identity, Identity, str]:
    """School, recipient and number of a consent that was withdrawn."""
    recipient, standing = care(world), given(world)
    append(world.gateway, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    return Identity(standing.site, "school"), Identity(recipient.party, "recipient"), standing.id


def test_a_school_reads_what_was_kept_until_it_is_erased(small_world: World) -> None:
    """No answer and its last day, then the ground of keeping, then that it is gone: each on the consent's page."""
    school, recipient, number = withdrawn(small_world)
    gateway, pages = small_world.gateway, []
    for each in ("", "17(3)(c)", "erased"):
        if each:
            sent(gateway, noticing.answer, recipient, {"answer": each}, consent=number)
        pages.append(said(gateway, consenting.consent, school, consent=number))
    told = [text("pages", "consent.notice.waiting", "nl", day="16 november 2026")]
    told += [text("pages", f"notices.answer.{each}", "nl") for each in ("17(3)(c)", "erased")]
    assert [[each in page for each in told] for page in pages] == [[one == at for one in range(3)] for at in range(3)]


def test_a_consent_that_ended_says_what_it_was_for(small_world: World) -> None:
    """Its page does not say that the terms below are unreadable, nor that they hold."""
    care(small_world)
    standing = given(small_world)
    school, pages = Identity(standing.site, "school"), []
    for _ in range(2):
        pages.append(said(small_world.gateway, consenting.consent, school, consent=standing.id))
        append(small_world.gateway, small_world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    told = [text("pages", key, "nl") for key in ("consent.terms", "consent.terms.past")]
    assert [[each in page for each in told] for page in pages] == [[True, False], [False, True]]


def test_where_a_recipient_begins_says_that_a_consent_ended(small_world: World) -> None:
    """By when to answer and where, until it did; the menu leads there always, and only those who receive such data."""
    _, ours, number = withdrawn(small_world)
    other = Identity(next(iter(small_world.region.swvs)), "recipient")
    pages = [said(small_world.gateway, recipient.releases, who) for who in (ours, other)]
    sent(small_world.gateway, noticing.answer, ours, {"answer": "erased"}, consent=number)
    pages.append(said(small_world.gateway, recipient.releases, ours))
    told, menu = text("pages", "releases.ended.one", "nl", day="16 november 2026"), '<li><a href="/notices"'
    assert [(told in page, menu in page) for page in pages] == [(True, True), (False, False), (False, True)]


def test_a_recipient_who_kept_can_say_later_that_it_erased(small_world: World) -> None:
    """The page has a form for that as long as something is kept, and none once all is erased."""
    _, recipient, number = withdrawn(small_world)
    pages = []
    for each in ("17(3)(b)", "erased"):
        sent(small_world.gateway, noticing.answer, recipient, {"answer": each}, consent=number)
        pages.append(said(small_world.gateway, noticing.notices, recipient))
    assert [f'action="/notices/{number}"' in page for page in pages] == [True, False]


def test_an_answer_is_chosen_and_not_preselected(small_world: World) -> None:
    """Nothing is checked; an empty choice comes back with its fault at the field, and nothing was answered."""
    _, recipient, number = withdrawn(small_world)
    before = said(small_world.gateway, noticing.notices, recipient)
    refused = sent(small_world.gateway, noticing.answer, recipient, {"answer": ""}, consent=number)
    after = said(small_world.gateway, noticing.notices, recipient)
    group, fault = f"a-{number[:8]}", text("pages", "notices.fault", "nl")
    assert [" checked" in page for page in (before, refused)] == [False, False]
    assert [fault in page for page in (before, refused, after)] == [False, True, False]
    assert [place in refused for place in (f'href="#{group}"', f'id="{group}"', "<title>Fout:")] == [True] * 3
    assert f'action="/notices/{number}"' in after
