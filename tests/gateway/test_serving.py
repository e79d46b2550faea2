"""What a process that serves carries with it."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway import running
from gateway.app import create_deployment
from gateway.demo.people import must
from gateway.identity import Identity
from gateway.operate import Desk
from gateway.pseudonyms import create_service_folder, export_service_register, register_public_key
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


def test_server_processes_may_take_their_time_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is silent for 5 s uvicorn kills: on a busy machine each one, again and again, while it imports."""
    asked: dict[str, object] = {}
    monkeypatch.setattr(running.uvicorn, "run", lambda *_, **options: asked.update(options))
    monkeypatch.setattr(running, "hand_on", lambda _: None)
    where = Home(tmp_path / "data", database_url(tmp_path / "data" / "gateway.sqlite"))
    create_deployment(where, Settings()).database.dispose()
    running.run_server(where, host="127.0.0.1", port=running.free_port(), workers=2)
    assert (asked["workers"], asked["timeout_worker_healthcheck"]) == (2, 60)


def test_a_service_told_to_stop_lets_its_log_come_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM ends serving by an exception; the sequencer is waited for all the same, or it dies half-way a step."""
    where = Home(tmp_path / "data", database_url(tmp_path / "data" / "gateway.sqlite"))
    gateway, folder = create_deployment(where, Settings()), tmp_path / "service"
    create_service_folder(folder, operator="ORG-DIENST", gateway_key=register_public_key(gateway))
    desk = Desk(gateway, Identity(gateway.settings.operator, "operator"))
    (folder / "register.json").write_bytes(must(export_service_register(desk)).document)
    gateway.database.dispose()
    monkeypatch.setattr(running, "serve", lambda *_, **__: sys.exit(0))
    before = set(threading.enumerate())
    with pytest.raises(SystemExit):
        running.run_pseudonym_service(folder, host="127.0.0.1", port=running.free_port())
    assert "sequencer" not in {thread.name for thread in set(threading.enumerate()) - before}
