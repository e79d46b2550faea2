"""How often a party may ask within a minute."""

from datetime import timedelta

from gateway.http.limits import WINDOW, Limit
from gateway.outcome import Refused

from .conftest import NOW


def test_a_clock_that_ran_ahead_shuts_nobody_out() -> None:
    """What was counted an hour after now stands in no minute of now; what was counted now does."""
    moments = [NOW + timedelta(hours=1), NOW, NOW]
    limit = Limit(1, lambda: moments.pop(0))
    assert (limit.take("a"), limit.take("a")) == (None, None)
    assert limit.take("a") == Refused("rate-limited", retry_after=WINDOW.seconds)
