"""The one place where outcomes become HTTP problems (RFC 9457)."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.messages import Language, catalogue, language_of, rule_text
from gateway.outcome import Refused, Report
from policies.decision import Deny

MEDIA_TYPE = "application/problem+json"


def language(request: Request) -> Language:
    """The language of the caller: the Accept-Language header."""
    return language_of(request.headers.get("accept-language", ""))


def problem(request: Request, refused: Refused, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as a response: status, title, detail, and every fault or reason in the caller's language."""
    wanted = language(request)
    entry = entry_of(refused.code)
    body: dict[str, Any] = {
        "type": f"/problems/{refused.code}",
        "title": entry["title"][wanted],
        "status": entry["status"],
        "detail": entry["detail"][wanted],
        **refused.facts,
    }
    trace = getattr(request.state, "trace", None)
    if trace:
        body["instance"] = f"urn:trace:{trace}"
    if refused.report is not None:
        body |= report_body(refused.report, wanted)
    if refused.decision is not None:
        body["decision"] = decision_body(refused.decision, wanted)
    more = {"Retry-After": str(refused.retry_after)} if refused.retry_after is not None else {}
    if refused.code == "unauthenticated":
        more["WWW-Authenticate"] = "Bearer"
    return Response(
        json.dumps(body, ensure_ascii=False),
        entry["status"],
        headers={**more, **(headers or {}), "Content-Language": wanted},
        media_type=MEDIA_TYPE,
    )


def report_body(report: Report, wanted: Language) -> dict[str, Any]:
    """Faults by place, with the mend; the first hundred of each rule and the total of each."""
    errors = [
        {"row": fault.row, "column": fault.column, "rule": fault.rule, "message": rule_text(fault, wanted)}
        for fault in report.faults
    ]
    return {"errors": errors, "totals": dict(report.totals)}


def decision_body(decision: Deny, wanted: Language) -> dict[str, Any]:
    """Which rules refused, with their article, and why; the nearest permit where the caller may know it."""
    body: dict[str, Any] = {
        "reasons": [getattr(sentence, wanted) for sentence in decision.why],
        "rules": [
            {
                "id": ground.rule,
                "legalBasis": getattr(ground.legal_basis, wanted),
                "source": ground.source,
                "status": ground.status,
                "explanation": getattr(ground.explanation, wanted),
            }
            for ground in decision.grounds
        ],
        "policy": {"id": decision.policy.id, "sha256": decision.policy.sha256},
    }
    if decision.near is not None:
        missing = [getattr(sentence, wanted) for sentence in decision.near.missing]
        body["nearest"] = {"rule": decision.near.rule, "missing": missing}
    return body


def entry_of(code: str) -> Mapping[str, Any]:
    """The catalogue's entry; an unknown code is a fault of the product and reads as one."""
    problems: Mapping[str, Mapping[str, Any]] = catalogue("problems")
    return problems.get(code, problems["internal"])
