"""Pupils, end to end: from a school's export to the log, and no number is found in anything that is left behind."""

import io
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from gateway.backup import backup
from gateway.demo.people import IN_FORCE, must
from gateway.demo.service import Service, pseudonym_service
from gateway.exports import take_out
from gateway.formats.read_csv import read_csv
from gateway.identity import Identity
from gateway.operate import Desk
from gateway.running import free_port
from gateway.service_keys import pin_service_keys
from gateway.settings import Settings
from gateway.synthetic.export import school_export
from gateway.synthetic.pupils import draw_pupils
from pseudonymisation import client
from pseudonymisation.number import Number, parse_number
from tests.gateway.conftest import PERIOD, Site, World, build_world, running

WORD = re.compile(rb"(?<![0-9A-Za-z])[0-9]{9}(?![0-9A-Za-z])")
SQLITE = b"SQLite format 3"


class Heard:
    """Everything that was said over HTTP, both ways, by schools, gateway and pseudonym service."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def listen(self, http: httpx.Client) -> httpx.Client:
        def on_request(request: httpx.Request) -> None:
            self.said.append(str(request.url).encode() + b"\n" + request.read())

        def on_response(response: httpx.Response) -> None:
            self.said.append(repr(dict(response.headers)).encode() + b"\n" + response.read())

        http.event_hooks = {"request": [on_request], "response": [on_response]}
        return http


def deliver(site: Site, service: Service, index: int, home: Path, heard: Heard) -> list[bytes]:
    """A school does its part: pseudonymise, submit, confirm, change one number; returns its pupils' numbers."""
    school, contract = site.world.region.sites[index], site.world.gateway.contracts["absence-records"]
    pupils = draw_pupils(school, index=index, period=1, seed=1)
    sheet = read_csv(school_export(pupils), ())
    key = client.pinned_key(service.key_document(), PERIOD)
    cache = client.open_cache(home / f"cache-{school.code}", key.school_year)
    about = {"site": school.code, "period": PERIOD, "cache": cache}
    document, changes = home / f"{school.code}.json", home / f"{school.code}-changes.json"
    fresh = f"{99_990_000 + index:08d}"
    new = next(n for n in (f"{fresh}{last}" for last in range(10)) if isinstance(parse_number(n), Number))
    old = f"{int(pupils.numbers[0]):09d}"
    with cache, heard.listen(service.client(school.code)) as http:
        source = client.ServiceSource(http, key, PERIOD)
        bands = [client.Band(name, upper) for name, upper in contract.bands.upper.items()]
        made = client.pseudonymise(sheet.header, sheet.rows, source=source, bands=bands, output=document, **about)
        assert isinstance(made, client.Delivery), made
        pairs = [(2, (old, new))]
        changed = client.change_numbers(("Oud nummer", "Nieuw nummer"), pairs, source=source, output=changes, **about)
        assert isinstance(changed, client.Delivery), changed
    with heard.listen(site.client(school.code)) as http:
        query = {"collection": "absence-records", "party": school.code, "period": PERIOD}
        taken = http.post("/v1/submissions", params=query, content=document.read_bytes()).raise_for_status().json()
        http.post(f"/v1/submissions/{taken['id']}/confirmation").raise_for_status()
        merged = http.post("/v1/number-changes", content=changes.read_bytes()).raise_for_status().json()
        assert merged == {"pupils": 1, "rows": 1}
        http.post("/v1/submissions", params=query, content=school_export(pupils))  # refused: a raw export
    return [old.encode(), new.encode(), *(f"{number:09d}".encode() for number in pupils.numbers.tolist())]


def bytes_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file under a folder, archives opened; then the rows of its databases."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for file in files:
        data = file.read_bytes()
        yield file.name, data
        if data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                yield from ((f"{file.name}/{name}", archive.read(name)) for name in archive.namelist())
    for file in (file for file in files if file.suffix == ".sqlite"):
        with closing(sqlite3.connect(file)) as database:
            yield f"{file.name}, its rows", "\n".join(database.iterdump()).encode()


def search(found: Iterator[tuple[str, bytes]], numbers: set[bytes]) -> tuple[int, list[str]]:
    """How many bytes were searched, and where a number stands: one of these, or any that passes an 11-test.

    Pages of a database hold torn remains of random ids, which pass by chance: there only these numbers count, and in
    its rows any.
    """
    size, places = 0, []
    for name, data in found:
        size += len(data)
        words = {match[0] for match in WORD.finditer(data)}
        torn = data.startswith(SQLITE)
        if words & numbers or (not torn and any(isinstance(parse_number(word.decode()), Number) for word in words)):
            places.append(name)
    return size, places


def live(world: World, sites: range, folder: Path, capfd: pytest.CaptureFixture[str]) -> tuple[set[bytes], Heard]:
    """Everything that happens in a period: all schools, a look at the log, its export, a backup."""
    heard, numbers, home = Heard(), set[bytes](), folder / "schools"
    home.mkdir()
    with ExitStack() as stack:
        service = stack.enter_context(pseudonym_service(world.gateway))
        service.register(world.gateway, world.region)
        desk = Desk(world.gateway, Identity(world.gateway.settings.operator, "operator", proven=True))
        must(pin_service_keys(desk, service.key_document()))
        site = stack.enter_context(running(world))
        for index in sites:
            numbers |= set(deliver(site, service, index, home, heard))
        with heard.listen(site.client()) as public:
            public.get("/v1/audit/checkpoint")
        officer = Identity(world.gateway.settings.operator, "controller-officer")
        with must(take_out(world.gateway, officer)) as bundle:
            (folder / "log.zip").write_bytes(bundle.read())
        assert backup(desk, data=folder / "b-data.zip", keys=folder / "b-keys.zip") is None
    said = capfd.readouterr()
    (folder / "output.txt").write_text(said.out + said.err)
    return numbers, heard


def no_number_is_found(sites: int, folder: Path, capfd: pytest.CaptureFixture[str], *, schools: int) -> int:
    """Let a period happen and search everything; returns how many pupils there were."""
    service = f"http://127.0.0.1:{free_port()}"
    settings = Settings(in_force=IN_FORCE, service_operator="ORG-DIENST", service_url=service)
    world = build_world(folder / "data", sites=sites, settings=settings)
    try:
        numbers, heard = live(world, range(schools), folder, capfd)
    finally:
        world.gateway.database.dispose()
    said = ((f"exchange {number}", data) for number, data in enumerate(heard.said) if not _is_raw_export(data))
    size, places = search(iter([*bytes_of(folder), *said]), numbers)
    assert size > 100_000
    assert places == []
    return len(numbers) - schools


def _is_raw_export(data: bytes) -> bool:
    """The one thing that a careless school sends itself, to be refused."""
    return b"Onderwijsnummer;" in data


def test_a_number_would_be_found(tmp_path: Path) -> None:
    """The search sees a planted number in a file, in an archive and in a database page: it can fail."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", b"x;111222333;y")
    assert search(bytes_of(tmp_path), set())[1] == ["x.zip/inside"]


def test_no_number_of_a_pupil_is_left_anywhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Databases, logs, responses, audit, files and backups of a period of four schools hold no 11-test number."""
    pupils = no_number_is_found(10, tmp_path, capfd, schools=4)
    assert pupils > 1_000


@pytest.mark.soak
def test_no_number_of_a_hundred_thousand_pupils_is_left(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The same with 100,000 pupils."""
    pupils = no_number_is_found(340, tmp_path, capfd, schools=340)
    assert pupils >= 100_000
