"""The OpenAPI document, brought into line with the NL GOV API Design Rules."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from gateway.exports import Form
from gateway.formats.write import Format
from gateway.http.callers import identity, optional_identity
from gateway.http.links import links_of
from gateway.http.queries import parts

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "row": {"type": "integer"},
                    "column": {"type": "string"},
                    "rule": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
_ERRORS = {
    "400": "Malformed, also by a parameter that is not listed or stands twice, or with faults: all of them at once",
    "401": "No valid credential",
    "403": "Not allowed: rule, article and reason",
    "404": "Not there, or not yours",
    "429": "Too often: wait the seconds in Retry-After",
    "500": "A fault of the gateway",
    "503": "Not now: wait the seconds in Retry-After",
}
_ERRORS_OF_CHANGES = {
    "409": "Not in this state, or in conflict with what is there",
    "408": "The body did not arrive whole, or not in time",
    "413": "Larger than a body may be",
}
_UNSIGNED = "There will be no proof: the log ended before it signed this"
_ERRORS_OF = {
    "submit": {"415": "Neither CSV, nor XLSX, nor JSON: told by its content"},
    "downloadTable": {"409": "Withdrawn, or published, while the file was written", "410": "Its term is over: erased"},
    "continueFromCheckpoint": {"410": "The retention of that log has ended"},
    "readReceipt": {"410": f"{_UNSIGNED}; or it was erased with the counts, as their term is over"},
    "readDownloadReceipt": {"410": _UNSIGNED},
    "readInclusionProof": {"410": _UNSIGNED},
}
_TEXT, _JSON = ("text/plain",), ("application/json",)
# What an operation answers with, where that is not JSON.
_MEDIA: Mapping[str, tuple[str, ...]] = {
    "readReceipt": _TEXT,
    "readDownloadReceipt": _TEXT,
    "readCertificate": _TEXT,
    "readCheckpoint": _TEXT,
    "readLogPolicy": _TEXT,
    "continueFromCheckpoint": _TEXT,
    "readInclusionProof": _TEXT,
    "readConsistencyProof": _TEXT,
    "readTile": ("application/octet-stream",),
    "exportLog": tuple(sorted({form.media_type.partition(";")[0] for form in Form})),
    "downloadTable": tuple(sorted({form.media_type.partition(";")[0] for form in Format})),
    "readDictionary": ("application/csvm+json",),
}
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "A machine's token; scoped, expiring, revocable"},
    "certificate": {"type": "mutualTLS", "description": "A machine's client certificate with a registered OIN"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-verzuimpoort",
        "description": "A person's session; every change also carries its token in X-CSRF-Token",
    },
}
_VERSION_HEADER = {"API-Version": {"description": "Version of the API", "schema": {"type": "string"}}}


def publish_document(api: FastAPI, routes: Iterable[APIRoute], *, contact: dict[str, str]) -> None:
    """Make the application serve a document in which every operation names its callers, problems and version header."""
    generate = api.openapi
    access = {route.operation_id: _access(route.dependant) for route in routes}

    def document() -> dict[str, Any]:
        made = generate()
        schemas = made["components"]["schemas"]
        if "Problem" not in schemas:
            made["info"]["contact"] = contact
            made["components"]["securitySchemes"] = _SCHEMES
            schemas["Problem"] = _PROBLEM
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            for path in made["paths"].values():
                for method, operation in path.items():
                    operation["security"] = access[operation["operationId"]]
                    _complete(operation, changes=method == "post")
                    _lift(operation.get("requestBody", {}), schemas)
        return made

    api.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _access(dependant: Dependant) -> list[dict[str, list[str]]]:
    """Who may call: somebody with a credential, anybody with or without one, or the public."""
    calls = {each.call for each in parts(dependant)}
    some: list[dict[str, list[str]]] = [{name: []} for name in _SCHEMES] if optional_identity in calls else []
    return some if identity in calls else [*some, {}]


def _complete(operation: dict[str, Any], *, changes: bool) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    media = _MEDIA.get(operation["operationId"], _JSON)
    for status, response in responses.items():
        response.setdefault("headers", {}).update(_VERSION_HEADER)
        leads = links_of(operation["operationId"], status)
        if leads:
            response["links"] = leads
        content = response.get("content", {})
        if media is not _JSON:
            response["content"] = {each: {"schema": _schema_of(each)} for each in media}
        elif not content.get("application/json", {}).get("schema"):
            response["content"] = {"application/json": {"schema": {}}}
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    own = (_ERRORS_OF_CHANGES if changes else {}) | _ERRORS_OF.get(operation["operationId"], {})
    for status, description in (_ERRORS | own).items():
        responses.setdefault(status, {"description": description, "content": content, "headers": _VERSION_HEADER})
    if operation["operationId"] == "downloadTable":
        responses["304"] = {"description": "The bytes that If-None-Match names", "headers": _VERSION_HEADER}


def _schema_of(media: str) -> dict[str, str]:
    return {"type": "string"} if media.startswith("text/") else {}


def _lift(body: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Give the parts of a body that a room reads itself their place among the schemas."""
    for content in body.get("content", {}).values():
        schemas.update(content["schema"].pop("$defs", {}))
