"""Cleaning up: a hidden cell that turns out not to be needed is published again, the most wanted first."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from disclosure.secondary.cells import Cache, classes_of
from disclosure.secondary.goals import Change, Goal
from disclosure.secondary.ledger import Delta, Ledger
from disclosure.secondary.nest import Nest

Serve = Callable[[Nest, Change, int], Delta | None]
Cell = tuple[int, list[int]]
EFFORT = 20_000  # searches times units: a search costs about as much as it has units
PATIENCE = 2  # searches per unit: the dearest cells first, the last ones bring little


def republish(ledger: Ledger, nest: Nest, serve: Serve) -> np.ndarray:
    """Publish again what can be, as long as every goal keeps its witnesses or finds others.

    Args:
        ledger: a finished search; gains and loses witnesses.
        nest: where it searched; from now on what it publishes stays published.
        serve: how to look for a witness.

    Returns:
        N x R, published now.
    """
    nest.firm = True
    touching: dict[tuple[int, int], set[int]] = defaultdict(set)
    hidden = ledger.patch.shown & ~nest.shown
    seen = 0
    left = min(EFFORT // ledger.patch.size, PATIENCE * ledger.patch.size)

    def search(change: Change, insider: int) -> Delta | None:
        nonlocal left
        left -= 1
        return serve(nest, change, insider) if left >= 0 else None

    for node, rows in _candidates(ledger, hidden):
        for number in range(seen, ledger.count):
            nodes, change = ledger.moved(ledger.found[number].delta)
            place, row = np.nonzero(change)
            for cell in zip(nodes[place].tolist(), row.tolist(), strict=True):
                touching[cell].add(number)
        seen = ledger.count
        nest.shown[node, rows] = True
        used = {number for row in rows for number in touching[node, row] if number in ledger.found}
        if _replaced(ledger, used, search):
            for number in used:
                del ledger.found[number]
        else:
            nest.shown[node, rows] = False
    return nest.shown


def _candidates(ledger: Ledger, hidden: np.ndarray) -> list[Cell]:
    """Cells hidden by the search, rows of one class together, dearest first."""
    patch, cache = ledger.patch, Cache()
    cells: list[tuple[float, Cell]] = []
    for node in np.flatnonzero(hidden.any(axis=1)).tolist():
        of = classes_of(patch, node, cache).of
        for number in np.unique(of[hidden[node]]):
            rows = np.flatnonzero((of == number) & hidden[node])
            cells.append((float(patch.price[node, rows].sum()), (node, rows.tolist())))
    return [cell for _, cell in sorted(cells, key=lambda priced: -priced[0])]


def _replaced(ledger: Ledger, used: set[int], serve: Callable[[Change, int], Delta | None]) -> bool:
    """Whether every goal can do without some witnesses; if not, all goals are left as they were."""
    affected = {id(goal): (change, goal) for number in used for change, goal in ledger.reached[number]}
    done: list[tuple[Goal, list[int], bool]] = []
    for change, goal in affected.values():
        before, lost = goal.witnesses, not goal.support.isdisjoint(used)
        done.append((goal, before, lost))
        _keep(ledger, goal, [number for number in before if number not in used], anew=lost)
        while goal.open:
            insider = goal.next
            delta = serve(change, insider)
            if delta is None or not ledger.record(delta, insider):
                for other, earlier, anew in done:
                    _keep(ledger, other, list(dict.fromkeys([*earlier, *other.witnesses])), anew=anew)
                return False
    return True


def _keep(ledger: Ledger, goal: Goal, numbers: list[int], *, anew: bool) -> None:
    """Let a goal have these witnesses; it is reckoned anew only where some came or went that it stands on."""
    if anew:
        goal.again((number, ledger.found[number].touched, ledger.found[number].insider) for number in numbers)
    else:
        goal.witnesses = numbers
