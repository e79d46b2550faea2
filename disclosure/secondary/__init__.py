"""Secondary cells: what must be hidden so that no small cell can be narrowed, with a witness for every claim."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from disclosure.problem import Problem, shuffle
from disclosure.secondary.goals import Change, Goal, find_goals
from disclosure.secondary.ledger import Delta, Ledger
from disclosure.secondary.patch import Patch, cut
from disclosure.secondary.search import Found, search_district, search_few, search_region, search_whole
from disclosure.witness import Witnesses, gather, join

Task = tuple[Patch, dict[Change, Goal], np.ndarray]


def find_pattern(
    problem: Problem, seed: bytes, executor: Executor | None = None, start: Witnesses | None = None
) -> Found:
    """Hide secondary cells until every goal has its witnesses; a release leaves no goal open.

    0. Witnesses at hand that hold here too.
    1. Units in which something can change unseen, among themselves: few, and the only ones that can move what is told
       apart only there.
    2. Each region by itself, in parallel: more hiding never narrows, and no region moves a sum over itself.
    3. Likewise the districts: some regions at once.
    4. The whole table, with what is left.
    5. Whatever no witness needs hidden is published again, at the end of each search.

    Args:
        problem: the table and what is known of it.
        seed: decides the order in which goals are served.
        executor: where regions are searched; the result is the same for any.
        start: witnesses of an earlier release, in the layout of this table.
    """
    order = shuffle(seed, b"order", problem.figures.shape)
    shown = problem.listed & ~problem.hidden & ~problem.primary.known
    left, witnesses = find_goals(problem), []
    if start is not None:
        witnesses.append(_replayed(cut(problem, np.arange(problem.grid.areas.leaves), shown), left, start))  # 0
        left = {change: goal for change, goal in left.items() if goal.open}

    def take_over(patch: Patch, found: Found) -> None:
        shown[patch.ids] &= found.shown
        witnesses.append(found.witnesses)
        left.update({Change(int(patch.ids[node]), row, by): goal for (node, row, by), goal in found.left.items()})

    for patch, goals, rank in _few(problem, shown, left, order):
        take_over(patch, search_few(patch, goals, rank))  # 1
    mapped: Callable[..., Iterable[Found]] = executor.map if executor else map
    for search, parts in _levels(problem):
        tasks = list(_parts(problem, shown, left, order, parts))
        for (patch, _, _), found in zip(tasks, mapped(partial(_search, search), tasks), strict=True):
            take_over(patch, found)  # 2, 3
    found = search_whole(cut(problem, np.arange(problem.grid.areas.leaves), shown), left, order)  # 4
    return replace(found, witnesses=join([*witnesses, found.witnesses]))


def _replayed(patch: Patch, goals: dict[Change, Goal], start: Witnesses) -> Witnesses:
    """Those of the witnesses that leave everything known and published alone; goals note what they reach."""
    for goal in goals.values():
        goal.begin()
    ledger = Ledger(patch, goals, fixed=patch.known | patch.shown)
    for number, first, last in start.spans():
        units, place = np.unique(start.unit[first:last], return_inverse=True)
        leaves = np.zeros((len(units), patch.rows.shape[1]), np.int64)
        leaves[place, start.leaf[first:last]] = start.by[first:last]
        ledger.record(Delta(units, leaves), int(start.insider[number]))
    return gather((found.delta.units, found.delta.leaves, found.insider) for found in ledger.found.values())


def _levels(problem: Problem) -> Iterator[tuple[Callable[..., Found], np.ndarray]]:
    """How parts of the units are searched, and which part each unit is in."""
    yield search_region, problem.regions
    if problem.districts.any():  # a single one is the whole table, which comes next anyway
        yield search_district, problem.districts


def _few(problem: Problem, shown: np.ndarray, goals: dict[Change, Goal], order: np.ndarray) -> Iterator[Task]:
    """The units with leaves that unseen changes add to, with every goal they have a share in, which leave `goals`."""
    units = np.flatnonzero((problem.grid.available & (problem.unseen > 0).any(axis=0)).any(axis=1))
    if len(units):
        patch = cut(problem, units, shown)
        place = {int(node): at for at, node in enumerate(patch.ids)}
        mine = [change for change in goals if change.area in place]
        yield patch, {change._replace(area=place[change.area]): goals.pop(change) for change in mine}, order[patch.ids]


def _parts(
    problem: Problem, shown: np.ndarray, goals: dict[Change, Goal], order: np.ndarray, parts: np.ndarray
) -> Iterator[Task]:
    """One task per part of the units with goals of its units and inner areas, which leave `goals`."""
    by_area: dict[int, list[Change]] = {}
    for change in goals:
        by_area.setdefault(change.area, []).append(change)
    for part in np.unique(parts):
        patch = cut(problem, np.flatnonzero(parts == part), shown)
        inner = (patch.spread == patch.members.sum(axis=1)) & ~(patch.whole & (np.arange(len(patch.ids)) >= patch.size))
        mine = {
            Change(node, change.row, change.by): goals.pop(change)
            for node in np.flatnonzero(inner).tolist()
            for change in by_area.get(int(patch.ids[node]), ())
        }
        if mine:
            yield patch, mine, order[patch.ids]


def _search(search: Callable[..., Found], task: Task) -> Found:
    """Linear algebra in one thread: the matrices are small, and the other cores have parts of their own."""
    with threadpool_limits(1, user_api="blas"):
        return search(*task)
