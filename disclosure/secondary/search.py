"""The search for secondary cells: near before far, hiding what has to give way, until every goal has its witnesses."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from disclosure.secondary.cleanup import Serve, republish
from disclosure.secondary.goals import Change, Goal
from disclosure.secondary.ledger import Delta, Ledger
from disclosure.secondary.nest import Nest
from disclosure.secondary.patch import Patch
from disclosure.witness import Witnesses, gather


@dataclass(frozen=True, eq=False)
class Found:
    """What a search gives back.

    Attributes:
        shown: N x R, published after the search.
        witnesses: confidential proof, by unit of the problem.
        left: goals that are still open, by node of the patch.
    """

    shown: np.ndarray
    witnesses: Witnesses
    left: dict[Change, Goal]


def search_few(patch: Patch, goals: dict[Change, Goal], order: np.ndarray) -> Found:
    """Serve goals among a few units from anywhere, if it can be leaving their sums alone; publish again what can be."""
    return _search(patch, goals, order, _anywhere)


def search_region(patch: Patch, goals: dict[Change, Goal], order: np.ndarray) -> Found:
    """Serve the goals of one region, leaving every sum over it alone, so that regions need not know each other.

    1. Every goal of a unit within its block.
    2. What is left, and the goals of areas inside the region, within the region.
    3. Publish again what can be.

    Args:
        patch: the region.
        goals: by node of the patch; none of an area that reaches outside.
        order: N x R from the secret seed, decides who is served first.
    """
    ledger, nest = _begin(patch, goals)
    sequence = _in_order(goals, nest, order)
    for change in sequence:  # 1
        if change.area < patch.size:
            _serve(ledger, change, nest.within_block)
    for change in sequence:  # 2
        _serve(ledger, change, partial(_in_region, nest))
    return _end(ledger, republish(ledger, nest, _near_first))  # 3


def search_district(patch: Patch, goals: dict[Change, Goal], order: np.ndarray) -> Found:
    """Serve what single regions could not within a few at once, leaving every sum over these alone."""
    return _search(patch, goals, order, _together)


def search_whole(patch: Patch, goals: dict[Change, Goal], order: np.ndarray) -> Found:
    """Serve what districts could not.

    4. Within the whole table, leaving its grand totals alone; else with nothing left alone but what is published; and
       where the parts of the table hide what stands in the way, without parts.
    5. Publish again what can be.
    """
    return _search(patch, goals, order, _anywhere, Nest.apart)


def _search(patch: Patch, goals: dict[Change, Goal], order: np.ndarray, *ways: Serve) -> Found:
    """Serve goals in one way after the other (4), and publish again what can be in the first (5)."""
    ledger, nest = _begin(patch, goals)
    sequence = _in_order(goals, nest, order)
    for way in ways:
        for change in sequence:
            _serve(ledger, change, partial(way, nest))
    return _end(ledger, republish(ledger, nest, ways[0]))


def _in_region(nest: Nest, change: Change, insider: int) -> Delta | None:
    return nest.within(change, insider, regional=True, closed=True)


def _near_first(nest: Nest, change: Change, insider: int) -> Delta | None:
    found = nest.within_block(change, insider) if change.area < nest.patch.size else None
    return found or _in_region(nest, change, insider)


def _together(nest: Nest, change: Change, insider: int) -> Delta | None:
    return nest.within(change, insider, regional=False, closed=True)


def _anywhere(nest: Nest, change: Change, insider: int) -> Delta | None:
    found = _together(nest, change, insider)
    return found or nest.within(change, insider, regional=False, closed=False)


def _begin(patch: Patch, goals: dict[Change, Goal]) -> tuple[Ledger, Nest]:
    wanted = np.zeros(patch.shown.shape, bool)
    for change, goal in goals.items():
        goal.begin()
        wanted[change.area, change.row] = True
    return Ledger(patch, goals), Nest(patch, wanted)


def _end(ledger: Ledger, shown: np.ndarray) -> Found:
    ids = ledger.patch.ids
    found = ledger.found.values()
    witnesses = gather((ids[witness.delta.units], witness.delta.leaves, witness.insider) for witness in found)
    return Found(shown, witnesses, {change: goal for change, goal in ledger.goals.items() if goal.open})


def _in_order(goals: dict[Change, Goal], nest: Nest, order: np.ndarray) -> list[Change]:
    """Block after block (so that few models live at a time), in an order from the secret seed."""
    rank = np.zeros(nest.block.max() + 1)
    rank[nest.block] = order[: nest.patch.size, 0]

    def key(change: Change) -> tuple[float, float, int]:
        first = rank[nest.block[change.area]] if change.area < nest.patch.size else 2.0
        return float(first), float(order[change.area, change.row]), change.by

    return sorted(goals, key=key)


def _serve(ledger: Ledger, change: Change, serve: Callable[[Change, int], Delta | None]) -> None:
    goal = ledger.goals[change]
    while goal.open:
        insider, number = goal.next, ledger.count
        delta = serve(change, insider)
        if delta is None or not ledger.record(delta, insider) or number not in goal.support:
            return
