"""Mutants of the rules: each rule removed, each act, condition, comparison, number and listed word changed in turn.

`python -m tests.policies.mutants` prints the mutation score and every survivor.
"""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from policies.decision import Deny, Permit
from policies.engine import Engine
from policies.question import Action
from policies.rule import Rule, from_form
from tests.policies.cases import CASES
from tests.policies.enumeration import requests
from tests.policies.oracle import permitted
from tests.policies.world import law, noon

Form = dict[str, Any]
OPERATORS = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">=": ">", ">": ">=", "&&": "||", "||": "&&"}


@dataclass(frozen=True)
class Mutant:
    """A changed law.

    Attributes:
        rule: id of the rule that was changed.
        change: what was changed, in words.
        form: the changed rule; none where it was removed.
    """

    rule: str
    change: str
    form: Form | None

    @property
    def name(self) -> str:
        """Rule and change."""
        return f"{self.rule}: {self.change}"


def mutants() -> Iterator[Mutant]:
    """Every mutant of every rule; a change that occurs twice in a condition is numbered."""
    seen: Counter[str] = Counter()
    for mutant in _mutants():
        seen[mutant.name] += 1
        again = seen[mutant.name]
        yield mutant if again == 1 else replace(mutant, change=f"{mutant.change} ({again})")


def _mutants() -> Iterator[Mutant]:
    for rule in law().rules.values():
        yield Mutant(rule.id, "removed", None)
        original = copy.deepcopy(dict(rule.form))
        yield from (Mutant(rule.id, change, form) for change, form in _actions(original))
        for number, condition in enumerate(original["conditions"]):
            fewer = copy.deepcopy(original)
            del fewer["conditions"][number]
            yield Mutant(rule.id, f"condition {number + 1} removed", fewer)
            for change, body in _changed(condition["body"]):
                form = copy.deepcopy(original)
                form["conditions"][number]["body"] = body
                yield Mutant(rule.id, f"condition {number + 1}: {change}", form)


def _actions(form: Form) -> Iterator[tuple[str, Form]]:
    """One act fewer."""
    for entity in form["action"].get("entities", []):
        fewer = copy.deepcopy(form)
        fewer["action"]["entities"].remove(entity)
        yield f"not for {entity['id']}", fewer


def _changed(node: Form) -> Iterator[tuple[str, Form]]:
    """An expression with one thing changed, anywhere in it."""
    operator, operands = next(iter(node.items()))
    if operator in OPERATORS:
        yield f"{operator} becomes {OPERATORS[operator]}", {OPERATORS[operator]: operands}
    if operator in {"&&", "||"}:
        yield f"left of {operator} only", operands["left"]
        yield f"right of {operator} only", operands["right"]
    if operator in {".", "contains", "containsAll"}:
        yield f"not {_short(node)}", {"!": {"arg": node}}
    if operator == "Value" and isinstance(operands, int) and not isinstance(operands, bool):
        yield f"{operands} becomes {operands - 1}", {"Value": operands - 1}
        yield f"{operands} becomes {operands + 1}", {"Value": operands + 1}
    if operator == "Set" and len(operands) > 1:
        for item in operands:
            yield f"without {item['Value']}", {"Set": [other for other in operands if other != item]}
    if operator in {".", "Value", "Set"}:
        return
    for side, part in operands.items():
        for change, changed in _changed(part):
            yield change, {operator: {**operands, side: changed}}


def _short(node: Form) -> str:
    return str(next(iter(node.values())).get("attr", next(iter(node))))


def mutated(mutant: Mutant) -> Engine:
    """The law with this change."""
    original = law()
    rules: dict[str, Rule] = dict(original.rules)
    place = rules[mutant.rule]
    if mutant.form is None:
        del rules[mutant.rule]
    else:
        rules[mutant.rule] = from_form(mutant.form, file=place.file, line=place.line)
    return Engine(replace(original.law, rules=rules), original._schema)


def noticed(mutant: Mutant, *, cases_only: bool = False) -> str:
    """What notices it: `case`, `world`, or nothing; the named cases that expect its rule are asked first."""
    engine = mutated(mutant)
    actions = frozenset(action for action in Action if law().rules[mutant.rule].applies_to(action.value))
    for case in sorted(CASES, key=lambda case: mutant.rule not in case.rules):
        if case.action in actions:
            decision = engine.decide(case.request, at=noon(case.day))
            answer = decision.reason.value if isinstance(decision, Deny) else "permit"
            if (answer, decision.rules) != (case.decision, case.rules):
                return "case"
    if cases_only:
        return ""
    for request, today in requests(actions):
        decision = engine.decide(request, at=noon(today.isoformat()))
        if isinstance(decision, Permit) != permitted(request, engine.purposes[request.purposes[0]], today):
            return "world"
    return ""


def score(found: Mapping[str, str]) -> str:
    """The mutation score in one line."""
    caught = sum(map(bool, found.values()))
    by_case = sum(how == "case" for how in found.values())
    return f"{caught} of {len(found)} mutants noticed ({100 * caught / len(found):.1f} %), {by_case} by a named case"


if __name__ == "__main__":
    results = {mutant.name: noticed(mutant) for mutant in mutants()}
    print(score(results))  # noqa: T201  the score is what this program is for
    for survivor in (name for name, how in results.items() if not how):
        print(f"survived: {survivor}")  # noqa: T201  likewise
