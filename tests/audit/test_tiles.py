"""Tiles: the independent reader builds the same tree from them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlog_scales.reader import TilesReader

from audit.checkpoint import open_checkpoint
from audit.errors import NotLoggedError
from audit.proofs import checkpoint
from audit.tiles import Tile, entry_bundle, hash_tile
from tests.audit.world import World, entry


class _Served:
    """Tiles as a web server would serve them, straight from the log."""

    def __init__(self, world: World) -> None:
        self.world = world

    def get(self, *path: str) -> bytes | None:
        render = entry_bundle if path[1] == "entries" else hash_tile
        try:
            return self.world.read(lambda c: render(c, 1, Tile.parse("/".join(path[1:]))))
        except NotLoggedError:
            return None


def test_an_independent_reader_finds_the_signed_root_and_every_entry_in_the_tiles(world: World) -> None:
    """700 entries: two full tiles, a partial one, a partial one above; root and entries are the log's."""
    made = world.grow(699)
    size, note = world.read(lambda c: checkpoint(c, 1))
    reader = TilesReader(_Served(world))
    reader.set_size(size)
    assert reader.calculate_root_hash() == open_checkpoint(note, [world.key]).checkpoint.root
    assert [reader.get_entry(index) for index in (1, 255, 256, 699)] == [made[at].data for at in (0, 254, 255, 698)]
    assert [len(world.read(lambda c, path=path: hash_tile(c, 1, Tile.parse(path)))) // 32
            for path in ("0/000", "0/002.p/188", "1/000.p/2")] == [256, 188, 2]  # fmt: skip


@given(level=st.none() | st.integers(0, 63), number=st.integers(0, 10**15), width=st.integers(1, 256))
def test_a_path_names_one_tile(level: int | None, number: int, width: int) -> None:
    """Writing and reading a path gives the tile."""
    tile = Tile(level, number, width)
    assert Tile.parse(str(tile)) == tile


def test_the_path_of_the_specification() -> None:
    """Tile 1234067 is x001/x234/067."""
    assert str(Tile(0, 1_234_067)) == "0/x001/x234/067"
    assert str(Tile(None, 5, 112)) == "entries/005.p/112"


@pytest.mark.parametrize(
    "path",
    ["", "0", "0/1", "0/x001", "64/000", "-1/000", "0/000.p/0", "0/000.p/256", "0/x000/000", "0/000/", "00/000",
     "0/../000", "entries/x1/000", "0/000.p/01", "a/000"],
)  # fmt: skip
def test_a_path_that_names_no_tile_is_refused(path: str) -> None:
    """Other spellings of a number, and anything that is no number."""
    with pytest.raises(NotLoggedError):
        Tile.parse(path)


def test_a_bundle_of_entries_is_whole_or_not_served(small_world: World) -> None:
    """One entry was taken away: nobody is given the others as if they were all there were."""
    small_world.grow(3)
    tile = Tile(None, 0, 4)
    assert small_world.read(lambda c: entry_bundle(c, 1, tile))
    small_world.sql("DROP TRIGGER audit_entry_delete_guard", "DELETE FROM audit_entry WHERE idx = 2")
    with pytest.raises(NotLoggedError, match="all entries"):
        small_world.read(lambda c: entry_bundle(c, 1, tile))


def test_what_is_not_signed_is_not_served(world: World, tmp_path: Path) -> None:
    """A tile wider than the last checkpoint shows leaf hashes that nobody signed: refused; so is the wrong kind."""
    world.grow(3)
    world.append(entry())
    crashed = world.sequencer_of()
    crashed._publish = lambda *_: None  # type: ignore[assignment]  # orders, and dies before it signs
    crashed.step(world.now)
    assert len(world.read(lambda c: hash_tile(c, 1, Tile(0, 0, 4)))) == 4 * 32
    for render, tile in (
        (hash_tile, Tile(0, 0, 5)),
        (entry_bundle, Tile(None, 0, 5)),
        (hash_tile, Tile(None, 0, 4)),
        (entry_bundle, Tile(0, 0, 4)),
        (hash_tile, Tile(1, 0, 1)),
        (hash_tile, Tile(0, 1, 1)),
    ):
        with pytest.raises(NotLoggedError):
            world.read(lambda c, render=render, tile=tile: render(c, 1, tile))
