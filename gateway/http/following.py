"""How everybody follows a log, the gateway's and the pseudonym service's own: checkpoint, policy and continuation."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from audit.errors import AuditError
from audit.proofs import checkpoint, logs
from gateway.context import KeepsLog
from gateway.http.bodies import MAX_BODY
from gateway.http.callers import Anybody
from gateway.http.edge import read_body
from gateway.http.limits import take_public
from gateway.http.problems import problem
from gateway.outcome import Refused
from gateway.oversight import go_on_from, policy_text
from gateway.proving import FOLLOWS

router = APIRouter(prefix="/audit", tags=["audit"])
MOST = 1 << 40
"""Above any tree or clock, and far below what a database counts to."""
Log = Annotated[int | None, Query(ge=1, le=MOST)]


async def log_of(request: Request) -> KeepsLog:
    """Whose log this application shows; a coroutine, so that it costs no thread."""
    kept: KeepsLog = request.app.state.log
    return kept


TheLog = Annotated[KeepsLog, Depends(log_of)]


@router.get("/checkpoint", operation_id="readCheckpoint")
def latest(request: Request, kept: TheLog, log: Log = None) -> Response:
    """The newest signed checkpoint with its cosignatures (C2SP tlog-checkpoint), of this log or an earlier one."""
    with kept.reading() as session:
        chain = logs(session.connection())
        if not chain:
            return problem(request, FOLLOWS)
        try:
            return _text(checkpoint(session.connection(), log or chain[-1].log)[1])
        except AuditError:
            return problem(request, Refused("not-found") if log else FOLLOWS)


@router.get("/policy", operation_id="readLogPolicy")
def policy(kept: TheLog) -> Response:
    """Keys of logs and receipts, witnesses and their quorum (C2SP tlog-policy): what a verifier is given."""
    return _text(policy_text(kept))


@router.post(
    "/continuation",
    operation_id="continueFromCheckpoint",
    openapi_extra={"requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def continuation(request: Request, kept: TheLog, caller: Anybody) -> Response:
    """Send the last checkpoint you kept: you get the newest one and the proof that the log only grew in between."""
    limited = take_public(request, "monitors") if caller is None else None
    body = limited or await read_body(request, MAX_BODY)
    if isinstance(body, Refused):
        return problem(request, body)
    answer = await run_in_threadpool(go_on_from, kept, body.decode(errors="replace"))
    return problem(request, answer) if isinstance(answer, Refused) else _text(answer)


def _text(body: str) -> Response:
    return Response(body, media_type="text/plain")
