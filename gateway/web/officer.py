"""Pages of privacy officers: the timeline, an entry with its proof, the check, certificates, the bundle to take out."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from audit.events import COLUMNS
from audit.export import verifier_archive
from audit.merkle import leaf_hash
from audit.verify import FAULTS
from gateway import exports, lawbook, trail
from gateway.context import Gateway
from gateway.http.limits import alone_with_log
from gateway.http.paging import name_of, place_of
from gateway.outcome import Refused
from gateway.oversight import kept_logs, policy_text, scope_of
from gateway.publish.asking import certificate_of
from gateway.publish.downloading import catalogue, read_certificate
from gateway.register import names
from gateway.web.forms import Form, act, show
from gateway.web.pages import Visitor, attachment, gateway_of, page, refusal, see_other
from gateway.web.public import register_of
from gateway.web.views import LONGEST, MOST, ROLES, asked_of, filter_of, query_of, views_of
from gateway.web.words import logged_at

_VIEWS: Mapping[str, Mapping[str, str]] = {
    "all": {},
    "refused": {"decision": "deny"},
    "downloads": {"event": "release.downloaded"},
    "own": {"event": "own-table.downloaded"},
    "access": {"event": "access.answered"},
    "looks": {"event": "audit.viewed"},
}


def timeline(request: Request, who: Visitor) -> Response:
    """The newest entries under the filters of the address."""
    gateway = gateway_of(request)
    asked = asked_of(request.query_params)
    wanted = filter_of(asked)
    if wanted is None:
        return refusal(request, who, Refused("invalid-request"))
    found = trail.timeline(gateway, who.known, wanted, place_of(request.query_params.get("before")))
    if isinstance(found, Refused):
        return refusal(request, who, found)
    entries = [(each, _fields(each.fields())) for each in found.found]
    with gateway.reading() as session:
        called = names(session, [code for _, fields in entries for code in _codes(fields)])
        saved = views_of(session, who.known.person)
    return page(
        request,
        who,
        "audit.html",
        found=found,
        before=name_of(found.more) if found.more else "",
        entries=[(fields, logged_at(fields), leaf_hash(each.data).hex()) for each, fields in entries],
        names=called,
        asked=asked,
        columns=COLUMNS,
        views=_VIEWS,
        saved=saved,
        query=query_of(asked),
        room=len(saved) < MOST,
        longest=LONGEST,
        reviewed=logged_at(found.reviewed.fields()) if found.reviewed else None,
        scope=scope_of(who.known),
        rules=gateway.law.rules,
    )


def sign_off(request: Request, who: Visitor, _form: Form) -> Response:
    """Record that the log was reviewed."""
    refused = trail.sign_off(gateway_of(request), who.known)
    return refusal(request, who, refused) if refused else see_other("/audit")


def entry(request: Request, who: Visitor) -> Response:
    """One entry with its proof drawn as steps."""
    proven = trail.entry(gateway_of(request), who.known, request.path_params["leaf"])
    if isinstance(proven, Refused):
        return refusal(request, who, proven)
    return _entry(request, who, proven)


def check_entry(request: Request, who: Visitor, _form: Form) -> Response:
    """Have one entry checked, and say the verdict plainly."""
    checked = trail.check_entry(gateway_of(request), who.known, request.path_params["leaf"])
    if isinstance(checked, Refused):
        return refusal(request, who, checked)
    return _entry(request, who, *checked)


def _entry(request: Request, who: Visitor, proven: trail.Proven, verdict: trail.Verdict | None = None) -> Response:
    gateway = gateway_of(request)
    with gateway.reading() as session:
        called = names(session, _codes(proven.fields))
        version = lawbook.version_of(session, decided_by := proven.fields.get("policy", {}).get("sha256", ""))
    today = gateway.law.version.sha256
    return page(
        request,
        who,
        "audit_entry.html",
        proven=proven,
        fields=_fields(proven.fields),
        at=logged_at(proven.fields),
        names=called,
        rules=version.rules if version else {rule["id"]: rule for rule in register_of(request)["rules"]},
        law_kept=version is not None,
        of_today=version is None and decided_by not in {"", today},
        text=json.dumps(proven.fields, indent=2, ensure_ascii=False),
        verdict=verdict,
        fault=FAULTS.get(verdict.fault) if verdict else None,
    )


def check(request: Request, who: Visitor, verdicts: Sequence[trail.Verdict] = ()) -> Response:
    """How the log is checked, here and elsewhere, with a bundle of each log that is kept."""
    gateway = gateway_of(request)
    with gateway.reading() as session:
        kept = kept_logs(session.connection())
    return page(
        request,
        who,
        "audit_check.html",
        verdicts=verdicts,
        faults=FAULTS,
        scope=scope_of(who.known),
        former=kept[:-1],
        bundle=_file_name(gateway, "zip"),
    )


def run_check(request: Request, who: Visitor, _form: Form) -> Response:
    """Have every log that is kept checked, and say the verdicts plainly."""
    verdicts = alone_with_log(request, lambda: trail.check_log(gateway_of(request), who.known))
    if isinstance(verdicts, Refused):
        return refusal(request, who, verdicts)
    return check(request, who, verdicts)


def _file_name(gateway: Gateway, ending: str) -> str:
    return f"logboek-{gateway.today}.{ending}"


def bundle(request: Request, who: Visitor, form: Form) -> Response:
    """The bundle to keep, of the log in use or of a former one: checked elsewhere, without this gateway."""
    gateway = gateway_of(request)
    taken = alone_with_log(request, lambda: exports.take_out(gateway, who.known, name=form["log"]))
    if isinstance(taken, Refused):
        return refusal(request, who, taken)
    return attachment(taken, _file_name(gateway, "zip"), "application/zip")


def selection(request: Request, who: Visitor, form: Form) -> Response:
    """What the timeline shows under its filters, all pages of it, as a table; it proves nothing, and says so."""
    gateway, wanted = gateway_of(request), filter_of(asked_of(dict(parse_qsl(form["query"]))))
    if wanted is None:
        return refusal(request, who, Refused("invalid-request"))
    taken = alone_with_log(request, lambda: exports.take_out(gateway, who.known, exports.Form.CSV, wanted))
    if isinstance(taken, Refused):
        return refusal(request, who, taken)
    return attachment(taken, _file_name(gateway, "csv"), "text/csv; charset=utf-8")


def verifier(_request: Request, _who: Visitor) -> Response:
    """The stand-alone verifier."""
    return attachment(verifier_archive(), "verify.pyz", "application/octet-stream")


def policy(request: Request, _who: Visitor) -> Response:
    """The keys to check with; public, like every key that only verifies."""
    return PlainTextResponse(policy_text(gateway_of(request)))


def certificates(request: Request, who: Visitor) -> Response:
    """What the judge found in each published release."""
    listed = catalogue(gateway_of(request), who.known)
    found = [(each, certificate_of(each.release)) for each in listed]
    return page(request, who, "audit_certificates.html", found=found)


def certificate(request: Request, who: Visitor) -> Response:
    """The signed statement of one release."""
    wanted = request.path_params["release"]
    signed = read_certificate(gateway_of(request), who.known, wanted)
    if isinstance(signed, Refused):
        return refusal(request, who, signed)
    return attachment(signed.encode(), f"verklaring-{wanted[:12]}.txt", "text/plain; charset=utf-8")


def _fields(said: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry says, and None for what it leaves out."""
    optional = ("party", "recipient", "period", "purpose", "basis", "object", "policy", "rules")
    about = said.get("object")
    return {
        **dict.fromkeys(optional),
        **said,
        "actor": {"organisation": None, **said["actor"]},
        "object": {"commitment": None, **about} if about else None,
    }


def _codes(fields: Mapping[str, object]) -> list[str]:
    """Organisations that an entry names."""
    actor = fields.get("actor")
    named = [
        actor.get("organisation") if isinstance(actor, Mapping) else None,
        fields.get("party"),
        fields.get("recipient"),
    ]
    return [code for code in named if isinstance(code, str)]


ROUTES = [
    show("/audit", ROLES, timeline),
    act("/audit", ROLES, sign_off),
    show("/audit/entries/{leaf}", ROLES, entry),
    act("/audit/entries/{leaf}", ROLES, check_entry),
    show("/audit/check", ROLES, check),
    act("/audit/check", ROLES, run_check),
    act("/audit/bundle", ROLES, bundle),
    act("/audit/selection", ROLES, selection),
    show("/audit/verify.pyz", ROLES, verifier),
    show("/audit/policy.txt", "", policy),
    show("/audit/certificates", ROLES, certificates),
    show("/audit/certificates/{release}", ROLES, certificate),
]
