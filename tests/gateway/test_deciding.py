"""What stands between a built release and its readers: the law of the day, other eyes, and figures that still hold."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import policies
from gateway.context import vocabulary
from gateway.demo.people import IN_FORCE, must
from gateway.outcome import Refused
from gateway.publish.asking import request_build
from gateway.publish.building import build
from gateway.publish.deciding import publish, review
from gateway.store import Release
from policies.engine import Engine
from policies.purpose import InForce
from tests.gateway.conftest import PERIOD, TABLE, World
from tests.gateway.noisy_release import delivered, person

CARE = "absence-insight-care"
LIKE = "absence-insight-gemeente"


def under(world: World, folder: Path, *, minimum: int) -> World:
    """The same deployment under a law with one purpose more, whose figures start at a minimum."""
    text = (Path(policies.__file__).parent / "purposes" / f"{LIKE}.toml").read_text(encoding="utf-8")
    text = text.replace(LIKE, CARE).replace('["gemeente"]', '["youth_health_care"]')
    (folder / f"{CARE}.toml").write_text(text.replace("minimum = 5", f"minimum = {minimum}"), encoding="utf-8")
    word = InForce(purpose=CARE, from_date=IN_FORCE[0].from_date, citation="test")
    return working(world, Engine.load(purposes=[folder], in_force=[*IN_FORCE, word]))


def working(world: World, engine: Engine) -> World:
    """The same deployment under another law."""
    words = vocabulary(world.gateway.settings, engine.law, world.gateway.contracts)
    log = dataclasses.replace(world.gateway.log, vocabulary=words)
    return World(dataclasses.replace(world.gateway, engine=engine, log=log), world.region)


def built(world: World) -> str:
    """A release that waits for its review."""
    release: Release = must(request_build(world.gateway, person(world, "builder"), TABLE, PERIOD))
    build(world.gateway, release.id)
    return release.id


def rules(refused: object) -> tuple[str, ...]:
    """Which rules of the law refused."""
    assert isinstance(refused, Refused)
    assert refused.decision is not None
    return refused.decision.rules


def test_figures_from_before_a_stricter_law_do_not_leave(new_world: Callable[..., World], tmp_path: Path) -> None:
    """Built to show counts from five, while the law of today shows them from ten: not approved, nor published."""
    lenient = under(delivered(new_world()), tmp_path, minimum=5)
    waiting, approver = built(lenient), person(lenient, "approver")
    strict = under(lenient, tmp_path, minimum=10)
    assert rules(review(strict.gateway, approver, waiting, approved=True, reason="seen")) == ("counts-from-five",)
    must(review(lenient.gateway, approver, waiting, approved=True, reason="seen"))
    assert rules(publish(strict.gateway, approver, waiting, reason="due")) == ("counts-from-five",)
    must(publish(lenient.gateway, approver, waiting, reason="due"))
