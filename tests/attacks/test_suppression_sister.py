"""The sister school: it knows its own figures and reads its region's, and its board has no other school there."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import pytest

from gateway.collections import TOTAL, load_contracts
from gateway.publish.protecting import protect_sector
from gateway.store import SiteFacts
from gateway.tabulate import SectorTable, _sector_table
from policies.purpose import load_purposes

CONTRACT = load_contracts()["absence-counts"]
PLAN = load_purposes().plan(["absence-insight-swv", "absence-insight-gemeente", "national-picture"])
READER, SISTER = "00AB00", "00AC00"
# Site, board, gemeente, SWV; and its pupils, those with more than 10 % and more than 20 % absence, always of illness.
ONE_BOARD = {
    (READER, "ORG-1", "GM9901", "PO9901"): (120, 46, 20), (SISTER, "ORG-1", "GM9901", "PO9901"): (40, 3, 1),
    ("00AD00", "ORG-2", "GM9902", "PO9902"): (90, 30, 9), ("00AE00", "ORG-3", "GM9902", "PO9902"): (90, 31, 8),
    ("00AF00", "ORG-4", "GM9902", "PO9902"): (90, 35, 11),
}  # fmt: skip
ANOTHER_BOARD_BESIDE = {
    (READER, "ORG-1", "GM9901", "PO9901"): (120, 60, 20), (SISTER, "ORG-1", "GM9901", "PO9901"): (40, 2, 0),
    ("00AD00", "ORG-2", "GM9901", "PO9901"): (150, 65, 19), ("00AE00", "ORG-3", "GM9902", "PO9902"): (130, 51, 8),
    ("00AF00", "ORG-4", "GM9902", "PO9902"): (110, 45, 11),
}  # fmt: skip


def figures(pupils: int, above10: int, above20: int) -> Mapping[str, tuple[int, ...]]:
    """Per kind the pupils of each band, lowest first: nobody missed anything else."""
    absent = (pupils - above10, 0, above10 - above20, above20)
    return {kind: (pupils, 0, 0, 0) if kind == "unauthorised" else absent for kind in CONTRACT.kinds.members}


def table_of(schools: Mapping[tuple[str, ...], tuple[int, int, int]]) -> SectorTable:
    """These schools, as they delivered."""
    since = {"valid_from": dt.date(2026, 8, 1), "sector": "po", "subdivisions": "undivided"}
    facts = [SiteFacts(site=s, board=b, gemeente=g, swv=w, **since) for s, b, g, w in schools]
    cells = [
        (one.site, "undivided", kind, band, pupils)
        for one, counted in zip(facts, schools.values(), strict=True)
        for kind, column in figures(*counted).items()
        for band, pupils in zip(CONTRACT.bands.upper, column, strict=True)
    ]
    counts = pd.DataFrame(cells, columns=["site", "subdivision", "kind", "band", "pupils"])
    boards = pd.DataFrame([(one.site, one.board) for one in facts], columns=["site", "board"])
    return _sector_table("po", CONTRACT, facts, counts, boards)


@pytest.mark.parametrize("schools", [ONE_BOARD, ANOTHER_BOARD_BESIDE], ids=["one board", "another board beside"])
@pytest.mark.parametrize("seed", [bytes([number]) * 32 for number in range(3)], ids=["seed 0", "seed 1", "seed 2"])
def test_a_school_does_not_read_its_sister(
    schools: Mapping[tuple[str, ...], tuple[int, int, int]], seed: bytes
) -> None:
    """Of its region it takes off its own figure, and every school of it whose figure is out: its sister is not left."""
    frame = protect_sector(table_of(schools), CONTRACT, PLAN, seed=seed).protected.frame
    frame = frame[(frame["kind"] == "illness") & (frame["subdivision"] == TOTAL) & (frame["band"] == "above10")]
    out = frame.set_index("site")["value"]
    own = {READER: schools[next(school for school in schools if school[0] == READER)][1]}
    others = [site for site, _, _, swv in schools if swv == "PO9901" and site not in {READER, SISTER}]
    left = out["PO9901"] - own[READER] - sum(out[site] for site in others)
    assert pd.isna(left)
    assert pd.isna(out[SISTER])


@pytest.mark.parametrize("seed", [bytes([number]) * 32 for number in range(3)], ids=["seed 0", "seed 1", "seed 2"])
@pytest.mark.parametrize("reader", ["a school of two sites", "a board before it takes a school over"])
def test_who_knows_two_schools_does_not_read_the_third(reader: str, seed: bytes) -> None:
    """The third is of the same board, or will be: the region less the two that are known is not its figure."""
    own, third = ("00AB00", "00AB01"), "00CD00"
    schools = {
        (own[0], "ORG-1", "GM9901", "PO9901"): (120, 46, 20), (own[1], "ORG-1", "GM9901", "PO9901"): (150, 60, 19),
        (third, "ORG-1", "GM9901", "PO9901"): (40, 3, 1), ("00AD00", "ORG-2", "GM9902", "PO9902"): (90, 30, 9),
        ("00AE00", "ORG-3", "GM9902", "PO9902"): (90, 31, 8), ("00AF00", "ORG-4", "GM9902", "PO9902"): (90, 35, 11),
    }  # fmt: skip
    table = table_of(schools)
    if reader != "a school of two sites":
        now = pd.DataFrame({"site": own, "board": "ORG-1 2026-10-01--2027-01-01"})
        table = replace(table, boards=pd.concat([table.boards, now], ignore_index=True))
    made = protect_sector(table, CONTRACT, PLAN, seed=seed)
    frame = made.protected.frame
    told = frame[(frame["subdivision"] == TOTAL) & (frame["kind"] == "illness")].set_index(["site", "band"])["value"]
    assert made.protected.certificate["verdicts"] == {"exact": 0, "narrowed": 0, "safe": "all"}
    assert pd.isna(told["PO9901", "above10"])
    assert pd.isna(told["PO9901", "above20"])
