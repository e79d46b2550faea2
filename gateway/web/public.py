"""Pages for everybody: what this is, the national picture, how to read it, the law, and how to reach us."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.http.limits import take_public
from gateway.messages import LANGUAGES, catalogue
from gateway.outcome import Refused
from gateway.publish.downloading import Listed, download
from gateway.web.forms import EVERYBODY, PageHandler, show
from gateway.web.pages import Visitor, gateway_of, page, refusal, remember_language, see_other
from gateway.web.sheets import fetch, file_of, foremost, format_asked, published, rows_of, view_of
from policies.decision import Deny
from policies.purpose import NEVER, Status
from policies.register import register_document

_SECURITY_DAYS = timedelta(days=180)
_SECTIONS = {
    "about": ("what", "operators", "connection", "log"),
    "differences": ("moment", "unit", "hours", "enrolments", "hidden", "noise", "late"),
    "accessibility": ("standard", "tested", "known", "report"),
    "contact": ("operator", "school", "privacy", "security"),
}
_DEFINITIONS = (
    ("what", ("enrolment", "hours", "period", "reference_date")),
    ("kinds", ("authorised", "illness", "unauthorised", "all")),
    ("bands", ("band", "upto5", "upto10", "above10", "above20", "total")),
    ("places", ("site", "gemeente", "swv", "country", "subdivision", "undivided")),
    ("figures", ("pupils", "share", "suppressed", "dash", "coverage", "exact")),
)


def start(request: Request, who: Visitor) -> Response:
    """What this is, for whom, and what parents are promised."""
    return page(request, who, "start.html")


def prose(name: str) -> PageHandler:
    """A page of text only."""

    def handler(request: Request, who: Visitor) -> Response:
        return page(request, who, "prose.html", name=name, sections=_SECTIONS[name])

    return handler


def definitions(request: Request, who: Visitor) -> Response:
    """Every figure and every word."""
    return page(request, who, "definitions.html", groups=_DEFINITIONS)


def reading(request: Request, who: Visitor) -> Response:
    """How to read what is not specified, with a worked example."""
    return page(request, who, "reading.html")


def national(request: Request, who: Visitor) -> Response:
    """The national table, when one is published; a view of it is a download in the log."""
    gateway, listed = gateway_of(request), _asked(request)
    asked = request.query_params.get("release", "")
    if listed is None:
        return page(request, who, "national.html", 404 if asked else 200, listed=None, asked=asked)
    fetched = take_public(request, "figures") or fetch(gateway, None, listed.release.id, "country")
    if isinstance(fetched, Refused):
        return refusal(request, who, fetched)
    view = view_of(gateway, gateway.contracts[listed.period.table_id], rows_of(fetched), request.query_params)
    others = [
        each for each in published(gateway, None) if each.release.id != listed.release.id and each.corrected_by is None
    ]
    exercise = listed.period.exercise
    return page(request, who, "national.html", listed=listed, asked=asked, view=view, others=others, exercise=exercise)


def national_file(request: Request, who: Visitor) -> Response:
    """The national table as a file."""
    listed = _asked(request)
    if listed is None:
        return refusal(request, who, Refused("not-found"))
    form, language = format_asked(request), who.language
    fetched = take_public(request, "figures") or download(
        gateway_of(request), None, listed.release.id, form, level="country", language=language
    )
    return refusal(request, who, fetched) if isinstance(fetched, Refused) else file_of(fetched, listed)


def law(request: Request, who: Visitor) -> Response:
    """Each purpose with its standing in law, from when until when, and why one does not work today."""
    gateway = gateway_of(request)
    known, standing = gateway.law, gateway.engine.standing(gateway.clock())
    ordered = {status: [p for p in known.purposes.values() if p.status is status] for status in Status}
    return page(
        request,
        who,
        "law.html",
        groups=[(status.value, found) for status, found in ordered.items() if found],
        off={key: said.why for key, said in standing.items() if isinstance(said, Deny)},
        in_force=known.in_force,
        sources=known.purposes.sources,
        today=gateway.today,
        never=NEVER,
    )


def parents(request: Request, who: Visitor) -> Response:
    """What happens and does not happen with a child's absence, from the register itself."""
    return page(request, who, "parents.html", doc=register_of(request))


def register(request: Request, who: Visitor) -> Response:
    """The register of processing activities (AVG art. 30), with risks and measures (art. 35)."""
    return page(request, who, "register.html", doc=register_of(request))


def problem_kind(request: Request, who: Visitor) -> Response:
    """What a problem of the API means and how to go on."""
    name = request.path_params["code"]
    entry = catalogue("problems").get(name)
    if entry is None:
        return refusal(request, who, Refused("not-found"))
    return page(request, who, "problem_kind.html", entry=entry, name=name)


def security(request: Request, _who: Visitor) -> Response:
    """How to report a weakness (RFC 9116)."""
    gateway = gateway_of(request)
    expires = (gateway.clock() + _SECURITY_DAYS).replace(hour=0, minute=0, second=0, microsecond=0)
    base = gateway.settings.base_url
    lines = [
        f"Contact: mailto:{gateway.settings.contact}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: nl, en",
        f"Canonical: {base}/.well-known/security.txt",
        f"Policy: {base}/contact#security",
    ]
    return PlainTextResponse("".join(f"{line}\n" for line in lines))


def choose_language(request: Request, _who: Visitor) -> Response:
    """Remember a language and go back to the page where it was chosen."""
    chosen = request.path_params["language"]
    back = request.query_params.get("to", "/")
    inside = back.startswith("/") and not back.startswith(("//", "/\\"))
    response = see_other(back if inside else "/")
    if chosen in LANGUAGES:
        remember_language(request, response, chosen)
    return response


def register_of(request: Request) -> Mapping[str, Any]:
    """The register as it stands today."""
    gateway = gateway_of(request)
    standing = gateway.engine.standing(gateway.clock())
    return register_document(gateway.law, on=gateway.today, standing=standing)


def _asked(request: Request) -> Listed | None:
    """The published release an address names, else the newest of the newest period, of the statutory table first."""
    there = foremost(gateway_of(request), published(gateway_of(request), None))
    wanted = request.query_params.get("release", "")
    return next((each for each in there if wanted in ("", each.release.id)), None)


ROUTES = [
    show("/", EVERYBODY, start),
    show("/national", EVERYBODY, national),
    show("/national/download", EVERYBODY, national_file),
    show("/definitions", EVERYBODY, definitions),
    show("/reading", EVERYBODY, reading),
    show("/law", EVERYBODY, law),
    show("/register", EVERYBODY, register),
    show("/parents", EVERYBODY, parents),
    *(show(f"/{name}", EVERYBODY, prose(name)) for name in _SECTIONS),
    show("/problems/{code}", EVERYBODY, problem_kind),
    show("/language/{language}", EVERYBODY, choose_language),
    show("/.well-known/security.txt", EVERYBODY, security),
]
