"""A correction: late changes of some sites, protected together with the release that it replaces.

A sector whose figures left with noise, and of which nothing was delivered anew, keeps those figures: to draw again
would spend budget and tell more of the same pupils. It is corrected under the register and law of then, like any other.

Whoever downloaded that release still has it, also after it was withdrawn. A period can be corrected once: what three
versions side by side give away is not examined, so a second correction is refused.
"""

import io
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from sqlmodel import Session, col, select

from disclosure import Build, Proof, Terms, Witnesses, correct
from gateway.collections import TOTAL, Contract
from gateway.delivered import LEVELS
from gateway.outcome import GatewayError
from gateway.publish.asking import certificate_of, changed_sectors, changed_since, sources_of
from gateway.publish.protecting import Slice, insiders, seed_for, terms_of
from gateway.store import Period, Release, ReleaseSlice, Submission
from gateway.table import CellStatus, TableRow, decode_rows
from gateway.tabulate import SectorTable, tabulate
from policies.release import ReleasePlan

_CELL = ["subdivision", "kind", "band"]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What left before of one sector.

    Attributes:
        table: As it was counted then. Confidential.
        rows: As they were published.
        rule: When a count was small then.
        witnesses: Why that was safe. Confidential.
        late: Sites of which another delivery counts now, or one no more. Who knows that well which they are learns the
            most; of those that merely might have changed something, nothing is put down as unknown.
        boards: Columns site, board as in the table, by the register of then; of today where the release does not say.
        insiders: Columns site, insider: for whom it was safe; boards only where the release does not say.
    """

    table: SectorTable = field(repr=False)
    rows: Sequence[TableRow]
    rule: Mapping[str, int | bool]
    witnesses: Witnesses = field(repr=False)
    late: tuple[str, ...]
    boards: pd.DataFrame
    insiders: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Sector:
    """What a release says of one sector.

    Attributes:
        witnesses: What the judge saw, confidential, by name; and the sites with their boards and insiders.
    """

    slices: Sequence[Slice]
    certificate: Mapping[str, object]
    utility: object
    witnesses: Mapping[str, np.ndarray] = field(repr=False)


class RegisterChangedError(GatewayError):
    """By the register of today, what left before is of other areas: it does not add up."""


class LawChangedError(GatewayError):
    """The law of today asks another rule, or lists less, than what left before was made by."""


def earlier(session: Session, release: Release, period: Period, contract: Contract) -> Mapping[str, Earlier]:
    """Sector → what left before, for a correction.

    Raises:
        RegisterChangedError: what was counted then is of other sectors by the register of today.
    """
    if release.corrects is None:
        return {}
    changed = col(Submission.id).in_(changed_since(session, period, release.corrects))
    late = session.exec(select(Submission.site).where(changed).distinct()).all()
    slices = session.exec(select(ReleaseSlice).where(ReleaseSlice.release_id == release.corrects)).all()
    old = session.get_one(Release, release.corrects)
    certificates = certificate_of(old)["sectors"]
    tables = tabulate(session, period, contract, sources_of(session, old.id))
    if {table.sector for table in tables} != set(certificates):
        raise RegisterChangedError("a site of then is of another sector, or of none, by the register of today")
    with np.load(io.BytesIO(old.witnesses)) as found:
        return {
            table.sector: Earlier(
                table=table,
                rows=[row for part in slices if part.sector == table.sector for row in decode_rows(part.rows)],
                rule=certificates[table.sector]["rule"],
                late=tuple(sorted(late)),
                **_stored(_named(found, table.sector), table.boards),
            )
            for table in tables
        }


def kept(
    session: Session,
    release: Release,
    period: Period,
    contract: Contract,
    *,
    plan: ReleasePlan,
    before: Mapping[str, Earlier],
) -> dict[str, Sector]:
    """Sectors with noise that a correction leaves as they were, by name.

    Raises:
        RegisterChangedError, LawChangedError: as in `correct_sector`; the figures would be of other areas than it says.
    """
    changed = changed_sectors(session, period, release.corrects)
    if changed is None:
        return {}
    old = session.get_one(Release, release.corrects)
    query = select(ReleaseSlice).where(ReleaseSlice.release_id == old.id)
    parts = session.exec(query.order_by(ReleaseSlice.level, ReleaseSlice.area)).all()
    certificates, utility = certificate_of(old)["sectors"], json.loads(old.utility)
    left = [sector for sector, method in plan.methods.items() if method == "dp" and sector in certificates]
    still = [sector for sector in left if sector not in changed]
    for one in (before[sector] for sector in still):
        _demand_areas(one)
        _demand_law(one, terms_of(one.table, contract, plan), _frame(one.rows, one.table))
    with np.load(io.BytesIO(old.witnesses)) as witnesses:
        return {
            sector: Sector(
                [Slice(p.level, p.area, p.sector, tuple(decode_rows(p.rows))) for p in parts if p.sector == sector],
                certificates[sector],
                utility[sector],
                _named(witnesses, sector),
            )
            for sector in still
        }


def correct_sector(
    table: SectorTable,
    before: Earlier,
    contract: Contract,
    plan: ReleasePlan,
    *,
    seed: bytes,
    executor: Executor | None = None,
) -> Build:
    """Protect one sector for readers who have the release that this one corrects.

    Where a site has another board than then, both are insiders: that of then knows its figures, that of today learns
    them, each beside those of other sites.

    Raises:
        RegisterChangedError: the register of the reference date was changed since; areas are not kept.
        LawChangedError: the law was changed since; what it promised then of the first release has to hold beside this.
    """
    _demand_areas(before)
    both = _both(before, table)
    terms, released = terms_of(both, contract, plan), _frame(before.rows, both)
    then = replace(terms_of(replace(before.table, boards=before.boards), contract, plan), coalitions=before.insiders)
    _demand_law(before, terms, released)
    return correct(
        before.table.counts,
        table.counts,
        released,
        terms,
        touched={"site": [site for site in before.late if site in set(both.sites["site"])]},
        seed=seed_for(seed, before.table.counts, table.counts, terms, before.rows, before.late),
        executor=executor,
        proof=Proof(then, before.witnesses),
    )


def _demand_areas(before: Earlier) -> None:
    if not _adds_up(before) or not before.boards["site"].isin(before.table.sites["site"]).all():
        raise RegisterChangedError("the register of the reference date is another one than that of the first release")


def _demand_law(before: Earlier, terms: Terms, released: pd.DataFrame) -> None:
    if before.rule != asdict(terms.rule) or not _listed(released, terms):
        raise LawChangedError("another rule or a shorter list is in force than the first release was built under")


def _adds_up(before: Earlier) -> bool:
    """Whether the exact figures that left are those of the same areas by the register of today."""
    counts = before.table.counts.merge(before.table.sites, on="site")
    margins = before.table.bands.set_index("band")
    every = pd.concat([counts, *(counts.assign(band=counts["band"].map(margins[level])) for level in margins.columns)])
    every = pd.concat([every, every.assign(subdivision=TOTAL)])
    sums = {level: every.groupby([level, *_CELL])["pupils"].sum().to_dict() for level in LEVELS}
    return all(
        sums[row.level].get((row.area, row.subdivision, row.kind, row.band)) == int(row.pupils)
        for row in before.rows
        if row.status == CellStatus.PUBLISHED and row.method == "exact"
    )


def _listed(released: pd.DataFrame, terms: Terms) -> bool:
    """Whether all that left before is on the list of today."""
    columns = ["site_level", "subdivision_level", "kind", "band_level"]
    left = set(released[columns].itertuples(index=False, name=None))
    lines = terms.publish or ()
    return left <= {(line["site"], line["subdivision"], kind, line["band"]) for line in lines for kind in line["kind"]}


def stored(built: Build, table: SectorTable) -> dict[str, np.ndarray]:
    """What a release keeps of its proof, by name; all that `earlier` needs. Confidential."""
    told = insiders(table.boards)
    columns = {
        "sites": table.boards["site"],
        "boards": table.boards["board"],
        "owned": told["site"],
        "insiders": told["insider"],
    }
    return vars(built.witnesses) | {name: column.to_numpy(str) for name, column in columns.items()}


def _stored(columns: dict[str, np.ndarray], today: pd.DataFrame) -> dict[str, Any]:
    """The same as fields of `Earlier`; the boards of today, and them alone, where the release does not say."""
    boards, known = _kept(columns, site="sites", board="boards"), _kept(columns, site="owned", insider="insiders")
    boards = today if boards is None else boards
    known = boards.rename(columns={"board": "insider"}) if known is None else known
    return {"witnesses": Witnesses(**columns), "boards": boards, "insiders": known}


def _kept(columns: dict[str, np.ndarray], **names: str) -> pd.DataFrame | None:
    """Columns taken out under other names, where they are all there."""
    found = {name: columns.pop(of, None) for name, of in names.items()}
    return None if any(column is None for column in found.values()) else pd.DataFrame(found, dtype=object)


def _named(witnesses: Mapping[str, np.ndarray], sector: str) -> dict[str, np.ndarray]:
    """The columns of one sector's witnesses among those of a release."""
    return {name.removeprefix(f"{sector}_"): witnesses[name] for name in witnesses if name.startswith(f"{sector}_")}


def _both(before: Earlier, new: SectorTable) -> SectorTable:
    """The layout of both versions: every site and subdivision that either has, and every board of then and of today."""
    old = before.table
    has = pd.concat([old.counts, new.counts])[["site", "subdivision"]].drop_duplicates()
    zeros = pd.concat([old.structural_zeros, new.structural_zeros]).drop_duplicates()
    never = zeros.merge(has, on=["site", "subdivision"], how="left", indicator=True)
    return replace(
        new,
        sites=pd.concat([new.sites, old.sites]).drop_duplicates("site", ignore_index=True),
        boards=_beside(before.boards, pd.concat([new.boards, old.boards]).drop_duplicates(ignore_index=True)),
        structural_zeros=never.loc[never["_merge"] == "left_only", ["site", "subdivision"]].reset_index(drop=True),
    )


def _beside(then: pd.DataFrame, today: pd.DataFrame) -> pd.DataFrame:
    """The boards of today, and by another name those of then that had what they have not by the register of today."""
    found = then.merge(today, how="left", indicator=True)
    lost = then["board"].isin(found.loc[found["_merge"] == "left_only", "board"])
    return pd.concat([today, then.assign(board=then["board"] + " then")[lost]], ignore_index=True)


def _frame(rows: Sequence[TableRow], layout: SectorTable) -> pd.DataFrame:
    """Published rows as `disclosure` knows a release."""
    frame = pd.DataFrame(rows, columns=TableRow._fields)
    frame = frame[frame["status"].isin([CellStatus.PUBLISHED, CellStatus.SUPPRESSED])]
    bands = {code: str(level) for level in layout.bands.columns for code in layout.bands[level]}
    return pd.DataFrame(
        {
            "site": frame["area"],
            "site_level": frame["level"],
            "subdivision": frame["subdivision"],
            "subdivision_level": frame["subdivision"].where(frame["subdivision"] == TOTAL, "subdivision"),
            "kind": frame["kind"],
            "kind_level": "kind",
            "band": frame["band"],
            "band_level": frame["band"].map(bands),
            "value": pd.to_numeric(frame["pupils"].replace("", None)).astype("Int64"),
            "status": frame["status"],
        }
    ).reset_index(drop=True)
