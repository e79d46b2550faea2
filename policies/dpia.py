"""Risks and measures of the impact assessment (AVG art. 35(7)): texts from a file, figures handed in as measured."""

import datetime as dt
import json
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from policies.errors import Fault
from policies.sources import Key, Strict, Text


class Measure(Strict):
    """Something done against risks.

    Attributes:
        text: what is done.
        rules: rules that enforce it.
        measured: what figure shows that it works; without one the measure is the rule alone.
    """

    text: Text
    rules: tuple[Key, ...] = ()
    measured: Text | None = None


class Risk(Strict):
    """What could go wrong for a pupil, and the measures against it."""

    text: Text
    measures: Annotated[tuple[Key, ...], Field(min_length=1)]


class Assessment(Strict):
    """`dpia.toml`."""

    risks: dict[Key, Risk]
    measures: dict[Key, Measure]


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure that was measured, never one that is claimed.

    Attributes:
        measure: id of the measure it belongs to.
        value: the figure in words that both languages share, such as `0 exact, 0 narrowed`.
        at: when it was measured.
        evidence: where it can be checked: a certificate, an entry of the trail, a command.
    """

    measure: str
    value: str
    at: dt.datetime
    evidence: str


def parse_assessment(text: str) -> Assessment:
    """Read the text of `dpia.toml`.

    Raises:
        tomllib.TOMLDecodeError, pydantic.ValidationError: it is not as described.
    """
    return Assessment.model_validate_json(json.dumps(tomllib.loads(text)))


def assessment_faults(assessment: Assessment, rules: Collection[str]) -> Iterator[Fault]:
    """Risks that point to no measure, and measures that point to no rule or to no risk."""
    for key, risk in assessment.risks.items():
        for name in risk.measures:
            if name not in assessment.measures:
                yield Fault("dpia.toml", f"risks.{key}", f"no measure {name}", "Add it or correct the id")
    used = {name for risk in assessment.risks.values() for name in risk.measures}
    for key, measure in assessment.measures.items():
        if key not in used:
            yield Fault("dpia.toml", f"measures.{key}", "against no risk", "Name the risk, or remove it")
        for rule in measure.rules:
            if rule not in rules:
                yield Fault("dpia.toml", f"measures.{key}", f"no rule {rule}", "Correct the id of the rule")
