"""Acts at the same moment, and what they leave in the log."""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import httpx
import pytest
from sqlmodel import select

from audit.schema import ENTRY, PENDING
from gateway.context import Gateway

from .house import House

Result = TypeVar("Result")
BACKGROUND = {"worker", "lease", "sequencer", "witnesses"}


@contextmanager
def both_past(monkeypatch: pytest.MonkeyPatch, many: int, *, law: bool = True) -> Iterator[None]:
    """Let the first `many` acts wait for one another: once the law has answered, or where their transaction begins."""
    barrier, arrived = threading.Barrier(many, timeout=60), itertools.count()
    name = "decide" if law else "writing"
    real = getattr(Gateway, name)

    def gated(*given: object, **named: object) -> object:
        found = real(*given, **named)
        if threading.current_thread().name not in BACKGROUND and next(arrived) < many:
            barrier.wait()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Gateway, name, gated)
        yield


def at_once(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], Result], law: bool = True) -> list[Result]:
    """What came of acts at the same moment."""
    with both_past(monkeypatch, len(acts), law=law), ThreadPoolExecutor(len(acts)) as pool:
        return [each.result() for each in [pool.submit(act) for act in acts]]


def statuses(answers: Sequence[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


@contextmanager
def counting(house: House) -> Iterator[Counter[str]]:
    """How many entries of each event the block adds; filled at its end."""
    added: Counter[str] = Counter()
    before = Counter(events(house))
    yield added
    added.update(Counter(events(house)) - before)


def events(house: House) -> list[str]:
    """Event of every entry, sequenced or waiting, in their order."""
    return [str(entry["event"]) for entry in entries(house)]


def entries(house: House) -> list[dict[str, object]]:
    """Every entry, sequenced or waiting, in their order."""
    with house.site.world.gateway.reading() as session:
        connection = session.connection()
        kept = connection.scalars(select(ENTRY.c.data).order_by(ENTRY.c.idx)).all()
        waiting = connection.scalars(select(PENDING.c.data).order_by(PENDING.c.id)).all()
    return [json.loads(data) for data in (*kept, *waiting)]
