"""The audit log against its aims and against tlog-scales: `python -m benchmarks.audit [--entries N] [--seconds S]`.

Everything is durable: SQLite in WAL with synchronous=FULL, PostgreSQL with fsync and synchronous_commit on. Clients,
database and sequencer share the machine. An "action" inserts a row of its own and an audit entry in one transaction.
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import PlainEd25519Signer
from tlog_scales.writer import TilesWriter

from audit.errors import NotLoggedError
from audit.export import select_all, write_bundle, write_csv
from audit.group import GroupCommit
from audit.guards import create
from audit.log import wall_clock
from audit.proofs import Place, consistency, inclusion, locate, prove, signed_size
from audit.receipt import issue, with_proof
from audit.schema import ENTRY
from audit.timeline import Filter, find, tally
from benchmarks.audit_log import (
    BUSINESS,
    LOG,
    POLICY,
    SIGNER,
    SITES,
    act,
    databases,
    drain,
    engine_of,
    fill,
    sequencing,
    some_entry,
)
from gateway import database

CHECK = """
import sys
from audit.verify import main
code = main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""


def throughput(commit: Callable[[int], None], threads: int, seconds: float) -> float:
    """Durable actions a second of many threads."""
    stop, counts = time.perf_counter() + seconds, [0] * threads

    def work(me: int) -> None:
        while time.perf_counter() < stop:
            commit(me + counts[me] * threads)
            counts[me] += 1

    started = time.perf_counter()
    workers = [threading.Thread(target=work, args=(me,)) for me in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - started)


def grouped(url: str, threads: int, seconds: float, *, audited: bool) -> float:
    """SQLite with group commit."""
    engine = engine_of(url)
    group = GroupCommit(engine)
    rate = throughput(lambda number: group.run(lambda c: act(c, number, audited=audited)), threads, seconds)
    engine.dispose()
    return rate


def single(url: str, threads: int, seconds: float, *, audited: bool) -> float:
    """A transaction an action, on PostgreSQL."""
    engine = engine_of(url)

    def commit(number: int) -> None:
        with engine.begin() as connection:
            act(connection, number, audited=audited)

    rate = throughput(commit, threads, seconds)
    engine.dispose()
    return rate


def _client(url: str, threads: int, seconds: float, audited: bool, pipe: Any) -> None:  # noqa: ANN401  a pipe
    pipe.send(single(url, threads, seconds, audited=audited))


def clients(url: str, threads: int, seconds: float, *, audited: bool) -> float:
    """The same from two processes, as two gateway replicas would."""
    pipes = []
    for _ in range(2):
        ear, mouth = multiprocessing.Pipe(duplex=False)
        multiprocessing.Process(target=_client, args=(url, threads // 2, seconds, audited, mouth)).start()
        pipes.append(ear)
    return sum(ear.recv() for ear in pipes)


def commit_to_signed(url: str, seconds: float, threads: int = 4) -> list[float]:
    """Seconds from the commit of an entry until a proof of it can be had, for several callers one after the other."""
    engine, waits = engine_of(url), []

    def work() -> None:
        while time.perf_counter() < stop:
            with engine.begin() as connection:
                leaf = LOG.append(connection, some_entry(len(waits))).leaf
            committed = time.perf_counter()
            while not is_signed(engine, leaf):
                time.sleep(0.01)
            waits.append(time.perf_counter() - committed)

    with sequencing(url):
        time.sleep(1.5)  # until it works
        stop = time.perf_counter() + seconds
        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    engine.dispose()
    return waits


def is_signed(engine: Engine, leaf: bytes) -> bool:
    """Whether a signed checkpoint holds the entry."""
    with database.reading(engine) as session:
        try:
            place = locate(session.connection(), leaf)
        except NotLoggedError:
            return False
        return signed_size(session.connection(), place.log) > place.index


def timed(ask: Callable[[int], object], count: int) -> list[float]:
    """Seconds of each of `count` calls."""
    took = []
    for number in range(count):
        begun = time.perf_counter()
        ask(number)
        took.append(time.perf_counter() - begun)
    return took


def percentiles(seconds: list[float], scale: float, unit: str) -> str:
    """Median and 99th percentile."""
    ordered = sorted(seconds)
    at = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"{statistics.median(ordered) * scale:.2f} / {at * scale:.2f} {unit}"


def proofs_of(url: str, size: int, count: int) -> tuple[str, str]:
    """Inclusion and consistency proofs from the database, each a look-up of its own."""
    engine, chance = engine_of(url), __import__("random").Random(5)
    with engine.connect() as connection:
        inclusions = timed(lambda _: inclusion(connection, Place(1, chance.randrange(size)), size), count)
        consistencies = timed(lambda _: consistency(connection, 1, chance.randrange(1, size), size), count)
    engine.dispose()
    return percentiles(inclusions, 1_000, "ms"), percentiles(consistencies, 1_000, "ms")


def questions(url: str) -> str:
    """The worst 95th percentile among the questions of a privacy officer."""
    engine, site = engine_of(url), SITES[17]
    asked: dict[str, Callable[[Connection], object]] = {
        "latest": lambda c: find(c, Filter()),
        "own organisation": lambda c: find(c, Filter(viewer=site)),
        "who received, per recipient": lambda c: find(c, Filter(recipient="GM0031", period="2026-2027-1")),
        "refused by a rule in a period": lambda c: find(c, Filter(rule="COUNT-TOTAL", period="2026-2027-1")),
        "who downloaded this release": lambda c: find(c, Filter(object=f"release:{1:032x}")),
        "nothing fits": lambda c: find(c, Filter(purpose="statutory-counts", event="release.downloaded")),
        "refusals per rule": lambda c: tally(c, Filter(decision="deny"), "rule"),
        "events of a period": lambda c: tally(c, Filter(period="2026-2027-1"), "event"),
    }
    worst = ("", 0.0)
    with engine.connect() as connection:
        for name, ask in asked.items():
            took = sorted(timed(lambda _, ask=ask: ask(connection), 20))[18]
            worst = max(worst, (name, took), key=lambda pair: pair[1])
    engine.dispose()
    return f"{worst[1] * 1_000:.0f} ms ({worst[0]})"


def verified(url: str, size: int, *, compress: bool) -> str:
    """Seconds and memory of the stand-alone verifier, in a process of its own, on a bundle of the whole log."""
    with tempfile.TemporaryDirectory(prefix="bench-audit-") as folder:
        path, engine = Path(folder) / "bundle.zip", engine_of(url)
        begun = time.perf_counter()
        with engine.connect() as connection, path.open("wb") as out:
            write_bundle(connection, 1, out, policy=POLICY, compress=compress)
        wrote = time.perf_counter() - begun
        engine.dispose()
        runs, memory = [], 0
        for _ in range(3):
            begun = time.perf_counter()
            run = [sys.executable, "-c", CHECK, str(path)]
            done = subprocess.run(run, check=True, capture_output=True, text=True)  # noqa: S603  our own program
            runs.append(time.perf_counter() - begun)
            memory = int(done.stdout.split()[-2]) // 1024
        megabytes = path.stat().st_size / 1e6
    return (
        f"{min(runs):.2f} s, {memory:.0f} MB at most ({size:,} entries, {megabytes:.0f} MB, written in {wrote:.0f} s)"
    )


def quarter(url: str) -> str:
    """Seconds to write the entries of one period as CSV."""
    engine, begun, out = engine_of(url), time.perf_counter(), io.StringIO()
    with engine.connect() as connection:
        write_csv(select_all(connection, Filter(period="2026-2027-1")), out)
    engine.dispose()
    return f"{time.perf_counter() - begun:.1f} s ({out.getvalue().count(chr(10)) - 1:,} entries)"


def receipt_sizes(url: str, size: int) -> str:
    """Bytes of the proof of an entry in the middle of the log, and of a whole receipt."""
    engine = engine_of(url)
    with engine.connect() as connection:
        middle = select(ENTRY.c.hash, ENTRY.c.data).where(ENTRY.c.log == 1, ENTRY.c.idx == size // 2)
        leaf, data = connection.execute(middle).one()
        proof = prove(connection, leaf)
    engine.dispose()
    receipt = issue(SIGNER, kind="submission", entry=data, made=wall_clock(), nonce=bytes(32), details={})
    return f"{len(str(proof).encode()):,} B proof, {len(with_proof(receipt, proof).encode()):,} B receipt"


def peer(entries: int, count: int) -> tuple[str, str, str]:
    """tlog-scales: appends in batches of 10,000 to files, proofs from files without its tile cache."""
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as folder:
        root, chance = Path(folder) / "log", __import__("random").Random(5)
        writer = TilesWriter.create(root, SIGNER.key.name)
        signer, data = PlainEd25519Signer(SIGNER.key.name, bytes(32)), os.urandom(600)
        begun = time.perf_counter()
        for number in range(entries):
            writer.add_leaf(data[:-8] + number.to_bytes(8))
            if number % 10_000 == 9_999 or number == entries - 1:
                writer.commit([signer])
        rate = entries / (time.perf_counter() - begun)

        def reader() -> TilesReader:
            fresh = TilesReader(LocalBackend(root))
            fresh.set_size(entries)
            return fresh

        inclusions = timed(lambda _: reader().get_inclusion_proof(chance.randrange(entries), entries), count)
        consistencies = timed(lambda _: reader().get_consistency_proof(chance.randrange(1, entries), entries), count)
    return f"{rate:,.0f} /s", percentiles(inclusions, 1_000, "ms"), percentiles(consistencies, 1_000, "ms")


def best(*measures: Callable[[], float]) -> list[float]:
    """The best of three runs of each, taken in turns, so that what else the machine does weighs on all alike."""
    runs = [[measure() for measure in measures] for _ in range(3)]
    return [max(each) for each in zip(*runs, strict=True)]


def disk() -> float:
    """Durable writes a second of this disk, one at a time."""
    with tempfile.TemporaryFile() as file:
        begun = time.perf_counter()
        for _ in range(200):
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
        return 200 / (time.perf_counter() - begun)


def rates(urls: dict[str, str], seconds: float) -> Iterator[tuple[str, str, str, str]]:
    """Durable actions, their cost, and the time to a signature."""
    for url in urls.values():
        engine = engine_of(url)
        with engine.begin() as connection:
            create(connection)
            connection.exec_driver_sql(BUSINESS)
        engine.dispose()
    lite, server = urls["SQLite"], urls["PostgreSQL"]
    (full,) = best(lambda: grouped(lite, 128, seconds, audited=True))
    yield "SQLite, group commit, 128 submitters: durable audited actions", f"{full:,.0f} /s", "≥ 12,000 /s", ""
    without, with_ = best(
        *(lambda audited=audited: grouped(lite, 16, seconds, audited=audited) for audited in (False, True))
    )
    beside = f"{with_:,.0f} of {without:,.0f} /s"
    yield "SQLite, group commit, 16 submitters: with entry / without", f"{with_ / without:.2f}", "≥ 0.75", beside
    drain(lite)
    with sequencing(server):
        (full,) = best(lambda: clients(server, 64, seconds, audited=True))
    yield "PostgreSQL, 64 connections, sequencer running: durable audited actions", f"{full:,.0f} /s", "≥ 4,000 /s", ""
    drain(server)
    without, with_ = best(
        *(lambda audited=audited: clients(server, 16, seconds, audited=audited) for audited in (False, True))
    )
    beside = f"{with_:,.0f} of {without:,.0f} /s"
    yield "PostgreSQL, 16 connections: with entry / without", f"{with_ / without:.2f}", "≥ 0.75", beside
    drain(server)
    for name, url in urls.items():
        waits = commit_to_signed(url, 2 * seconds)
        yield (
            f"{name}: commit to signed checkpoint, p50 / p99",
            percentiles(waits, 1_000, "ms"),
            "p99 ≤ 250 ms",
            f"{len(waits)} entries",
        )
        drain(url)


def reading(urls: dict[str, str], entries: int, count: int) -> Iterator[tuple[str, str, str, str]]:
    """Proofs, checks, questions and exports on a large log."""
    theirs = peer(entries, min(count, 2_000))
    for name, url in urls.items():
        appended, sequenced = fill(url, entries)
        yield (
            f"{name}: append in transactions of 5,000 / sequence",
            f"{appended:,.0f} / {sequenced:,.0f} /s",
            "",
            f"tlog-scales {theirs[0]} (hashes only)",
        )
        if name == "PostgreSQL":
            with contextlib.closing(engine_of(url).raw_connection()) as raw:
                raw.driver_connection.set_autocommit(True)  # type: ignore[union-attr]  # psycopg
                raw.cursor().execute("VACUUM ANALYZE")
        shown = proofs_of(url, entries, count)
        for kind, mine, other in zip(("inclusion", "consistency"), shown, theirs[1:], strict=True):
            yield f"{name}: {kind} proof at {entries:,}, p50 / p99", mine, "p99 ≤ 0.25 ms", f"tlog-scales {other}"
        yield f"{name}: slowest question of a privacy officer, p95", questions(url), "≤ 300 ms", ""
        yield f"{name}: export of a quarter, CSV", quarter(url), "≤ 10 s", ""
    lite = urls["SQLite"]
    for compress in (False, True):
        how = "compressed" if compress else "stored"
        yield (
            f"stand-alone check of the whole log, {how}",
            verified(lite, entries, compress=compress),
            "≤ 2 s at 1 M",
            "",
        )
    yield "size of a receipt", receipt_sizes(lite, entries), "≤ 1.6 kB (proof)", ""


def main() -> None:
    """Print one markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--proofs", type=int, default=5_000)
    given = parser.parse_args()
    load, writes = os.getloadavg()[0], disk()
    print(f"{os.cpu_count()} cores, {platform.machine()}, load {load:.1f}, {writes:,.0f} durable writes a second\n")
    print("| what | measured | aim | beside it |\n|---|---|---|---|")
    with databases() as urls:
        for rows in (rates(urls, given.seconds), reading(urls, given.entries, given.proofs)):
            for row in rows:
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
