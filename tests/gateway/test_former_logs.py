"""The check of the log counts every log that is kept, not the one in use only, and names each."""

from functools import reduce

import pytest
from sqlalchemy import Connection, delete, select, text, update

from audit import verify
from audit.checkpoint import Checkpoint
from audit.merkle import leaf_hash, node_hash
from audit.note import Signer
from audit.schema import CHECKPOINT, CLOSING, ENTRY
from audit.timeline import Filter, find
from gateway import trail
from gateway.app import renew_log_key, yearly_log
from gateway.demo.people import MINISTER, must
from gateway.identity import Identity

from .conftest import World
from .test_yearly import AUGUST, JULY, NAME, chain

OFFICER = Identity(MINISTER, "controller-officer")
OLD, NEW = f"{NAME}/2026-2027", f"{NAME}/2027-2028"


@pytest.fixture
def turned(world: World) -> World:
    """A deployment in its second school year."""
    world.at(JULY).sequence()
    world.at(AUGUST).sequence()
    return world.at(AUGUST)


def told(world: World) -> list[tuple[str, str]]:
    """Each log that was checked, with its fault."""
    return [(each.signed_by, each.fault) for each in must(trail.check_log(world.gateway, OFFICER))]


def past_the_guards(connection: Connection) -> None:
    """As only the owner of the database can."""
    for table in ("audit_entry", "audit_checkpoint", "audit_closing"):
        if connection.dialect.name == "sqlite":
            for moment in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_{moment}_guard"))
        else:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))


def test_every_log_that_is_kept_is_counted(turned: World) -> None:
    """Each up to what it signed last, in order."""
    old, new = chain(turned)
    assert must(trail.check_log(turned.gateway, OFFICER)) == [
        trail.Verdict(entries=old.size, signed_by=OLD),
        trail.Verdict(entries=new.size, signed_by=NEW),
    ]


def test_an_entry_of_a_former_year_that_was_changed_is_found(turned: World) -> None:
    """The log in use is in order, the whole is not, and the register says so."""
    with turned.gateway.database.begin() as connection:
        past_the_guards(connection)
        connection.execute(update(ENTRY).where(ENTRY.c.log == 1, ENTRY.c.idx == 3).values(data=b"another"))
    assert told(turned) == [(OLD, "changed"), (NEW, "")]
    turned.sequence()
    with turned.gateway.reading() as session:
        assert find(session.connection(), Filter(event="audit.verified", decision="error"), limit=1)


def test_a_former_log_that_was_signed_anew_is_not_the_one_that_the_next_holds_on_to(turned: World) -> None:
    """Whoever has the key as well rewrites a year, hashes and signature included: its end is another one now."""
    old = chain(turned)[0]
    with turned.gateway.database.begin() as connection:
        past_the_guards(connection)
        forged = {"data": b"another", "hash": leaf_hash(b"another")}
        connection.execute(update(ENTRY).where(ENTRY.c.log == 1, ENTRY.c.idx == 3).values(forged))
        leaves = list(connection.scalars(select(ENTRY.c.hash).where(ENTRY.c.log == 1).order_by(ENTRY.c.idx)))
        connection.execute(delete(CHECKPOINT).where(CHECKPOINT.c.log == 1, CHECKPOINT.c.size < old.size))
        note = str(Signer(OLD, yearly_log(turned.gateway).seed).sign(Checkpoint(OLD, old.size, root_of(leaves)).text()))
        connection.execute(update(CHECKPOINT).where(CHECKPOINT.c.log == 1).values(note=note))
    assert told(turned) == [(OLD, "fork"), (NEW, "")]


def root_of(leaves: list[bytes]) -> bytes:
    """Root of a tree with these leaf hashes."""
    peaks: list[tuple[int, bytes]] = []
    verify.grow(peaks, 0, leaves)
    return reduce(lambda right, left: node_hash(left, right), (peak for _, peak in reversed(peaks)))


@pytest.mark.parametrize("signed_before", [True, False])
def test_a_log_that_was_left_is_counted_up_to_what_it_signed(
    world: World, monkeypatch: pytest.MonkeyPatch, *, signed_before: bool
) -> None:
    """A restore or a new key came before its end was signed: how much of it that is, is told."""
    if signed_before:
        world.at(JULY).sequence()
        world.desk.add_party("ORG-JGZ", "youth_health_care", "JGZ")
    with monkeypatch.context() as crash:
        crash.setattr("audit.sequencer.Sequencer._publish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.at(JULY).sequence()
    name = must(renew_log_key(world.at(JULY).desk))
    world.at(JULY).sequence()
    left, former = chain(world)[0], must(trail.check_log(world.gateway, OFFICER))
    assert [(each.signed_by, each.fault) for each in former] == [(OLD, ""), (name, "")]
    assert (former[0].entries > 0, former[0].unsigned > 0) == (signed_before, True)
    assert former[0].entries + former[0].unsigned == left.size


def test_a_log_whose_retention_has_ended_is_not_checked(turned: World) -> None:
    """Its entries were erased when they had to be, and the check of the others goes on."""
    with turned.gateway.database.begin() as connection:
        past_the_guards(connection)
        connection.execute(update(CLOSING).values(keep_until=1))
        connection.execute(delete(ENTRY).where(ENTRY.c.log == 1))
    assert told(turned) == [(NEW, "")]
