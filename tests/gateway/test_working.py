"""The worker: it is there again when the database is, whatever it was doing when that went away."""

import threading

import pytest
from sqlalchemy.exc import OperationalError

from gateway import lawbook, working
from gateway.context import Gateway

from .conftest import World


def test_a_database_that_is_away_at_the_start_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose database dies while it starts does not end: nobody would sequence the log after that."""
    stop, tries = threading.Event(), list[str]()

    def keep(_: Gateway) -> None:
        tries.append("again" if tries else "away")
        if tries == ["away"]:
            raise OperationalError("SELECT 1", None, Exception("server closed the connection"))
        stop.set()

    monkeypatch.setattr(lawbook, "keep", keep)
    monkeypatch.setattr(working, "AWAY_SECONDS", 0.0)

    working.work_until(world.gateway, stop)

    assert tries == ["away", "again"]
