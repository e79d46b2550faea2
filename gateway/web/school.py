"""Pages of a school: what is asked now, what was sent, confirming, withdrawing, the receipt to keep."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from gateway import deliveries, overview
from gateway.messages import catalogue
from gateway.outcome import Refused
from gateway.publish.handing import receipt_of_entry
from gateway.records.expected import Cell
from gateway.register import kind_of_code
from gateway.web.forms import Form, act, show, then
from gateway.web.pages import Visitor, attachment, gateway_of, page, refusal
from policies.parties import Kind

ROLE = "school"
_NOTE = "NOTE-"


def home(request: Request, who: Visitor) -> Response:
    """What is asked now, and where the own deliveries stand."""
    gateway = gateway_of(request)
    with gateway.reading() as session:
        mine = overview.own_periods(gateway, session, who.known.party)
    now = [each for each in mine if each.takes]
    past = [each for each in mine if not each.takes]
    site = kind_of_code(who.known.party) == Kind.SITE
    return page(request, who, "school.html", now=now, past=past, today=gateway.today, site=site)


def history(request: Request, who: Visitor) -> Response:
    """Every version ever sent."""
    gateway = gateway_of(request)
    with gateway.reading() as session:
        mine = overview.own_periods(gateway, session, who.known.party)
    return page(request, who, "school_history.html", mine=[each for each in mine if each.versions])


def submission(request: Request, who: Visitor) -> Response:
    """One version: its counts, what became of it, and what can be done now."""
    gateway = gateway_of(request)
    seen = deliveries.read(gateway, who.known, request.path_params["submission"])
    if isinstance(seen, Refused):
        return refusal(request, who, seen)
    row = seen.submission
    with gateway.reading() as session:
        mine = overview.own_periods(gateway, session, who.known.party)
        receipts = overview.receipts_of(session, who.known.party, row.id)
    own = next(each for each in mine if each.period.id == row.period_id)
    contract = gateway.contracts[own.period.table_id]
    notes = [
        note for note in request.query_params.getlist("note") if note.startswith(_NOTE) and note in catalogue("rules")
    ]
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
    )


def confirm(request: Request, who: Visitor, _form: Form) -> Response:
    """Confirm the counts: they are the delivery."""
    wanted = request.path_params["submission"]
    outcome = deliveries.confirm(gateway_of(request), who.known, wanted)
    return then(request, who, outcome, f"/school/submissions/{wanted}")


def withdraw(request: Request, who: Visitor, _form: Form) -> Response:
    """Withdraw a version."""
    wanted = request.path_params["submission"]
    outcome = deliveries.withdraw(gateway_of(request), who.known, wanted)
    return then(request, who, outcome, f"/school/submissions/{wanted}")


def receipt(request: Request, who: Visitor) -> Response:
    """The receipt of a version with its proof, to keep."""
    gateway = gateway_of(request)
    seen = deliveries.read(gateway, who.known, request.path_params["submission"])
    if isinstance(seen, Refused):
        return refusal(request, who, seen)
    gone, entry = deliveries.are_erased(seen.submission), seen.submission.entry_id
    found = Refused("receipt-expired") if gone else receipt_of_entry(gateway, who.known, entry)
    if isinstance(found, Refused):
        return refusal(request, who, found)
    return attachment(found, f"ontvangstbewijs-{who.known.party}-{seen.period}.txt", "text/plain; charset=utf-8")


def _sums(counts: Mapping[Cell, int]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for (subdivision, kind, _), pupils in counts.items():
        sums[subdivision, kind] = sums.get((subdivision, kind), 0) + pupils
    return sums


_SUBMISSION = "/school/submissions/{submission}"
ROUTES = [
    show("/school", ROLE, home),
    show("/school/history", ROLE, history),
    show(_SUBMISSION, ROLE, submission),
    act(f"{_SUBMISSION}/confirmation", ROLE, confirm),
    act(f"{_SUBMISSION}/withdrawal", ROLE, withdraw),
    show(f"{_SUBMISSION}/receipt", ROLE, receipt),
]
