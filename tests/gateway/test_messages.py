"""Texts in the language of who reads them."""

from pathlib import Path

import pytest

import gateway
from gateway.messages import catalogue, language_of


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "nl"),
        ("en-GB", "en"),
        ("nl;q=0.4, en;q=0.5", "en"),
        ("en; q=0.5, nl;q=0.4", "en"),
        ("en ;q=0.4 , nl ; q=0.5", "nl"),
        ("fr, de;q=0.5", "nl"),
    ],
)
def test_the_preferred_language_is_found(header: str, language: str) -> None:
    """By weight, also with white space around it, which RFC 9110 allows; Dutch where neither is asked for."""
    assert language_of(header) == language


def test_every_rule_of_a_form_says_so_in_the_catalogue() -> None:
    """The rules that the modules of a form name, and no others, are those a report of that form lists."""
    package = Path(gateway.__file__).parent
    both = ["records/__init__", "records/document", "records/rules"]
    modules = {
        "counts": [
            *("formats/read", "formats/read_csv", "formats/read_xlsx", "formats/sheet"),
            *("records/counts", "records/raw"),
        ],
        "records": ["records/rows", "records/counting"],
    }
    for form, names in modules.items():
        source = "".join((package / f"{name}.py").read_text() for name in both + names)
        named = {rule for rule in catalogue("rules") if f'"{rule}"' in source} - {"NOTE-CP1252"}
        named |= {"JSON-COLLECTION", "JSON-SITE", "JSON-PERIOD"}  # put together from the name of the field
        named -= {"FILE-RECORDS-JSON"} if form == "counts" else set()
        assert named == {rule for rule, entry in catalogue("rules").items() if form in entry.get("forms", ())}
