"""The reverse proxy of the documentation, as Debian's nginx runs it: TLS, client certificates, stripped headers."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gateway.demo.people import IN_FORCE, must
from gateway.messages import catalogue
from gateway.running import free_port
from gateway.settings import Settings
from pseudonymisation.service import problems

from .certificates import Certified, authority, machine, revoke
from .conftest import Site, present_world, running
from .test_consents import care, terms

OIN = "00000003123456780000"
# For two ports, the channel to the master process and one caller: nothing is left to reach a server with.
NONE_LEFT = 4
DEPLOY = Path(__file__).parents[2] / "gateway" / "deploy"


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
    if shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("no nginx: apt install nginx-light")
    folder = tmp_path_factory.mktemp("proxied")
    world = present_world(folder / "data", settings=Settings(in_force=IN_FORCE, proxies=("127.0.0.1",)))
    care(world)
    must(world.desk.register_oin(world.region.sites[0].code, OIN, scopes=["submit"]))
    own, clients = authority("Server CA"), authority("Clients CA")
    own.write(folder, "ca")
    clients.write(folder, "clients")
    machine(own).write(folder, "server")
    (folder / "revoked.pem").write_bytes(revoke(clients))
    with running(world) as site, proxy(site, folder, clients, f"server {site.url.removeprefix('http://')}") as both:
        yield both
    world.gateway.database.dispose()


@contextmanager
def proxy(
    site: Site, folder: Path, clients: Certified, servers: str, *, connections: int = 512, of: str = "nginx.conf"
) -> Iterator[Proxied]:
    """The example before these servers of a site; its certificates stand in the folder."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or ""
    port, plain = free_port(), free_port()
    text = re.sub(r"\w+\.example", "localhost", (DEPLOY / of).read_text())
    text = text.replace("/etc/verzuimpoort/tls", str(folder)).replace("/var/log/nginx", str(folder))
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace("listen 80", f"listen 127.0.0.1:{plain}")
    text = text.replace("    server 127.0.0.1:8001 max_fails=0;\n", "")
    text = re.sub("server 127.0.0.1:8[01]00", servers, text)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    logs = f"error_log {folder}/all.log; access_log {folder}/all.log;"  # as Debian has it, for what a site leaves open
    whole = (
        f"daemon off; pid {folder}/pid; events {{ worker_connections {connections}; }} http {{ {logs} {paths} {text} }}"
    )
    (folder / "nginx.conf").write_text(whole)
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        both = Proxied(site, port, folder, clients)
        await_proxy(both, process)
        yield both
    finally:
        process.terminate()
        process.wait()


def await_proxy(proxied: Proxied, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        assert process.poll() is None, (proxied.folder / "all.log").read_text()
        with suppress(httpx.TransportError), proxied.client() as http:
            http.get("/health/live")
            return
        time.sleep(0.05)
    raise RuntimeError("nginx does not answer")


def plain_port(proxied: Proxied) -> str:
    return (proxied.folder / "nginx.conf").read_text().split("listen 127.0.0.1:")[2].split(";")[0]


def refused(http: httpx.Client, answer: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and wait of the proxy's own refusal, once it reads as the gateway's: a problem, the same headers."""
    body, headers = answer.json(), answer.headers
    entry = catalogue("problems")[body["type"].removeprefix("/problems/")]
    assert headers["content-type"] == "application/problem+json"
    assert (body["title"], body["status"]) == (f"{entry['title']['nl']} / {entry['title']['en']}", answer.status_code)
    always = {*http.get("/v1/nothing").headers.items()} - {*headers.items()}
    assert {name for name, _ in always} <= {"connection", "content-length", "content-language", "date"}
    assert "max-age=31536000" in headers["strict-transport-security"]
    return answer.status_code, body["type"].removeprefix("/problems/"), headers.get("retry-after")


def about(proxied: Proxied, index: int = 0) -> dict[str, str]:
    return proxied.site.world.about(index)


def authorised(proxied: Proxied) -> dict[str, str]:
    """What a machine of the second site says with a token."""
    with proxied.site.client(proxied.site.world.region.sites[1].code) as http:
        return {"Authorization": http.headers["Authorization"]}


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
    """Expired, or of another authority: a problem before the gateway sees anything."""
    shown = machine(proxied.clients if ended else authority("Somebody"), OIN, ended=ended)
    with proxied.client(shown) as http, proxied.client() as public:
        assert refused(public, http.get("/v1/submissions")) == (400, "certificate-refused", None)


def test_a_revoked_certificate_ends_at_the_proxy(proxied: Proxied, tmp_path: Path) -> None:
    """The one that leaked is shut out by the list of its authority; the new one, with the same OIN, is let in."""
    leaked, renewed = machine(proxied.clients, OIN), machine(proxied.clients, OIN)
    servers = f"server {proxied.site.url.removeprefix('http://')}"
    with before(proxied, tmp_path, servers, leaked) as front, front.client(leaked) as out, front.client(renewed) as on:
        assert refused(on, out.get("/v1/submissions")) == (400, "certificate-refused", None)
        assert on.get("/v1/submissions").status_code == 200


@pytest.mark.parametrize(
    ("path", "headers", "told"),
    [
        ("/v1/purposes", {"X-Long": "x" * 20_000}, (400, "invalid-request", None)),
        (f"/v1/{'x' * 9_000}", {}, (414, "invalid-request", None)),
        ("/metrics", {}, (404, "not-found", None)),
    ],
)
def test_what_the_proxy_does_not_pass_on_is_a_problem(
    proxied: Proxied, path: str, headers: dict[str, str], told: tuple[int, str, None]
) -> None:
    """A head or an address that is too long, and what is not for outside: as the gateway would say it."""
    with proxied.client() as http:
        assert refused(http, http.get(path, headers=headers)) == told


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
        assert refused(http, http.post("/v1/submissions", content=b"x" * 18_000_000)) == (413, "too-large", None)


def test_plain_http_is_sent_to_tls(proxied: Proxied) -> None:
    """The other port only redirects."""
    answer = httpx.get(f"http://127.0.0.1:{plain_port(proxied)}/v1/purposes", headers={"Host": "localhost"})
    assert (answer.status_code, answer.headers["location"]) == (308, "https://localhost/v1/purposes")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"/v1/releases/{'0' * 32}/table"), ("POST", "/v1/audit/continuation")],
)
def test_one_reader_does_not_use_up_what_the_public_may(proxied: Proxied, method: str, path: str) -> None:
    """Whoever asks in a hurry for what the log keeps and shows nothing is told to slow down; a machine is not."""
    machine_of = machine(proxied.clients, OIN)
    with proxied.client() as public, proxied.client(machine_of) as known:
        answers = [[client.request(method, path) for _ in range(100)] for client in (public, known)]
        told = {refused(public, answer) for answer in answers[0] if answer.status_code == 429}
    assert told == {(429, "rate-limited", "1")}
    assert not [answer for answer in answers[1] if answer.status_code == 429]


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/callback", "/national"])
def test_a_made_up_credential_is_no_way_around_the_pace_of_a_reader(proxied: Proxied, path: str) -> None:
    """Pages look at no token and no certificate: whoever shows one there is told to slow down all the same."""
    with proxied.client(machine(proxied.clients, OIN)) as http:
        answers = [http.get(path, headers={"Authorization": "x"}) for _ in range(60)]
        assert {refused(http, each) for each in answers if each.status_code == 429} == {(429, "rate-limited", "1")}


def test_a_secret_in_an_address_is_in_no_log(proxied: Proxied, tmp_path: Path) -> None:
    """With every server away, in a hurry or over plain http: nginx keeps neither a login link nor a provider's code."""
    with before(proxied, tmp_path, f"server 127.0.0.1:{free_port()} max_fails=0") as front, front.client() as http:
        away = http.get("/login/s3cret")
        codes = {http.get("/sign-in/callback", params={"code": "s3cret"}).status_code for _ in range(30)}
        httpx.get(f"http://127.0.0.1:{plain_port(front)}/login/s3cret", headers={"Host": "localhost"})
        with proxied.client() as live:
            assert refused(live, away) == (502, "no-answer", "5")
    assert codes == {429, 502}
    assert holding(tmp_path, b"s3cret") == []


@pytest.mark.parametrize("full", ["disk", "connections"])
def test_a_proxy_in_trouble_says_so_and_keeps_no_secret(proxied: Proxied, tmp_path: Path, full: str) -> None:
    """No room for a body, or no connection left for a server: a problem, and neither caller nor link in a log."""
    servers = f"server {proxied.site.url.removeprefix('http://')}"
    with before(proxied, tmp_path, servers, connections=NONE_LEFT if full == "connections" else 512) as front:
        (tmp_path / "client_body").rmdir()
        with front.client() as http, proxied.client() as live:
            answer = http.post("/login/s3cret", content=b"x" * 100_000)
            assert refused(live, answer) == (500, "no-answer", "5")
    assert holding(tmp_path, b"s3cret", b"client: 127.0.0.1") == []


def holding(folder: Path, *secrets: bytes) -> list[str]:
    """Names of files of a folder in which something stands."""
    files = [(file.name, file.read_bytes()) for file in folder.iterdir() if file.is_file()]
    return [name for name, kept in files if any(secret in kept for secret in secrets)]


def test_schools_reach_the_pseudonym_service_over_tls(proxied: Proxied, tmp_path: Path) -> None:
    """Its proxy passes on, refuses what is large or in a hurry as the service would, and keeps no caller in a log."""
    servers = f"server {proxied.site.url.removeprefix('http://')}"
    known = tomllib.loads(Path(problems.__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    with before(proxied, tmp_path, servers, of="nginx-pseudonym.conf") as front, front.client() as http:
        assert http.get("/health/live").json() == {"status": "ok"}
        answers = [http.post("/v1/evaluations", content=b"x" * 2_000_000)]
        answers += [each for each in [http.get("/health/live") for _ in range(150)] if each.status_code != 200]
    assert {answer.status_code for answer in answers} == {413, 429}
    for answer in answers:
        body = answer.json()
        assert {name.lower(): value for name, value in problems.HEADERS.items()}.items() <= answer.headers.items()
        assert body["title"] == " / ".join(known[body["type"].removeprefix("/problems/")]["title"])
    assert holding(tmp_path, b"client: 127.0.0.1", b"/v1/evaluations") == []


def test_what_a_dying_server_did_is_not_done_twice(proxied: Proxied, tmp_path: Path) -> None:
    """A server that dies after a consent is kept: 502, and the consent stands there once."""
    with before_a_dying_one(proxied, tmp_path) as front, front.client() as http:
        http.headers.update(authorised(proxied))
        asked = {"terms": terms(first_day=front.site.world.gateway.today).model_dump(mode="json")}
        assert http.post("/v1/consents", json=asked).status_code == 502
        assert len(http.get("/v1/consents").json()) == 1


def test_a_file_that_a_dying_server_took_is_sent_again(proxied: Proxied, tmp_path: Path) -> None:
    """A server that dies after a file is kept: the next one recognises it, and its sender hears 200."""
    with before_a_dying_one(proxied, tmp_path) as front, front.client() as http:
        http.headers.update(authorised(proxied))
        answer = http.post("/v1/submissions", params=about(proxied, 1), content=proxied.site.world.counts(1))
        assert (answer.status_code, answer.json()["version"]) == (200, 1)


@contextmanager
def before_a_dying_one(proxied: Proxied, folder: Path) -> Iterator[Proxied]:
    """The example before a server that does what it is asked and dies without an answer, and a good one after it."""
    good = proxied.site.url.removeprefix("http://")
    with socket.create_server(("127.0.0.1", 0)) as dying:
        threading.Thread(target=die_each_time, args=(dying, proxied.site), daemon=True).start()
        here = f"127.0.0.1:{dying.getsockname()[1]}"
        servers = f"server {here} max_fails=0; server {good} backup"
        with before(proxied, folder, servers) as both:
            yield both


@contextmanager
def before(
    proxied: Proxied, folder: Path, servers: str, *revoked: Certified, connections: int = 512, of: str = "nginx.conf"
) -> Iterator[Proxied]:
    """The example with the same certificates, of which some are revoked, before other servers."""
    for name in ("ca", "clients", "server"):
        for file in proxied.folder.glob(f"{name}.*"):
            shutil.copy(file, folder)
    (folder / "revoked.pem").write_bytes(revoke(proxied.clients, *revoked))
    with proxy(proxied.site, folder, proxied.clients, servers, connections=connections, of=of) as both:
        yield both


def die_each_time(dying: socket.socket, site: Site) -> None:
    """Hand each request to the real server, wait until it has answered, and hang up."""
    with suppress(OSError):
        while True:
            caller = dying.accept()[0]
            with caller, httpx.Client() as http:
                head, _, body = caller.recv(65_536).partition(b"\r\n\r\n")
                first, *lines = head.decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in lines)
                while len(body) < int(headers.get("Content-Length", 0)):
                    body += caller.recv(65_536)
                method, path, _ = first.split(" ")
                http.request(method, f"{site.url}{path}", headers=headers, content=body)
