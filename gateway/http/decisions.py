"""`/v1/decisions` (OpenID AuthZEN) and `/v1/access-requests`: what would be decided, and what is held."""

from binascii import Error as BadBase64
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.concurrency import run_in_threadpool

from audit.entry import Entry
from audit.events import Event
from gateway import access
from gateway.context import Gateway
from gateway.http.bodies import answer_json, body_of, read_json
from gateway.http.callers import Somebody, TheGateway
from gateway.http.models import instant, notice_body
from gateway.http.problems import problem
from gateway.identity import Identity, caller_of
from gateway.outcome import Refused, malformed
from gateway.oversight import may
from policies.authzen import answer as as_answer
from policies.authzen import what_if
from policies.consent import EVENTS
from policies.errors import BadQuestion
from policies.question import Action
from policies.things import Hypothesis
from pseudonymisation.errors import MalformedError
from pseudonymisation.pseudonym import read_pseudonym

router = APIRouter(tags=["decisions"])
MOST_CONSENTS = 20


class _AccessRequest(BaseModel):
    """A parent's request, made by the school: the pupil's pseudonym of a school year, and consents it knows of."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    school_year: str = Field(alias="schoolYear", pattern=r"^20\d\d-20\d\d$")
    pseudonym: str = Field(repr=False)
    consents: tuple[Annotated[str, StringConstraints(pattern=f"^{access.CONSENT_NUMBER}$")], ...] = Field(
        default=(), max_length=MOST_CONSENTS
    )


@router.post("/decisions", operation_id="askDecision", openapi_extra=body_of(dict[str, Any]))
async def decide(request: Request, gateway: TheGateway, caller: Somebody) -> Response:
    """What would be decided: about the caller itself, or about made-up parties and things."""
    body = await read_json(request, bytes)
    if isinstance(body, Refused):
        return problem(request, body)
    outcome = await run_in_threadpool(_decide, gateway, caller, body)
    return problem(request, outcome) if isinstance(outcome, Refused) else answer_json(outcome)


@router.post("/access-requests", operation_id="requestAccess", openapi_extra=body_of(_AccessRequest))
async def request_access(request: Request, gateway: TheGateway, caller: Somebody) -> Response:
    """What is held of one pupil of the caller's own site, answered from what is stored now; a machine may not ask.

    Three flags say that the answer may miss something. `rowsBeyondReach`: the site has rows of earlier periods that no
    pseudonym leads to any more, for their key leaked. `numbersChanged`: numbers were changed that year; if this pupil's
    was, ask under the old number too. `usesBeyondReach`: entries of before a leak of the log's key cannot be found.
    Nor does it tell of consents whose number is none of this site (`consentsNotFound`), or of other school years of
    which rows are held (`otherYears`): ask for each of those, under the pseudonym of that year.
    """
    body = await read_json(request, _AccessRequest.model_validate_json)
    if isinstance(body, Refused):
        return problem(request, body)
    try:
        pseudonym = read_pseudonym(body.pseudonym)
    except (MalformedError, BadBase64):
        return problem(request, Refused("invalid-request", facts={"fields": "pseudonym"}))

    def act() -> access.Held | Refused:
        return access.answer(gateway, caller, year=body.school_year, pseudonym=pseudonym, consents=body.consents)

    outcome = await run_in_threadpool(act)
    return problem(request, outcome) if isinstance(outcome, Refused) else answer_json(held_body(outcome))


def _decide(gateway: Gateway, identity: Identity, body: bytes) -> dict[str, object] | Refused:
    with gateway.reading() as session:
        caller = caller_of(session, identity, gateway.today)
    try:
        asked = what_if(body, caller, gateway.setup)
    except BadQuestion as error:
        return malformed(error.faults)
    allowed = may(gateway, identity, Action.ASK_DECISION, Hypothesis(asked.others[0] if asked.others else ""))
    if isinstance(allowed, Refused):
        return allowed
    actor, permit = allowed
    decision = gateway.engine.decide(asked.request, at=asked.at or gateway.clock())
    logged = gateway.log_for(identity, Entry(event=Event.DECISION_ASKED, actor=actor), permit)
    return logged if isinstance(logged, Refused) else as_answer(decision)


def held_body(held: access.Held) -> dict[str, object]:
    """Rows in hours, uses with their proof, all of each consent; the answer for the school to give to the parent."""
    return {
        "rows": [
            {
                "period": row.period,
                "collection": row.collection,
                "subdivision": row.subdivision,
                "hoursScheduled": row.scheduled / 100,
                "hoursMissed": [hours / 100 for hours in row.hours],
            }
            for row in held.rows
        ],
        "uses": [
            {
                "entry": use.entry.decode(),
                "subjectsRoot": use.subject.root.hex(),
                "tag": use.subject.tag.hex(),
                "salt": use.subject.salt.hex(),
                "place": use.subject.place,
                "size": use.subject.size,
                "proof": [each.hex() for each in use.subject.proof],
            }
            for use in held.uses
        ],
        "consents": [_consent_body(one) for one in held.consents],
        "consentsNotFound": list(held.not_found),
        "recipientsOfRows": [],
        "rowsBeyondReach": held.beyond_reach,
        "numbersChanged": held.numbers_changed,
        "usesBeyondReach": held.uses_beyond_reach,
        "otherYears": list(held.other_years),
    }


def _consent_body(one: access.HeldConsent) -> dict[str, object]:
    """A consent: what happened to it, the hours held under it now, and when they came, were read or were erased."""
    terms = one.standing.state.terms
    return {
        "id": one.standing.id,
        "state": one.standing.state.stage.value,
        "recipient": terms.recipient if terms else None,
        "events": EVENTS.dump_python(one.standing.events, mode="json"),
        "records": [
            {"data": record.hours.model_dump(mode="json"), "sentAt": instant(record.sent_at)} for record in one.records
        ],
        "notice": notice_body(one.notified),
        "log": [{"at": instant(act.at), "event": act.event} for act in one.log],
    }
