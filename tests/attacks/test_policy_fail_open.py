"""The adversary makes a rule or the engine err: Cedar skips a forbid that errs and answers Allow."""

# ruff: noqa: E501  a table is read by its rows

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from policies import engine as engine_module
from policies.decision import Deny, Permit, Reason
from policies.engine import Engine
from policies.errors import BadPolicy
from policies.purpose import PACKAGED, Purpose
from policies.question import Action, Request
from policies.rule import from_form
from policies.things import Delivery
from tests.policies.world import CALLERS, DELIVERY, MANDATE, READY, TWO, law, noon

NOW = noon("2026-11-02")
SUBMIT = Request(CALLERS["school"], Action.SUBMIT, DELIVERY, ("statutory-counts",), "absence-counts", TWO)
PUBLISH = Request(CALLERS["operator"], Action.PUBLISH_RELEASE, READY, ("absence-insight-swv",))


def denied_as_fault(engine: Engine, request: Request) -> Deny:
    """A refusal because the engine failed, that repeats nothing."""
    decision = engine.decide(request, at=NOW)
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.verdict) == (Reason.FAULT, "error")
    assert "00AB00" not in repr(decision)
    return decision


OVERFLOW = """@id("overflow") @legal_basis("x") @legal_basis_en("x") @source("avg") @status("in_force")
@explanation("x") @explanation_en("x") forbid (principal, action, resource) when { resource.approvals + 9223372036854775807 > 0 };"""


def test_the_trap_is_real() -> None:
    """Cedar itself: a permit and a forbid that errs is Allow, with the error on the side."""
    policies = f"permit (principal, action, resource);\n{OVERFLOW}"
    entities = [{"uid": {"type": "T", "id": "t"}, "attrs": {"approvals": 1}, "parents": []}]
    subject = {"type": "T", "id": "t"}
    answer = cedarpy.is_authorized(
        {"principal": subject, "action": {"type": "Action", "id": "a"}, "resource": subject}, policies, entities
    )
    assert answer.allowed
    assert len(answer.diagnostics.errors) == 1


def test_a_forbid_that_errs_at_run_time_denies() -> None:
    """An overflow passes every check at load and fails on the first question: nothing is permitted."""
    form = json.loads(cedarpy.policies_to_json_str(OVERFLOW))["staticPolicies"]["policy0"]
    rules = {**law().rules, "overflow": from_form(form, file="x.cedar", line=1)}
    broken = Engine(replace(law().law, rules=rules), law()._schema)
    assert isinstance(law().decide(PUBLISH, at=NOW), Permit)
    denied_as_fault(broken, PUBLISH)


def test_arithmetic_has_no_words_and_so_does_not_load(tmp_path: Path) -> None:
    """Before it could err, the lint refuses the construction."""
    folder = copied(tmp_path)
    text = OVERFLOW.replace(
        "(principal, action, resource)", '(principal, action == Action::"publish-release", resource)'
    )
    (folder / "rules/x.cedar").write_text(text)
    with pytest.raises(BadPolicy, match=r"x.cedar: line 1: no sentence for the construction \+"):
        Engine.load(folder=folder)


def copied(folder: Path) -> Path:
    """The packaged law in a place where it can be damaged."""
    for name in ("schema.cedarschema", "vocabulary.toml", "dpia.toml"):
        shutil.copy(PACKAGED / name, folder)
    shutil.copytree(PACKAGED / "rules", folder / "rules")
    return folder


@pytest.mark.parametrize("attribute", ["health", "period_open", "party"])
def test_an_optional_attribute_inside_a_forbid_does_not_load(tmp_path: Path, attribute: str) -> None:
    """The schema made one fact optional: every rule that reads it unguarded is refused, with file and line."""
    folder = copied(tmp_path)
    schema = folder / "schema.cedarschema"
    schema.write_text(schema.read_text().replace(f"{attribute}: ", f"{attribute}?: "))
    with pytest.raises(BadPolicy) as refused:
        Engine.load(folder=folder)
    assert any("optional attribute" in fault.what and fault.where.startswith("line ") for fault in refused.value.faults)


@dataclass(frozen=True, slots=True)
class Incomplete(Delivery):
    """A delivery that keeps one fact to itself."""

    missing: str = "health"

    def facts(self) -> dict[str, Any]:
        """All but one."""
        return {key: value for key, value in Delivery.facts(self).items() if key not in {"missing", self.missing}}


@pytest.mark.parametrize("missing", sorted(DELIVERY.facts()))
def test_a_missing_fact_denies(missing: str) -> None:
    """Whichever fact of a delivery is left out, nothing is permitted."""
    thing = Incomplete(DELIVERY.party, DELIVERY.sector, DELIVERY.data, period_open=True, exercise=True, missing=missing)
    denied_as_fault(law(), replace(SUBMIT, thing=thing))


@dataclass(frozen=True, slots=True)
class Talkative(Delivery):
    """A delivery that says more than the schema knows."""

    def facts(self) -> dict[str, Any]:
        """One fact more."""
        return Delivery.facts(self) | {"trusted": True}


def test_a_fact_the_schema_does_not_know_denies() -> None:
    """Extra facts are as wrong as missing ones."""
    denied_as_fault(law(), replace(SUBMIT, thing=Talkative(DELIVERY.party, "po", DELIVERY.data, period_open=True)))


@pytest.mark.parametrize(
    "change", [{"period_open": "true"}, {"sector": 1}, {"sector": True}, {"party": 2**63}, {"sector": "\ud800"}]
)
def test_a_fact_of_the_wrong_type_denies(change: dict[str, object]) -> None:
    """Text for a yes, a number for text, a number too large, half a character."""
    denied_as_fault(law(), replace(SUBMIT, thing=replace(DELIVERY, **change)))  # type: ignore[arg-type]  # the wrong type


@pytest.mark.parametrize(
    "wrong",
    [
        {"party": replace(CALLERS["school"].party, caribbean="no")},
        {"party": replace(CALLERS["school"].party, sectors=frozenset({1}))},
        {"party": replace(CALLERS["school"].party, kind=1)},
        {"role": True},
        {"mandate": replace(MANDATE, giver=7)},
        {"mandate": replace(MANDATE, collections=frozenset({8}))},
    ],
    ids=["word for a yes", "number among words", "number for a word", "yes for a word", "giver", "collections"],
)
def test_a_caller_whose_facts_are_of_the_wrong_type_is_denied(wrong: dict[str, Any]) -> None:
    """Cedar checks only what is added, and compares a number with a word without a complaint."""
    denied_as_fault(law(), replace(SUBMIT, caller=replace(CALLERS["school"], **wrong)))


def test_an_entity_that_is_not_there_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The purpose is missing among the entities: every rule that reads it errs, the forbids too."""
    engine = Engine(law().law, law()._schema)
    real = engine._entities

    def without_purpose(request: Request, purpose: Purpose) -> cedarpy.Entities:
        known = [item for item in json.loads(str(real(request, purpose))) if item["uid"]["type"] != "Purpose"]
        return cedarpy.Entities.from_json_str(json.dumps(known))

    monkeypatch.setattr(engine, "_entities", without_purpose)
    denied_as_fault(engine, SUBMIT)


@pytest.mark.parametrize(
    "answer",
    [
        {"decision": "Allow", "diagnostics": {"reason": ["deliver-own-figures"], "errors": ["00AB00 went wrong"]}},
        {"decision": "NoDecision", "diagnostics": {"errors": []}},
        {"decision": "NoDecision", "diagnostics": {"reason": ["deliver-own-figures"], "errors": ["00AB00"]}},
        {"decision": "Deny", "diagnostics": {"reason": [], "errors": ["00AB00"]}},
    ],
)  # fmt: skip
def test_only_allow_without_errors_permits(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> None:
    """Whatever else Cedar answers is a fault, and its text stays here."""
    monkeypatch.setattr(engine_module.cedarpy, "is_authorized", lambda *_: cedarpy.AuthzResult(answer))
    denied_as_fault(law(), SUBMIT)


def test_a_probe_that_errs_makes_nobody_entitled(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the second look fails, a stranger is still told nothing."""
    real = cedarpy.is_authorized
    asked: list[int] = []

    def second_fails(*args: object) -> cedarpy.AuthzResult:
        asked.append(1)
        return real(*args) if len(asked) % 2 else cedarpy.AuthzResult({"decision": "NoDecision", "diagnostics": {}})

    unready = replace(PUBLISH, thing=replace(READY, approvals=0))
    assert law().decide(unready, at=NOW).rules == ("enough-approvals",)
    monkeypatch.setattr(engine_module.cedarpy, "is_authorized", second_fails)
    decision = law().decide(unready, at=NOW)
    assert isinstance(decision, Deny)
    assert decision.rules == ()
