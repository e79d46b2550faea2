"""What a refused caller is told: the forbids it may know of, or the permit that came closest, or "no such thing"."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

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


def probe(rule: Rule, number: int) -> str:
    """The name under which condition `number` of a permit is put to the engine on its own."""
    return f"{rule.id}#{number}"


def refuse(
    *, forbids: Sequence[Rule], permits: Sequence[Rule], held: Callable[[], Collection[str]], vocabulary: Vocabulary
) -> Refusal:
    """Turn what the engine found into what the caller may be told.

    1. A concealing forbid decided: the answer is that of a thing that does not exist, and nothing else is said.
    2. Forbids: all of them to a caller whom some permit would have let through; to anybody else only those whose facts
       the caller supplied or may know anyhow, for a stranger must not learn, say, how many approvals a release has.
    3. Otherwise the permit that came closest, unless it failed on a fact that may not be told.

    Args:
        forbids: the forbids that decided.
        permits: the permits about this action.
        held: finds the names (`probe`) of the conditions of permits that held; asked only where the answer matters.
        vocabulary: says which facts may be told, and in which words.
    """
    # 1
    if concealing := tuple(rule.id for rule in forbids if rule.conceals):
        return Refusal(Reason.NOT_FOUND, concealing, (NOTHING_THERE,))
    # 2
    told = [rule for rule in forbids if _may_be_told(rule.conditions, vocabulary)]
    failing: dict[str, tuple[Expression, ...]] = {}
    if not forbids or len(told) < len(forbids):
        holding = held()
        failing = {rule.id: _failing(rule, holding) for rule in permits}
        told = [*forbids] if any(not failed for failed in failing.values()) else told
    if told:
        return Refusal(Reason.FORBIDDEN, tuple(rule.id for rule in told), tuple(rule.explanation for rule in told))
    # 3
    if not permits:
        return Refusal(Reason.NO_PERMIT, (), (NO_RULE,))
    nearest = min(permits, key=lambda rule: len(failing[rule.id]) / len(rule.conditions))
    if not _may_be_told(failing[nearest.id], vocabulary):
        return Refusal(Reason.NOT_FOUND, (), (NOTHING_THERE,))
    missing = tuple(condition(part, vocabulary) for part in failing[nearest.id])
    return Refusal(Reason.NO_PERMIT, (), (NO_RULE,), NearMiss(nearest.id, missing))


def of_purpose(purpose: Purpose, reason: Reason) -> tuple[Text, ...]:
    """What the purpose file itself says about being switched off, or running elsewhere."""
    if reason is not Reason.FORBIDDEN:
        return ()
    return tuple(text for text in (purpose.reason, purpose.outside) if text is not None)


def _failing(rule: Rule, held: Collection[str]) -> tuple[Expression, ...]:
    return tuple(part for number, part in enumerate(rule.conditions) if probe(rule, number) not in held)


def _may_be_told(conditions: Iterable[Expression], vocabulary: Vocabulary) -> bool:
    return all(vocabulary.facts[fact].told for part in conditions for fact in attributes(part))
