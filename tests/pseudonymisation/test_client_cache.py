"""The client's cache: it remembers, it holds no number, and it survives."""

import os
import sqlite3
import stat
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymisation.client.cache import Cache, open_cache
from pseudonymisation.client.messages import Refusal
from tests.pseudonymisation.world import YEAR, numbers

KEY_ID = "0123456789abcdef"


def opened(folder: Path, school_year: str = YEAR) -> Cache:
    """A cache that opens."""
    cache = open_cache(folder, school_year)
    assert isinstance(cache, Cache)
    return cache


def test_what_was_put_is_found_in_a_later_run(tmp_path: Path) -> None:
    """Pseudonyms are there after closing and opening again; other numbers are not."""
    known = {digits: digits.encode().ljust(64, b"y") for digits in numbers(60)}
    with opened(tmp_path / "cache") as cache:
        cache.put(KEY_ID, known)
    with opened(tmp_path / "cache") as cache:
        assert cache.get(KEY_ID, [*known, "111222333"]) == known


def test_a_key_has_its_own_pseudonyms(tmp_path: Path) -> None:
    """A pseudonym under one key of the service is not taken for one under another."""
    with opened(tmp_path / "cache") as cache:
        cache.put(KEY_ID, {"111222333": b"y" * 64})
        assert cache.get("f" * 16, ["111222333"]) == {}


def test_files_are_private(tmp_path: Path) -> None:
    """Folder 0700, files 0600; a folder that others can enter is refused."""
    with opened(tmp_path / "cache") as cache:
        cache.put(KEY_ID, {"111222333": b"y" * 64})
        files = list((tmp_path / "cache").iterdir())
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    (tmp_path / "cache").chmod(0o755)
    outcome = open_cache(tmp_path / "cache", YEAR)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "cache-not-private"


def test_holds_neither_number_nor_pseudonym(tmp_path: Path) -> None:
    """The bytes of the cache contain no digits of a number and no byte run of a pseudonym."""
    known = {digits: digits.encode() * 7 + b"y" for digits in numbers(50)}
    with opened(tmp_path / "cache") as cache:
        cache.put(KEY_ID, known)
    content = b"".join(path.read_bytes() for path in (tmp_path / "cache").iterdir())
    assert not [digits for digits in known if digits.encode() in content]


@given(st.binary(max_size=200) | st.text(max_size=9) | st.integers(0, 9))
def test_tampered_entries_count_as_unknown(content: bytes | str | int) -> None:
    """A changed entry is asked anew, not used."""
    cache = Cache(Path(":memory:"), b"k" * 64)
    with cache:
        cache.put(KEY_ID, {"111222333": b"y" * 64})
        cache._database.execute("UPDATE pseudonym SET sealed = ?", (content,))
        assert cache.get(KEY_ID, ["111222333"]) == {}


def test_an_entry_moved_to_another_number_counts_as_unknown(tmp_path: Path) -> None:
    """Swapping two entries does not swap two pupils."""
    one, two = numbers(2)
    with opened(tmp_path / "cache") as cache:
        cache.put(KEY_ID, {one: b"1" * 64, two: b"2" * 64})
        (sealed,) = cache._database.execute("SELECT sealed FROM pseudonym LIMIT 1").fetchone()
        cache._database.execute("UPDATE pseudonym SET sealed = ?", (sealed,))
        assert len(cache.get(KEY_ID, [one, two])) == 1


def test_without_its_key_the_cache_tells_nothing(tmp_path: Path) -> None:
    """A copy of the database alone opens no entry."""
    with opened(tmp_path / "cache") as cache:
        cache.put(KEY_ID, {"111222333": b"y" * 64})
    (tmp_path / "cache" / "cache.key").unlink()
    with opened(tmp_path / "cache") as cache:
        assert cache.get(KEY_ID, ["111222333"]) == {}


def test_a_damaged_cache_is_said_and_kept(tmp_path: Path) -> None:
    """A file that is no database is not overwritten: the school is told what to do."""
    opened(tmp_path / "cache").__exit__(None, None, None)
    path = tmp_path / "cache" / f"pseudonyms-{YEAR}.sqlite"
    path.write_bytes(b"not a database" * 100)
    outcome = open_cache(tmp_path / "cache", YEAR)
    assert isinstance(outcome, Refusal)
    assert path.name in outcome.nl
    assert path.read_bytes() == b"not a database" * 100


def test_a_damaged_key_is_said(tmp_path: Path) -> None:
    """A key file cut short is a refusal, not a new key."""
    opened(tmp_path / "cache").__exit__(None, None, None)
    (tmp_path / "cache" / "cache.key").write_bytes(b"short")
    outcome = open_cache(tmp_path / "cache", YEAR)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "cache-unreadable"


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file where the folder should be is a refusal with its name, not a traceback."""
    (tmp_path / "cache").write_text("")
    outcome = open_cache(tmp_path / "cache", YEAR)
    assert isinstance(outcome, Refusal)
    assert str(tmp_path / "cache") in outcome.nl


def test_years_long_past_are_erased(tmp_path: Path) -> None:
    """This year's and last year's caches stay, for corrections; older ones go."""
    for year in ("2024-2025", "2025-2026", "2026-2027"):
        opened(tmp_path / "cache", year).__exit__(None, None, None)
    names = {path.name for path in (tmp_path / "cache").glob("*.sqlite")}
    assert names == {"pseudonyms-2025-2026.sqlite", "pseudonyms-2026-2027.sqlite"}


def put_and_die(folder: Path) -> None:
    """A client that is killed between two batches, in the middle of writing the second."""
    cache = opened(folder)
    cache.put(KEY_ID, dict.fromkeys(numbers(50, seed=1), b"1" * 64))
    cache._database.execute("BEGIN IMMEDIATE")
    cache._database.execute("INSERT INTO pseudonym VALUES (?, ?)", (b"t" * 16, b"s"))
    os._exit(9)


def test_a_killed_client_loses_no_finished_batch(tmp_path: Path) -> None:
    """After a kill in the middle of a batch, every batch before it is there and the cache opens."""
    process = get_context("spawn").Process(target=put_and_die, args=(tmp_path / "cache",))
    process.start()
    process.join()
    assert process.exitcode == 9
    with opened(tmp_path / "cache") as cache:
        assert len(cache.get(KEY_ID, numbers(50, seed=1))) == 50
        assert cache._database.execute("SELECT count(*) FROM pseudonym").fetchone() == (50,)


def test_two_runs_at_once_share_it(tmp_path: Path) -> None:
    """Two clients on one cache wait for each other and both find everything."""
    with opened(tmp_path / "cache") as one, opened(tmp_path / "cache") as two:
        one.put(KEY_ID, {"111222333": b"1" * 64})
        two.put(KEY_ID, {"101222331": b"2" * 64})
        assert len(one.get(KEY_ID, ["111222333", "101222331"])) == 2


def put_together(folder: Path, start: Barrier, digits: str) -> None:
    """A client that starts at the same moment as others and keeps one pseudonym."""
    start.wait()
    with opened(folder) as cache:
        cache.put(KEY_ID, {digits: digits.encode().ljust(64, b"y")})


def test_runs_that_start_together_all_succeed(tmp_path: Path) -> None:
    """In a folder that holds no more than a cache long past, which has to go: all keep what they got."""
    context, together = get_context("spawn"), numbers(6)
    opened(tmp_path / "cache", "2024-2025").__exit__(None, None, None)
    (tmp_path / "cache" / "cache.key").unlink()
    start = context.Barrier(len(together))
    runs = [context.Process(target=put_together, args=(tmp_path / "cache", start, digits)) for digits in together]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0] * len(runs)
    with opened(tmp_path / "cache") as cache:
        assert len(cache.get(KEY_ID, together)) == len(together)


def test_schema_is_the_documented_one(tmp_path: Path) -> None:
    """Two columns: a keyed tag and a sealed pseudonym."""
    opened(tmp_path / "cache").__exit__(None, None, None)
    database = sqlite3.connect(tmp_path / "cache" / f"pseudonyms-{YEAR}.sqlite")
    assert [row[1] for row in database.execute("PRAGMA table_info(pseudonym)")] == ["tag", "sealed"]
    database.close()


def test_a_cache_in_use_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another command has it, the school is told to try again, not to move it away at the cost of quota."""
    opened(tmp_path / "cache").__exit__(None, None, None)
    monkeypatch.setattr("pseudonymisation.client.cache._TURN_SECONDS", 0)
    with closing(sqlite3.connect(tmp_path / "cache" / f"pseudonyms-{YEAR}.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        outcome = open_cache(tmp_path / "cache", YEAR)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "cache-failed"
