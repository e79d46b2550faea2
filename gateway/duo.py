"""Lists in the shape DUO publishes, read into facts for the register.

Recognised by their headings: primary sites, secondary sites and gemeenten. A head-count that the source hides (`<5`) or
leaves blank is not known; it is never read as a number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.formats.sheet import Sheet
from gateway.outcome import Fault
from gateway.register import SiteEntry, kind_of_code

LIST_COLUMNS = frozenset({"gemeente_code", "gemeente", "vestiging", "vestigings_id", "municipality_code"})
_PO_COLUMNS = {"vestiging", "name", "board", "gemeente_code", "gemeente", "po_swv"}
_LISTED_VO = {"vestigings_id", "school_name", "brin", "municipality_code", "municipality", "vo_swv"}
_MOST_DIGITS = 6
_VO_COLUMNS = {"PRO": "pro", "VMBO": "vmbo", "MAVO": "vmbo", "HAVO": "havo", "VWO": "vwo", "BRUGJAAR": "undivided"}


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list says: sites, and names of gemeenten by code."""

    sites: tuple[SiteEntry, ...]
    gemeenten: Mapping[str, str]


def read_listing(sheet: Sheet) -> Listing | list[Fault]:
    """Read a list of sites or gemeenten; every fault at once."""
    columns = {name: index for index, name in enumerate(sheet.header)}
    if columns.keys() >= _PO_COLUMNS:
        reader = _po_site
    elif columns.keys() >= _LISTED_VO:
        reader = _vo_site
    elif {"gemeente_code", "gemeente"} <= columns.keys():
        rows = [_cells(columns, cells) for _, cells in sheet.rows]
        return Listing((), {_gemeente(row["gemeente_code"]): row["gemeente"].title() for row in rows})
    else:
        return [Fault("LIST-UNKNOWN", 1)]
    faults: list[Fault] = []
    sites: list[SiteEntry] = []
    names: dict[str, str] = {}
    for number, cells in sheet.rows:
        row = _cells(columns, cells)
        site, gemeente_name = reader(row, max((name for name in columns if name.startswith("pupils_")), default=""))
        row_faults = list(_faults(site, number))
        faults += row_faults
        if not row_faults:
            sites.append(site)
            names[site.gemeente] = gemeente_name.title()
    codes = [site.code for site in sites]
    if len(set(codes)) != len(codes):
        faults.append(Fault("SITE-DUPLICATE"))
    return faults or Listing(tuple(sites), names)


def head_count(text: str) -> int | None:
    """A registered number of pupils; None for a blank, a hidden count, or what no school has."""
    whole = text.removesuffix(".0")
    return int(whole) if whole.isascii() and whole.isdigit() and len(whole) <= _MOST_DIGITS else None


def _cells(columns: Mapping[str, int], cells: tuple[str, ...]) -> dict[str, str]:
    return {name: cells[index] if index < len(cells) else "" for name, index in columns.items()}


def _po_site(row: Mapping[str, str], pupils: str) -> tuple[SiteEntry, str]:
    site = SiteEntry(
        code=row["vestiging"],
        name=row["name"],
        sector="po",
        subdivisions=("lower_years", "upper_years"),
        board=f"ORG-{row['board']}" if row["board"] else f"ORG-{row['vestiging'][:4]}",
        gemeente=_gemeente(row["gemeente_code"]),
        swv=row["po_swv"] or None,
        pupils=head_count(row.get(pupils, "")),
    )
    return site, row["gemeente"]


def _vo_site(row: Mapping[str, str], pupils: str) -> tuple[SiteEntry, str]:
    """VO lists have no board column: the BRIN is the board."""
    offered = dict.fromkeys(code for name, code in _VO_COLUMNS.items() if row.get(name) == "True")
    site = SiteEntry(
        code=row["vestigings_id"],
        name=row["school_name"],
        sector="vo",
        subdivisions=tuple(offered) or ("undivided",),
        board=f"ORG-{row['brin'] or row['vestigings_id'][:4]}",
        gemeente=_gemeente(row["municipality_code"]),
        swv=row["vo_swv"] or None,
        pupils=head_count(row.get(pupils, "")),
    )
    return site, row["municipality"]


def _gemeente(code: str) -> str:
    return f"GM{code.removesuffix('.0').zfill(4)}"


def _faults(site: SiteEntry, number: int) -> Iterator[Fault]:
    if kind_of_code(site.code) != "site":
        yield Fault("SITE-CODE", number)
    if kind_of_code(site.gemeente) != "gemeente":
        yield Fault("GEMEENTE-CODE", number)
    if site.swv is not None and kind_of_code(site.swv) != "swv":
        yield Fault("SWV-CODE", number)
