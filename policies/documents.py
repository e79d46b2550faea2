"""The register, the parents' page, the list of changes and a consent's receipt as web pages, in Dutch or English."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from policies.changes import changes
from policies.register import Json

Language = Literal["nl", "en"]

_PAGES = Environment(
    loader=PackageLoader("policies", "pages"),
    autoescape=select_autoescape(default=True, disabled_extensions=("txt",)),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def register_page(document: Json, language: Language = "nl") -> str:
    """The register as one page that needs nothing else."""
    return _page("register.html", document, language, measures=_by_id(document["assessment"], "measures"))


def parents_page(document: Json, language: Language = "nl") -> str:
    """What parents should know, in plain words."""
    return _page("parents.html", document, language)


def changes_page(before: Json, after: Json, language: Language = "nl") -> str:
    """What changed between two versions of the register, their hashes and days left out."""
    found = list(changes(_content(before), _content(after)))
    return _page("changes.html", after, language, before=before, changes=found, shown=_shown)


def explanation(document: Json, language: Language = "nl") -> str:
    """The law of one day as plain text, for a terminal: every purpose with its standing, every rule as a sentence."""
    return _page("explanation.txt", document, language)


def receipt_page(
    receipt: Json, withdraw_at: str, language: Language = "nl", *, recipient: str, day: Callable[[str], str]
) -> str:
    """What the giver of a consent takes home.

    Args:
        receipt: Of the consent.
        withdraw_at: Where it is withdrawn: an https address, which becomes a link, or who to go to.
        language: Of the page.
        recipient: Name of the one that receives.
        day: Says a day of the receipt, `2026-09-01`, in words of that language.
    """
    return _page("receipt.html", receipt, language, withdraw_at=withdraw_at, recipient=recipient, day=day)


def basis_of(rule: Mapping[str, Any], language: Language) -> str:
    """The article of a rule or ground in a document, also of one made when there were articles in Dutch only."""
    return str(rule["legal_basis"] if language == "nl" else rule.get("legal_basis_en", rule["legal_basis"]))


def _page(name: str, document: Json, language: Language, **more: object) -> str:
    def said(text: Mapping[str, str]) -> str:
        return text[language]

    def joined(texts: list[Mapping[str, str]]) -> str:
        return ", ".join(map(said, texts))

    def basis(rule: Mapping[str, str]) -> str:
        return basis_of(rule, language)

    told = {"said": said, "joined": joined, "basis": basis}
    return _PAGES.get_template(name).render(doc=document, language=language, **told, **more)


def _by_id(parent: Any, key: str) -> dict[str, Any]:  # noqa: ANN401  JSON
    return {item["id"]: item for item in parent[key]}


def _content(document: Json) -> Json:
    return {key: value for key, value in document.items() if key not in {"sha256", "on", "commit"}}


def _shown(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
