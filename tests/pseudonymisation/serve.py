"""The pseudonym service as a process of its own: `python -m tests.pseudonymisation.serve FOLDER PORT [PUPILS]`.

Prints one line when it listens.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import uvicorn

from pseudonymisation.service import worker_pool
from tests.pseudonymisation.world import World

ROOT = Path(__file__).parents[2]


def main(folder: str, port: str, pupils: str = "100") -> None:
    """Serve until killed."""
    with World(Path(folder), pupils=int(pupils), pool=worker_pool) as world:
        uvicorn.run(world.app, port=int(port), log_level="info", access_log=True)


@contextmanager
def running(
    folder: Path, port: int, pupils: int = 100, *, prefix: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A service in a process of its own, ready when this gives it; its output goes to `service.log` in the folder.

    Args:
        folder: its keys, register, database and log; a folder of before is gone on with.
        port: where it listens, on this machine only.
        pupils: registered pupils of each site.
        prefix: command to run it under, such as `("taskset", "-c", "0")`.
    """
    command = [*prefix, sys.executable, "-m", "tests.pseudonymisation.serve", str(folder), str(port), str(pupils)]
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        _wait_until_ready(process, port)
        yield process
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError("the service ended at its start: see service.log")
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/health/ready").is_success:
                return
        time.sleep(0.05)
    raise RuntimeError("the service does not answer")


if __name__ == "__main__":
    main(*sys.argv[1:])
