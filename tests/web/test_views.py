"""An officer's own views of the timeline: kept under a name, for this person, and nothing but filters."""

import html
import re
from urllib.parse import urlencode

import httpx
import pytest

from gateway import trail
from gateway.demo.people import MINISTER
from gateway.web.views import MOST
from tests.web.conftest import Stage

OFFICER, OTHER = "controller-officer", "privacy-officer"


def send(client: httpx.Client, **fields: str) -> httpx.Response:
    """The form of the page with these fields."""
    page = client.get("/audit").text
    csrf = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
    return client.post("/audit/views", data={"csrf": csrf, **fields}, follow_redirects=False)


def tabs(client: httpx.Client) -> dict[str, str]:
    """Name → address of the views on the page."""
    page = client.get("/audit").text
    return {name: address for address, name in re.findall(r'<li><a href="(/audit[^"]*)"[^>]*>([^<]+)</a></li>', page)}


def test_a_view_is_kept_opened_and_removed(stage: Stage) -> None:
    """Filters under a name appear as a tab of this person only, and go when asked."""
    query = "decision=deny&period=2026-2027-1"
    with stage.client(OFFICER) as client, stage.client(OTHER) as other:
        assert send(client, act="keep", name="Weigeringen", query=query).headers["location"] == f"/audit?{query}"
        assert tabs(client)["Weigeringen"].replace("&amp;", "&") == f"/audit?{query}"
        assert "Verwijder de weergave “Weigeringen”" in client.get(f"/audit?{query}").text
        assert "Weigeringen" not in tabs(other)
        assert send(client, act="keep", name="Weigeringen", query="event=audit.viewed").status_code == 303
        assert tabs(client)["Weigeringen"] == "/audit?event=audit.viewed"
        assert send(client, act="remove", name="Weigeringen", query="event=audit.viewed").status_code == 303
        assert "Weigeringen" not in tabs(client)


@pytest.mark.parametrize(
    "fields",
    [
        {"act": "keep", "name": "", "query": "decision=deny"},
        {"act": "keep", "name": "leeg", "query": ""},
        {"act": "keep", "name": "vreemd", "query": "shoe=44&before=1.2"},
        {"act": "burn", "name": "x", "query": "decision=deny"},
        {"act": "keep", "name": "lang", "query": "organisation=" + "x" * 3_000},
    ],
)
def test_what_is_no_view_is_not_kept(stage: Stage, fields: dict[str, str]) -> None:
    """Without a name, without a filter the page knows, or longer than an address may be: refused."""
    with stage.client(OFFICER) as client:
        assert send(client, **fields).status_code == 400
        assert fields["name"] not in tabs(client)


def test_there_is_room_for_a_dozen(stage: Stage) -> None:
    """One more than there is room for is refused; the page says so instead of offering the form."""
    with stage.client(OTHER) as client:
        for number in range(MOST):
            assert send(client, act="keep", name=f"w{number}", query=f"period=2026-2027-{number}").status_code == 303
        assert send(client, act="keep", name="te veel", query="decision=deny").status_code == 400
        assert 'name="act" value="keep"' not in client.get("/audit?event=audit.viewed").text
        for number in range(MOST):
            send(client, act="remove", name=f"w{number}", query=f"period=2026-2027-{number}")


def test_an_entry_leads_to_the_others_about_the_same(stage: Stage) -> None:
    """What was acted on is a link to its entries; the form says that it filters, and keeps doing so."""
    with stage.client(OFFICER) as client:
        leaf = client.get("/audit?event=release.published").text.partition("/audit/entries/")[2][:64]
        link = re.findall(r'href="(/audit\?object=[^"]+)"', client.get(f"/audit/entries/{leaf}").text)[0]
        page = client.get(link).text
    assert page.count('href="/audit/entries/') > 1
    assert re.search(r'name="object" value="release:', page)


def test_the_timeline_filters_by_legal_basis(stage: Stage) -> None:
    """The form offers every basis of the log; one of them leaves its entries only, on the page and over the API."""
    with stage.client(OFFICER) as client, stage.site.client(MINISTER, scopes=("audit",)) as machine:
        page = client.get("/audit").text.partition('<select id="basis"')[2].partition("</select>")[0]
        offered = [html.unescape(value) for value in re.findall(r'<option value="([^"]+)"', page)]
        assert len(offered) > 2
        for basis in offered:
            shown = client.get("/audit", params={"basis": basis}).text
            entries = machine.get("/v1/audit/entries", params={"basis": basis}).json()["entries"]
            assert {each["basis"] for each in entries} == {basis}
            assert shown.count('href="/audit/entries/') >= len(entries)
            assert f'value="{html.escape(urlencode({"basis": basis}))}"' in shown  # a view of it can be kept


def test_a_machine_reads_the_log_page_by_page(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page leads to the next under the same filters, until every entry was there once, the newest first."""
    deliveries = {"event": "submission.confirmed"}
    with stage.site.client(MINISTER, scopes=("audit",)) as machine:
        every = machine.get("/v1/audit/entries", params=deliveries).json()["entries"]
        monkeypatch.setattr(trail, "PAGE", len(every) - 2)
        first = machine.get("/v1/audit/entries", params=deliveries)
        last = machine.get(first.links["next"]["url"])
        odd = machine.get("/v1/audit/entries", params={"before": "yesterday"})
    assert first.json()["entries"] + last.json()["entries"] == every
    assert (len(last.json()["entries"]), last.links, odd.status_code) == (2, {}, 400)


def test_a_machine_filters_by_organisation_and_by_what_was_acted_upon(stage: Stage) -> None:
    """As on the page: what names an organisation, as who acted or otherwise, and what is about one release."""
    school = stage.site.world.region.sites[0].code
    with stage.site.client(MINISTER, scopes=("audit",)) as machine:
        own = machine.get("/v1/audit/entries", params={"organisation": school}).json()["entries"]
        about = machine.get("/v1/audit/entries", params={"object": f"release:{stage.release}"}).json()["entries"]
        counted = machine.get("/v1/audit/report", params={"object": f"release:{stage.release}"}).json()["event"]
    assert {each["event"] for each in own} >= {"submission.received", "submission.confirmed"}
    assert all(school in {each["actor"].get("organisation"), each.get("party"), each.get("recipient")} for each in own)
    assert {each["object"]["id"] for each in about} == {f"release:{stage.release}"}
    assert {each["event"] for each in about} <= set(counted) > {"release.built", "release.published"}


@pytest.mark.parametrize(("since", "until", "seen"), [
    ("2026-11-02", "2026-11-02", True), ("", "2026-11-01", False), ("2026-11-03", "", False), ("", "9999-12-31", True),
])  # fmt: skip
def test_the_timeline_is_of_days_and_goes_along_as_a_table(stage: Stage, since: str, until: str, seen: bool) -> None:
    """Both days included; the table has the entries of all pages under the same filters, a line each, and no others."""
    days = {"since": since, "until": until, "event": "submission.received"}
    with stage.client(OFFICER) as client:
        page = client.get("/audit", params=days).text
        assert ('href="/audit/entries/' in page) == seen
        query = html.unescape(re.findall(r'name="query" value="([^"]*)"', page)[0])
        data = {"csrf": re.findall(r'name="csrf" value="([^"]+)"', page)[0], "query": query}
        lines = client.post("/audit/selection", data=data).text.splitlines()[1:]
    assert bool(lines) == seen
    assert all(";submission.received;" in line for line in lines)


def test_what_is_no_day_is_no_filter(stage: Stage) -> None:
    """A day that no calendar has is refused, on the page and for the table."""
    with stage.client(OFFICER) as client:
        assert client.get("/audit?since=2026-02-30").status_code == 400
        csrf = re.findall(r'name="csrf" value="([^"]+)"', client.get("/audit").text)[0]
        assert client.post("/audit/selection", data={"csrf": csrf, "query": "until=x"}).status_code == 400


def test_a_school_keeps_no_views(stage: Stage) -> None:
    """The form is for those who look at the log."""
    with stage.client("school") as client:
        csrf = re.findall(r'name="csrf" value="([^"]+)"', client.get("/school").text)[0]
        data = {"csrf": csrf, "act": "keep", "name": "x", "query": "decision=deny"}
        assert client.post("/audit/views", data=data).status_code == 404
