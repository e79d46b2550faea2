"""Views of the timeline that an officer keeps: filters under a name, for this person only."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlencode

from sqlmodel import Session, col, delete, select
from starlette.requests import Request
from starlette.responses import Response

from gateway.outcome import Refused
from gateway.shelf import SavedView
from gateway.web.forms import Form, act
from gateway.web.pages import Visitor, gateway_of, refusal, see_other

ROLES = "privacy-officer controller-officer"
FILTERS = ("event", "decision", "recipient", "period", "purpose", "basis", "rule", "organisation", "object")
MOST, LONGEST = 12, 40
_LONGEST_QUERY = 2_000


def views_of(session: Session, person: int | None) -> Sequence[SavedView]:
    """The views of a person, the oldest first."""
    return session.exec(select(SavedView).where(SavedView.person_id == person).order_by(col(SavedView.id))).all()


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
        if form["act"] == "keep":
            if len(views_of(session, person)) >= MOST:
                return refusal(request, who, Refused("invalid-request"))
            session.add(SavedView(person_id=person, name=name, query=query))
    return see_other(f"/audit?{query}")


ROUTES = [act("/audit/views", ROLES, change)]
