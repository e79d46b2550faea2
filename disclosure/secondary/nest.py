"""The table as parts within parts: regions, groups, blocks, units. Each part is searched with its children only.

A model sees the parts it does not look into as single units. What it asks of such a part, a change of its sums, is then
realised one level down by that part's own model, and so on to the units: no model is larger than a block and its
surroundings, whatever the size of the table.
"""

from collections import OrderedDict

import numpy as np

from disclosure.primary import FAR
from disclosure.secondary.classes import Classes  # noqa: TC001  as its neighbours
from disclosure.secondary.goals import Change
from disclosure.secondary.ledger import Delta
from disclosure.secondary.model import Model
from disclosure.secondary.patch import Patch, merge

BLOCK = 1_800  # cells of units looked at together: more gives fewer secondary cells, and slower programmes
KEPT = 450_000  # columns and rows of models kept in memory, about 1 kB each
LOOKS = 6  # how often a part that cannot do what was asked of it is looked into

Changes = list[tuple[int, np.ndarray]]
Name = tuple[object, ...]


class Nest:
    """Models of a patch's parts, built when needed.

    Args:
        patch: the units and their areas.
        wanted: N x R, cells with a goal.

    Attributes:
        shown: N x R, published now; models hide what they have to.
        cells: N x R, what a model has to see: with a goal, or published at the start and perhaps again at the end.
        firm: whether what is published stays published.
    """

    def __init__(self, patch: Patch, wanted: np.ndarray) -> None:
        self.patch, self.shown, self.firm = patch, patch.shown.copy(), False
        self.cells = wanted | patch.shown
        self.block = blocks(patch)
        self._models: OrderedDict[Name, Model] = OrderedDict()
        self._size = 0
        self._classes: dict[bytes, Classes] = {}
        self._near: dict[bytes, np.ndarray] = {}
        self._realised: dict[tuple[bytes, bytes, int], Changes | None] = {}

    def within_block(self, change: Change, insider: int) -> Delta | None:
        """A witness for a unit's cell that leaves every sum over its block alone."""
        block = self.block[change.area]
        units = np.flatnonzero(self.block == block)
        return self._push(
            ("block", block), [units[[place]] for place in range(len(units))], change, insider, closed=True
        )

    def within(self, change: Change, insider: int, *, regional: bool, closed: bool) -> Delta | None:
        """A witness that leaves every sum over the region, the whole patch, or (not closed) nothing at all alone.

        Args:
            change: a cell and how far it must move.
            insider: for whom; -1 for everyone.
            regional: stay within the region of the node.
            closed: leave every sum over those units alone.
        """
        patch = self.patch
        units = patch.units[change.area]
        homes = np.unique(patch.region[units])
        inside = np.isin(patch.region, homes)
        scope = np.flatnonzero(inside) if regional else np.arange(patch.size)
        block = self.block[change.area] if change.area < patch.size else -1
        near = scope[inside[scope]]
        parts = [near[[place]] for place in np.flatnonzero(self.block[near] == block)] if block >= 0 else []
        rest = near[self.block[near] != block]
        parts += _split(rest, patch.group[rest])
        far = scope[~inside[scope]]
        crossing = np.isin(far, self._neighbours(near))
        parts += _split(far[crossing], patch.group[far[crossing]])
        parts += [far[~crossing]] if (~crossing).any() else []
        return self._push(("around", block, *homes, regional, closed), parts, change, insider, closed=closed)

    def apart(self, change: Change, insider: int) -> Delta | None:
        """The last resort, slow in a large table: every unit by itself, and every area."""
        model = self._model(("apart",), list(np.arange(self.patch.size)[:, None]), closed=False)
        return model.push(change.area, change.row, change.by, insider, firm=self.firm)

    def _neighbours(self, units: np.ndarray) -> np.ndarray:
        """Units that share an area with some of the units given, though not the whole table."""
        key, patch = units.tobytes(), self.patch
        if key in self._near:
            return self._near[key]
        areas = patch.members[patch.size :][~patch.whole[patch.size :]]
        touching = areas[np.asarray(areas[:, units].sum(axis=1)).ravel() > 0]
        self._near[key] = np.flatnonzero(np.asarray(touching.sum(axis=0)).ravel() > 0)
        return self._near[key]

    def _push(self, name: Name, parts: list[np.ndarray], change: Change, insider: int, *, closed: bool) -> Delta | None:
        """Solve, realise, and look into the part that cannot do what was asked of it."""
        for _ in range(LOOKS):
            model = self._model((*name, closed), parts, closed=closed)
            delta = model.push(change.area, change.row, change.by, insider, firm=self.firm)
            if delta is None:
                return None
            changes, failed = self._expand(delta, parts, insider)
            if failed < 0:
                return self._join(changes)
            name = (*name, failed, len(parts[failed]))
            parts = [*parts[:failed], *self._children(parts[failed]), *parts[failed + 1 :]]
        return None

    def _model(self, name: Name, parts: list[np.ndarray], *, closed: bool) -> Model:
        if name in self._models:
            self._models.move_to_end(name)
        else:
            merged = merge(self.patch, parts)
            self._models[name] = Model(
                merged, closed=closed, shown=self.shown, wanted=self.cells, firm=self.firm, cache=self._classes
            )
            self._size += self._models[name].size
            while self._size > KEPT and len(self._models) > 1:
                self._size -= self._models.popitem(last=False)[1].size
        return self._models[name]

    def _expand(self, delta: Delta, parts: list[np.ndarray], insider: int) -> tuple[Changes, int]:
        """The changes of units that realise the changes of parts; and the part that cannot, -1 if all can."""
        changes: Changes = []
        for place, leaves in zip(delta.units.tolist(), delta.leaves, strict=True):
            if len(parts[place]) == 1:
                changes.append((int(parts[place][0]), leaves))
                continue
            inner = self._realise(parts[place], leaves, insider)
            if inner is None:
                return [], place
            changes += inner
        return changes, -1

    def _realise(self, part: np.ndarray, leaves: np.ndarray, insider: int) -> Changes | None:
        """A change of a part's units with the given sum; asked once, as hiding more never takes a change away."""
        if self.firm:
            return self._search(part, leaves, insider)
        key = (part.tobytes(), leaves.tobytes(), insider)
        if key not in self._realised:
            self._realised[key] = self._search(part, leaves, insider)
        return self._realised[key]

    def _search(self, part: np.ndarray, leaves: np.ndarray, insider: int) -> Changes | None:
        name: Name = (part.tobytes(),)
        parts = self._children(part)
        for _ in range(LOOKS):
            delta = self._model(name, parts, closed=True).realise(leaves, insider, firm=self.firm)
            if delta is None:
                return None
            changes, failed = self._expand(delta, parts, insider)
            if failed < 0:
                return changes
            name = (*name, failed, len(parts[failed]))
            parts = [*parts[:failed], *self._children(parts[failed]), *parts[failed + 1 :]]
        return None

    def _children(self, part: np.ndarray) -> list[np.ndarray]:
        for key in (self.patch.region, self.patch.group, self.block):
            children = _split(part, key[part])
            if len(children) > 1:
                return children
        return [part[[place]] for place in range(len(part))]

    def _join(self, changes: Changes) -> Delta:
        """One line per unit."""
        units, place = np.unique([unit for unit, _ in changes], return_inverse=True)
        leaves = np.zeros((len(units), self.patch.rows.shape[1]), np.int64)
        np.add.at(leaves, place, np.array([line for _, line in changes]))
        moved = leaves.any(axis=1)
        return Delta(units[moved], leaves[moved])


def blocks(patch: Patch) -> np.ndarray:
    """Units: block of each, about `BLOCK` cells of one group; each insider's units are dealt over its blocks."""
    block = np.zeros(patch.size, int)
    cells = (patch.shown | (patch.lower > -FAR) | (patch.upper < FAR))[: patch.size].sum(axis=1)
    number = 0
    for units in _split(np.arange(patch.size), patch.group):
        count = max(-(-int(cells[units].sum()) // BLOCK), 1)
        block[units[np.argsort(patch.insider[units, 0], kind="stable")]] = number + np.arange(len(units)) % count
        number += count
    return block


def _split(units: np.ndarray, key: np.ndarray) -> list[np.ndarray]:
    return [units[key == value] for value in np.unique(key)]
