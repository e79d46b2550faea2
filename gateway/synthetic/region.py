"""Sites, gemeenten, SWVs and boards of an invented region, with the shapes that make disclosure hard.

Calibrated figures (sizes, sites per gemeente, subdivisions) are those of public Dutch registers of 2023–2026; the
region always has a gemeente split over two SWVs and a one-site gemeente once it is large enough to have them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gateway.register import SiteEntry
from gateway.synthetic.names import places, school_title, schools

MIN_SITES, MAX_SITES = 10, 500
# Share of sites by sector; the rest is PO.
_SECTORS = {"vo": 0.18, "so": 0.04, "vso": 0.04}
# Median and log standard deviation of pupils per site, and the largest site, per sector.
_SIZES = {"po": (200, 0.635, 1_673), "vo": (582, 0.80, 3_064), "so": (87, 0.70, 410), "vso": (94, 0.80, 469)}
_MIN_PUPILS = 12
_SITES_PER_GEMEENTE = 14
_SITES_PER_SWV = {"po": 68, "vo": 16}
# A special school follows the SWV of the schools its pupils would otherwise visit.
_SWV_SECTOR = {"po": "po", "so": "po", "vo": "vo", "vso": "vo"}
_SITES_PER_BOARD = 8
# What a VO site offers, with the share of sites that offer it: 53 % have one subdivision only.
_VO_PATTERNS = (
    (("vmbo",), 0.30), (("pro",), 0.10), (("vwo",), 0.05), (("undivided",), 0.08),
    (("vmbo", "undivided"), 0.10), (("havo", "vwo", "undivided"), 0.17),
    (("vmbo", "havo", "vwo", "undivided"), 0.20),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Site:
    """One invented site with the facts the register keeps of it."""

    code: str
    name: str
    sector: str
    subdivisions: tuple[str, ...]
    board: str
    gemeente: str
    swv: str
    pupils: int

    @property
    def entry(self) -> SiteEntry:
        """The same, to be registered."""
        return SiteEntry(
            self.code, self.name, self.sector, self.subdivisions, self.board, self.gemeente, self.swv, self.pupils
        )


@dataclass(frozen=True, slots=True)
class Region:
    """An invented region: its sites, and the names of its gemeenten, SWVs and boards by code."""

    sites: tuple[Site, ...]
    gemeenten: dict[str, str]
    swvs: dict[str, str]
    boards: dict[str, str]


def make_region(sites: int, seed: int) -> Region:
    """Invent a region.

    Args:
        sites: Number of sites, 10 to 500.
        seed: Any non-negative integer; the same seed gives the same region.

    Raises:
        ValueError: a number of sites outside 10 to 500.
    """
    if not MIN_SITES <= sites <= MAX_SITES:
        raise ValueError(f"a synthetic region has {MIN_SITES} to {MAX_SITES} sites")
    rng = np.random.default_rng([seed, 1])
    sectors = _sectors(sites)
    place, school = places(rng), schools(rng)
    gemeenten = {f"GM{9000 + i}": next(place) for i in range(1, max(3, round(sites / _SITES_PER_GEMEENTE)) + 1)}
    swvs = _swvs(sectors)
    home = _gemeente_of(sectors, list(gemeenten), rng)
    partnership = _swv_of(sectors, home, list(gemeenten), list(swvs))
    boards = {f"ORG-{90_000 + i}": f"Stichting {next(place)}" for i in range(1, sites // _SITES_PER_BOARD + 2)}
    board_of = rng.choice(list(boards), size=sites, p=_skewed(len(boards)))
    made = tuple(
        Site(
            code=f"9{i // 400}{_letters(i)}00",
            name=school_title(sector, next(school)),
            sector=sector,
            subdivisions=_subdivisions(sector, rng),
            board=str(board_of[i]),
            gemeente=home[i],
            swv=partnership[i],
            pupils=_pupils(sector, rng),
        )
        for i, sector in enumerate(sectors)
    )
    return Region(made, gemeenten, swvs, boards)


def _sectors(sites: int) -> list[str]:
    special = [sector for sector, share in _SECTORS.items() for _ in range(max(1, round(share * sites)))]
    return ["po"] * (sites - len(special)) + special


def _swvs(sectors: list[str]) -> dict[str, str]:
    """SWV codes and names: two of each kind in small regions, so that there is always something to split."""
    made = {}
    for kind, per_swv in _SITES_PER_SWV.items():
        served = sum(_SWV_SECTOR[sector] == kind for sector in sectors)
        for number in range(1, max(2, round(served / per_swv)) + 1):
            made[f"{kind.upper()}99{number:02}"] = f"Samenwerkingsverband {kind.upper()} {number}"
    return made


def _gemeente_of(sectors: list[str], gemeenten: list[str], rng: np.random.Generator) -> list[str]:
    """Spread the sites: gemeenten of very different size, the last one with a single PO site."""
    weights = _skewed(len(gemeenten) - 1)
    drawn = [str(code) for code in rng.choice(gemeenten[:-1], size=len(sectors), p=weights)]
    # Each gemeente but the last gets at least two PO sites, so that none is empty by chance.
    for i in range(2 * (len(gemeenten) - 1)):
        drawn[i] = gemeenten[i // 2]
    drawn[2 * (len(gemeenten) - 1)] = gemeenten[-1]
    return drawn


def _swv_of(sectors: list[str], home: list[str], gemeenten: list[str], swvs: list[str]) -> list[str]:
    """Gemeenten in a row belong to one SWV; the first gemeente of a region is split over two."""
    chosen = []
    for i, sector in enumerate(sectors):
        mine = [code for code in swvs if code.startswith(_SWV_SECTOR[sector].upper())]
        part = gemeenten.index(home[i]) * len(mine) // len(gemeenten)
        split = home[i] == gemeenten[0] and i % 3 == 0
        chosen.append(mine[(part + split) % len(mine)])
    return chosen


def _subdivisions(sector: str, rng: np.random.Generator) -> tuple[str, ...]:
    if sector == "po":
        return ("lower_years", "upper_years")
    if sector == "vo":
        return _VO_PATTERNS[rng.choice(len(_VO_PATTERNS), p=[share for _, share in _VO_PATTERNS])][0]
    return ("undivided",)


def _pupils(sector: str, rng: np.random.Generator) -> int:
    median, spread, largest = _SIZES[sector]
    return int(np.clip(round(rng.lognormal(np.log(median), spread)), _MIN_PUPILS, largest))


def _skewed(n: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Weights that fall as 1/rank: a few large ones, a long tail."""
    weights = 1.0 / np.arange(1, n + 1)
    return np.asarray(weights / weights.sum())


def _letters(i: int) -> str:
    """Two letters that count up, without vowels: AA-like codes that spell nothing."""
    alphabet = "BCDFGHJKLMNPQRSTVWXZ"
    return alphabet[i // len(alphabet) % len(alphabet)] + alphabet[i % len(alphabet)]


def codes(region: Region) -> Iterator[tuple[str, str, str]]:
    """Every party of a region as (code, kind, name)."""
    yield from ((code, "gemeente", name) for code, name in region.gemeenten.items())
    yield from ((code, "swv", name) for code, name in region.swvs.items())
    yield from ((code, "board", name) for code, name in region.boards.items())
    yield from ((site.code, "site", site.name) for site in region.sites)
