"""A deployment's own purposes and collections: rows of pupils are like all, and a collection asks what it knows."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gateway.access import Held, answer
from gateway.app import demand_workable
from gateway.changes import Changed, change_numbers
from gateway.collections import CONTRACTS, load_contracts
from gateway.demo.people import IN_FORCE, must
from gateway.identity import Identity
from gateway.messages import MendableError
from gateway.overview import own_periods, progress
from gateway.receive import Received, Upload, receive
from gateway.retention import overdue, run
from gateway.settings import Settings
from gateway.synthetic.pupils import draw_pupils
from policies.purpose import PACKAGED
from pseudonymisation.pseudonym import read_pseudonym

from .conftest import PERIOD, TABLE, World
from .documents import local_pseudonym, records_document
from .records import rows
from .test_changes import NEW, YEAR, document

COUNTING = (PACKAGED / "purposes" / "counting-for-school.toml").read_text(encoding="utf-8")
STATUTORY = (PACKAGED / "purposes" / "statutory-counts.toml").read_text(encoding="utf-8")
RECORDS = (CONTRACTS / "absence-records.toml").read_text(encoding="utf-8")
COUNTS = (CONTRACTS / "absence-counts.toml").read_text(encoding="utf-8")


def deployment(new_world: Callable[..., World], folder: Path, *purposes: str, **contracts: str) -> World:
    """One with purposes of its own, whose names come before those of the product's, and contracts of its own."""
    (folder / "own").mkdir()
    (folder / "contracts").mkdir()
    for number, purpose in enumerate(purposes):
        text = re.sub('^id = ".*"', f'id = "attendance-{number}"', purpose)
        (folder / "own" / f"attendance-{number}.toml").write_text(text, encoding="utf-8")
    for name, contract in contracts.items():
        (folder / "contracts" / f"{name}.toml").write_text(contract, encoding="utf-8")
    folders = {"purposes": (folder / "own",), "collections": (folder / "contracts",)}
    return new_world(settings=Settings(in_force=IN_FORCE, **folders))


def delivered(world: World, collection: str = "absence-records", period: str = PERIOD) -> bytes:
    """Let the first site deliver rows in a collection; returns the pseudonym of its first pupil."""
    site = world.region.sites[0]
    pupils = draw_pupils(site, index=0, period=1, seed=1)
    body = records_document(pupils, world.gateway.contracts[collection], site=site.code, period=period)
    outcome = receive(world.gateway, world.site(0), Upload(collection, site.code, period, body))
    assert isinstance(outcome, Received), outcome
    world.sequence()
    return read_pseudonym(local_pseudonym(int(pupils.numbers[0]), site.code.encode()))


def asked(world: World, pseudonym: bytes) -> Held:
    """What the first site answers the parents of a pupil."""
    held = answer(world.gateway, Identity(world.region.sites[0].code, "school"), year=YEAR, pseudonym=pseudonym)
    assert isinstance(held, Held), held
    return held


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("", ""),
        ("valid_from = 2025-08-01", "valid_from = 2025-08-01\nvalid_until = 2026-11-01"),
        ("valid_from = 2025-08-01", "valid_from = 2027-08-01"),
        ('status = "in_force"', 'status = "undecided"\nreason = { nl = "proef", en = "test" }'),
    ],
    ids=["works", "ended", "begins next year", "undecided"],
)
def test_rows_of_a_second_purpose_are_rows_like_any(
    new_world: Callable[..., World], tmp_path: Path, was: str, becomes: str
) -> None:
    """Whether it works today or not, they are found, changed and erased, and no delivery is refused."""
    world = deployment(new_world, tmp_path, COUNTING.replace(was, becomes, 1) if was else COUNTING)
    pseudonym = delivered(world)
    held = asked(world, pseudonym)
    assert (len(held.rows), held.beyond_reach) == (1, False)
    assert change_numbers(world.gateway, world.site(0), document(world, (pseudonym, NEW))) == Changed(pupils=1, rows=1)
    over = world.at(datetime(2027, 8, 31, 10, tzinfo=UTC))
    assert overdue(over.gateway) == len(rows(world)) > 0
    must(run(over.gateway, world.desk.identity))
    assert rows(world) == []


def test_a_contract_stays_as_long_as_its_periods(new_world: Callable[..., World], tmp_path: Path) -> None:
    """A pilot is over and its files are taken away: no process starts without the contract of a period that is kept."""
    world = deployment(new_world, tmp_path, **{"pilot-counts": COUNTS.replace("absence-", "pilot-")})
    without = replace(world.gateway, contracts=load_contracts())
    demand_workable(without)
    days = {"reference_date": date(2026, 10, 1), "deadline": date(2026, 12, 1)}
    must(world.desk.open_period("pilot-counts", f"{YEAR}-2", **days, exercise=True))
    demand_workable(world.gateway)
    with pytest.raises(MendableError, match="pilot-counts"):
        demand_workable(without)


def test_rows_of_an_own_collection_are_found_and_changed(new_world: Callable[..., World], tmp_path: Path) -> None:
    """Its own purposes, contracts, table and periods: parents are answered, and a pupil goes on under a new number."""
    rows_of = COUNTING.replace('["absence-records"]', '["pilot-records"]')
    counts_of = STATUTORY.replace('["absence-counts", "absence-records"]', '["pilot-counts", "pilot-records"]')
    counts_of = counts_of.replace('status = "proposed"', 'status = "in_force"')
    own = {"pilot-records": RECORDS.replace("absence-", "pilot-"), "pilot-counts": COUNTS.replace("absence-", "pilot-")}
    world = deployment(new_world, tmp_path, rows_of, counts_of, **own)
    days = {"reference_date": date(2026, 10, 1), "deadline": date(2026, 12, 1)}
    must(world.desk.open_period("pilot-counts", f"{YEAR}-2", **days, exercise=True))
    pseudonym = delivered(world, "pilot-records", f"{YEAR}-2")
    held = asked(world, pseudonym)
    assert ([row.collection for row in held.rows], held.beyond_reach) == (["pilot-records"], False)
    body = document(world, (pseudonym, NEW), period=f"{YEAR}-2")
    assert change_numbers(world.gateway, world.site(0), body) == Changed(pupils=1, rows=1)


PILOT = re.sub(
    r"(?s)\[subdivisions\].*?\n\n",
    '[subdivisions]\npo = ["young", "old"]\n\n',
    COUNTS.replace(f'"{TABLE}"', '"pilot-counts"'),
)
STATUTORY = (PACKAGED / "purposes" / "statutory-counts.toml").read_text(encoding="utf-8")
TAKING = STATUTORY.replace("proposed", "in_force", 1)


@pytest.fixture
def pilot(new_world: Callable[..., World], tmp_path: Path) -> World:
    """A pilot of primary schools by other subdivisions; the register lists for the first of them those of both."""
    purpose = re.sub(r"(?m)^collections = .*", 'collections = ["pilot-counts"]', TAKING)
    world = deployment(new_world, tmp_path, purpose.replace("statutory-counts", "counting-for-school"), pilot=PILOT)
    days = {"reference_date": date(2026, 10, 1), "deadline": date(2026, 12, 1)}
    must(world.desk.open_period("pilot-counts", PERIOD, **days, exercise=True))
    first = world.region.sites[place_of(world, "po")].entry
    both = replace(first, subdivisions=(*first.subdivisions, "young", "old"))
    must(world.desk.register([both], [], date(2026, 8, 1)))
    return world


def place_of(world: World, sector: str) -> int:
    """The place of the first site of a sector."""
    return next(place for place, site in enumerate(world.region.sites) if site.sector == sector)


@pytest.mark.parametrize(("table", "kept"), [("pilot-counts", ("young", "old")), (TABLE, ())])
def test_of_what_a_site_offers_a_collection_asks_what_it_knows(pilot: World, table: str, kept: tuple[str, ...]) -> None:
    """The register has one list for all collections: what is another's is neither missed nor asked."""
    place = place_of(pilot, "po")
    site, contract = pilot.region.sites[place], pilot.gateway.contracts[table]
    first = next(iter(contract.bands.upper))
    cells = [(*cell, 20 if cell[2] == first else 0) for cell in contract.cells(kept or site.subdivisions)]
    body = "\n".join(["subdivision;kind;band;pupils", *(";".join(map(str, cell)) for cell in cells)])
    assert isinstance(
        receive(pilot.gateway, pilot.site(place), Upload(table, site.code, PERIOD, body.encode())), Received
    )


def test_a_collection_asks_the_sectors_it_knows(pilot: World) -> None:
    """Nobody waits for a secondary school in a collection of primary ones, nor does it read that it has to deliver."""
    region, gateway = pilot.region, pilot.gateway
    primary = sum(site.sector == "po" for site in region.sites)
    with gateway.reading() as session:
        found = {
            each.period.table_id: each.period
            for each in own_periods(gateway, session, region.sites[place_of(pilot, "po")].code)
        }
        asked = {table: progress(session, gateway.contracts, period).expected for table, period in found.items()}
        secondary = own_periods(gateway, session, region.sites[place_of(pilot, "vo")].code)
    assert asked == {TABLE: len(region.sites), "pilot-counts": primary}
    assert [each.period.table_id for each in secondary] == [TABLE]
