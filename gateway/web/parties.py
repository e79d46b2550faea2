"""Pages of the operator: who takes part, and who or what may act for them."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway import overview
from gateway.consents import PURPOSE as CONSENTED
from gateway.context import Gateway
from gateway.grants import USUAL, end_agreement, end_mandate, grant_mandate, register_agreements
from gateway.identity import ROLES, SCOPES, roles_for
from gateway.messages import problem_text
from gateway.operate import Desk
from gateway.outcome import Fault, Refused, Report
from gateway.recipient_key import read_jwk
from gateway.register import KINDS, has_agreement, site_facts
from gateway.store import Party
from gateway.web.forms import Form, act, day_of, show, then
from gateway.web.pages import Visitor, gateway_of, page, refusal, see_other
from gateway.web.words import fault_text

ROLE = "operator"
_A_YEAR = timedelta(days=365)
_FORMS = ("invite", "token", "mandate", "key")
# The field at which a refusal is mended; none of a form where the person has to prove first who it is.
_FIELD_OF = {
    "PERSON-LABEL": "label", "PARTY-NAME": "label", "PERIOD-DAY": "until", "MANDATE-DAYS": "until",
    "unknown-party": "site", "recipient-key": "jwk", "step-up": "",
}  # fmt: skip


def parties(request: Request, who: Visitor, form: Mapping[str, str] | None = None, fault: str = "") -> Response:
    """Search the register."""
    words, kind = request.query_params.get("q", "").strip(), request.query_params.get("kind", "")
    with gateway_of(request).reading() as session:
        counts = overview.parties_by_kind(session)
        found = overview.find_parties(session, words, kind) if words or kind else []
    return page(
        request,
        who,
        "operator_parties.html",
        400 if fault else 200,
        counts=counts,
        found=found,
        words=words,
        searched=bool(words or kind),
        kind=kind,
        kinds=[each for each in KINDS if each != "site"],
        form=form or {},
        fault=fault,
        limit=overview.PAGE,
    )


def add_party(request: Request, who: Visitor, form: Form) -> Response:
    """Register a party that is not a site."""
    code = form["code"].upper()
    outcome = Desk(gateway_of(request), who.known).add_party(code, form["kind"], form["name"])
    if isinstance(outcome, Refused) and outcome.report is not None:
        return parties(request, who, form.values, outcome.report.faults[0].rule)
    return then(request, who, outcome, f"/operator/parties/{code}")


def party(request: Request, who: Visitor, status: int = 200, **made: Any) -> Response:  # noqa: ANN401  what a form made, for the template
    """One party: what the register knows, and who or what may act for it."""
    gateway, code = gateway_of(request), request.path_params["party"]
    with gateway.reading() as session:
        row = session.get(Party, code)
        people = overview.people_of(session, code)
        tokens = overview.tokens_of(session, code)
        oins = overview.oins_of(session, code)
        mandates = overview.mandates_of(session, code, gateway.today)
        keys = overview.keys_of(session, code)
        facts = site_facts(session, code, gateway.today)
        agreement = has_agreement(session, code, gateway.today)
    if row is None:
        return refusal(request, who, Refused("unknown-party"))
    shown = {"link": "", "token": "", "values": {}, "faults": {}} | made
    return page(
        request,
        who,
        "operator_party.html",
        status,
        party=row,
        people=people,
        tokens=tokens,
        oins=oins,
        mandates=mandates,
        keys=keys,
        seals=row.kind in gateway.law.purposes[CONSENTED].recipients,
        until=gateway.today + _A_YEAR,
        facts=facts,
        agreement=agreement,
        roles=[role for role in roles_for(row.kind, operator=code == gateway.settings.operator) if role != "operator"],
        scopes=SCOPES,
        now=gateway.clock(),
        **shown,
    )


def change_party(request: Request, who: Visitor, form: Form) -> Response:
    """Make a login link or a token, which are shown once, or change what stands in the register."""
    gateway, code, desk = gateway_of(request), request.path_params["party"], Desk(gateway_of(request), who.known)
    here = f"/operator/parties/{code}"
    if form["act"] == "invite" and form["role"] in ROLES:
        secret = desk.invite(code, form["role"], form["label"])
        if isinstance(secret, Refused):
            return _again(request, who, form, secret)
        return party(request, who, link=f"{gateway.settings.base_url}/login/{secret}")
    if form["act"] == "token" and form["scope"] in SCOPES:
        expires = gateway.clock() + _A_YEAR
        token = desk.issue_token(code, scopes=[form["scope"]], expires_at=expires)
        if isinstance(token, Refused):
            return _again(request, who, form, token)
        return party(request, who, token=token)
    acts: dict[str, Callable[[], object]] = {
        "revoke": lambda: desk.revoke_token(form["token"]),
        "mandate": lambda: _mandate(gateway, desk, code, form),
        "end-mandate": lambda: end_mandate(desk, form["supplier"], form["giver"]),
        "key": lambda: desk.register_key(code, read_jwk(form["jwk"])),
        "withdraw-key": lambda: desk.withdraw_key(code, form["kid"]),
        "agreement": lambda: register_agreements(desk, [code], gateway.today),
        "end-agreement": lambda: end_agreement(desk, code),
    }
    outcome = acts.get(form["act"], lambda: Refused("invalid-request"))()
    return _again(request, who, form, outcome) if isinstance(outcome, Refused) else see_other(here)


def _again(request: Request, who: Visitor, form: Form, refused: Refused) -> Response:
    """The page with what was typed and what is wrong at its field; a refusal that no field mends is a page of its own.

    A form of one button has nothing typed and nothing to mend. A key that was refused can be a private one, which is
    not repeated.
    """
    fault = refused.report.faults[0] if refused.report else None
    field = _FIELD_OF.get(fault.rule if fault else refused.code)
    if field is None or form["act"] not in _FORMS:
        return refusal(request, who, refused)
    said = fault_text(fault, who.language) if fault else ". ".join(problem_text(refused.code, who.language))
    values = {name: text for name, text in form.values.items() if name != field or field != "jwk"}
    return party(request, who, 400 if field else 403, values=values, faults={field: said})


def _mandate(gateway: Gateway, desk: Desk, supplier: str, form: Form) -> object:
    """A mandate of a site to deliver for it, from today."""
    until = day_of(form["until"])
    if until is None:
        return Refused("faults-in-request", report=Report.of([Fault("PERIOD-DAY")]))
    return grant_mandate(
        desk,
        supplier,
        form["site"].upper(),
        actions=USUAL,
        collections=sorted(gateway.contracts),
        valid_from=gateway.today,
        valid_to=until,
    )


ROUTES = [
    show("/operator/parties", ROLE, parties),
    act("/operator/parties", ROLE, add_party, again=lambda request, who, form: parties(request, who, form.values)),
    show("/operator/parties/{party}", ROLE, party),
    act("/operator/parties/{party}", ROLE, change_party),
]
