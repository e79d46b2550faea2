"""Pages of the operator: periods and who delivered, parties and their access, releases under four eyes."""

import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from audit.proofs import logs
from gateway import overview
from gateway.context import Gateway
from gateway.identity import ROLES, SCOPES
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.periods import find_period, school_year_on
from gateway.publish import building, deciding
from gateway.publish.downloading import catalogue
from gateway.register import KINDS, has_agreement, site_facts
from gateway.store import Party, Release, ReleaseState
from gateway.web.forms import Form, act, show
from gateway.web.pages import Visitor, gateway_of, page, refusal, see_other
from gateway.web.sheets import fetch, rows_of, view_of

ROLE = "operator"
_TOKEN_DAYS = 365
_MANDATED = ("submit", "check", "confirm", "read-submission")


def home(request: Request, who: Visitor) -> Response:
    """Periods with their progress."""
    return _home(request, who)


def _home(request: Request, who: Visitor, form: Mapping[str, str] | None = None, fault: str = "") -> Response:
    gateway = gateway_of(request)
    with gateway.reading() as session:
        found = overview.periods(session)
        progress = [(period, overview.progress(session, period)) for period in found]
    codes = [f"{school_year_on(gateway.today)}-{number}" for number in range(1, 5)]
    tables = sorted({contract.table for contract in gateway.contracts.values()})
    return page(
        request,
        who,
        "operator.html",
        400 if fault else 200,
        progress=progress,
        tables=tables,
        code=next((code for code in codes if code not in {each.code for each in found}), codes[0]),
        form=form or {},
        fault=fault,
        today=gateway.today,
    )


def open_period(request: Request, who: Visitor, form: Form) -> Response:
    """Open a period with its dates."""
    days = _day(form["reference_date"]), _day(form["deadline"])
    if days[0] is None or days[1] is None:
        return _home(request, who, form.values, "dates")
    desk = _desk(request, who)
    opened = desk.open_period(
        form["table"], form["code"], reference_date=days[0], deadline=days[1], exercise=form["exercise"] == "yes"
    )
    if isinstance(opened, Refused):
        if opened.report is not None:
            return _home(request, who, form.values, "code")
        return refusal(request, who, opened)
    made = desk.create_keys(opened.code)
    return refusal(request, who, made) if isinstance(made, Refused) else see_other(_period_address(form))


def period(request: Request, who: Visitor) -> Response:
    """Who delivered, and what can be done with the period."""
    gateway, wanted = gateway_of(request), request.path_params
    with gateway.reading() as session:
        found = find_period(session, wanted["table"], wanted["code"])
        if found is None:
            return refusal(request, who, Refused("unknown-period"))
        deliveries, progress = overview.deliveries(session, found), overview.progress(session, found)
    state = request.query_params.get("state", "")
    states = (overview.MISSING, overview.RECEIVED, overview.DELIVERED)
    shown = [each for each in deliveries if state not in states or each.state == state]
    built = [each for each in catalogue(gateway, who.known) if each.period.id == found.id]
    return page(
        request,
        who,
        "operator_period.html",
        period=found,
        exercise=found.exercise,
        progress=progress,
        shown=shown[: overview.PAGE],
        many=len(shown),
        state=state if state in states else "",
        states=states,
        built=built,
        today=gateway.today,
    )


def change_period(request: Request, who: Visitor, form: Form) -> Response:
    """Close a period, reopen it for one site, or have its release built."""
    table, code = request.path_params["table"], request.path_params["code"]
    desk, here = _desk(request, who), f"/operator/periods/{table}/{code}"
    if form["act"] == "close":
        return _then(request, who, desk.close_period(table, code), here)
    if form["act"] == "reopen":
        return _then(request, who, desk.reopen_for(table, code, form["site"].upper()), here)
    if form["act"] == "build":
        asked = building.request_build(gateway_of(request), who.known, table, code)
        there = here if isinstance(asked, Refused) else f"/operator/releases/{asked.id}"
        return _then(request, who, asked, there)
    return refusal(request, who, Refused("invalid-request"))


def releases(request: Request, who: Visitor) -> Response:
    """Every release, whatever its state."""
    return page(request, who, "operator_releases.html", listed=catalogue(gateway_of(request), who.known))


def release(request: Request, who: Visitor) -> Response:
    """One release: how useful, how safe, who judged it, and what this person may do."""
    return _release(request, who)


def _release(request: Request, who: Visitor, fault: str = "") -> Response:
    gateway, wanted = gateway_of(request), request.path_params["release"]
    with gateway.reading() as session:
        found = overview.find_release(session, wanted)
        if isinstance(found, Refused):
            return refusal(request, who, found)
        row, its_period = found
        review = overview.reviewed(session, row, who.known.person)
    view = None
    if row.state in (ReleaseState.BUILT, ReleaseState.APPROVED, ReleaseState.PUBLISHED):
        fetched = fetch(gateway, who.known, wanted, "country")
        if not isinstance(fetched, Refused):
            contract = gateway.contracts[its_period.table_id]
            view = view_of(gateway, contract, rows_of(fetched), request.query_params)
    return page(
        request,
        who,
        "operator_release.html",
        400 if fault else 200,
        release=row,
        period=its_period,
        exercise=its_period.exercise,
        review=review,
        mine=review.given_by(who.known.person),
        plan=gateway.law.purposes.plan(row.purposes.split()),
        certificate=_json(row.certificate),
        utility=_json(row.utility),
        view=view,
        fault=fault,
    )


def decide(request: Request, who: Visitor, form: Form) -> Response:
    """Approve, reject, publish or withdraw a release, with a reason."""
    acts: Mapping[str, Callable[..., Release | Refused]] = {
        "approve": lambda *known, **why: deciding.review(*known, approved=True, **why),
        "reject": lambda *known, **why: deciding.review(*known, approved=False, **why),
        "publish": deciding.publish,
        "withdraw": deciding.withdraw_release,
    }
    wanted = request.path_params["release"]
    if form["act"] not in acts:
        return refusal(request, who, Refused("invalid-request"))
    if not form["reason"]:
        return _release(request, who, "reason")
    outcome = acts[form["act"]](gateway_of(request), who.known, wanted, reason=form["reason"])
    return _then(request, who, outcome, f"/operator/releases/{wanted}")


def system(request: Request, who: Visitor) -> Response:
    """Keys, the log and jobs: what runs the gateway, without any secret."""
    gateway = gateway_of(request)
    with gateway.reading() as session:
        jobs = overview.open_jobs(session)
        chain = logs(session.connection())
    keys = sorted(gateway.keyring.records(), key=lambda key: (key.school_year or "", key.purpose), reverse=True)
    return page(request, who, "operator_system.html", jobs=jobs, chain=chain, keys=keys)


def parties(request: Request, who: Visitor) -> Response:
    """Search the register."""
    return _parties(request, who)


def _parties(request: Request, who: Visitor, form: Mapping[str, str] | None = None, fault: str = "") -> Response:
    words, kind = request.query_params.get("q", "").strip(), request.query_params.get("kind", "")
    with gateway_of(request).reading() as session:
        counts = overview.parties_by_kind(session)
        found = overview.find_parties(session, words, kind)
    return page(
        request,
        who,
        "operator_parties.html",
        400 if fault else 200,
        counts=counts,
        found=found,
        words=words,
        kind=kind,
        kinds=[each for each in KINDS if each != "site"],
        form=form or {},
        fault=fault,
        limit=overview.PAGE,
    )


def add_party(request: Request, who: Visitor, form: Form) -> Response:
    """Register a party that is not a site."""
    code = form["code"].upper()
    outcome = _desk(request, who).add_party(code, form["kind"], form["name"])
    if isinstance(outcome, Refused) and outcome.report is not None:
        return _parties(request, who, form.values, outcome.report.faults[0].rule)
    return _then(request, who, outcome, f"/operator/parties/{code}")


def party(request: Request, who: Visitor) -> Response:
    """One party: what the register knows, and who or what may act for it."""
    return _party(request, who)


def _party(request: Request, who: Visitor, **made: Any) -> Response:  # noqa: ANN401  what a form made, for the template
    gateway, code = gateway_of(request), request.path_params["party"]
    with gateway.reading() as session:
        row = session.get(Party, code)
        people = overview.people_of(session, code)
        tokens = overview.tokens_of(session, code)
        mandates = overview.mandates_of(session, code, gateway.today)
        facts = site_facts(session, code, gateway.today)
        agreement = has_agreement(session, code, gateway.today)
    if row is None:
        return refusal(request, who, Refused("unknown-party"))
    shown = {"link": "", "token": ""} | made
    return page(
        request,
        who,
        "operator_party.html",
        party=row,
        people=people,
        tokens=tokens,
        mandates=mandates,
        until=gateway.today.replace(year=gateway.today.year + 1),
        facts=facts,
        agreement=agreement,
        roles=_roles_of(gateway, row),
        scopes=SCOPES,
        now=gateway.clock(),
        **shown,
    )


def change_party(request: Request, who: Visitor, form: Form) -> Response:
    """Make a login link or a token, which are shown once; revoke a token; register a processor agreement."""
    gateway, code, desk = gateway_of(request), request.path_params["party"], _desk(request, who)
    here = f"/operator/parties/{code}"
    if form["act"] == "invite" and form["role"] in ROLES:
        secret = desk.invite(code, form["role"], form["label"] or form["role"])
        if isinstance(secret, Refused):
            return refusal(request, who, secret)
        return _party(request, who, link=f"{gateway.settings.base_url}/login/{secret}")
    if form["act"] == "token" and form["scope"] in SCOPES:
        expires = gateway.clock() + timedelta(days=_TOKEN_DAYS)
        token = desk.issue_token(code, scopes=[form["scope"]], expires_at=expires)
        return refusal(request, who, token) if isinstance(token, Refused) else _party(request, who, token=token)
    if form["act"] == "revoke":
        return _then(request, who, desk.revoke_token(form["token"]), here)
    if form["act"] == "mandate":
        return _then(request, who, _mandate(gateway, desk, code, form), here)
    if form["act"] == "agreement":
        return _then(request, who, desk.register_agreements([code], gateway.today), here)
    return refusal(request, who, Refused("invalid-request"))


def _mandate(gateway: Gateway, desk: Desk, supplier: str, form: Form) -> object:
    """A mandate of a site to deliver for it, from today."""
    until = _day(form["until"])
    if until is None:
        return Refused("invalid-request")
    return desk.grant_mandate(
        supplier,
        form["site"].upper(),
        actions=_MANDATED,
        collections=sorted(gateway.contracts),
        valid_from=gateway.today,
        valid_to=until,
    )


def _roles_of(gateway: Gateway, row: Party) -> tuple[str, ...]:
    """Roles that persons of a party can have: the operator's own, a school's, or a recipient's; and its officer's."""
    if row.code == gateway.settings.operator:
        return ("operator", "privacy-officer")
    if row.kind in ("site", "board"):
        return ("school", "privacy-officer")
    if row.kind == "minister":
        return ("controller-officer", "recipient")
    return ("recipient", "privacy-officer")


def _desk(request: Request, who: Visitor) -> Desk:
    return Desk(gateway_of(request), who.known)


def _then(request: Request, who: Visitor, outcome: object, path: str) -> Response:
    return refusal(request, who, outcome) if isinstance(outcome, Refused) else see_other(path)


def _period_address(form: Form) -> str:
    return f"/operator/periods/{form['table']}/{form['code']}"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _json(text: str) -> Any:  # noqa: ANN401  the certificate's own shape
    return json.loads(text) if text else {}


ROUTES = [
    show("/operator", ROLE, home),
    act("/operator", ROLE, open_period),
    show("/operator/periods/{table}/{code}", ROLE, period),
    act("/operator/periods/{table}/{code}", ROLE, change_period),
    show("/operator/releases", ROLE, releases),
    show("/operator/releases/{release}", ROLE, release),
    act("/operator/releases/{release}", ROLE, decide),
    show("/operator/system", ROLE, system),
    show("/operator/parties", ROLE, parties),
    act("/operator/parties", ROLE, add_party),
    show("/operator/parties/{party}", ROLE, party),
    act("/operator/parties/{party}", ROLE, change_party),
]
