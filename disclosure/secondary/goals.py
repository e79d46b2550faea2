"""Goals: which value each small cell must still be able to take, and for whom."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from disclosure.problem import Problem


class Change(NamedTuple):
    """A cell (node or area, row) and how far it must move from its true value."""

    area: int
    row: int
    by: int


@dataclass
class Goal:
    """Some readers must not be able to exclude a change.

    Attributes:
        everyone: whether outsiders and every insider without a share in the area count, or only `special`.
        exempt: insiders with a share in the area; what they could find is the remainder, in `special`.
        special: insiders for whom a remainder must still be able to make the change.
        witnesses: numbers of those found in the present search.
        waiting: the special insiders still without one.
        common: insiders whose units every witness so far changes, so that none convinces them; None before the first.
        support: the witnesses that brought the goal on; without the others it stands where it stands.
    """

    everyone: bool
    exempt: frozenset[int]
    special: set[int] = field(default_factory=set)
    witnesses: list[int] = field(default_factory=list)
    waiting: set[int] = field(default_factory=set)
    common: set[int] | None = None
    support: set[int] = field(default_factory=set)

    def begin(self) -> None:
        """Start a search: what was reached before is settled, and its witnesses are no longer this search's."""
        self.witnesses, self.support = [], set()
        self._settled = (frozenset(self.waiting), None if self.common is None else frozenset(self.common))

    def again(self, witnesses: Iterable[tuple[int, frozenset[int], int]]) -> None:
        """Start this search anew with some of its witnesses (number, touched, insider) only."""
        waiting, common = self._settled
        self.waiting, self.common = set(waiting), None if common is None else set(common)
        self.witnesses, self.support = [], set()
        for number, touched, insider in witnesses:
            self.note(number, touched, insider)

    def note(self, number: int, touched: frozenset[int], insider: int) -> None:
        """A witness that changes some insiders' units; for one insider only, or (-1) for everyone."""
        self.witnesses.append(number)
        before = len(self.waiting), None if self.common is None else len(self.common)
        if insider >= 0:
            self.waiting.discard(insider)
            if self.common is not None:
                self.common.discard(insider)
        else:
            self.waiting &= touched
            if self.everyone:
                fresh = touched - self.exempt
                self.common = set(fresh) if self.common is None else self.common & fresh
        if before != (len(self.waiting), None if self.common is None else len(self.common)):
            self.support.add(number)

    @property
    def open(self) -> bool:
        """Whether a witness is still missing."""
        return bool(self.waiting) or (self.everyone and (self.common is None or bool(self.common)))

    @property
    def next(self) -> int:
        """For whom a witness is missing: -1 outsiders, else an insider."""
        if self.everyone and self.common is None:
            return -1
        return min(self.waiting | (self.common or set()))


def find_goals(problem: Problem) -> dict[Change, Goal]:
    """Every end that some small cell or small remainder does not already have."""
    goals: dict[Change, Goal] = {}
    primary, remainders = problem.primary, problem.remainders
    area, row = np.nonzero(primary.small)
    value = problem.figures[area, row]
    for end in (primary.low_end, primary.high_end):
        for change in _changes(area, row, end[area, row] - value):
            goals.setdefault(change, Goal(everyone=False, exempt=problem.owners[change.area])).everyone = True
    for end in (remainders.low_end, remainders.high_end):
        changes = _changes(remainders.area, remainders.row, end - remainders.value)
        for change, insider in zip(changes, remainders.insider.tolist(), strict=True):
            goals.setdefault(change, Goal(everyone=False, exempt=problem.owners[change.area])).special.add(insider)
    for goal in goals.values():
        goal.waiting = set(goal.special)
    return {change: goal for change, goal in goals.items() if change.by}


def _changes(area: np.ndarray, row: np.ndarray, by: np.ndarray) -> Iterable[Change]:
    return [Change(*three) for three in zip(area.tolist(), row.tolist(), by.tolist(), strict=True)]
