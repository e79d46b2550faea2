"""A deployment whose figures leave with noise, delivered and closed; and a process that is killed while it builds."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from sqlmodel import select

from disclosure.perturb import Design, Measured
from gateway.app import open_gateway
from gateway.budgets import BudgetAccount, BudgetSpend
from gateway.context import Gateway
from gateway.deliveries import confirm
from gateway.demo.people import IN_FORCE, must
from gateway.identity import Identity, add_person
from gateway.publish import building, noisy
from gateway.receive import Received, Upload, receive
from gateway.settings import Home, Settings
from gateway.store import Release
from policies.purpose import Purposes
from policies.release import Noise
from tests.gateway.conftest import PERIOD, TABLE, World

SETTINGS = Settings(in_force=IN_FORCE, methods={"vo": "dp", "po": "dp", "so": "dp", "vso": "dp"})
KILLS = ("before-begin", "before-draw", "after-draw", "after-keep", "before-store")


def delivered(world: World, sites: int = 10) -> World:
    """Every site has delivered and confirmed; the period is closed."""
    for index in range(sites):
        deliver(world, index, world.counts(index))
    must(world.desk.close_period(TABLE, PERIOD))
    return world


def deliver(world: World, index: int, counts: bytes) -> None:
    """A site delivers a file and confirms it."""
    received = must(
        receive(world.gateway, world.site(index), Upload(TABLE, world.region.sites[index].code, PERIOD, counts))
    )
    assert isinstance(received, Received)
    must(confirm(world.gateway, world.site(index), received.submission.id))


def person(world: World, label: str) -> Identity:
    """A new person of the operator."""
    operator = world.gateway.settings.operator
    with world.gateway.writing() as session:
        return Identity(operator, "operator", add_person(session, operator, "operator", label).id, proven=True)


def spends(gateway: Gateway) -> dict[str, BudgetSpend]:
    """What was reserved, by population."""
    with gateway.reading() as session:
        return {row.population: row for row in session.exec(select(BudgetSpend))}


def accounts(gateway: Gateway) -> dict[str, tuple[int, int]]:
    """Name → cap and spent."""
    with gateway.reading() as session:
        return {row.name: (row.cap, row.spent) for row in session.exec(select(BudgetAccount))}


def release_of(gateway: Gateway) -> Release:
    """The only release."""
    with gateway.reading() as session:
        return session.exec(select(Release)).one()


def noise(**figures: object) -> Noise:
    """A budget as a purpose file writes it."""
    shares = {"site": 50, "country": 50}
    told = {"per_release": 100, "per_period": 250, "per_school_year": 1000, "shares": shares}
    return Noise.model_validate({"mechanism": "gaussian", "decided_by": "test"} | told | figures)


def count_draws(patch: pytest.MonkeyPatch) -> list[int]:
    """Keep from now on, for each draw of noise, the millionths that it costs."""
    drawn: list[int] = []
    real = noisy.measure

    def measure(counts: pd.DataFrame, *, design: Design, **named: object) -> Measured:
        drawn.append(design.millionths)
        return real(counts, design=design, **named)  # type: ignore[arg-type]  # passed on as it came

    patch.setattr(noisy, "measure", measure)
    return drawn


def decree(patch: pytest.MonkeyPatch, budget: Noise) -> None:
    """From now on the purpose files have another budget."""
    real = Purposes.plan
    patch.setattr(Purposes, "plan", lambda self, purposes: replace(real(self, purposes), noise=budget))


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _after(real: Callable[..., object], *arguments: object, **named: object) -> None:
    real(*arguments, **named)
    _die()


def main(folder: str, database: str, release: str, step: str) -> None:
    """Build a release in this process and be killed at a step."""
    gateway = open_gateway(Home(Path(folder), database))
    if step == "before-begin":
        noisy.begin = _die  # type: ignore[assignment]  # death comes instead
    elif step == "before-draw":
        noisy.measure = _die  # type: ignore[assignment]  # likewise
    elif step == "after-draw":
        noisy.measure = partial(_after, noisy.measure)  # type: ignore[assignment]  # likewise
    elif step == "after-keep":
        noisy.keep = partial(_after, noisy.keep)  # type: ignore[assignment]  # likewise
    else:
        building._store = _die  # type: ignore[assignment]  # likewise
    building.build(gateway, release)


if __name__ == "__main__":
    main(*sys.argv[1:])
