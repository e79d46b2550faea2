"""The same bytes whoever does the work: nobody but ourselves, a thread, two processes; other bytes for another seed."""

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from disclosure import problem
from tests.disclosure.world import Case, at_random, case

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
    assert len(frames(at_random(3))) > 1


def test_seed_decides_which_of_two_alike_shops_is_hidden() -> None:
    """s2 and s3 can cover s1 equally well: the price that the seed gives them decides."""
    places = [(shop, "t1", "c1", "o") for shop in ("s1", "s2", "s3")]
    table = case(places, {("s1", "m"): [40, 2], ("s2", "m"): [50, 9], ("s3", "m"): [50, 9]})
    assert len(frames(table)) == 2


def test_seed_decides_who_is_served_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all cells at one price there are several patterns still: who comes later uses what is hidden by then."""
    monkeypatch.setattr(problem, "price", lambda grid, *_: np.ones(grid.contributors.shape, np.float32))
    assert len(frames(at_random(3))) > 1


def frames(table: Case) -> set[str]:
    """What six seeds make of a table."""
    return {table.build(seed=bytes([number]) * 16).protected.frame.to_csv() for number in range(6)}
