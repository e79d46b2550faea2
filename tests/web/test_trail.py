"""The log as officers read it: proofs in steps, and a verdict that notices."""

import pytest
from sqlalchemy import text

from audit.errors import EntryError
from audit.merkle import leaf_hash, node_hash
from audit.note import Signer
from audit.timeline import Filter
from gateway import trail
from gateway.demo.people import MINISTER, must
from gateway.identity import Identity
from gateway.outcome import Refused
from tests.gateway.conftest import World

OFFICER = Identity(MINISTER, "controller-officer")


@pytest.fixture
def logged(small_world: World) -> World:
    """A deployment whose log has been sequenced and signed."""
    small_world.sequence()
    return small_world


def leaves(world: World, wanted: Filter = Filter()) -> list[str]:  # noqa: B008  a frozen value
    """Leaf hashes of the newest entries that fit."""
    found = must(trail.timeline(world.gateway, OFFICER, wanted))
    return [leaf_hash(each.data).hex() for each in found.found]


def test_a_proof_leads_from_the_entry_to_what_was_signed(logged: World) -> None:
    """Each step joins the neighbour on the right side, and the last result is the signed root."""
    for leaf in leaves(logged)[:5]:
        proven = must(trail.entry(logged.gateway, OFFICER, leaf))
        have = bytes.fromhex(leaf)
        for step in proven.steps:
            neighbour = bytes.fromhex(step.neighbour)
            have = node_hash(neighbour, have) if step.left else node_hash(have, neighbour)
            assert have.hex() == step.result
        covered = {proven.found.place.index}.union(*(range(s.first, s.last + 1) for s in proven.steps))
        assert covered == set(range(proven.size))


def test_looking_is_itself_an_entry(logged: World) -> None:
    """Whoever reads the timeline finds the own looks in it the next time."""
    leaves(logged)
    logged.sequence()
    assert leaves(logged, Filter(event="audit.viewed"))


def test_a_school_may_not_look(logged: World) -> None:
    """Somebody without the role is refused, and that is logged too."""
    school = Identity(logged.region.sites[0].code, "school")
    assert isinstance(trail.timeline(logged.gateway, school, Filter()), Refused)
    assert isinstance(trail.take_out(logged.gateway, school), Refused)
    logged.sequence()
    assert leaves(logged, Filter(decision="deny"))


def test_an_officer_is_held_to_its_own_organisation(logged: World) -> None:
    """A filter on somebody else shows nothing more; the count of values is of the own scope too."""
    site = logged.region.sites[0].code
    officer = Identity(site, "privacy-officer")
    mine = must(trail.timeline(logged.gateway, officer, Filter()))
    other = must(trail.timeline(logged.gateway, officer, Filter(viewer=None, organisation=logged.region.sites[1].code)))
    assert mine.found
    assert not other.found
    assert sum(mine.values["event"].values()) == len(mine.found)


def test_a_correction_is_a_new_entry_that_points_back(logged: World) -> None:
    """What was wrong stays as it is; who may not see an entry cannot correct it, nor is a code guessed."""
    wrong = leaves(logged, Filter(event="period.opened"))[0]
    made = must(trail.correct(logged.gateway, OFFICER, wrong, period="2027-2028-1"))
    logged.sequence()
    proven = must(trail.entry(logged.gateway, OFFICER, made))
    assert (proven.fields["event"], proven.fields["cause"], proven.fields["period"]) == (
        "entry.corrected", wrong, "2027-2028-1",
    )  # fmt: skip
    assert wrong in leaves(logged, Filter(event="period.opened"))
    other = Identity(logged.region.sites[0].code, "privacy-officer")
    assert trail.correct(logged.gateway, other, wrong) == Refused("not-found")
    for nothing in ("ab" * 32, "no hash"):
        assert trail.correct(logged.gateway, OFFICER, nothing) == Refused("not-found")
    with pytest.raises(EntryError):
        trail.correct(logged.gateway, OFFICER, wrong, party="Jan")


def test_pages_of_the_timeline_follow_each_other(logged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry is on exactly one page."""
    monkeypatch.setattr(trail, "PAGE", 3)
    places, before = [], None
    while True:
        page = must(trail.timeline(logged.gateway, OFFICER, Filter(until=logged.gateway.log.clock() + 1), before))
        places += [each.place.index for each in page.found]
        if page.more is None:
            break
        before = page.more
    assert places == sorted(set(places), reverse=True)
    assert places[-1] == 0


def test_a_log_in_order_is_said_to_be_so(logged: World) -> None:
    """Entry and whole log pass, and the check is logged."""
    assert must(trail.check_entry(logged.gateway, OFFICER, leaves(logged)[0]))[1].fault == ""
    verdict = must(trail.check_log(logged.gateway, OFFICER))
    assert (verdict.fault, verdict.signed_by) == ("", "verzuimpoort.example/audit/2026-2027")
    logged.sequence()
    assert len(leaves(logged, Filter(event="audit.verified"))) == 2


def test_a_log_signed_by_somebody_else_is_noticed(logged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other keys than the ones kept, neither an entry nor the log passes."""
    stranger = Signer("verzuimpoort.example/audit/2026-2027", bytes(32)).key
    policy = f"log {stranger}\nreceipt {logged.gateway.receipts.key}\nquorum none\n"
    monkeypatch.setattr(trail, "policy_text", lambda _: policy)
    assert must(trail.check_entry(logged.gateway, OFFICER, leaves(logged)[0]))[1].fault == "key"
    assert must(trail.check_log(logged.gateway, OFFICER)).fault == "key"


def test_a_changed_entry_is_named(logged: World) -> None:
    """Somebody with the database's own power changes one entry: the check says which."""
    with logged.gateway.database.begin() as connection:
        disarm(connection)
        connection.execute(
            text("UPDATE audit_entry SET data = (SELECT data FROM audit_entry WHERE idx = 1) WHERE idx = 3")
        )
    verdict = must(trail.check_log(logged.gateway, OFFICER))
    assert (verdict.fault, verdict.entry) == ("repeated", 3)


def disarm(connection: object) -> None:
    """Take the guards away, as only the owner of the database can."""
    execute = connection.execute  # type: ignore[attr-defined]  # a SQLAlchemy connection of either database
    if connection.dialect.name == "sqlite":  # type: ignore[attr-defined]  # likewise
        for (name,) in execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            execute(text(f'DROP TRIGGER "{name}"'))
    else:
        execute(text("ALTER TABLE audit_entry DISABLE TRIGGER ALL"))
