"""Refusals as values, and as problem documents (RFC 9457) in Dutch or English."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import ValidationError

_CATALOGUE: dict[str, dict[str, Any]] = tomllib.loads((files(__package__) / "problems.toml").read_text("utf-8"))

HEADERS = {
    "API-Version": "1.0.0",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}
MAX_ERRORS = 100

# Pydantic's error types that a request can cause, and the rule each one breaks.
_RULES = {
    "extra_forbidden": ("FIELD-UNKNOWN", "onbekend veld: laat het weg", "unknown field: leave it out"),
    "missing": ("FIELD-MISSING", "verplicht veld ontbreekt", "a compulsory field is missing"),
    "too_long": ("TOO-MANY", "ten hoogste 5.000 elementen per verzoek", "at most 5,000 elements in one request"),
    "too_short": ("TOO-FEW", "ten minste 1 element per verzoek", "at least 1 element in a request"),
    "string_pattern_mismatch": ("FORM", "niet in de voorgeschreven vorm", "not in the prescribed form"),
}
_FORM = ("FORM", "niet van het voorgeschreven type", "not of the prescribed type")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the service does not do what was asked.

    Attributes:
        code: a table of `problems.toml`.
        facts: numbers and codes of the service's own that the text mentions.
        errors: `{row, column, rule, message}`; never a value that was sent.
    """

    code: str
    facts: Mapping[str, int | str] = field(default_factory=dict)
    errors: tuple[Mapping[str, int | str], ...] = ()


def malformed(error: ValidationError, *, english: bool) -> Problem:
    """Every fault of a request body, by place and rule."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return Problem("malformed", errors=tuple(_fault(one["loc"], one["type"], english) for one in found[:MAX_ERRORS]))


def unasked(*, english: bool) -> Problem:
    """Something after the `?` of an address: no operation has a parameter."""
    return Problem("malformed", errors=(_fault(("query",), "extra_forbidden", english),))


def no_element(places: Sequence[int], *, english: bool) -> Problem:
    """Texts that are no element of the group, by their places, which count from 0."""
    message = "this is no element of ristretto255" if english else "dit is geen element van ristretto255"
    fault = {"column": "blinded", "rule": "ELEMENT", "message": message}
    return Problem("malformed", errors=tuple({"row": place + 1, **fault} for place in places[:MAX_ERRORS]))


def response(problem: Problem, *, english: bool) -> JSONResponse:
    """The problem document, with `Retry-After` where waiting helps and `WWW-Authenticate` where a credential does."""
    entry = _CATALOGUE[problem.code]
    body: dict[str, Any] = {
        "type": f"/problems/{problem.code}",
        "title": entry["title"][english],
        "status": entry["status"],
        "detail": entry["detail"][english].format(**problem.facts),
        **problem.facts,
    }
    if problem.errors:
        body["errors"] = [dict(one) for one in problem.errors]
    headers = {**HEADERS, "Content-Language": "en" if english else "nl"}
    if "retry_after" in problem.facts:
        headers["Retry-After"] = str(problem.facts["retry_after"])
    if entry["status"] == 401:  # noqa: PLR2004  the status is its own name
        headers["WWW-Authenticate"] = "Bearer"
    if entry["status"] == 408:  # noqa: PLR2004  likewise; what follows on this connection is the rest of that message
        headers["Connection"] = "close"
    return JSONResponse(body, entry["status"], headers, media_type="application/problem+json")


def wants_english(accept_language: str | None) -> bool:
    """Whether English comes before Dutch in `Accept-Language`; Dutch is the default."""
    tags = [part.split(";")[0].strip().lower()[:2] for part in (accept_language or "").split(",")]
    return next((tag == "en" for tag in tags if tag in ("nl", "en")), False)


def _fault(location: tuple[int | str, ...], kind: str, english: bool) -> dict[str, int | str]:
    rule, *messages = _RULES.get(kind, _FORM)
    known = location and location[0] in ("key_id", "period", "blinded", "query")
    row = location[1] + 1 if len(location) > 1 and isinstance(location[1], int) else 0
    return {"row": row, "column": str(location[0]) if known else "", "rule": rule, "message": messages[english]}
