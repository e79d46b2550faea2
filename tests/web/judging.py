"""What a browser, axe and a small judge of HTML say of a page; tests with a browser are skipped without playwright."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

browser = pytest.importorskip("playwright.sync_api", reason="pip install playwright axe-playwright-python")
Page, expect = browser.Page, browser.expect
expect.set_options(timeout=30_000)  # milliseconds; a writer alone may wait ten seconds for its turn
AXE = Path(pytest.importorskip("axe_playwright_python").__file__).with_name("axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
REFERENCES = ("for", "aria-labelledby", "aria-describedby")
BLOCKS = {"div", "section", "article", "ul", "ol", "dl", "table", "form", "p", "pre", "h1", "h2", "h3", "h4"}


def violations(page: Page) -> Iterator[str]:
    """What axe finds, each with the first place; the present state of the page counts."""
    page.evaluate(f"window.axe || (0, eval)({AXE!r})")
    only = {"type": "tag", "values": TAGS}
    found = page.evaluate("only => axe.run(document, {runOnly: only, resultTypes: ['violations']})", only)
    for violation in found["violations"]:
        node = violation["nodes"][0]
        yield f"{violation['id']}: {node['html'][:160]} {node['failureSummary']}"


def faults_of_markup(html: str) -> list[str]:
    """Everything wrong with a page's HTML: nesting, ids, references without a target, anything inline."""
    judge = _Judge()
    judge.feed(html)
    judge.close()
    faults = [*judge.faults, *(f"<{tag}> is never closed" for tag in judge.open)]
    faults += [f"the id {name} stands twice" for name in set(judge.ids) if judge.ids.count(name) > 1]
    return faults + [f"nothing has the id {name}" for name in judge.wanted if name not in judge.ids]


class _Judge(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.wanted: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.faults += [f"<{tag}> has {name} twice" for name in set(names) if names.count(name) > 1]
        self.faults += [f"<{tag}> has an inline {name}" for name in names if name == "style" or name.startswith("on")]
        if tag in BLOCKS and "p" in self.open:
            self.faults.append(f"<{tag}> inside a paragraph, line {self.getpos()[0]}")
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in REFERENCES:
                self.wanted += (value or "").split()
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            self.faults.append(f"</{tag}> in line {self.getpos()[0]} closes what is not open")
