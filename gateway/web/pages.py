"""What every page shares: language, session, protection of forms, and the rendering of a template."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.context import LOCAL, Gateway
from gateway.http.callers import session_of
from gateway.http.problems import decision_body
from gateway.identity import Identity
from gateway.messages import LANGUAGES, Language, catalogue, rule_text, text
from gateway.outcome import Fault, Refused
from gateway.store import WebSession
from policies.decision import Deny

LANGUAGE_COOKIE = "language"
_HERE = Path(__file__).parent
_MONTHS = ("januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober",
           "november", "december")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page: somebody with a session, or the public."""

    language: Language
    identity: Identity | None = None
    session: WebSession | None = None

    @property
    def role(self) -> str:
        """The visitor's role; empty for the public."""
        return self.identity.role if self.identity else ""


def gateway_of(request: Request) -> Gateway:
    """The gateway these pages belong to."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def visitor(request: Request) -> Visitor:
    """The visitor behind a request: the language of the cookie, Dutch by default, and the session if there is one."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "nl")
    language: Language = "en" if chosen == "en" else "nl"
    found = session_of(request, gateway_of(request))
    return Visitor(language, *found) if found else Visitor(language)


def page(request: Request, who: Visitor, template: str, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401
    """Render a template for a visitor."""
    gateway = gateway_of(request)
    html = _ENVIRONMENT.get_template(template).render(
        t=_translator(who.language),
        code=_namer(who.language),
        rule=lambda fault: rule_text(fault, who.language),
        moment=lambda at: moment(at, who.language),
        language=who.language,
        languages=LANGUAGES,
        visitor=who,
        csrf=who.session.csrf if who.session else "",
        path=request.url.path,
        single_operator=gateway.settings.operator == gateway.settings.service_operator,
        proposed=bool(gateway.law.in_force),
        secure=gateway.settings.secure,
        **values,
    )
    return HTMLResponse(html, status, {"Content-Language": who.language})


def refusal(request: Request, who: Visitor, refused: Refused) -> HTMLResponse:
    """A refusal as a page: what, why, by which rule and article, and what to do next."""
    problems: Mapping[str, Mapping[str, Any]] = catalogue("problems")
    entry = problems.get(refused.code, problems["internal"])
    decision = decision_body(refused.decision, who.language) if isinstance(refused.decision, Deny) else None
    values = {"entry": entry, "problem": refused.code, "refused": refused, "decision": decision}
    return page(request, who, "problem.html", entry["status"], **values)


def see_other(path: str) -> RedirectResponse:
    """After a form: look at the result with a fresh GET."""
    return RedirectResponse(path, 303)


def form_is_ours(request: Request, who: Visitor, form: FormData) -> bool:
    """Whether a form came from a page of this session: same origin, and the session's CSRF token."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return False
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    given = form.get("csrf")
    return (
        who.session is not None
        and isinstance(given, str)
        and hmac.compare_digest(given.encode(), who.session.csrf.encode())
    )


def moment(at: Any, language: Language) -> str:  # noqa: ANN401  a datetime, or None where it has not happened
    """A moment in words, Europe/Amsterdam."""
    if at is None:
        return "–"
    local = at.astimezone(LOCAL)
    month = _MONTHS[local.month - 1] if language == "nl" else local.strftime("%B")
    return f"{local.day} {month} {local.year} {local:%H:%M}"


def demand(role: str) -> Callable[[Request], Visitor | Response]:
    """A gate for pages of one role: the visitor, or the response that sends anybody else away."""

    def check(request: Request) -> Visitor | Response:
        who = visitor(request)
        if who.identity is None:
            return page(request, who, "login_needed.html", 401)
        if who.role not in role.split():
            return refusal(request, who, Refused("not-found"))
        return who

    return check


def _translator(language: Language) -> Callable[..., str]:
    return lambda key, **facts: text("pages", key, language, **facts)


def _namer(language: Language) -> Callable[[str], str]:
    """A code in words; a code of a deployment's own contract, which has no words here, as it is."""

    def name(code: str) -> str:
        return text("codes", code, language) if code in catalogue("codes") else code

    return name


def fault_place(fault: Fault) -> str:
    """Where a fault is, for a table of faults: row and column."""
    return " ".join(part for part in (str(fault.row) if fault.row else "", fault.column) if part)


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip
_ENVIRONMENT.globals["fault_place"] = fault_place
