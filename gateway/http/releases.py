"""`/v1/releases`: build, four eyes, publication, and each recipient's own slice."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.context import Gateway
from gateway.formats.dictionary import MEDIA_TYPE, dictionary
from gateway.formats.write import Format
from gateway.http.bodies import body_of, read_json
from gateway.http.callers import Anybody, Somebody, TheGateway, demand_scope
from gateway.http.limits import take_public
from gateway.http.models import ApprovalBody, BuildBody, ReasonBody, ReleaseItem
from gateway.http.paging import Paged
from gateway.http.problems import language as language_asked
from gateway.http.problems import problem
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.publish import deciding, downloading
from gateway.publish.asking import request_build
from gateway.publish.handing import Download, receipt_of_entry
from gateway.store import Release

router = APIRouter(tags=["releases"])
Level = Annotated[str | None, Query(pattern="^(site|gemeente|swv|country)$")]


@router.get("/releases", operation_id="listReleases")
def list_releases(
    request: Request, response: Response, gateway: TheGateway, caller: Anybody, paged: Paged
) -> list[ReleaseItem]:
    """Releases the caller may know of, those of the newest period first, and of a period the newest."""
    found = downloading.catalogue(gateway, caller)
    return [ReleaseItem.of(listed) for listed in paged.of(request, response, found)]


@router.get("/releases/{release_id}", response_model=ReleaseItem, operation_id="readRelease")
def read_release(request: Request, gateway: TheGateway, caller: Anybody, release_id: str) -> Response:
    """One release the caller may know of."""
    for listed in downloading.catalogue(gateway, caller):
        if listed.release.id == release_id:
            return Response(ReleaseItem.of(listed).model_dump_json(by_alias=True), media_type="application/json")
    return problem(request, Refused("not-found"))


@router.post("/releases", status_code=202, operation_id="buildRelease", openapi_extra=body_of(BuildBody))
async def build_release(request: Request, gateway: TheGateway, caller: Somebody) -> Response:
    """Build a release of a closed period; a worker does it, and another person approves it."""
    body = await read_json(request, BuildBody.model_validate_json)
    if isinstance(body, Refused):
        return problem(request, body)
    return _moved(request, await run_in_threadpool(request_build, gateway, caller, body.collection, body.period), 202)


@router.post(
    "/releases/{release_id}/approvals",
    status_code=201,
    operation_id="approveRelease",
    openapi_extra=body_of(ApprovalBody),
)
async def approve(request: Request, gateway: TheGateway, caller: Somebody, release_id: str) -> Response:
    """Approve or reject a release that somebody else built, with a reason."""
    body = await read_json(request, ApprovalBody.model_validate_json)
    if isinstance(body, Refused):
        return problem(request, body)
    outcome = await run_in_threadpool(
        deciding.review, gateway, caller, release_id, approved=body.approved, reason=body.reason
    )
    return _moved(request, outcome, 201)


@router.post(
    "/releases/{release_id}/publication",
    status_code=201,
    operation_id="publishRelease",
    openapi_extra=body_of(ReasonBody),
)
async def publish(request: Request, gateway: TheGateway, caller: Somebody, release_id: str) -> Response:
    """Publish an approved release."""
    return await _for_a_reason(request, gateway, caller, release_id, deciding.publish)


@router.post(
    "/releases/{release_id}/withdrawal",
    status_code=201,
    operation_id="withdrawRelease",
    openapi_extra=body_of(ReasonBody),
)
async def withdraw(request: Request, gateway: TheGateway, caller: Somebody, release_id: str) -> Response:
    """Withdraw a published release."""
    return await _for_a_reason(request, gateway, caller, release_id, deciding.withdraw_release)


@router.get("/releases/{release_id}/table", operation_id="downloadTable")
def table(  # noqa: PLR0917  FastAPI passes parameters by name
    request: Request,
    gateway: TheGateway,
    caller: Anybody,
    release_id: str,
    table_format: Annotated[Format, Query(alias="format")] = Format.CSV,
    level: Level = None,
    if_none_match: Annotated[str, Header(alias="If-None-Match")] = "",
) -> Response:
    """The caller's own slice, or the chart of its region; a site its own figures, or its region as a whole.

    Who has these bytes by their tag gets 304 in their place, with the entry and the receipt of a download.
    """
    if caller is not None:
        demand_scope(caller, "download")
    language = language_asked(request)
    outcome = _limited(request, caller) or downloading.download(
        gateway, caller, release_id, table_format, level=level, language=language
    )
    if isinstance(outcome, Refused):
        return problem(request, outcome)
    response = file_response(outcome, release_id, f"/v1/releases/{release_id}/dictionary")
    held = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    if held & {"*", response.headers["ETag"]}:
        return Response(status_code=304, headers={name: response.headers[name] for name in ("ETag", "Link")})
    return response


@router.get("/releases/{release_id}/dictionary", operation_id="readDictionary")
def data_dictionary(request: Request, gateway: TheGateway, caller: Anybody, release_id: str) -> Response:
    """What each column and code of the table means, as CSV on the Web metadata (CSVW)."""
    if all(listed.release.id != release_id for listed in downloading.catalogue(gateway, caller)):
        return problem(request, Refused("not-found"))
    return Response(dictionary("table?format=csv"), media_type=MEDIA_TYPE)


@router.get("/releases/{release_id}/certificate", operation_id="readCertificate")
def certificate(request: Request, gateway: TheGateway, caller: Anybody, release_id: str) -> Response:
    """The signed statement of what the judge found in this release: totals only."""
    outcome = _limited(request, caller) or downloading.read_certificate(gateway, caller, release_id)
    return problem(request, outcome) if isinstance(outcome, Refused) else Response(outcome, media_type="text/plain")


@router.get("/receipts/{entry_id}", operation_id="readDownloadReceipt")
def receipt(request: Request, gateway: TheGateway, caller: Anybody, entry_id: str) -> Response:
    """The receipt of one of the caller's own uploads or downloads, or of one by the public."""
    if caller is not None:
        demand_scope(caller, "submit", "download")
    outcome = receipt_of_entry(gateway, caller, entry_id)
    return problem(request, outcome) if isinstance(outcome, Refused) else Response(outcome, media_type="text/plain")


def file_response(download: Download, name: str, described_by: str = "") -> Response:
    """A download with its tag and links to its receipt and its data dictionary."""
    links = [f'</v1/receipts/{download.entry_id}>; rel="receipt"']
    if described_by:
        links.append(f'<{described_by}>; rel="describedby"; type="{MEDIA_TYPE}"')
    headers = {
        "ETag": f'"{download.etag}"',
        "Link": ", ".join(links),
        "Content-Disposition": f'attachment; filename="{name}.{download.form.value}"',
    }
    return Response(download.body, 200, headers, download.form.media_type)


def _limited(request: Request, caller: Identity | None) -> Refused | None:
    """A refusal of the public when it had its share of this minute, before the log gets an entry."""
    return take_public(request, "figures") if caller is None else None


async def _for_a_reason(
    request: Request, gateway: Gateway, caller: Identity, release_id: str, act: Callable[..., Release | Refused]
) -> Response:
    body = await read_json(request, ReasonBody.model_validate_json)
    if isinstance(body, Refused):
        return problem(request, body)
    return _moved(request, await run_in_threadpool(act, gateway, caller, release_id, reason=body.reason), 201)


def _moved(request: Request, outcome: Release | Refused, status: int) -> Response:
    if isinstance(outcome, Refused):
        return problem(request, outcome)
    body = f'{{"id":"{outcome.id}","state":"{outcome.state}"}}'
    return Response(body, status, {"Location": f"/v1/releases/{outcome.id}"}, "application/json")
