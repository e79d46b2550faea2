"""What somebody filled in where it could not be taken: in words, to be copied before it is gone."""

import re
from collections.abc import Mapping
from contextlib import suppress

from gateway.messages import Language, text
from gateway.web.words import day, short, titled

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
# Field → where the words of its choices begin.
_CHOICES = {
    "kind": ("kind",), "role": ("role",), "scope": ("scope",), "age_group": ("consent.age",),
    "answer": ("consent.answer", "notices.answer"),
}  # fmt: skip
_DAY = re.compile(r"until|deadline|\w+_(date|day|on)")
_SIGNED = re.compile(r"(parent|other_parent|pupil)_(date|evidence)")


def typed_in(values: Mapping[str, str], language: Language) -> list[tuple[str, str]]:
    """Label and value of every field that a person filled in, in the order of the form; choices and days in words."""
    return [
        (label, _said(name, value, language))
        for name, value in values.items()
        if value and (label := _label(name, language))
    ]


def _label(name: str, language: Language) -> str:
    if name.startswith("n."):
        return " · ".join(short(part, language) for part in name.split(".")[1:])
    signed = _SIGNED.fullmatch(name)
    keys = (f"consent.signer.{signed[1]}", f"consent.{signed[2]}") if signed else (_LABELS.get(name),)
    return " · ".join(text("pages", key, language) for key in keys if key)


def _said(name: str, value: str, language: Language) -> str:
    if _DAY.fullmatch(name):
        with suppress(ValueError):
            return day(value, language)
    words = (titled(family, value, language) for family in _CHOICES.get(name, ()))
    return next((each for each in words if each != value), value)
