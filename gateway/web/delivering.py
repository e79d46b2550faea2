"""Pages of a school: fill in the counts or choose a file, have it checked, deliver it."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from gateway import deliveries, overview
from gateway.collections import Contract
from gateway.delivered import asks
from gateway.deliveries import Seen
from gateway.formats.write import Format
from gateway.http.limits import take_check
from gateway.messages import text
from gateway.outcome import Refused, Report
from gateway.overview import OwnPeriod
from gateway.periods import find_period
from gateway.receive import Checked, Received, Upload, receive
from gateway.records.expected import Cell
from gateway.register import site_facts
from gateway.store import SiteFacts
from gateway.web.counting import Placed, blank_csv, blank_xlsx, field_name, file_of_fields, totals
from gateway.web.forms import Form, act, show
from gateway.web.pages import Visitor, attachment, gateway_of, page, refusal, see_other

ROLE = "school"
_WARN_DAYS = 3
_BLANKS = {
    "csv": (blank_csv, Format.CSV.media_type),
    "xlsx": (blank_xlsx, Format.XLSX.media_type),
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a period asks of the visitor's site."""

    own: OwnPeriod
    facts: SiteFacts
    contract: Contract

    @property
    def subdivisions(self) -> tuple[str, ...]:
        """What the site offers of what the contract asks for."""
        return self.contract.asked_of(self.facts.sector, self.facts.subdivisions)

    @property
    def cells(self) -> list[Cell]:
        """Every cell to fill in, in the order of the template."""
        return list(self.contract.cells(self.subdivisions))

    @property
    def address(self) -> str:
        """The page of this period."""
        return f"/school/periods/{self.own.name}"


def _asked(request: Request, who: Visitor) -> _Asked | Refused:
    gateway, wanted = gateway_of(request), request.path_params
    with gateway.reading() as session:
        period = find_period(session, wanted["table"], wanted["code"])
        if period is None:
            return Refused("not-found")
        facts = site_facts(session, who.known.party, period.reference_date)
        if facts is None:
            return Refused("site-not-registered")
        if not asks(session, gateway.contracts, period, facts.site):
            return Refused("site-not-asked")
        mine = overview.own_periods(gateway, session, who.known.party)
    own = next(each for each in mine if each.period.id == period.id)
    return _Asked(own, facts, gateway.contracts[period.table_id])


def fill_in(request: Request, who: Visitor) -> Response:
    """The form of a period; with `from`, filled with the counts of an earlier version, to correct them."""
    asked = _asked(request, who)
    if isinstance(asked, Refused):
        return refusal(request, who, asked)
    values: Mapping[str, str] = {}
    if "from" in request.query_params:
        seen = deliveries.read(gateway_of(request), who.known, request.query_params["from"])
        if isinstance(seen, Seen):
            values = {field_name(cell): str(pupils) for cell, pupils in seen.counts.items()}
    return _form(request, who, asked, values=values)


def fill_in_again(request: Request, who: Visitor, form: Form) -> Response:
    """The form of a period with what is filled in."""
    asked = _asked(request, who)
    return (
        refusal(request, who, asked) if isinstance(asked, Refused) else _form(request, who, asked, values=form.values)
    )


def deliver(request: Request, who: Visitor, form: Form) -> Response:
    """Check or deliver the counts that were filled in."""
    asked = _asked(request, who)
    if isinstance(asked, Refused):
        return refusal(request, who, asked)
    table = asked.own.period.table_id
    return _send(request, who, asked, form, table, file_of_fields(asked.cells, form.values))


def deliver_file(request: Request, who: Visitor, form: Form) -> Response:
    """Check or deliver a chosen file."""
    asked = _asked(request, who)
    if isinstance(asked, Refused):
        return refusal(request, who, asked)
    return _send(request, who, asked, form, form["collection"], form.file or b"")


def _send(  # noqa: PLR0917  one act, from two forms
    request: Request, who: Visitor, asked: _Asked, form: Form, collection: str, body: bytes
) -> Response:
    period, check = asked.own.period, form["act"] == "check"
    limited = take_check(request, who.known.party) if check else None
    if limited is not None:
        return refusal(request, who, limited)
    upload = Upload(collection, who.known.party, period.code, body)
    outcome = receive(gateway_of(request), who.known, upload, dry_run=check)
    if isinstance(outcome, Received):
        notes = "&".join(f"note={note}" for note in outcome.notes)
        again = "" if outcome.created else "&again=1"
        return see_other(f"/school/submissions/{outcome.submission.id}?{notes}{again}")
    of_file = "collection" in form.values
    if isinstance(outcome, Checked):
        counts = outcome.counts if collection == period.table_id else {}
        values = {field_name(cell): str(pupils) for cell, pupils in counts.items()}
        return _form(request, who, asked, values=values, checked=outcome, of_file=of_file)
    if outcome.report is None:
        return refusal(request, who, outcome)
    return _form(request, who, asked, values={} if of_file else form.values, report=outcome.report, of_file=of_file)


def _form(
    request: Request,
    who: Visitor,
    asked: _Asked,
    *,
    values: Mapping[str, str],
    checked: Checked | None = None,
    report: Report | None = None,
    of_file: bool = False,
) -> Response:
    collections = [c for c in gateway_of(request).contracts.values() if c.table == asked.own.period.table_id]
    return page(
        request,
        who,
        "school_deliver.html",
        400 if report else 200,
        asked=asked,
        own=asked.own,
        period=asked.own.period,
        exercise=asked.own.period.exercise,
        contract=asked.contract,
        collections=[contract.collection for contract in collections],
        values=values,
        sums=totals(asked.cells, values),
        checked=checked,
        report=report,
        of_file=of_file,
        placed=Placed.of(report, [] if of_file else asked.cells) if report else None,
        field_name=field_name,
    )


def blank(request: Request, who: Visitor) -> Response:
    """The template of this site: every row it has to deliver."""
    asked = _asked(request, who)
    form = request.path_params["form"]
    if isinstance(asked, Refused) or form not in _BLANKS:
        return refusal(request, who, asked if isinstance(asked, Refused) else Refused("not-found"))
    make, media_type = _BLANKS[form]
    name = f"sjabloon-{asked.facts.site}-{asked.own.period.code}.{form}"
    return attachment(make(asked.contract, asked.subdivisions), name, media_type)


def reminder(request: Request, who: Visitor) -> Response:
    """The deadline for a calendar (RFC 5545): a day, with an alarm three days before."""
    asked = _asked(request, who)
    if isinstance(asked, Refused):
        return refusal(request, who, asked)
    gateway, period = gateway_of(request), asked.own.period
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//verzuimpoort//NL", "BEGIN:VEVENT",
        f"UID:{period.table_id}-{period.code}-{who.known.party}@{gateway.settings.log_name.partition('/')[0]}",
        f"DTSTAMP:{gateway.clock():%Y%m%dT%H%M%SZ}",
        f"DTSTART;VALUE=DATE:{period.deadline:%Y%m%d}",
        f"SUMMARY:{text('pages', 'reminder.summary', who.language, period=period.code)}",
        f"URL:{gateway.settings.base_url}{asked.address}",
        "BEGIN:VALARM", "ACTION:DISPLAY", f"TRIGGER:-P{_WARN_DAYS}D",
        f"DESCRIPTION:{text('pages', 'reminder.summary', who.language, period=period.code)}",
        "END:VALARM", "END:VEVENT", "END:VCALENDAR",
    ]  # fmt: skip
    return attachment("".join(f"{line}\r\n" for line in lines), f"verzuim-{period.code}.ics", "text/calendar")


_PERIOD = "/school/periods/{table}/{code}"
ROUTES = [
    show(_PERIOD, ROLE, fill_in),
    act(_PERIOD, ROLE, deliver, again=fill_in_again),
    act(f"{_PERIOD}/file", ROLE, deliver_file, file=True),
    show(f"{_PERIOD}/template.{{form}}", ROLE, blank),
    show(f"{_PERIOD}/deadline.ics", ROLE, reminder),
]
