"""Which lines of a published table a page shows, and in which order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.collections import TOTAL, Contract
from gateway.publish.bars import Line

ALL = "*"
_CHOSEN = ("level", "sector", "subdivision", "kind")
_PREFERRED = {"level": ("site", "gemeente", "swv", "country"), "kind": ("all",), "subdivision": (TOTAL,)}


@dataclass(frozen=True, slots=True)
class Filters:
    """Which lines of a table to show; empty means the most telling choice, `*` means all."""

    level: str = ""
    sector: str = ""
    subdivision: str = ""
    kind: str = ""
    order: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filters":
        """The filters of an address; unknown names are left out."""
        return cls(**{name: query[name] for name in cls.__slots__ if name in query})


Choices = Mapping[str, Sequence[str]]


def choices(found: Iterable[Line]) -> dict[str, list[str]]:
    """What there is to choose from, per filter."""
    seen: dict[str, dict[str, None]] = {name: {} for name in _CHOSEN}
    for line in found:
        for name in _CHOSEN:
            seen[name][getattr(line, name)] = None
    return {name: list(values) for name, values in seen.items()}


def settled(wanted: Filters, found: Sequence[Line]) -> Filters:
    """The filters with every open or impossible choice made, among the lines that what was asked for leaves.

    Sites first, all absence, subdivisions together; a table of regions shows every sector, one of sites the first.
    """
    there = choices(found)
    asked = {name: value for name in there if (value := getattr(wanted, name)) in (*there[name], ALL)}
    settling = replace(Filters(ALL, ALL, ALL, ALL), order=wanted.order, **asked)
    for name in [each for each in there if each not in asked]:
        if name == "sector" and settling.level != "site":
            continue
        values = choices(line for line in found if _fits(line, settling))[name] or there[name]
        preferred = [value for value in _PREFERRED.get(name, ()) if value in values] or values
        settling = replace(settling, **{name: next(iter(preferred), "")})
    return settling


def elsewhere(found: Iterable[Line], wanted: Filters) -> list[str]:
    """The levels at which there are lines for these choices."""
    return choices(line for line in found if _fits(line, replace(wanted, level=ALL)))["level"]


def chosen(found: Iterable[Line], wanted: Filters, called: Mapping[str, str], contract: Contract) -> list[Line]:
    """The lines that fit, ordered by name, or by the share in the highest band or margin where that is asked."""
    fitting = [line for line in found if _fits(line, wanted)]
    if wanted.order == "share":
        top = highest(contract)
        return sorted(fitting, key=lambda line: (-_share(line, top), called.get(line.area, line.area)))
    whole = contract.kinds.sum_of
    return sorted(fitting, key=lambda line: (line.sector, called.get(line.area, line.area), line.kind not in whole))


def bands(found: Iterable[Line], contract: Contract) -> list[str]:
    """Bands that occur: the highest, which the table is for, and then total, leaf bands and margins."""
    there = {band for line in found for band in line.cells}
    order = dict.fromkeys((highest(contract), TOTAL, *contract.bands.upper, *contract.bands.margins))
    return [band for band in order if band in there]


def highest(contract: Contract) -> str:
    """The margin with the most absence, or the band where a contract has no margins."""
    return [*contract.bands.upper, *contract.bands.margins][-1]


def _fits(line: Line, wanted: Filters) -> bool:
    return all(getattr(wanted, name) in (ALL, getattr(line, name)) for name in _CHOSEN)


def _share(line: Line, band: str) -> int:
    """The published share of a band; -1 where there is none, so that such lines come last."""
    row = line.cells.get(band)
    return int(row.share) if row is not None and row.share else -1
