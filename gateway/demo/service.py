"""The pseudonym service of the demo: a process of its own on this machine, with its own folder, keys and log."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from gateway.context import Gateway, operator_of
from gateway.demo.people import must
from gateway.messages import MendableError
from gateway.operate import Desk
from gateway.pseudonyms import (
    REGISTER_FILE,
    create_service_folder,
    export_service_register,
    issue_service_tokens,
    register_public_key,
)
from gateway.synthetic.region import Region
from pseudonymisation.private_file import write_private

ANSWER_SECONDS = 30.0
START_SECONDS = 180.0  # the first start after an installation compiles every package, on a slow disk beside other work
_DAYS = 365


@dataclass
class Service:
    """The running service, and the tokens its sites were given."""

    url: str
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def register(self, gateway: Gateway, region: Region) -> None:
        """Give every site a token and export the register with their hashes."""
        desk = Desk(gateway, operator_of(gateway))
        self.tokens = dict(must(issue_service_tokens(desk, [site.code for site in region.sites], days=_DAYS)))
        write_private(gateway.home.service / REGISTER_FILE, must(export_service_register(desk)).document)

    def client(self, site: str) -> httpx.Client:
        """A client of the service with a site's credential."""
        headers = {"Authorization": f"Bearer {self.tokens[site]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=ANSWER_SECONDS)

    def key_document(self) -> bytes:
        """The signed document of public keys."""
        return httpx.get(f"{self.url}/v1/keys", timeout=ANSWER_SECONDS).raise_for_status().content


@contextmanager
def pseudonym_service(gateway: Gateway) -> Iterator[Service]:
    """Run the service at the address of the settings, as a process, for as long as the block runs."""
    folder = gateway.home.service
    create_service_folder(folder, operator=gateway.settings.service_operator, gateway_key=register_public_key(gateway))
    desk = Desk(gateway, operator_of(gateway))
    write_private(folder / REGISTER_FILE, must(export_service_register(desk)).document)
    port = urlsplit(gateway.settings.service_url).port
    command = [sys.executable, "-m", "gateway.cli", "pseudonym-service", "--folder", str(folder), "--port", str(port)]
    process = subprocess.Popen(command)  # noqa: S603  our own program with our own arguments
    try:
        service = Service(gateway.settings.service_url)
        _await(service, process)
        yield service
    finally:
        process.terminate()
        process.wait(timeout=ANSWER_SECONDS)


def _await(service: Service, process: "subprocess.Popen[bytes]") -> None:
    """Wait until it answers, for as long as it lives."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise MendableError("service-ended")
        try:
            httpx.get(f"{service.url}/health/ready", timeout=1.0).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise MendableError("service-slow")
