"""A thief with everything that was ever written or sent: there is no number in it, and after shredding no link."""

import re
import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, String, Table, create_engine, insert, select

from pseudonymisation.client import Delivery, ServiceSource, open_cache, pseudonymise
from pseudonymisation.client.cache import Cache
from pseudonymisation.domain import Domain, number_input, service_info
from pseudonymisation.errors import KeyringError
from pseudonymisation.kek import FileKek
from pseudonymisation.keyring import Keyring, KeyState
from pseudonymisation.number import Number, parse_number
from pseudonymisation.oprf import known_output
from pseudonymisation.pseudonym import pids
from pseudonymisation.rotation import erase, keyless
from pseudonymisation.service import close_year
from tests.pseudonymisation.serve import free_port, running
from tests.pseudonymisation.world import (
    BANDS,
    HEADER,
    PERIOD,
    SITE,
    YEAR,
    World,
    append,
    export_rows,
    numbers,
    token_of,
)  # fmt: skip

DOMAIN = Domain("absence-statistics", YEAR)
ROWS = Table(
    "row",
    MetaData(),
    Column("submission", Integer, primary_key=True),
    Column("pid", LargeBinary(16), primary_key=True),
    Column("key_id", String(16), nullable=False),
)
# A number standing by itself: not inside a word, a longer run of digits, or base64url.
_ALONE = re.compile(rb"(?<![0-9A-Za-z_+/=-])[0-9]{9}(?![0-9A-Za-z_+/=-])")
_RUNS = re.compile(rb"(?=([0-9]{9}))")


def found_numbers(data: bytes, known: set[bytes]) -> list[bytes]:
    """Every valid number that stands by itself, and every number of a known pupil wherever it stands."""
    alone = [one for one in _ALONE.findall(data) if isinstance(parse_number(one.decode()), Number)]
    return alone + [one for one in _RUNS.findall(data) if one in known]


class Recording(httpx.HTTPTransport):
    """Keeps every byte that goes over the line, in a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request and keep both sides of it."""
        response = super().handle_request(request)
        with self._path.open("ab") as file:
            file.write(bytes(str(request.headers.raw), "ascii") + request.read() + response.read())
        return response


def one_school_year(folder: Path, pupils: int) -> list[str]:
    """A school of so many pupils delivers through a service in a process of its own; everything stays in the folder."""
    digits = numbers(pupils, seed=5)
    with World(folder, pupils=min(pupils, 100_000)) as world:
        assert world.key
        assert world.registers
        port = free_port()
        with running(folder, port, min(pupils, 100_000)):
            for start in range(0, pupils, 40_000):
                outcome = deliver(world, port, digits[start : start + 40_000], folder / f"submission-{start}.json")
                assert isinstance(outcome, Delivery)
    return digits


def deliver(world: World, port: int, digits: list[str], output: Path) -> object:
    """What a school does once."""
    headers = {"Authorization": f"Bearer {token_of(SITE)}"}
    cache = open_cache(world.folder / "school", YEAR)
    assert isinstance(cache, Cache)
    line = Recording(world.folder / "line.bin")
    with cache, httpx.Client(transport=line, base_url=f"http://127.0.0.1:{port}", headers=headers) as http:
        source = ServiceSource(http, world.key, PERIOD)
        return pseudonymise(
            HEADER,
            export_rows(digits),
            site=SITE,
            period=PERIOD,
            source=source,
            cache=cache,
            bands=BANDS,
            output=output,
        )


def search(folder: Path, digits: Iterable[str]) -> dict[str, list[bytes]]:
    """Every file with a number in it."""
    known = {one.encode() for one in digits}
    everything = [path for path in folder.rglob("*") if path.is_file()]
    assert len(everything) >= 8
    return {path.name: hits for path in everything if (hits := found_numbers(path.read_bytes(), known))}


def test_nothing_written_or_sent_holds_a_number(tmp_path: Path) -> None:
    """300 pupils: databases, logs, keys, caches, the document and all traffic hold no number."""
    digits = one_school_year(tmp_path, 300)
    assert search(tmp_path, digits) == {}


@pytest.mark.soak
def test_nothing_written_or_sent_holds_any_of_100_000_numbers(tmp_path: Path) -> None:
    """100,000 pupils, as the slice."""
    digits = one_school_year(tmp_path, 100_000)
    assert search(tmp_path, digits) == {}


def test_the_search_would_find_one(tmp_path: Path) -> None:
    """A number put into any of those files, alone or in the middle of something, is found."""
    digits = one_school_year(tmp_path, 60)
    for name in ("service.sqlite", "service.log", "line.bin", "submission-0.json", "register.json"):
        original = (tmp_path / name).read_bytes()
        for planted in (b" 111222333 ", b'"101222331"', b"x" + digits[7].encode() + b"8x"):
            middle = len(original) // 2
            (tmp_path / name).write_bytes(original[:middle] + planted + original[middle:])
            assert search(tmp_path, digits).keys() == {name}
        (tmp_path / name).write_bytes(original)


class Gateway:
    """As much of a gateway as a thief wants: rows by pid in a database, keys apart from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kek = FileKek.create(folder / "kek" / "kek.json")
        self.keyring = Keyring(folder / "keys", self.kek)
        self.key_id = self.keyring.open(
            DOMAIN.purpose, YEAR, not_before=date(2026, 8, 1), not_after=date(2027, 9, 1)
        ).key_id

    def engine(self, name: str = "gateway.sqlite") -> Engine:
        """Its database, or a restored one."""
        return create_engine(f"sqlite:///{self.folder}/{name}")

    def store(self, ys: list[bytes]) -> None:
        """Keep the pids of a delivery."""
        engine = self.engine()
        ROWS.metadata.create_all(engine)
        made = pids(self.keyring.secret(self.key_id), DOMAIN, ys)
        with engine.begin() as connection:
            connection.execute(insert(ROWS), [{"submission": 1, "pid": pid, "key_id": self.key_id} for pid in made])
        engine.dispose()

    def backup(self) -> None:
        """Copies of the data and, apart, of the keyring; never of the key-encryption key."""
        shutil.copy(self.folder / "gateway.sqlite", self.folder / "backup.sqlite")
        shutil.copytree(self.folder / "keys", self.folder / "backup-keys")

    def end_of_retention(self) -> None:
        """Rows first, then the key."""
        engine = self.engine()
        with engine.begin() as connection:
            assert erase(connection, ROWS, [self.key_id]) > 0
        engine.dispose()
        self.keyring.destroy(self.key_id)


def surviving_secrets(gateway: Gateway) -> list[bytes]:
    """Every secret that opens, from the keyring and from its old backup, with the key-encryption key there is."""
    secrets = []
    for folder in ("keys", "backup-keys"):
        ring = Keyring(gateway.folder / folder, gateway.kek)
        for record in ring.records():
            try:
                secrets.append(ring.secret(record.key_id))
            except KeyringError:
                continue
    return secrets


def relinked(gateway: Gateway, database: str, ys: list[bytes]) -> int:
    """How many rows of a database a thief links to pupils, who knows every pseudonym and all surviving keys."""
    engine = gateway.engine(database)
    with engine.connect() as connection:
        stored = set(connection.execute(select(ROWS.c.pid)).scalars())
    engine.dispose()
    return sum(len(stored & set(pids(secret, DOMAIN, ys))) for secret in surviving_secrets(gateway))


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    """A gateway with 300 rows, backed up, with another key that outlives this one."""
    made = Gateway(tmp_path)
    made.keyring.open("care-with-consent", YEAR, not_before=date(2026, 8, 1), not_after=date(2027, 9, 1))
    return made


YS = [known_output(b"s" * 32, service_info(YEAR), number_input(digits)) for digits in numbers(300)]


def test_before_the_end_a_backup_relinks_everything(gateway: Gateway) -> None:
    """The control: with data and keys of before, every row is linked, from the old copy of the keyring too."""
    gateway.store(YS)
    gateway.backup()
    assert relinked(gateway, "backup.sqlite", YS) == 2 * len(YS)


def test_after_shredding_an_old_backup_relinks_nothing(gateway: Gateway) -> None:
    """Old data, old keyring, surviving keys, all pseudonyms: 0 rows."""
    gateway.store(YS)
    gateway.backup()
    gateway.end_of_retention()
    assert relinked(gateway, "backup.sqlite", YS) == 0
    assert relinked(gateway, "gateway.sqlite", YS) == 0
    assert len(surviving_secrets(gateway)) == 1


def test_a_restored_gateway_knows_what_it_may_not_keep(gateway: Gateway) -> None:
    """After restoring both backups the dead key stays dead, and its rows are named and erased."""
    gateway.store(YS)
    gateway.backup()
    before = Keyring(gateway.folder / "backup-keys", gateway.kek).records()
    gateway.end_of_retention()
    gateway.keyring.restore(before)
    record = gateway.keyring.record(gateway.key_id)
    assert record is not None
    assert record.state is KeyState.DESTROYED
    engine = gateway.engine("backup.sqlite")
    with engine.begin() as connection:
        assert keyless(connection, ROWS, gateway.keyring) == [gateway.key_id]
        assert erase(connection, ROWS, [gateway.key_id]) == len(YS)
    engine.dispose()


def test_an_erased_pid_is_not_in_the_file_either(gateway: Gateway) -> None:
    """Erasing overwrites: the bytes of the pids are gone from the database file."""
    gateway.store(YS)
    made = pids(gateway.keyring.secret(gateway.key_id), DOMAIN, YS)
    assert made[7] in (gateway.folder / "gateway.sqlite").read_bytes()
    gateway.end_of_retention()
    content = (gateway.folder / "gateway.sqlite").read_bytes()
    assert not [pid for pid in made if pid in content]


def test_the_gateways_database_alone_links_nothing(gateway: Gateway) -> None:
    """Stolen rows and every pseudonym, without K: no guess of a key gives a match."""
    gateway.store(YS)
    engine = gateway.engine()
    with engine.connect() as connection:
        stored = set(connection.execute(select(ROWS.c.pid)).scalars())
    engine.dispose()
    assert not [key for key in range(256) if stored & set(pids(bytes([key]) * 32, DOMAIN, YS[:20]))]


def test_after_the_year_nobody_can_make_its_pseudonyms(tmp_path: Path) -> None:
    """With the service's year closed, its seed opens neither from the keyring nor from an old copy of it."""
    with World(tmp_path) as world:
        key_id = world.key.key_id
        shutil.copytree(tmp_path / "keys", tmp_path / "old-keys")
        close_year(world.engine, append, world.keyring, YEAR)
        for folder in ("keys", "old-keys"):
            with pytest.raises(KeyringError):
                Keyring(tmp_path / folder, FileKek(tmp_path / "kek" / "kek.json")).secret(key_id)
