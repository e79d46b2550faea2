"""What went wrong, as values with a text in Dutch and English; the texts live in `messages.toml`."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files

_CATALOGUE: dict[str, dict[str, list[str]]] = tomllib.loads((files(__package__) / "messages.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault or warning of a file.

    Attributes:
        row: row of the file, the heading is 1; 0 if it concerns the whole file.
        column: heading of the column.
        rule: rule code.
        nl: what is wrong and how to mend it, in Dutch.
        en: the same in English.
    """

    row: int
    column: str
    rule: str
    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no document.

    Attributes:
        code: a key of `[refusals]` in the catalogue.
        nl: what happened and what to do, in Dutch.
        en: the same in English.
        faults: what is wrong with the file, if that is why.
    """

    code: str
    nl: str
    en: str
    faults: tuple[Fault, ...] = ()


def fault(row: int, column: str, rule: str, **facts: int | str) -> Fault:
    """A fault with its texts; `facts` fill the places in them."""
    nl, en = _CATALOGUE["rules"][rule]
    return Fault(row, column, rule, nl.format(**facts), en.format(**facts))


def refusal(code: str, faults: tuple[Fault, ...] = (), **facts: int | str) -> Refusal:
    """A refusal with its texts; `facts` fill the places in them."""
    nl, en = _CATALOGUE["refusals"][code]
    return Refusal(code, nl.format(**facts), en.format(**facts), faults)
