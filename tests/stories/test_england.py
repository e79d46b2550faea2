"""Real figures through the real gateway: 1,101 English schools, their authorities and region.

Contract and purposes are data files beside this test; no product code knows them. The outcome is printed with `-s`.
"""

import csv
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pytest

from disclosure import Hierarchy, attack
from gateway.app import create_deployment
from gateway.context import Gateway, operator_of
from gateway.deliveries import confirm
from gateway.demo.people import must
from gateway.demo.releasing import release_it
from gateway.formats.write import Format
from gateway.identity import Identity
from gateway.operate import Desk
from gateway.periods import school_year_on
from gateway.publish.downloading import download
from gateway.receive import Received, Upload, receive
from gateway.register import SiteEntry
from gateway.settings import Home, Settings, database_url
from gateway.table import TableRow, decode_rows
from gateway.working import background
from policies.days import LOCAL

HERE = Path(__file__).parent / "england"
SECTORS = {"State-funded primary": "po", "State-funded secondary": "vo", "Special": "so"}
MIN_DENOMINATOR = 9
TABLE, PERIOD = "persistent-absence", school_year_on(datetime.now(tz=LOCAL).date())  # the figures are of 2018


@dataclass(frozen=True)
class School:
    """One English school in our codes."""

    code: str
    sector: str
    gemeente: str
    enrolled: int
    absent: int


def schools(file: Path) -> Iterator[School]:
    """Schools of the real file: site = school, gemeente = local authority."""
    authorities: dict[str, str] = {}
    with file.open(newline="") as source:
        for index, row in enumerate(csv.DictReader(source)):
            gemeente = authorities.setdefault(row["new_la_code"], f"GM{len(authorities) + 1:04}")
            letters = chr(ord("A") + index // 100 // 26) + chr(ord("A") + index // 100 % 26)
            yield School(
                f"70{letters}{index % 100:02}",
                SECTORS[row["school_type"]],
                gemeente,
                int(row["enrolments"]),
                int(row["enrolments_pa_10_exact"]),
            )


@pytest.fixture(scope="module")
def england(shared: Path) -> list[School]:
    """The schools of the North East of England in 2018/19."""
    return list(schools(shared / "data" / "uk_dfe_absence_school_201819_dev.csv"))


def deployment(folder: Path, england: list[School]) -> Gateway:
    settings = Settings(purposes=(HERE / "purposes",), collections=(HERE / "collections",))
    gateway = create_deployment(Home(folder, database_url(folder / "gateway.sqlite")), settings)
    desk = Desk(gateway, operator_of(gateway))
    entries = [
        SiteEntry(s.code, s.code, s.sector, ("undivided",), f"ORG-{s.code}", s.gemeente, None, s.enrolled)
        for s in england
    ]
    must(desk.register(entries, [], date(2018, 8, 1)))
    must(desk.open_period(TABLE, PERIOD, reference_date=gateway.today, deadline=gateway.today, exercise=True))
    return gateway


def deliver(gateway: Gateway, school: School) -> None:
    counts = f"undivided;all;upto10;{school.enrolled - school.absent}\nundivided;all;above10;{school.absent}\n"
    upload = Upload(TABLE, school.code, PERIOD, f"subdivision;kind;band;pupils\n{counts}".encode())
    received = receive(gateway, Identity(school.code, "machine"), upload)
    assert isinstance(received, Received)
    must(confirm(gateway, Identity(school.code, "machine"), received.submission.id))


def slice_of(gateway: Gateway, release_id: str, identity: Identity | None) -> list[TableRow]:
    body = must(download(gateway, identity, release_id, Format.CSV)).body
    return list(decode_rows(body.split(b"\r\n", 1)[1]))


def truth_of(england: list[School], sector: str) -> dict[tuple[str, str], tuple[int, int]]:
    """(level, area) → enrolled and absent, as only the operator knows."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for school in england:
        if school.sector == sector:
            for place in (("site", school.code), ("gemeente", school.gemeente), ("country", "NL")):
                enrolled, absent = sums.get(place, (0, 0))
                sums[place] = (enrolled + school.enrolled, absent + school.absent)
    return sums


def attacked(pooled: set[TableRow], england: list[School], sector: str) -> tuple[int, int, int]:
    """Exact, narrowed and all small cells of a sector, for who pools every slice and is told which cells are small."""
    truth = truth_of(england, sector)
    rows = [row for row in pooled if row.sector == sector and row.status in ("published", "suppressed")]
    frame = pd.DataFrame(
        [
            (r.area, r.level, "total", "total", "all", "kind", r.band, "total" if r.band == "total" else "band",
             int(r.pupils) if r.pupils else None)
            for r in rows
        ],
        columns=["site", "site_level", "subdivision", "subdivision_level", "kind", "kind_level", "band", "band_level",
                 "value"],
    ).astype({"value": "Int64"})  # fmt: skip
    told = []
    for place, (enrolled, absent) in truth.items():
        if enrolled >= MIN_DENOMINATOR and (absent < 5 or enrolled - absent < 5):
            least = {"above10": 0, "upto10": enrolled - 4} if absent < 5 else {"above10": enrolled - 4, "upto10": 0}
            told += [(*reversed(place), band, low, low + 4) for band, low in least.items()]
    small = pd.DataFrame(told, columns=["site", "site_level", "band", "lower", "upper"]).assign(
        subdivision="total", subdivision_level="total", kind="all", kind_level="kind", band_level="band"
    )
    sites = pd.DataFrame([(s.code, s.gemeente, "NL") for s in england if s.sector == sector],
                         columns=["site", "gemeente", "country"])  # fmt: skip
    hierarchies = {
        "site": Hierarchy("site", sites, paths=[("gemeente", "country")]),
        "subdivision": Hierarchy("subdivision", pd.DataFrame({"subdivision": ["undivided"], "total": ["total"]}),
                                 paths=[("total",)]),
        "kind": Hierarchy.separate("kind"),
        "band": Hierarchy("band", pd.DataFrame({"band": ["upto10", "above10"], "total": ["total"] * 2}),
                          paths=[("total",)]),
    }  # fmt: skip
    bounds = attack(frame, dimensions=hierarchies, small=small, cells=small)
    width = (bounds["upper"] - bounds["lower"]).to_numpy()
    return int((width == 0).sum()), int(((width > 0) & (width < 4)).sum()), len(small)


def test_no_school_with_nought_to_four_can_be_read_or_derived(england: list[School], tmp_path: Path) -> None:
    """All authorities pool what they received with the public table, and learn no small count, exactly or narrowed."""
    began = time.monotonic()
    gateway = deployment(tmp_path / "data", england)
    with background(gateway, threading.Event()):
        for school in england:
            deliver(gateway, school)
        released = release_it(gateway, PERIOD, TABLE)
        everyone = [Identity(code, "machine") for code in sorted({school.gemeente for school in england})]
        pooled = {row for identity in (*everyone, None) for row in slice_of(gateway, released.release_id, identity)}
    small = {school.code for school in england if school.absent < 5}
    shown = {row.area: row.pupils for row in pooled if row.level == "site" and row.band == "above10"}
    assert len(small) == 117
    assert not [code for code in small if shown[code]]
    verdicts = [attacked(pooled, england, sector) for sector in ("po", "vo", "so")]
    assert [(exact, narrowed) for exact, narrowed, _ in verdicts] == [(0, 0)] * 3
    status = Counter(row.status for row in pooled)
    print(  # noqa: T201  the figures of the closing note
        f"\n{len(pooled)} cells, {status['published']} published, {status['suppressed']} suppressed; "
        f"{sum(small for *_, small in verdicts)} small cells attacked by LP: 0 exact, 0 narrowed; "
        f"{time.monotonic() - began:.0f} s"
    )
