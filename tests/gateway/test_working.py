"""The worker: it is there again when the database is, whatever it was doing when that went away."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from gateway import lawbook, working
from gateway.context import Gateway

from .conftest import World, present_world


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


def test_a_signal_in_the_midst_of_waiting_for_it_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a second one while the first is heeded: neither waits for a lock that its own thread holds."""
    handlers = dict[int, Callable[[int, None], object]]()
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    stop = threading.Event()
    working._heed_signals(stop)

    def interrupted() -> None:
        with stop._cond:  # type: ignore[attr-defined]  # as the main thread holds it for a moment of its waiting
            handlers[signal.SIGTERM](signal.SIGTERM, None)
            handlers[signal.SIGTERM](signal.SIGTERM, None)

    main = threading.Thread(target=interrupted, daemon=True)
    main.start()

    assert stop.wait(60)


def test_a_log_that_contradicts_itself_ends_the_worker_with_one_json_line(tmp_path: Path) -> None:
    """Nothing is signed over it: the operator finds one critical line, and a process that ended by itself."""
    world = present_world(tmp_path / "data")
    world.sequence()
    with world.gateway.database.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_node_update_guard")
        connection.exec_driver_sql("UPDATE audit_node SET hash = zeroblob(32)")
    world.desk.add_party("ORG-NEW", "supplier", "New")
    world.gateway.database.dispose()
    command = [sys.executable, "-m", "gateway.cli", "worker", "--data", str(world.gateway.home.folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    (line,) = map(json.loads, ended.stderr.splitlines())
    assert (ended.returncode, line["level"], line["error"]) == (1, "critical", "LogBrokenError")
    assert line["message"] == "the log contradicts itself: nothing is signed before somebody has looked"
