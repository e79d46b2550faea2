"""Correction releases: the old table, the new one and their difference, protected together.

What was published stays known, what was hidden stays hidden, and nobody may learn from old and new figures side by side
that a few units were dropped or added. Every count is split in three: `kept` is in both tables, `dropped` only in the
old one, `added` only in the new one; so old = kept + dropped and new = kept + added are two paths over the same leaves.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from disclosure.errors import DisclosureError
from disclosure.grid import Grid, build_grid
from disclosure.hierarchy import Hierarchy, as_codes, lay_out
from disclosure.known import primary_of
from disclosure.primary import FAR, find_listed
from disclosure.protect import Build, build, grid_of
from disclosure.rules import Cell, Inequality, Pattern
from disclosure.table import SUPPRESSED, ProtectedTable, read_counts
from disclosure.terms import Terms
from disclosure.witness import Witnesses

VERSION = "version"
KEPT, DROPPED, ADDED = "kept", "dropped", "added"
OLD, NEW, EITHER = "old", "new", "either"
_VERSIONS = pd.DataFrame(
    [(KEPT, OLD, NEW, EITHER), (DROPPED, OLD, None, EITHER), (ADDED, None, NEW, EITHER)],
    columns=[VERSION, OLD, NEW, EITHER],
)


@dataclass(frozen=True, eq=False)
class Proof:
    """Why a release is safe: the terms it was built under, and its witnesses. Confidential."""

    terms: Terms
    witnesses: Witnesses = field(repr=False)


def correct(
    old: pd.DataFrame,
    new: pd.DataFrame,
    released: pd.DataFrame,
    terms: Terms,
    *,
    touched: Mapping[str, Sequence[str]],
    seed: bytes,
    executor: Executor | None = None,
    proof: Proof | None = None,
) -> Build:
    """Protect a corrected table for readers who also have the release it replaces.

    Args:
        old: the counts of that release, with the columns of `new`.
        new: the corrected counts.
        released: the frame of that release; with `proof`, no cell that it did not list is hidden by it.
        terms: those of the release; they hold for both tables.
        touched: {dimension: leaf codes} whose counts were delivered anew, as everybody may know.
        seed: as for `build`; a fresh one.
        executor: as for `build`.
        proof: that of the release; with it only what the correction touches is searched anew.

    Returns:
        The corrected table; cells hidden in the old release are hidden in it. How many were dropped from a cell, and
        how many added, are each protected like a small count: a published cell that only lost or only gained less than
        the minimum is hidden now. Their difference is not: an area that lost ten and gained twelve shows both figures.

    Raises:
        DisclosureError: as `build`, of either table; a dimension called `version`; a faulty `released` or `touched`; or
            a count that differs outside what was touched. A table cannot be protected either where the first release
            lets everybody compute a cell of the new one that is small: when all counts of a leaf go, what it left of a
            published margin becomes a cell. Then the first release has to stand.
    """
    counts = _split(old, new, terms)
    both = _on_list(_terms(counts, released, terms, touched), old, proof)
    grid = grid_of(counts, both)
    both = replace(both, known=pd.concat([both.known, _least(grid, counts, both)], ignore_index=True))
    start = _lifted(proof, old, grid, both) if proof else None
    return _of_new(build(counts, both, seed=seed, executor=executor, start=start, leaving={VERSION: [NEW]}))


def _of_new(made: Build) -> Build:
    """The same without a word of versions: all that leaves is new; that nothing is narrowed is said of old and new."""
    frame = made.protected.frame
    codes = frame.drop(columns=[VERSION, f"{VERSION}_level", "value", "status"])
    values, shown = frame["value"].fillna(0).to_numpy("int64"), frame["value"].notna().to_numpy()
    return replace(made, protected=ProtectedTable(codes, values, shown, made.protected.certificate))


def _on_list(terms: Terms, old: pd.DataFrame, proof: Proof | None) -> Terms:
    """The same without hidden cells that the release did not list: of an area, what one unit alone had."""
    if proof is None:
        return terms
    was, hidden = proof.terms, pd.DataFrame(terms.hidden)
    then = grid_of(old, was)
    listed, _ = find_listed(then, then.cells(read_counts(then, old, was.count)), was.publish, was.public)
    return replace(terms, hidden=hidden[listed[then.place(hidden)]])


def _lifted(proof: Proof, old: pd.DataFrame, now: Grid, terms: Terms) -> Witnesses:
    """The witnesses of the release as changes of what is kept: where nothing was touched they hold in both tables.

    One for an insider that is none here, or that owns what it changes, is for everyone if it is for anyone.
    """
    was = proof.terms
    then = grid_of(old, was)
    found = proof.witnesses
    places = np.unravel_index(found.leaf, [axis.leaves for axis in then.profile])
    codes = {axis.name: axis.codes[place] for axis, place in zip(then.profile, places, strict=True)}
    codes |= {then.areas.name: then.areas.codes[found.unit], VERSION: np.full(len(found.unit), KEPT)}
    leaf = np.ravel_multi_index(
        [axis.positions(pd.Series(codes[axis.name])) for axis in now.profile], [axis.leaves for axis in now.profile]
    )
    unit = now.areas.positions(pd.Series(codes[now.areas.name]))
    who = np.append(pd.Index(terms.insiders).get_indexer(was.insiders), -1)
    insider = who[np.where(found.insider < len(was.insiders), found.insider, -1)]
    owned = (terms.owners(now.areas)[unit] == insider[found.number][:, None]).any(axis=1)
    insider[found.number[owned]] = -1
    return replace(found, unit=unit, leaf=leaf, insider=insider)


def _least(grid: Grid, counts: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """How many were dropped and added at least, as everybody can tell from known figures and from small ones.

    Kept is part of both: where a published figure turns small, what it held more than a small one can was dropped. Of
    areas these are bounds of small cells only: the others shrink no promise of their own, and an insider with a share,
    who is not told that the figure is small, is not to be held to them.
    """
    values = grid.cells(read_counts(grid, counts, terms.count))
    listed = find_listed(grid, values, terms.publish, terms.public)[0]
    primary = primary_of(grid, values, listed, listed, terms)
    promised, found = values <= terms.rule.highest, []
    promised[: grid.areas.leaves] = True
    for part, whole, other in ((DROPPED, OLD, NEW), (ADDED, NEW, OLD)):
        rows = {version: np.flatnonzero(grid.select({VERSION: [version]})[1]) for version in (part, whole, other)}
        least = primary.lower[:, rows[whole]] - primary.upper[:, rows[other]]
        area, place = np.nonzero(least[: len(grid.areas.codes)] > 0)
        cells = grid.named(area, rows[part][place])
        found.append(cells.assign(lower=least[area, place], upper=FAR)[promised[area, rows[part][place]]])
    return pd.concat(found, ignore_index=True)


def _split(old: pd.DataFrame, new: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """Counts per version, with a row where the tables that it is part of have one; else none were kept or changed."""
    if VERSION in terms.dimensions:
        raise DisclosureError(f"{VERSION}: a correction needs this name for itself; give the dimension another one")
    names = list(terms.dimensions)
    left, right = _checked(old, new, terms)
    both = left.merge(right, on=names, how="outer", suffixes=(f"_{OLD}", f"_{NEW}"))
    before, after = both[f"{terms.count}_{OLD}"], both[f"{terms.count}_{NEW}"]
    kept = before.where(~(before > after), after).where(after.notna())
    parts = {KEPT: kept, DROPPED: before - kept.fillna(0), ADDED: after - kept.fillna(0)}
    counts = [both[names].assign(version=version).assign(**{terms.count: part}) for version, part in parts.items()]
    return pd.concat(counts, ignore_index=True).dropna(subset=[terms.count])


def _checked(old: pd.DataFrame, new: pd.DataFrame, terms: Terms) -> Iterator[pd.DataFrame]:
    """The counts of both tables, each by itself a table that could be protected; codes as text."""
    names = list(terms.dimensions)
    for table in (old, new):
        for name in names:
            if name not in table.columns:
                raise DisclosureError(f"{name}: no such column in the table")
    grid = build_grid(terms.dimensions, pd.concat([old[names], new[names]]), terms.structural_zeros, None)
    for table in (old, new):
        read_counts(grid, table, terms.count)
        codes = {name: as_codes(table[name]) for name in names}
        yield pd.DataFrame({**codes, terms.count: pd.to_numeric(table[terms.count]).to_numpy()})


def _check(counts: pd.DataFrame, released: pd.DataFrame, terms: Terms, touched: Mapping[str, Sequence[str]]) -> None:
    for column in ("value", "status"):
        if column not in released.columns:
            raise DisclosureError(f"released: no column {column!r}; give the frame of the release")
    names = list(touched)
    if len(names) != 1 or names[0] not in terms.dimensions:
        raise DisclosureError(
            f"touched: name one dimension and its leaf codes; there are {', '.join(terms.dimensions)}"
        )
    codes: object = touched[names[0]]
    if isinstance(codes, str) or not isinstance(codes, Iterable):
        raise DisclosureError(f"touched: give the codes of {names[0]} as a list")
    axis = lay_out(names[0], terms.dimensions[names[0]], counts[names[0]])
    axis.positions(pd.Series(list(codes), dtype=object))


def _terms(counts: pd.DataFrame, released: pd.DataFrame, terms: Terms, touched: Mapping[str, Sequence[str]]) -> Terms:
    _check(counts, released, terms, touched)
    lines: Sequence[Pattern] = [{}] if terms.publish is None else terms.publish
    known = released[released["value"].notna()].drop(columns="status").rename(columns={"value": "lower"})
    told = [known.assign(upper=known["lower"], **_at(OLD))]
    if terms.known is not None:
        told += [terms.known.assign(**_at(OLD)), terms.known.assign(**_at(NEW))]
    hidden = released.loc[released["status"] == SUPPRESSED].drop(columns=["value", "status"])
    return replace(
        terms,
        dimensions={**terms.dimensions, VERSION: Hierarchy(VERSION, _VERSIONS, paths=[(OLD, EITHER), (NEW, EITHER)])},
        public=[{**pattern, VERSION: [OLD, NEW]} for pattern in terms.public],
        publish=[{**line, VERSION: [OLD, NEW]} for line in lines],
        watch=[{**line, VERSION: [DROPPED, ADDED]} for line in _inner(lines, counts, terms)],
        unseen={VERSION: {KEPT: -1, DROPPED: 1, ADDED: 1}},
        structural_zeros=_impossible(counts, terms, touched),
        inequalities=[_in(version, order) for order in terms.inequalities for version in (OLD, NEW)],
        known=pd.concat(told, ignore_index=True),
        hidden=pd.concat([hidden.assign(**_at(OLD)), hidden.assign(**_at(NEW))], ignore_index=True),
        weights=[({**pattern, VERSION: [OLD, NEW]}, factor) for pattern, factor in terms.weights],
    )


def _at(version: str) -> dict[str, str]:
    return {VERSION: version, f"{VERSION}_level": version}


def _in(version: str, order: Inequality) -> Inequality:
    """An inequality holds in the old table and in the new one."""

    def cells(side: tuple[Cell, ...]) -> list[Cell]:
        return [{**cell, VERSION: version} for cell in side]

    return Inequality(cells(order.smaller), cells(order.larger))


def _impossible(counts: pd.DataFrame, terms: Terms, touched: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Nothing is dropped or added where nothing was delivered anew; what a version could not have, it has not now.

    A leaf delivered anew that a version lacks is no part of it, as by itself: where public margins tell of all that is
    there, everybody sees that it has none.
    """
    ((name, codes),) = touched.items()
    zeros = terms.structural_zeros
    columns = [name] if zeros is None else list(dict.fromkeys([name, *zeros.columns]))
    every = _product(counts, terms, columns)
    anew = every[name].astype(str).isin({str(code) for code in codes})
    never = [every[~anew & (every[VERSION] != KEPT)]]
    if any(_tells(pattern, counts, terms, columns) for pattern in terms.public):
        never += [_absent(every[anew], counts, part) for part in (DROPPED, ADDED)]
    if zeros is not None:
        free = [column for column in columns if column not in zeros.columns]
        never.append(zeros.merge(_product(counts, terms, free), how="cross")[every.columns])
    return pd.concat(never, ignore_index=True).drop_duplicates()


def _product(counts: pd.DataFrame, terms: Terms, columns: Sequence[str]) -> pd.DataFrame:
    """Every combination of the leaves of some dimensions and a version."""
    leaves = [_leaves(counts, terms, column) for column in columns]
    names = [*columns, VERSION]
    return pd.MultiIndex.from_product([*leaves, [KEPT, DROPPED, ADDED]], names=names).to_frame(index=False)


def _tells(pattern: Pattern, counts: pd.DataFrame, terms: Terms, columns: Sequence[str]) -> bool:
    """Whether a public margin holds every leaf of the table, those of some dimensions each by itself."""
    for name, wanted in pattern.items():
        axis = lay_out(name, terms.dimensions[name], counts[name])
        chosen = axis.select(wanted)
        held = chosen[: axis.leaves] if name in columns else axis.members[np.flatnonzero(chosen)].sum(axis=0)
        if not held.all():
            return False
    return True


def _absent(every: pd.DataFrame, counts: pd.DataFrame, part: str) -> pd.DataFrame:
    """What the version that has `part` beside what is kept does not have at all."""
    columns = [column for column in every.columns if column != VERSION]
    rows = counts.loc[counts[VERSION] == part, columns].drop_duplicates()
    codes = pd.MultiIndex.from_arrays([as_codes(every[column]) for column in columns])
    has = codes.isin(pd.MultiIndex.from_frame(rows))
    return every[~has & every[VERSION].isin([KEPT, part])]


def _leaves(counts: pd.DataFrame, terms: Terms, name: str) -> list[str]:
    lookup = terms.dimensions[name].lookup
    return list(dict.fromkeys(counts[name] if lookup is None else lookup[terms.dimensions[name].leaf]))


def _inner(lines: Sequence[Pattern], counts: pd.DataFrame, terms: Terms) -> Iterator[Pattern]:
    """The lines without their public margins: how many were dropped there, everybody sees from public figures."""
    for line in lines:
        for pattern in terms.public:
            for name, wanted in pattern.items():
                axis = lay_out(name, terms.dimensions[name], counts[name])
                own = axis.select(line[name]) if name in line else np.ones(len(axis.codes), bool)
                codes = [str(code) for code in axis.codes[own & ~axis.select(wanted)]]
                if codes:
                    yield {**line, name: codes}
        if not terms.public:
            yield line
