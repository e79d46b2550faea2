"""Delivered counts to the confidential table of one sector, with the regions they add up to.

Only confirmed submissions count. The table is confidential: it goes to `publish` and nowhere else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import pandas as pd
from sqlalchemy import select
from sqlmodel import Session, col

from gateway.collections import HALF, TOTAL, Contract
from gateway.delivered import areas_of, counted
from gateway.register import boards_since, sites_on
from gateway.store import Count, Period, SiteFacts, Submission

_AT_ONCE = 1_000  # submissions per query: databases bound the number of parameters


@dataclass(frozen=True)
class SectorTable:
    """The delivered counts of one sector in one period. Confidential.

    Attributes:
        counts: Columns site, subdivision, kind, band, pupils; one row per delivered leaf cell.
        sites: Columns site, gemeente, swv, country; one row per site that delivered.
        boards: Columns site, board: whose these sites are, were since the reference date or are to be; each board knows
            their counts, so it is an insider.
        subdivisions: Columns subdivision, total.
        bands: Columns band, the names of band margins' levels, total.
        structural_zeros: Columns site, subdivision: what a site does not offer.
        delivered: (level, area) → sites that delivered; `expected` → sites that are asked to.
        there: (level, area) → subdivisions that its sites delivered; `awaited` → those that its sites offer which are
            asked and did not deliver.
    """

    sector: str
    counts: pd.DataFrame = field(repr=False)
    sites: pd.DataFrame
    boards: pd.DataFrame
    subdivisions: pd.DataFrame
    bands: pd.DataFrame
    structural_zeros: pd.DataFrame
    delivered: Mapping[tuple[str, str], int]
    expected: Mapping[tuple[str, str], int]
    there: Mapping[tuple[str, str], frozenset[str]]
    awaited: Mapping[tuple[str, str], frozenset[str]]

    @property
    def has_swv(self) -> bool:
        """Whether any site belongs to an SWV; without one there is no such level."""
        return bool(self.sites["swv"].notna().any())


def tabulate(
    session: Session, period: Period, contract: Contract, submissions: Sequence[str] | None = None
) -> list[SectorTable]:
    """The tables of all sectors from which at least one site delivered, in the order of the contract.

    Args:
        session: reads the register and the counts.
        period: the delivery round.
        contract: what was delivered.
        submissions: what counts; the confirmed submissions by default.
    """
    asked = [facts for facts in sites_on(session, period.reference_date) if facts.funded]
    boards = pd.DataFrame(boards_since(session, period.reference_date), columns=["site", "board"])
    counts = _counts_of(session, counted(session, period) if submissions is None else submissions)
    tables = []
    for sector in contract.subdivisions:
        of_sector = [facts for facts in asked if facts.sector == sector]
        codes = {facts.site for facts in of_sector}
        mine = counts[counts["site"].isin(codes)].reset_index(drop=True)
        if not mine.empty:
            tables.append(_sector_table(sector, contract, of_sector, mine, boards))
    return tables


def band_levels(contract: Contract) -> pd.DataFrame:
    """The bands as a hierarchy: leaf band, `half` where the contract has margins, total."""
    frame = pd.DataFrame({"band": list(contract.bands.upper)})
    if contract.bands.margins:
        half = {band: margin for margin, bands in contract.bands.margins.items() for band in bands}
        frame[HALF] = frame["band"].map(half)
    frame[TOTAL] = TOTAL
    return frame


def _counts_of(session: Session, submissions: Sequence[str]) -> pd.DataFrame:
    query = select(col(Submission.site), col(Count.subdivision), col(Count.kind), col(Count.band), col(Count.pupils))
    query = query.join(Count, col(Count.submission_id) == Submission.id)
    rows = [
        row
        for first in range(0, len(submissions), _AT_ONCE)
        for row in session.execute(query.where(col(Submission.id).in_(submissions[first : first + _AT_ONCE])))
    ]
    return pd.DataFrame(rows, columns=["site", "subdivision", "kind", "band", "pupils"])


def _sector_table(
    sector: str, contract: Contract, asked: Sequence[SiteFacts], counts: pd.DataFrame, boards: pd.DataFrame
) -> SectorTable:
    offered = contract.subdivisions[sector]
    has = counts.groupby("site")["subdivision"].unique().to_dict()
    delivered = [facts for facts in asked if facts.site in has]
    sites = pd.DataFrame([areas_of(facts) for facts in delivered])
    missing = [(site, code) for site, code in product(sites["site"], offered) if code not in has[site]]
    return SectorTable(
        sector=sector,
        counts=counts,
        sites=sites,
        boards=boards[boards["site"].isin(sites["site"])].reset_index(drop=True),
        subdivisions=pd.DataFrame({"subdivision": offered, TOTAL: TOTAL}),
        bands=band_levels(contract),
        structural_zeros=pd.DataFrame(missing, columns=["site", "subdivision"]),
        delivered=_per_area(delivered),
        expected=_per_area(asked),
        there=_in_areas((facts, has[facts.site]) for facts in delivered),
        awaited=_in_areas((facts, facts.subdivisions.split()) for facts in asked if facts.site not in has),
    )


def _in_areas(sites: Iterable[tuple[SiteFacts, Iterable[str]]]) -> dict[tuple[str, str], frozenset[str]]:
    """(level, area) → subdivisions of its sites, given those of each site."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for facts, subdivisions in sites:
        for level, area in areas_of(facts).items():
            if area is not None:
                found[level, area] = found.get((level, area), frozenset()).union(subdivisions)
    return found


def _per_area(sites: Sequence[SiteFacts]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for facts in sites:
        for level, area in areas_of(facts).items():
            if area is not None:
                found[level, area] = found.get((level, area), 0) + 1
    return found
