"""Pages of a school: deliver, check, confirm, keep the receipt, correct, withdraw, see the own figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response

from gateway import deliveries, overview
from gateway.collections import TOTAL, Contract
from gateway.deliveries import Seen
from gateway.formats.sheet import MAX_BYTES
from gateway.formats.write import Format
from gateway.messages import catalogue
from gateway.outcome import Refused, Report
from gateway.overview import OwnPeriod
from gateway.publish.downloading import own_table, receipt_of_entry
from gateway.receive import Checked, Received, Upload, receive
from gateway.records.expected import Cell
from gateway.store import SiteFacts
from gateway.web.chart import Bar, draw, legend
from gateway.web.counting import Placed, blank_csv, blank_xlsx, field_name, file_of_fields, totals
from gateway.web.figures import Line, highest, lines
from gateway.web.forms import Form, act, show
from gateway.web.pages import Visitor, gateway_of, page, refusal, see_other
from gateway.web.sheets import fetch, format_asked, published, rows_of

ROLE = "school"
_WITH_PARTS = 2
_BLANKS = {
    "csv": (blank_csv, Format.CSV.media_type),
    "xlsx": (blank_xlsx, Format.XLSX.media_type),
}


def home(request: Request, who: Visitor) -> Response:
    """What is asked now, and where the own deliveries stand."""
    gateway = gateway_of(request)
    with gateway.reading() as session:
        mine = overview.own_periods(session, who.known.party)
    now = [each for each in mine if each.takes]
    past = [each for each in mine if not each.takes]
    return page(request, who, "school.html", now=now, past=past, today=gateway.today)


def history(request: Request, who: Visitor) -> Response:
    """Every version ever sent."""
    with gateway_of(request).reading() as session:
        mine = overview.own_periods(session, who.known.party)
    return page(request, who, "school_history.html", mine=[each for each in mine if each.versions])


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a period asks of the visitor's site."""

    own: OwnPeriod
    facts: SiteFacts
    contract: Contract

    @property
    def subdivisions(self) -> tuple[str, ...]:
        """What the site offers."""
        return tuple(self.facts.subdivisions.split())

    @property
    def cells(self) -> list[Cell]:
        """Every cell to fill in, in the order of the template."""
        return list(self.contract.cells(self.subdivisions))

    @property
    def address(self) -> str:
        """The page of this period."""
        return f"/school/periods/{self.own.period.table_id}/{self.own.period.code}"


def _asked(request: Request, who: Visitor) -> _Asked | None:
    gateway, wanted = gateway_of(request), request.path_params
    with gateway.reading() as session:
        mine = overview.own_periods(session, who.known.party)
        found = [o for o in mine if (o.period.table_id, o.period.code) == (wanted["table"], wanted["code"])]
        facts = overview.own_site(session, who.known.party, found[0].period.reference_date) if found else None
    if not found or facts is None:
        return None
    return _Asked(found[0], facts, gateway.contracts[found[0].period.table_id])


def fill_in(request: Request, who: Visitor) -> Response:
    """The form of a period; with `from`, filled with the counts of an earlier version, to correct them."""
    asked = _asked(request, who)
    if asked is None:
        return refusal(request, who, Refused("not-found"))
    values: Mapping[str, str] = {}
    if "from" in request.query_params:
        seen = deliveries.read(gateway_of(request), who.known, request.query_params["from"])
        if isinstance(seen, Seen):
            values = {field_name(cell): str(pupils) for cell, pupils in seen.counts.items()}
    return _form(request, who, asked, values=values)


def deliver(request: Request, who: Visitor, form: Form) -> Response:
    """Check or deliver the counts that were filled in."""
    asked = _asked(request, who)
    if asked is None:
        return refusal(request, who, Refused("not-found"))
    table = asked.own.period.table_id
    return _send(request, who, asked, form, table, file_of_fields(asked.cells, form.values))


def deliver_file(request: Request, who: Visitor, form: Form) -> Response:
    """Check or deliver a chosen file."""
    asked = _asked(request, who)
    if asked is None:
        return refusal(request, who, Refused("not-found"))
    return _send(request, who, asked, form, form["collection"], form.file or b"")


def _send(  # noqa: PLR0917  one act, from two forms
    request: Request, who: Visitor, asked: _Asked, form: Form, collection: str, body: bytes
) -> Response:
    period, check = asked.own.period, form["act"] == "check"
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
        today=gateway_of(request).today,
        limit=MAX_BYTES,
    )


def blank(request: Request, who: Visitor) -> Response:
    """The template of this site: every row it has to deliver."""
    asked = _asked(request, who)
    form = request.path_params["form"]
    if asked is None or form not in _BLANKS:
        return refusal(request, who, Refused("not-found"))
    make, media_type = _BLANKS[form]
    name = f"sjabloon-{asked.facts.site}-{asked.own.period.code}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(make(asked.contract, asked.subdivisions), headers=headers, media_type=media_type)


def submission(request: Request, who: Visitor) -> Response:
    """One version: its counts, what became of it, and what can be done now."""
    gateway = gateway_of(request)
    seen = deliveries.read(gateway, who.known, request.path_params["submission"])
    if isinstance(seen, Refused):
        return refusal(request, who, seen)
    row = seen.submission
    with gateway.reading() as session:
        mine = overview.own_periods(session, who.known.party)
        receipts = overview.receipts_of(session, who.known.party, row.id)
    own = next(each for each in mine if each.period.id == row.period_id)
    contract = gateway.contracts[own.period.table_id]
    notes = [note for note in request.query_params.getlist("note") if note in catalogue("rules")]
    return page(
        request,
        who,
        "school_submission.html",
        seen=seen,
        submission=row,
        receipts=receipts,
        own=own,
        period=own.period,
        exercise=own.period.exercise,
        contract=contract,
        subdivisions=list(dict.fromkeys(cell[0] for cell in seen.counts)),
        sums=_sums(seen.counts),
        notes=notes,
        again="again" in request.query_params,
        confirmed="confirmed" in request.query_params,
    )


def confirm(request: Request, who: Visitor, _form: Form) -> Response:
    """Confirm the counts: they are the delivery."""
    wanted = request.path_params["submission"]
    outcome = deliveries.confirm(gateway_of(request), who.known, wanted)
    if isinstance(outcome, Refused):
        return refusal(request, who, outcome)
    return see_other(f"/school/submissions/{wanted}?confirmed=1")


def withdraw(request: Request, who: Visitor, _form: Form) -> Response:
    """Withdraw a version."""
    wanted = request.path_params["submission"]
    outcome = deliveries.withdraw(gateway_of(request), who.known, wanted)
    return (
        refusal(request, who, outcome) if isinstance(outcome, Refused) else see_other(f"/school/submissions/{wanted}")
    )


def receipt(request: Request, who: Visitor) -> Response:
    """The receipt of a version with its proof, to keep."""
    gateway = gateway_of(request)
    seen = deliveries.read(gateway, who.known, request.path_params["submission"])
    found = seen if isinstance(seen, Refused) else receipt_of_entry(gateway, who.known, seen.submission.entry_id)
    if isinstance(found, Refused):
        return refusal(request, who, found)
    name = f"ontvangstbewijs-{who.known.party}-{seen.period if isinstance(seen, Seen) else ''}.txt"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(found, headers=headers, media_type="text/plain; charset=utf-8")


def figures(request: Request, who: Visitor) -> Response:
    """The own table, small counts included, with the national picture beside it where one is published."""
    gateway = gateway_of(request)
    with gateway.reading() as session:
        mine = [each for each in overview.own_periods(session, who.known.party) if each.confirmed]
    wanted = request.query_params.get("period")
    own = next((each for each in mine if wanted in (None, each.period.code)), None)
    if own is None:
        return page(request, who, "school_figures.html", own=None, mine=mine)
    contract = gateway.contracts[own.period.table_id]
    fetched = own_table(gateway, who.known, own.period.table_id, own.period.code, Format.CSV)
    if isinstance(fetched, Refused):
        return refusal(request, who, fetched)
    found = lines(rows_of(fetched))
    drawn = draw(found, contract)
    return page(
        request,
        who,
        "school_figures.html",
        own=own,
        mine=mine,
        exercise=own.period.exercise,
        groups=_groups(drawn),
        bands=[TOTAL, *contract.bands.upper, *contract.bands.margins],
        legend=legend(bar for _, bar in drawn),
        benchmark=_benchmark(request, own, found),
        highest=highest(contract),
        entry=fetched.entry_id,
    )


def own_file(request: Request, who: Visitor) -> Response:
    """The own table as a file."""
    gateway, period = gateway_of(request), request.query_params.get("period", "")
    table = request.query_params.get("table", "")
    fetched = own_table(gateway, who.known, table, period, format_asked(request))
    if isinstance(fetched, Refused):
        return refusal(request, who, fetched)
    name = f"eigen-cijfers-{who.known.party}-{period}.{fetched.form.value}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(fetched.body, headers=headers, media_type=fetched.form.media_type)


def _benchmark(request: Request, own: OwnPeriod, mine: Sequence[Line]) -> dict[str, Line]:
    """The national lines of the own sector by kind, when they are published for the same period."""
    gateway = gateway_of(request)
    listed = [each for each in published(gateway, None) if each.period.id == own.period.id]
    fetched = fetch(gateway, None, listed[0].release.id, "country") if listed else Refused("not-found")
    if isinstance(fetched, Refused) or not mine:
        return {}
    sector = mine[0].sector
    return {line.kind: line for line in lines(rows_of(fetched)) if line.sector == sector and line.subdivision == TOTAL}


def _groups(drawn: Sequence[tuple[Line, Bar]]) -> list[tuple[str, list[tuple[Line, Bar]]]]:
    """The lines by subdivision, the whole first; a site with one subdivision has only the whole."""
    groups = [(name, list(found)) for name, found in groupby(drawn, lambda pair: pair[0].subdivision)]
    return groups if len(groups) > _WITH_PARTS else groups[:1]


def _sums(counts: Mapping[Cell, int]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for (subdivision, kind, _), pupils in counts.items():
        sums[subdivision, kind] = sums.get((subdivision, kind), 0) + pupils
    return sums


_PERIOD = "/school/periods/{table}/{code}"
_SUBMISSION = "/school/submissions/{submission}"
ROUTES = [
    show("/school", ROLE, home),
    show("/school/history", ROLE, history),
    show("/school/figures", ROLE, figures),
    show("/school/figures/download", ROLE, own_file),
    show(_PERIOD, ROLE, fill_in),
    act(_PERIOD, ROLE, deliver),
    act(f"{_PERIOD}/file", ROLE, deliver_file),
    show(f"{_PERIOD}/template.{{form}}", ROLE, blank),
    show(_SUBMISSION, ROLE, submission),
    act(f"{_SUBMISSION}/confirmation", ROLE, confirm),
    act(f"{_SUBMISSION}/withdrawal", ROLE, withdraw),
    show(f"{_SUBMISSION}/receipt", ROLE, receipt),
]
