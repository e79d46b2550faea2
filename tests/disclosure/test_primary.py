"""What a cell cannot exceed, as the suppressor and the judge each work it out."""

from typing import Any

import pandas as pd

from disclosure import Hierarchy
from disclosure.attacker.layout import lay_cells
from disclosure.attacker.relations import relate
from disclosure.attacker.stakes import _room, _totals
from disclosure.grid import build_grid
from disclosure.hierarchy import unit_of
from disclosure.primary import ceilings, row_totals
from disclosure.table import read_counts

PUBLIC: Any = [{"item": "any", "season": ["summer"]}]


def seasons() -> tuple[dict[str, Hierarchy], pd.DataFrame, pd.DataFrame]:
    """Shop a sells in summer only, three things; shop b in both seasons, and of its winter nothing is public."""
    counts = pd.DataFrame(
        [("a", "i", "summer", 1), ("a", "j", "summer", 2), ("b", "i", "summer", 5), ("b", "i", "winter", 7)],
        columns=["shop", "item", "season", "n"],
    )
    items, year = pd.DataFrame({"item": ["i", "j"], "any": "any"}), pd.DataFrame({"season": ["summer", "winter"]})
    dimensions = {
        "shop": Hierarchy("shop", pd.DataFrame({"shop": ["a", "b"], "all": "all"}), paths=[("all",)]),
        "item": Hierarchy("item", items, paths=[("any",)]),
        "season": Hierarchy("season", year.assign(year="year"), paths=[("year",)]),
    }
    return dimensions, counts, pd.DataFrame({"shop": ["a"], "season": ["winter"]})


def test_what_else_cannot_be_in_a_unit_is_no_room_there() -> None:
    """Shop a sold no more in the year than in summer, for it has no winter; of shop b nobody can say so."""
    dimensions, counts, zeros = seasons()
    cell = pd.DataFrame({"shop": ["a", "b"], "item": "i", "season": "year"})
    cell = cell.assign(shop_level="shop", item_level="item", season_level="year")
    grid = build_grid(dimensions, counts, zeros, None)
    values = grid.cells(read_counts(grid, counts, "n"))
    relations = relate(dimensions, counts, zeros)
    layout = lay_cells(relations, unit_of(relations.axes))
    sums = layout.sums(layout.turn(relations.leaves(counts, "n")))

    suppressor = ceilings(grid, values, row_totals(grid, values, PUBLIC)[1])[grid.place(cell)]
    judge = _room(layout, sums, _totals(layout, sums, PUBLIC)[1])[layout.place(cell)]

    assert [suppressor[0], judge[0]] == [3, 3]
    assert min(suppressor[1], judge[1]) > 1_000
