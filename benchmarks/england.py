"""Real absence of England through the general interface: `python -m benchmarks.england [YEAR …] [--acro PYTHON]`.

Sessions missed per local authority, kind of school and reason, with the margins the Department for Education publishes:
authority - region - England, and all schools. Reasons are separate members. Every small cell is attacked by linear
programming with all relations. With `--acro` an interpreter that has `acro` installed (an output checker with primary
suppression) does one reason of the last year, and its pattern is attacked in the same way.
"""

import io
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.disclosure_data import SHARED
from disclosure import Hierarchy, Terms, ThresholdRule, attack, build

FILE = SHARED / "data" / "uk_dfe_absence_la_201415_201819.csv"
SEED = bytes(range(32))
RULE = ThresholdRule(complements=False)
PEER_REASON = "auth_traveller"
CELL = ["authority", "authority_level", "school", "school_level"]


class Line(NamedTuple):
    """One line of the table: what was released, and what the attack makes of it."""

    name: str
    cells: int
    published: int
    small: int
    exact: int
    narrowed: int
    seconds: float
    attack_seconds: float


def authorities() -> pd.DataFrame:
    """Sessions per year, region, authority, kind of school and reason; reasons not collected in a year are left out."""
    raw = pd.read_csv(FILE, dtype=str)
    raw = raw[(raw["geographic_level"] == "Local authority") & (raw["school_type"] != "Total")]
    reasons = [name for name in raw.columns if name.startswith(("sess_auth_", "sess_unauth_")) and "total" not in name]
    names = {"time_period": "year", "region_code": "region", "new_la_code": "authority", "school_type": "school"}
    long = raw.rename(columns=names).melt(list(names.values()), reasons, "reason", "sessions")
    long["sessions"] = pd.to_numeric(long["sessions"].where(long["sessions"] != ":"))
    long = long.dropna(subset="sessions").astype({"sessions": "int64"})
    return long.assign(reason=long["reason"].str.removeprefix("sess_"))


def dimensions(counts: pd.DataFrame) -> dict[str, Hierarchy]:
    """Authorities by region and country, kinds of school in total."""
    places = counts[["authority", "region"]].drop_duplicates().assign(country="England")
    schools = pd.DataFrame({"school": sorted(counts["school"].unique()), "all": "all"})
    return {
        "authority": Hierarchy("authority", places, paths=[("region", "country")]),
        "school": Hierarchy("school", schools, paths=[("all",)]),
    }


def missing(counts: pd.DataFrame) -> pd.DataFrame:
    """Authorities without a kind of school."""
    every = pd.MultiIndex.from_product([counts[name].unique() for name in ("authority", "school")])
    there = pd.MultiIndex.from_frame(counts[["authority", "school"]])
    return every.difference(there).to_frame(index=False, name=["authority", "school"])


def figures(frame: pd.DataFrame, counts: pd.DataFrame) -> pd.Series:
    """The true figure of every cell of one reason."""
    places = counts.assign(country="England", all="all")
    true = {
        (area, level, kind, kind_level): int(n)
        for level in ("authority", "region", "country")
        for kind_level in ("school", "all")
        for (area, kind), n in places.groupby([level, kind_level])["sessions"].sum().items()
    }
    return pd.Series([true[cell] for cell in frame[CELL].itertuples(index=False, name=None)], index=frame.index)


def is_small(true: pd.Series) -> pd.Series:
    """Which figures the rule hides."""
    return true.between(RULE.lowest, RULE.highest)


def attacked(frame: pd.DataFrame, counts: pd.DataFrame) -> tuple[int, int, int]:
    """Small, exact and narrowed cells of one reason; the reader is told which hidden cells are small."""
    small = is_small(figures(frame, counts))
    told = frame.loc[small & frame["value"].isna(), CELL]
    found = attack(
        frame, dimensions=dimensions(counts), small=told, structural_zeros=missing(counts), rule=RULE, cells=told
    )
    exact = found["lower"] == found["upper"]
    narrowed = (found["lower"] > RULE.lowest) | (found["upper"] < RULE.highest)
    return int(small.sum()), int(exact.sum()), int((narrowed & ~exact).sum())


def protected(counts: pd.DataFrame) -> pd.DataFrame:
    """The release."""
    terms = Terms(
        dimensions={**dimensions(counts), "reason": Hierarchy.separate("reason")},
        count="sessions",
        rule=RULE,
        structural_zeros=missing(counts),
    )
    return build(counts, terms, seed=SEED).protected.frame


def released(name: str, counts: pd.DataFrame) -> Line:
    """Build and attack the release of one year."""
    start = time.perf_counter()
    frame = protected(counts)
    return measured(name, frame, counts, time.perf_counter() - start)


def measured(name: str, frame: pd.DataFrame, counts: pd.DataFrame, seconds: float) -> Line:
    """Attack a frame, reason by reason."""
    start = time.perf_counter()
    found = [
        attacked(frame[frame["reason"] == reason].reset_index(drop=True), part)
        for reason, part in counts.groupby("reason")
    ]
    small, exact, narrowed = (sum(column) for column in zip(*found, strict=True))
    return Line(
        name=name,
        cells=len(frame),
        published=int(frame["value"].notna().sum()),
        small=small,
        exact=exact,
        narrowed=narrowed,
        seconds=seconds,
        attack_seconds=time.perf_counter() - start,
    )


def compared(python: str, year: str, counts: pd.DataFrame) -> Iterator[Line]:
    """One reason by us, and the pattern of `acro` beside the true margins, which the Department publishes anyway."""
    start = time.perf_counter()
    frame = protected(counts)
    yield measured(f"{year} {PEER_REASON}", frame, counts, time.perf_counter() - start)
    start = time.perf_counter()
    shown = tabulated(python, counts)
    seconds = time.perf_counter() - start
    true = figures(frame, counts)
    cells = frame[["authority", "school"]].merge(shown, on=["authority", "school"], how="left")
    inner = (frame["authority_level"] == "authority") & (frame["school_level"] == "school")
    hidden = (inner & cells["value"].isna()) | is_small(true)
    frame["value"] = true.astype("Int64").mask(hidden)
    yield measured(f"{year} {PEER_REASON}, acro", frame, counts, seconds)


def tabulated(python: str, counts: pd.DataFrame) -> pd.DataFrame:
    """Authority, school and value as `acro` prints them."""
    script = Path(__file__).with_name("england_acro.py")
    done = subprocess.run(  # noqa: S603  the reader's own interpreter, named on the command line
        [python, script], input=counts.to_csv(index=False), capture_output=True, text=True, check=True
    )
    return pd.read_csv(io.StringIO(done.stdout), dtype={"authority": str})


def write(lines: Sequence[Line]) -> None:
    """Print one markdown table."""
    print("| release | cells | published | small | exact | narrowed | build s | attack s |")
    print("|---|---|---|---|---|---|---|---|")
    for line in lines:
        print(
            f"| {line.name} | {line.cells:,} | {line.published:,} | {line.small:,} | {line.exact} | {line.narrowed} "
            f"| {line.seconds:.1f} | {line.attack_seconds:.1f} |"
        )


def main(words: list[str]) -> None:
    """Every year, or those named."""
    counts = authorities()
    years = [word for word in words if word in set(counts["year"])] or sorted(counts["year"].unique())
    lines = [released(year, counts[counts["year"] == year]) for year in years]
    if "--acro" in words:
        last = counts[(counts["year"] == years[-1]) & (counts["reason"] == PEER_REASON)]
        lines += compared(words[words.index("--acro") + 1], years[-1], last)
    write(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
