"""What pseudonymisation costs, beside a plain keyed hash and the slow hash of ECK iD, in one run.

Run from the root of the project: `python -m benchmarks.pseudonymisation [quick]`. The service runs on one core, whoever
asks on another (Linux). `quick` leaves out the 2.3 million rows.
"""

import hashlib
import hmac
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import httpx
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, create_engine, insert

from pseudonymisation.client import Delivery, ServiceSource, open_cache, pinned_key, pseudonymise
from pseudonymisation.client.cache import Cache
from pseudonymisation.domain import Domain, number_input, service_info
from pseudonymisation.kek import FileKek
from pseudonymisation.key_document import ServiceKey
from pseudonymisation.keyring import Keyring
from pseudonymisation.number import looks_raw, parse_number
from pseudonymisation.oprf import blind, evaluate, finalise, public_key
from pseudonymisation.pseudonym import pids
from pseudonymisation.rotation import rekey, succeed
from pseudonymisation.text64 import to_text
from tests.databases import new_database, running_postgresql
from tests.pseudonymisation.serve import free_port, running
from tests.pseudonymisation.world import (
    BANDS,
    HEADER,
    OTHER,
    PERIOD,
    SITE,
    YEAR,
    World,
    export_rows,
    numbers,
    token_of,
)  # fmt: skip

Row = tuple[str, str]
DOMAIN = Domain("absence-statistics", YEAR)
PUPILS = 100_000
ROWS = 2_300_000
SEED, INFO = b"s" * 32, service_info(YEAR)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, once."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def rate(name: str, count: int, work: Callable[[], object]) -> Row:
    """How many a second, best of three."""
    return name, f"{count / min(seconds(work) for _ in range(3)):,.0f} /s"


def primitives() -> Iterable[Row]:
    """Each step by itself, one core, in this process."""
    digits = numbers(20_000)
    inputs = [number_input(one) for one in digits[:3_000]]
    batches = [inputs[start : start + 300] for start in range(0, len(inputs), 300)]
    blinded = [blind(batch) for batch in batches]
    answers = [evaluate(SEED, INFO, one.elements) for one in blinded]
    public = public_key(SEED, INFO)
    pairs = list(zip(blinded, answers, strict=True))
    ys = [os.urandom(64) for _ in range(200_000)]
    cells = [cell for _, row in export_rows(numbers(8_400)) for cell in row][:50_000]
    yield rate("plain HMAC-SHA-256 of a number (no protection)", len(digits), lambda: plain(digits))
    yield "scrypt 2^17, 8, 4 of a number (ECK iD)", f"{1 / seconds(lambda: scrypt(digits[0])):.2f} /s"
    yield rate("blind", len(inputs), lambda: [blind(batch) for batch in batches])
    yield rate("evaluate 300 with proof", len(inputs), lambda: [evaluate(SEED, INFO, one.elements) for one in blinded])
    yield rate("verify and finalise 300", len(inputs), lambda: [finalise(one, answer, public) for one, answer in pairs])
    yield rate("pid from pseudonym", len(ys), lambda: pids(b"k" * 32, DOMAIN, ys))
    yield rate("check a number", len(digits), lambda: [parse_number(one) for one in digits])
    yield "look for raw numbers in 50,000 cells", f"{seconds(lambda: sum(map(looks_raw, cells))) * 1000:.0f} ms"


def plain(digits: list[str]) -> list[bytes]:
    """What a school with a shared key would do."""
    return [hmac.digest(b"k" * 32, one.encode(), "sha256") for one in digits]


def scrypt(digits: str) -> bytes:
    """What the stamp pseudonym of ECK iD costs."""
    return hashlib.scrypt(digits.encode(), salt=b"salt", n=2**17, r=8, p=4, maxmem=2**28, dklen=32)


def service(folder: Path) -> Iterable[Row]:
    """The service over HTTP, one core, with its database on disk."""
    with World(folder, pupils=PUPILS) as world:
        key, _ = world.key, world.registers
    port = free_port()
    with running(folder, port, PUPILS, prefix=one_core()) as process:
        asked(port, SITE, prepared(key, 50, 10), 1)  # its worker starts
        for site, size, count in ((SITE, 300, 200), (OTHER, 50, 600)):
            bodies = prepared(key, size, count)
            for lines in (1, 2):
                half = bodies[: len(bodies) // 2] if lines == 1 else bodies[len(bodies) // 2 :]
                before = processor_seconds(process.pid)
                total, times = asked(port, site, half, lines)
                used = processor_seconds(process.pid) - before
                p95 = statistics.quantiles(times, n=20)[-1] * 1000
                name = f"service over HTTP, batches of {size}, {lines} connection{'s' * (lines > 1)}"
                ids = size * len(half)
                yield name, f"{ids / total:,.0f} ids/s ({ids / used:,.0f} per CPU second), p95 {p95:.0f} ms"
        yield "a school of 300, start-up included", f"{school(folder, port):.2f} s"
        yield "the same again, from the cache", f"{school(folder, port):.2f} s"


def one_core() -> tuple[str, ...]:
    """The command that keeps a process and its workers on the first core, where there is one."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return ()
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others)
    return ("taskset", "-c", str(first))


def processor_seconds(pid: int) -> float:
    """What a process and its workers used so far (Linux; infinite elsewhere)."""
    if sys.platform != "linux":
        return float("inf")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = [Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split() for one in (pid, *children)]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def prepared(key: ServiceKey, size: int, count: int) -> list[dict[str, object]]:
    """Request bodies with fresh blinded elements."""
    made = (blind([os.urandom(27)] * size).elements for _ in range(count))
    return [
        {"key_id": key.key_id, "period": PERIOD, "blinded": [to_text(one) for one in elements]} for elements in made
    ]


def asked(port: int, site: str, bodies: list[dict[str, object]], lines: int) -> tuple[float, list[float]]:
    """Wall time of all, and of each."""
    headers = {"Authorization": f"Bearer {token_of(site)}"}
    clients = [httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) for _ in range(lines)]

    def ask(line: int) -> list[float]:
        times = []
        for body in bodies[line::lines]:
            started = time.perf_counter()
            clients[line].post("/v1/evaluations", json=body).raise_for_status()
            times.append(time.perf_counter() - started)
        return times

    started = time.perf_counter()
    with ThreadPoolExecutor(lines) as threads:
        times = [one for several in threads.map(ask, range(lines)) for one in several]
    total = time.perf_counter() - started
    for client in clients:
        client.close()
    return total, times


def school(folder: Path, port: int) -> float:
    """A fresh process that turns an export of 300 pupils into a document."""
    command = [sys.executable, "-m", "benchmarks.pseudonymisation", "school", str(folder), str(port)]
    return seconds(lambda: subprocess.run(command, check=True))  # noqa: S603  this file again


def run_school(folder: Path, port: int) -> None:
    """What the process of `school` does."""
    document = httpx.get(f"http://127.0.0.1:{port}/v1/keys").content
    key, cache = pinned_key(document, PERIOD), open_cache(folder / "school", YEAR)
    headers = {"Authorization": f"Bearer {token_of(SITE)}"}
    assert isinstance(key, ServiceKey)
    assert isinstance(cache, Cache)
    with cache, httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as http:
        outcome = pseudonymise(
            HEADER, export_rows(numbers(300)), site=SITE, period=PERIOD, source=ServiceSource(http, key, PERIOD),
            cache=cache, bands=BANDS, output=folder / "submission.json",
        )  # fmt: skip
    assert isinstance(outcome, Delivery)


def rotation(folder: Path) -> Iterable[Row]:
    """2.3 million pids in one transaction."""
    yield rekeyed(folder, f"sqlite:///{folder}/rows.sqlite")
    with running_postgresql() as server:
        yield rekeyed(folder, new_database(server))


def rekeyed(folder: Path, url: str) -> Row:
    """As many rows as the country has pupils, after a leak."""
    table = Table(
        "row",
        MetaData(),
        Column("submission", Integer, primary_key=True),
        Column("pid", LargeBinary(16), primary_key=True),
        Column("key_id", String(16), nullable=False),
        sqlite_with_rowid=False,
    )
    engine = create_engine(url)
    table.metadata.create_all(engine)
    home = folder / engine.dialect.name
    keyring = Keyring(home / "keys", FileKek.create(home / "kek" / "kek.json"))
    leaked = keyring.open(DOMAIN.purpose, YEAR, not_before=date(2026, 8, 1), not_after=date(2027, 9, 1)).key_id
    draw = random.Random(1)  # noqa: S311  made-up pids
    with engine.begin() as connection:
        for start in range(0, ROWS, 100_000):
            batch = range(start, min(start + 100_000, ROWS))
            rows = [{"submission": at // 300, "pid": draw.randbytes(16), "key_id": leaked} for at in batch]
            connection.execute(insert(table), rows)
    started = time.perf_counter()
    successor = succeed(keyring, leaked).key_id
    with engine.begin() as connection:
        secret = keyring.secret(successor)
        count = rekey(connection, table, leaked=leaked, successor=successor, key=secret, domain=DOMAIN)
    took = time.perf_counter() - started
    engine.dispose()
    return f"re-key {count:,} rows, {engine.dialect.name}, one transaction", f"{took:.1f} s"


def machine() -> str:
    """The size of this machine."""
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load {load:.1f}"


def main(quick: str = "") -> None:
    """Print the table."""
    print(f"| {machine()} | |\n|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "service").mkdir()
        parts = [primitives(), service(folder / "service"), *([] if quick else [rotation(folder)])]
        for part in parts:
            for what, figure in part:
                print(f"| {what} | {figure} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["school"]:
        run_school(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*sys.argv[1:])
