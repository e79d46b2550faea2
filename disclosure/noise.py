"""Noise from OpenDP's exact samplers of integers: the only file that imports `opendp`.

The privacy unit is one enrolment in one period, and neighbours differ by *substitution*: head-counts are public, so
one enrolment moves from one cell to another. In a table of one query it moves in each kind at most two cells by 1.

- Discrete Gaussian (Canonne, Kamath, Steinke 2020, arXiv 2004.00010): L2 = sqrt(2 x kinds), loss in rho (zCDP).
- Discrete Laplace (Ghosh, Roughgarden, Sundararajan 2009): L1 = 2 x kinds, loss in epsilon.

`T="i64"` throughout: unsigned integers clamp at nought, which is biased, and counts need no floats.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, partial
from typing import Any, Literal, Protocol, get_args

import numpy as np

from disclosure.budget import MILLIONTHS
from disclosure.errors import DisclosureError

Mechanism = Literal["gaussian", "laplace"]
DELTA = 1e-8  # below one in the number of pupils of the country
_WIDEST = 2.0**60


class Sampler(Protocol):
    """One way of making noise, for tables in which one enrolment moves a fixed distance.

    `loss` is exact or rounded up. `draw` is unbiased, independent per value, fresh at every call, and never seeded.
    """

    def loss(self, scale: float) -> float:
        """What one draw at this scale costs: rho or epsilon."""

    def draw(self, values: Sequence[int], scale: float) -> list[int]:
        """The values with noise added to each."""


def sampler_of(mechanism: Mechanism, kinds: int) -> Sampler:
    """The sampler of a mechanism; production has no other.

    Args:
        mechanism: which noise.
        kinds: how many tables one enrolment is counted in at once.

    Raises:
        DisclosureError: no kinds, or no such mechanism.
    """
    if kinds < 1:
        raise DisclosureError("a table without kinds: name at least one")
    if mechanism not in get_args(Mechanism):
        raise DisclosureError(f"no mechanism {mechanism!r}; there are {', '.join(get_args(Mechanism))}")
    return _gaussian(_root_above(2 * kinds)) if mechanism == "gaussian" else _laplace(2 * kinds)


def smallest_scale(sampler: Sampler, millionths: int) -> float:
    """The smallest float whose loss stays at or below a budget.

    Args:
        sampler: how noise is made.
        millionths: the budget.

    Raises:
        DisclosureError: no budget, or one so small that no noise is wide enough.
    """
    budget = Fraction(millionths, MILLIONTHS)
    high = 1.0
    while Fraction(sampler.loss(high)) > budget:
        high *= 2
        if millionths <= 0 or high > _WIDEST:
            raise DisclosureError("the privacy budget of a query is too small to answer it: raise it")
    low = high / 2
    while Fraction(sampler.loss(low)) <= budget:
        low, high = low / 2, low
    while math.nextafter(low, high) < high:
        middle = (low + high) / 2
        low, high = (low, middle) if Fraction(sampler.loss(middle)) <= budget else (middle, high)
    return high


def spread(mechanism: Mechanism, scale: float) -> float:
    """The standard deviation of the noise of a cell."""
    if mechanism == "gaussian":
        return scale
    tail = math.exp(-1 / scale)
    return math.sqrt(2 * tail) / (1 - tail)


def epsilon_of(mechanism: Mechanism, kinds: int, millionths: int) -> float:
    """A budget as epsilon: at `DELTA` for Gaussian noise, pure for Laplace; rounded up to thousandths."""
    if mechanism == "laplace":
        return millionths / MILLIONTHS
    sampler = _gaussian(_root_above(2 * kinds))
    scale = smallest_scale(sampler, millionths)
    profile = _opendp().c.make_zCDP_to_approxDP(sampler.measurement(scale)).map(sampler.distance)
    return float(math.ceil(profile.epsilon(DELTA) * 1000)) / 1000


class _Discrete:
    """A sampler of OpenDP: how it is made for a scale, and the distance one enrolment moves in its own norm."""

    def __init__(self, make: Callable[[float], Any], distance: float) -> None:
        self.measurement, self.distance = make, distance

    def loss(self, scale: float) -> float:
        return float(self.measurement(scale).map(self.distance))

    def draw(self, values: Sequence[int], scale: float) -> list[int]:
        return list(self.measurement(scale)(np.asarray(values, np.int64)))


def _gaussian(distance: float) -> _Discrete:
    """Discrete Gaussian noise; `distance` is the L2 sensitivity."""
    dp = _opendp()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
    return _Discrete(partial(dp.m.make_gaussian, *space), distance)


def _laplace(distance: int) -> _Discrete:
    """Discrete Laplace noise; `distance` is the L1 sensitivity."""
    dp = _opendp()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    return _Discrete(partial(dp.m.make_laplace, *space), distance)


def _root_above(number: int) -> float:
    """The square root as a float that is not below the true one."""
    root = math.sqrt(number)
    return root if Fraction(root) ** 2 >= number else math.nextafter(root, math.inf)


@cache
def _opendp() -> Any:  # noqa: ANN401  opendp has no types
    import opendp.prelude as dp  # noqa: PLC0415  half a second and a large library, for noise only

    dp.enable_features("contrib")
    return dp
