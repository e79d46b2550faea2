"""Somebody who uploads anything: every reader answers with what the file says or with its faults, and never breaks."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.collections import load_contracts
from gateway.duo import LIST_COLUMNS, read_listing
from gateway.formats.read_csv import read_csv
from gateway.formats.sheet import UnreadableFile
from gateway.messages import LANGUAGES, rule_text
from gateway.outcome import Report
from gateway.records import Expected, Parsed, parse
from gateway.synthetic.export import counts_csv
from gateway.synthetic.pupils import draw_pupils
from gateway.synthetic.region import make_region
from tests.gateway.documents import records_document

CONTRACTS, SITE = load_contracts(), make_region(10, 1).sites[0]
PUPILS = draw_pupils(SITE, index=0, period=1, seed=1)
COUNTS = counts_csv(PUPILS, CONTRACTS["absence-counts"])
RECORDS = records_document(PUPILS, CONTRACTS["absence-records"], site=SITE.code, period="2026-2027-1")[:6000]
SECRET = "Jansen-123456782"
EXAMPLES, CAMPAIGN = 150, 50_000


def sheet(rows: bytes) -> bytes:
    """A zip that calls itself a workbook."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", rows)
    return kept.getvalue()


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A good file with some of its bytes cut out, doubled or replaced."""
    body = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(body)))
        until = min(len(body), at + draw(st.integers(0, 40)))
        body[at:until] = draw(st.sampled_from([b"", SECRET.encode(), b";", b"\x00", b"\xff\xfe", b'"', b"=1+1", b"\n"]))
    return bytes(body)


FILES = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=200).map(str.encode),
    damaged(COUNTS),
    damaged(RECORDS),
    st.binary(max_size=200).map(lambda tail: b"PK\x03\x04" + tail),
    st.binary(max_size=200).map(sheet),
    st.text(max_size=200).map(lambda text: sheet(f'<!DOCTYPE x [<!ENTITY a "{text}">]><x>&a;</x>'.encode())),
    st.recursive(st.none() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=4), max_leaves=9).map(
        lambda value: str(value).replace("'", '"').encode()
    ),
)


def expected_everywhere() -> Iterator[Expected]:
    """Every contract, with the site known and unknown."""
    for contract in CONTRACTS.values():
        yield Expected(contract, SITE.code, "2026-2027-1", SITE.sector, SITE.subdivisions, None)
        yield Expected(contract, SITE.code, "2026-2027-1", None, None, None)


def read_everywhere(body: bytes) -> None:
    """Read a file as each collection; a report never repeats what was put in."""
    for expected in expected_everywhere():
        outcome = parse(body, expected)
        assert isinstance(outcome, Parsed | Report)
        if isinstance(outcome, Report):
            said = "".join(rule_text(fault, language) for fault in outcome.faults for language in LANGUAGES)
            assert SECRET not in said + repr(outcome)


def read_as_list(body: bytes) -> None:
    """Read a file as a register's list."""
    with suppress(UnreadableFile):
        read_listing(read_csv(body, LIST_COLUMNS), CONTRACTS)


@settings(max_examples=EXAMPLES)
@given(FILES)
def test_no_file_breaks_a_reader(body: bytes) -> None:
    """Junk, damaged files, zips and entities: a value or faults, each with its text, and never a word of the file."""
    read_everywhere(body)
    read_as_list(body)


@pytest.mark.soak
@settings(max_examples=CAMPAIGN, derandomize=False)
@given(FILES)
def test_fifty_thousand_files_break_no_reader(body: bytes) -> None:
    """The same, fifty thousand times."""
    read_everywhere(body)
    read_as_list(body)


@pytest.mark.parametrize("size", [200_000_000])
def test_a_zip_bomb_is_told_by_its_promise(size: int, tmp_path: Path) -> None:
    """A small archive that unpacks to hundreds of megabytes is refused before it is unpacked."""
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/workbook.xml", "w") as entry:
        for _ in range(size // 50_000_000):
            entry.write(bytes(50_000_000))
    outcome = parse(bomb.read_bytes(), next(expected_everywhere()))
    assert isinstance(outcome, Report)
