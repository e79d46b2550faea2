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


def _taken_out(world: World, form: exports.Form, wanted: Filter) -> tuple[int, int]:
    """How many bytes are written, and how many were held in memory at most."""
    tracemalloc.start()
    with must(exports.take_out(world.gateway, OFFICER, form, wanted)) as file:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return file.seek(0, os.SEEK_END), most


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        (exports.Form.BUNDLE, Filter()),
        (exports.Form.BUNDLE, Filter(decision="permit")),
        (exports.Form.LDV, Filter()),
        (exports.Form.CSV, Filter()),
    ],
)
def test_an_export_takes_no_more_memory_when_the_log_grows(
    world: World, form: exports.Form, wanted: Filter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log of thrice the length, read a page at a time: all of it is written, and none of it is held."""
    monkeypatch.setattr("audit.export.PAGE", 50)
    _lengthen(world, 500)
    _taken_out(world, form, wanted)  # what is made once: statements, buffers
    short, before = _taken_out(world, form, wanted)
    _lengthen(world, 1_000)
    long, after = _taken_out(world, form, wanted)
    assert after - before < (long - short) / 2
