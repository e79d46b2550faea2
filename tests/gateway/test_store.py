"""The database: every column declared, migrations complete, one writer at a time, nothing half done."""

import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlmodel import SQLModel, select

import gateway.budgets
import gateway.shelf
import gateway.store
from gateway.app import migrate
from gateway.database import _FileLock, _Line, open_database, reading, writing
from gateway.revision import _config
from gateway.settings import database_url
from gateway.store import Party, Release

KINDS = {"public", "operational", "personal", "confidential", "pseudonymous", "secret"}


@pytest.mark.parametrize("table", sorted(SQLModel.metadata.tables))
def test_every_column_says_what_it_holds(table: str) -> None:
    """A column without a declared kind of data fails the build."""
    assert gateway.store.__doc__
    columns = SQLModel.metadata.tables[table].columns
    assert {column.name: column.info.get("kind") for column in columns if column.info.get("kind") not in KINDS} == {}


def test_a_row_shows_nothing_that_is_secret_or_about_somebody() -> None:
    """The text form of a row, as a traceback has it, holds public and operational columns alone."""
    shown = repr(Release(id="r", period_id=1, purposes="x", builder_id=7, seed=b"S" * 32, nonce=b"N" * 32))
    assert "id='r'" in shown
    assert not [name for name in ("seed", "nonce", "SSSS", "NNNN", "builder_id") if name in shown]


def test_migrations_make_exactly_the_tables_of_the_models(tmp_path: Path) -> None:
    """After all migrations alembic finds nothing to add."""
    engine = open_database(database_url(tmp_path / "x.sqlite"))
    migrate(engine)
    with engine.begin() as connection:
        try:
            command.check(_config(connection))
        except CommandError as error:
            pytest.fail(str(error))


def test_a_database_that_nobody_uses_any_more_holds_no_file_open(tmp_path: Path) -> None:
    """Nor the locks of its writers, of which a process that opens many would come to hold more than it may."""
    used = f"""if True:
        import gc, psutil
        from gateway.database import open_database, writing
        engine = open_database({database_url(tmp_path / "x.sqlite")!r})
        with writing(engine) as session:
            session.connection().exec_driver_sql("CREATE TABLE t (x)")
        engine.dispose()
        del engine, session
        gc.collect()
        print([file.path for file in psutil.Process().open_files() if file.path.startswith({str(tmp_path)!r})])
        """
    assert subprocess.run([sys.executable, "-c", used], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_sqlite_overwrites_what_is_erased(tmp_path: Path) -> None:
    """Whatever the SQLite of a machine was built with."""
    engine = open_database(database_url(tmp_path / "x.sqlite"))
    with reading(engine) as session:
        assert session.connection().exec_driver_sql("PRAGMA secure_delete").scalar() == 1


def test_postgresql_is_asked_what_its_url_says_too(postgresql: str) -> None:
    """Options and patience of the URL count beside those of the gateway."""
    engine = open_database(f"{postgresql}&options=-csearch_path%3Dpoort&connect_timeout=9")
    with engine.connect() as connection:
        shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("search_path", "timezone")]
        given = connection.connection.driver_connection.info.get_parameters()
    engine.dispose()
    assert (shown, given["connect_timeout"]) == (["poort", "UTC"], "9")


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    """A migrated database is left as it is."""
    engine = open_database(database_url(tmp_path / "x.sqlite"))
    migrate(engine)
    with writing(engine) as session:
        session.add(Party(code="ORG-X", kind="other", name="x"))
    migrate(engine)
    with reading(engine) as session:
        assert session.exec(select(Party.code)).all() == ["ORG-X"]


def test_old_contents_of_rows_stay_in_the_folder_of_the_data(tmp_path: Path) -> None:
    """What a savepoint would bring back is kept in memory, not in a file of the machine's own temporary folder."""
    engine = open_database(database_url(tmp_path / "x.sqlite"))
    migrate(engine)
    with writing(engine) as session:
        session.add_all(Party(code=f"ORG-{number}", kind="other", name="x" * 100) for number in range(500))
        session.flush()
        with session.begin_nested():
            session.connection().execute(text("UPDATE party SET name = upper(name)"))
            files = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not [file for file in files if "etilqs" in file.name]


def test_a_failing_transaction_leaves_nothing(tmp_path: Path) -> None:
    """An exception inside a writing transaction undoes all of it."""
    engine = open_database(database_url(tmp_path / "x.sqlite"))
    migrate(engine)

    def half() -> None:
        with writing(engine) as session:
            session.add(Party(code="ORG-X", kind="other", name="x"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    with reading(engine) as session:
        assert session.exec(select(Party)).all() == []


def test_many_writers_wait_in_line(tmp_path: Path) -> None:
    """Sixteen threads that each read and then write lose nothing and never find the database locked."""
    engine = open_database(database_url(tmp_path / "x.sqlite"))
    migrate(engine)
    with writing(engine) as session:
        session.add(Party(code="ORG-X", kind="other", name="0"))
    failures: list[Exception] = []

    def count_up() -> None:
        try:
            for _ in range(10):
                with writing(engine) as session:
                    row = session.get_one(Party, "ORG-X")
                    row.name = str(int(row.name) + 1)
        except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=count_up) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert (session.get_one(Party, "ORG-X").name, failures) == ("160", [])


def test_processes_take_turns_at_writing(tmp_path: Path) -> None:
    """A process that waits for its turn comes before the next thread of the process that has it."""
    lines = here, other = _Line(str(tmp_path / "x")), _Line(str(tmp_path / "x"))
    served: list[_Line] = []

    def write(line: _Line) -> None:
        line.enter()
        served.append(line)
        line.leave()

    here.enter()
    threads = [threading.Thread(target=write, args=(line,)) for line in lines]
    threads[1].start()
    seen = _FileLock(str(tmp_path / "x-next"))
    while seen._taken():  # the other process is not in line yet
        seen.release()
    threads[0].start()
    here.leave()
    for thread in threads:
        thread.join()
    assert [line is other for line in served] == [True, False]


def test_a_reader_waits_for_no_writer(tmp_path: Path) -> None:
    """While one transaction writes, another reads the state before it."""
    engine = open_database(database_url(tmp_path / "x.sqlite"))
    migrate(engine)
    with writing(engine) as session:
        session.add(Party(code="ORG-X", kind="other", name="x"))
        session.flush()
        with reading(engine) as other:
            assert other.exec(select(Party)).all() == []


def test_a_commit_is_on_disk(tmp_path: Path) -> None:
    """SQLite runs in write-ahead mode with full synchronisation and foreign keys on."""
    engine = open_database(database_url(tmp_path / "x.sqlite"))
    with reading(engine) as session:
        settings = [session.connection().execute(text(f"PRAGMA {name}")).scalar() for name in
                    ("journal_mode", "synchronous", "foreign_keys")]  # fmt: skip
    assert settings == ["wal", 2, 1]
    assert sqlite3.threadsafety > 0


def test_only_its_owner_reads_a_database(tmp_path: Path) -> None:
    """The file and those beside it are 0600, whatever the shell would give."""
    engine = open_database(database_url(tmp_path / "x.sqlite"))
    migrate(engine)
    with writing(engine) as session:
        session.add(Party(code="ORG-X", kind="other", name="x"))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {"x.sqlite", "x.sqlite-wal", "x.sqlite-shm"} <= set(modes)
    assert set(modes.values()) == {0o600}
