"""`/v1/audit`: checkpoints and proofs for everybody, entries for privacy officers."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from audit.errors import AuditError
from audit.note import encode_base64
from audit.proofs import checkpoint, consistency, logs, prove
from audit.tiles import Tile, hash_tile
from audit.timeline import Filter
from gateway import trail
from gateway.http.callers import Somebody, TheGateway, demand_scope
from gateway.http.problems import problem
from gateway.outcome import Refused

router = APIRouter(prefix="/audit", tags=["audit"])
Leaf = Annotated[str, Query(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, Query(ge=1)]
Word = Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9.-]+$")]


@dataclass(frozen=True)
class Asked:
    """The filters of a look at the log."""

    event: Word = None
    decision: Word = None
    recipient: Word = None
    period: Word = None
    purpose: Word = None
    rule: Word = None

    def wanted(self) -> Filter:
        """The filter they make."""
        return Filter(
            event=self.event,
            decision=self.decision,
            recipient=self.recipient,
            period=self.period,
            purpose=self.purpose,
            rule=self.rule,
        )


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


@router.get("/tiles/{log}/{path:path}", operation_id="readTile")
def tile(request: Request, gateway: TheGateway, log: int, path: str) -> Response:
    """A tile of hashes (C2SP tlog-tiles): leaf hashes are salted and say nothing by themselves."""
    with gateway.reading() as session:
        try:
            body = hash_tile(session.connection(), log, Tile.parse(path))
        except AuditError:
            return problem(request, Refused("not-found"))
    return Response(body, headers={"Cache-Control": "public, immutable"}, media_type="application/octet-stream")


@router.get("/entries", operation_id="listEntries")
def entries(request: Request, gateway: TheGateway, caller: Somebody, asked: Annotated[Asked, Depends()]) -> Response:
    """The newest entries that are the privacy officer's to see, as they were logged; looking is logged."""
    demand_scope(caller, "audit")
    found = trail.timeline(gateway, caller, asked.wanted())
    if isinstance(found, Refused):
        return problem(request, found)
    lines = b",".join(one.data for one in found.found)
    return Response(b'{"entries":[' + lines + b"]}", media_type="application/json")


@router.get("/export", operation_id="exportLog")
def export(request: Request, gateway: TheGateway, caller: Somebody) -> Response:
    """A bundle for the stand-alone verifier: the whole log for the controller's officer, else the own entries."""
    demand_scope(caller, "audit")
    bundle = trail.take_out(gateway, caller)
    if isinstance(bundle, Refused):
        return problem(request, bundle)
    return Response(bundle, media_type="application/zip")
