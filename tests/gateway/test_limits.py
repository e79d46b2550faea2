"""How often a party may ask within a minute, and how many files are read at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from gateway.http import submissions
from gateway.http.api import RECEIVED_AT_ONCE
from gateway.http.limits import WINDOW, Limit
from gateway.outcome import Refused

from .conftest import NOW, Site


def test_a_clock_that_ran_ahead_shuts_nobody_out() -> None:
    """What was counted an hour after now stands in no minute of now; what was counted now does."""
    moments = [NOW + timedelta(hours=1), NOW, NOW]
    limit = Limit(1, lambda: moments.pop(0))
    assert (limit.take("a"), limit.take("a")) == (None, None)
    assert limit.take("a") == Refused("rate-limited", retry_after=WINDOW.seconds)


def test_a_crowd_of_files_is_read_a_few_at_a_time(lite: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as a process reads without its threads being in one another's way; the rest wait, and get their turn."""
    together, inside, most = threading.Barrier(RECEIVED_AT_ONCE), set[int](), set[int]()

    def read(*_: object, **__: object) -> Refused:
        inside.add(threading.get_ident())
        together.wait(60)
        most.add(len(inside))
        together.wait(60)
        inside.discard(threading.get_ident())
        return Refused("unknown-period")

    monkeypatch.setattr(submissions, "receive", read)
    about = lite.world.about(0)
    with lite.client(about["party"]) as school, ThreadPoolExecutor(4 * RECEIVED_AT_ONCE) as senders:
        sent = [senders.submit(school.post, "/v1/submissions", params=about) for _ in range(4 * RECEIVED_AT_ONCE)]
        assert {each.result().status_code for each in sent} == {404}
    assert most == {RECEIVED_AT_ONCE}
