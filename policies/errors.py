"""What goes wrong in this room: one base exception, and faults that say where, what and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass


class PolicyError(Exception):
    """Base of every exception of this room."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a policy file.

    Attributes:
        file: name of the file, with its folder where two files could share a name.
        where: line (`line 12`) or key (`release.minimum`).
        what: what is wrong, never a value of a person.
        fix: what to do about it.
    """

    file: str
    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}: {self.where}: {self.what}. {self.fix}"


def sentence(text: str) -> str:
    """The text with a capital letter at its beginning; the rest stays as it is."""
    return text[:1].upper() + text[1:]


class BadQuestion(PolicyError):  # noqa: N818  the outcome's name
    """The body is not a question; `faults` holds key and code of each fault, and no value."""

    def __init__(self, faults: tuple[tuple[str, str], ...]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{key}: {what}" for key, what in faults))


class BadPolicy(PolicyError):  # noqa: N818  the name says what the files are, as in "refuses to start on bad policy"
    """The policy files cannot be used; every fault found is listed, and nothing is loaded."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))
