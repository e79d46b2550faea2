"""What a person does on any page, in its language."""

import pytest

from gateway.messages import LANGUAGES, Language, language_of, named, text
from tests.web.conftest import Stage
from tests.web.judging import Page, expect, violations

__all__ = ["Page", "both", "coded", "enter", "expect", "said", "sound", "spoken"]


both = pytest.mark.parametrize("language", LANGUAGES)


def enter(page: Page, stage: Stage, role: str) -> None:
    """Follow a login link and press its button."""
    page.goto(stage.link(role))
    page.locator("main button").click()


def sound(page: Page) -> None:
    """The page as it stands now has no axe violation."""
    assert not list(violations(page))


def said(page: Page, key: str, **facts: str) -> str:
    """A text of the catalogue in the page's language, as it stands on the page."""
    return text("pages", key, spoken(page), **facts)


def coded(page: Page, code: str) -> str:
    """A code in words, in the page's language, as the first words of a line."""
    return named(code, spoken(page)).capitalize()


def spoken(page: Page) -> Language:
    """The language a page says it is in."""
    return language_of(page.locator("html").get_attribute("lang") or "")
