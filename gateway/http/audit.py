"""`/v1/audit`: checkpoints and proofs for everybody, entries for privacy officers."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from audit.errors import AuditError
from audit.note import encode_base64
from audit.proofs import checkpoint, consistency, logs, prove
from gateway.http.callers import TheGateway
from gateway.http.problems import problem
from gateway.outcome import Refused

router = APIRouter(prefix="/audit", tags=["audit"])
Leaf = Annotated[str, Query(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, Query(ge=1)]


@router.get("/checkpoint", operation_id="readCheckpoint")
def latest(request: Request, gateway: TheGateway) -> Response:
    """The newest signed checkpoint of the log in use (C2SP tlog-checkpoint), cosignatures included."""
    with gateway.reading() as session:
        chain = logs(session.connection())
        if not chain:
            return problem(request, Refused("proof-follows", retry_after=1))
        return Response(checkpoint(session.connection(), chain[-1].log)[1], media_type="text/plain")


@router.get("/proofs/inclusion", operation_id="readInclusionProof")
def inclusion(request: Request, gateway: TheGateway, leaf: Leaf) -> Response:
    """The proof that the entry with this leaf hash is in the log (C2SP tlog-proof)."""
    with gateway.reading() as session:
        try:
            return Response(str(prove(session.connection(), bytes.fromhex(leaf))), media_type="text/plain")
        except AuditError:
            return problem(request, Refused("not-found"))


@router.get("/proofs/consistency", operation_id="readConsistencyProof")
def consistent(request: Request, gateway: TheGateway, old: Size, new: Size) -> Response:
    """The proof that the tree of `new` entries only appended to the tree of `old`: one base64 hash a line."""
    with gateway.reading() as session:
        chain = logs(session.connection())
        try:
            path = consistency(session.connection(), chain[-1].log, old, new) if chain else []
        except AuditError:
            return problem(request, Refused("not-found"))
    return Response("".join(f"{encode_base64(each)}\n" for each in path), media_type="text/plain")
