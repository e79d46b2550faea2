"""The data dictionary of a published table, as CSV on the Web metadata (W3C CSVW): of a release, or of a site alone.

It is made from the columns and the texts that the files themselves are made from, so it cannot say anything else.
"""

import json
from collections.abc import Mapping

from gateway.messages import LANGUAGES, catalogue, text
from gateway.table import COLUMNS, KEY, NUMBERS, CellStatus

MEDIA_TYPE = "application/csvm+json"
_ALWAYS = frozenset({*KEY, "status", "method"})


def codes(*, own: bool = False) -> Mapping[str, Mapping[str, str]]:
    """Code → what it means in a release, or in a site's own table, where there is no other status or method."""
    every = catalogue("codes")
    if not own:
        return every
    never = {"dp", *CellStatus} - {CellStatus.PUBLISHED}
    here = {code: words for code, words in every.items() if code not in never}
    return here | {"exact": catalogue("files")["own_exact"]}


def dictionary(url: str, *, own: bool = False) -> bytes:
    """What each column and code means.

    Args:
        url: Where the CSV file is, relative to the dictionary or absolute.
        own: Whether it is a site's own table.
    """
    title, said = ("own_title", ["numbers"]) if own else ("title", ["numbers", "empty"])
    described = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "nl"}],
        "url": url,
        "dc:title": _both("files", title),
        "dc:description": [words for key in said for words in _both("files", key)],
        "dialect": {"delimiter": ";", "encoding": "utf-8", "header": True, "lineTerminators": ["\r\n"]},
        "tableSchema": {"columns": [_column(name) for name in COLUMNS], "primaryKey": list(KEY)},
        "notes": [{"code": code, **words} for code, words in codes(own=own).items()],
    }
    return json.dumps(described, ensure_ascii=False, indent=2).encode()


def _column(name: str) -> dict[str, object]:
    datatype: dict[str, object] = {"base": "string"}
    if name in NUMBERS:
        datatype = {"base": "integer", "minimum": 0}
    elif name == "status":
        datatype["format"] = "|".join(CellStatus)
    return {
        "name": name,
        "titles": name,
        "dc:title": _both("files", f"column_{name}"),
        "dc:description": _both("files", f"about_column_{name}"),
        "datatype": datatype,
        "required": name in _ALWAYS,
        "null": [""],
    }


def _both(file: str, key: str) -> list[dict[str, str]]:
    return [{"@value": text(file, key, language), "@language": language} for language in LANGUAGES]
