"""Lists in the shape DUO publishes, read into facts for the register.

Recognised by their headings, in which capitals, spaces and signs do not matter: primary sites, secondary sites and
gemeenten. A head-count that the source hides (`<5`) or
leaves blank is not known; it is never read as a number. DUO leaves the name of a gemeente blank now and then: another
row has it. What DUO does not say of a site, of a special school
above all, a list may say in columns of our own: `sector`, `subdivisions` (codes, a space between two) and `funded`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gateway.collections import Contracts
from gateway.formats.sheet import Sheet
from gateway.outcome import Fault
from gateway.register import SECTORS, SiteEntry, kind_of_code, name_fits, party_fault
from pseudonymisation.words import plain


class _Form(NamedTuple):
    """A list of sites: their sector where a row says no other, and which column says what."""

    sector: str
    code: str
    name: str
    board: str
    gemeente: str
    gemeente_name: str
    swv: str


_FORMS = (
    _Form("po", "vestiging", "name", "board", "gemeente_code", "gemeente", "po_swv"),
    # DUO names no board here: where no column `board` does, the BRIN stands for it.
    _Form("vo", "vestigings_id", "school_name", "brin", "municipality_code", "municipality", "vo_swv"),
)
_GEMEENTEN = ("gemeente_code", "gemeente")
LIST_COLUMNS = frozenset(_GEMEENTEN).union(*(form[1:] for form in _FORMS))
# As DUO writes them, and as a Dutch or English spreadsheet does.
_FLAGS = {"true": True, "waar": True, "1": True, "false": False, "onwaar": False, "0": False, "": False}
# The public bodies of the Caribbean Netherlands, where no school delivers yet: nobody may be expected to.
_ISLANDS = frozenset({"BONAIRE", "SABA", "SINT EUSTATIUS", "ST. EUSTATIUS", "ST EUSTATIUS"})
_UNDIVIDED = "undivided"
_VO_COLUMNS = {"PRO": "pro", "VMBO": "vmbo", "MAVO": "vmbo", "HAVO": "havo", "VWO": "vwo", "BRUGJAAR": _UNDIVIDED}
# Where there are several of these, pupils of the first two years are in none yet; DUO's BRUGJAAR says "nothing else".
_TYPES = {"vmbo", "havo", "vwo"}
# What is read, by the plain form of its heading; beside it head-counts, a column for each year.
_READ = {plain(name): name for name in (*LIST_COLUMNS, *_VO_COLUMNS, "sector", "subdivisions", "funded")}
_PUPILS = "pupils_"
_HEAD_COUNT = re.compile(r"([0-9]{1,6})(?:\.0)?|<5|")

_WORD = re.compile(r"[^\W\d_]+")
_SMALL = {"aan", "bij", "de", "den", "en", "op", "s", "t", "van"}
# What the capitals of DUO do not tell.
_NAMES = {
    "BERGEN LB": "Bergen (L.)",
    "BERGEN NH": "Bergen (NH.)",
    "NOARDEAST-FRYSLAN": "Noardeast-Fryslân",
    "NUENEN CA": "Nuenen, Gerwen en Nederwetten",
    "S GRAVENHAGE": "'s-Gravenhage",
    "S HERTOGENBOSCH": "'s-Hertogenbosch",
    "SUDWEST-FRYSLAN": "Súdwest-Fryslân",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list says: sites, and names of gemeenten by code."""

    sites: tuple[SiteEntry, ...]
    gemeenten: Mapping[str, str]


def read_listing(sheet: Sheet, contracts: Contracts) -> Listing | list[Fault]:
    """Read a list of sites or gemeenten; every fault at once.

    Args:
        sheet: The list.
        contracts: What there is to collect, and so which subdivisions a sector has.
    """
    header = [_heading(written) for written in sheet.header]
    doubled = [name for name, times in Counter(header).items() if name and times > 1]
    if doubled:
        return [Fault("COLUMN-DUPLICATE", 1, name) for name in doubled]
    columns = {name: index for index, name in enumerate(header) if name}
    rows = [(number, _cells(columns, cells)) for number, cells in sheet.rows]
    form = next((form for form in _FORMS if columns.keys() >= set(form[1:])), None)
    if form is None:
        return _gemeenten(rows) if columns.keys() >= set(_GEMEENTEN) else [Fault("LIST-UNKNOWN", 1)]
    pupils = max((name for name in columns if name.startswith(_PUPILS)), default="")
    sites = [_site(row, form, row.get(pupils, "")) for _, row in rows]
    faults = [
        fault
        for (number, row), site in zip(rows, sites, strict=True)
        for fault in (*_faults(site, row[form.gemeente_name], number, contracts), *_cell_faults(row, number, pupils))
    ]
    faults += _again(rows, sites)
    named = {
        site.gemeente: _spelt(row[form.gemeente_name])
        for (_, row), site in zip(rows, sites, strict=True)
        if name_fits(row[form.gemeente_name])
    }
    faults += [
        Fault("GEMEENTE-NAME", number)
        for (number, _), site in zip(rows, sites, strict=True)
        if site.gemeente not in named
    ]
    return faults or Listing(tuple(sites), named)


def _heading(written: str) -> str:
    """The column that a heading names, as it is written here; empty for one that is not read."""
    lower = written.lower()
    return lower if lower.startswith(_PUPILS) else _READ.get(plain(written), "")


def _gemeenten(rows: list[tuple[int, dict[str, str]]]) -> Listing | list[Fault]:
    named = [(number, _gemeente(row["gemeente_code"]), _spelt(row["gemeente"])) for number, row in rows]
    faults = [Fault("GEMEENTE-CODE", number) for number, code, _ in named if kind_of_code(code) != "gemeente"]
    faults += [Fault("GEMEENTE-NAME", number) for number, _, name in named if not name_fits(name)]
    return faults or Listing((), {code: name for _, code, name in named})


def _cells(columns: Mapping[str, int], cells: tuple[str, ...]) -> dict[str, str]:
    return {name: cells[index] if index < len(cells) else "" for name, index in columns.items()}


def _site(row: Mapping[str, str], form: _Form, pupils: str) -> SiteEntry:
    sector = row.get("sector", "").lower() or form.sector
    count = _HEAD_COUNT.fullmatch(pupils)
    return SiteEntry(
        code=row[form.code],
        name=row[form.name],
        sector=sector,
        subdivisions=_offered(row, sector),
        board=f"ORG-{(row.get('board') or row[form.board]).removesuffix('.0') or row[form.code][:4]}",
        gemeente=_gemeente(row[form.gemeente]),
        swv=row[form.swv] or None,
        pupils=int(count[1]) if count and count[1] else None,
        funded=_FLAGS.get(row.get("funded", "").lower() or "true", True),
    )


def _offered(row: Mapping[str, str], sector: str) -> tuple[str, ...]:
    """What the list says a site offers, or else what sites of its sector do; in VO, what the columns of DUO say."""
    told = row.get("subdivisions", "").lower().split()
    if told:
        return tuple(dict.fromkeys(told))
    if sector == "po":
        return ("lower_years", "upper_years")
    if sector != "vo":
        return (_UNDIVIDED,)
    offered = [code for name, code in _VO_COLUMNS.items() if _FLAGS.get(row.get(name, "").lower())]
    several = len(set(offered) & _TYPES) > 1
    return tuple(dict.fromkeys([*offered, _UNDIVIDED] if several or not offered else offered))


def _gemeente(code: str) -> str:
    return f"GM{code.removesuffix('.0').zfill(4)}" if code else ""


def _spelt(name: str) -> str:
    """The name of a gemeente that stands in capitals as it is written; any other as it stands."""
    return _NAMES.get(name) or (_WORD.sub(_cased, name) if name.isupper() else name)


def _cased(found: re.Match[str]) -> str:
    word, before = found[0].lower(), found.string[: found.start()]
    if word in _SMALL and before.endswith((" ", "'")):
        return word
    return f"IJ{word[2:]}" if word.startswith("ij") else word.capitalize()


def _faults(site: SiteEntry, gemeente: str, number: int, contracts: Contracts) -> Iterator[Fault]:
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
    offerable = dict.fromkeys(code for each in contracts.values() for code in each.offerable(site.sector))
    if site.sector not in SECTORS:
        yield Fault("SITE-SECTOR", number, "sector")
    elif not offerable.keys() >= set(site.subdivisions):
        yield Fault("LIST-SUBDIVISIONS", number, "subdivisions", " · ".join(offerable))


def _again(rows: list[tuple[int, dict[str, str]]], sites: list[SiteEntry]) -> Iterator[Fault]:
    """Each row whose site an earlier one has; what is no code is told as that, and not repeated."""
    seen: set[str] = set()
    for (number, _), site in zip(rows, sites, strict=True):
        if site.code in seen and kind_of_code(site.code) == "site":
            yield Fault("SITE-DUPLICATE", number, where=site.code)
        seen.add(site.code)


def _cell_faults(row: Mapping[str, str], number: int, pupils: str) -> Iterator[Fault]:
    """What a list says in words that are known, or the site would be registered as something else than was meant."""
    for name in (*_VO_COLUMNS, "funded"):
        if row.get(name, "").lower() not in _FLAGS:
            yield Fault("LIST-FLAG", number, name)
    if not _HEAD_COUNT.fullmatch(row.get(pupils, "")):
        yield Fault("LIST-PUPILS", number, pupils)
