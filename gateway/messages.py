"""Everything a person reads, in Dutch and English, from the catalogues in `texts/`."""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from gateway.outcome import Fault, GatewayError
from policies.consent_problems import PROBLEMS

Language = Literal["nl", "en"]
LANGUAGES: tuple[Language, ...] = ("nl", "en")
CONSENT = "CONSENT-"
_DUTCH = str.maketrans(",.", ".,")
_TEXTS = Path(__file__).parent / "texts"


@cache
def catalogue(name: str) -> Mapping[str, Mapping[str, Any]]:
    """All texts of a catalogue: key → language → text; problems have a title, a detail and a status."""
    return tomllib.loads((_TEXTS / f"{name}.toml").read_text(encoding="utf-8"))


class MendableError(GatewayError):
    """Something at this machine that the one who typed the command can mend: `texts/mends.toml` says what and how.

    Its own text is English, for logs; `said` gives it in either language.
    """

    def __init__(self, key: str, **facts: object) -> None:
        self._key, self._facts = key, {name: str(value) for name, value in facts.items()}
        super().__init__(self.said("en"))

    def said(self, language: Language) -> str:
        """What is wrong and how to mend it."""
        return text("mends", self._key, language, **self._facts)


def places_of(error: ValidationError) -> str:
    """What is wrong where in a file that its reader wrote; never for what others send, whose values it may repeat."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors()
    )


def text(name: str, key: str, language: Language, **facts: str) -> str:
    """One text with its public facts filled in.

    Raises:
        GatewayError: the catalogue has no such text: a fault of the product, not of its user.
    """
    try:
        return str(catalogue(name)[key][language]).format(**facts)
    except KeyError as error:
        raise GatewayError(f"no text {key} in {name}.toml, or a fact is missing: {error}") from error


def named(code: str, language: Language) -> str:
    """A code in words; a code of a deployment's own contract, which has no words here, as it is."""
    return text("codes", code, language) if code in catalogue("codes") else code


def number(value: int | str, language: Language) -> str:
    """A whole number with separators of thousands: `1.234` in Dutch, `1,234` in English."""
    return decimal(int(value), 0, language)


def decimal(value: float | Decimal, places: int, language: Language) -> str:
    """A number with so many decimals: `1.234,50` in Dutch, `1,234.50` in English."""
    said = f"{value:,.{places}f}"
    return said.translate(_DUTCH) if language == "nl" else said


def rule_text(fault: Fault, language: Language) -> str:
    """What is wrong and how to mend it, on which sheet if on another than was read.

    Problems of a consent have their words in the room that finds them.
    """
    if fault.rule.startswith(CONSENT):
        problem = PROBLEMS[fault.rule.removeprefix(CONSENT).lower()]
        return problem.nl if language == "nl" else problem.en
    said = text("rules", fault.rule, language, column=fault.column, where=fault.where).strip()
    sheet = fault.where.removeprefix("#")
    return said if sheet == fault.where else text("files", "sheet", language, number=sheet, said=said)


def problem_text(code: str, language: Language) -> tuple[str, str]:
    """Title of a problem and what a person does next; an unknown code is a fault of the product and reads as one."""
    problems = catalogue("problems")
    entry = problems.get(code, problems["internal"])
    return entry["title"][language], entry.get("page", entry["detail"])[language]


def language_of(accept_language: str) -> Language:
    """The language a client prefers by its Accept-Language header; Dutch unless English is asked for."""
    wanted: list[tuple[float, Language]] = []
    for part in accept_language.lower().split(","):
        tag, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((each.removeprefix("q=") for each in parameters if each.startswith("q=")), "")
        wanted += [(_weight(weight), language) for language in LANGUAGES if tag.split("-")[0] == language]
    return max(wanted, key=lambda pair: pair[0])[1] if wanted else "nl"


def _weight(text_of_weight: str) -> float:
    try:
        return float(text_of_weight or 1)
    except ValueError:
        return 0.0
