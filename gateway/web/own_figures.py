"""Pages of a school: its own figures, small counts included, with its region and the country beside them."""

from collections.abc import Sequence
from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response

from gateway import overview
from gateway.collections import TOTAL
from gateway.formats.write import Format
from gateway.outcome import Refused
from gateway.publish.bars import Bar, Line, draw, legend, lines
from gateway.publish.downloading import hold_own, own_table
from gateway.table import TableRow
from gateway.web.figures import highest
from gateway.web.forms import show
from gateway.web.pages import Visitor, attachment, gateway_of, page, refusal
from gateway.web.sheets import beside, format_asked, public_releases, tables

ROLE = "school"
_WITH_PARTS = 2


def figures(request: Request, who: Visitor) -> Response:
    """The own table, small counts included, with region and country beside it where they are published."""
    gateway = gateway_of(request)
    with gateway.reading() as session:
        mine = overview.own_figures(gateway, session, who.known.party)
    wanted = request.query_params.get("period")
    own = next((each for each in mine if wanted in (None, each.period.code, each.name)), None)
    if own is None:
        return page(request, who, "school_figures.html", own=None, mine=mine)
    contract = gateway.contracts[own.period.table_id]
    held = hold_own(gateway, who.known, own.period.table_id, own.period.code, Format.CSV)
    if isinstance(held, Refused):
        return refusal(request, who, held)
    out = public_releases(gateway).get(own.period.id)
    rows = tables(gateway, [[held], beside(gateway, who, own.period.table_id, out)])
    if isinstance(rows, Refused):
        return refusal(request, who, rows)
    found = lines(rows[0])
    drawn, benchmark = draw(found, contract), _benchmark(found, rows[1])
    return page(
        request,
        who,
        "school_figures.html",
        own=own,
        mine=mine,
        exercise=own.period.exercise,
        groups=_groups(drawn),
        bands=list(dict.fromkeys((highest(contract), TOTAL, *contract.bands.upper))),
        legend=legend(bar for _, bar in drawn),
        benchmark=benchmark,
        noisy=any(line.noisy for of_kind in benchmark.values() for line in of_kind.values()),
        highest=highest(contract),
        entry=held.entry_id,
    )


def own_file(request: Request, who: Visitor) -> Response:
    """The own table as a file."""
    gateway, period = gateway_of(request), request.query_params.get("period", "")
    table = request.query_params.get("table", "")
    fetched = own_table(gateway, who.known, table, period, format_asked(request))
    if isinstance(fetched, Refused):
        return refusal(request, who, fetched)
    name = f"eigen-cijfers-{who.known.party}-{period}.{fetched.form.value}"
    return attachment(fetched.body, name, fetched.form.media_type)


def _benchmark(mine: Sequence[Line], others: Sequence[TableRow]) -> dict[str, dict[str, Line]]:
    """Level → kind → the line of the own sector there, of the region and of the country, when they are published."""
    sector = mine[0].sector if mine else ""
    found: dict[str, dict[str, Line]] = {}
    for line in lines(others):
        if line.sector == sector and line.subdivision == TOTAL:
            found.setdefault(line.level, {})[line.kind] = line
    return found


def _groups(drawn: Sequence[tuple[Line, Bar]]) -> list[tuple[str, list[tuple[Line, Bar]]]]:
    """The lines by subdivision, the whole first; a site with one subdivision has only the whole."""
    groups = [(name, list(found)) for name, found in groupby(drawn, lambda pair: pair[0].subdivision)]
    return groups if len(groups) > _WITH_PARTS else groups[:1]


ROUTES = [
    show("/school/figures", ROLE, figures),
    show("/school/figures/download", ROLE, own_file),
]
