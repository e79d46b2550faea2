"""The reader who has our source: runs it on every table there can be, and keeps those that give the same release."""

import pytest

from tests.attacks.replay import Family

SEEDS = [bytes([number]) * 16 for number in range(64)]
ONE_TOWN = ("t1", "t1", "t1")
TWO_TOWNS = ("t1", "t1", "t2", "t2")


@pytest.mark.parametrize("total", [7, 8, 9])
def test_pattern_excludes_no_value_of_a_small_cell(total: int) -> None:
    """Three shops, every table of a total, two seeds: of no release does the pattern say more than its figures do."""
    assert Family(ONE_TOWN, total, least=3).replayed(SEEDS[:2]).narrowed == 0


def test_who_has_the_seed_reads_more() -> None:
    """The same attack with the one seed that was used narrows some cells: that is why the seed is secret."""
    assert Family(ONE_TOWN, 9, least=3).replayed(SEEDS[:1]).narrowed > 0


def test_more_seeds_leave_less() -> None:
    """Four shops: what a replay with few seeds still narrows is an artefact of their number; measured, at most 1 %."""
    family = Family(("t1",) * 4, 7, least=2)
    found = family.replayed(SEEDS[:4])
    assert found.narrowed <= 0.01 * found.cells


def test_town_without_customers_shows_in_the_pattern() -> None:
    """The known limit: where a whole town is small, which cells can stand witness for it depends on the counts.

    Measured: 8 of 160 small cells of these 56 tables, however many seeds; they are the shops of a town with nobody.
    """
    found = Family(TWO_TOWNS, 5, least=2).replayed(SEEDS[:2])
    assert found.narrowed <= 0.05 * found.cells


@pytest.mark.soak
@pytest.mark.parametrize(
    ("towns", "total", "least", "seeds", "bound"),
    [(("t1",) * 4, 9, 3, 8, 0.0), (TWO_TOWNS, 7, 2, 16, 0.03), (TWO_TOWNS, 9, 3, 4, 0.06)],
)
def test_long_replay(towns: tuple[str, ...], total: int, least: int, seeds: int, bound: float) -> None:
    """Four shops in one town or two: the share of small cells that a replay narrows, as measured."""
    found = Family(towns, total, least).replayed(SEEDS[:seeds])
    assert found.narrowed <= bound * found.cells
