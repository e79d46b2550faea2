"""What a person does on any page, in its language."""

from gateway.messages import language_of, text
from tests.web.conftest import Stage
from tests.web.judging import Page, expect, violations

__all__ = ["Page", "enter", "expect", "said", "sound", "words"]


def enter(page: Page, stage: Stage, role: str) -> None:
    """Follow a login link and press its button."""
    page.goto(stage.link(role))
    page.locator("main button").click()


def sound(page: Page) -> None:
    """The page as it stands now has no axe violation."""
    assert not list(violations(page))


def words(page: Page, nl: str, en: str) -> str:
    """The words of the page's language."""
    return en if page.locator("html").get_attribute("lang") == "en" else nl


def said(page: Page, key: str) -> str:
    """A text of the catalogue in the page's language, where it stands on the page as it is."""
    return text("pages", key, language_of(page.locator("html").get_attribute("lang") or ""))
