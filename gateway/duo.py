"""Lists in the shape DUO publishes, read into facts for the register.

Recognised by their headings: primary sites, secondary sites and gemeenten. A head-count that the source hides (`<5`) or
leaves blank is not known; it is never read as a number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.formats.sheet import Sheet
from gateway.outcome import Fault
from gateway.register import SiteEntry, kind_of_code, party_fault

LIST_COLUMNS = frozenset({"gemeente_code", "gemeente", "vestiging", "vestigings_id", "municipality_code"})
_PO_COLUMNS = {"vestiging", "name", "board", "gemeente_code", "gemeente", "po_swv"}
_LISTED_VO = {"vestigings_id", "school_name", "brin", "municipality_code", "municipality", "vo_swv"}
_MOST_DIGITS = 6
# As DUO writes them, and as a Dutch or English spreadsheet does.
_FLAGS = {"true": True, "waar": True, "1": True, "false": False, "onwaar": False, "0": False, "": False}
_VO_COLUMNS = {"PRO": "pro", "VMBO": "vmbo", "MAVO": "vmbo", "HAVO": "havo", "VWO": "vwo", "BRUGJAAR": "undivided"}
# The public bodies of the Caribbean Netherlands, where no school delivers yet: nobody may be expected to.
_ISLANDS = frozenset({"BONAIRE", "SABA", "SINT EUSTATIUS", "ST. EUSTATIUS", "ST EUSTATIUS"})


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
        return _gemeenten(columns, sheet)
    else:
        return [Fault("LIST-UNKNOWN", 1)]
    faults: list[Fault] = []
    sites: list[SiteEntry] = []
    names: dict[str, str] = {}
    for number, cells in sheet.rows:
        row = _cells(columns, cells)
        site, gemeente_name = reader(row, max((name for name in columns if name.startswith("pupils_")), default=""))
        row_faults = [*_faults(site, gemeente_name, number), *_flag_faults(row, number)]
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


def _gemeenten(columns: Mapping[str, int], sheet: Sheet) -> Listing | list[Fault]:
    rows = [(number, _cells(columns, cells)) for number, cells in sheet.rows]
    named = [(number, _gemeente(row["gemeente_code"]), row["gemeente"].title()) for number, row in rows]
    faults = [Fault("GEMEENTE-CODE", number) for number, code, _ in named if kind_of_code(code) != "gemeente"]
    return faults or Listing((), {code: name for _, code, name in named})


def _cells(columns: Mapping[str, int], cells: tuple[str, ...]) -> dict[str, str]:
    return {name: cells[index] if index < len(cells) else "" for name, index in columns.items()}


def _po_site(row: Mapping[str, str], pupils: str) -> tuple[SiteEntry, str]:
    site = SiteEntry(
        code=row["vestiging"],
        name=row["name"],
        sector="po",
        subdivisions=("lower_years", "upper_years"),
        board=f"ORG-{row['board'].removesuffix('.0')}" if row["board"] else f"ORG-{row['vestiging'][:4]}",
        gemeente=_gemeente(row["gemeente_code"]),
        swv=row["po_swv"] or None,
        pupils=head_count(row.get(pupils, "")),
    )
    return site, row["gemeente"]


def _vo_site(row: Mapping[str, str], pupils: str) -> tuple[SiteEntry, str]:
    """VO lists have no board column: the BRIN is the board."""
    offered = dict.fromkeys(code for name, code in _VO_COLUMNS.items() if _FLAGS.get(row.get(name, "").lower()))
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
    return f"GM{code.removesuffix('.0').zfill(4)}" if code else ""


def _faults(site: SiteEntry, gemeente: str, number: int) -> Iterator[Fault]:
    if kind_of_code(site.code) != "site":
        yield Fault("SITE-CODE", number)
    if kind_of_code(site.gemeente) != "gemeente":
        yield Fault("GEMEENTE-CODE", number)
    if gemeente.upper() in _ISLANDS:
        yield Fault("SITE-CARIBBEAN", number)
    if party_fault(site.board, "board") is not None:
        yield Fault("BOARD-CODE", number)
    if site.swv is not None and kind_of_code(site.swv) != "swv":
        yield Fault("SWV-CODE", number)


def _flag_faults(row: Mapping[str, str], number: int) -> Iterator[Fault]:
    """What a site offers is said in words that are known, or the site would be registered as offering it not."""
    for name in _VO_COLUMNS:
        if row.get(name, "").lower() not in _FLAGS:
            yield Fault("LIST-FLAG", number, name)
