"""Where a rule may point to: documents with title, date and standing, and the two languages every text here has."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator

Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]

MOST_MISFITS = 50
_OF_NO_FORM = {"extra_forbidden", "unexpected_keyword_argument"}


class Strict(BaseModel):
    """A value read from a policy file: frozen, and an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Faulty(Protocol):
    """Something with the errors of pydantic, each with its `type` and `loc`: its own, or a framework's."""

    def errors(self) -> Sequence[Any]:
        """The errors."""


def misfits(error: Faulty) -> tuple[tuple[str, str], ...]:
    """Key and code of what does not fit a form, the first of them; a key that the form does not have is not repeated.

    What was sent as such a key may be anything, a pupil's number too; its place is that of the object around it.
    """
    found = dict.fromkeys((_place(fault["type"], fault["loc"]), fault["type"]) for fault in error.errors())
    return tuple(found)[:MOST_MISFITS]


def _place(kind: str, location: tuple[int | str, ...]) -> str:
    known = location[:-1] if kind in _OF_NO_FORM else location
    return ".".join(map(str, known)) or "body"


class Text(Strict):
    """One sentence or name in both languages; Dutch is the text that counts."""

    nl: Filled
    en: Filled


class Source(Strict):
    """A document that rules and purposes cite.

    Attributes:
        title: its name in both languages.
        date: the day it was published, in force or decided, where known.
        kind: what weight it has; a bill is not law.
    """

    title: Text
    kind: Filled
    date: dt.date | None = None
    url: Filled | None = None


Sources = Mapping[str, Source]


class Citation(Strict):
    """An article in words and the document, with its paragraph, where it can be read."""

    article: Text
    source: Key
    paragraph: Filled | None = None

    @field_validator("paragraph")
    @classmethod
    def _plain(cls, paragraph: str | None) -> str | None:
        """It stands in entries of the log, which take printable ASCII and nothing else."""
        if paragraph is not None and not (paragraph.isascii() and paragraph.isprintable()):
            raise ValueError("has a sign that the log does not take: write 5 for § 5, 5-9 with a hyphen, e for é")
        return paragraph

    @property
    def reference(self) -> str:
        """`key` or `key par. 5`, the form that rules and decisions use."""
        return self.source if self.paragraph is None else f"{self.source} par. {self.paragraph}"
