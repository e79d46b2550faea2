"""Views of the timeline that an officer keeps: filters under a name, for this person only."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlmodel import Session, col, delete, select
from starlette.requests import Request
from starlette.responses import Response

from audit.timeline import Filter
from gateway.outcome import Refused
from gateway.shelf import SavedView
from gateway.web.forms import Form, act
from gateway.web.pages import Visitor, gateway_of, refusal, see_other
from policies.days import span

ROLES = "privacy-officer controller-officer"
_DAYS = ("since", "until")
FILTERS = ("event", "decision", "recipient", "period", "purpose", "basis", "rule", "organisation", "object", *_DAYS)
MOST, LONGEST = 12, 40
_LONGEST_QUERY = 2_000


def views_of(session: Session, person: int | None) -> Sequence[SavedView]:
    """The views of a person, the oldest first."""
    return session.exec(select(SavedView).where(SavedView.person_id == person).order_by(col(SavedView.id))).all()


def asked_of(given: Mapping[str, str]) -> dict[str, Any]:
    """The filters that an address or a form gives."""
    return {name: value for name in FILTERS if (value := given.get(name, "").strip())}


def filter_of(asked: Mapping[str, Any]) -> Filter | None:
    """Which entries they leave, days in Amsterdam and both included; None where one that is given is no day."""
    try:
        first, last = (date.fromisoformat(asked[name]) if name in asked else None for name in _DAYS)
    except ValueError:
        return None
    since, until = span(first, last)
    return Filter(**{**asked, "since": since, "until": until})


def query_of(asked: Mapping[str, str]) -> str:
    """The address of a view: its filters, always in the same order, and nothing else."""
    return urlencode({name: asked[name] for name in FILTERS if asked.get(name)})


def change(request: Request, who: Visitor, form: Form) -> Response:
    """Keep the filters of the page under a name, in the place of a view of the same name, or remove a view."""
    query, name = query_of(dict(parse_qsl(form["query"]))), form["name"][:LONGEST]
    if form["act"] not in ("keep", "remove") or not name or not query or len(query) > _LONGEST_QUERY:
        return refusal(request, who, Refused("invalid-request"))
    person = who.known.person or 0
    with gateway_of(request).writing() as session:
        session.execute(delete(SavedView).where(col(SavedView.person_id) == person, col(SavedView.name) == name))
        full = form["act"] == "keep" and len(views_of(session, person)) >= MOST
        if form["act"] == "keep" and not full:
            session.add(SavedView(person_id=person, name=name, query=query))
    return refusal(request, who, Refused("invalid-request")) if full else see_other(f"/audit?{query}")


ROUTES = [act("/audit/views", ROLES, change)]
