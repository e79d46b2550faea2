"""The reverse proxy of the documentation, as Debian's nginx runs it: TLS, client certificates, stripped headers."""

import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from audit.log import Log
from gateway.context import wall_clock
from gateway.demo.people import IN_FORCE, must
from gateway.running import free_port
from gateway.settings import Settings

from .certificates import Certified, authority, machine
from .conftest import PERIOD, TABLE, Site, World, build_world, running

OIN = "00000003123456780000"
EXAMPLE = Path(__file__).parents[2] / "gateway" / "deploy" / "nginx.conf"


@dataclass(frozen=True)
class Proxied:
    """A gateway behind nginx."""

    site: Site
    port: int
    folder: Path
    clients: Certified

    def client(self, shown: Certified | None = None) -> httpx.Client:
        """A client that trusts this server, with or without a certificate."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if shown is not None:
            context.load_cert_chain(*shown.write(self.folder, "client"))
        return httpx.Client(base_url=f"https://localhost:{self.port}", verify=context)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """A real nginx with the example's settings, on other ports and with certificates of today."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("no nginx: apt install nginx-light")
    folder = tmp_path_factory.mktemp("proxied")
    made = build_world(folder / "data", settings=Settings(in_force=IN_FORCE, proxies=("127.0.0.1",)))
    log = Log(made.gateway.log.vocabulary)
    world = World(replace(made.gateway, clock=wall_clock, log=log), made.region)
    must(world.desk.register_oin(world.region.sites[0].code, OIN, scopes=["submit"]))
    own, clients = authority("Server CA"), authority("Clients CA")
    own.write(folder, "ca")
    clients.write(folder, "clients")
    machine(own).write(folder, "server")
    port, plain = free_port(), free_port()
    with running(world) as site:
        text = EXAMPLE.read_text().replace("/etc/verzuimpoort/tls", str(folder)).replace("poort.example", "localhost")
        text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace("listen 80", f"listen 127.0.0.1:{plain}")
        text = text.replace("server 127.0.0.1:8000", f"server {site.url.removeprefix('http://')}")
        paths = "".join(
            f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        whole = f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}} http {{ {paths} {text} }}"
        (folder / "nginx.conf").write_text(whole)
        process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")])
        try:
            both = Proxied(site, port, folder, clients)
            await_proxy(both, process)
            yield both
        finally:
            process.terminate()
            process.wait()
    made.gateway.database.dispose()


def await_proxy(proxied: Proxied, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        assert process.poll() is None, (proxied.folder / "error.log").read_text()
        with suppress(httpx.TransportError), proxied.client() as http:
            http.get("/health/live").raise_for_status()
            return
        time.sleep(0.05)
    raise RuntimeError("nginx does not answer")


def about(proxied: Proxied) -> dict[str, str]:
    return {"collection": TABLE, "party": proxied.site.world.region.sites[0].code, "period": PERIOD}


def test_a_machine_delivers_over_mutual_tls(proxied: Proxied) -> None:
    """A certificate of a known authority with a registered OIN delivers; the whole way is TLS."""
    with proxied.client(machine(proxied.clients, OIN)) as http:
        made = http.post("/v1/submissions", params=about(proxied), content=proxied.site.world.counts(0))
    assert made.status_code in (200, 201)


def test_a_certificate_nobody_registered_is_nobody(proxied: Proxied) -> None:
    """A good certificate with an unknown OIN is not the public: 401."""
    with proxied.client(machine(proxied.clients, OIN[::-1])) as http:
        assert http.get("/v1/releases").status_code == 401


@pytest.mark.parametrize("ended", [True, False])
def test_a_certificate_that_does_not_verify_ends_at_the_proxy(proxied: Proxied, ended: bool) -> None:
    """Expired, or of another authority: 400 before the gateway sees anything."""
    shown = machine(proxied.clients if ended else authority("Somebody"), OIN, ended=ended)
    with proxied.client(shown) as http:
        assert http.get("/v1/submissions").status_code == 400


def test_a_header_from_outside_does_not_pass(proxied: Proxied) -> None:
    """A client that writes the header itself, in whatever case, is the public."""
    forged = machine(proxied.clients, OIN).escaped
    with proxied.client() as http:
        for name in ("Client-Cert", "client-cert", "CLIENT-CERT", "Client_Cert"):
            assert http.get("/v1/submissions", headers={name: forged}).status_code == 401


def test_metrics_stay_inside_and_large_bodies_outside(proxied: Proxied) -> None:
    """`/metrics` does not exist from outside; more than 17 MB ends at the proxy."""
    with proxied.client() as http:
        assert http.get("/metrics").status_code == 404
        assert http.post("/v1/submissions", content=b"x" * 18_000_000).status_code == 413


def test_plain_http_is_sent_to_tls(proxied: Proxied) -> None:
    """The other port only redirects."""
    port = (proxied.folder / "nginx.conf").read_text().split("listen 127.0.0.1:")[2].split(";")[0]
    answer = httpx.get(f"http://127.0.0.1:{port}/v1/purposes", headers={"Host": "localhost"})
    assert (answer.status_code, answer.headers["location"]) == (308, "https://localhost/v1/purposes")
