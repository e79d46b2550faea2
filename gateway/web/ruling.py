"""The rules as sentences with their articles: those of today, those of any earlier version, and what changed when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway import lawbook
from gateway.lawbook import Change, Version
from gateway.messages import Language, catalogue
from gateway.outcome import Refused
from gateway.web.forms import EVERYBODY, show
from gateway.web.pages import Visitor, gateway_of, page, refusal
from gateway.web.public import register_of
from policies.documents import basis_of


@dataclass(frozen=True, slots=True)
class Chapter:
    """A version of the law, and what it changed; `first` changed nothing, for nothing is known before it.

    Attributes:
        fits: It and the one before it are what the log committed to; else nothing is told of what it changed.
    """

    version: Version
    first: bool
    fits: bool
    rules: Sequence[Change] = ()
    purposes: Sequence[Change] = ()


def rules(request: Request, who: Visitor) -> Response:
    """Every rule as a sentence, with its article and since when it says so; of today, or of a version by its hash."""
    kept, wanted = _kept(request), request.query_params.get("version", "")
    newest = gateway_of(request).law.version.sha256
    at = next((i for i, each in enumerate(kept) if each.sha256 == (wanted or newest)), None)
    if wanted and at is None:
        return refusal(request, who, Refused("not-found"))
    if at is not None and not kept[at].fits:
        if wanted != newest and wanted:
            return refusal(request, who, Refused("law-rewritten"))
        at = None  # the law of this process, which nobody rewrote
    doc = register_of(request) if at is None else kept[at].document
    words = request.query_params.get("q", "").strip()
    found = [rule for rule in doc["rules"] if _says(rule, words, who.language)]
    by_file = groupby(found, lambda rule: rule["where"].partition(".cedar")[0].partition("-")[2])
    return page(
        request,
        who,
        "rules.html",
        groups=[(name, list(group)) for name, group in by_file],
        doc=doc,
        known=catalogue("pages"),
        words=words,
        earlier=bool(wanted) and wanted != newest,
        version=None if at is None else kept[at],
        since={} if at is None else {rule["id"]: lawbook.unchanged_since(kept[at:], rule["id"]) for rule in found},
        oldest=kept[-1].since if kept else None,
    )


def history(request: Request, who: Visitor) -> Response:
    """What each version of the law changed, rule by rule and purpose by purpose, the newest first."""
    kept = _kept(request)
    chapters = [
        Chapter(after, False, True, lawbook.changed_rules(before, after), lawbook.changed_purposes(before, after))
        if after.fits and before.fits
        else Chapter(after, False, False)
        for after, before in pairwise(kept)
    ]
    chapters += [Chapter(version, True, version.fits) for version in kept[-1:]]
    return page(request, who, "rules_history.html", chapters=chapters, newest=gateway_of(request).law.version.sha256)


def _kept(request: Request) -> list[Version]:
    with gateway_of(request).reading() as session:
        return lawbook.versions(session)


def _says(rule: Mapping[str, Any], words: str, language: Language) -> bool:
    """Whether every word that is looked for stands in a rule, its sentence, its article or its name."""
    said = [rule["explanation"][language], rule["sentence"][language], rule["source"][language]]
    text = " ".join([*said, basis_of(rule, language), rule["id"], rule["paragraph"] or ""]).casefold()
    return all(word in text for word in words.casefold().split())


ROUTES = [
    show("/rules", EVERYBODY, rules),
    show("/rules/history", EVERYBODY, history),
]
