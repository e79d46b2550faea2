"""What somebody filled in where it could not be taken: in words, to be copied before it is gone."""

import re
from collections.abc import Mapping

from gateway.messages import Language, text
from gateway.web.words import short

# Field → its label. What no person typed has none: tokens, buttons, and a pasted key, which can be a private one.
_LABELS = {
    "code": "schools.code", "name": "parties.name", "kind": "parties.kind", "label": "party.label",
    "role": "party.role", "scope": "party.scope", "site": "monitor.site", "until": "party.mandate.until",
    "reference_date": "operator.reference", "deadline": "operator.deadline", "reason": "review.reason",
    "school_year": "access.year", "pseudonym": "access.pseudonym", "consents": "access.consent",
    "recipient": "consent.recipient", "first_day": "consent.first", "last_day": "consent.last",
    "age_group": "consent.age", "older_on": "consent.older", "language": "consent.language",
    "answer": "consent.answer.what",
}  # fmt: skip
_SIGNED = re.compile(r"(parent|other_parent|pupil)_(date|evidence)")


def typed_in(values: Mapping[str, str], language: Language) -> list[tuple[str, str]]:
    """Label and value of every field that a person filled in, in the order of the form."""
    return [(label, value) for name, value in values.items() if value and (label := _label(name, language))]


def _label(name: str, language: Language) -> str:
    if name.startswith("n."):
        return " · ".join(short(part, language) for part in name.split(".")[1:])
    signed = _SIGNED.fullmatch(name)
    keys = (f"consent.signer.{signed[1]}", f"consent.{signed[2]}") if signed else (_LABELS.get(name),)
    return " · ".join(text("pages", key, language) for key in keys if key)
