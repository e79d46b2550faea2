"""`/v1/submissions`: deliver, confirm, withdraw, read back."""

from functools import partial
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response

from gateway import changes, deliveries
from gateway.formats.sheet import Content, content_of, is_no_table
from gateway.http.bodies import answer_json, body_of
from gateway.http.callers import Key, Somebody, TheGateway, demand_scope
from gateway.http.edge import read_body
from gateway.http.limits import limits_of, take_check
from gateway.http.models import CheckedBody, ReportBody, SubmissionBody, SubmissionItem, head_count
from gateway.http.paging import Paged
from gateway.http.problems import problem
from gateway.messages import catalogue
from gateway.outcome import Refused
from gateway.receive import Checked, Upload, receive

router = APIRouter(tags=["submissions"])
Code = Annotated[str, Query(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9-]+$")]
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            media: {"schema": {"type": "string", "format": "binary"}}
            for media in (
                "text/csv",
                "application/json",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            )
        },
    }
}


@router.post(
    "/submissions",
    status_code=201,
    response_model=SubmissionBody,
    responses={200: {"model": SubmissionBody | CheckedBody, "description": "The same bytes again, or only checked"}},
    operation_id="submit",
    openapi_extra=_BODY,
)
async def submit(  # noqa: PLR0917  FastAPI passes parameters by name
    request: Request,
    gateway: TheGateway,
    caller: Somebody,
    collection: Code,
    party: Code,
    period: Code,
    dry_run: Annotated[bool, Query(alias="dryRun")] = False,
    idempotency_key: Key = "",
) -> Response:
    """Deliver a file, or check it with `dryRun=true`. 201 with a signed receipt; 200 for the same bytes again."""
    demand_scope(caller, "submit")
    limited = take_check(request, caller.party) if dry_run else None
    with limits_of(request).bodies.of(caller.party) as hold:
        body = limited or await read_body(request, hold=hold)
        if isinstance(body, Refused):
            return problem(request, body)
        upload = Upload(collection, party, period, body, idempotency_key)
        check = partial(receive, gateway, caller, upload, dry_run=dry_run)
        outcome = await to_thread.run_sync(check, limiter=limits_of(request).receiving)
    if isinstance(outcome, Refused):
        no_file_of_ours = outcome.code == "faults-in-file" and content_of(body) is Content.CSV and is_no_table(body)
        return problem(request, Refused("unsupported-media") if no_file_of_ours else outcome)
    if isinstance(outcome, Checked):
        return _json(CheckedBody(pupils=head_count(dict(outcome.counts)), notes=list(outcome.notes)), 200)
    made = SubmissionBody.of(outcome.submission, period, outcome)
    location = {"Location": f"/v1/submissions/{outcome.submission.id}"}
    return _json(made, 201 if outcome.created else 200, location)


@router.post("/number-changes", operation_id="changeNumbers", openapi_extra=body_of(changes.NumberChanges))
async def change_numbers(request: Request, gateway: TheGateway, caller: Somebody) -> Response:
    """Let pupils of the own site go on under a new number: pairs of pseudonyms, all of them or none."""
    demand_scope(caller, "submit")
    with limits_of(request).bodies.of(caller.party) as hold:
        body = await read_body(request, changes.MOST_BYTES, hold=hold)
        if isinstance(body, Refused):
            return problem(request, body)
        change = partial(changes.change_numbers, gateway, caller, body)
        outcome = await to_thread.run_sync(change, limiter=limits_of(request).receiving)
    if isinstance(outcome, Refused):
        return problem(request, outcome)
    return answer_json({"pupils": outcome.pupils, "rows": outcome.rows})


@router.get("/submissions", operation_id="listSubmissions")
def list_submissions(  # noqa: PLR0917  FastAPI passes parameters by name
    request: Request,
    response: Response,
    gateway: TheGateway,
    caller: Somebody,
    paged: Paged,
    period: Annotated[str | None, Query(max_length=11)] = None,
) -> list[SubmissionItem]:
    """All submissions of the caller's own site, or of those whose mandate lets it read them, newest first.

    What arrives meanwhile moves the rest of the list on: it may be on the next page once more, never on none.
    """
    demand_scope(caller, "submit")
    rows = deliveries.own_submissions(gateway, caller, period, most=paged.reach)
    return [SubmissionItem.of(*row) for row in paged.of(request, response, rows)]


@router.get("/submissions/{submission_id}", response_model=SubmissionBody, operation_id="readSubmission")
def read_submission(request: Request, gateway: TheGateway, caller: Somebody, submission_id: str) -> Response:
    """One submission of the caller's own site, with its counts."""
    demand_scope(caller, "submit")
    return _seen(request, deliveries.read(gateway, caller, submission_id))


@router.get("/submissions/{submission_id}/receipt", operation_id="readReceipt")
def read_receipt(
    request: Request,
    gateway: TheGateway,
    caller: Somebody,
    submission_id: str,
    of: Literal["submission", "confirmation"] = "submission",
) -> Response:
    """The signed receipt with the proof that its entry is in the log; 503 until the log holds it."""
    demand_scope(caller, "submit")
    receipt = deliveries.receipt_of(gateway, caller, submission_id, confirmation=of == "confirmation")
    return problem(request, receipt) if isinstance(receipt, Refused) else Response(receipt, media_type="text/plain")


@router.get("/submissions/{submission_id}/report", response_model=ReportBody, operation_id="readReport")
def read_report(request: Request, gateway: TheGateway, caller: Somebody, submission_id: str) -> Response:
    """Against which rules an accepted submission was checked; a file with faults is never stored."""
    demand_scope(caller, "submit")
    outcome = deliveries.read(gateway, caller, submission_id)
    if isinstance(outcome, Refused):
        return problem(request, outcome)
    of = gateway.contracts[outcome.submission.collection].collection
    rules = sorted(rule for rule, entry in catalogue("rules").items() if of.form in entry.get("forms", ()))
    return _json(ReportBody(collection=of.id, faults=[], rules=rules), 200)


@router.post(
    "/submissions/{submission_id}/confirmation", response_model=SubmissionBody, operation_id="confirmSubmission"
)
def confirm(request: Request, gateway: TheGateway, caller: Somebody, submission_id: str) -> Response:
    """Confirm the counts: they are the site's delivery from now on."""
    demand_scope(caller, "submit")
    return _seen(request, deliveries.confirm(gateway, caller, submission_id))


@router.post(
    "/submissions/{submission_id}/withdrawal", response_model=SubmissionBody, operation_id="withdrawSubmission"
)
def withdraw(request: Request, gateway: TheGateway, caller: Somebody, submission_id: str) -> Response:
    """Withdraw a wrong delivery; its pseudonymous rows are erased."""
    demand_scope(caller, "submit")
    return _seen(request, deliveries.withdraw(gateway, caller, submission_id))


def _seen(request: Request, outcome: deliveries.Seen | Refused) -> Response:
    if isinstance(outcome, Refused):
        return problem(request, outcome)
    return _json(SubmissionBody.of(outcome.submission, outcome.period, outcome), 200)


def _json(
    body: SubmissionBody | CheckedBody | ReportBody, status: int, headers: dict[str, str] | None = None
) -> Response:
    return Response(body.model_dump_json(by_alias=True), status, headers, "application/json")
