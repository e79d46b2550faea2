"""The package of a table: every form, the dictionary, and a list of them that anybody can check."""

import hashlib
import io
import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from audit.note import Signer, parse_note
from gateway.formats.dictionary import dictionary
from gateway.formats.package import MANIFEST, write_package
from gateway.formats.write import FILES, Format, write_table
from gateway.table import COLUMNS, NUMBERS, TableRow, encode_rows

SIGNER = Signer("gateway.example/receipts", bytes(32))
ABOUT = {"period": "2026-2027-1", "release": "0" * 32}
LINES = encode_rows(
    TableRow("2026-2027-1", "swv", "PO9901", "po", "total", "all", *cell, "exact", "", "", "9", "10")
    for cell in (("total", "400", "published", "100"), ("upto10", "", "suppressed", ""))
)


def package(*, own: bool = False) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(write_package(LINES, ABOUT, SIGNER.sign, own=own)))


def words_of(found: zipfile.ZipFile) -> str:
    """All that a package says in its dictionary and in its workbook."""
    texts = [found.read("verzuim.csv-metadata.json")]
    with zipfile.ZipFile(io.BytesIO(found.read("verzuim.xlsx"))) as book:
        texts += map(book.read, book.namelist())
    return b"\n".join(texts).decode()


def test_a_site_s_own_table_does_not_call_itself_a_release() -> None:
    """Its small counts are in it: every file that explains itself warns of them, and none says that they are hidden."""
    release = ["beschermde aantallen", "protected counts", "exact, met onderdrukking", "suppressed`", "0 tot en met 4"]
    warning = ["kleine aantallen inbegrepen", "small counts included", "exact, zoals aangeleverd"]
    assert [text for text in release + warning if text in words_of(package())] == release
    assert [text for text in release + warning if text in words_of(package(own=True))] == warning


def test_the_readme_of_a_noisy_table_promises_no_minimum() -> None:
    """A figure with noise can be below five: no title says otherwise, and its first sheet says what noise is."""
    cell = ("upto10", "3", "published", "1", "dp", "0", "7", "9", "10")
    noisy = encode_rows([TableRow("2026-2027-1", "swv", "PO9901", "po", "total", "all", *cell)])
    found = zipfile.ZipFile(io.BytesIO(write_package(noisy, ABOUT, SIGNER.sign)))
    assert not [promise for promise in ("vanaf vijf", "from five") if promise in words_of(found)]
    assert ["In 95 of 100 cases" in words_of(each) for each in (found, package())] == [True, False]


def test_a_package_holds_every_form_as_it_is_downloaded() -> None:
    """Each file in it has the bytes of the download of that form."""
    found = package()
    assert {name: found.read(name) for name in found.namelist() if name.startswith("verzuim.")} == {
        f"verzuim.{form.value}": write_table(LINES, form, ABOUT) for form in FILES
    } | {"verzuim.csv-metadata.json": dictionary("verzuim.csv")}


def test_equal_content_gives_an_equal_package() -> None:
    """Writing twice gives the same file, byte for byte, signature included."""
    assert write_package(LINES, ABOUT, SIGNER.sign) == write_package(LINES, ABOUT, SIGNER.sign)


def test_the_manifest_is_signed_and_checked_by_sha256sum(tmp_path: Path) -> None:
    """The signature holds for the key, and the ordinary program finds every file as listed."""
    package().extractall(tmp_path)
    text = parse_note((tmp_path / MANIFEST).read_text()).opened([SIGNER.key])
    assert text.splitlines()[:4] == ["verzuimpoort/manifest/v1", "period 2026-2027-1", f"release {'0' * 32}", "rows 2"]
    command = ["sha256sum", "--check", "--ignore-missing", MANIFEST]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stdout.count(": OK") == len(package().namelist()) - 1


@pytest.mark.parametrize("name", [f"verzuim.{form.value}" for form in FILES])
def test_a_changed_file_is_not_the_listed_one(name: str) -> None:
    """The list has the hash of these bytes and of no others."""
    found = package()
    listed = found.read(MANIFEST).decode()
    assert f"{hashlib.sha256(found.read(name)).hexdigest()}  {name}" in listed
    assert hashlib.sha256(found.read(name) + b" ").hexdigest() not in listed


def test_the_dictionary_describes_the_csv_file_column_by_column() -> None:
    """The header, the types and the codes of the dictionary are those of the file it describes."""
    schema = json.loads(dictionary("verzuim.csv"))
    columns = schema["tableSchema"]["columns"]
    header, *rows = write_table(LINES, Format.CSV, ABOUT).decode().splitlines()
    assert [column["titles"] for column in columns] == header.split(schema["dialect"]["delimiter"]) == list(COLUMNS)
    assert {column["name"] for column in columns if column["datatype"]["base"] == "integer"} == NUMBERS
    for row in rows:
        for column, value in zip(columns, row.split(";"), strict=True):
            assert value or not column["required"]
            assert re.fullmatch(column["datatype"].get("format", ".*"), value)
    assert {"suppressed", "above20", "swv"} <= {note["code"] for note in schema["notes"]}


def test_every_column_is_explained_in_both_languages() -> None:
    """No column is only a name."""
    for column in json.loads(dictionary("x"))["tableSchema"]["columns"]:
        assert {text["@language"] for text in column["dc:description"]} == {"nl", "en"}
