"""A session that ends while a form is filled in: nobody has to type it again, and who looks is told in time."""

import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gateway.identity import ABSOLUTE, IDLE, add_person, issue_link
from gateway.messages import text
from gateway.web import pages
from gateway.web.typed import typed_in
from tests.gateway.conftest import World, running
from tests.web.conftest import OPEN_PERIOD, PERIOD, TABLE, Stage, Visit, age, csrf
from tests.web.walking import enter, expect, said, sound

FORM = f"/school/periods/{TABLE}/{OPEN_PERIOD}"
CELL = "n.lower_years.illness.upto5"
TYPED = ("onderbouw · waarvan ziekte · 0–5%", "8765")
TEMPLATES = Path(pages.__file__).parent / "templates"
MINUTE = timedelta(minutes=1)


def test_an_ended_session_is_not_the_public(stage: Stage) -> None:
    """The API answers 401, never with what everybody may have, and takes the cookie away."""
    with stage.fresh("swv") as analyst:
        age(stage, analyst.cookies, seen_at=IDLE)
        answer = analyst.get(f"/v1/releases/{stage.release}/table")
    assert (answer.status_code, "max-age=0" in answer.headers["set-cookie"].lower()) == (401, True)


@pytest.mark.parametrize("how", [{"seen_at": IDLE}, {"started_at": ABSOLUTE}])
def test_what_was_typed_can_be_copied_when_the_session_ended(stage: Stage, how: dict[str, timedelta]) -> None:
    """The page that asks to log in holds every number with its place, nothing of the session, and no file."""
    with stage.fresh("school") as school:
        fields = {"csrf": csrf(school.get(FORM).text), "act": "deliver", CELL: "8765"}
        age(stage, school.cookies, **how)
        page = school.post(FORM, data=fields)
        file = school.post(f"{FORM}/file", data=fields, files={"file": ("counts.csv", b"8765")})
    assert (page.status_code, pairs(page)) == (401, [TYPED])
    assert fields["csrf"] not in page.text
    assert (file.status_code, pairs(file)) == (401, [])


@pytest.mark.parametrize(("sent", "told"), [(True, True), (False, False)])
def test_whoever_sent_a_file_after_the_session_ended_knows_that_it_was_not_taken(
    stage: Stage, sent: bool, told: bool
) -> None:
    """The page that asks to log in says so of whatever was sent, and nothing of it to who only looks."""
    with stage.client() as public:
        page = public.post(f"{FORM}/file", files={"file": ("counts.csv", b"8765")}) if sent else public.get(FORM)
    assert (page.status_code, text("pages", "login.closed", "nl") in page.text) == (401, told)


def test_what_was_typed_can_be_copied_when_somebody_logged_in_anew(stage: Stage) -> None:
    """A page of the session before is refused, with what stood in it."""
    with stage.fresh("school") as before, stage.fresh("school") as school:
        page = school.post(FORM, data={"csrf": csrf(before.get(FORM).text), "act": "deliver", CELL: "8765"})
    assert (page.status_code, pairs(page)) == (403, [TYPED])


REFUSED = [
    ("school", f"/school/periods/{TABLE}/{PERIOD}", {"act": "deliver", CELL: "8765"}, TYPED),
    ("builder", f"/operator/periods/{TABLE}/{PERIOD}", {"act": "reopen", "site": "00ZZ00"}, ("Vestiging", "00ZZ00")),
    ("builder", "/operator/releases/RELEASE", {"act": "approve", "reason": "Al gezien."}, ("Waarom", "Al gezien.")),
    ("builder", "/operator/parties/ORG-NIEMAND", {"act": "invite", "role": "school", "label": "Wim"}, ("Wie", "Wim")),
    ("controller-officer", "/audit/views", {"act": "keep", "name": "Mijn blik", "query": ""}, ("Naam", "Mijn blik")),
]


@pytest.mark.parametrize(("role", "path", "typed", "shown"), REFUSED)
def test_whatever_refuses_a_form_shows_what_was_typed(
    stage: Stage, role: str, path: str, typed: dict[str, str], shown: tuple[str, str]
) -> None:
    """Also what no field mends, and no handler thought of, can be copied from the page that says why."""
    with stage.client(role) as client:
        fields = dict.fromkeys(re.findall(r'name="(n\.[^"]+)"', client.get(FORM).text), "8765")
        token = {"csrf": csrf(client.get("/session").text)}
        page = client.post(path.replace("RELEASE", stage.release), data=fields | token | typed)
    assert page.status_code in (400, 403, 404, 409)
    assert shown in pairs(page)


@pytest.mark.parametrize("role", [None, "school"])
def test_another_site_writes_nothing_on_our_pages(stage: Stage, role: str | None) -> None:
    """What a form of another site holds is not repeated, with a session or without."""
    with stage.client(role) as client:
        page = client.post(FORM, data={CELL: "8765"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (page.status_code, pairs(page)) == (403 if role else 401, [])


def test_a_stranger_is_not_read_at_length(stage: Stage) -> None:
    """More than a person types is not looked at before somebody is logged in."""
    with stage.client() as public:
        page = public.post(FORM, data={CELL: "8765", "reason": "x" * 64_000})
    assert (page.status_code, pairs(page)) == (401, [])


def test_a_form_without_a_file_takes_no_file(stage: Stage) -> None:
    """Whoever sends one to the button of a login link, which is for everybody, is not read: too large, or malformed."""
    with stage.client() as public:
        sent = [public.post("/login/x", files={"file": b"x" * size}).status_code for size in (150_000, 16_000_000, 1)]
    assert sent == [413, 413, 400]


@pytest.mark.parametrize("charset", ["undefined", "punycode", "unicode_escape"])
def test_a_form_in_an_odd_charset_is_refused_not_broken(stage: Stage, charset: str) -> None:
    """A way to write text that cannot say this one, or says half of a character, is malformed."""
    head = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    body = b'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n\\ud800-zz\r\n--b--\r\n'
    with stage.client("school") as school:
        assert school.post(FORM, content=body, headers=head).status_code == 400


def test_checking_on_the_page_and_over_the_api_share_one_limit(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A school that had its share over the API is told to wait on the page, with what it typed."""
    monkeypatch.setattr("gateway.http.limits.CHECKS_PER_MINUTE", 1)
    world = small_world.ticking()
    form, code = f"/school/periods/{TABLE}/{PERIOD}", world.region.sites[0].code
    with world.gateway.writing() as session:
        link = issue_link(session, add_person(session, code, "school", "A."), world.gateway.clock())
    with running(world) as site, site.client(code) as api, httpx.Client(base_url=site.url) as school:
        school.post(f"/login/{link}")
        api.post("/v1/submissions", params=world.about(0) | {"dryRun": "true"}, content=b"x")
        page = school.post(form, data={"csrf": csrf(school.get(form).text), "act": "check", CELL: "8765"})
    assert (page.status_code, pairs(page)) == (429, [TYPED])


def test_every_field_in_which_a_person_types_can_be_copied() -> None:
    """Whatever field a template has, there is a label for it."""
    source = "".join(file.read_text() for file in TEMPLATES.glob("*.html"))
    names = {*re.findall(r"parts\.field\('(\w+)'", source), "reason"}
    names |= {f"{signer}_{part}" for signer in ("parent", "other_parent", "pupil") for part in ("date", "evidence")}
    assert [value for _, value in typed_in({name: name for name in sorted(names)}, "nl")] == sorted(names)


SPOKEN = [
    ({"role": "school"}, ("Rol", "school")),
    ({"scope": "submit"}, ("Waarvoor", "aanleveren")),
    ({"kind": "youth_health_care"}, ("Soort", "jeugdgezondheidszorg")),
    ({"age_group": "under-12"}, ("Leeftijd van de leerling", "jonger dan twaalf")),
    ({"answer": "yes"}, ("Antwoord", "Ja, ieder die ja moest zeggen")),
    ({"answer": "erased"}, ("Antwoord", "Alles is gewist")),
    ({"deadline": "2026-12-01"}, ("Uiterste dag", "1 december 2026")),
    ({"parent_date": "2026-12-01"}, ("Ouder of verzorger · Getekend op", "1 december 2026")),
    ({"until": "ooit"}, ("Geldig tot", "ooit")),
    ({"kind": "elders"}, ("Soort", "elders")),
]


@pytest.mark.parametrize(("typed", "shown"), SPOKEN)
def test_what_was_chosen_is_shown_as_it_was_read(typed: dict[str, str], shown: tuple[str, str]) -> None:
    """Choices and days in the words of the page that they were chosen on; what is none of them as it was typed."""
    assert typed_in(typed, "nl") == [shown]


FILLED = [
    ("school", FORM, CELL, "8765"),
    ("school", "/school/consents/new", "parent_date", "2026-11-01"),
    ("school", "/access", "pseudonym", "8765"),
    ("builder", "/operator", "deadline", "2026-12-31"),
    ("builder", "/operator/parties", "name", "Jeugdarts Noord"),
]


@pytest.mark.parametrize(("role", "path", "field", "value"), FILLED)
def test_in_the_other_language_a_form_holds_what_was_filled_in(
    stage: Stage, role: str, path: str, field: str, value: str
) -> None:
    """Without a script a button of the form does it: nothing is sent, checked or logged, and the language stays."""
    with stage.client(role) as client:
        page = client.post(path, data={"csrf": csrf(client.get(path).text), "speak": "en", field: value})
        assert (page.status_code, page.headers["content-language"], f'value="{value}"' in page.text) == (
            200,
            "en",
            True,
        )
        assert client.get(path).headers["content-language"] == "en"


def test_the_link_to_the_other_language_keeps_what_was_typed(visit: Visit) -> None:
    """With a script the link above does what that button does, also after a fault, and asks nothing."""
    page, asked = visit("school"), []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto(FORM)
    field = page.locator(f"[name='{CELL}']")
    for language, pressed in (("en", "English"), ("nl", "Nederlands")):
        field.fill("8765")
        page.locator("form.counts").get_by_role("button", name=said(page, "deliver.check")).click()
        expect(page.locator("#faults")).to_be_focused()
        page.get_by_role("link", name=pressed).click()
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(field).to_have_value("8765")
        sound(page)
    assert not asked


@pytest.mark.parametrize("typed", [True, False])
def test_leaving_a_form_asks_first_when_something_was_typed(visit: Visit, typed: bool) -> None:
    """Whoever presses a link by mistake can stay."""
    page, asked = visit("school"), []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto(FORM)
    page.locator("form.counts input[data-kind]").first.fill("8765" if typed else "")
    page.locator("main").click()
    page.get_by_role("link", name=said(page, "nav.history")).click()
    page.wait_for_url("**/school/history")
    assert asked == ["beforeunload"] * typed


MISTAKEN = [
    ("school", "/school/consents/new", {"first_day": ""}),
    ("school", "/access", {"pseudonym": "x"}),
    ("builder", "/operator", {"deadline": ""}),
    ("builder", "/operator/parties", {"code": "x", "name": "x"}),
    ("builder", "/operator/parties/SITE", {"label": "x" * 300}),
    ("builder", "/operator/releases/RELEASE", {"reason": ""}),
    ("school", f"{FORM}", {}),
]


@pytest.mark.parametrize(("role", "path", "typed"), MISTAKEN)
def test_after_a_fault_the_focus_is_on_what_is_wrong(
    stage: Stage, visit: Visit, role: str, path: str, typed: dict[str, str]
) -> None:
    """On every form, with a link to each field that is wrong."""
    page = visit(role)
    page.goto(path.replace("SITE", stage.sites[0].code).replace("RELEASE", stage.release))
    form = page.locator("main form[method=post]").filter(has=page.locator(f"[name={[*typed, 'act'][0]}]")).first
    form.evaluate("form => { form.noValidate = true; form.closest('details')?.setAttribute('open', '') }")
    for name, value in typed.items():
        form.locator(f"[name={name}]").fill(value)
    form.locator("button").first.click()
    expect(page.locator("#faults")).to_be_focused()
    anchors = page.locator("#faults a").evaluate_all("all => all.map(each => each.hash.slice(1))")
    assert anchors
    assert [each for each in anchors if not page.evaluate("id => Boolean(document.getElementById(id))", each)] == []
    sound(page)


def test_after_a_refused_file_the_focus_is_on_its_faults(visit: Visit) -> None:
    """They lead back to where it is chosen."""
    page = visit("school")
    page.goto(FORM)
    page.set_input_files("#file", {"name": "x.csv", "mimeType": "text/csv", "buffer": b"subdivision;kind\r\nx;y\r\n"})
    page.locator("form[enctype] button").first.click()
    expect(page.locator("#faults")).to_be_focused()
    expect(page.locator("#faults a")).to_have_attribute("href", "#file")
    sound(page)


def test_a_computer_that_slept_says_that_the_time_is_over(visit: Visit) -> None:
    """Not that two minutes are left, when it wakes hours later."""
    page = visit("school")
    page.clock.install()
    page.goto(FORM)
    page.clock.fast_forward("03:00:00")
    expect(page.get_by_text(said(page, "session.past"))).to_be_in_viewport()
    expect(page.get_by_text(said(page, "session.soon"))).to_have_count(0)
    sound(page)


@pytest.mark.parametrize("path", [FORM, "/school/consents/new"])
def test_a_form_says_how_long_one_stays_logged_in(stage: Stage, path: str) -> None:
    """Also without a script one knows how much time there is."""
    with stage.client("school") as school:
        assert text("pages", "session.minutes", "nl") in school.get(path).text


def test_the_page_says_two_minutes_ahead_that_the_session_ends(stage: Stage, visit: Visit) -> None:
    """One button lengthens it and leads back to the field; when it cannot be lengthened, that is said too."""
    page = visit()
    enter(page, stage, "school")
    cookies = {each["name"]: each["value"] for each in page.context.cookies() if each["name"] != "language"}
    page.clock.install()
    page.goto(FORM)
    page.clock.run_for(12 * 60_000)
    expect(page.locator("#ending")).to_be_empty()
    page.locator("form.counts input[data-kind]").first.fill("8765")
    page.clock.run_for(60_000)
    expect(page.get_by_text(said(page, "session.soon"))).to_be_in_viewport()
    sound(page)
    age(stage, cookies, seen_at=13 * MINUTE)
    page.get_by_role("button", name=said(page, "session.longer")).click()
    expect(page.locator("#ending")).to_be_empty()
    expect(page.locator("form.counts input[data-kind]").first).to_be_focused()
    age(stage, cookies, seen_at=13 * MINUTE)
    assert httpx.get(f"{stage.url}{FORM}", cookies=cookies).status_code == 200
    page.clock.run_for(13 * 60_000)
    age(stage, cookies, started_at=ABSOLUTE)
    page.get_by_role("button", name=said(page, "session.longer")).click()
    expect(page.get_by_text(said(page, "session.over"))).to_be_visible()
    expect(page.locator("form.counts input[data-kind]").first).to_have_value("8765")
    sound(page)


def pairs(page: httpx.Response) -> list[tuple[str, str]]:
    """What the page shows to be copied."""
    shown = page.text.partition('<h2 id="typed">')[2].partition("</section>")[0]
    return re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", shown)
