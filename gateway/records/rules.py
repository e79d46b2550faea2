"""Rules that hold for the counts of every form: complete, equal totals, cumulative order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gateway.collections import Contract, Cumulative
from gateway.outcome import Fault
from gateway.records.expected import Cell, Expected


def check_counts(counts: Mapping[Cell, int], expected: Expected, *, known_cells: Iterable[Cell]) -> Iterator[Fault]:
    """All faults that counts can have as a table.

    Args:
        counts: The cells that could be read.
        expected: The contract and what the site offers.
        known_cells: Every cell the file names, readable or not, so that a bad cell is not also called missing.
    """
    named = set(known_cells)
    present = tuple(dict.fromkeys(subdivision for subdivision, _, _ in named))
    for subdivision in expected.offered if expected.offered is not None else present:
        missing = [cell for cell in expected.contract.cells([subdivision]) if cell not in named]
        yield from (Fault("ROW-MISSING", where=" · ".join(cell)) for cell in missing)
    for subdivision in present:
        if all(cell in counts for cell in expected.contract.cells([subdivision])):
            yield from _totals(counts, subdivision, expected.contract)
            yield from _orders(counts, subdivision, expected.contract)


def check_subdivision(subdivision: str, expected: Expected) -> str | None:
    """The rule a subdivision breaks: unknown to the contract, or not offered by this site."""
    if subdivision not in expected.contract.offerable(expected.sector):
        return "CODE-SUBDIVISION"
    if expected.offered is not None and subdivision not in expected.offered:
        return "SUBDIVISION-OFFERED"
    return None


def where_not_offered(rule: str | None, subdivision: str) -> str:
    """What places a fault of a subdivision: its code, where the contract knows it."""
    return subdivision if rule == "SUBDIVISION-OFFERED" else ""


def _totals(counts: Mapping[Cell, int], subdivision: str, contract: Contract) -> Iterator[Fault]:
    """COUNT-TOTAL: every kind counts the same pupils, so every kind has the same total."""
    totals = {
        kind: sum(counts[subdivision, kind, band] for band in contract.bands.upper) for kind in contract.kinds.members
    }
    first, *others = contract.kinds.members
    yield from (
        Fault("COUNT-TOTAL", where=f"{subdivision} · {kind} ≠ {first}")
        for kind in others
        if totals[kind] != totals[first]
    )


def _orders(counts: Mapping[Cell, int], subdivision: str, contract: Contract) -> Iterator[Fault]:
    """COUNT-ORDER: more absence of a part never goes without as much absence of the whole."""

    def pupils(side: Sequence[Cumulative]) -> int:
        return sum(counts[subdivision, kind, band] for kind, bands in side for band in bands)

    def named(side: Sequence[Cumulative]) -> str:
        return " + ".join(f"{kind} ≥ {bands[0]}" for kind, bands in side)

    for order in contract.orders:
        if pupils(order.smaller) > pupils(order.larger):
            yield Fault("COUNT-ORDER", where=f"{subdivision} · {named(order.smaller)} > {named(order.larger)}")
