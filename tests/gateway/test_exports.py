"""What leaves the log, however long the log is."""

import os
import tracemalloc

import pytest

from audit.entry import Actor, Entry
from audit.events import Event, Role
from audit.timeline import Filter
from gateway import exports
from gateway.demo.people import MINISTER, must
from gateway.identity import Identity
from gateway.oversight import may
from policies.question import Action
from tests.gateway.conftest import World

OFFICER = Identity(MINISTER, "controller-officer")


def _lengthen(world: World, entries: int) -> None:
    """A log that is so many entries longer, each of which is in every form."""
    gateway, actor = world.gateway, Actor(Role.CONTROLLER_OFFICER, MINISTER)
    _, decision = must(may(gateway, OFFICER, Action.READ_AUDIT))
    with gateway.writing() as session:
        for _ in range(entries):
            gateway.append(session, Entry(event=Event.AUDIT_VIEWED, actor=actor), decision)
    world.sequence()


def _held(world: World, form: exports.Form, wanted: Filter) -> int:
    """How many bytes of memory an export takes at most, when it is made again: statements and hashes are kept."""
    for _ in range(2):
        tracemalloc.start()
        with must(exports.take_out(world.gateway, OFFICER, form, wanted)) as file:
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert file.seek(0, os.SEEK_END)
    return most


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        (exports.Form.BUNDLE, Filter(decision="permit")),
        (exports.Form.LDV, Filter()),
        (exports.Form.CSV, Filter()),
    ],
)
def test_an_export_takes_no_more_memory_when_the_log_grows(
    world: World, form: exports.Form, wanted: Filter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read a page at a time and written as it is read: of a thousand entries more, nothing is held."""
    monkeypatch.setattr("audit.export.PAGE", 50)
    _lengthen(world, 500)
    before = _held(world, form, wanted)
    _lengthen(world, 1_000)
    assert _held(world, form, wanted) - before < 200 * 1_000
