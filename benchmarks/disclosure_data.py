"""Synthetic absence on the real site lists: one draw of hours per pupil, so that the four kinds hang together.

Shares of pupils per band follow `notes/calibration.md` of the reference material (the row `all`
follows from the parts);
a site effect with standard deviation 0.28 on the latent scale gives the spread between sites seen in England.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtr

SHARED = Path(os.environ.get("SHARED_DIR", Path(__file__).parents[2] / "shared"))
KINDS = ("all", "authorised", "illness", "unauthorised")
BANDS = ("upto5", "5to10", "10to20", "above20")
SITE_EFFECT = 0.28
# Share of pupils at or below 5, 10 and 20 % of hours, and how authorised absence other than illness is drawn.
ILLNESS = {"po": (0.740, 0.940, 0.990), "vo": (0.660, 0.890, 0.977)}
UNAUTHORISED = {"po": (0.975, 0.995, 0.999), "vo": (0.900, 0.965, 0.990)}
OTHER = {"po": (0.40, 1.1), "vo": (0.45, 1.9)}  # share of pupils with any, mean per cent of hours
VO_LEVELS = {"pro": 28_924, "vmbo": 191_740, "havo": 157_987, "vwo": 163_378, "undivided": 398_800}


@dataclass(frozen=True)
class Sector:
    """Sites (site, gemeente, swv, country, board), head-counts (site, subdivision, pupils) and counts of one sector."""

    name: str
    sites: pd.DataFrame
    heads: pd.DataFrame
    counts: pd.DataFrame

    def part(self, swvs: list[str]) -> "Sector":
        """The same figures for some regions only."""
        sites = self.sites[self.sites["swv"].isin(swvs)]
        keep = set(sites["site"])
        return Sector(
            self.name,
            sites.reset_index(drop=True),
            self.heads[self.heads["site"].isin(keep)].reset_index(drop=True),
            self.counts[self.counts["site"].isin(keep)].reset_index(drop=True),
        )


def primary_sites() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The primary sites with a head-count and a region; half of the pupils in each half of the school."""
    raw = pd.read_csv(SHARED / "data" / "nl_po_sites_2026.csv", dtype=str)
    pupils = pd.to_numeric(raw["pupils_2025"], errors="coerce")
    raw = raw.assign(pupils=pupils)[(pupils > 0) & raw["po_swv"].notna()]
    sites = pd.DataFrame(
        {
            "site": raw["vestiging"],
            "gemeente": "GM" + raw["gemeente_code"],
            "swv": raw["po_swv"],
            "country": "NL",
            "board": raw["board"],
        }
    ).reset_index(drop=True)
    total = raw["pupils"].astype(int).to_numpy()
    lower = np.random.default_rng(31).binomial(total, 0.5)
    heads = pd.DataFrame(
        {
            "site": np.repeat(sites["site"].to_numpy(), 2),
            "subdivision": np.tile(["lower_years", "upper_years"], len(sites)),
            "pupils": np.stack([lower, total - lower], axis=1).ravel(),
        }
    )
    return sites, heads


def secondary_sites() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The secondary sites with an estimated head-count, split over the levels they offer by the national sizes."""
    raw = pd.read_csv(SHARED / "data" / "nl_vo_sites_2025_est.csv", dtype=str)
    pupils = pd.to_numeric(raw["pupils_est"], errors="coerce")
    raw = raw.assign(pupils=pupils)[pupils > 0].reset_index(drop=True)
    flag = raw[["PRO", "VMBO", "MAVO", "HAVO", "VWO", "BRUGJAAR"]].eq("True")
    offered = pd.DataFrame(
        {
            "pro": flag["PRO"],
            "vmbo": flag["VMBO"] | flag["MAVO"],
            "havo": flag["HAVO"],
            "vwo": flag["VWO"],
            "undivided": flag["BRUGJAAR"],
        }
    ).to_numpy()
    sites = pd.DataFrame(
        {
            "site": raw["vestigings_id"],
            "gemeente": "GM" + raw["municipality_code"],
            "swv": raw["vo_swv"],
            "country": "NL",
            "board": raw["brin"],
        }
    )
    weight = offered * np.array(list(VO_LEVELS.values()), float)
    share = weight / weight.sum(axis=1, keepdims=True)
    split = np.random.default_rng(32).multinomial(raw["pupils"].astype(int).to_numpy(), share)
    row, column = np.nonzero(offered)
    heads = pd.DataFrame(
        {
            "site": sites["site"].to_numpy()[row],
            "subdivision": np.array(list(VO_LEVELS))[column],
            "pupils": split[row, column],
        }
    )
    return sites, heads


def quantile(share: np.ndarray, cuts: tuple[float, float, float], middle: float) -> np.ndarray:
    """Per cent of hours at a share of the population: log-linear between the bounds of the bands.

    `middle` is the per cent missed by the pupil halfway the lowest band.
    """
    anchors = np.array([0.0, cuts[0] / 2, *cuts, 1.0])
    return np.exp(np.interp(share, anchors, np.log([0.01, middle, 5.0, 10.0, 20.0, 70.0])))


def absence(name: str, heads: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Pupils per site, subdivision, kind and band, all bands present."""
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(len(heads)), heads["pupils"])
    site = pd.factorize(heads["site"])[0][row]

    def latent() -> np.ndarray:
        effect = rng.normal(size=site.max() + 1)[site]
        return ndtr(np.sqrt(1 - SITE_EFFECT**2) * rng.normal(size=len(row)) + SITE_EFFECT * effect)

    illness = quantile(latent(), ILLNESS[name], 1.5)
    share, mean = OTHER[name]
    authorised = illness + np.where(rng.random(len(row)) < share, rng.exponential(mean, len(row)), 0.0)
    unauthorised = quantile(latent(), UNAUTHORISED[name], 0.02)
    hours = {
        "all": authorised + unauthorised,
        "authorised": authorised,
        "illness": illness,
        "unauthorised": unauthorised,
    }
    counted = []
    for kind in KINDS:
        band = np.digitize(hours[kind], [5.0, 10.0, 20.0], right=True)
        cells = np.bincount(row * 4 + band, minlength=len(heads) * 4)
        frame = heads.loc[heads.index.repeat(4), ["site", "subdivision"]].reset_index(drop=True)
        counted.append(frame.assign(kind=kind, band=np.tile(BANDS, len(heads)), pupils=cells))
    return pd.concat(counted, ignore_index=True)


def sector(name: str, seed: int = 2026) -> Sector:
    """One sector of the whole country."""
    sites, heads = primary_sites() if name == "po" else secondary_sites()
    return Sector(name, sites, heads, absence(name, heads, seed))
