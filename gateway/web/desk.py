"""Pages of the operator: periods, who delivered, what runs."""

from collections.abc import Mapping
from datetime import timedelta

from sqlmodel import col, select
from starlette.requests import Request
from starlette.responses import Response

from audit.proofs import logs
from gateway import overview, retention
from gateway.consents import DESTROY_KEY
from gateway.operate import Desk
from gateway.outcome import Fault, Refused
from gateway.periods import counts_are_over, find_period, reopened_for, school_year_on
from gateway.publish.ahead import ahead
from gateway.publish.asking import request_build, to_correct
from gateway.store import JobState, Release
from gateway.web.forms import Form, act, day_of, show, then
from gateway.web.pages import Visitor, gateway_of, page, refusal

ROLE = "operator"
_SOON = timedelta(days=60)  # a register that is renewed every month has more left


def home(request: Request, who: Visitor, form: Mapping[str, str] | None = None, fault: Fault | None = None) -> Response:
    """Periods with their progress."""
    gateway = gateway_of(request)
    with gateway.reading() as session:
        found = overview.periods(session)
        progress = [
            (
                each,
                overview.progress(session, gateway.contracts, each),
                counts_are_over(gateway.law.purposes, each, gateway.today),
            )
            for each in found
        ]
    codes = [f"{school_year_on(gateway.today)}-{number}" for number in range(1, 5)]
    counted = sorted({contract.table for contract in gateway.contracts.values()})
    tables = {table: gateway.contracts[table].collection.title for table in counted}
    return page(
        request,
        who,
        "operator.html",
        400 if fault else 200,
        progress=progress,
        tables=tables,
        code=next((code for code in codes if code not in {each.code for each in found}), codes[0]),
        form=form or {},
        fault=fault,
        today=gateway.today,
    )


def open_period(request: Request, who: Visitor, form: Form) -> Response:
    """Open a period with its dates."""
    counted, ends = day_of(form["reference_date"]), day_of(form["deadline"])
    if counted is None or ends is None:
        missing = "reference_date" if counted is None else "deadline"
        return home(request, who, form.values, Fault("PERIOD-DAY", column=missing))
    desk = Desk(gateway_of(request), who.known)
    opened = desk.open_period(
        form["table"], form["code"], reference_date=counted, deadline=ends, exercise=form["exercise"] == "yes"
    )
    if isinstance(opened, Refused) and opened.report is not None:
        return home(request, who, form.values, opened.report.faults[0])
    return then(request, who, opened, f"/operator/periods/{form['table']}/{form['code']}")


def period(request: Request, who: Visitor) -> Response:
    """Who delivered, and what can be done with the period."""
    gateway, wanted = gateway_of(request), request.path_params
    with gateway.reading() as session:
        found = find_period(session, wanted["table"], wanted["code"])
    if found is None:
        return refusal(request, who, Refused("unknown-period"))
    with gateway.reading() as session:
        progress = overview.progress(session, gateway.contracts, found)
        many = {each: getattr(progress, each) for each in (overview.MISSING, overview.RECEIVED, overview.DELIVERED)}
        asked = request.query_params.get("state", "")
        state = asked if asked in many else ""
        shown = overview.deliveries(session, gateway.contracts, found, state, request.query_params.get("after", ""))
        reopened = reopened_for(session, found)
        corrected = to_correct(session, found) == Refused("corrected-once")
        newest = col(Release.built_at).desc().nulls_first(), col(Release.id)
        built = session.exec(select(Release).where(Release.period_id == found.id).order_by(*newest)).all()
    return page(
        request,
        who,
        "operator_period.html",
        period=found,
        exercise=found.exercise,
        progress=progress,
        shown=shown[: overview.PAGE],
        more=len(shown) > overview.PAGE,
        many=many.get(state, progress.expected),
        state=state,
        built=built,
        reopened=reopened,
        corrected=corrected,
        over=counts_are_over(gateway.law.purposes, found, gateway.today),
        noisy=ahead(gateway, found),
    )


def change_period(request: Request, who: Visitor, form: Form) -> Response:
    """Close a period, reopen it for one site, or have its release built."""
    table, code = request.path_params["table"], request.path_params["code"]
    desk, here = Desk(gateway_of(request), who.known), f"/operator/periods/{table}/{code}"
    if form["act"] == "close":
        return then(request, who, desk.close_period(table, code), here)
    if form["act"] == "reopen":
        return then(request, who, desk.reopen_for(table, code, form["site"].upper()), here)
    if form["act"] == "build":
        asked = request_build(gateway_of(request), who.known, table, code)
        there = here if isinstance(asked, Refused) else f"/operator/releases/{asked.id}"
        return then(request, who, asked, there)
    return refusal(request, who, Refused("invalid-request"))


def system(request: Request, who: Visitor) -> Response:
    """Keys, the log, retention and jobs: what runs the gateway, without any secret.

    No number of keys of consents or of pupils' rows, nor work under way for one consent: it could be of one school.
    """
    gateway = gateway_of(request)
    with gateway.reading() as session:
        jobs = overview.open_jobs(session)
        chain = logs(session.connection())
        register_ends = overview.register_ends(session)
    keys = sorted(gateway.keyring.records(), key=lambda key: (key.school_year or "", key.purpose), reverse=True)
    return page(
        request,
        who,
        "operator_system.html",
        jobs=[job for job in jobs if job.state != JobState.FAILED and job.kind != DESTROY_KEY],
        failed=[job for job in jobs if job.state == JobState.FAILED],
        chain=chain,
        keys=keys,
        kek=next((key.kek_id for key in keys if key.kek_id), ""),
        on_token=gateway.settings.pkcs11 is not None,
        overdue=retention.overdue(gateway) > 0,
        register_ends=register_ends,
        register_soon=register_ends is not None and register_ends <= gateway.today + _SOON,
    )


ROUTES = [
    show("/operator", ROLE, home),
    act("/operator", ROLE, open_period, again=lambda request, who, form: home(request, who, form.values)),
    show("/operator/periods/{table}/{code}", ROLE, period),
    act("/operator/periods/{table}/{code}", ROLE, change_period),
    show("/operator/system", ROLE, system),
]
