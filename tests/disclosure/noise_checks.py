"""What must hold of noise, as checks that a product or a mutant of it can be put to; each raises `AssertionError`."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from disclosure import perturb
from disclosure.hierarchy import Hierarchy
from disclosure.keys import Keys
from disclosure.noise import Sampler
from disclosure.perturb import Ask, Design, Measured
from tests.disclosure.noisy_world import QUERIES, arguments, counts_of, design, dimensions

DRAWS = 300_000
FALSE_ALARM = 1e-6


def gaussian_pmf(x: np.ndarray, scale: float) -> np.ndarray:
    """The discrete Gaussian, summed term by term (Canonne, Kamath, Steinke 2020, definition 1)."""
    far = np.arange(-60 * math.ceil(scale), 60 * math.ceil(scale) + 1)
    return np.asarray(np.exp(-(x**2) / (2 * scale**2)) / np.exp(-(far**2) / (2 * scale**2)).sum())


def laplace_pmf(x: np.ndarray, scale: float) -> np.ndarray:
    """The discrete Laplace, or two-sided geometric, distribution."""
    return np.asarray((math.exp(1 / scale) - 1) / (math.exp(1 / scale) + 1) * np.exp(-np.abs(x) / scale))


def check_distribution(
    draw: Callable[[int], Sequence[int]], pmf: Callable[[np.ndarray], np.ndarray], draws: int = DRAWS
) -> None:
    """Chi-square of draws against the exact probabilities; sparse tails are one class each."""
    found = np.asarray(draw(draws))
    assert np.array_equal(found, np.rint(found))
    far = np.arange(-2000, 2001)
    chance = pmf(far)
    inside = far[chance * draws >= 20]
    low, high = inside[0], inside[-1]
    classes = np.clip(found, low - 1, high + 1)
    seen = np.array([(classes == value).sum() for value in range(low - 1, high + 2)])
    wanted = np.concatenate(
        [[chance[far < low].sum()], chance[(far >= low) & (far <= high)], [chance[far > high].sum()]]
    )
    assert stats.chisquare(seen, wanted / wanted.sum() * draws).pvalue > FALSE_ALARM


def neighbour(counts: pd.DataFrame, row: tuple[str, str], rng: np.random.Generator) -> pd.DataFrame | None:
    """The same table after one enrolment of a row moved to another step, in every mood; None for an empty row."""
    other = counts.copy()
    here = (other["shop"] == row[0]) & (other["item"] == row[1])
    for mood in sorted(other["mood"].unique()):
        lines = other.index[here & (other["mood"] == mood)]
        full = [line for line in lines if other.loc[line, "n"] > 0]
        if not full:
            return None
        leaves, enters = rng.choice(full), rng.choice(lines)
        other.loc[leaves, "n"] -= 1
        other.loc[enters, "n"] += 1
    return other


def check_sensitivity(distance: float, order: int, kinds: Sequence[str], tables: int = 40) -> None:
    """No neighbour moves a query farther than the distance the noise is made for; and some come as far."""
    rng = np.random.default_rng(11)
    widest = 0.0
    keys = Keys.of(dimensions(moods=kinds), moves="step", structural_zeros=arguments()["structural_zeros"])
    for number in range(tables):
        counts = counts_of(rng.integers(1, 12, (8, 2)), number, kinds)
        rows = counts[["shop", "item"]].drop_duplicates().to_numpy()
        other = neighbour(counts, tuple(rows[rng.integers(len(rows))]), rng)
        if other is None:
            continue
        moved = (keys.table(other, "n") - keys.table(counts, "n")).reshape(keys.shape[0], -1)
        for query, _ in QUERIES:
            change = keys.cells(query) @ moved
            assert np.abs(change).max() <= 1
            assert (np.abs(change).reshape(len(change), *keys.shape[1:]).sum(axis=(0, 2)) <= 2).all()
            widest = max(widest, float(np.linalg.norm(change.ravel(), order)))
    assert math.isclose(widest, distance, rel_tol=1e-12)


def check_keys(measure: Callable[..., Measured]) -> None:
    """Which cells are answered does not depend on the counts: a table of one enrolment has as many as a full one."""
    full = counts_of(np.full((8, 2), 9), 1)
    one = np.zeros((8, 2), int)
    one[0, 0] = 1
    nothing = counts_of(one, 1)
    sizes = [
        [answer.shape for answer in measure(counts, **arguments(), design=design()).answers]
        for counts in (full, nothing, nothing[nothing["n"] > 0])
    ]
    assert sizes[0] == sizes[1] == sizes[2]


def empirical_epsilon(sampler: Sampler, budget: int, *, rows: int = 150_000, confidence: float = 0.999) -> float:
    """A lower bound of epsilon between two neighbours, from many draws of each through the product's own path.

    One enrolment moves from the first step to the second in each of many equal rows; the event is that both answers
    lie on the side of the other table (Clopper-Pearson bounds of its two probabilities).
    """
    keys, design = _wide(rows, budget)
    tables = [np.tile(np.array([[[first, second]]]), (rows, 1, 1)) for first, second in ((5, 4), (4, 5))]
    hits = []
    for table in tables:
        answer = perturb._measured(keys, table, design, sampler).answers[0][:, 0]
        hits.append(int(((answer[:, 0] >= 5) & (answer[:, 1] <= 4)).sum()))
    alpha = (1 - confidence) / 2
    low = stats.beta.ppf(alpha, hits[0], rows - hits[0] + 1)
    high = stats.beta.ppf(1 - alpha, hits[1] + 1, rows - hits[1])
    return float(math.log(low / high))


def _wide(rows: int, budget: int) -> tuple[Keys, Design]:
    """Many rows of one kind, each asked about once: as many independent draws."""
    codes = np.char.add("s", np.char.zfill(np.arange(rows).astype(str), 6))
    places = pd.DataFrame({"shop": codes, "all": "all"})
    laid = {
        "shop": Hierarchy("shop", places, paths=[("all",)]),
        "step": Hierarchy("step", pd.DataFrame({"step": ["a", "b"], "any": "any"}), paths=[("any",)]),
        "mood": Hierarchy("mood", pd.DataFrame({"mood": ["glad"]})),
    }
    return Keys.of(laid, moves="step", structural_zeros=None), Design("laplace", (Ask({}, budget),), "step")
