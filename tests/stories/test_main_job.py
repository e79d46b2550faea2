"""The whole job, once on each database: from a school's file to a release that a privacy officer can verify."""

from pathlib import Path

import pytest

from gateway.demo import run_once
from gateway.settings import DATABASE_VARIABLE


def test_one_regions_release_can_be_verified(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every school delivers, faults are refused, the judge finds nothing, everybody downloads, the log verifies."""
    monkeypatch.setenv(DATABASE_VARIABLE, database)
    summary = run_once(tmp_path / "data", sites=20, seed=1, progress=lambda _: None)
    assert summary["sites"] == 20
    assert summary["attacker"] == {"exact": 0, "narrowed": 0}
    assert summary["audit_verified"]
    figures = {name: value for name, value in summary.items() if isinstance(value, int)}
    assert figures["submissions"] >= 20
    assert figures["refused"] >= 2
    assert figures["records"] > 500
    assert figures["published_cells"] > figures["suppressed_cells"] > 0
    assert figures["published_cells"] + figures["suppressed_cells"] <= figures["released_cells"]
    assert figures["downloads"] > 5
    assert figures["audit_entries"] > 80


def test_the_summary_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """Two runs of one seed deliver and suppress alike; another seed does not."""
    runs = [
        run_once(tmp_path / str(i), sites=10, seed=seed, progress=lambda _: None) for i, seed in enumerate((1, 1, 2))
    ]
    same = ("sites", "submissions", "refused", "records", "released_cells")
    assert [runs[0][name] for name in same] == [runs[1][name] for name in same]
    assert runs[0]["records"] != runs[2]["records"]
