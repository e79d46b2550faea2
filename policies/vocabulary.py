"""Words for what rules are made of: facts, values and acts, in both languages, and which facts may be told."""

import json
import tomllib
from typing import Annotated, Self

from pydantic import Field, model_validator

from policies.sources import Filled, Strict, Text


class FactWords(Strict):
    """How to speak of one fact.

    Attributes:
        nl: noun phrase, or the statement that holds when a yes-or-no fact is true.
        not_nl: for a yes-or-no fact, the statement that holds when it is false; likewise `not_en`.
        told: a caller may hear that a condition on this fact failed: it supplied the fact, or it is public.
        day: the number is a day, yyyymmdd.
    """

    nl: Filled
    en: Filled
    not_nl: Filled | None = None
    not_en: Filled | None = None
    told: bool
    day: bool = False

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.not_nl is None) != (self.not_en is None):
            raise ValueError("not_nl and not_en go together: add the other one")
        return self

    @property
    def positive(self) -> Text:
        """The noun phrase, or the statement when true."""
        return Text(nl=self.nl, en=self.en)

    @property
    def negative(self) -> Text | None:
        """The statement when false, for a yes-or-no fact."""
        return Text(nl=self.not_nl, en=self.not_en) if self.not_nl and self.not_en else None


class Vocabulary(Strict):
    """`vocabulary.toml`: `facts` by path (`resource.party`), `values` and `actions` by their code."""

    facts: Annotated[dict[str, FactWords], Field(min_length=1)]
    values: dict[str, Text]
    actions: dict[str, Text]

    def value(self, code: object) -> Text:
        """The words for a value; a number or an unknown code stands for itself."""
        return (
            self.values.get(str(code), Text(nl=f"“{code}”", en=f"“{code}”")) if isinstance(code, str) else _same(code)
        )


def _same(value: object) -> Text:
    return Text(nl=str(value), en=str(value))


def parse_vocabulary(text: str) -> Vocabulary:
    """Read the text of `vocabulary.toml`.

    Raises:
        tomllib.TOMLDecodeError, pydantic.ValidationError: it is not as described.
    """
    return Vocabulary.model_validate_json(json.dumps(tomllib.loads(text)))
