"""A reader of two tables of one period: each by itself hides what the other shows of the same pupils."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlmodel import select

import policies
from gateway.collections import CONTRACTS, load_contracts
from gateway.demo.people import IN_FORCE, must
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.periods import school_year
from gateway.publish.asking import methods_used, request_build
from gateway.publish.building import build
from gateway.publish.deciding import publish, review, withdraw_release
from gateway.publish.ledger import fix_methods
from gateway.store import Count, Period, Release, ReleaseState, Submission
from policies.engine import Engine
from policies.purpose import InForce
from tests.databases import KINDS
from tests.gateway.conftest import PERIOD, TABLE, World, copied_world
from tests.gateway.noisy_release import delivered, person
from tests.gateway.test_correcting import rows
from tests.gateway.test_deciding import CARE, LIKE, working

from .moment import at_once

TWIN, OTHER = "twin-counts", "other-counts"
KIND = r"\b(unauthorised|authorised|illness|all)\b"


@dataclasses.dataclass(frozen=True)
class Two:
    """A deployment in which two tables of one period are approved, and who built them."""

    world: World
    who: Identity
    built: Mapping[str, Release]

    def publish(self, table: str) -> Release | Refused:
        """Publish what was built of a table."""
        return publish(self.world.gateway, self.who, self.built[table].id, reason="due")

    def states(self) -> dict[str, str]:
        """Where the releases stand."""
        with self.world.gateway.reading() as session:
            return {table: session.get_one(Release, each.id).state for table, each in self.built.items()}


def with_tables(world: World, folder: Path) -> World:
    """The same deployment with a table of the same kinds and one of kinds of its own, released for one more purpose."""
    text = (CONTRACTS / f"{TABLE}.toml").read_text(encoding="utf-8")
    (folder / "twin.toml").write_text(text.replace(f'"{TABLE}"', f'"{TWIN}"'), encoding="utf-8")
    other = re.sub(KIND, r"other_\1", text).replace(f'"{TABLE}"', f'"{OTHER}"')
    (folder / "other.toml").write_text(other, encoding="utf-8")
    gateway = dataclasses.replace(world.gateway, contracts=load_contracts(folder))
    purpose = (Path(policies.__file__).parent / "purposes" / f"{LIKE}.toml").read_text(encoding="utf-8")
    collections = re.sub(r"(?m)^collections = .*", f'collections = ["{TWIN}", "{OTHER}"]', purpose.replace(LIKE, CARE))
    (folder / "purposes").mkdir()
    (folder / "purposes" / f"{CARE}.toml").write_text(collections, encoding="utf-8")
    word = InForce(purpose=CARE, from_date=IN_FORCE[0].from_date, citation="test")
    engine = Engine.load(purposes=[folder / "purposes"], in_force=[*IN_FORCE, word])
    return working(World(gateway, world.region), engine)


def copy_counts(world: World, table: str) -> None:
    """What was delivered for the period is there for another table of it too."""
    with world.gateway.writing() as session:
        first = session.exec(select(Period).where(Period.table_id == TABLE)).one()
        again = Period(**first.model_dump(exclude={"id"}) | {"table_id": table})
        session.add(again)
        session.flush()
        for sent in session.exec(select(Submission).where(Submission.period_id == first.id)).all():
            told = {"id": world.gateway.new_id(), "period_id": again.id, "collection": table}
            session.add(Submission(**sent.model_dump() | told))
            session.flush()
            for count in session.exec(select(Count).where(Count.submission_id == sent.id)).all():
                kind = f"other_{count.kind}" if table == OTHER else count.kind
                session.add(Count(**count.model_dump() | {"submission_id": told["id"], "kind": kind}))


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Two tables of the same pupils, each built and approved before the other left."""
    folder = tmp_path_factory.mktemp("two")
    with copied_world(request, folder / "data") as small:
        world = with_tables(delivered(small), folder)
        for table in (TWIN, OTHER):
            copy_counts(world, table)
        builder, approver = person(world, "builder"), person(world, "approver")
        built = {table: must(request_build(world.gateway, builder, table, PERIOD)) for table in (TABLE, TWIN)}
        for release in built.values():
            build(world.gateway, release.id)
            must(review(world.gateway, approver, release.id, approved=True, reason="checked"))
        yield Two(world, builder, built)


@pytest.fixture
def two(made: Two) -> Two:
    """Both approved and none of them out, in a school year in which figures of their sectors left before."""
    with made.world.gateway.writing() as session:
        for each in made.built.values():
            release = session.get_one(Release, each.id)
            release.state = ReleaseState.APPROVED
            assert fix_methods(session, methods_used(release), school_year(PERIOD)) is None
    return made


def test_side_by_side_they_would_show_what_is_hidden(made: Two) -> None:
    """Each is safe by itself, and cells that one of them hides stand in the other."""
    one, other = (rows(made.world.gateway, each) for each in made.built.values())
    pairs = [{one[cell].status, other[cell].status} for cell in one.keys() & other.keys()]
    assert {"published", "suppressed"} in pairs


def test_the_second_is_not_published(two: Two) -> None:
    """Approved before the first was out, it stays where it is; the refusal says which table is in the way."""
    must(two.publish(TABLE))
    refused = two.publish(TWIN)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.facts["period"], refused.facts["table"]) == ("other-table", PERIOD, TABLE)
    assert two.states() == {TABLE: ReleaseState.PUBLISHED, TWIN: ReleaseState.APPROVED}


def test_what_was_withdrawn_is_still_known(two: Two) -> None:
    """Whoever fetched the first table has it: the second is not published after it was withdrawn either."""
    must(two.publish(TABLE))
    must(withdraw_release(two.world.gateway, two.who, two.built[TABLE].id, reason="a fault"))
    assert getattr(two.publish(TWIN), "code", "") == "other-table"


@pytest.mark.parametrize(("table", "code"), [(TWIN, "other-table"), (OTHER, "")])
def test_a_second_one_is_not_built(two: Two, table: str, code: str) -> None:
    """Where the first is out, one that shares a kind is not even built; one of other kinds is."""
    must(two.publish(TABLE))
    must(review(two.world.gateway, two.who, two.built[TWIN].id, approved=False, reason="too late"))
    assert getattr(request_build(two.world.gateway, two.who, table, PERIOD), "code", "") == code


def test_of_two_at_once_one_is_published(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both past the law and past each other: one is out, the other is refused."""
    outcomes = at_once(monkeypatch, *(lambda table=table: two.publish(table) for table in (TABLE, TWIN)))
    assert sorted(getattr(each, "code", "") for each in outcomes) == ["", "other-table"]
    assert sorted(two.states().values()) == [ReleaseState.APPROVED, ReleaseState.PUBLISHED]
