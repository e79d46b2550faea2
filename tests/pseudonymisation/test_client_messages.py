"""Every text a school or a caller can get, in both languages."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

ROOM = Path(str(files("pseudonymisation")))
CLIENT = tomllib.loads((ROOM / "client" / "messages.toml").read_text("utf-8"))
SERVICE = tomllib.loads((ROOM / "service" / "problems.toml").read_text("utf-8"))
PAIRS = [
    *((f"refusals.{code}", texts) for code, texts in CLIENT["refusals"].items()),
    *((f"rules.{code}", texts) for code, texts in CLIENT["rules"].items()),
    *((f"{code}.{part}", entry[part]) for code, entry in SERVICE.items() for part in ("title", "detail")),
]


@pytest.mark.parametrize(("name", "texts"), PAIRS, ids=[name for name, _ in PAIRS])
def test_both_languages_say_the_same(name: str, texts: list[str]) -> None:
    """Each text exists in Dutch and English, with the same places to fill, and they differ."""
    dutch, english = texts
    assert dutch != english
    assert re.findall(r"{\w+}", dutch) == re.findall(r"{\w+}", english)


@pytest.mark.parametrize(
    ("codes", "folder", "pattern"),
    [
        (CLIENT["refusals"], "client", r'refusal\("([a-z-]+)"|4\d\d: "([a-z-]+)"|, "(service-refused)"'),
        (CLIENT["rules"], "", r'"((?:FILE|COLUMN|ROW|CELL|NUMBER|HOURS|SUBDIVISION)[A-Z-]*)"'),
        (SERVICE, "service", r'Problem\("([a-z-]+)"|4\d\d: "([a-z-]+)"'),
    ],
)
def test_catalogue_and_code_agree(codes: dict[str, object], folder: str, pattern: str) -> None:
    """Every code the program uses has a text, and every text is used."""
    source = "\n".join(path.read_text("utf-8") for path in (ROOM / folder).rglob("*.py"))
    used = {
        code for groups in re.findall(pattern, source) for code in ([groups] if isinstance(groups, str) else groups)
    }
    assert used - {""} == set(codes)
