"""Where a rule may point to: documents with title, date and standing, and the two languages every text here has."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class Strict(BaseModel):
    """A value read from a policy file: frozen, and an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


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

    @property
    def reference(self) -> str:
        """`key` or `key par. 5`, the form that rules and decisions use."""
        return self.source if self.paragraph is None else f"{self.source} par. {self.paragraph}"
