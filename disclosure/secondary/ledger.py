"""The ledger of a search: which goals are still open, and the witnesses found so far."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from disclosure.secondary.goals import Change, Goal
from disclosure.secondary.patch import Patch


@dataclass(frozen=True, eq=False)
class Delta:
    """A change of the table: some units (k positions) and how each of their leaves changes (k x P)."""

    units: np.ndarray
    leaves: np.ndarray


class Witness(NamedTuple):
    """A change of the table, whose units it changes, and for whom it is (-1: everyone)."""

    delta: Delta
    touched: frozenset[int]
    insider: int


@dataclass(eq=False)
class Ledger:
    """Goals of a patch, by its nodes, and the witnesses found.

    Attributes:
        fixed: N x R, cells that no witness may change, where witnesses come from elsewhere than a model of this patch.
    """

    patch: Patch
    goals: dict[Change, Goal]
    fixed: np.ndarray | None = None
    found: dict[int, Witness] = field(default_factory=dict)
    reached: list[list[tuple[Change, Goal]]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many witnesses there have been."""
        return len(self.reached)

    def record(self, delta: Delta, insider: int) -> bool:
        """Keep a witness and note every goal it reaches; False if it breaks a bound outside the model it comes from."""
        if not self._possible(delta):
            return False
        nodes, change = self.moved(delta)
        if self.fixed is not None and change[self.fixed[nodes]].any():
            return False
        strict = self._keeps(nodes, change, -1)
        if not strict and (insider < 0 or not self._keeps(nodes, change, insider)):
            return False
        touched = frozenset(self.patch.insider[delta.units].ravel().tolist()) - {-1}
        witness = Witness(delta, touched, -1 if strict else insider)
        self.found[self.count] = witness
        reached = self._reached(nodes, change)
        for _, goal in reached:
            goal.note(self.count, witness.touched, witness.insider)
        self.reached.append(reached)
        return True

    def _possible(self, delta: Delta) -> bool:
        """Whether every leaf stays at 0 or above and the inequalities hold."""
        after = self.patch.leaves[delta.units] + delta.leaves
        return bool((after >= 0).all() and (after @ self.patch.lines.T >= 0).all())

    def moved(self, delta: Delta) -> tuple[np.ndarray, np.ndarray]:
        """Nodes a delta touches, and the change of each of their rows."""
        lines = delta.leaves @ self.patch.rows.T
        chains = [self.patch.chains[unit] for unit in delta.units.tolist()]
        above, place = np.unique(np.concatenate([np.zeros(0, int), *chains]), return_inverse=True)
        sums = np.zeros((len(above), lines.shape[1]), np.int64)
        np.add.at(sums, place, np.repeat(lines, [len(chain) for chain in chains], axis=0))
        moved = sums.any(axis=1)
        return np.concatenate([delta.units, above[moved]]), np.concatenate([lines, sums[moved]])

    def _keeps(self, nodes: np.ndarray, change: np.ndarray, insider: int) -> bool:
        """Whether the told bounds hold, but for margins that the insider shares."""
        patch = self.patch
        after = patch.values[nodes] + change
        fine = (after >= patch.lower[nodes]) & (after <= patch.upper[nodes])
        if insider < 0 or fine.all():
            return bool(fine.all())
        shared = np.array([node >= patch.size and insider in patch.shares[node] for node in nodes.tolist()])
        return bool((fine | (patch.told[nodes] & shared[:, None])).all())

    def _reached(self, nodes: np.ndarray, change: np.ndarray) -> list[tuple[Change, Goal]]:
        place, row = np.nonzero(change)
        keys = zip(nodes[place].tolist(), row.tolist(), change[place, row].tolist(), strict=True)
        changes = (Change(*key) for key in keys)
        return [(change, self.goals[change]) for change in changes if change in self.goals]
