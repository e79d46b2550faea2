"""Absence of invented pupils: hours are drawn per pupil, and everything else follows from them.

One latent draw per pupil plus an effect of the site (standard deviation 0.28 on the latent scale, as between English
schools) gives the hours of illness; other authorised and unauthorised hours come beside it. Band shares are calibrated
on public sources (`QUANTILES`); above 20 per cent no source exists and the tail is an assumption.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.special import ndtr

from gateway.collections import Contract
from gateway.synthetic.region import Site

Ints: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Floats: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float64]]"

SITE_EFFECT = 0.28
PERIOD_HOURS = {"po": 235, "so": 235, "vo": 250, "vso": 245}
# Share of pupils at or below each per cent of hours missed: illness, then unauthorised.
_PER_CENT = (0.0, 5.0, 10.0, 20.0, 60.0)
QUANTILES = {
    "primary": {"illness": (0.30, 0.743, 0.941, 0.990, 1.0), "unauthorised": (0.85, 0.975, 0.995, 0.999, 1.0)},
    "secondary": {"illness": (0.22, 0.660, 0.890, 0.977, 1.0), "unauthorised": (0.70, 0.900, 0.965, 0.990, 1.0)},
}
# Authorised hours other than illness: who has any, and the mean in per cent of the hours.
_OTHER = {"primary": (0.20, 2.2), "secondary": (0.28, 3.0)}
_LARGEST_DIGIT = 9
# National shares of VO pupils by subdivision, in thousands.
_WEIGHTS = {"undivided": 398.8, "vmbo": 191.7, "havo": 158.0, "vwo": 163.4, "pro": 28.9}


@dataclass(frozen=True, slots=True)
class Pupils:
    """The pupils of one site in one period: arrays of one length, hours in 1/100 hour.

    Attributes:
        numbers: Invented pupil numbers of nine digits that pass the 11-test.
        subdivision: Index into `subdivisions`.
    """

    subdivisions: tuple[str, ...]
    numbers: Ints
    subdivision: Ints
    scheduled: Ints
    authorised: Ints
    illness: Ints
    unauthorised: Ints

    def hours(self, kind: str) -> Ints:
        """Hours missed of a kind; `all` is the sum of authorised and unauthorised."""
        if kind == "all":
            return self.authorised + self.unauthorised
        return np.asarray({"authorised": self.authorised, "illness": self.illness}.get(kind, self.unauthorised))


def draw_pupils(site: Site, *, index: int, period: int, seed: int) -> Pupils:
    """Draw the pupils of a site.

    Args:
        site: The site.
        index: Place of the site in its region; makes its pupils' numbers its own.
        period: Number of the period: the same pupils, with other hours.
        seed: Seed of the region.
    """
    lasting = np.random.default_rng([seed, 2, index])
    subdivision = _split(site, lasting)
    effect = lasting.normal(0, SITE_EFFECT, size=2)
    rng = np.random.default_rng([seed, 3, index, period])
    n = site.pupils
    stage = "secondary" if site.sector in ("vo", "vso") else "primary"
    scheduled = np.round(PERIOD_HOURS[site.sector] * rng.uniform(0.96, 1.0, n) * 4).astype(np.int64) * 25
    illness = _missed(stage, "illness", effect[0], rng, n)
    has_other, mean = _OTHER[stage]
    other = np.where(rng.random(n) < has_other, rng.exponential(mean, n), 0.0)
    unauthorised = _missed(stage, "unauthorised", effect[1], rng, n)
    parts = [_quarters(share, scheduled) for share in (illness, other, unauthorised)]
    return Pupils(
        site.subdivisions, _numbers(index, n), subdivision, scheduled, parts[0] + parts[1], parts[0], parts[2]
    )


def bands(missed: Ints, scheduled: Ints, contract: Contract) -> Ints:
    """Index of the band of each pupil, by the integer comparison of the contract."""
    thresholds = contract.bands.thresholds
    return np.asarray(sum((100 * missed > t * scheduled).astype(np.int64) for t in thresholds), dtype=np.int64)


def count(pupils: Pupils, contract: Contract, kinds: Sequence[str] | None = None) -> list[tuple[str, str, str, int]]:
    """Leaf counts (subdivision, kind, band, pupils) of a site, zeros included."""
    names = list(contract.bands.upper)
    rows = []
    for s, subdivision in enumerate(pupils.subdivisions):
        inside = pupils.subdivision == s
        for kind in kinds or contract.kinds.members:
            of_band = bands(pupils.hours(kind)[inside], pupils.scheduled[inside], contract)
            totals = np.bincount(of_band, minlength=len(names))
            rows += [(subdivision, kind, band, int(totals[b])) for b, band in enumerate(names)]
    return rows


def _split(site: Site, rng: np.random.Generator) -> Ints:
    """Subdivision of each pupil: years of equal size in PO, national shares in VO."""
    weights = np.array([_WEIGHTS.get(code, 100.0) if site.sector == "vo" else 1.0 for code in site.subdivisions])
    shares = rng.dirichlet(40 * weights / weights.sum())
    return np.sort(rng.choice(len(shares), size=site.pupils, p=shares)).astype(np.int64)


def _missed(stage: str, kind: str, effect: float, rng: np.random.Generator, n: int) -> Floats:
    """Per cent of the hours missed: a latent normal with the site's effect, mapped through the national quantiles."""
    latent = (rng.normal(0, 1, n) + effect) / np.hypot(1, SITE_EFFECT)
    shares = QUANTILES[stage][kind]
    return np.asarray(np.interp(ndtr(latent), (*shares,), _PER_CENT))


def _quarters(per_cent: Floats, scheduled: Ints) -> Ints:
    """Hours missed in 1/100 hour, in quarters of an hour, at most a third of the scheduled hours per part."""
    quarters = np.round(per_cent / 100 * scheduled / 25).astype(np.int64) * 25
    return np.asarray(np.minimum(quarters, scheduled // 3 // 25 * 25))


def _numbers(index: int, n: int) -> Ints:
    """Distinct nine-digit numbers with remainder 0, invented for this site: none starts with 0."""
    wanted = n + n // 5 + 11
    # From 90,000,000 upwards; after 2,000 sites from 10,000,000: the country has room for 18,000.
    first8 = 10_000_000 + (80_000_000 + index * 5_000 + np.arange(wanted, dtype=np.int64)) % 90_000_000
    digits = (first8[:, None] // 10 ** np.arange(7, -1, -1)) % 10
    check = digits @ np.arange(9, 1, -1) % 11
    return np.asarray((first8 * 10 + check)[check <= _LARGEST_DIGIT][:n])
