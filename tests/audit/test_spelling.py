"""The one spelling of an entry: what the room writes straight to text is what canonical JSON would be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from audit.entry import Activity, Actor, Entry, Object, Policy
from audit.events import Decision, Event, Role
from audit.leaf import canonical, parse
from audit.spelling import encode
from tests.audit.world import OPERATOR, SITE, World, entry

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
HASH = st.binary(min_size=32, max_size=32)
TRACE: dict[str, Any] = {"salt": bytes(range(16)), "ts": 1, "trace_id": "ab" * 16, "span_id": "cd" * 8}


def _plain(made: Entry, parent: str | None) -> dict[str, Any]:
    """The content of an entry as values, by the way of dictionaries."""
    plain = {name: getattr(made, name) for name in Entry.__dataclass_fields__} | {"parent_span_id": parent, "v": 1}
    plain |= TRACE | {"salt": TRACE["salt"].hex(), "rules": list(made.rules) or None}
    for name in ("actor", "object", "policy", "activity"):
        if (part := plain[name]) is not None:
            plain[name] = {each: _hex(getattr(part, each)) for each in part.__dataclass_fields__}
            plain[name] = {each: value for each, value in plain[name].items() if value is not None}
    return {name: _hex(value) for name, value in plain.items() if value is not None}


def _hex(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


@given(
    made=st.builds(
        entry,
        decision=st.sampled_from(Decision),
        rules=st.lists(TEXT, max_size=3).map(tuple),
        policy=st.none() | st.builds(Policy, TEXT, HASH),
        purpose=st.none() | TEXT,
        basis=st.none() | TEXT,
        activity=st.none() | st.builds(Activity, TEXT, TEXT),
        object=st.none() | st.builds(Object, st.just(f"submission:{1:032x}"), st.none() | HASH),
        subjects_root=st.none() | HASH,
        cause=st.none() | HASH,
    ),
    parent=st.none() | st.just("ef" * 8),
)
def test_every_entry_is_spelled_as_canonical_json_spells_it(made: Entry, parent: str | None) -> None:
    """Quotes, backslashes, absent fields, any order: equal bytes by both ways, and they read back."""
    data = encode(made, **TRACE, parent_span_id=parent)
    assert data == canonical(_plain(made, parent))
    assert parse(data)["event"] == made.event


@pytest.mark.parametrize("event", [Event.CONSENT_READ, Event.BUDGET_SPENT])
def test_entries_of_other_events_are_spelled_alike(event: Event) -> None:
    """An amount of nothing is written, and an actor of the operator."""
    about, amount = Object(f"account:{1:032x}"), 0 if event is Event.BUDGET_SPENT else None
    made = Entry(event=event, actor=Actor(Role.GATEWAY, OPERATOR), object=about, amount=amount)
    assert encode(made, **TRACE, parent_span_id=None) == canonical(_plain(made, None))


def test_what_the_database_refuses_comes_as_an_error_of_sqlalchemy(world: World) -> None:
    """Full, gone or away: whoever waits for the errors of SQLAlchemy gets them, and nothing of the act is kept."""
    world.sql("ALTER TABLE audit_pending RENAME TO elsewhere")
    with pytest.raises(DBAPIError, match="audit_pending"):
        world.append(entry(party=SITE))


def test_an_entry_begins_a_transaction_where_none_is_open(world: World) -> None:
    """Going straight to the driver does not commit by itself: what is rolled back is gone."""
    with world.engine.connect() as connection:
        world.log.append(connection, entry())
    assert world.step().sequenced == 0  # the log opens, and nothing waits
