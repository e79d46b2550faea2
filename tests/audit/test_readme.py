"""The room's page: its example is an entry, and its schema is the one the code keeps."""

import json
import re
from pathlib import Path

from audit.entry import Entry
from audit.events import GROUNDS, Decision, Event
from audit.leaf import parse
from audit.schema import METADATA
from audit.spelling import encode
from tests.audit.world import entry

README = (Path(__file__).parents[2] / "audit/README.md").read_text()


def _block(start: str) -> str:
    return README[README.index(start) :].partition("\n```")[0]


def test_the_example_of_an_entry_is_one() -> None:
    """The literal line is canonical and has the version of today."""
    line = _block('{"activity"')
    assert parse(line.encode())["v"] == 1


def test_the_schema_names_every_field_of_an_entry_and_no_other() -> None:
    """Fields, decisions and patterns of the page are those of the code."""
    schema = json.loads(_block('{"$schema"'))
    made = {"v", "ts", "salt", "trace_id", "span_id", "parent_span_id"}
    assert set(schema["properties"]) == made | set(Entry.__dataclass_fields__)
    assert schema["properties"]["decision"]["enum"] == list(Decision)
    assert set(schema["properties"]) > GROUNDS
    data = encode(entry(), salt=bytes(16), ts=1, trace_id="ab" * 16, span_id="cd" * 8, parent_span_id="ef" * 8)
    for name, value in parse(data).items():
        rule = schema["properties"][name]
        rule = schema["$defs"].get(str(rule.get("$ref", "")).rpartition("/")[2], rule)
        assert re.search(rule.get("pattern", ""), str(value))


def test_every_column_says_what_it_holds() -> None:
    """A column is a key, or has a comment or a name that stands in the entry."""
    fields = set(Entry.__dataclass_fields__) | {"ts", "log", "idx", "position", "place", "size", "school_year", "hash"}
    silent = [
        f"{table.name}.{column.name}"
        for table in METADATA.sorted_tables
        for column in table.columns
        if not column.comment and column.name not in fields
    ]
    assert silent == []


def test_every_event_has_the_form_of_noun_and_verb() -> None:
    """`submission.received`: lower case, two words with a point, so that a family can be asked for."""
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*", event) for event in Event)
