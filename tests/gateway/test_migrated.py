"""What an older version did not keep is found in the log when its database is migrated."""

from datetime import timedelta

import pytest
from sqlalchemy import delete
from sqlmodel import select

from audit import timeline
from audit.merkle import leaf_hash
from audit.timeline import Filter, find
from gateway.app import migrate
from gateway.backup import settle
from gateway.budgets import ReleasedSince, Restoration
from gateway.demo.people import MINISTER, must
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.publish.ledger import not_known
from gateway.store import Period, table_of
from gateway.told import tell
from gateway.trail import correct

from .conftest import NOW, World
from .test_revision import of_revision


def test_a_restore_by_an_older_version_still_asks_what_was_published(world: World) -> None:
    """It kept nothing of it: nothing of that year leaves before the operator tells, and the telling is heard."""
    world.sequence()
    settle(world.at(NOW + timedelta(days=1)).gateway)
    with world.gateway.writing() as session:
        session.execute(delete(table_of(Restoration)))
        assert not_known(session, session.get_one(Period, 1)) is None
    of_revision(world, "0006")
    migrate(world.gateway.database)
    with world.gateway.reading() as session:
        refused = not_known(session, session.get_one(Period, 1))
    assert isinstance(refused, Refused)
    assert refused.facts["backup"] < refused.facts["restored"] == (NOW + timedelta(days=1)).isoformat()
    assert isinstance(tell(world.at(NOW + timedelta(days=2)).desk, "2026-2027"), ReleasedSince)


def test_where_nothing_was_restored_nothing_is_asked(world: World) -> None:
    """The log of such a deployment has no entry of it."""
    world.sequence()
    of_revision(world, "0006")
    migrate(world.gateway.database)
    with world.gateway.reading() as session:
        assert session.exec(select(Restoration)).all() == []


def test_a_correction_of_an_older_version_is_found_from_what_it_corrects(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was named by mistake too: the entry was indexed without either."""
    world.sequence()
    first, second = (site.code for site in world.region.sites[:2])
    with world.gateway.reading() as session:
        wrong = find(session.connection(), Filter(organisation=first))[0]
    leaf = leaf_hash(wrong.data).hex()
    must(correct(world.gateway, Identity(MINISTER, "controller-officer"), leaf, party=second))
    with monkeypatch.context() as before:
        before.setattr(timeline, "_CORRECTS", "")
        before.setattr(timeline, "_of_the_corrected", lambda *_: ())
        world.sequence()
    asked = (Filter(corrects=leaf), Filter(event="entry.corrected", viewer=first))
    with world.gateway.reading() as session:
        assert [len(find(session.connection(), each)) for each in asked] == [0, 0]
    for _ in range(2):
        of_revision(world, "0006")
        migrate(world.gateway.database)
    with world.gateway.reading() as session:
        assert [len(find(session.connection(), each)) for each in asked] == [1, 1]
