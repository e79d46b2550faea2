"""`/v1/audit`: proofs for everybody, entries for privacy officers. How everybody follows the log is in `following`."""

import json
from dataclasses import dataclass, fields
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from audit.errors import AuditError
from audit.note import encode_base64
from audit.proofs import consistency, logs
from audit.tiles import Tile, hash_tile
from audit.timeline import Filter
from gateway import exports, trail
from gateway.http.bodies import answer_file
from gateway.http.callers import Anybody, NotAllowed, Somebody, TheGateway, demand_scope
from gateway.http.following import MOST, Log
from gateway.http.limits import alone_with_log
from gateway.http.paging import Before, link, name_of, place_of
from gateway.http.problems import problem
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.oversight import as_officer
from gateway.proving import FOLLOWS, proof_of

router = APIRouter(prefix="/audit", tags=["audit"])
Leaf = Annotated[str, Query(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, Query(ge=1, le=MOST)]
LogNumber = Annotated[int, Path(ge=1, le=MOST)]
Instant = Annotated[int | None, Query(ge=0, le=MOST << 10, description="milliseconds since 1970 UTC")]
Word = Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9.-]+$")]
Article = Annotated[str | None, Query(max_length=64, pattern="^[ -~]+$")]
Thing = Annotated[str | None, Query(max_length=128, pattern="^[ -~]+$", description="kind:identifier")]


@dataclass(frozen=True)
class Asked:
    """The filters of a look at the log."""

    event: Word = None
    decision: Word = None
    recipient: Word = None
    period: Word = None
    purpose: Word = None
    basis: Article = None
    rule: Word = None
    organisation: Word = None
    object: Thing = None
    since: Instant = None
    until: Instant = None

    def wanted(self) -> Filter:
        """The filter they make."""
        return Filter(**{each.name: getattr(self, each.name) for each in fields(Asked)})


@dataclass(frozen=True)
class Export(Asked):
    """What is taken out, of which log, in which form."""

    form: Annotated[exports.Form, Query(alias="format")] = exports.Form.BUNDLE
    log: Word = None


def officer(gateway: TheGateway, caller: Somebody) -> Identity:
    """Who looks at the log: an officer, or the machine whose token was made for that."""
    demand_scope(caller, "audit")
    return as_officer(gateway, caller)


Officer = Annotated[Identity, Depends(officer)]


@router.get("/logs", operation_id="listLogs")
def chain_of_logs(gateway: TheGateway) -> list[dict[str, str | int | None]]:
    """Every log, one a school year: its number, origin, key, size, and from when its entries may be erased."""
    with gateway.reading() as session:
        return [
            {
                "log": state.log,
                "origin": state.origin,
                "key": str(state.key),
                "size": state.size,
                "keepUntil": state.keep_until,
            }
            for state in logs(session.connection())
        ]


@router.get("/proofs/inclusion", operation_id="readInclusionProof")
def inclusion(request: Request, gateway: TheGateway, leaf: Leaf) -> Response:
    """The proof that the entry with this leaf hash is in the log (C2SP tlog-proof)."""
    proof = proof_of(gateway, leaf)
    if isinstance(proof, Refused):
        return problem(request, Refused("not-found") if proof == FOLLOWS else proof)
    return Response(str(proof), media_type="text/plain")


@router.get("/proofs/consistency", operation_id="readConsistencyProof")
def consistent(request: Request, gateway: TheGateway, old: Size, new: Size, log: Log = None) -> Response:
    """The proof that the tree of `new` entries of a log, by default the one in use, only appended to that of `old`.

    One base64 hash a line.
    """
    with gateway.reading() as session:
        chain = logs(session.connection())
        try:
            path = consistency(session.connection(), log or chain[-1].log, old, new) if chain else []
        except AuditError:
            return problem(request, Refused("not-found"))
    return Response("".join(f"{encode_base64(each)}\n" for each in path), media_type="text/plain")


@router.get("/tiles/{log}/{path:path}", operation_id="readTile")
def tile(request: Request, gateway: TheGateway, caller: Anybody, log: LogNumber, path: str) -> Response:
    """A tile of hashes (C2SP tlog-tiles): salted, they say nothing. `entries/…` is for the controller's officer."""
    try:
        wanted = Tile.parse(path)
        if wanted.level is None:
            return _entries(request, gateway, caller, log, wanted)
        with gateway.reading() as session:
            body = hash_tile(session.connection(), log, wanted)
    except AuditError:
        return problem(request, Refused("not-found"))
    return Response(body, headers={"Cache-Control": "public, immutable"}, media_type="application/octet-stream")


@router.get("/entries", operation_id="listEntries")
def entries(
    request: Request, gateway: TheGateway, caller: Officer, asked: Annotated[Asked, Depends()], before: Before = None
) -> Response:
    """The newest entries that are the privacy officer's to see, as they were logged; looking is logged.

    While there are older ones `Link: rel="next"` leads on to them, by `before`: the log grows while it is read.
    Bytes that somebody wrote past the log's own writer, and that are no entry, stand in `bytes`, in base64.
    """
    found = trail.timeline(gateway, caller, asked.wanted(), place_of(before))
    if isinstance(found, Refused):
        return problem(request, found)
    lines = b",".join(one.line() for one in found.found)
    more = {"Link": link(request, "next", before=name_of(found.more))} if found.more else None
    return Response(b'{"entries":[' + lines + b"]}", headers=more, media_type="application/json")


@router.get("/report", operation_id="reportOnLog")
def report(request: Request, gateway: TheGateway, caller: Officer, asked: Annotated[Asked, Depends()]) -> Response:
    """How often each event, outcome, recipient, period, purpose, basis and rule stands in the log; what was refused."""
    counted = trail.report(gateway, caller, asked.wanted())
    if isinstance(counted, Refused):
        return problem(request, counted)
    return Response(json.dumps(counted), media_type="application/json")


@router.get("/export", operation_id="exportLog")
def export(request: Request, gateway: TheGateway, caller: Officer, asked: Annotated[Export, Depends()]) -> Response:
    """The log to keep: a bundle for the stand-alone verifier, Logboek Dataverwerkingen, or CSV.

    The log in use, or an earlier one by its number or school year: `log=2025-2026`. LDV and CSV hold every log of the
    year, as after a restore; a bundle is of one, so then it is asked for by number (`/v1/audit/logs`).
    Everything for the controller's officer, else the own entries. What is filtered proves presence, not completeness.
    """
    wanted = asked.wanted()
    taken = alone_with_log(request, lambda: exports.take_out(gateway, caller, asked.form, wanted, asked.log or ""))
    return problem(request, taken) if isinstance(taken, Refused) else answer_file(taken, asked.form.media_type)


def _entries(request: Request, gateway: TheGateway, caller: Identity | None, log: int, tile: Tile) -> Response:
    if caller is None:
        raise NotAllowed(Refused("unauthenticated"))
    body = exports.bundle_of_entries(gateway, officer(gateway, caller), log, tile)
    if isinstance(body, Refused):
        return problem(request, body)
    return Response(body, media_type="application/octet-stream")
