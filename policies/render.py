"""A rule as a Dutch and an English sentence, made from its own structure: beside the lawyer's text, not from it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from policies.errors import PolicyError
from policies.rule import Expression, Rule, conjuncts, path_of
from policies.sources import Text
from policies.vocabulary import FactWords, Vocabulary


class Unspeakable(PolicyError):  # noqa: N818  the outcome's name
    """A rule uses a construction that has no sentence here; `lint` refuses such a rule."""


def rule_sentence(rule: Rule, vocabulary: Vocabulary) -> Text:
    """The whole rule as one sentence, in both languages.

    Raises:
        Unspeakable: the rule uses a fact without words or a construction that is not allowed here.
    """
    acts = _acts(rule, vocabulary)
    when = [
        condition(part, vocabulary)
        for clause in rule.form["conditions"]
        if clause["kind"] == "when"
        for part in conjuncts(clause["body"])
    ]
    unless = [
        condition(part, vocabulary)
        for clause in rule.form["conditions"]
        if clause["kind"] == "unless"
        for part in conjuncts(clause["body"])
    ]
    said = _PERMITTED if rule.effect == "permit" else _FORBIDDEN
    said = _both(lambda pick: pick(said).format(acts=pick(acts)))
    if when:
        said = _both(lambda pick: f"{pick(said)}, {pick(_IF[len(when) > 1])}: {'; '.join(map(pick, when))}")
    if unless:
        said = _both(lambda pick: f"{pick(said)}, {pick(_UNLESS[len(unless) > 1])}: {'; '.join(map(pick, unless))}")
    return _both(lambda pick: f"{pick(said)}.")


def condition(expression: Expression, vocabulary: Vocabulary, *, negated: bool = False) -> Text:
    """One condition as a statement, or its negation.

    Raises:
        Unspeakable: see `rule_sentence`.
    """
    operator, operands = next(iter(expression.items()))
    if operator == "!":
        return condition(operands["arg"], vocabulary, negated=not negated)
    if operator in {"&&", "||"}:
        return _junction(operator, operands, vocabulary, negated=negated)
    if operator == ".":
        return _yes_or_no(expression, vocabulary, negated=negated)
    if operator in _COMPARISONS:
        return _comparison(operator, operands, vocabulary, negated=negated)
    if operator in {"contains", "containsAll"}:
        return _membership(operator, operands, vocabulary, negated=negated)
    raise _no_sentence(operator)


def _no_sentence(operator: str) -> Unspeakable:
    return Unspeakable(f"no sentence for the construction {operator}: write it with && || ! == < contains")


def _both(make: Callable[[Callable[[Text], str]], str]) -> Text:
    """The same sentence built in each language."""
    return Text(nl=make(lambda text: text.nl), en=make(lambda text: text.en))


_PERMITTED = Text(nl="Toegestaan is {acts}", en="It is permitted to {acts}")
_FORBIDDEN = Text(nl="Verboden is {acts}", en="It is forbidden to {acts}")
_EVERYTHING = Text(nl="elke handeling", en="do anything")
_IF = (
    Text(nl="wanneer dit geldt", en="when this holds"),
    Text(nl="wanneer dit alles geldt", en="when all of this holds"),
)
_UNLESS = (
    Text(nl="behalve wanneer dit geldt", en="except when this holds"),
    Text(nl="behalve wanneer dit alles geldt", en="except when all of this holds"),
)
_AND = Text(nl="en", en="and")
_OR = Text(nl="of", en="or")

# Operator, its negation; words for numbers and words for days.
_COMPARISONS: Mapping[str, tuple[str, Text, Text]] = {
    "==": ("!=", Text(nl="is", en="is"), Text(nl="is", en="is")),
    "!=": ("==", Text(nl="is niet", en="is not"), Text(nl="is niet", en="is not")),
    "<": (">=", Text(nl="is kleiner dan", en="is less than"), Text(nl="ligt vóór", en="is before")),
    "<=": (">", Text(nl="is hoogstens", en="is at most"), Text(nl="ligt op of vóór", en="is on or before")),
    ">": ("<=", Text(nl="is groter dan", en="is more than"), Text(nl="ligt na", en="is after")),
    ">=": ("<", Text(nl="is ten minste", en="is at least"), Text(nl="ligt op of na", en="is on or after")),
}


def _acts(rule: Rule, vocabulary: Vocabulary) -> Text:
    if not rule.actions:
        return _EVERYTHING
    unknown = [action for action in rule.actions if action not in vocabulary.actions]
    if unknown:
        raise Unspeakable(f"no words for the action {unknown[0]}: add it under [actions] in vocabulary.toml")
    return _joined([vocabulary.actions[action] for action in rule.actions], _OR)


def _joined(parts: Iterable[Text], word: Text) -> Text:
    texts = list(parts)
    if not texts:
        raise Unspeakable("a set of nothing: name what is in it, or leave the condition out")
    return _both(lambda pick: _list(list(map(pick, texts)), pick(word)))


def _list(items: list[str], word: str) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def _junction(operator: str, operands: Mapping[str, Any], vocabulary: Vocabulary, *, negated: bool) -> Text:
    """`a && b` or `a || b`; negated by De Morgan. A part of the other kind gets brackets."""
    word = _AND if (operator == "&&") != negated else _OR
    parts = []
    for part in _same_kind(operator, operands):
        said = condition(part, vocabulary, negated=negated)
        mixed = bool({"&&", "||"} & set(_without_not(part)))
        parts.append(_both(lambda pick, said=said: f"({pick(said)})") if mixed else said)  # type: ignore[misc]  # mypy cannot infer a lambda with a bound default
    return _joined(parts, word)


def _same_kind(operator: str, operands: Mapping[str, Any]) -> Iterable[Expression]:
    for side in (operands["left"], operands["right"]):
        yield from _same_kind(operator, side[operator]) if operator in side else [side]


def _without_not(expression: Expression) -> Expression:
    return _without_not(expression["!"]["arg"]) if "!" in expression else expression


def _yes_or_no(expression: Expression, vocabulary: Vocabulary, *, negated: bool) -> Text:
    words = _words(expression, vocabulary)
    if words.negative is None:
        raise Unspeakable(f"{path_of(expression)} is used as yes or no: add not_nl and not_en in vocabulary.toml")
    return words.negative if negated else words.positive


def _comparison(operator: str, operands: Mapping[str, Any], vocabulary: Vocabulary, *, negated: bool) -> Text:
    opposite, _, _ = _COMPARISONS[operator]
    _, number, day = _COMPARISONS[opposite if negated else operator]
    left, right = operands["left"], operands["right"]
    days = any(path_of(side) and _words(side, vocabulary).day for side in (left, right))
    if right.get("Value") == "":
        none = {"==": Text(nl="ontbreekt", en="is absent"), "!=": Text(nl="is er", en="is present")}
        verb = none[opposite if negated else operator]
        return _both(lambda pick: f"{pick(_operand(left, vocabulary))} {pick(verb)}")
    verb = day if days else number
    return _both(lambda pick: f"{pick(_operand(left, vocabulary))} {pick(verb)} {pick(_operand(right, vocabulary))}")


def _membership(operator: str, operands: Mapping[str, Any], vocabulary: Vocabulary, *, negated: bool) -> Text:
    """`set.contains(x)` and `set.containsAll(others)`; the set may be written out or a fact."""
    whole, part = operands["left"], _operand(operands["right"], vocabulary)
    if "Set" in whole:
        codes = _joined([vocabulary.value(item["Value"]) for item in whole["Set"]], _OR)
        verb = _ONE_OF if operator == "contains" else _ONLY
        return _both(lambda pick: pick(verb[negated]).format(part=pick(part), whole=pick(codes)))
    verb = _IN if operator == "contains" else _ALL_IN
    return _both(lambda pick: pick(verb[negated]).format(part=pick(part), whole=pick(_operand(whole, vocabulary))))


_ONE_OF = (
    Text(nl="{part} is {whole}", en="{part} is {whole}"),
    Text(nl="{part} is niet {whole}", en="{part} is not {whole}"),
)
_ONLY = (
    Text(nl="{part} zijn alleen {whole}", en="{part} are only {whole}"),
    Text(nl="{part} zijn niet alleen {whole}", en="{part} are not only {whole}"),
)
_IN = (
    Text(nl="{part} hoort bij {whole}", en="{part} is among {whole}"),
    Text(nl="{part} hoort niet bij {whole}", en="{part} is not among {whole}"),
)
_ALL_IN = (
    Text(nl="{part} horen alle bij {whole}", en="{part} are all among {whole}"),
    Text(nl="{part} horen niet alle bij {whole}", en="{part} are not all among {whole}"),
)


def _operand(expression: Expression, vocabulary: Vocabulary) -> Text:
    if "Value" in expression:
        return vocabulary.value(expression["Value"])
    return _words(expression, vocabulary).positive


def _words(expression: Expression, vocabulary: Vocabulary) -> FactWords:
    path = path_of(expression)
    if not path:
        raise _no_sentence(next(iter(expression)))
    if path not in vocabulary.facts:
        raise Unspeakable(f"no words for {path}: add it under [facts] in vocabulary.toml")
    return vocabulary.facts[path]
