"""The same bytes whoever does the work: nobody but ourselves, a thread, two processes."""

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from tests.disclosure.world import at_random

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "a thread": lambda: ThreadPoolExecutor(1),
    "two threads": lambda: ThreadPoolExecutor(2),
    "two processes": lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_pattern_does_not_depend_on_who_searches(executor: str) -> None:
    """Frame, certificate and witnesses are the same, byte for byte, for any executor."""
    tables = [at_random(seed) for seed in (0, 3)]
    with EXECUTORS[executor]() as pool:
        for table in tables:
            alone, together = table.build(), table.build(executor=pool)
            assert alone.protected.frame.to_csv() == together.protected.frame.to_csv()
            assert alone.protected.certificate == together.protected.certificate
            for name in ("number", "unit", "leaf", "by", "insider"):
                assert getattr(alone.witnesses, name).tobytes() == getattr(together.witnesses, name).tobytes()


def test_another_seed_may_hide_other_cells() -> None:
    """Which cells are taken as secondaries is decided by the secret seed: readers cannot replay it."""
    table = at_random(3)
    frames = {table.build(seed=bytes([number]) * 16).protected.frame.to_csv() for number in range(6)}
    assert len(frames) > 1
