"""The catalogue of texts: complete, in both languages, and nothing in it that nobody says."""

import re
from pathlib import Path

import pytest

from audit.events import Decision, Event, Role
from audit.timeline import UNREADABLE
from gateway.collections import load_contracts
from gateway.demo.people import MINISTER
from gateway.identity import ROLES, SCOPES, Identity
from gateway.messages import LANGUAGES, Language, catalogue, problem_text
from gateway.outcome import Refused
from gateway.register import KINDS
from gateway.store import JobState, PeriodState, ReleaseState, SubmissionState
from gateway.web import asking, public
from gateway.web.asking import CASES
from gateway.web.pages import NAVIGATION, refusal
from gateway.working import WORK
from policies.consent import Stage
from pseudonymisation.keyring import KeyState
from tests.gateway.conftest import World
from tests.web.asking import said

TEMPLATES = Path(public.__file__).parent / "templates"
PAGES = catalogue("pages")
SOURCE = "\n".join(file.read_text(encoding="utf-8") for file in TEMPLATES.glob("*.html"))
CODE = "\n".join(file.read_text(encoding="utf-8") for file in TEMPLATES.parent.glob("*.py"))
# Families whose last part comes from a closed list.
FAMILIES = {
    "event": (*Event, UNREADABLE),
    "role": ROLES,
    "actor": (*Role, UNREADABLE),
    "job": WORK,
    "kind": [kind for kind in KINDS if kind != "public"],
    "scope": SCOPES,
    "ask.case": CASES,
    "nav": [
        *(key for entries in NAVIGATION.values() for _, key in entries),
        *re.findall(r"\('/\w+', '(\w+)'\)", SOURCE),  # at the bottom of every page
    ],
    "sign": list(load_contracts()["absence-counts"].bands.upper)[1:],
    "state": [
        *Decision,
        *SubmissionState,
        *ReleaseState,
        *PeriodState,
        JobState.WAITING,
        JobState.LEASED,
        JobState.FAILED,
        *KeyState,
        *(stage for stage in Stage if stage is not Stage.NONE),
        UNREADABLE,
        *re.findall(r"parts\.state\('(\w+)'\)", SOURCE),
    ],
}


def test_a_text_says_the_same_in_both_languages() -> None:
    """Both languages are there, with the same facts and the same links."""
    assert not [key for key, entry in PAGES.items() if set(entry) != {"nl", "en"}]
    for pattern in (r"\{(\w+)\}", r"\]\((\w+)\)"):
        differ = [
            key
            for key, entry in PAGES.items()
            if sorted(re.findall(pattern, entry["nl"])) != sorted(re.findall(pattern, entry["en"]))
        ]
        assert not differ


@pytest.mark.parametrize("family", FAMILIES)
def test_every_code_that_pages_show_has_words(family: str) -> None:
    """No event, role, state or kind reaches a person as a bare code."""
    missing = [f"{family}.{code}" for code in FAMILIES[family] if f"{family}.{code}" not in PAGES]
    assert not missing


def test_every_text_that_templates_name_is_there() -> None:
    """A template cannot ask for a text that does not exist."""
    named = re.findall(r"\b(?:t|prose)\('([^']+)'(?!\s*~)", SOURCE)
    assert not [key for key in named if key not in PAGES and not key.endswith(".")]


def test_every_text_is_said_somewhere() -> None:
    """What nobody says is deleted: each key stands in a template or in code, or is of a family that one builds."""
    said = {f"{family}.{code}" for family, codes in FAMILIES.items() for code in codes}
    said |= set(re.findall(r"'([\w.-]+)'", SOURCE)) | set(re.findall(r"[\"']([\w.-]+)[\"']", CODE))
    built = (*re.findall(r"'([a-z_.]+\.)'\s*~", SOURCE), "short.", "after.", "kept.")
    prose = tuple(f"{name}." for name in ("about", "differences", "accessibility", "contact"))
    unsaid = [key for key in PAGES if key not in said]
    open_ = [key for key in unsaid if key.rpartition(".")[0] not in FAMILIES and key.startswith((*built, *prose))]
    assert unsaid == open_


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_problem_page_names_a_header(language: Language) -> None:
    """Who looks at a page has no headers: what a program is told of them has other words there."""
    technical = re.compile(r"\b(kop|header|Allow|Authorization|Bearer|Idempotency-Key|Retry-After|openapi)\b")
    assert not [code for code in catalogue("problems") if technical.search(" ".join(problem_text(code, language)))]


@pytest.mark.parametrize(("seconds", "words"), [(1, "Over 1 seconde kunt"), (60, "Over 60 seconden kunt")])
def test_a_page_says_how_long_to_wait(small_world: World, seconds: int, words: str) -> None:
    """What a program reads from a header stands on the page."""
    refused = Refused("busy", retry_after=seconds)
    assert words in said(small_world.gateway, lambda request, who: refusal(request, who, refused))


@pytest.mark.parametrize(("case", "words"), [("own-area", "1 doel"), ("national", "2 doelen")])
def test_a_question_says_for_how_many_purposes(small_world: World, case: str, words: str) -> None:
    """One purpose is no purposes."""
    officer = Identity(MINISTER, "controller-officer")
    page = said(small_world.gateway, asking.ask, officer, query=f"who=swv&case={case}")
    assert f"<summary>Toegestaan voor {words}</summary>" in page
