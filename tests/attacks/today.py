"""The invented region at the real present: for attacks that take time."""

from dataclasses import replace

from audit.log import Log
from gateway.context import wall_clock
from tests.gateway.conftest import PERIOD, TABLE, World


def present(world: World) -> World:
    """The same deployment at the real present."""
    log = Log(world.gateway.log.vocabulary)
    return World(replace(world.gateway, clock=wall_clock, log=log), world.region)


def about(world: World, index: int) -> dict[str, str]:
    """What a site says about its counts of the open period."""
    return {"collection": TABLE, "party": world.region.sites[index].code, "period": PERIOD}
