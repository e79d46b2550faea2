"""Which lines of a published table a page shows, and in which order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.collections import TOTAL, Contract
from gateway.publish.bars import Line

ALL = "*"
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
    names = ("level", "sector", "subdivision", "kind")
    seen: dict[str, dict[str, None]] = {name: {} for name in names}
    for line in found:
        for name in names:
            seen[name][getattr(line, name)] = None
    return {name: list(values) for name, values in seen.items()}


def settled(wanted: Filters, there: Choices) -> Filters:
    """The filters with every open or impossible choice made.

    Sites first, all absence, subdivisions together; a table of regions shows every sector, one of sites the first.
    """
    chosen = {}
    for name, values in there.items():
        given = getattr(wanted, name)
        preferred = [value for value in _PREFERRED.get(name, ()) if value in values] or list(values)
        chosen[name] = given if given in values or given == ALL else next(iter(preferred), "")
    if wanted.sector not in (*there["sector"], ALL) and chosen["level"] != "site":
        chosen["sector"] = ALL
    return replace(wanted, **chosen)


def chosen(found: Iterable[Line], wanted: Filters, called: Mapping[str, str], contract: Contract) -> list[Line]:
    """The lines that fit, ordered by name, or by the share in the highest band or margin where that is asked."""
    fitting = [
        line
        for line in found
        if all(
            getattr(wanted, name) in (ALL, getattr(line, name)) for name in ("level", "sector", "subdivision", "kind")
        )
    ]
    if wanted.order == "share":
        top = highest(contract)
        return sorted(fitting, key=lambda line: (-_share(line, top), called.get(line.area, line.area)))
    whole = contract.kinds.sum_of
    return sorted(fitting, key=lambda line: (line.sector, called.get(line.area, line.area), line.kind not in whole))


def bands(found: Iterable[Line], contract: Contract) -> list[str]:
    """Bands that occur, in reading order: total, leaf bands, margins."""
    there = {band for line in found for band in line.cells}
    return [band for band in (TOTAL, *contract.bands.upper, *contract.bands.margins) if band in there]


def highest(contract: Contract) -> str:
    """The margin with the most absence, or the band where a contract has no margins."""
    return [*contract.bands.upper, *contract.bands.margins][-1]


def _share(line: Line, band: str) -> int:
    """The published share of a band; -1 where there is none, so that such lines come last."""
    row = line.cells.get(band)
    return int(row.share) if row is not None and row.share else -1
