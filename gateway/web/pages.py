"""What every page shares: who looks, in which language, what the frame says, and the rendering of a template."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway import overview
from gateway.consents import may_receive
from gateway.context import Gateway
from gateway.http.api import allowed
from gateway.http.bodies import answer_file
from gateway.http.callers import session_of
from gateway.http.problems import decision_body, entry_of
from gateway.identity import ABSOLUTE, IDLE, Identity
from gateway.messages import Language, catalogue, decimal, named, number, problem_text
from gateway.outcome import Fault, Refused
from gateway.store import WebSession
from gateway.web import words
from gateway.web.assets import address
from gateway.web.typed import typed_in
from policies.documents import basis_of
from policies.purpose import Status

_LANGUAGE_COOKIE = "language"
_YEAR = 365 * 24 * 3600
_HERE = Path(__file__).parent

HOME = {
    "school": "/school",
    "recipient": "/releases",
    "operator": "/operator",
    "privacy-officer": "/audit",
    "controller-officer": "/audit",
}
ANYBODY_IN = " ".join(HOME)
"""Everybody who is logged in, in whatever role."""
_OFFICER = (
    ("/audit", "timeline"),
    ("/audit/check", "check"),
    ("/audit/certificates", "certificates"),
    ("/audit/ask", "ask"),
    ("/access", "access"),
)
NOTICES = ("/notices", "notices")
"""That a consent has ended stands in the menu of those who receive data with consent only."""
NAVIGATION: Mapping[str, tuple[tuple[str, str], ...]] = {
    "": (("/national", "national"), ("/definitions", "definitions"), ("/reading", "reading"), ("/law", "law")),
    "school": (
        ("/school", "school"),
        ("/school/history", "history"),
        ("/school/figures", "figures"),
        ("/school/trend", "trend"),
        ("/school/consents", "consents"),
        ("/access", "access"),
    ),
    "recipient": (
        ("/releases", "releases"),
        ("/releases/trend", "trend"),
        NOTICES,
        ("/reading", "reading"),
        ("/differences", "differences"),
    ),
    "operator": (
        ("/operator", "periods"),
        ("/operator/releases", "builds"),
        ("/operator/parties", "parties"),
        ("/operator/system", "system"),
    ),
    "privacy-officer": (*_OFFICER, ("/rules", "rules"), ("/register", "register")),
    "controller-officer": (*_OFFICER, ("/rules", "rules"), ("/register", "register")),
}


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

    @property
    def known(self) -> Identity:
        """The visitor's identity, on pages that only people with a session reach.

        Raises:
            LookupError: the page forgot its gate.
        """
        if self.identity is None:
            raise LookupError("this page is not for the public: give its route a role")
        return self.identity


def gateway_of(request: Request) -> Gateway:
    """The gateway these pages belong to."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def visitor(request: Request) -> Visitor:
    """The visitor behind a request: the language of the cookie, Dutch by default, and the session if there is one."""
    language: Language = "en" if request.cookies.get(_LANGUAGE_COOKIE) == "en" else "nl"
    found = session_of(request, gateway_of(request))
    return Visitor(language, *found) if found else Visitor(language)


def page(request: Request, who: Visitor, template: str, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401
    """Render a template for a visitor.

    Args:
        request: What was asked.
        who: For whom.
        template: File in `templates/`.
        status: HTTP status of the response.
        values: What the template shows. `exercise` overrides what the frame says about the whole deployment.
    """
    html = _ENVIRONMENT.get_template(template).render(
        _frame(request, who) | _words(who.language, gateway_of(request)) | values
    )
    return HTMLResponse(html, status, {"Content-Language": who.language})


def refusal(request: Request, who: Visitor, refused: Refused) -> HTMLResponse:
    """A refusal as a page: what, why, by which rule and article, what to do next, and what was typed in vain."""
    title, detail = problem_text(refused.code, who.language)
    decision = decision_body(refused.decision, who.language) if refused.decision is not None else None
    trace = getattr(request.state, "trace", "")
    values = {"problem_title": title, "detail": detail, "refused": refused, "decision": decision, "trace": trace}
    response = page(request, who, "problem.html", entry_of(refused.code)["status"], **values)
    if refused.retry_after is not None:
        response.headers["Retry-After"] = str(refused.retry_after)
    return response


def see_other(path: str) -> RedirectResponse:
    """After a form: look at the result with a fresh GET."""
    return RedirectResponse(path, 303)


def remember_language(request: Request, response: Response, language: Language) -> None:
    """From now on every page is in this language."""
    secure = gateway_of(request).settings.secure
    response.set_cookie(_LANGUAGE_COOKIE, language, max_age=_YEAR, secure=secure, httponly=True, samesite="lax")


def attachment(body: bytes | str | IO[bytes], name: str, media_type: str) -> Response:
    """A file to keep; one that is open is closed once it was sent."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if isinstance(body, bytes | str):
        return Response(body, headers=headers, media_type=media_type)
    return answer_file(body, media_type, headers)


def token_fits(who: Visitor, given: str) -> bool:
    """Whether a form carries the CSRF token of this session."""
    return who.session is not None and hmac.compare_digest(given.encode(), who.session.csrf.encode())


def _frame(request: Request, who: Visitor) -> dict[str, Any]:
    """What stands around every page: navigation, who is logged in, and what must be said everywhere."""
    gateway = gateway_of(request)
    with gateway.reading() as session:
        name, label = overview.name_and_label(session, who.identity) if who.identity else ("", "")
        exercise = overview.only_exercises(session)
        receives = who.identity is not None and may_receive(gateway, session, who.identity.party)
    menu = [each for each in NAVIGATION[who.role] if receives or each is not NOTICES]
    here = request.url.path
    asked = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    return {
        "visitor": who,
        "party_name": name,
        "person_label": label,
        "navigation": menu,
        "home": HOME.get(who.role, "/"),
        "path": here,
        "typed": typed_in(getattr(request.state, "typed", {}), who.language),
        "current": max((a for a, _ in menu if f"{here}/".startswith(f"{a}/")), key=len, default=""),
        "back_here": quote(_shown_at(request) + asked, safe=""),
        "csrf": who.session.csrf if who.session else "",
        "session_left": _left(who.session, gateway.clock()) if who.session else 0,
        "exercise": exercise,
        "single_operator": not gateway.setup.two_operators,
        "proposed": any(purpose.status is Status.PROPOSED for purpose in gateway.law.purposes.values()),
        "secure": gateway.settings.secure,
        "single_sign_on": gateway.settings.openid is not None,
    }


def _shown_at(request: Request) -> str:
    """The address itself; of a form that has no page of its own, the page above it."""
    path, methods = request.url.path, allowed(request)
    if not methods or "GET" in methods:  # what is not there is said in the other language too
        return path
    while "GET" not in allowed(request, path):
        path = path.rpartition("/")[0] or "/"
    return path


def _left(session: WebSession, now: datetime) -> int:
    """Seconds until a session ends that is not used again."""
    return int(min(IDLE, session.started_at + ABSOLUTE - now).total_seconds())


def _audited(gateway: Gateway, language: Language, column: str, value: str) -> str:
    """A value of the log in words: events, outcomes, purposes and articles have them, rules and codes do not."""
    purposes = gateway.law.purposes
    if column == "purpose" and value in purposes:
        return str(getattr(purposes[value].title, language))
    if column == "basis":
        return words.cited(value, purposes.sources, language)
    family = {"event": "event", "decision": "state"}.get(column)
    return str(catalogue("pages")[f"{family}.{value}"][language]) if family else value


def _table_title(gateway: Gateway, language: Language, table: str) -> str:
    """What a table is called where several are counted; of one there is nothing to tell apart."""
    several = len({contract.table for contract in gateway.contracts.values()}) > 1
    return gateway.contracts[table].collection.title[language] if several else ""


def _words(language: Language, gateway: Gateway) -> dict[str, Any]:
    """The functions with which templates speak one language."""
    contact = gateway.settings.contact

    def t(key: str, **facts: object) -> str:
        return words.filled(catalogue("pages")[key][language], facts)

    def prose(key: str, **links: str) -> Markup:
        """A text in which `[words](name)` becomes a link to the address given under that name, or to write to us."""
        said = catalogue("pages")[key][language].replace("{contact}", contact)
        return words.linked(said, {"mail": f"mailto:{contact}", **links})

    return {
        "t": t,
        "prose": prose,
        "language": language,
        "day": lambda value: words.day(value, language),
        "moment": lambda at: words.moment(at, language),
        "number": lambda value: number(value, language),
        "decimal": lambda value, places: decimal(value, places, language),
        "code": lambda value: named(value, language),
        "short": lambda value: words.short(value, language),
        "fault_text": lambda fault: words.fault_text(fault, language),
        "rule_note": lambda rule: words.fault_text(Fault(rule), language),
        "rule_in_general": lambda rule: words.rule_in_general(rule, language),
        "basis": lambda rule: basis_of(rule, language),
        "purpose": lambda name: _audited(gateway, language, "purpose", name),
        "audited": lambda column, value: _audited(gateway, language, column, value),
        "table_title": lambda table: _table_title(gateway, language, table),
        "titled": lambda family, name: words.titled(family, name, language),
        "plainly": lambda value: words.plainly(value, language),
        "kept": lambda days, after: words.kept(days, after, language),
        "pick": lambda both: both[language] if isinstance(both, Mapping) else getattr(both, language),
    }


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.globals["asset"] = address
    return made


_ENVIRONMENT = _environment()
