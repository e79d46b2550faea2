"""The OpenAPI document, brought into line with the NL GOV API Design Rules."""

from typing import Any

from fastapi import FastAPI

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
    "400": "Malformed, or with faults: all of them at once",
    "401": "No valid credential",
    "403": "Not allowed: rule, article and reason",
    "404": "Not there, or not yours",
    "500": "A fault of the gateway",
}
_VERSION_HEADER = {"API-Version": {"description": "Version of the API", "schema": {"type": "string"}}}


def publish_document(api: FastAPI, *, contact: dict[str, str]) -> None:
    """Make the application serve a document in which every operation names its problems and the version header."""
    generate = api.openapi

    def document() -> dict[str, Any]:
        made = generate()
        if "Problem" not in made["components"]["schemas"]:
            made["info"]["contact"] = contact
            made["components"]["schemas"]["Problem"] = _PROBLEM
            for name in ("HTTPValidationError", "ValidationError"):
                made["components"]["schemas"].pop(name, None)
            for path in made["paths"].values():
                for operation in path.values():
                    _complete(operation["responses"])
        return made

    api.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _complete(responses: dict[str, Any]) -> None:
    responses.pop("422", None)
    for response in responses.values():
        response.setdefault("headers", {}).update(_VERSION_HEADER)
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, description in _ERRORS.items():
        responses.setdefault(status, {"description": description, "content": content, "headers": _VERSION_HEADER})
