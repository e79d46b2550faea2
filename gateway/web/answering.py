"""A parent's request: what is held of one pupil of the own site, to look at and as a file to hand over (AVG art. 15).

People ask, never a machine: the law wants a school or an officer who speaks for a parent. Which pupil it is, only the
school knows: what comes in here is the pseudonym that its own program makes of the number.
"""

import json
import re
from binascii import Error as BadBase64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from starlette.requests import Request
from starlette.responses import Response

from gateway import access
from gateway.context import Gateway
from gateway.http.decisions import MOST_CONSENTS, held_body
from gateway.outcome import Refused
from gateway.periods import is_school_year, school_year_on
from gateway.register import names
from gateway.web.forms import Form, act, show
from gateway.web.pages import Visitor, attachment, gateway_of, page, refusal
from gateway.web.words import logged_at
from policies.days import local_day
from pseudonymisation.errors import MalformedError
from pseudonymisation.pseudonym import read_pseudonym

ROLES = "school privacy-officer controller-officer"
_HERE = "/access"


@dataclass(frozen=True, slots=True)
class _Row:
    """A stored row as a line of the page: hours by kind, in hours."""

    period: str
    subdivision: str
    scheduled: float
    missed: Mapping[str, float]


def blank(request: Request, who: Visitor) -> Response:
    """The form with which is asked."""
    return _page(request, who, {}, [])


def ask(request: Request, who: Visitor, form: Form) -> Response:
    """The answer, on the page or as a file; each is logged as an answer."""
    year, consents = form["school_year"], tuple(dict.fromkeys(form["consents"].lower().split()))
    try:
        pseudonym = read_pseudonym(form["pseudonym"])
    except (MalformedError, BadBase64):
        pseudonym = b""
    checks = {
        "school_year": is_school_year(year),
        "pseudonym": bool(pseudonym),
        "consents": len(consents) <= MOST_CONSENTS
        and all(re.fullmatch(access.CONSENT_NUMBER, one) for one in consents),
    }
    faults = [name for name, holds in checks.items() if not holds]
    if faults:
        return _page(request, who, form.values, faults)
    held = access.answer(gateway_of(request), who.known, year=year, pseudonym=pseudonym, consents=consents)
    if isinstance(held, Refused):
        return refusal(request, who, held)
    if form["act"] == "file":
        body = json.dumps(held_body(held), indent=2, ensure_ascii=False)
        return attachment(body, f"inzage-{year}.json", "application/json")
    return _page(request, who, form.values, [], held)


def _page(
    request: Request, who: Visitor, values: Mapping[str, str], faults: list[str], held: access.Held | None = None
) -> Response:
    gateway = gateway_of(request)
    terms = [one.standing.state.terms for one in held.consents] if held else []
    with gateway.reading() as session:
        called = names(session, [each.recipient for each in terms if each])
        years = access.years_held(session, who.known)
    rows = [_row(gateway, row) for row in held.rows] if held else []
    uses = [json.loads(use.entry) for use in held.uses] if held else []
    return page(
        request,
        who,
        "access.html",
        400 if faults else 200,
        values=values,
        faults=faults,
        year=next(iter(years), school_year_on(gateway.today)),
        most=MOST_CONSENTS,
        held=held,
        asks=access.may_have_rows(who.known),
        rows=rows,
        kinds=list(dict.fromkeys(kind for row in rows for kind in row.missed)),
        uses=[(fields, logged_at(fields)) for fields in uses],
        names=called,
        days=[_by_day(one.log) for one in held.consents] if held else [],
    )


def _by_day(log: Sequence[access.LoggedAct]) -> list[tuple[date, str, int]]:
    """What the log has about a consent, the oldest first: day, event, and how often that day."""
    return [
        (day, event, times) for (day, event), times in Counter((local_day(one.at), one.event) for one in log).items()
    ]


def _row(gateway: Gateway, row: access.HeldRow) -> _Row:
    form = gateway.contracts[row.collection].collection.records
    missed = dict(zip(form.hours if form else (), (hours / 100 for hours in row.hours), strict=True))
    return _Row(row.period, row.subdivision, row.scheduled / 100, missed)


ROUTES = [
    show(_HERE, ROLES, blank),
    act(_HERE, ROLES, ask, again=lambda request, who, form: _page(request, who, form.values, [])),
]
