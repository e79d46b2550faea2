"""What anybody may see: purposes, contracts, the keys of the pseudonym service, health."""

import math
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import func
from sqlmodel import select
from sqlmodel import text as sql

from audit.proofs import logs, signed_at, unsigned
from gateway import telemetry
from gateway.http.callers import TheGateway
from gateway.http.problems import language, problem
from gateway.outcome import Refused
from gateway.store import Job, ServiceKey
from policies.decision import Permit
from policies.purpose import NEVER

router = APIRouter(tags=["public"])
health = APIRouter(tags=["health"])
_HERE = {"127.0.0.1", "::1", "localhost"}


@router.get("/purposes", operation_id="listPurposes")
def purposes(request: Request, gateway: TheGateway) -> list[dict[str, Any]]:
    """Every purpose: status in law, grounds, first day and first day no more, whether it works today, and why not."""
    wanted = language(request)
    in_force, standing = gateway.law.in_force, gateway.engine.standing(gateway.clock())
    return [
        {
            "id": purpose.id,
            "title": getattr(purpose.title, wanted),
            "status": purpose.status.value,
            "works": isinstance(standing[purpose.id], Permit),
            "validFrom": str(purpose.valid_from),
            "validUntil": None if purpose.valid_until == NEVER else str(purpose.valid_until),
            "inForceFrom": str(in_force[purpose.id].from_date) if purpose.id in in_force else None,
            "legalBasis": [getattr(cited.article, wanted) for cited in purpose.legal_basis],
            "reason": getattr(purpose.reason, wanted) if purpose.reason else None,
        }
        for purpose in gateway.law.purposes.values()
    ]


@router.get("/collections", operation_id="listCollections")
def collections(request: Request, gateway: TheGateway) -> list[dict[str, Any]]:
    """Every data contract: its kinds, bands and subdivisions."""
    wanted = language(request)
    return [
        {
            "id": contract.collection.id,
            "title": contract.collection.title[wanted],
            "form": contract.collection.form,
            "countedAs": contract.table,
            "kinds": list(contract.kinds.members),
            "bands": list(contract.bands.upper),
            "subdivisions": {sector: list(codes) for sector, codes in contract.subdivisions.items()},
        }
        for contract in gateway.contracts.values()
    ]


@router.get("/service-keys", operation_id="readServiceKeys")
def service_keys(gateway: TheGateway) -> list[dict[str, str]]:
    """The pinned public keys of the pseudonym service, with the signed document a school keeps as `--service-key`."""
    with gateway.reading() as session:
        rows = session.exec(select(ServiceKey).order_by(ServiceKey.school_year)).all()
    return [{"keyId": row.key_id, "schoolYear": row.school_year, "document": row.document} for row in rows]


@health.api_route("/health/live", methods=["GET", "HEAD"], include_in_schema=False)
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@health.api_route("/health/ready", methods=["GET", "HEAD"], include_in_schema=False)
def ready(gateway: TheGateway) -> Response:
    """The database answers too, and can be read."""
    with gateway.reading() as session:
        session.connection().execute(sql("SELECT 1"))
    return Response('{"status":"ok"}', media_type="application/json")


@health.get("/metrics", include_in_schema=False)
def metrics(request: Request, gateway: TheGateway) -> Response:
    """Metrics for a collector on this machine; from elsewhere, also through the proxy, there is no such address."""
    peer = request.client.host if request.client else ""
    if not {peer, request.url.hostname} <= _HERE:
        return problem(request, Refused("not-found"))
    with gateway.reading() as session:
        jobs = dict(session.exec(select(Job.state, func.count()).group_by(Job.state)).all())
        connection = session.connection()
        in_use = logs(connection)[-1:]
        pending = unsigned(connection, in_use)
        signed = max((signed_at(connection, log.log) for log in in_use), default=0)
    age = (gateway.log.clock() - signed) / 1000 if signed else math.inf
    return Response(telemetry.metrics(jobs, pending, age), media_type="text/plain; version=0.0.4")
