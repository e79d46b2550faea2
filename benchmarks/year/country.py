"""Who takes part: the real sites of public registers, or an invented region where those are not at hand."""

import pandas as pd

from benchmarks.disclosure_data import SHARED
from gateway.synthetic.region import MAX_SITES, Region, Site, make_region

PRIMARY = ("lower_years", "upper_years")
LEVELS = {
    "undivided": ("BRUGJAAR",),
    "pro": ("PRO",),
    "vmbo": ("VMBO", "MAVO"),
    "havo": ("HAVO",),
    "vwo": ("VWO",),
}
PRIMARY_SHARE = 0.82
SEED = 2026


def region(sites: int, *, invented: bool) -> Region:
    """So many sites; of the real ones, whole regions in the order of their codes, the last one in part."""
    if invented:
        return make_region(min(sites, MAX_SITES), SEED)
    primary, secondary = _primary(), _secondary()
    wanted = round(sites * PRIMARY_SHARE) if sites < len(primary) + len(secondary) else sites
    chosen = (*primary[:wanted], *secondary[: max(sites - wanted, sites - len(primary))])
    return Region(
        sites=chosen,
        gemeenten={code: f"gemeente {code}" for code in sorted({site.gemeente for site in chosen})},
        swvs={code: f"samenwerkingsverband {code}" for code in sorted({site.swv for site in chosen})},
        boards={code: f"bestuur {code}" for code in sorted({site.board for site in chosen})},
    )


def _primary() -> list[Site]:
    raw = _read("nl_po_sites_2026.csv", "vestiging", "po_swv", "pupils_2025")
    return [
        Site(
            code=row["vestiging"], name=row["name"], sector="po", subdivisions=PRIMARY, board=f"ORG-B{row['board']}",
            gemeente=f"GM{row['gemeente_code']}", swv=row["po_swv"], pupils=int(row["pupils"]),
        )
        for row in raw.to_dict("records")
    ]  # fmt: skip


def _secondary() -> list[Site]:
    raw = _read("nl_vo_sites_2025_est.csv", "vestigings_id", "vo_swv", "pupils_est")
    return [
        Site(
            code=row["vestigings_id"], name=row["school_name"], sector="vo", subdivisions=_offered(row),
            board=f"ORG-{row['brin']}", gemeente=f"GM{row['municipality_code']}", swv=row["vo_swv"],
            pupils=int(row["pupils"]),
        )
        for row in raw.to_dict("records")
        if _offered(row)
    ]  # fmt: skip


def _offered(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(level for level, flags in LEVELS.items() if any(row[flag] == "True" for flag in flags))


def _read(file: str, code: str, swv: str, pupils: str) -> pd.DataFrame:
    """Sites with pupils and a region, by region and code, each once."""
    raw = pd.read_csv(SHARED / "data" / file, dtype=str)
    raw = raw.assign(pupils=pd.to_numeric(raw[pupils], errors="coerce"))
    raw = raw[(raw["pupils"] > 0) & raw[swv].notna()]
    return raw.drop_duplicates(code).sort_values([swv, code])
