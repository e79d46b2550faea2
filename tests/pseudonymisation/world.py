"""A small world for tests and benchmarks: a pseudonym service with keys, register and log, and schools that ask it."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, text

from pseudonymisation.client import Band
from pseudonymisation.kek import FileKek
from pseudonymisation.key_document import ServiceKey, read_key_document
from pseudonymisation.keyring import Keyring
from pseudonymisation.number import Number, parse_number
from pseudonymisation.oprf import blind
from pseudonymisation.service import (
    Credential,
    RegisteredSite,
    RegisterFile,
    create_service,
    credential_hash,
    export_register,
    open_store,
    open_year,
    service_document,
)
from pseudonymisation.text64 import to_text

YEAR = "2026-2027"
PERIOD = "2026-2027-1"
SITE = "00AB00"
OTHER = "01CD01"
BANDS = (Band("upto5", 5), Band("5to10", 10), Band("10to20", 20), Band("above20", 100))
HEADER = ("BSN", "Bouw", "Roosteruren", "Geoorloofd", "Waarvan ziekte", "Ongeoorloofd")
GATEWAY_SECRET = bytes(range(32))
GATEWAY_PUBLIC = Ed25519PrivateKey.from_private_bytes(GATEWAY_SECRET).public_key().public_bytes_raw()


def token_of(site: str) -> str:
    """The credential of a site of this world."""
    return f"made-up-token-of-{site}-as-long-as-a-real-one"


def numbers(count: int, seed: int = 1) -> list[str]:
    """Made-up valid numbers, all different, a twentieth of them education numbers."""
    draw = random.Random(seed)  # noqa: S311  made-up numbers, the same in every run
    found: dict[str, None] = {}
    while len(found) < count:
        digits = f"10{draw.randrange(10**7):07}" if draw.random() < 0.05 else f"{draw.randrange(10**9):09}"
        number = parse_number(digits)
        if isinstance(number, Number) and not number.unusual:
            found[digits] = None
    return list(found)


def export_rows(digits: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """One row of a school's export for each number."""
    for index, number in enumerate(digits):
        subdivision = "onderbouw" if index % 2 else "bovenbouw"
        yield index + 2, (number, subdivision, "200", f"{index % 50},5", f"{index % 50 // 2}", "1.25")


@dataclass
class World:
    """A service on real files and a real database; its time is set by hand.

    Attributes:
        folder: everything it writes.
        url: of its database; SQLite in the folder if empty.
        pupils: registered pupils of both sites.
        pool: where it evaluates.
    """

    folder: Path
    url: str = ""
    pupils: int = 100
    pool: Callable[[], Executor] = lambda: ThreadPoolExecutor(1)
    now: datetime = datetime(2026, 10, 1, 12, tzinfo=UTC)
    identify: Callable[[Mapping[str, Any]], str | None] | None = None
    _open: list[AbstractContextManager[Any] | httpx.Client] = field(default_factory=list)
    _pools: list[Executor] = field(default_factory=list)

    @cached_property
    def engine(self) -> Engine:
        """The service's database, with a plain table for its audit entries."""
        engine = open_store(self.url or f"sqlite:///{self.folder}/service.sqlite")
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS entry (event TEXT NOT NULL, fields TEXT NOT NULL)"))
        return engine

    @cached_property
    def keyring(self) -> Keyring:
        """The service's keys, with one for the school year."""
        kek = self.folder / "kek" / "kek.json"
        keyring = Keyring(self.folder / "keys", FileKek.create(kek))
        open_year(keyring, YEAR, not_before=date(2026, 8, 1), not_after=date(2027, 9, 1))
        return keyring

    @cached_property
    def registers(self) -> RegisterFile:
        """The register file, with two sites."""
        if not (self.folder / "register.json").exists():
            self.export(serial=1)
        return RegisterFile(self.folder / "register.json", GATEWAY_PUBLIC)

    @cached_property
    def app(self) -> FastAPI:
        """The service."""
        return create_service(
            engine=self.engine,
            keyring=self.keyring,
            registers=self.registers,
            append=append,
            clock=lambda: self.now,
            operator="ORG-DIENST",
            identify=self.identify,
            pool=self._pool,
        )

    def _pool(self) -> Executor:
        self._pools.append(self.pool())
        return self._pools[-1]

    @cached_property
    def portal(self) -> BlockingPortal:
        """An event loop in a thread."""
        manager = start_blocking_portal()
        self._open.append(manager)
        return manager.__enter__()

    @property
    def document(self) -> bytes:
        """The key document that schools are given."""
        return service_document(self.keyring, "ORG-DIENST")

    @property
    def key(self) -> ServiceKey:
        """The pinned key of the school year."""
        key = read_key_document(self.document).for_school_year(YEAR)
        assert key is not None
        return key

    def export(self, *, serial: int, **changes: Any) -> None:  # noqa: ANN401  fields of a site
        """Write a register of both sites, signed by the gateway."""
        sites = [
            RegisteredSite(
                site=site,
                **{
                    "pupils": self.pupils,
                    "valid_from": date(2026, 1, 1),
                    "credentials": (Credential(sha256=credential_hash(token_of(site)), not_after=date(2027, 8, 1)),),
                }
                | changes,
            )
            for site in (SITE, OTHER)
        ]
        register = export_register(
            sites,
            serial=serial,
            operator="ORG-LOKET",
            issued=self.now,
            expires=date(2027, 10, 1),
            secret=GATEWAY_SECRET,
        )
        (self.folder / "register.json").write_bytes(register)

    def http(self, site: str | None = SITE) -> httpx.Client:
        """A client with the credential of a site, straight into the service."""
        headers = {} if site is None else {"Authorization": f"Bearer {token_of(site)}"}
        client = httpx.Client(transport=InProcess(self.app, self.portal), base_url="http://service", headers=headers)
        self._open.append(client)
        return client

    def request(self, count: int = 3, **changes: object) -> dict[str, object]:
        """The body of a good request for so many numbers."""
        elements = [to_text(one) for one in blind([b"%d" % index for index in range(count)]).elements]
        return {"key_id": self.key.key_id, "period": PERIOD, "blinded": elements} | changes

    def entries(self) -> list[tuple[str, dict[str, object]]]:
        """The audit log."""
        with self.engine.connect() as connection:
            return [(event, json.loads(fields)) for event, fields in connection.execute(text("SELECT * FROM entry"))]

    def events(self) -> list[str]:
        """The names of the audit entries."""
        return [event for event, _ in self.entries()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in reversed(self._open):
            one.__exit__(None, None, None)
        for pool in self._pools:
            pool.shutdown()
        self.engine.dispose()


def append(connection: Connection, event: str, fields: Mapping[str, Any]) -> None:
    """The audit log of this world."""
    values = {"event": event, "fields": json.dumps(fields)}
    connection.execute(text("INSERT INTO entry VALUES (:event, :fields)"), values)


class InProcess(httpx.BaseTransport):
    """Carries a blocking client's requests to an ASGI application in another thread."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self._inner = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.BaseTransport`."""
        return self._portal.call(self._carry, request)

    async def _carry(self, request: httpx.Request) -> httpx.Response:
        carried = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        response = await self._inner.handle_async_request(carried)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())
