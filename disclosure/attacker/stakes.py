"""What is at stake in a release: the small cells, what outsiders know of them, and what insiders could subtract.

Written from the definition on purpose without looking at the suppressor, whose mistakes it must not repeat.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from disclosure.attacker.arithmetic import WorkedOut, work_out
from disclosure.attacker.knowledge import ENDLESS, Pair, learn
from disclosure.attacker.layout import Layout, cuts, parts_of
from disclosure.rules import Pattern, ThresholdRule
from disclosure.terms import Terms

NONE = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Stakes:
    """Areas x rows: what the release says, what follows from public figures, and what must stay open.

    Attributes:
        layout: areas and rows, with every area of which a reader works out a sum.
        true: the true cells.
        fixed: cells an outsider knows exactly.
        lower, upper: what an outsider knows otherwise; `told` marks bounds that merely say a cell is small.
        small: small cells to protect; `listed` those of them that are rows of the frame.
        low, high: the ends that must stay possible, of small cells.
        margins: small remainders: area, row, insider, and by how much the margin must be able to fall and rise.
    """

    layout: Layout
    true: np.ndarray
    fixed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    told: np.ndarray
    small: np.ndarray
    listed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    margins: np.ndarray


def weigh(layout: Layout, frame: pd.DataFrame, truth: np.ndarray, terms: Terms, insider: np.ndarray) -> Stakes:
    """Work out what is at stake.

    Args:
        layout: areas and rows.
        frame: the release.
        truth: units x leaves, the true counts.
        terms: what the table is and what everybody knows.
        insider: per unit who own it, then -1.
    """
    rule, place, worked_out = terms.rule, layout.place(frame), _worked_out(layout, frame, truth, terms, insider)
    layout = worked_out.layout
    values = layout.sums(truth)
    listed, fixed = np.zeros(values.shape, bool), np.zeros(values.shape, bool)
    listed[place] = True
    fixed[layout.place(frame[frame["value"].notna()])] = True
    total, public_cells = _totals(layout, values, terms.public)
    watched = listed | worked_out.cells | _by_subtraction(layout, listed) | _watched(layout, terms.watch)
    watched &= ~public_cells
    room = _room(layout, values, public_cells)
    is_small, low, high = _ends(rule, values, total, room)
    small = is_small & watched
    told = small & listed & ~((total >= 0) & (total < rule.floor)).any(axis=0)
    lower, upper = np.where(told, low, -NONE), np.where(told, high, NONE)
    sure = told & rule.zeros_are_small  # else what small cells tell of each other narrows them
    said = np.where(sure, lower, 0), np.where(sure, upper, ENDLESS)
    if terms.known is not None:
        told[_heard(layout, terms.known, said, (lower, upper))] = False
        small &= lower < upper
    knowledge = learn(layout, values, public_cells, room, said)
    reach = knowledge.least, knowledge.most
    low, high = knowledge.narrow(layout, small, (lower, upper), (low, high))
    bounds = np.where(told, lower, -NONE), np.where(told, upper, NONE)
    margins = _margins(
        layout, values, total, watched, bounds, worked_out=worked_out, reach=reach, rule=rule, insider=insider
    )
    fixed |= public_cells | (lower == upper)
    return Stakes(layout, values, fixed, lower, upper, told, small, listed & small, low, high, margins)


def _heard(layout: Layout, known: pd.DataFrame, *bounds: Pair) -> Pair:
    """Where the known cells are, after bounds of cells were narrowed to theirs."""
    spot = layout.place(known)
    for least, most in bounds:
        np.maximum.at(least, spot, known["lower"].to_numpy(np.int64))
        np.minimum.at(most, spot, known["upper"].to_numpy(np.int64))
    return spot


def _worked_out(layout: Layout, frame: pd.DataFrame, truth: np.ndarray, terms: Terms, insider: np.ndarray) -> WorkedOut:
    """What follows from the cells of the frame, as if all were published, and from public ones."""
    values = layout.sums(truth)
    listed = np.zeros(values.shape, bool)
    listed[layout.place(frame)] = True
    return work_out(layout, listed, _totals(layout, values, terms.public)[1], insider)


def _watched(layout: Layout, patterns: Sequence[Pattern]) -> np.ndarray:
    """Cells that are never shown and still may not be narrowed."""
    found = np.zeros((layout.members.shape[0], len(layout.rows)), bool)
    for pattern in patterns:
        found |= np.outer(*layout.matches(pattern))
    return found & (layout.sums(layout.possible.astype(np.int64)) > 0)


def _totals(layout: Layout, values: np.ndarray, public: Sequence[Pattern]) -> tuple[np.ndarray, np.ndarray]:
    """The public totals each cell is part of, one after another (-1: none); and the cells public by one of them."""
    support = layout.sums(layout.possible.astype(np.int64))
    totals: list[np.ndarray] = []
    known = support == 0
    for pattern in public:
        areas, rows = layout.matches(pattern)
        known |= np.outer(areas, rows)
        for whole in layout.totals_of(pattern):
            part = np.outer(areas, whole >= 0)
            totals.append(np.where(part, values[:, whole], -1))
            known |= part & (support == support[:, whole])
    return np.array(totals, np.int64).reshape(-1, *values.shape), known


def _room(layout: Layout, values: np.ndarray, public_cells: np.ndarray) -> np.ndarray:
    """The highest a cell can be when each unit in it has at most what its public cells around the row hold.

    Around: no leaf of the row that is possible in the unit lies outside the public one.
    """
    units = layout.members.shape[1]
    alike, number = np.unique(layout.possible, axis=0, return_inverse=True)
    number, there = number.ravel(), layout.inner(alike) > 0
    room = np.where(there[number], NONE // (2 * units), 0)
    for row, leaves in enumerate(layout.rows):
        open_to = np.flatnonzero(public_cells[:units, row] & (room[:, row] > 0))
        around = (there & (layout.inner(alike & (leaves == 0)) == 0))[number[open_to]]
        held = np.flatnonzero(around.any(axis=0))
        at, most = np.ix_(open_to, held), np.where(around[:, held], values[open_to, row][:, None], NONE)
        room[at] = np.minimum(room[at], most)
    return np.asarray(layout.members @ room)


def _by_subtraction(layout: Layout, listed: np.ndarray) -> np.ndarray:
    """Cells outside the frame that a reader may compute from it.

    Codes left out of a level that is listed otherwise are what the others leave of a margin. Parts are what areas of
    one level leave of areas of another, in rows that both levels have; one that the frame shows under the name of
    another area, or of its only unit, is no cell of its own.
    """
    axis = layout.relations.axes[layout.unit]
    cut, found = cuts(axis), _siblings(layout, listed)
    shown = [listed[: len(axis.codes)][axis.level == level].any(axis=0) for level in range(len(axis.levels))]
    sets = [units.tobytes() for units in layout.members.toarray().astype(bool)]
    named: dict[bytes, np.ndarray] = {}
    for node, units in enumerate(sets):
        named[units] = named.get(units, False) | listed[node]
    for node, units in enumerate(sets[axis.leaves :], axis.leaves):
        for here, there in cut.get(units, ()):
            found[node] |= shown[here] & shown[there] & ~named[units]
    return np.asarray(found & ~listed & (layout.sums(layout.possible.astype(np.int64)) > 0))


def _siblings(layout: Layout, listed: np.ndarray) -> np.ndarray:
    """Cells of which another code of the same level is listed, the codes of the other dimensions being the same."""
    axes = [layout.relations.axes[layout.unit], *layout.others]
    cube = listed[: len(axes[0].codes)].reshape([len(axis.codes) for axis in axes]).astype(np.int64)
    near = np.zeros(cube.shape, bool)
    for place, axis in enumerate(axes):
        if axis.paths:
            level = np.arange(len(axis.levels))[:, None] == axis.level
            near |= np.moveaxis((np.tensordot(level, cube, (1, place)) > 0)[axis.level], 0, place)
    found = np.zeros(listed.shape, bool)
    found[: len(axes[0].codes)] = near.reshape(-1, listed.shape[1])
    return found


def _ends(
    rule: ThresholdRule, values: np.ndarray, total: np.ndarray, room: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which counts are small, themselves or in what they leave of a total, and the ends that must stay possible.

    Several totals (the first axis) may be nearly reached: all that is small beside one of them must stay possible.
    """
    room = np.minimum(room, np.where(total >= 0, total, NONE).min(axis=0, initial=NONE))
    reach = np.minimum(rule.minimum - 1, np.where(total >= 0, total, NONE))
    first = 0 if rule.zeros_are_small else 1
    rest = total - values
    nearly = (total >= 0) & (rest <= rule.minimum - 1) & (rest >= first) & rule.complements
    small = (values <= rule.minimum - 1) & (values >= first)
    least = reach.min(axis=0, initial=rule.minimum - 1)
    low = np.where(nearly, total - reach, NONE).min(axis=0, initial=NONE)
    high = np.where(nearly, total - np.minimum(first, reach), 0).max(axis=0, initial=0)
    low = np.where(small, np.minimum(low, np.minimum(first, least)), low)
    high = np.where(small, np.maximum(high, least), high)
    at_stake = small | nearly.any(axis=0)
    return at_stake, np.where(at_stake, low, 0), np.minimum(high, room)


def _by_insider(cells: np.ndarray) -> Callable[[int], np.ndarray]:
    """Lines of area, row, insider by insider."""
    ordered = cells[np.argsort(cells[:, 2], kind="stable")]
    return lambda who: ordered[slice(*np.searchsorted(ordered[:, 2], [who, who + 1]))]


def _in_areas(cells: np.ndarray, area: np.ndarray, rows: int) -> np.ndarray:
    """Areas x rows, of some areas in order: the cells there among lines of area, row, insider."""
    found, there = np.zeros((len(area), rows), bool), cells[np.isin(cells[:, 0], area)]
    found[np.searchsorted(area, there[:, 0]), there[:, 1]] = True
    return found


def _margins(
    layout: Layout,
    values: np.ndarray,
    total: np.ndarray,
    watched: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    *,
    worked_out: WorkedOut,
    reach: tuple[np.ndarray, np.ndarray],
    rule: ThresholdRule,
    insider: np.ndarray,
) -> np.ndarray:
    """Small remainders after an insider's share, as rows (area, row, insider, lowest change, highest change)."""
    (least, most), units = reach, layout.members.shape[1]
    all_least, all_most = (layout.members @ each[:units] for each in reach)
    cells, size = layout.sums(layout.possible.astype(np.int64)), np.asarray(layout.members.sum(axis=1)).ravel()
    found, (alone_of, given_of) = [np.zeros((0, 5), np.int64)], map(_by_insider, (worked_out.own, worked_out.given))
    for who, (own, held) in enumerate(parts_of(layout, insider)):
        mine = sparse.csr_array(layout.members[held][:, own])
        part = held[mine.sum(axis=1) < size[held]]
        area = np.union1d(part, alone_of(who)[:, 0])
        alone, given = (_in_areas(each(who), area, values.shape[1]) for each in (alone_of, given_of))
        mine = sparse.csr_array(layout.members[area][:, own])
        share = np.asarray(mine @ values[:units][own])
        inside = np.array([mine @ each[:units][own].clip(0) for each in total], int).reshape(len(total), *share.shape)
        left = np.where(total[:, area] >= 0, total[:, area] - inside, -1)
        room = np.minimum(most[area] - share, all_most[area] - mine @ most[:units][own])
        small, low, high = _ends(rule, values[area] - share, left, room)
        low = np.maximum(low, np.maximum(least[area] - share, all_least[area] - mine @ least[:units][own]))
        looked = (watched[area] & np.isin(area, part)[:, None] | alone) & ~given
        there = looked & (cells[area] - np.asarray(mine @ cells[:units][own]) > 0)
        place, row = np.nonzero(small & there)
        at, taken = area[place], share[place, row]
        now = values[at, row] - taken
        down = np.maximum(low[place, row], np.maximum(bounds[0][at, row], -NONE // 2) - taken) - now
        rise = np.minimum(high[place, row], np.minimum(bounds[1][at, row], NONE // 2) - taken) - now
        found.append(np.stack([at, row, np.full(len(at), who), down, rise], axis=1))
    return np.concatenate(found)
