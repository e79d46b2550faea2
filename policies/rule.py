"""A Cedar rule as a value: its annotations, the acts it is about, and its conditions one by one."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from policies.sources import Text

Expression = Mapping[str, Any]
"""A condition in Cedar's JSON form: one key, the operator, over its operands."""

ANNOTATIONS = ("id", "legal_basis", "legal_basis_en", "source", "status", "explanation", "explanation_en")
OPTIONAL_ANNOTATIONS = ("conceals", "obliges")


@dataclass(frozen=True, slots=True)
class Rule:
    """One permit or forbid.

    Attributes:
        id: its `@id`.
        effect: permit or forbid.
        annotations: all annotations as written.
        actions: names of the actions it is about; none means all.
        conditions: what must hold for it to apply; an `unless` is its negation, a conjunction is taken apart.
        form: the whole rule in Cedar's JSON form.
        file: its file; `line` where it starts, from 1.
    """

    id: str
    effect: Literal["permit", "forbid"]
    annotations: Mapping[str, str]
    actions: tuple[str, ...]
    conditions: tuple[Expression, ...]
    form: Mapping[str, Any]
    file: str
    line: int

    @property
    def explanation(self) -> Text:
        """The lawyer's sentence."""
        return Text(nl=self.annotations["explanation"], en=self.annotations["explanation_en"])

    @property
    def legal_basis(self) -> Text:
        """The article it rests on, in words."""
        return Text(nl=self.annotations["legal_basis"], en=self.annotations["legal_basis_en"])

    @property
    def conceals(self) -> bool:
        """True where its refusal must look like "no such thing"."""
        return "conceals" in self.annotations

    @property
    def obliges(self) -> tuple[str, ...]:
        """Names of the terms of the purpose that this permit asks in return."""
        return tuple(self.annotations.get("obliges", "").split())

    def applies_to(self, action: str) -> bool:
        """Whether the rule is about this action."""
        return not self.actions or action in self.actions


def from_form(form: Mapping[str, Any], *, file: str, line: int) -> Rule:
    """The rule that Cedar's JSON form describes; a missing `@id` becomes empty, for `lint` to find."""
    annotations = {key: str(value or "") for key, value in form.get("annotations", {}).items()}
    return Rule(
        id=annotations.get("id", ""),
        effect=form["effect"],
        annotations=annotations,
        actions=tuple(_actions(form["action"])),
        conditions=tuple(part for condition in form["conditions"] for part in _parts(condition)),
        form=form,
        file=file,
        line=line,
    )


def _actions(scope: Mapping[str, Any]) -> Iterator[str]:
    if scope["op"] == "==":
        yield scope["entity"]["id"]
    elif scope["op"] == "in":
        yield from (entity["id"] for entity in scope.get("entities", [scope.get("entity")]))


def _parts(condition: Mapping[str, Any]) -> Iterator[Expression]:
    body = condition["body"]
    yield from conjuncts(body) if condition["kind"] == "when" else [{"!": {"arg": body}}]


def conjuncts(expression: Expression) -> Iterator[Expression]:
    """`a && b && c` as its parts."""
    if "&&" in expression:
        yield from conjuncts(expression["&&"]["left"])
        yield from conjuncts(expression["&&"]["right"])
    else:
        yield expression


def attributes(expression: Any) -> Iterator[str]:  # noqa: ANN401  a node of Cedar's JSON form
    """The facts an expression reads, as `resource.party` or `context.purpose.status`."""
    if isinstance(expression, Mapping):
        path = path_of(expression)
        if path:
            yield path
            return
        for value in expression.values():
            yield from attributes(value)
    elif isinstance(expression, list):
        for value in expression:
            yield from attributes(value)


def path_of(expression: Expression) -> str:
    """`context.purpose.status` of an attribute chain, empty for anything else."""
    if "." not in expression:
        return ""
    left, name = expression["."]["left"], expression["."]["attr"]
    return f"{left['Var']}.{name}" if "Var" in left else f"{path_of(left)}.{name}"


_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;', re.DOTALL)


def statements(text: str) -> Iterator[tuple[int, str]]:
    """The rules of a Cedar text one by one, each with the line it starts on: Cedar's own messages name no line."""
    start = 0
    for token in _TOKEN.finditer(text):
        if token.group() == ";":
            yield _placed(text, start, token.end())
            start = token.end()
    if _TOKEN.sub("", text[start:]).strip():
        yield _placed(text, start, len(text))


def _placed(text: str, start: int, end: int) -> tuple[int, str]:
    skipped = re.match(r"(?:\s|//[^\n]*)*", text[start:end])
    begin = start + (skipped.end() if skipped else 0)
    return text.count("\n", 0, begin) + 1, text[begin:end]
