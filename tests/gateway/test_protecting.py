"""The rows of a release: what stands where nobody delivered."""

import datetime as dt

import pandas as pd

from gateway.collections import TOTAL, load_contracts
from gateway.publish.protecting import slices
from gateway.store import SiteFacts
from gateway.tabulate import _sector_table
from policies.purpose import load_purposes

PLAN = load_purposes().plan(["absence-insight-swv", "absence-insight-gemeente", "national-picture"])
CONTRACT = load_contracts()["absence-counts"]
FRAME = ["site", "site_level", "subdivision", "kind", "band", "value", "status"]


def site(code: str, subdivisions: str) -> SiteFacts:
    """A secondary school of one SWV."""
    return SiteFacts(
        site=code, valid_from=dt.date(2026, 8, 1), sector="vo", subdivisions=subdivisions, board="ORG-1",
        gemeente="GM9901", swv="VO9901",
    )  # fmt: skip


def test_a_subdivision_of_a_school_that_did_not_deliver_is_not_delivered() -> None:
    """The only school with havo is late: its SWV reads so, and of vwo, which nobody there has, that there is none."""
    counts = pd.DataFrame([("00AB00", "vmbo", "all", "upto5", 300)], columns=["site", *FRAME[2:5], "pupils"])
    table = _sector_table("vo", CONTRACT, [site("00AB00", "vmbo"), site("00AC00", "havo")], counts)
    found = slices("2026-2027-1", table, CONTRACT, PLAN, pd.DataFrame(columns=FRAME))
    said = {(row.area, row.subdivision, row.status) for part in found for row in part.rows if row.subdivision != TOTAL}
    assert {each for each in said if each[0] == "VO9901" and each[1] in {"havo", "vwo"}} == {
        ("VO9901", "havo", "not_delivered"),
        ("VO9901", "vwo", "not_applicable"),
    }
