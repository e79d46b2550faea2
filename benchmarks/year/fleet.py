"""The processes of a deployment: servers, workers and a proxy before them; killed in turn, started again, measured."""

import getpass
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from gateway.running import free_port
from gateway.settings import DATA_VARIABLE, DATABASE_VARIABLE, Home

ROOT = Path(__file__).parents[2]
START_SECONDS = 300.0
SAMPLE_SECONDS = 1.0
ANSWERING = 2  # processes that answer requests, of one server or of each of two
# As in gateway/deploy/nginx.conf, without TLS: what the proxy does with certificates is tests/gateway/test_proxy.py.
PROXY = """daemon off; user {user}; pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}}
http {{
  {paths} access_log off; client_max_body_size 17m;
  upstream gateway {{ {servers} keepalive 32; keepalive_timeout 4s; }}
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
    proxy_connect_timeout 5s; proxy_read_timeout 120s;
    location / {{ proxy_pass http://gateway; proxy_next_upstream error timeout; }}
    location = /v1/submissions {{ proxy_pass http://gateway; proxy_next_upstream error timeout non_idempotent; }}
  }}
}}
"""


@dataclass
class Member:
    """One process, and how to start it again."""

    role: str
    command: list[str]
    process: "subprocess.Popen[bytes]"


@dataclass
class Fleet:
    """What runs.

    Attributes:
        url: Of the proxy, or of the only server.
        peaks: Role → highest resident memory of one process of it, in MiB; children apart.
        kills: How many processes were killed.
    """

    home: Home
    url: str
    members: list[Member] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)
    kills: int = 0
    _turn: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, role: str, *command: str) -> None:
        """Start a process of the gateway's command line."""
        whole = [sys.executable, "-m", "gateway.cli", *command]
        self.members.append(Member(role, whole, self._run(whole)))

    def kill_one(self) -> None:
        """Kill the next server or worker in turn, without a word of warning, and start it again."""
        with self._lock:
            mortal = [member for member in self.members if member.role in {"server", "worker"}]
            member = mortal[self._turn % len(mortal)]
            self._turn, self.kills = self._turn + 1, self.kills + 1
            for child in psutil.Process(member.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            member.process.send_signal(signal.SIGKILL)
            member.process.wait()
            member.process = self._run(member.command)

    def stop(self) -> None:
        """End everything in order, the proxy last."""
        with self._lock:
            for member in self.members:
                member.process.terminate()
            for member in self.members:
                member.process.wait()

    def look(self) -> None:
        """Note how much memory everybody holds at most."""
        for member in list(self.members):
            with suppress(psutil.Error):
                process = psutil.Process(member.process.pid)
                self.note(member.role, process.pid)
                for child in process.children(recursive=True):
                    self.note(f"{member.role}'s child", child.pid)
        self.note("this client", os.getpid())

    def note(self, role: str, pid: int) -> None:
        """The peak of one process."""
        with suppress(OSError, IndexError):
            peak = int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
            self.peaks[role] = max(self.peaks.get(role, 0.0), peak)

    def _run(self, command: list[str]) -> "subprocess.Popen[bytes]":
        environment = os.environ | {DATA_VARIABLE: str(self.home.folder), DATABASE_VARIABLE: self.home.database}
        with (self.home.folder / "processes.log").open("ab") as said:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said)  # noqa: S603  ours


@contextmanager
def running(home: Home, *, servers: int, workers: int, kill_every: float) -> Iterator[Fleet]:
    """Run a deployment for as long as the block runs; above 0, one process dies each `kill_every` s."""
    ports = [free_port() for _ in range(servers)]
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") if servers > 1 else None
    front = free_port() if nginx else ports[0]
    fleet, over = Fleet(home, f"http://127.0.0.1:{front}"), threading.Event()
    for port in ports:
        fleet.start("server", "serve", "--port", str(port), "--workers", str(max(1, ANSWERING // servers)))
    for _ in range(workers):
        fleet.start("worker", "worker")
    if nginx:
        command = [nginx, "-p", str(home.folder), "-c", str(_proxy(home.folder, front, ports))]
        fleet.members.append(Member("proxy", command, fleet._run(command)))  # noqa: SLF001  not of our command line
    threads = [threading.Thread(target=_every, args=(SAMPLE_SECONDS, fleet.look, over), daemon=True)]
    if kill_every:
        threads.append(threading.Thread(target=_every, args=(kill_every, fleet.kill_one, over), daemon=True))
    try:
        _await(fleet.url)
        for thread in threads:
            thread.start()
        yield fleet
    finally:
        over.set()
        for thread in threads:
            if thread.is_alive():
                thread.join()
        fleet.look()
        fleet.stop()


def _proxy(folder: Path, port: int, ports: list[int]) -> Path:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    servers = " ".join(f"server 127.0.0.1:{each} max_fails=0;" for each in ports)
    file = folder / "nginx.conf"
    who = getpass.getuser()  # started by root, nginx would be somebody who may not read this folder
    file.write_text(PROXY.format(folder=folder, paths=paths, servers=servers, port=port, user=who))
    return file


def _every(seconds: float, act: Callable[[], None], over: threading.Event) -> None:
    while not over.wait(seconds):
        act()


def _await(url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/health/ready").is_success:
                return
        time.sleep(0.1)
    raise TimeoutError("the gateway does not answer")
