"""What every test of this room may use."""

from tests.audit.world import small_world, world

__all__ = ["small_world", "world"]
