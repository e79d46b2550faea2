"""Pages of an SWV, a gemeente or another recipient: what is new, the table, the schools, files, code, receipts."""

from starlette.requests import Request
from starlette.responses import Response

from gateway import overview
from gateway.delivered import COUNTRY
from gateway.notices import answer_of, notices_of
from gateway.outcome import Refused
from gateway.publish.bars import lines
from gateway.publish.downloading import Listed, catalogue, download
from gateway.publish.handing import receipt_of_entry
from gateway.register import kind_of_code, names
from gateway.web.forms import show
from gateway.web.pages import ANYBODY_IN, Visitor, attachment, gateway_of, page, refusal
from gateway.web.sheets import fetch, file_of, format_asked, rows_of, view_of
from gateway.web.snippets import snippets
from policies.parties import Kind

ROLE = "recipient"
_SHOWN = 20
_REGIONS = (Kind.SWV, Kind.GEMEENTE)


def releases(request: Request, who: Visitor) -> Response:
    """What there is, the newest first, and above it that a consent has ended and waits for an answer."""
    gateway = gateway_of(request)
    waiting = [row.answer_by for row in notices_of(gateway, who.known) if answer_of(row) is None]
    regional = kind_of_code(who.known.party) in _REGIONS
    listed = catalogue(gateway, who.known)
    return page(request, who, "releases.html", listed=listed, waiting=waiting, regional=regional)


def table(request: Request, who: Visitor) -> Response:
    """The own slice with filters and bars."""
    gateway, listed = gateway_of(request), _listed(request, who)
    if listed is None:
        return refusal(request, who, Refused("not-found"))
    fetched = fetch(gateway, who.known, listed.release.id)
    if isinstance(fetched, Refused):
        return refusal(request, who, fetched)
    contract = gateway.contracts[listed.period.table_id]
    rows = rows_of(fetched)
    view = view_of(gateway, contract, rows, request.query_params)
    own = [row for row in rows if row.area == who.known.party]
    return page(
        request,
        who,
        "release.html",
        listed=listed,
        has_sites=_has_sites(request, who, listed),
        exercise=listed.period.exercise,
        view=view,
        nobody=not rows,
        summary=view_of(gateway, contract, own, {"kind": "*"}) if own else None,
        entry=fetched.entry_id,
        section="table",
    )


def schools(request: Request, who: Visitor) -> Response:
    """Which sites delivered, from the released rows themselves."""
    gateway, listed = gateway_of(request), _listed(request, who)
    if listed is None:
        return refusal(request, who, Refused("not-found"))
    fetched = fetch(gateway, who.known, listed.release.id, "site")
    if isinstance(fetched, Refused):
        return refusal(request, who, fetched)
    sites = {line.area: line for line in lines(rows_of(fetched))}
    with gateway.reading() as session:
        called = names(session, sites)
    ordered = sorted(sites.values(), key=lambda line: (line.delivered, called.get(line.area, line.area)))
    return page(
        request,
        who,
        "release_schools.html",
        listed=listed,
        has_sites=bool(sites),
        exercise=listed.period.exercise,
        sites=ordered,
        names=called,
        delivered=sum(line.delivered > 0 for line in ordered),
        section="schools",
    )


def files(request: Request, who: Visitor) -> Response:
    """Files to download, code to fetch them with, and the receipts of what was fetched."""
    gateway, listed = gateway_of(request), _listed(request, who)
    if listed is None:
        return refusal(request, who, Refused("not-found"))
    with gateway.reading() as session:
        kept = overview.newest_downloads(session, who.known.party, listed.release.id, _SHOWN)
        drawn = overview.has_chart(session, listed.release.id, _area(who))
    path = f"v1/releases/{listed.release.id}/table"
    return page(
        request,
        who,
        "release_files.html",
        listed=listed,
        has_sites=_has_sites(request, who, listed),
        exercise=listed.period.exercise,
        receipts=kept,
        drawn=drawn,
        snippets=snippets(gateway.settings.base_url, path, who.language),
        section="files",
    )


def file(request: Request, who: Visitor) -> Response:
    """The own slice as a file."""
    listed = _listed(request, who)
    if listed is None:
        return refusal(request, who, Refused("not-found"))
    form = format_asked(request)
    fetched = download(gateway_of(request), who.known, listed.release.id, form, language=who.language)
    return refusal(request, who, fetched) if isinstance(fetched, Refused) else file_of(fetched, listed)


def receipt(request: Request, who: Visitor) -> Response:
    """The receipt of one of the own party's uploads or downloads."""
    entry = request.path_params["entry"]
    found = receipt_of_entry(gateway_of(request), who.known, entry)
    if isinstance(found, Refused):
        return refusal(request, who, found)
    return attachment(found, f"bewijs-{entry[:12]}.txt", "text/plain; charset=utf-8")


def _has_sites(request: Request, who: Visitor, listed: Listed) -> bool:
    """Whether sites were of the visitor's area in the period: then there is a page of which delivered."""
    kind = kind_of_code(who.known.party)
    if kind not in _REGIONS:
        return False
    with gateway_of(request).reading() as session:
        return bool(overview.sites_of(session, kind, who.known.party, listed.period.reference_date))


def _area(who: Visitor) -> str:
    """The area whose chart is the visitor's: the own region, or the country."""
    return who.known.party if kind_of_code(who.known.party) in _REGIONS else COUNTRY


def _listed(request: Request, who: Visitor) -> Listed | None:
    wanted = request.path_params["release"]
    return next((each for each in catalogue(gateway_of(request), who.known) if each.release.id == wanted), None)


ROUTES = [
    show("/releases", ROLE, releases),
    show("/releases/{release}", ROLE, table),
    show("/releases/{release}/schools", ROLE, schools),
    show("/releases/{release}/files", ROLE, files),
    show("/releases/{release}/download", ROLE, file),
    show("/receipts/{entry}", ANYBODY_IN, receipt),
]
