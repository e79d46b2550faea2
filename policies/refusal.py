"""What a refused caller is told: the forbids it may know of, or the permit that came closest, or "no such thing"."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache, partial

from policies.decision import NearMiss, Reason
from policies.purpose import Purpose
from policies.render import condition
from policies.rule import Expression, Rule, attributes
from policies.sources import Text
from policies.vocabulary import Vocabulary

NOTHING_THERE = Text(nl="Dit bestaat niet, of het is niet voor u.", en="This does not exist, or it is not for you.")
NO_RULE = Text(nl="Geen enkele regel staat dit toe.", en="No rule permits this.")
UNKNOWN_PURPOSE = Text(nl="Dit doel bestaat niet.", en="There is no such purpose.")
FAULT = Text(
    nl="Over deze vraag kon niet worden besloten; daarom gaat het niet door.",
    en="This question could not be decided; therefore it is refused.",
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, as far as the caller may know: the rules are those it is told, and only those are recorded."""

    reason: Reason
    rules: tuple[str, ...]
    why: tuple[Text, ...]
    near: NearMiss | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a permit.

    Attributes:
        probe: the name under which it is put to the engine on its own.
        told: a caller may hear that it failed.
        words: the condition as a statement, made when it is first told.
    """

    probe: str
    told: bool
    words: Callable[[], Text]


@dataclass(frozen=True, slots=True)
class Telling:
    """What may be said of a rule to somebody it refuses, worked out once.

    Attributes:
        rule: its id.
        conceals: its refusal must look like "no such thing".
        told: all its facts may be told.
        explanation: the lawyer's sentence.
        conditions: those of a permit, for the near miss; a forbid has none here.
    """

    rule: str
    conceals: bool
    told: bool
    explanation: Text
    conditions: tuple[Condition, ...]


def telling(rule: Rule, vocabulary: Vocabulary) -> Telling:
    """What may be said of this rule, in the words of the vocabulary, which also says which facts may be told."""
    asked = enumerate(rule.conditions) if rule.effect == "permit" else ()
    conditions = tuple(
        Condition(probe(rule.id, number), _may_be_told(part, vocabulary), cache(partial(condition, part, vocabulary)))
        for number, part in asked
    )
    told = all(_may_be_told(part, vocabulary) for part in rule.conditions)
    return Telling(rule.id, rule.conceals, told, rule.explanation, conditions)


def probe(rule: str, number: int) -> str:
    """The name under which condition `number` of a permit is put to the engine on its own."""
    return f"{rule}#{number}"


def refuse(*, forbids: Sequence[Telling], permits: Sequence[Telling], held: Callable[[], Collection[str]]) -> Refusal:
    """Turn what the engine found into what the caller may be told.

    1. A concealing forbid decided: the answer is that of a thing that does not exist, and nothing else is said.
    2. Forbids: all of them to a caller whom some permit would have let through; to anybody else only those whose facts
       the caller supplied or may know anyhow, for a stranger must not learn, say, how many approvals a release has.
    3. Otherwise the permit that came closest, unless it failed on a fact that may not be told.

    Args:
        forbids: the forbids that decided.
        permits: the permits about this action.
        held: finds the names (`probe`) of the conditions of permits that held; asked only where the answer matters.
    """
    # 1
    if concealing := tuple(forbid.rule for forbid in forbids if forbid.conceals):
        return Refusal(Reason.NOT_FOUND, concealing, (NOTHING_THERE,))
    # 2
    told = [forbid for forbid in forbids if forbid.told]
    failing: list[tuple[Telling, list[Condition]]] = []
    if not forbids or len(told) < len(forbids):
        holding = held()
        failing = [(permit, [part for part in permit.conditions if part.probe not in holding]) for permit in permits]
        told = [*forbids] if any(not failed for _, failed in failing) else told
    if told:
        return Refusal(
            Reason.FORBIDDEN, tuple(forbid.rule for forbid in told), tuple(forbid.explanation for forbid in told)
        )
    # 3
    if not permits:
        return Refusal(Reason.NO_PERMIT, (), (NO_RULE,))
    nearest, failed = min(failing, key=lambda each: len(each[1]) / len(each[0].conditions))
    if not all(part.told for part in failed):
        return Refusal(Reason.NOT_FOUND, (), (NOTHING_THERE,))
    return Refusal(Reason.NO_PERMIT, (), (NO_RULE,), NearMiss(nearest.rule, tuple(part.words() for part in failed)))


def of_purpose(purpose: Purpose, reason: Reason) -> tuple[Text, ...]:
    """What the purpose file itself says about being switched off, or running elsewhere."""
    if reason is not Reason.FORBIDDEN:
        return ()
    return tuple(text for text in (purpose.reason, purpose.outside) if text is not None)


def _may_be_told(condition: Expression, vocabulary: Vocabulary) -> bool:
    return all(vocabulary.facts[fact].told for fact in attributes(condition))
