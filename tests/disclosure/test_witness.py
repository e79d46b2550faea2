"""Witnesses: taken some at a time, all of them are there, in order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from disclosure.witness import Witnesses, gather, join


@given(st.lists(st.integers(0, 4), max_size=12), st.integers(1, 9))
def test_parts_put_together_are_the_whole(sizes: list[int], most: int) -> None:
    """However many entries fit, every witness is in one part, and a part with more than fit is one witness."""
    whole = _of(sizes)

    parts = list(whole.parts(most))

    together = join(part for _, part in parts)
    assert all(np.array_equal(getattr(together, name), getattr(whole, name)) for name in vars(whole))
    assert [first for first, _ in parts] == np.cumsum([0, *(len(part) for _, part in parts)])[:-1].tolist()
    assert all(len(part.number) <= most or len(part) == 1 for _, part in parts)


def _of(sizes: list[int]) -> Witnesses:
    """Witnesses with so many entries each; none is like another."""
    return gather((np.arange(size) + n, np.full((size, 1), n + 1), n - 1) for n, size in enumerate(sizes))
