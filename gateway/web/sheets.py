"""A table as a page shows it: every view of figures is a download through `publish.downloading`, so in the log."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from gateway.collections import Contract
from gateway.context import Gateway
from gateway.formats.write import Format
from gateway.http.releases import file_response
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.periods import COUNTS
from gateway.publish.bars import Bar, Line, Part, draw, legend, lines
from gateway.publish.downloading import REGION, Listed, catalogue, download, hold, regions_open
from gateway.publish.handing import Download, Held, let_go
from gateway.register import names
from gateway.store import Period, ReleaseState
from gateway.table import HEADER, TableRow, decode_rows
from gateway.web.figures import ALL, Choices, Filters, bands, choices, chosen, elsewhere, highest, settled
from gateway.web.pages import Visitor


@dataclass(frozen=True, slots=True)
class View:
    """What a page shows of a table.

    Attributes:
        drawn: The lines that fit the filters, each with its bar.
        bands: Columns, in reading order.
        names: Names of areas by code.
        highest: The margin or band of most absence, by which lines can be ordered.
        elsewhere: Where no line fits: the levels at which there are some.
    """

    filters: Filters
    choices: Choices
    drawn: Sequence[tuple[Line, Bar]]
    bands: Sequence[str]
    legend: Sequence[Part]
    names: Mapping[str, str]
    highest: str
    elsewhere: Sequence[str]

    @property
    def several_kinds(self) -> bool:
        """Whether the kind must stand beside each line."""
        return self.filters.kind == ALL

    @property
    def several_subdivisions(self) -> bool:
        """Whether the subdivision must stand beside each line."""
        return self.filters.subdivision == ALL

    @property
    def several_sectors(self) -> bool:
        """Whether the sector must stand beside each line."""
        return len({line.sector for line, _ in self.drawn}) > 1

    @property
    def by_sector(self) -> list[tuple[str, list[tuple[Line, Bar]]]]:
        """The lines of each sector; they are ordered by sector."""
        return [(sector, list(found)) for sector, found in groupby(self.drawn, lambda pair: pair[0].sector)]

    @property
    def noisy(self) -> list[str]:
        """Sectors of which some figure has noise, so that it must be explained."""
        return list(dict.fromkeys(line.sector for line, _ in self.drawn if line.noisy))

    @property
    def coverage(self) -> bool:
        """Whether lines are of regions, of which part of the sites may have delivered."""
        return self.filters.level != "site"


def rows_of(fetched: Download) -> Sequence[TableRow]:
    """The rows of a table that was downloaded as CSV."""
    return decode_rows(fetched.body[len(HEADER) :])


def view_of(gateway: Gateway, contract: Contract, rows: Sequence[TableRow], query: Mapping[str, str]) -> View:
    """A table under the filters of an address."""
    found = lines(rows)
    there = choices(found)
    wanted = settled(Filters.of(query), found)
    with gateway.reading() as session:
        called = names(session, (line.area for line in found))
    fitting = chosen(found, wanted, called, contract)
    drawn = draw(fitting, contract)
    parts = legend(bar for _, bar in drawn)
    columns, top = bands(fitting, contract), highest(contract)
    return View(wanted, there, drawn, columns, parts, called, top, [] if fitting else elsewhere(found, wanted))


def published(gateway: Gateway, identity: Identity | None) -> list[Listed]:
    """Published releases the caller may know of, of the newest period first."""
    return [each for each in catalogue(gateway, identity) if each.release.state == ReleaseState.PUBLISHED]


class _OfPeriod(Protocol):
    @property
    def period(self) -> Period: ...


_T = TypeVar("_T", bound=_OfPeriod)


def foremost(gateway: Gateway, there: Iterable[_T]) -> list[_T]:
    """What is shown where nobody chose a table: that of the statutory collection before any of a pilot."""
    statutory = gateway.law.purposes[COUNTS].collections
    return sorted(there, key=lambda each: each.period.table_id not in statutory)


def public_releases(gateway: Gateway) -> dict[int | None, str]:
    """Period → the public release of it that holds: the newest, which stands in place of what it corrects."""
    return {each.period.id: each.release.id for each in reversed(published(gateway, None))}


def fetch(gateway: Gateway, identity: Identity | None, release_id: str, level: str | None = None) -> Download | Refused:
    """The caller's slice, for a page."""
    return download(gateway, identity, release_id, Format.CSV, level=level)


def beside(gateway: Gateway, who: Visitor, table: str, release_id: str | None) -> list[Held]:
    """What stands beside a school's own figures in a release: its region, where the law opens it, and the country.

    Each is a download with its own entry, held until `tables` lets it go.
    """
    if release_id is None:
        return []
    region: Held | Refused = Refused("not-found")
    if regions_open(gateway, table):
        region = hold(gateway, who.known, release_id, Format.CSV, level=REGION)
    country = hold(gateway, None, release_id, Format.CSV, level="country")
    return [each for each in (region, country) if isinstance(each, Held)]


def tables(gateway: Gateway, held: Sequence[Sequence[Held]]) -> list[list[TableRow]] | Refused:
    """The rows of each group of held tables, all let go of together: a page waits for one checkpoint, not for many."""
    gone = let_go(gateway, [each for group in held for each in group])
    if isinstance(gone, Refused):
        return gone
    there = iter(gone)
    return [[row for each in islice(there, len(group)) for row in rows_of(each)] for group in held]


def file_of(fetched: Download, listed: Listed) -> Response:
    """A download as a file named after its period."""
    return file_response(fetched, f"verzuim-{listed.period.code}")


def format_asked(request: Request) -> Format:
    """The form of file an address asks for; CSV unless it names another."""
    asked = request.query_params.get("format", "")
    return Format(asked) if asked in set(Format) else Format.CSV
