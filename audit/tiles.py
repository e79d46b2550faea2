"""The tree as tiles and the entries as bundles (C2SP tlog-tiles), rendered from what is stored.

Hash tiles are public: leaf hashes are salted and say nothing. Entry bundles are for the controller's officer.
Only what a signed checkpoint covers is rendered.
"""

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from audit.errors import NotLoggedError
from audit.merkle import Node, position
from audit.proofs import nodes, signed_size
from audit.schema import ENTRY

WIDTH: Final = 256
_PATH: Final = re.compile(r"(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile: its level (None: an entry bundle), its number in that level, and how many of 256 it holds."""

    level: int | None
    number: int
    width: int = WIDTH

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """Read the part of a tile's path after `tile/`, e.g. `0/x001/x234/067.p/112` or `entries/000`.

        Raises:
            NotLoggedError: It names no tile.
        """
        match = _PATH.fullmatch(path)
        level, digits, width = match.groups() if match else ("", "", None)
        number = int(digits.replace("/", "").replace("x", "") or 0)
        tile = cls(None if level == "entries" else int(level or 0), number, int(width or WIDTH))
        if not match or (width and tile.width >= WIDTH) or str(tile) != path:
            raise NotLoggedError("there is no such tile")
        return tile

    def __str__(self) -> str:
        digits = f"{self.number:0{-(-len(str(self.number)) // 3) * 3}d}"
        parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"{'entries' if self.level is None else self.level}/{name}{partial}"


def hash_tile(connection: Connection, log: int, tile: Tile) -> bytes:
    """The hashes of a tile, 32 bytes each.

    Raises:
        NotLoggedError: It is an entry bundle, or no signed checkpoint covers it.
    """
    if tile.level is None:
        raise NotLoggedError("an entry bundle is not a hash tile")
    _demand_signed(connection, log, tile, 8 * tile.level)
    first = tile.number * WIDTH
    places = [position(Node(8 * tile.level, each)) for each in range(first, first + tile.width)]
    found = nodes(connection, log, places)
    return b"".join(found[place] for place in places)


def entry_bundle(connection: Connection, log: int, tile: Tile) -> bytes:
    """The entries of a bundle, each after its length in two bytes, big-endian.

    Raises:
        NotLoggedError: It is a hash tile, no signed checkpoint covers it, or the log does not hold all of it.
    """
    if tile.level is not None:
        raise NotLoggedError("a hash tile is not an entry bundle")
    _demand_signed(connection, log, tile, 0)
    first = tile.number * WIDTH
    rows = connection.scalars(
        select(ENTRY.c.data)
        .where(ENTRY.c.log == log, ENTRY.c.idx.between(first, first + tile.width - 1))
        .order_by(ENTRY.c.idx)
    ).all()
    if len(rows) != tile.width:
        raise NotLoggedError("the log does not hold all entries of this bundle (any more)")
    return b"".join(len(data).to_bytes(2) + data for data in rows)


def _demand_signed(connection: Connection, log: int, tile: Tile, height: int) -> None:
    if tile.number * WIDTH + tile.width > signed_size(connection, log) >> height:
        raise NotLoggedError("no signed checkpoint covers this tile")
