"""What holds of every page: people can use it, it is light, and it keeps its own content policy."""

import pytest

from tests.web.conftest import CARE, OPEN_PERIOD, PERIOD, TABLE, Stage, Visit, speak
from tests.web.judging import faults_of_markup, violations

PHONE, LAPTOP, HEIGHT, MOST_BYTES = 320, 1280, 800, 150_000

PUBLIC = (
    "/", "/national", "/definitions", "/reading", "/differences", "/law", "/rules", "/rules?q=toestemming",
    "/rules/history", "/register", "/parents", "/about",
    "/accessibility", "/contact", "/login", "/login/unknown", "/problems/forbidden", "/nothing-here",
)  # fmt: skip
PAGES = {
    None: PUBLIC,
    "school": (
        "/school", "/school/history", f"/school/periods/{TABLE}/{PERIOD}",
        "/school/figures", "/school/trend", f"/school/periods/{TABLE}/{OPEN_PERIOD}",
        "/school/submissions/NEWEST", "/operator", "/school/consents", "/school/consents/new", "/access",
    ),
    "swv": (
        "/releases", "/releases/trend", "/releases/RELEASE", "/releases/RELEASE/schools", "/releases/RELEASE/files",
    ),
    "care": ("/releases", "/notices", "/session"),
    "gemeente": ("/releases/RELEASE?level=country&kind=*",),
    "builder": (
        "/operator", f"/operator/periods/{TABLE}/{PERIOD}", f"/operator/periods/{TABLE}/{OPEN_PERIOD}?state=missing",
        "/operator/releases", "/operator/system", "/operator/releases/RELEASE", "/operator/parties",
        "/operator/parties?q=de", "/operator/parties/SITE", f"/operator/parties/{CARE}",
    ),
    "controller-officer": (
        "/audit", "/audit?decision=deny", "/audit?decision=deny&period=2026-2027-1",
        "/audit/check", "/audit/certificates", "/audit/entries/ANY",
        "/audit/ask?who=swv&case=named",
    ),
    "privacy-officer": ("/audit", "/audit/check", "/access"),
}  # fmt: skip
STICKING_OUT = """kind => [...document.querySelectorAll(`${kind} :is(th, td)`)]
    .filter(each => each.scrollWidth > each.clientWidth + 2).map(each => each.textContent)"""
EVERY = [(role, path) for role, paths in PAGES.items() for path in paths]


def address(stage: Stage, path: str) -> str:
    """The path with what only the running stage knows."""
    if "NEWEST" in path:
        with stage.site.client(stage.sites[0].code) as machine:
            path = path.replace("NEWEST", machine.get("/v1/submissions").json()[0]["id"])
    if "ANY" in path:
        with stage.client("controller-officer") as client:
            leaf = client.get("/audit").text.partition("/audit/entries/")[2][:64]
        path = path.replace("ANY", leaf)
    return path.replace("RELEASE", stage.release).replace("SITE", stage.sites[0].code)


@pytest.mark.parametrize(("role", "path"), EVERY, ids=[f"{role or 'public'}{path}" for role, path in EVERY])
def test_a_page_can_be_used_by_everybody(stage: Stage, visit: Visit, role: str | None, path: str) -> None:
    """Dutch in the light and English in the dark: valid, axe finds nothing, only tables scroll, and it is light.

    Only tables scroll at 320 pixels, and with text twice as large; nothing lies over the figure or field beside it.
    """
    page = visit(role, viewport={"width": LAPTOP, "height": HEIGHT})
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(len(answer.body())))
    where = address(stage, path)
    for language, scheme in (("nl", "light"), ("en", "dark")):
        speak(stage, page, language)
        page.emulate_media(color_scheme=scheme)
        sizes.clear()
        answer = page.goto(where)
        assert answer is not None
        assert answer.status < 500
        markup = answer.text()
        assert f'<html lang="{language}">' in markup
        assert not faults_of_markup(markup)
        assert not list(violations(page))
        page.set_viewport_size({"width": PHONE, "height": HEIGHT})
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
        assert page.evaluate(STICKING_OUT, ".figures") == []
        page.set_viewport_size({"width": LAPTOP, "height": HEIGHT})
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert page.evaluate("document.documentElement.scrollWidth") <= LAPTOP
        assert page.evaluate(STICKING_OUT, ".count-table") == []
        assert sum(sizes) <= MOST_BYTES
