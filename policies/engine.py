"""The only file that imports `cedarpy`: loads the law, refuses what is not sound, and decides, failing closed."""

import datetime as dt
import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar

import cedarpy
from pydantic import ValidationError

from policies import lint, refusal
from policies.days import LOCAL, local_day
from policies.decision import Decision, Deny, Ground, NearMiss, Obligation, Permit, Reason, Version
from policies.dpia import Assessment, assessment_faults, parse_assessment
from policies.errors import BadPolicy, Fault
from policies.law import Law
from policies.parties import ANYBODY, Caller
from policies.purpose import PACKAGED, InForce, Purpose, Purposes, load_purposes
from policies.question import NO_MANDATE, Action, Request, Setup, caller_facts, mandate_facts
from policies.refusal import Telling, telling
from policies.release import Method, Sector
from policies.rule import Rule, from_form, statements
from policies.sources import Text
from policies.terms import OBLIGATIONS, terms
from policies.things import Installation, plain
from policies.vocabulary import Vocabulary, parse_vocabulary

CALLERS_KEPT = 4096  # about 4 kB each
DAYS_KEPT = 8  # each delivery asks what stands today

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Act:
    """Everything one action needs, compiled at its first question.

    Attributes:
        policies: the rules about this action.
        probes: each condition of each permit as a permit of its own; on a refusal they say which ones held.
        permits: what may be said of the permits about this action.
    """

    policies: cedarpy.PolicySet
    probes: cedarpy.PolicySet
    permits: tuple[Telling, ...]


@dataclass(frozen=True, slots=True)
class _Granted:
    """What one purpose grants: on which grounds, and for what in return."""

    grounds: tuple[Ground, ...]
    obligations: tuple[Obligation, ...]


class Engine:
    """The law in force, ready to decide.

    Attributes:
        law: everything that was loaded.
        rules: all rules by id; `purposes` all purposes; `in_force` what the operator set in force, by purpose.
        version: name and hash of what decides.
    """

    def __init__(self, law: Law, schema: cedarpy.Schema) -> None:
        self.law = law
        self.rules = law.rules
        self.purposes = law.purposes
        self.in_force = law.in_force
        self.version = law.version
        self._schema = schema
        self._facts = _without_acts(schema)
        self._place = {rule: place for place, rule in enumerate(law.rules)}
        self._tellings = {rule.id: telling(rule, law.vocabulary) for rule in law.rules.values()}
        self._act = cache(lambda action: _act(action, law.rules.values(), self._tellings))
        self._what_for = cache(self._parse_what_for)
        self._granted = cache(self._grant)
        self._who = lru_cache(CALLERS_KEPT)(self._parse_who)
        self._standing = lru_cache(DAYS_KEPT)(self._standing_on)
        self._grounds = {rule.id: _ground_of_rule(rule) for rule in law.rules.values()}
        self._purpose_grounds = {key: tuple(_grounds_of_purpose(purpose)) for key, purpose in law.purposes.items()}

    @classmethod
    def load(
        cls,
        *,
        purposes: Iterable[Path] = (),
        in_force: Iterable[InForce] = (),
        methods: Mapping[Sector, Method] | None = None,
        folder: Path = PACKAGED,
    ) -> Self:
        """Read, check and compile the law; nothing is loaded when anything is wrong.

        1. Parse schema, purposes and every rule, and check each rule against the schema: types, typos, optional facts.
        2. Check what the house asks of a rule (annotations, citations, words), and what the operator set in force.

        Args:
            purposes: further folders of purpose files, beside the packaged ones.
            in_force: proposed purposes that are law for this operator.
            methods: exact or dp, for the sectors where it is not as the purpose files say.
            folder: where `rules/`, the schema, the vocabulary and the assessment are.

        Raises:
            BadPolicy: with file, line or key, and fix of every fault.
        """
        # 1
        faults: list[Fault] = []
        schema = _schema(folder / "schema.cedarschema")
        known = load_purposes(purposes, methods)
        read = [rule for path in sorted((folder / "rules").glob("*.cedar")) for rule in _rules(path, schema, faults)]
        rules = {rule.id: rule for rule in read}
        # 2
        vocabulary, assessment = _beside(folder)
        faults += [*lint.rule_faults(read, known.sources, vocabulary), *assessment_faults(assessment, rules)]
        faults += lint.in_force_faults(words := tuple(in_force), known)
        if faults:
            raise BadPolicy(faults)
        chosen = {word.purpose: word for word in words}
        digest = _hash(rules, schema, known, chosen)
        return cls(Law(rules, known, chosen, vocabulary, assessment, Version("verzuimpoort", digest)), schema)

    def decide(self, request: Request, *, at: dt.datetime) -> Decision:
        """Whether the act may be done at this moment, with grounds; every purpose named must allow it.

        Args:
            request: who wants to do what, with which thing, for which purposes.
            at: the moment, with a time zone; rules see the day in Europe/Amsterdam.

        Returns:
            `Permit`, or the `Deny` of the first purpose that does not allow it, which it names alone. A failing engine
            denies.

        Raises:
            PolicyError: `at` has no time zone.
        """
        today = local_day(at)
        if unknown := [purpose for purpose in request.purposes if purpose not in self.purposes]:
            return self._deny(request, unknown[0], Reason.UNKNOWN_PURPOSE, why=(refusal.UNKNOWN_PURPOSE,))
        granted: list[_Granted] = []
        for purpose in request.purposes:
            decided = self._decide(request, self.purposes[purpose], today)
            if isinstance(decided, Deny):
                return decided
            granted.append(decided)
        first, *more = granted
        grounds = tuple(dict.fromkeys(ground for each in granted for ground in each.grounds)) if more else first.grounds
        obligations = tuple(asked for each in granted for asked in each.obligations)
        return Permit(request.action, request.purposes, grounds, self.version, obligations)

    def standing(self, at: dt.datetime) -> Mapping[str, Decision]:
        """What the law says about each purpose at a moment, whoever asks: a permit where it works, else why not.

        The question is that of the one act anybody may do, so that only what stands above every act can refuse it.

        Raises:
            PolicyError: `at` has no time zone.
        """
        return self._standing(local_day(at))

    def _standing_on(self, today: dt.date) -> Mapping[str, Decision]:
        act, thing, noon = Action.READ_REGISTER_OF_PROCESSING, Installation(), dt.time(12, tzinfo=LOCAL)
        at = dt.datetime.combine(today, noon)
        said = {key: self.decide(Request(ANYBODY, act, thing, (key,)), at=at) for key in self.purposes}
        return MappingProxyType(said)

    def _decide(self, request: Request, purpose: Purpose, today: dt.date) -> Deny | _Granted:
        """What one purpose grants, or the refusal.

        Cedar skips a rule that errs, a forbid too, and then answers Allow: only an answer without errors counts.
        """
        act = self._act(request.action)
        try:
            entities = self._entities(request, purpose)
        except ValueError:  # its text repeats the facts: it goes nowhere
            return self._deny(request, purpose.id, Reason.FAULT, why=(refusal.FAULT,))
        question = _question(request, today)
        answer = _ask(question, entities, act.policies, self._schema)
        if answer is None:
            return self._deny(request, purpose.id, Reason.FAULT, why=(refusal.FAULT,))
        if answer.allowed:
            return self._granted(answer.rules, purpose.id)
        refused = refusal.refuse(
            forbids=[self._tellings[rule] for rule in self._in_order(answer.rules)],
            permits=act.permits,
            held=lambda: _held(_ask(question, entities, act.probes, self._schema)),
        )
        return self._deny(
            request,
            purpose.id,
            refused.reason,
            why=refused.why + refusal.of_purpose(purpose, refused.reason),
            grounds=self._grounds_of(refused.rules),
            near=refused.near,
        )

    def _entities(self, request: Request, purpose: Purpose) -> cedarpy.Entities:
        """Caller, mandate, purpose and thing, each checked against the schema when it is added.

        Raises:
            ValueError: a fact does not fit the schema.
        """
        thing = _entities((request.thing.TYPE, "thing", request.thing.facts()))
        return self._who(request.caller, purpose.id).with_added_json_str(thing, self._facts)

    def _parse_who(self, caller: Caller, purpose: str) -> cedarpy.Entities:
        who = [("Caller", "caller", caller_facts(caller))]
        if caller.mandate is not None:
            who.append(("Mandate", "given", mandate_facts(caller.mandate)))
        return self._what_for(purpose).with_added_json_str(_entities(*who), self._facts)

    def _parse_what_for(self, purpose: str) -> cedarpy.Entities:
        known = terms(self.purposes[purpose], self.law.in_force.get(purpose))
        none = ("Mandate", "none", mandate_facts(NO_MANDATE))
        return cedarpy.Entities.from_json_str(_entities(("Purpose", "purpose", known), none), self._facts)

    def _grant(self, rules: frozenset[str], key: str) -> _Granted:
        purpose, deciding = self.purposes[key], self._in_order(rules)
        names = dict.fromkeys(name for rule in deciding for name in self.rules[rule].obliges)
        asked = ((name, OBLIGATIONS[name](purpose)) for name in names)
        obligations = tuple(Obligation(key, name, value) for name, value in asked if value is not None)
        return _Granted((*self._grounds_of(deciding), *self._purpose_grounds[key]), obligations)

    def _in_order(self, rules: Iterable[str]) -> list[str]:
        return sorted(rules, key=self._place.__getitem__)

    def _grounds_of(self, rules: Iterable[str]) -> tuple[Ground, ...]:
        return tuple(self._grounds[rule] for rule in rules)

    def _deny(
        self,
        request: Request,
        purpose: str,
        reason: Reason,
        *,
        why: tuple[Text, ...],
        grounds: tuple[Ground, ...] = (),
        near: NearMiss | None = None,
    ) -> Deny:
        return Deny(request.action, (purpose,), grounds, self.version, reason, why, near)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What Cedar found: allowed or not, and the ids of the deciding rules, which come in no fixed order."""

    allowed: bool
    rules: frozenset[str]


def _ask(
    question: dict[str, Any], entities: cedarpy.Entities, policies: cedarpy.PolicySet, schema: cedarpy.Schema
) -> _Answer | None:
    """Put one question to Cedar; nothing when it erred in any way, whose own words repeat the facts and go nowhere."""
    result = cedarpy.is_authorized(question, policies, entities, schema)
    if result.diagnostics.errors or result.decision is cedarpy.Decision.NoDecision:
        return None
    return _Answer(result.allowed is True, frozenset(result.diagnostics.reasons))


def _held(answer: _Answer | None) -> frozenset[str]:
    """Conditions of permits that held; none where the probe erred, so that nobody counts as entitled by accident."""
    return frozenset() if answer is None else answer.rules


def _entities(*named: tuple[str, str, Mapping[str, object]]) -> str:
    """Entities in Cedar's form, from their type, name and facts."""
    return json.dumps(
        [{"uid": {"type": kind, "id": name}, "attrs": facts, "parents": []} for kind, name, facts in named]
    )


def _question(request: Request, today: dt.date) -> dict[str, Any]:
    """The request in Cedar's form; caller, thing and purpose go under names that say nothing."""
    return {
        "principal": {"type": "Caller", "id": "caller"},
        "action": {"type": "Action", "id": request.action.value},
        "resource": {"type": request.thing.TYPE, "id": "thing"},
        "context": _context(today, request.action, request.collection, request.setup),
    }


@lru_cache(maxsize=1024)
def _context(today: dt.date, action: Action, collection: str, setup: Setup) -> str:
    return json.dumps(
        {
            "today": plain(today),
            "action": action.value,
            "collection": collection,
            "purpose": {"type": "Purpose", "id": "purpose"},
            "two_operators": setup.two_operators,
            "unsafe_single_operator": setup.unsafe_single_operator,
        }
    )


def _schema(path: Path) -> cedarpy.Schema:
    try:
        return cedarpy.Schema.from_str(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadPolicy([Fault(path.name, "file", str(error), "Correct the schema")]) from None


def _without_acts(schema: cedarpy.Schema) -> cedarpy.Schema:
    """The same schema for facts alone: Cedar adds every act of a schema to each set of facts it checks against it."""
    said = (text for _, text in statements(str(schema)))
    return cedarpy.Schema.from_str("\n".join(text for text in said if not text.startswith("action ")))


def _beside(folder: Path) -> tuple[Vocabulary, Assessment]:
    vocabulary = _parsed(folder / "vocabulary.toml", parse_vocabulary)
    return vocabulary, _parsed(folder / "dpia.toml", parse_assessment)


def _parsed(path: Path, parse: Callable[[str], _T]) -> _T:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise BadPolicy([Fault(path.name, "file", str(error), "Correct it at that place")]) from None


def _rules(path: Path, schema: cedarpy.Schema, faults: list[Fault]) -> Iterator[Rule]:
    """The rules of one file, each parsed and validated on its own, for Cedar's messages name no line."""
    for line, text in statements(path.read_text(encoding="utf-8")):
        try:
            forms = json.loads(cedarpy.policies_to_json_str(text))
        except ValueError as error:
            faults.append(Fault(path.name, f"line {line}", str(error), "Correct the rule that starts here"))
            continue
        if forms["templates"] or len(forms["staticPolicies"]) != 1:
            faults.append(Fault(path.name, f"line {line}", "not one whole rule", "Templates are not used here"))
            continue
        checked = cedarpy.validate_policies(text, schema)
        faults += (
            Fault(path.name, f"line {line}", wrong.error, "Correct the rule that starts here")
            for wrong in checked.errors
        )
        yield from_form(next(iter(forms["staticPolicies"].values())), file=path.name, line=line)


def _act(action: Action, rules: Iterable[Rule], tellings: Mapping[str, Telling]) -> _Act:
    about = [rule for rule in rules if rule.applies_to(action.value)]
    permits = [rule for rule in about if rule.effect == "permit"]
    anything = {"op": "All"}
    probes = {
        refusal.probe(rule.id, number): {
            "effect": "permit",
            "principal": anything,
            "action": anything,
            "resource": anything,
            "conditions": [{"kind": "when", "body": condition}],
        }
        for rule in permits
        for number, condition in enumerate(rule.conditions)
    }
    whole = _policy_set({rule.id: rule.form for rule in about})
    return _Act(whole, _policy_set(probes), tuple(tellings[rule.id] for rule in permits))


def _policy_set(forms: Mapping[str, Mapping[str, Any]]) -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_json_str(json.dumps({"templates": {}, "staticPolicies": forms, "templateLinks": []}))


def _ground_of_rule(rule: Rule) -> Ground:
    said = rule.annotations
    return Ground(rule.id, rule.legal_basis, said["source"], said["status"], rule.explanation)


def _grounds_of_purpose(purpose: Purpose) -> Iterator[Ground]:
    for cited in purpose.legal_basis:
        yield Ground(f"purpose:{purpose.id}", cited.article, cited.reference, purpose.status.value, cited.article)


def _hash(
    rules: Mapping[str, Rule], schema: cedarpy.Schema, purposes: Purposes, in_force: Mapping[str, InForce]
) -> str:
    """SHA-256 over everything that decides, in canonical form: layout and comments change nothing, meaning does."""
    whole = {
        "rules": {key: rule.form for key, rule in rules.items()},
        "schema": str(schema),
        "purposes": {key: purpose.model_dump() for key, purpose in purposes.items()},
        "sources": {key: source.model_dump() for key, source in purposes.sources.items()},
        "in_force": {key: word.model_dump() for key, word in in_force.items()},
    }
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), default=_canonical)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: object) -> object:
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)
