"""The judge: proves without a solver, in time linear in the witnesses, that no small cell of a release can be narrowed.

It reads the frame, the relations, the true counts and the witnesses; nothing of how the pattern was found.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from disclosure.attacker.knowledge import ENDLESS
from disclosure.attacker.layout import Layout, lay_cells
from disclosure.attacker.relations import relate
from disclosure.attacker.sightings import Moved, Sightings
from disclosure.attacker.stakes import Stakes, weigh
from disclosure.errors import DisclosureError
from disclosure.hierarchy import unit_of
from disclosure.rules import ThresholdRule
from disclosure.terms import Terms
from disclosure.witness import Witnesses

CELLS = 2**22  # of units that witnesses change, checked at a time: bounds memory


@dataclass(frozen=True)
class Verdicts:
    """Totals only, for the operator: they vary with counts of which nobody is told anything.

    Attributes:
        small: small cells of the release, and small cells that follow from it by subtraction.
        safe: those seen at both ends by outsiders and by every insider.
        margins: small remainders of margins after an insider's own share; margins_safe: those seen at both ends.
        witnesses: tables checked.
    """

    small: int
    safe: int
    margins: int
    margins_safe: int
    witnesses: int

    @property
    def holds(self) -> bool:
        """Whether nothing can be narrowed."""
        return self.small == self.safe and self.margins == self.margins_safe


def judge(frame: pd.DataFrame, counts: pd.DataFrame, terms: Terms, witnesses: Witnesses) -> Verdicts:
    """Check a release against its witnesses.

    1. The frame shows true figures, and no small one.
    2. Every witness keeps everything an outsider knows: leaves at 0 or above, inequalities, known cells, told bounds.
       One that breaks only what is told of margins that an insider shares counts for that insider.
    3. Every small cell is seen at both ends by outsiders.
    4. And by every insider without a share in it, in witnesses that leave the insider's own units alone.
    5. Every small remainder is seen at both ends by the insider who could compute it.

    Args:
        frame: the release.
        counts: the true counts (confidential).
        terms: as given to `build`.
        witnesses: changes of the true table (confidential).

    Raises:
        DisclosureError: the frame does not fit the counts, or a witness is false.
    """
    relations = relate(terms.dimensions, counts, terms.structural_zeros)
    unit = unit_of(relations.axes, () if terms.coalitions is None else terms.coalitions.columns, terms.within)
    layout, insider = lay_cells(relations, unit), terms.owners(relations.axes[unit])
    truth = layout.turn(relations.leaves(counts, terms.count))
    stakes = weigh(layout, frame, truth, terms, insider)
    layout = stakes.layout
    _check_frame(layout, frame, stakes, terms.rule)  # 1
    sightings = _seen(stakes, truth, layout.lines(terms.inequalities), witnesses, insider)  # 2
    return Verdicts(
        small=int(stakes.small.sum()),
        safe=sightings.safe(),  # 3, 4
        margins=len(stakes.margins),
        margins_safe=sightings.safe_margins(),  # 5
        witnesses=len(witnesses),
    )


def _seen(stakes: Stakes, truth: np.ndarray, lines: np.ndarray, witnesses: Witnesses, insider: np.ndarray) -> Sightings:
    """What the witnesses show, each of them checked."""
    _check_order(witnesses)
    layout, sightings = stakes.layout, Sightings(stakes.layout, stakes, insider, witnesses.insider)
    for first, some in witnesses.parts(CELLS // len(layout.rows)):
        moved = _check(layout, truth, lines, some, insider)
        _check_known(layout, stakes, moved, some.insider, sightings.shared)
        sightings.add(moved, first)
    return sightings


def _check_order(witnesses: Witnesses) -> None:
    if (np.diff(witnesses.number, prepend=0, append=max(len(witnesses) - 1, 0)) < 0).any():
        raise DisclosureError("the witnesses are not in order")


def _check_frame(layout: Layout, frame: pd.DataFrame, stakes: Stakes, rule: ThresholdRule) -> None:
    shown = frame[frame["value"].notna()]
    place = layout.place(shown)
    value = pd.to_numeric(shown["value"], errors="coerce").to_numpy(float, na_value=np.nan)
    if (stakes.true[place] != value).any():
        raise DisclosureError("the frame shows a figure that is not the true one")
    if (stakes.small[place] | ((value >= rule.lowest) & (value <= rule.highest))).any():
        raise DisclosureError("the frame shows a small figure")


def _check(layout: Layout, truth: np.ndarray, lines: np.ndarray, witnesses: Witnesses, insider: np.ndarray) -> Moved:
    """What each witness changes, if it is a possible table and leaves the units alone of the insider it is for."""
    units, leaves = layout.possible.shape
    readers = int(insider.max(initial=-1)) + 1
    for number, end in ((witnesses.unit, units), (witnesses.leaf, leaves), (witnesses.insider + 1, readers + 1)):
        if ((number < 0) | (number >= end)).any():
            raise DisclosureError("a witness names what is not in the table")
    if ((witnesses.by <= -ENDLESS) | (witnesses.by >= ENDLESS)).any():
        raise DisclosureError("a witness is no possible table")
    pair, place = np.unique(witnesses.number.astype(np.int64) * units + witnesses.unit, return_inverse=True)
    which, unit = pair // units, pair % units
    change = np.zeros((len(pair), layout.rows.shape[1]), np.int64)
    np.add.at(change, (place, witnesses.leaf), witnesses.by)
    after = truth[unit] + change
    if (
        ((after < 0) | (after >= ENDLESS)).any()
        or (change[~layout.possible[unit]] != 0).any()
        or (after @ lines.T < 0).any()
    ):
        raise DisclosureError("a witness is no possible table")
    if (insider[unit] == np.where(witnesses.insider[which] >= 0, witnesses.insider[which], -2)[:, None]).any():
        raise DisclosureError("a witness for an insider changes a unit of that insider")
    return _spread(layout, which, unit, change, insider)


def _spread(layout: Layout, which: np.ndarray, unit: np.ndarray, change: np.ndarray, insider: np.ndarray) -> Moved:
    """The changes of every area, from those of the units."""
    units, areas = layout.members.shape[1], layout.members.shape[0]
    rows = layout.inner(change)
    place, owner = np.nonzero(insider[unit] >= 0)
    touched = np.unique(np.stack([which[place], insider[unit][place, owner]], axis=1), axis=0)
    above = sparse.coo_array(sparse.csr_array(layout.members[units:].T)[unit])
    key, place = np.unique(which[above.row] * areas + above.col + units, return_inverse=True)
    sums = sparse.csr_array((np.ones(len(place), np.int64), (place, above.row)), shape=(len(key), len(unit)))
    return Moved(
        which=np.concatenate([which, key // areas]),
        area=np.concatenate([unit, key % areas]),
        rows=np.concatenate([rows, np.asarray(sums @ rows)]),
        touched=touched,
    )


def _check_known(layout: Layout, stakes: Stakes, moved: Moved, serves: np.ndarray, shared: np.ndarray) -> None:
    """That each witness keeps what an outsider, or its own insider, knows."""
    if (moved.rows[stakes.fixed[moved.area]] != 0).any():
        raise DisclosureError("a witness changes a cell that an outsider knows")
    after = stakes.true[moved.area] + moved.rows
    place, row = np.nonzero((after < stakes.lower[moved.area]) | (after > stakes.upper[moved.area]))
    area, who = moved.area[place], serves[moved.which[place]]
    excused = stakes.told[area, row] & (area >= layout.members.shape[1]) & (who >= 0) & shared[area, who]
    if not excused.all():
        raise DisclosureError("a witness breaks a bound that its reader knows")
