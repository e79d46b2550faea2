"""Pages of the operator: releases from build to publication, under four eyes."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway import overview
from gateway.delivered import LEVELS
from gateway.outcome import Refused
from gateway.publish import deciding
from gateway.publish.asking import certificate_of, methods_used, plan_of, rule_of
from gateway.publish.downloading import catalogue
from gateway.store import Release, ReleaseState
from gateway.web.forms import Form, act, show, then
from gateway.web.pages import Visitor, gateway_of, page, refusal
from gateway.web.sheets import fetch, rows_of, view_of

ROLE = "operator"
_ACTS: Mapping[str, Callable[..., Release | Refused]] = {
    "approve": partial(deciding.review, approved=True),
    "reject": partial(deciding.review, approved=False),
    "publish": deciding.publish,
    "withdraw": deciding.withdraw_release,
}
_STEP_UP = "step-up"
_STATUS = {"": 200, "reason": 400, _STEP_UP: 403}


def releases(request: Request, who: Visitor) -> Response:
    """Every release, whatever its state."""
    return page(request, who, "operator_releases.html", listed=catalogue(gateway_of(request), who.known))


def release(request: Request, who: Visitor, form: Form | None = None, fault: str = "") -> Response:
    """One release: how useful, how safe, who judged it, and what this person may do."""
    gateway, wanted = gateway_of(request), request.path_params["release"]
    with gateway.reading() as session:
        found = overview.find_release(session, wanted)
    if isinstance(found, Refused):
        return refusal(request, who, found)
    row, its_period = found
    with gateway.reading() as session:
        review = overview.reviewed(session, row, who.known.person)
    view, plan = None, plan_of(gateway, row)
    if plan is None:
        return refusal(request, who, Refused("not-found"))
    if row.state == ReleaseState.PUBLISHED:
        fetched = fetch(gateway, who.known, wanted, "country")
        if not isinstance(fetched, Refused):
            contract = gateway.contracts[its_period.table_id]
            view = view_of(gateway, contract, rows_of(fetched), request.query_params)
    return page(
        request,
        who,
        "operator_release.html",
        _STATUS[fault],
        release=row,
        period=its_period,
        exercise=its_period.exercise,
        review=review,
        mine=review.given_by(who.known.person),
        plan=plan,
        rule=rule_of(row, plan),
        certificate=certificate_of(row),
        noisy=bool(row.certificate) and any(method == "dp" for _, method in methods_used(row)),
        utility=_useful(json.loads(row.utility or "{}")),
        kinds=gateway.contracts[its_period.table_id].kinds.members,
        view=view,
        fault=fault,
        at=form["act"] if form else "",
        reason=form["reason"] if form else "",
    )


def decide(request: Request, who: Visitor, form: Form) -> Response:
    """Approve, reject, publish or withdraw a release, with a reason."""
    wanted = request.path_params["release"]
    if form["act"] not in _ACTS:
        return refusal(request, who, Refused("invalid-request"))
    if not form["reason"]:
        return release(request, who, form, "reason")
    outcome = _ACTS[form["act"]](gateway_of(request), who.known, wanted, reason=form["reason"])
    if isinstance(outcome, Refused) and outcome.code == _STEP_UP:
        return release(request, who, form, _STEP_UP)
    return then(request, who, outcome, f"/operator/releases/{wanted}")


def _useful(sectors: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, dict[str, Mapping[str, Any]]]]:
    """Sector → level → kind → what is shown of it, from the protection's own table (`disclosure.utility`)."""
    found: dict[str, dict[str, dict[str, Mapping[str, Any]]]] = {}
    for sector, rows in sectors.items():
        levels = sorted(rows, key=lambda row: LEVELS.index(row["site_level"]))
        for row in levels:
            found.setdefault(sector, {}).setdefault(row["site_level"], {})[row["kind"]] = row
    return found


ROUTES = [
    show("/operator/releases", ROLE, releases),
    show("/operator/releases/{release}", ROLE, release),
    act("/operator/releases/{release}", ROLE, decide),
]
