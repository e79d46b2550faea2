"""The register of processing with measured facts: what the log, the certificates and the tables say today."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time

from sqlmodel import Session, col, func, select

from audit.entry import Entry
from audit.events import Event
from audit.merkle import leaf_hash
from audit.timeline import Filter, find
from gateway import retention
from gateway.context import Gateway, operator_of
from gateway.identity import Identity, caller_of
from gateway.notices import overdue_notices
from gateway.outcome import Refused
from gateway.oversight import WHOLE_LOG, may
from gateway.publish.asking import certificate_of
from gateway.standing import events_of, standings
from gateway.store import ConsentedHealth, ConsentRecord, Period, Release, ReleaseState
from policies.authzen import answer, what_if
from policies.days import LOCAL, moment_of
from policies.dpia import Measured
from policies.question import Action
from policies.register import register_document
from policies.things import Installation
from policies.withdrawal import Notice

_LAST = {
    "keys-destroyed": Filter(event=Event.BACKUP_RESTORED),
    "trail": Filter(event=Event.AUDIT_VERIFIED, object=WHOLE_LOG),
    "refusals-reviewed": Filter(event=Event.AUDIT_REVIEWED, object=WHOLE_LOG),
    "retention": Filter(event=Event.RETENTION_RUN),
}


def register(gateway: Gateway, identity: Identity | None, *, commit: str = "") -> Mapping[str, object] | Refused:
    """The register of processing (AVG art. 30) of today with what was measured; anybody may read it.

    Args:
        gateway: whose register.
        identity: who asks; None for the public.
        commit: revision of the source tree, where known.
    """
    reader = identity or operator_of(gateway)
    allowed = may(gateway, reader, Action.READ_REGISTER_OF_PROCESSING, Installation())
    if isinstance(allowed, Refused):
        return allowed
    actor, decision = allowed
    logged = gateway.log_for(identity, Entry(event=Event.REGISTER_READ, actor=actor), decision)
    if isinstance(logged, Refused):
        return logged
    standing = gateway.engine.standing(gateway.clock())
    return register_document(
        gateway.law, on=gateway.today, standing=standing, measured=measured(gateway), commit=commit
    )


def law_on(gateway: Gateway, day: datetime) -> Mapping[str, object]:
    """The law as it stood or will stand on a day, without figures: those are of today only."""
    moment = datetime.combine(day.date(), time(12), LOCAL).astimezone(UTC)
    return register_document(gateway.law, on=day.date(), standing=gateway.engine.standing(moment))


def replay(gateway: Gateway, identity: Identity, question: bytes, day: datetime | None) -> Mapping[str, object]:
    """What would be, or would have been, decided: a question in AuthZEN's form, on a day or at its own moment.

    Raises:
        BadQuestion: the body is no question; names key and code of every fault.
    """
    with gateway.reading() as session:
        caller = caller_of(session, identity, gateway.today)
    asked = what_if(question, caller, gateway.setup)
    moment = datetime.combine(day.date(), time(12), LOCAL).astimezone(UTC) if day else asked.at or gateway.clock()
    return answer(gateway.engine.decide(asked.request, at=moment))


def consents_by_id(gateway: Gateway) -> list[Mapping[str, object]] | Refused:
    """Every consent with its state, last day and number of records: no site, recipient or class; the look is logged."""
    refused = _look(gateway)
    if refused is not None:
        return refused
    with gateway.reading() as session:
        counted = select(ConsentedHealth.consent_id, func.count()).group_by(ConsentedHealth.consent_id)
        held = dict(session.exec(counted).all())
        ids = session.exec(select(ConsentRecord.id)).all()
        found = standings(session, ids, gateway.clock())
    return [
        {
            "id": one.id,
            "state": one.state.stage.value,
            "last_day": one.state.terms.last_day if one.state.terms else None,
            "records": held.get(one.id, 0),
        }
        for one in found
    ]


def consent_history(gateway: Gateway, consent_id: str) -> list[Mapping[str, object]] | Refused:
    """What happened to one consent and when, without who or whose; the look is logged."""
    refused = _look(gateway)
    if refused is not None:
        return refused
    with gateway.reading() as session:
        events = events_of(session, consent_id)
    if not events:
        return Refused("not-found")
    return [{"number": number, "event": one.event, "at": one.at} for number, one in enumerate(events, start=1)]


def late_notices(gateway: Gateway) -> tuple[Notice, ...] | Refused:
    """Notices of ended consents without an answer in time, with the recipient that owes it; the look is logged."""
    refused = _look(gateway)
    return overdue_notices(gateway) if refused is None else refused


def _look(gateway: Gateway) -> Refused | None:
    """Whoever can read the keys of the deployment looks as the controller's officer, and the log says so."""
    allowed = may(gateway, Identity(gateway.settings.operator, "controller-officer"), Action.READ_AUDIT)
    if isinstance(allowed, Refused):
        return allowed
    actor, decision = allowed
    gateway.log_act(Entry(event=Event.AUDIT_VIEWED, actor=actor), decision)
    return None


def measured(gateway: Gateway) -> list[Measured]:
    """Every figure of the impact assessment that this deployment can measure now; what was not measured is left out."""
    now = gateway.clock()
    both = f"{gateway.settings.operator}, {gateway.settings.service_operator}"
    command = "verzuimpoort retention run"
    with gateway.reading() as session:
        found = [*_from_release(session), *_from_log(session)]
    return [
        *found,
        Measured("two-operators", f"{gateway.operators} ({both})", now, "gateway.toml"),
        Measured("rows-erased", _some(retention.overdue(gateway)), now, command),
        Measured("withdrawal-answered", _some(len(overdue_notices(gateway))), now, "verzuimpoort consent overdue"),
    ]


def _some(many: int) -> str:
    """Whether there are any: how many could be of one school or pupil, and anybody may read the register."""
    return "meer dan 0 / more than 0" if many else "0"


def _from_release(session: Session) -> Iterator[Measured]:
    """Cells and the attacker's verdict of the newest release that is out, or else of an exercise, which it says."""
    out = select(Release, Period).join(Period).where(Release.state == ReleaseState.PUBLISHED)
    found = session.exec(out.order_by(col(Period.exercise), col(Release.published_at).desc())).first()
    if found is None:
        return
    release, period = found
    if release.published_at is None or not release.certificate:
        return
    what = " (oefening / exercise)" if period.exercise else ""
    said = certificate_of(release)
    evidence = f"/v1/releases/{release.id}/certificate"
    attacker = f"{said['attacker']['exact']} exact, {said['attacker']['narrowed']} narrowed"
    yield Measured("attacker", attacker + what, release.published_at, evidence)
    cells = [sector["cells"] for sector in said["sectors"].values()]
    share = " / ".join(str(sum(each[name] for each in cells)) for name in ("suppressed", "listed"))
    yield Measured("threshold", share + what, release.published_at, evidence)


def _from_log(session: Session) -> Iterator[Measured]:
    """When something was last done, by the newest entry of the log that says so."""
    for measure, wanted in _LAST.items():
        for entry in find(session.connection(), wanted, limit=1):
            fields = entry.fields()
            at = moment_of(fields["ts"])
            evidence = f"/v1/audit/proofs/inclusion?leaf={leaf_hash(entry.data).hex()}"
            yield Measured(measure, fields["decision"], at, evidence)
