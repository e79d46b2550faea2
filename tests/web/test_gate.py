"""Who gets which page, and what a form must prove: over plain HTTP, as a program would try it."""

import asyncio
import dataclasses
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import unquote

import httpx
import pytest
from sqlmodel import select
from starlette.routing import Route

from audit.schema import ENTRY, PENDING
from gateway.asgi import create_app
from gateway.formats.sheet import MAX_BYTES
from gateway.http.limits import Limits
from gateway.identity import LINK_LIFE
from gateway.store import LoginLink
from gateway.web.site import create_pages
from tests.gateway.conftest import NOW
from tests.web.conftest import OPEN_PERIOD, TABLE, Stage, csrf

OWN = {
    "school": ("/school", "/school/history", f"/school/periods/{TABLE}/{OPEN_PERIOD}"),
    "swv": ("/releases", "/releases/RELEASE", "/releases/RELEASE/files"),
    "builder": ("/operator", "/operator/releases/RELEASE", "/operator/parties"),
    "controller-officer": ("/audit", "/audit/check", "/audit/certificates"),
}
OWN_CONTACT = "verzuim@regio.example"
FORMS = ("/operator", "/operator/parties", f"/school/periods/{TABLE}/{OPEN_PERIOD}", "/audit/check", "/logout")


@pytest.mark.parametrize("role", OWN)
def test_a_role_sees_its_own_pages_and_no_others(stage: Stage, role: str) -> None:
    """Own pages answer 200, those of other roles 404 as if they were not there, the public is asked to log in."""
    with stage.client(role) as client, stage.client() as public:
        for owner, paths in OWN.items():
            for path in (each.replace("RELEASE", stage.release) for each in paths):
                assert client.get(path).status_code == (200 if owner == role else 404), path
                assert public.get(path).status_code == 401, path


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_the_sessions_token_does_nothing(stage: Stage, path: str) -> None:
    """No token, a wrong token and a token from another site's page are all refused; the public is not let in at all."""
    role = {"/o": "builder", "/s": "school", "/a": "controller-officer", "/l": "swv"}[path[:2]]
    with stage.client(role) as client, stage.client() as public:
        token = csrf(client.get("/releases" if role == "swv" else path).text)
        assert public.post(path).status_code == 401
        assert client.post(path).status_code == 403
        assert client.post(path, data={"csrf": "x" * len(token)}).status_code == 403
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elders.example"}, {"Origin": "null"}):
            assert client.post(path, data={"csrf": token}, headers=headers).status_code == 403


def test_a_place_that_no_log_has_is_no_error(stage: Stage) -> None:
    """An address with endless digits shows the newest entries."""
    with stage.client("controller-officer") as client:
        assert client.get(f"/audit?before=1.{'9' * 25}").status_code == 200


@pytest.mark.parametrize(
    ("role", "path", "typed", "fields"),
    [
        (
            "school",
            "/school/consents/new",
            {"recipient": "nope", "first_day": "2026-11-02", "last_day": "2030-01-01", "language": "nl",
             "age_group": "under-12", "answer": "later"},
            {"recipient", "last_day"},
        ),
        (
            "builder",
            "/operator",
            {"table": TABLE, "code": "2026-2027-4", "reference_date": "2026-10-01", "deadline": "2072-01-31"},
            {"deadline"},
        ),
        ("builder", "/operator", {"table": TABLE, "code": "x", "reference_date": ""}, {"reference_date"}),
        (
            "school",
            "/access",
            {"school_year": "2026-2028", "pseudonym": "A" * 85, "consents": "x " * 21},
            {"school_year", "pseudonym", "consents"},
        ),
        ("builder", "/operator/parties", {"code": "GM0999", "kind": "gemeente", "name": " "}, {"name"}),
    ],
)  # fmt: skip
def test_a_form_comes_back_with_its_fault_at_the_field(
    stage: Stage, role: str, path: str, typed: dict[str, str], fields: set[str]
) -> None:
    """What was typed stays, each fault stands at the field that has it, and nothing else is wrong."""
    with stage.client(role) as client:
        answer = client.post(path, data={"csrf": csrf(client.get(path).text), **typed})
    assert answer.status_code == 400
    assert set(re.findall(r'class="fault" id="([a-z_]+)-fault"', answer.text)) == fields
    assert all(f'href="#{name}"' in answer.text for name in fields)
    assert all(f'value="{value}"' in answer.text for value in typed.values() if value.startswith("20"))


def test_looking_at_a_login_link_does_not_use_it_up(stage: Stage) -> None:
    """A mail scanner may fetch it twice; the button works once, and an old link says how to get a new one."""
    link = stage.link("school")
    with httpx.Client() as client:
        assert [client.get(link).status_code for _ in range(2)] == [200, 200]
        opened = client.post(link)
        assert (opened.status_code, opened.headers["location"]) == (303, "/school")
        cookie = opened.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=lax", "path=/"))
        assert client.post(link).status_code == 410
        assert "login-link" in client.get(link).text


def test_a_login_link_dies_within_the_hour(stage: Stage) -> None:
    """A link past its hour opens nothing."""
    link = stage.link("school")
    with stage.gateway.writing() as session:
        for row in session.exec(select(LoginLink).where(LoginLink.used_at == None)):  # noqa: E711  SQL
            row.expires_at = row.expires_at - LINK_LIFE - timedelta(seconds=1)
    assert httpx.post(link).status_code == 410


def test_another_site_cannot_log_a_visitor_in(stage: Stage) -> None:
    """The button of a login link is believed only from this site's own page."""
    link = stage.link("school")
    assert httpx.post(link, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert httpx.post(link, headers={"Sec-Fetch-Site": "same-origin", "Origin": "null"}).status_code == 303


def test_logging_out_ends_the_session_and_both_are_logged(stage: Stage) -> None:
    """After logging out the cookie opens nothing; the log holds both, without naming the person or the gemeente."""
    with httpx.Client(base_url=stage.url) as client:
        client.post(stage.link("gemeente"))
        kept = dict(client.cookies)
        client.post("/logout", data={"csrf": csrf(client.get("/releases").text)})
    with httpx.Client(base_url=stage.url, cookies=kept) as client:
        assert client.get("/releases").status_code == 401
    stage.site.world.sequence()
    with stage.client("controller-officer") as officer:
        for event in ("session.opened", "session.closed"):
            assert "/audit/entries/" in officer.get("/audit", params={"event": event}).text
            page = officer.get("/audit", params={"event": event, "organisation": "GM9001"}).text
            assert "/audit/entries/" not in page


def test_the_language_switch_never_leads_to_a_page_that_is_not_there(stage: Stage) -> None:
    """Where a form has no page of its own, the switch leads to the page above it; elsewhere it stays where it is."""
    pages = create_pages(stage.gateway, Limits.of(stage.gateway.clock, requests=1, public=1))
    routes = [route for route in pages.routes if isinstance(route, Route)]
    shown = {route.path for route in routes if "GET" in (route.methods or ())}
    sent = [route.path for route in routes if "POST" in (route.methods or ())]
    assert len(set(sent) - shown) > 5
    with stage.client() as public:
        for path in sent:
            answer = public.post(re.sub(r"{\w+}", "x", path))
            (to,) = re.findall(r'href="/language/en\?to=([^"]+)"', answer.text)
            assert public.get(unquote(to)).status_code not in (404, 405), path
            assert path not in shown or unquote(to) == answer.request.url.path


@pytest.mark.parametrize("to", ["https://elders.example/", "//elders.example/", "/\\elders.example", "elders"])
def test_the_language_switch_never_leads_away(stage: Stage, to: str) -> None:
    """Whatever an address asks for, the switch stays on this site; a wrong language is not remembered."""
    answer = httpx.get(f"{stage.url}/language/en", params={"to": to})
    assert (answer.headers["location"], answer.cookies["language"]) == ("/", "en")
    assert "set-cookie" not in httpx.get(f"{stage.url}/language/fr").headers


def test_a_file_that_is_too_large_is_a_page_that_says_so(stage: Stage) -> None:
    """17 MB gets 413 and the limit in words; the gateway answers on."""
    with stage.client("school") as client:
        address = f"/school/periods/{TABLE}/{OPEN_PERIOD}"
        token = csrf(client.get(address).text)
        body = {"file": ("big.csv", b"x" * (MAX_BYTES + 1_000_000))}
        answer = client.post(f"{address}/file", data={"csrf": token, "act": "check"}, files=body)
        assert answer.status_code == 413
        assert "16 MB" in answer.text
        assert client.get("/school").status_code == 200


def test_what_a_visitor_types_comes_back_as_text(stage: Stage) -> None:
    """Markup in a search or in a field is shown, never run; a pupil number in a field is refused and not repeated."""
    with stage.client("builder") as client:
        assert "<script>x" not in client.get("/operator/parties", params={"q": "<script>x</script>"}).text
    with stage.client("school") as client:
        address = f"/school/periods/{TABLE}/{OPEN_PERIOD}"
        cell = "n.lower_years.authorised.upto5"
        data = {"csrf": csrf(client.get(address).text), "act": "check", cell: '"><script>x'}
        answer = client.post(address, data=data)
        assert (answer.status_code, '"><script>x' in answer.text) == (400, False)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_what_is_not_there_is_a_page_too(stage: Stage, language: str) -> None:
    """404 and 405 are pages in the visitor's language, with the same headers as any other."""
    with httpx.Client(base_url=stage.url, cookies={"language": language}) as client:
        for answer, status in ((client.get("/nowhere"), 404), (client.delete("/law"), 405)):
            assert answer.status_code == status
            assert f'<html lang="{language}">' in answer.text
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]


def test_files_of_the_pages_may_be_kept_for_ever(stage: Stage) -> None:
    """Style and scripts have an address that changes with their content; pages themselves are never kept."""
    with stage.client() as client:
        page = client.get("/")
        address = re.search(r'href="(/static/[^"]+css)"', page.text)
        assert address
        assert "immutable" in client.get(address[1]).headers["cache-control"]
        assert page.headers["cache-control"] == "no-store"
        assert client.get("/static/x/../secret").status_code == 404


def test_a_title_is_text(stage: Stage) -> None:
    """A period in a title brings no markup along, and what a participant is called is escaped there too."""
    with stage.client("school") as school, stage.client("builder") as builder:
        page = school.get(f"/school/periods/{TABLE}/{OPEN_PERIOD}").text
        assert f"<title>Aanleveren voor {OPEN_PERIOD} · Verzuimpoort</title>" in page
        data = {"csrf": csrf(builder.get("/operator/parties").text), "code": "ORG-TITEL", "kind": "supplier"}
        builder.post("/operator/parties", data=data | {"name": "Pakket </title><i> & Co"})
        named = builder.get("/operator/parties/ORG-TITEL").text
    assert "<title>Pakket &lt;/title&gt;&lt;i&gt; &amp; Co · Verzuimpoort</title>" in named


@pytest.mark.parametrize("path", ["/contact", "/accessibility"])
def test_the_operators_own_address_stands_where_people_look_for_it(stage: Stage, path: str) -> None:
    """The address of the settings, as a link to write to; never one that came with the product."""
    settings = stage.gateway.settings.model_copy(update={"contact": OWN_CONTACT})
    limits = Limits.of(stage.gateway.clock, requests=1, public=1)
    pages = create_pages(dataclasses.replace(stage.gateway, settings=settings), limits)

    async def read() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(pages), base_url=stage.url) as client:
            return (await client.get(path)).text

    with ThreadPoolExecutor(1) as other:  # a browser's loop may run in this thread
        page = other.submit(lambda: asyncio.run(read())).result()
    assert f'<a href="mailto:{OWN_CONTACT}">{OWN_CONTACT}</a>' in page


def test_security_txt_can_be_read_and_has_not_expired(stage: Stage) -> None:
    """RFC 9116: a contact, a canonical address, and an end in the future but within a year."""
    lines = httpx.get(f"{stage.url}/.well-known/security.txt").text.splitlines()
    fields = dict(line.split(": ", 1) for line in lines)
    left = datetime.fromisoformat(fields["Expires"]) - stage.gateway.clock()
    assert fields["Contact"].startswith("mailto:")
    assert timedelta(0) < left < timedelta(days=365)


def test_every_problem_of_the_api_has_its_page(stage: Stage) -> None:
    """The `type` of a problem is an address that explains it, in both languages."""
    with stage.client() as client:
        body = client.get("/v1/submissions").json()
        page = client.get(body["type"])
        assert page.status_code == 200
        assert body["title"] in page.text


def test_the_register_does_not_say_that_nothing_was_measured(stage: Stage) -> None:
    """Of a published release the attack was measured: the page says what is measured, and where the results are."""
    with stage.client() as client:
        page = client.get("/register").text
    assert "Gemeten wordt: kleine aantallen die de aanvaller vond of inperkte." in page
    assert "nog niet gemeten" not in page


@pytest.mark.parametrize("path", ["/rules", "/rules/history", "/register", "/law", "/parents"])
def test_an_english_page_is_english(stage: Stage, path: str) -> None:
    """Articles are cited under their English names, and days are said in words."""
    with stage.client() as client:
        client.cookies.set("language", "en")
        page = client.get(path).text
    assert '<html lang="en"' in page
    assert not re.findall(r"\bAVG\b|\bonder [a-f]\b|>As of 20..-|, par\. ", page)


def test_a_fault_of_the_form_of_counts_stands_once(stage: Stage) -> None:
    """Its text is at its table; the list above the form says how many there are and leads there."""
    address = f"/school/periods/{TABLE}/{OPEN_PERIOD}"
    with stage.client("school") as school:
        form = school.get(address).text
        fields = dict.fromkeys(re.findall(r'name="(n\.[^"]+)"', form), "5")
        page = school.post(address, data={"csrf": csrf(form), "act": "check", **fields}).text
    said = re.findall(r'<p class="fault">([^<]+)</p>', page)
    assert any(
        "geoorloofd boven 10% + ongeoorloofd boven 10% is meer dan alle verzuim boven 10%" in one for one in said
    )
    assert all(page.count(one) == 1 for one in said)
    leads = re.findall(r'<li><a href="#t\.\w+">[^<]+: (\d+) te verbeteren</a></li>', page)
    assert sum(map(int, leads)) == len(said)


def test_the_command_that_checks_a_bundle_names_the_bundle(stage: Stage) -> None:
    """What the page says to type works on the files that it hands out."""
    with stage.client("controller-officer") as client:
        page = client.get("/audit/check").text
        bundle = client.post("/audit/bundle", data={"csrf": csrf(page)})
    named = re.search(r'filename="?([\w.-]+\.zip)', bundle.headers["content-disposition"])
    assert named
    assert f"verify.pyz {named[1]} --policy policy.txt" in page
    assert '<a href="/audit/policy.txt" download>' in page


def test_a_recipient_cannot_open_a_school_s_own_receipt(stage: Stage) -> None:
    """A receipt opens for its own party only."""
    with stage.client("swv") as swv, stage.client("gemeente") as other:
        page = swv.get(f"/releases/{stage.release}").text
        receipt = re.search(r"/receipts/[0-9a-f]{64}", page)
        assert receipt
        assert swv.get(receipt[0]).status_code == 200
        assert other.get(receipt[0]).status_code == 404


def test_the_last_day_goes_into_a_calendar(stage: Stage) -> None:
    """The file has the deadline as a day, an alarm before it, and lines as RFC 5545 wants them."""
    with stage.client("school") as school:
        answer = school.get(f"/school/periods/{TABLE}/{OPEN_PERIOD}/deadline.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    lines = answer.text.split("\r\n")
    assert (lines[0], lines[-2:]) == ("BEGIN:VCALENDAR", ["END:VCALENDAR", ""])
    assert {"DTSTART;VALUE=DATE:20261116", "TRIGGER:-P3D"} <= set(lines)


@pytest.mark.parametrize(("act", "reached"), [("mandate", "ORG-VERTREKT"), ("agreement", "SITE")])
def test_what_a_site_gave_is_taken_back_with_one_button(stage: Stage, act: str, reached: str) -> None:
    """A mandate and a processor agreement each have a button beside them, and it is gone when they ended."""
    site = stage.site.world.region.sites[0].code
    address, button = f"/operator/parties/{reached.replace('SITE', site)}", f'value="end-{act}"'
    with stage.client("builder") as builder:
        token = {"csrf": csrf(builder.get("/operator/parties").text)}
        builder.post("/operator/parties", data=token | {"code": "ORG-VERTREKT", "kind": "supplier", "name": "Weg"})
        given = token | {"site": site, "until": str(stage.gateway.today + timedelta(days=1))}
        builder.post(address, data=given | {"act": act})
        assert button in builder.get(address).text
        builder.post(address, data=given | {"act": f"end-{act}", "supplier": "ORG-VERTREKT", "giver": site})
        assert button not in builder.get(address).text
        if act == "agreement":
            builder.post(address, data=given | {"act": act})


def test_the_public_together_leaves_so_many_entries_a_minute(stage: Stage) -> None:
    """Figures and certificates, over the API and as pages, share one limit; what goes over it leaves nothing."""
    settings = stage.gateway.settings.model_copy(update={"public_per_minute": 4})
    app = create_app(dataclasses.replace(stage.gateway, settings=settings, clock=lambda: NOW))
    release = f"/v1/releases/{stage.release}"
    paths = (f"{release}/table", f"{release}/certificate", "/national", "/national/download") * 2

    async def read() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=stage.url) as client:
            return [await client.get(path) for path in paths]

    before = fetched_by_nobody(stage)
    with ThreadPoolExecutor(1) as other:  # a browser's loop may run in this thread
        answers = other.submit(lambda: asyncio.run(read())).result()
    assert [(answer.status_code, answer.headers.get("retry-after")) for answer in answers] == (
        [(200, None)] * 4 + [(429, "60")] * 4
    )
    assert fetched_by_nobody(stage) - before == 4


def fetched_by_nobody(stage: Stage) -> int:
    """How many entries the log holds of the public, waiting ones included."""
    with stage.gateway.reading() as session:
        connection = session.connection()
        kept = [*connection.scalars(select(ENTRY.c.data)), *connection.scalars(select(PENDING.c.data))]
    return sum(b'"role":"public"' in bytes(data) for data in kept)
