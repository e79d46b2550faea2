"""Noise: exact distributions, the price of a scale, and mutants that the checks catch."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disclosure.errors import DisclosureError
from disclosure.noise import Mechanism, Sampler, epsilon_of, sampler_of, smallest_scale, spread
from tests.disclosure.noise_checks import (
    check_distribution,
    check_sensitivity,
    gaussian_pmf,
    laplace_pmf,
)

PMF: dict[str, Any] = {"gaussian": gaussian_pmf, "laplace": laplace_pmf}
MECHANISMS: tuple[Mechanism, ...] = ("gaussian", "laplace")


def zeros(sampler: Sampler, scale: float) -> Callable[[int], Sequence[int]]:
    """Draws of pure noise."""
    return lambda draws: sampler.draw([0] * draws, scale)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_draws_follow_the_exact_distribution(mechanism: Mechanism) -> None:
    """300,000 draws of a scale are those of the discrete distribution by its formula."""
    check_distribution(zeros(sampler_of(mechanism, 4), 4.0), partial(PMF[mechanism], scale=4.0))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_spread_is_that_of_the_draws(mechanism: Mechanism) -> None:
    """The standard deviation that least squares counts with is that of the distribution."""
    x = np.arange(-3000, 3001)
    variance = float((PMF[mechanism](x, 8.0) * x**2).sum())
    assert spread(mechanism, 8.0) == pytest.approx(math.sqrt(variance), rel=1e-6)


@given(st.sampled_from(MECHANISMS), st.integers(1, 8), st.integers(50, 2_000_000))
def test_the_scale_is_the_smallest_float_within_the_budget(mechanism: Mechanism, kinds: int, millionths: int) -> None:
    """What is asked is never exceeded, and one float less would exceed it."""
    sampler = sampler_of(mechanism, kinds)
    scale = smallest_scale(sampler, millionths)
    assert Fraction(sampler.loss(scale)) <= Fraction(millionths, 1_000_000)
    assert Fraction(sampler.loss(math.nextafter(scale, 0))) > Fraction(millionths, 1_000_000)


@pytest.mark.parametrize(("mechanism", "kinds", "budget", "scale"), [
    ("gaussian", 4, 62_500, 8.0), ("gaussian", 4, 12_500, math.sqrt(320)), ("laplace", 4, 1_000_000, 8.0),
])  # fmt: skip
def test_known_scales(mechanism: Mechanism, kinds: int, budget: int, scale: float) -> None:
    """By hand: sigma = 2 sqrt(kinds / 4 / rho) for the Gaussian, 2 kinds / epsilon for the Laplace."""
    assert smallest_scale(sampler_of(mechanism, kinds), budget) == pytest.approx(scale, rel=1e-12)


def test_known_epsilons() -> None:
    """Rho .5 and .0639 at delta 1e-8 are epsilon 6.09 and 2.00; Laplace needs no conversion."""
    assert epsilon_of("gaussian", 4, 500_000) == pytest.approx(6.09, abs=0.01)
    assert epsilon_of("gaussian", 4, 63_900) == pytest.approx(2.00, abs=0.01)
    assert epsilon_of("laplace", 4, 250_000) == 0.25


@pytest.mark.parametrize(("mechanism", "kinds", "budget"), [("gaussian", 0, 1), ("gaussian", 4, 0), ("laplace", 4, -5)])
def test_nothing_cannot_be_bought(mechanism: Mechanism, kinds: int, budget: int) -> None:
    """No kinds, no budget: an error that says so."""
    with pytest.raises(DisclosureError, match=r"kinds|budget"):
        smallest_scale(sampler_of(mechanism, kinds), budget)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("kinds", [("glad",), ("glad", "sad"), ("blue", "glad", "mild", "sad")])
def test_noise_is_made_for_the_farthest_neighbour(mechanism: Mechanism, kinds: tuple[str, ...]) -> None:
    """One enrolment moves at most two cells per kind and query, each by 1: that far and no farther."""
    sampler: Any = sampler_of(mechanism, len(kinds))
    check_sensitivity(sampler.distance, 2 if mechanism == "gaussian" else 1, kinds)


Careless = Callable[[Sampler, Sequence[int], float], list[int]]


class Mutant:
    """A sampler that a careless hand could have written: the right price, other noise."""

    def __init__(self, draw: Careless, mechanism: Mechanism) -> None:
        self.real, self.drawn = sampler_of(mechanism, 1), draw

    def loss(self, scale: float) -> float:
        return self.real.loss(scale)

    def draw(self, values: Sequence[int], scale: float) -> list[int]:
        return self.drawn(self.real, values, scale)


def clipped(real: Sampler, values: Sequence[int], scale: float) -> list[int]:
    return [max(0, value) for value in real.draw(values, scale)]


def narrow(real: Sampler, values: Sequence[int], scale: float) -> list[int]:
    return real.draw(values, scale * 0.95)


def rounded_floats(_: Sampler, values: Sequence[int], scale: float) -> list[int]:
    rng = np.random.default_rng(5)
    return list(np.rint(np.asarray(values) + rng.laplace(0, scale, len(values))).astype(int))


def constant(_: Sampler, values: Sequence[int], scale: float) -> list[int]:
    return [value + round(scale) for value in values]


@pytest.mark.parametrize(("mechanism", "draw", "draws"), [
    ("gaussian", clipped, 20_000), ("laplace", clipped, 20_000), ("gaussian", narrow, 100_000),
    ("laplace", narrow, 100_000), ("laplace", rounded_floats, 300_000), ("gaussian", constant, 20_000),
])  # fmt: skip
def test_wrong_noise_is_caught(mechanism: Mechanism, draw: Careless, draws: int) -> None:
    """Clipping, 3.8 for 4, rounded floats and a constant do not pass the test of the distribution."""
    with pytest.raises(AssertionError):
        check_distribution(zeros(Mutant(draw, mechanism), 4.0), partial(PMF[mechanism], scale=4.0), draws)


@pytest.mark.parametrize("distance", [1.0, 2.0, 4.0])
def test_a_wrong_distance_is_caught(distance: float) -> None:
    """Noise made for another L2 than the root of twice the kinds does not pass the test of neighbours."""
    with pytest.raises(AssertionError):
        check_sensitivity(distance, 2, ("blue", "glad", "mild", "sad"))
