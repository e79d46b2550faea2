"""What-if questions in the shape of the OpenID AuthZEN Authorization API 1.0, and decisions as its answers.

Every fact of the thing comes from the asker: nothing is looked up, so nothing about another party can be learnt.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from policies.decision import Decision, Deny, Ground, Permit
from policies.errors import BadQuestion
from policies.parties import Caller, Kind, Party, Role
from policies.question import ABOUT, Action, Request, Setup
from policies.sources import Key, Strict, Text, misfits
from policies.things import Thing

HYPOTHETICAL = "hypothetical"
# Beyond these moments no law of ours is or will be; at the ends of the calendar a day in another time zone is none.
_EARLIEST, _LATEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2200, 1, 1, tzinfo=dt.UTC)


class _Properties(Strict):
    role: Role
    sectors: frozenset[str] = frozenset()
    funded: bool = True
    caribbean: bool = False


class _Subject(Strict):
    type: Kind
    id: Annotated[str, Field(min_length=1)] = HYPOTHETICAL
    properties: _Properties


class _Act(Strict):
    name: Action


class _Resource(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: str
    id: str = HYPOTHETICAL
    properties: dict[str, Any] = {}


class _Context(Strict):
    purposes: Annotated[tuple[Key, ...], Field(min_length=1, max_length=10)]
    collection: str = ""
    at: Annotated[AwareDatetime, Field(ge=_EARLIEST, lt=_LATEST)] | None = None


class _Body(Strict):
    subject: _Subject | None = None
    action: _Act
    resource: _Resource
    context: _Context


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A question about what would be decided.

    Attributes:
        request: the question itself.
        at: the moment asked about; none means now.
        others: codes of parties it mentions that are neither the asker nor made up: it must not be answered then.
    """

    request: Request
    at: AwareDatetime | None
    others: tuple[str, ...]


def what_if(body: bytes, asker: Caller, setup: Setup) -> WhatIf:
    """Read an AuthZEN evaluation request; without a subject it is about the asker itself.

    Args:
        body: JSON; `resource.type` is the name of a thing and `resource.properties` its facts, `context.purposes` ids.
        asker: who asks, with its own facts.
        setup: how this gateway is set up.

    Raises:
        BadQuestion: with every fault.
    """
    try:
        asked = _Body.model_validate_json(body)
        kind = ABOUT[asked.action.name]
        if asked.resource.type != kind.TYPE:
            raise BadQuestion((("resource.type", f"literal_error ({kind.TYPE})"),))
        thing = _thing(kind, asked.resource.properties)
    except ValidationError as error:
        raise BadQuestion(misfits(error)) from None
    subject = asked.subject
    caller = asker if subject is None or subject.id == asker.acting.code else _made_up(subject)
    request = Request(caller, asked.action.name, thing, asked.context.purposes, asked.context.collection, setup)
    mentioned = {subject.id if subject else "", asked.resource.id, *_owners(thing)}
    others = mentioned - {"", HYPOTHETICAL, asker.acting.code}
    return WhatIf(request, asked.context.at, tuple(sorted(others)))


def _thing(kind: type[Thing], properties: Mapping[str, Any]) -> Thing:
    return TypeAdapter(kind).validate_json(json.dumps(properties))


def _made_up(subject: _Subject) -> Caller:
    facts = subject.properties
    party = Party(subject.id, subject.type, sectors=facts.sectors, funded=facts.funded, caribbean=facts.caribbean)
    return Caller(party, facts.role)


def _owners(thing: Thing) -> set[str]:
    """Codes of the parties whose thing it is; a recipient may be anybody."""
    return {str(getattr(thing, name, "")) for name in ("party", "consent_party")}


def answer(decision: Decision) -> dict[str, object]:
    """A decision as an AuthZEN evaluation response, with its grounds in the context."""
    context: dict[str, object] = {
        "purposes": list(decision.purposes),
        "rules": list(decision.rules),
        "grounds": [_ground(ground) for ground in decision.grounds],
        "policy": {"id": decision.policy.id, "sha256": decision.policy.sha256},
    }
    if isinstance(decision, Permit):
        context["obligations"] = [
            {"purpose": asked.purpose, "name": asked.name, "value": asked.value} for asked in decision.obligations
        ]
    else:
        context |= _refusal(decision)
    return {"decision": isinstance(decision, Permit), "context": context}


def _refusal(decision: Deny) -> dict[str, object]:
    near = decision.near
    return {
        "reason": decision.reason.value,
        "reason_user": _both(decision.why),
        "near": None if near is None else {"rule": near.rule, "missing": [text.model_dump() for text in near.missing]},
    }


def _ground(ground: Ground) -> dict[str, object]:
    return {
        "rule": ground.rule,
        "legal_basis": ground.legal_basis.nl,
        "legal_basis_en": ground.legal_basis.en,
        "source": ground.source,
        "status": ground.status,
        "explanation": ground.explanation.model_dump(),
    }


def _both(texts: tuple[Text, ...]) -> dict[str, str]:
    return {"nl": " ".join(text.nl for text in texts), "en": " ".join(text.en for text in texts)}
