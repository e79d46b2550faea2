"""Build a release that `asking` was asked for: done by a worker, for all recipients at once."""

import io
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
from sqlmodel import Session

from audit.entry import Entry, Object
from audit.events import Decision as Outcome
from audit.events import Event
from audit.receipt import NONCE_BYTES, commit
from disclosure import DisclosureError
from disclosure.errors import OtherLayoutError
from gateway.context import Gateway, actor_of
from gateway.delivered import counted
from gateway.identity import Identity, caller_of
from gateway.publish.asking import attacker_failed, requests_of
from gateway.publish.charts import charts
from gateway.publish.correcting import (
    Earlier,
    LawChangedError,
    RegisterChangedError,
    Sector,
    correct_sector,
    earlier,
    kept,
    stored,
)
from gateway.publish.ledger import NotReservedError, forget_answers
from gateway.publish.noisy import NoiseLostError, noisy_sector
from gateway.publish.protecting import Slice, protect_sector, slices
from gateway.register import names
from gateway.store import Period, Person, Release, ReleaseChart, ReleaseSlice, ReleaseSource, ReleaseState
from gateway.table import encode_rows
from gateway.tabulate import SectorTable, tabulate
from policies.release import ReleasePlan

_WHY: Mapping[type[Exception], str] = {
    NoiseLostError: "noise-lost",
    NotReservedError: "not-reserved",
    OtherLayoutError: "noise-outdated",
    RegisterChangedError: "register-changed",
    LawChangedError: "law-changed",
    DisclosureError: "not-protectable",
}


@dataclass(frozen=True, slots=True)
class _Built:
    """What protecting all sectors gave; the witnesses are confidential."""

    slices: list[Slice]
    certificate: dict[str, object]
    utility: dict[str, object]
    witnesses: bytes = field(repr=False)


def build(gateway: Gateway, release_id: str, executor: Executor | None = None) -> None:
    """Build a release that was asked for; doing it twice gives the same bytes.

    Steps: (1) tabulate what was delivered; (2) protect each sector for all recipients together, and have the judge try
    it; draw the charts from what is protected; (3) in one transaction: the slices, the charts, the certificate, and the
    entry that commits to the bytes of the slices.
    """
    try:
        with gateway.reading() as session:  # (1)
            release = session.get_one(Release, release_id)
            if release.state != ReleaseState.BUILDING:
                return
            period = session.get_one(Period, release.period_id)
            contract = gateway.contracts[period.table_id]
            plan = gateway.law.purposes.plan(release.purposes.split())
            sources = counted(session, period)
            tables = tabulate(session, period, contract, sources)
            before = earlier(session, release, period, contract)
            still = kept(session, release, period, contract, plan=plan, before=before)
            called = names(session, {area for table in tables for level, area in table.expected if level != "site"})
        if not tables:  # by the register of now none of these sites is asked
            give_up(gateway, release_id)
            return
        todo = [table for table in tables if table.sector not in still]
        made = _protect_all(gateway, release, period, todo, plan=plan, before=before, executor=executor)  # (2)
    except tuple(_WHY) as error:  # to try again would give the same
        give_up(gateway, release_id, _WHY[type(error)])
        return
    built = _joined([(made | still)[table.sector] for table in tables], [table.sector for table in tables], plan)
    drawn = list(charts(release_id, built.slices, called, contract, exercise=period.exercise))
    with gateway.writing() as session:  # (3)
        _store(gateway, session, release_id, built, drawn=drawn, sources=sources)


def give_up(gateway: Gateway, release_id: str, reason: str = "build-failed") -> None:
    """Mark a release that could not be built; the period can be built again, at the cost of another budget."""
    with gateway.writing() as session:
        release = session.get_one(Release, release_id, with_for_update=True)
        if release.state != ReleaseState.BUILDING:  # built by a worker that died before it could say so
            return
        release.state, release.failure = ReleaseState.FAILED, reason
        forget_answers(session)
        gateway.append(session, _entry(gateway, session, release, Event.RELEASE_REFUSED, Outcome.ERROR))


def canonical_bytes(parts: list[ReleaseSlice]) -> bytes:
    """The bytes a release is committed to: its slices by level, area and sector."""
    ordered = sorted(parts, key=lambda part: (part.level, part.area, part.sector))
    return b"".join(part.rows for part in ordered)


def _protect_all(
    gateway: Gateway,
    release: Release,
    period: Period,
    tables: list[SectorTable],
    *,
    plan: ReleasePlan,
    before: Mapping[str, Earlier],
    executor: Executor | None,
) -> dict[str, Sector]:
    contract = gateway.contracts[period.table_id]
    asked = {request.population: request for request in requests_of(release.id, period, plan, plan.methods.items())}
    made = {}
    for table in tables:
        seed, privacy = release.seed + table.sector.encode(), {}
        if table.sector in asked:
            request = asked[table.sector]
            found = noisy_sector(gateway, request, table, contract, plan, seed=seed, executor=executor)
            built, frame, privacy = found.built, found.frame, {"privacy": found.privacy}
        elif table.sector in before:
            earlier_one = before[table.sector]
            built = correct_sector(table, earlier_one, contract, plan, seed=seed, executor=executor)
            frame = built.protected.frame
        else:
            built = protect_sector(table, contract, plan, seed=seed, executor=executor)
            frame = built.protected.frame
        made[table.sector] = Sector(
            slices(period.code, table, contract, plan, frame),
            {**built.protected.certificate, **privacy},
            json.loads(built.utility.to_json(orient="records")),
            stored(built, table),
        )
    return made


def _joined(parts: Sequence[Sector], sectors: Sequence[str], plan: ReleasePlan) -> _Built:
    """All sectors of a release together."""
    kept_witnesses = io.BytesIO()
    np.savez_compressed(
        kept_witnesses,
        allow_pickle=False,
        **{f"{sector}_{n}": w for sector, part in zip(sectors, parts, strict=True) for n, w in part.witnesses.items()},
    )
    return _Built(
        [one for part in parts for one in part.slices],
        _certificate(dict(zip(sectors, (part.certificate for part in parts), strict=True)), plan),
        dict(zip(sectors, (part.utility for part in parts), strict=True)),
        kept_witnesses.getvalue(),
    )


def _certificate(sectors: Mapping[str, Mapping[str, object]], plan: ReleasePlan) -> dict[str, object]:
    """Totals over all sectors, and each sector's own: nothing per cell, and no number of small ones."""
    verdicts = [certificate["verdicts"] for certificate in sectors.values()]
    total = {
        verdict: sum(found[verdict] for found in verdicts if isinstance(found, dict))
        for verdict in ("exact", "narrowed")
    }
    return {"purposes": list(plan.purposes), "attacker": total | {"safe": "all"}, "sectors": sectors}


def _store(
    gateway: Gateway,
    session: Session,
    release_id: str,
    built: _Built,
    *,
    drawn: list[ReleaseChart],
    sources: list[str],
) -> None:
    release = session.get_one(Release, release_id, with_for_update=True)
    if release.state != ReleaseState.BUILDING:
        return
    parts = [
        ReleaseSlice(
            release_id=release_id, level=part.level, area=part.area, sector=part.sector, rows=encode_rows(part.rows)
        )
        for part in built.slices
    ]
    session.add_all([*parts, *drawn, *(ReleaseSource(release_id=release_id, submission_id=one) for one in sources)])
    release.certificate = json.dumps(built.certificate, sort_keys=True)
    release.utility = json.dumps(built.utility, sort_keys=True)
    release.witnesses = built.witnesses
    release.nonce = gateway.random(NONCE_BYTES)
    release.commitment = commit(release.nonce, canonical_bytes(parts)).hex()
    release.built_at = gateway.clock()
    release.state = ReleaseState.BUILT if attacker_failed(release) else ReleaseState.FAILED
    forget_answers(session)
    if release.state == ReleaseState.BUILT:
        gateway.append(session, _entry(gateway, session, release, Event.RELEASE_BUILT, Outcome.PERMIT))
    else:
        release.failure = "attacker-succeeded"
        gateway.append(session, _entry(gateway, session, release, Event.RELEASE_REFUSED, Outcome.ERROR))


def _entry(gateway: Gateway, session: Session, release: Release, event: Event, outcome: Outcome) -> Entry:
    builder = session.get_one(Person, release.builder_id)
    caller = caller_of(session, Identity(builder.party, builder.role, builder.id), gateway.today)
    commitment = bytes.fromhex(release.commitment) if release.commitment else None
    entry = Entry(
        event=event,
        actor=actor_of(caller),
        decision=outcome,
        period=session.get_one(Period, release.period_id).code,
        object=Object(f"release:{release.id}", commitment),
    )
    return gateway.serving(entry, release.purposes.split())
