"""`/v1/consents` and `/v1/consented-records`: consent as events, and what may pass under it."""

from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlmodel import select
from starlette.concurrency import run_in_threadpool

from gateway import consented, consents
from gateway.context import Gateway
from gateway.http.bodies import answer_json, body_of, read_json
from gateway.http.callers import Key, Somebody, TheGateway, demand_scope
from gateway.http.models import instant, notice_body
from gateway.http.problems import problem
from gateway.notices import answer_notice, notices_of, notified
from gateway.outcome import Refused
from gateway.standing import Standing
from gateway.store import PartyKey
from policies.consent import Event, Giver, Signature, Terms, Withdrawn
from policies.withdrawal import Answer

router = APIRouter(tags=["consent"])
Model = TypeVar("Model", bound=BaseModel)


class _Ask(BaseModel):
    """A consent to be registered: the terms of the question, and who consented where somebody did."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    terms: Terms
    signatures: tuple[Signature, ...] = Field(default=(), max_length=3)


class _Withdraw(BaseModel):
    """Who withdraws."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    by: Giver


class _Send(BaseModel):
    """One record: the consent it stands under, the sealed case reference, the hours."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    consent: str
    reference: str
    data: consented.IllnessHours


_AGAIN: dict[int | str, dict[str, Any]] = {200: {"description": "Under a key used before: nothing was done again"}}
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
_UNSTAMPED: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


@router.post(
    "/consents", status_code=201, responses=_AGAIN, operation_id="registerConsent", openapi_extra=body_of(_Ask)
)
async def register(request: Request, gateway: TheGateway, caller: Somebody, idempotency_key: Key = "") -> Response:
    """Register that consent was asked, and given where signatures are sent along; 200 under a key used before.

    A key holds for as long as the consent is kept: until the day after a refusal, and five years after the end of one
    that was given.
    """
    demand_scope(caller, "consent")
    body = await read_json(request, _Ask.model_validate_json)
    if isinstance(body, Refused):
        return problem(request, body)

    def act() -> Standing | Refused:
        return consents.ask(gateway, caller, body.terms, body.signatures, key=idempotency_key)

    outcome = await run_in_threadpool(act)
    again = isinstance(outcome, Standing) and outcome.asked_again
    return _answer(request, gateway, outcome, 200 if again else 201)


@router.post(
    "/consents/{consent_id}/events", status_code=201, operation_id="appendConsentEvent", openapi_extra=body_of(Event)
)
async def append(request: Request, gateway: TheGateway, caller: Somebody, consent_id: str) -> Response:
    """Append what happened: given, refused, narrowed, or confirmed by the pupil who is twelve or sixteen by now."""
    demand_scope(caller, "consent")
    stamped = await read_json(request, _UNSTAMPED.validate_json)
    if isinstance(stamped, Refused):
        return problem(request, stamped)

    def act() -> Standing | Refused:
        try:
            event = _EVENT.validate_json(_stamp(stamped, gateway))
        except ValidationError:
            return Refused("invalid-request", facts={"fields": "event"})
        return consents.append(gateway, caller, consent_id, lambda at: event.model_copy(update={"at": at}))

    return _answer(request, gateway, await run_in_threadpool(act), 201)


@router.post(
    "/consents/{consent_id}/withdrawals",
    status_code=201,
    operation_id="withdrawConsent",
    openapi_extra=body_of(_Withdraw),
)
async def withdraw(request: Request, gateway: TheGateway, caller: Somebody, consent_id: str) -> Response:
    """Withdraw: the key is destroyed, the recipient is told."""
    demand_scope(caller, "consent")
    body = await read_json(request, _Withdraw.model_validate_json)
    if isinstance(body, Refused):
        return problem(request, body)

    def act() -> Standing | Refused:
        return consents.append(gateway, caller, consent_id, lambda at: Withdrawn(at=at, by=body.by))

    return _answer(request, gateway, await run_in_threadpool(act), 201)


@router.get("/consents", operation_id="listConsents")
def list_own(gateway: TheGateway, caller: Somebody) -> Response:
    """The caller's own consents: those a site registered, or those that were given and name the recipient."""
    demand_scope(caller, "consent")
    return answer_json([_listed(one) for one in consents.own(gateway, caller)])


@router.get("/consents/{consent_id}", operation_id="readConsent")
def read(request: Request, gateway: TheGateway, caller: Somebody, consent_id: str) -> Response:
    """A consent with the receipt for its giver; for its own site, and once given for the recipient it names.

    Once it ended, `notice` has the day by which its recipient has to answer, and the answer.
    """
    demand_scope(caller, "consent")
    return _answer(request, gateway, consents.read(gateway, caller, consent_id), 200)


@router.get("/consent-notices", operation_id="listConsentNotices")
def notices(gateway: TheGateway, caller: Somebody) -> Response:
    """The signed notices to the caller that a consent has ended."""
    demand_scope(caller, "consent")
    rows = notices_of(gateway, caller)
    return answer_json(
        [
            {
                "consent": row.consent_id,
                "notice": row.document,
                "answerBy": str(row.answer_by),
                "answered": bool(row.answer),
            }
            for row in rows
        ]
    )


@router.post(
    "/consent-notices/{consent_id}/answer",
    status_code=201,
    operation_id="answerConsentNotice",
    openapi_extra=body_of(Answer),
)
async def answer(request: Request, gateway: TheGateway, caller: Somebody, consent_id: str) -> Response:
    """What the recipient did after a notice: erased, or kept on another legal basis and perhaps erased later."""
    demand_scope(caller, "consent")
    stamped = await read_json(request, _UNSTAMPED.validate_json)
    if isinstance(stamped, Refused):
        return problem(request, stamped)

    def act() -> Standing | Refused:
        try:
            given = Answer.model_validate_json(_stamp(stamped, gateway))
        except ValidationError:
            return Refused("invalid-request", facts={"fields": "outcome, basis"})
        return answer_notice(gateway, caller, consent_id, given)

    outcome = await run_in_threadpool(act)
    return problem(request, outcome) if isinstance(outcome, Refused) else answer_json({"consent": consent_id}, 201)


@router.post(
    "/consented-records",
    status_code=201,
    responses=_AGAIN,
    operation_id="sendConsentedRecord",
    openapi_extra=body_of(_Send),
)
async def send(request: Request, gateway: TheGateway, caller: Somebody, idempotency_key: Key = "") -> Response:
    """Hours of illness of one pupil, under a consent, for the recipient it names.

    Under a key used before 200 and no receipt: it is in the first answer only, for it is not kept.
    """
    demand_scope(caller, "consent")
    body = await read_json(request, _Send.model_validate_json)
    if isinstance(body, Refused):
        return problem(request, body)

    def act() -> consented.Sent | Refused:
        return consented.send(gateway, caller, body.consent, body.reference, body.data, idempotency_key)

    outcome = await run_in_threadpool(act)
    if isinstance(outcome, Refused):
        return problem(request, outcome)
    status = 200 if outcome.receipt is None else 201
    return answer_json({"consent": body.consent, "id": outcome.record.id, "receipt": outcome.receipt}, status)


@router.get("/consented-records", operation_id="readConsentedRecords")
def records(request: Request, gateway: TheGateway, caller: Somebody) -> Response:
    """Every record for the caller that its consent still allows to read, with the receipt of the reading."""
    demand_scope(caller, "consent")
    opened = consented.proven(gateway, consented.read_all(gateway, caller))
    if isinstance(opened, Refused):
        return problem(request, opened)
    return answer_json(
        [
            {
                "id": one.id,
                "consent": one.consent,
                "reference": one.reference,
                "data": one.hours.model_dump(mode="json"),
                "sentAt": instant(one.sent_at),
                "receipt": one.receipt,
            }
            for one in opened
        ]
    )


@router.get("/parties/{party}/keys", operation_id="readPartyKeys")
def keys(gateway: TheGateway, party: str) -> Response:
    """The public keys of a recipient, to which a site seals the case reference (JWK)."""
    with gateway.reading() as session:
        rows = session.exec(select(PartyKey.jwk).where(PartyKey.party == party)).all()
    return Response(f'{{"keys":[{",".join(rows)}]}}', media_type="application/json")


def _listed(one: Standing) -> dict[str, object]:
    terms = one.state.terms
    return {
        "id": one.id,
        "state": one.state.stage.value,
        "recipient": terms.recipient if terms else None,
        "lastDay": terms.last_day if terms else None,
    }


def _stamp(body: Mapping[str, Any], gateway: Gateway) -> bytes:
    """The event with the moment of receipt: whoever sends one does not choose its time."""
    return _UNSTAMPED.dump_json({**body, "at": gateway.clock()})


def _answer(request: Request, gateway: Gateway, outcome: Standing | Refused, status: int) -> Response:
    if isinstance(outcome, Refused):
        return problem(request, outcome)
    body = {
        "id": outcome.id,
        "state": outcome.state.stage.value,
        "receipt": consents.receipt_for(gateway, outcome),
        "notice": notice_body(notified(gateway, outcome.id)),
    }
    return answer_json(body, status)
