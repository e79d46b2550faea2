"""What a process that serves carries with it."""

import subprocess
import sys
from pathlib import Path

from gateway.app import create_deployment
from gateway.settings import Home, Settings, database_url

BUILDERS = ("disclosure", "highspy", "numpy", "opendp", "pandas", "pyarrow", "scipy", "xlsxwriter")
SERVING = """
import sys
from pathlib import Path
from gateway.running import app_from_environment
app_from_environment()
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_a_serving_process_has_no_solver_and_no_data_frames(tmp_path: Path) -> None:
    """API and pages are composed without what builds releases: that is the worker's, and costs 100 MB a process."""
    where = Home(tmp_path, database_url(tmp_path / "gateway.sqlite"))
    create_deployment(where, Settings())
    environment = {"VERZUIMPOORT_DATA": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SERVING], capture_output=True, text=True, check=True, env=environment)
    assert {"fastapi", "gateway"} <= set(done.stdout.split())
    assert set(done.stdout.split()).isdisjoint(BUILDERS)
