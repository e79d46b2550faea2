"""An outsider who knows every enrolment but one looks at noisy figures to tell in which band that one is.

What can be learnt is bounded by epsilon, whatever the outsider knows: the chance of any answer differs between two
tables that differ in one enrolment by at most a factor e to the epsilon. The bound is measured here on the product's
own path from counts to answers, not on the sampler alone.
"""

from disclosure import noise
from disclosure.noise import sampler_of
from tests.disclosure.noise_checks import empirical_epsilon

EPSILON = 0.5
BUDGET = 500_000


def test_the_best_guess_stays_within_epsilon_and_comes_near_it() -> None:
    """Laplace at epsilon .5: the lower bound is never above .5, and 90 % of it or more (one rerun with fresh draws)."""
    bound = empirical_epsilon(sampler_of("laplace", 1), BUDGET)
    if not 0.9 * EPSILON <= bound <= EPSILON:
        bound = empirical_epsilon(sampler_of("laplace", 1), BUDGET)
    assert 0.9 * EPSILON <= bound <= EPSILON


def test_noise_made_for_one_cell_instead_of_two_would_tell_more() -> None:
    """The same measurement catches noise for too small a distance: an enrolment leaves one cell for another."""
    assert empirical_epsilon(noise._laplace(1), BUDGET, rows=30_000) > EPSILON
