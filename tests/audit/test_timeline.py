"""The questions of a privacy officer, on both databases."""

import base64
import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert

from audit.entry import Actor, Entry, Object
from audit.events import Decision, Event, Role
from audit.merkle import leaf_hash
from audit.schema import PENDING
from audit.timeline import UNREADABLE, Filter, Found, find, index_rows, tally
from tests.audit.world import MORNING, OPERATOR, SITE, SWV, World, entry

OTHER_SITE = "00CD00"
CORRECTED = Event.ENTRY_CORRECTED
RELEASE = Object(f"release:{1:032x}")


def _download(recipient: str) -> Entry:
    return Entry(
        event=Event.RELEASE_DOWNLOADED,
        actor=Actor(Role.RECIPIENT, recipient),
        recipient=recipient,
        period="2026-2027-1",
        purpose="absence-insight-swv",
        object=RELEASE,
    )


def _refusal(site: str, *rules: str) -> Entry:
    return Entry(
        event=Event.SUBMISSION_REFUSED,
        actor=Actor(Role.SCHOOL, site),
        decision=Decision.DENY,
        party=site,
        period="2026-2027-2",
        rules=rules,
    )


ENTRIES = (
    entry(),
    _download(SWV),
    _refusal(SITE, "COUNT-TOTAL", "COUNT-ORDER"),
    _refusal(OTHER_SITE, "COUNT-TOTAL"),
    entry(actor=Actor(Role.SUPPLIER, "ORG-LVS"), party=OTHER_SITE),
    _download("GM0344"),
)


@pytest.fixture
def filled(world: World) -> World:
    """Six entries after the opening one, a minute apart."""
    for each in ENTRIES:
        world.append(each)
        world.now += 60_000
    world.step()
    return world


def _indexes(found: list[Found]) -> list[int]:
    return [each.place.index for each in found]


@pytest.mark.parametrize(
    ("wanted", "indexes"),
    [
        (Filter(), [6, 5, 4, 3, 2, 1, 0]),
        (Filter(organisation=SITE), [3, 1]),
        (Filter(viewer=OTHER_SITE), [5, 4]),
        (Filter(viewer=SWV), [2]),
        (Filter(viewer=OTHER_SITE, organisation="ORG-LVS"), [5]),
        (Filter(viewer=OTHER_SITE, rule="COUNT-TOTAL"), [4]),
        (Filter(rule="COUNT-TOTAL"), [4, 3]),
        (Filter(rule="COUNT-ORDER"), [3]),
        (Filter(decision="deny"), [4, 3]),
        (Filter(event="release.downloaded"), [6, 2]),
        (Filter(recipient="GM0344"), [6]),
        (Filter(period="2026-2027-1", purpose="absence-insight-swv"), [6, 2]),
        (Filter(basis="AVG 6(1)(e); WPO 40a"), [5, 1]),
        (Filter(object=RELEASE.id), [6, 2]),
        (Filter(since=MORNING + 60_000, until=MORNING + 180_000), [3, 2]),
        (Filter(organisation="COUNT-TOTAL"), []),
        (Filter(rule=SITE), []),
        (Filter(period="2025-2026-1"), []),
    ],
)
def test_a_question_finds_the_entries_that_fit_newest_first(filled: World, wanted: Filter, indexes: list[int]) -> None:
    """By organisation in any part, period, recipient, purpose, basis, decision, rule, event, object and time."""
    assert _indexes(filled.read(lambda c: find(c, wanted))) == indexes


def test_pages_continue_below_each_other(filled: World) -> None:
    """Two at a time, each page goes on where the last one ended, with and without a question."""
    for wanted in (Filter(), Filter(viewer=SITE)):
        whole = filled.read(lambda c, wanted=wanted: find(c, wanted))
        with filled.engine.connect() as connection:
            first = find(connection, wanted, limit=2)
            second = find(connection, wanted, before=first[-1].place, limit=2)
            rest = find(connection, wanted, before=second[-1].place) if len(second) == 2 else []
        assert first + second + rest == whole


def test_refusals_are_counted_by_rule_and_downloads_by_recipient(filled: World) -> None:
    """Tallies of acts: how often a rule refused, who downloaded how often, within a scope."""
    assert filled.read(lambda c: tally(c, Filter(decision="deny"), "rule")) == {"COUNT-ORDER": 1, "COUNT-TOTAL": 2}
    assert filled.read(lambda c: tally(c, Filter(viewer=SITE), "rule")) == {"COUNT-ORDER": 1, "COUNT-TOTAL": 1}
    assert filled.read(lambda c: tally(c, Filter(), "recipient")) == {"GM0344": 1, SWV: 1}
    assert filled.read(lambda c: tally(c, Filter(organisation=OTHER_SITE), "event")) == {
        "submission.received": 1,
        "submission.refused": 1,
    }


def test_rules_are_counted_in_a_database_that_sorts_as_a_dictionary_does(small_world: World) -> None:
    """Where a database orders text in Dutch or English, signs come before figures and letters; no rule is lost."""
    event.listen(small_world.engine, "connect", lambda made, _: made.create_collation("dictionary", _in_a_dictionary))
    small_world.engine.dispose()  # the next connection knows that order
    small_world.sql(
        "DROP TABLE audit_mark",
        "CREATE TABLE audit_mark (word TEXT COLLATE dictionary, log INT, idx INT, PRIMARY KEY (word, log, idx))",
    )
    small_world.append(_refusal(SITE, "COUNT-TOTAL", "swv-no-personal-data"))
    small_world.step()
    assert small_world.read(lambda c: tally(c, Filter(), "rule")) == {"COUNT-TOTAL": 1, "swv-no-personal-data": 1}


def _in_a_dictionary(one: str, other: str) -> int:
    keys = [[(each.isalpha(), each.isdigit(), each.lower()) for each in word] for word in (one, other)]
    return (keys[0] > keys[1]) - (keys[0] < keys[1])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wanted=st.builds(
        Filter,
        viewer=st.sampled_from([None, SITE, OTHER_SITE, OPERATOR]),
        organisation=st.sampled_from([None, SITE, "ORG-LVS", SWV]),
        rule=st.sampled_from([None, "COUNT-TOTAL"]),
        event=st.sampled_from([None, "submission.refused", "release.downloaded"]),
        decision=st.sampled_from([None, "permit", "deny"]),
        period=st.sampled_from([None, "2026-2027-1"]),
        since=st.sampled_from([None, MORNING + 60_000]),
    )
)
def test_any_combination_of_questions_finds_what_a_plain_look_at_the_entries_finds(
    filled: World, wanted: Filter
) -> None:
    """The database answers what reading every entry answers."""
    asked = {name: value for name, value in asdict(wanted).items() if value is not None}
    assert filled.read(lambda c: find(c, wanted)) == [
        each for each in filled.read(lambda c: find(c, Filter())) if _fits(each.fields(), asked)
    ]


def _fits(fields: dict[str, Any], asked: dict[str, Any]) -> bool:
    parties = {fields["actor"].get("organisation"), fields.get("party"), fields.get("recipient")}
    tests = {
        "viewer": lambda value: value in parties,
        "organisation": lambda value: value in parties,
        "rule": lambda value: value in fields.get("rules", ()),
        "since": lambda value: fields["ts"] >= value,
    }
    return all(
        tests.get(name, lambda value, name=name: fields.get(name) == value)(value) for name, value in asked.items()
    )


def test_what_corrects_an_entry_is_found_by_all_whom_that_entry_named(filled: World) -> None:
    """Also what corrects the correction, in the same round; a cause that is nowhere, or no hash, stops nothing."""
    actor = Actor(Role.CONTROLLER_OFFICER, "ORG-MIN")
    (wrong,) = filled.append(entry(party=SITE))
    (right,) = filled.append(Entry(event=CORRECTED, actor=actor, cause=wrong.leaf, party=OTHER_SITE))
    (last,) = filled.append(Entry(event=CORRECTED, actor=actor, cause=right.leaf, period="2026-2027-2"))
    filled.append(Entry(event=CORRECTED, actor=actor, cause=bytes(32)))
    forged = GOOD.replace(b'"ab"', b'"no hash"').replace(b'"e"', f'"{CORRECTED}"'.encode())
    with filled.engine.begin() as connection:
        connection.execute(insert(PENDING).values(data=forged))
    filled.step()

    def leaves(wanted: Filter) -> list[bytes]:
        return [leaf_hash(each.data) for each in filled.read(lambda c: find(c, wanted))]

    assert leaves(Filter(viewer=SITE, event=CORRECTED)) == [last.leaf, right.leaf]
    assert leaves(Filter(viewer=OTHER_SITE, event=CORRECTED)) == [last.leaf, right.leaf]
    assert leaves(Filter(viewer=SWV, event=CORRECTED)) == []
    assert leaves(Filter(corrects=wrong.leaf.hex())) == [right.leaf]
    assert leaves(Filter(event=CORRECTED))[0] == leaf_hash(forged)


def test_bytes_that_are_no_entry_say_that_they_are_unreadable(small_world: World) -> None:
    """They are found under one event, and shown without anything of their content."""
    rows, marks = small_world.read(lambda c: index_rows(c, 1, 7, [b'{"event":"Jan Jansen"}']))
    assert (rows, marks) == ([(1, 7, 0, UNREADABLE, UNREADABLE, None, None, None, None, None)], [])
    shown = Found(place=None, data=b'{"event":"Jan Jansen"}').fields()  # type: ignore[arg-type]  # place is not looked at
    assert "Jan" not in json.dumps(shown)


GOOD = b'{"actor":{"role":"x"},"cause":"ab","decision":"permit","event":"e","span_id":"","trace_id":"","ts":1}'


@pytest.mark.parametrize(
    "data",
    [b"}]} no json", b"\xff", GOOD.replace(b"ab", b"\\ud800"), GOOD.replace(b"ab", b"\\u00e9"),
     GOOD.replace(b"ab", "\u00e9".encode()), GOOD.replace(b'"ab"', b"{}"), GOOD.replace(b":1}", b":1 }"),
     GOOD.replace(b'"ts":1', b'"ts":1,"x":NaN'), GOOD.replace(b'"ts":1', b'"ts":0,"ts":1')],
)  # fmt: skip
def test_only_the_one_ascii_spelling_is_shown_as_it_is(data: bytes) -> None:
    """Half characters, a second key of one name, text that is no JSON: such bytes are given in base64, and readable."""
    good, bad = (Found(place=None, data=each) for each in (GOOD, data))  # type: ignore[arg-type]  # not looked at
    assert good.line() == GOOD
    assert json.loads(bad.line())["event"] == UNREADABLE
    assert base64.b64decode(json.loads(bad.line())["bytes"]) == data
