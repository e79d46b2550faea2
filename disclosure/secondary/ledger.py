"""The ledger of a search: which goals are still open, and the witnesses found so far."""

from dataclasses import dataclass, field

import numpy as np

from disclosure.secondary.goals import Change, Goal
from disclosure.secondary.patch import Patch


@dataclass(frozen=True, eq=False)
class Delta:
    """A change of the table: some units (k positions) and how each of their leaves changes (k x P)."""

    units: np.ndarray
    leaves: np.ndarray


@dataclass(eq=False)
class Ledger:
    """Goals of a patch, by its nodes, and the witnesses: deltas with the insider they are for (-1: everyone)."""

    patch: Patch
    goals: dict[Change, Goal]
    found: list[tuple[Delta, int]] = field(default_factory=list)

    def record(self, delta: Delta, insider: int) -> bool:
        """Keep a witness and note every goal it reaches; False if it breaks a bound outside the model it comes from."""
        nodes, change = self._moved(delta)
        strict = self._keeps(nodes, change, -1)
        if not strict and (insider < 0 or not self._keeps(nodes, change, insider)):
            return False
        self.found.append((delta, -1 if strict else insider))
        touched = set(self.patch.insider[delta.units].tolist()) - {-1}
        for goal in self._reached(nodes, change):
            if strict:
                goal.note(touched)
            else:
                goal.note_for(insider)
        return True

    def _moved(self, delta: Delta) -> tuple[np.ndarray, np.ndarray]:
        """Nodes a delta touches, and the change of each of their rows."""
        lines = delta.leaves @ self.patch.rows.T
        above = sorted({area for unit in delta.units.tolist() for area in self.patch.chains[unit].tolist()})
        part = self.patch.members[above][:, delta.units].toarray() if above else np.zeros((0, len(delta.units)), int)
        return np.array([*delta.units.tolist(), *above]), np.concatenate([lines, part @ lines])

    def _keeps(self, nodes: np.ndarray, change: np.ndarray, insider: int) -> bool:
        """Whether the told bounds hold, but for margins that the insider shares."""
        patch = self.patch
        shared = np.array([node >= patch.size and insider in patch.shares[node] for node in nodes.tolist()])
        after = patch.values[nodes] + change
        fine = (after >= patch.lower[nodes]) & (after <= patch.upper[nodes])
        return bool((fine | (patch.told[nodes] & shared[:, None])).all())

    def _reached(self, nodes: np.ndarray, change: np.ndarray) -> list[Goal]:
        place, row = np.nonzero(change)
        keys = zip(nodes[place].tolist(), row.tolist(), change[place, row].tolist(), strict=True)
        found = (self.goals.get(Change(*key)) for key in keys)
        return [goal for goal in found if goal is not None]
