"""Entries: what may be logged with which event, and what may never be."""

import json
from dataclasses import replace

import pytest

from audit.entry import KINDS, Activity, Actor, Entry, Object, Policy
from audit.errors import EntryError
from audit.events import GROUNDS, SHAPES, Decision, Event, Role
from audit.leaf import parse
from audit.log import Log
from audit.spelling import encode
from tests.audit.world import ACTIVITY, MORNING, OPERATOR, SITE, VOCABULARY, World, entry

TRACE = {"trace_id": "ab" * 16, "span_id": "cd" * 8, "parent_span_id": None}
UUID = "0190f5b4-7c1e-7000-8000-000000000001"


def test_an_entry_has_one_canonical_spelling() -> None:
    """Every field in sorted order, hashes in hexadecimal, absent fields left out, a fresh salt in front of the rest."""
    data = encode(entry(rules=("COUNT-TOTAL",), cause=bytes(32)), salt=bytes(16), ts=MORNING, **TRACE)
    assert data.decode() == (
        '{"activity":{"uri":"https://verzuimpoort.example/register/statutory-counts","version":"3"},'
        '"actor":{"organisation":"00AB00","role":"school"},"basis":"AVG 6(1)(e); WPO 40a",'
        f'"cause":"{"00" * 32}","decision":"permit","event":"submission.received",'
        f'"object":{{"commitment":"{"00" * 32}","id":"submission:{"00" * 16}"}},"party":"00AB00",'
        f'"period":"2026-2027-1","policy":{{"id":"flows","sha256":"{"00" * 32}"}},"purpose":"statutory-counts",'
        f'"rules":["COUNT-TOTAL"],"salt":"{"00" * 16}","span_id":"{"cd" * 8}","trace_id":"{"ab" * 16}",'
        f'"ts":{MORNING},"v":1}}'
    )
    assert parse(data)["v"] == 1


def test_every_event_has_a_shape_and_none_allows_an_unknown_field() -> None:
    """The closed list is complete: each event says which fields it may carry, all of them fields of an entry."""
    fields = {"party", "recipient", "period", "object", "subjects_root", "cause", "amount"} | GROUNDS
    assert set(SHAPES) == set(Event)
    assert all(shape.required <= shape.fields <= fields for shape in SHAPES.values())


@pytest.mark.parametrize("event", [event for event in Event if event.startswith(("consent.", "record."))])
def test_consent_entries_cannot_name_a_site_recipient_or_class(event: Event) -> None:
    """No party, recipient, period or cause may go with them, and the acting organisation is the operator."""
    good = Entry(event=event, actor=Actor(Role.GATEWAY, OPERATOR), object=Object(f"consent:{UUID}"))
    VOCABULARY.demand(good)
    for field, value in (("party", SITE), ("recipient", "PO2505"), ("period", "2026-2027-1"), ("cause", bytes(32))):
        with pytest.raises(EntryError, match=f"`{field}` may not be logged"):
            replace(good, **{field: value})
    with pytest.raises(EntryError, match="may not name a site"):
        VOCABULARY.demand(replace(good, actor=Actor(Role.SCHOOL, SITE)))
    with pytest.raises(EntryError, match="random identifier"):
        replace(good, object=Object(f"party:{SITE}"))


def test_a_consent_entry_cannot_be_joined_to_the_request_by_its_trace(small_world: World) -> None:
    """Trace ids that the caller passes are replaced by fresh ones."""
    asked = Entry(event=Event.CONSENT_GIVEN, actor=Actor(Role.GATEWAY, OPERATOR), object=Object(f"consent:{UUID}"))
    with small_world.engine.begin() as connection:
        made = small_world.log.append(connection, asked, trace_id="ab" * 16, span_id="cd" * 8, parent_span_id="ef" * 8)
    assert b"ab" * 16 not in made.data
    assert b"parent_span_id" not in made.data


def test_a_budget_entry_carries_an_amount_and_no_other_event_does() -> None:
    """Millionths of rho are a parameter of the mechanism; anywhere else a number could be a count of pupils."""
    account = Object("account:statutory-counts/2026-2027")
    spent = Entry(event=Event.BUDGET_SPENT, actor=Actor(Role.GATEWAY, OPERATOR), object=account, amount=125_000)
    assert json.loads(encode(spent, salt=bytes(16), ts=1, **TRACE))["amount"] == 125_000
    assert [event for event in Event if "amount" in SHAPES[event].fields] == [
        Event.BUDGET_RESERVED, Event.BUDGET_SPENT, Event.BUDGET_REFUSED,
    ]  # fmt: skip
    with pytest.raises(EntryError, match="amount"):
        entry(amount=3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("party", "De Regenboog"), ("party", "00ab00"), ("party", "123456782"), ("recipient", "swv@example.nl"),
        ("period", "2026-2028-1"), ("period", "2012-05-03"), ("period", "2026-2027-5"), ("subjects_root", bytes(31)),
        ("cause", "aa" * 32), ("event", "submission.received"), ("decision", "allow"), ("rules", ["COUNT-TOTAL"]),
        ("rules", ("Jan\nJansen",)), ("purpose", 3), ("basis", "J\u00e1n"), ("amount", -1),
    ],
)  # fmt: skip
def test_a_field_of_another_form_is_refused_by_name_without_its_value(field: str, value: object) -> None:
    """Names, numbers, addresses, dates and lists that are no codes: the message says which field, not what it held."""
    with pytest.raises(EntryError) as caught:
        entry(**{field: value})
    assert caught.value.field == field
    assert str(value) not in str(caught.value)


@pytest.mark.parametrize(
    "identifier",
    ["submission:123456782", "submission:jan-jansen", "session:2012-05-03", "release:10.0.0.1", "person:" + "0" * 32,
     "submission", "submission:", "table:absence-counts/23", "key:statutory-counts/2026-2027/12345", "key:onbekend/1",
     "submission:statutory-counts/x", "file:counts.csv"],
)  # fmt: skip
def test_an_object_is_named_by_a_random_id_a_code_or_a_word_of_the_vocabulary(identifier: str) -> None:
    """A pupil number, a name, a date, an address or a count cannot pass as the id of an object."""
    with pytest.raises(EntryError) as caught:
        VOCABULARY.demand(entry(object=Object(identifier)))
    assert caught.value.field == "object"


@pytest.mark.parametrize(
    "identifier",
    [f"submission:{UUID}", "submission:" + "0f" * 16, "release:" + "0f" * 32, "submission:01JD8X0000000000000000000Z",
     f"party:{SITE}", "party:GM0344", "period:2026-2027-1", "period:2026-2027", "table:absence-counts/2026-2027-1",
     "key:statutory-counts/2026-2027", "purpose:statutory-counts"],
)  # fmt: skip
def test_the_ids_this_product_makes_are_accepted(identifier: str) -> None:
    """UUIDs, 16 to 32 random bytes, ULIDs, party and period codes, and names of the vocabulary with a serial."""
    VOCABULARY.demand(entry(object=Object(identifier)))


def test_a_part_of_another_type_is_refused_by_name() -> None:
    """A word where an actor, policy, activity or object belongs, or nothing where something must be."""
    for field, value in (("actor", SITE), ("actor", None), ("policy", "flows"), ("activity", ACTIVITY.uri),
                         ("object", "release:1"), ("rules", None), ("event", None), ("decision", None)):  # fmt: skip
        with pytest.raises(EntryError) as caught:
            entry(**{field: value})
        assert caught.value.field == field
    for make in (
        lambda: Actor(None, SITE),
        lambda: Object(None),
        lambda: Object(f"party:{SITE}", "x"),
        lambda: Policy(None, bytes(32)),
        lambda: Policy("flows", None),
        lambda: Activity(None, "3"),
    ):
        with pytest.raises(EntryError):
            make()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("purpose", "jan-jansen"), ("basis", "omdat het kan"), ("rules", ("klas-3b",)),
        ("policy", Policy("x", bytes(32))),
        ("activity", Activity(ACTIVITY.uri, "2012-05-03")), ("activity", Activity("https://example.nl/jan", "3")),
    ],
)  # fmt: skip
def test_a_word_outside_the_vocabulary_is_refused(field: str, value: object) -> None:
    """Words have the form of words, so only a closed list tells a purpose from a name."""
    with pytest.raises(EntryError, match="vocabulary") as caught:
        VOCABULARY.demand(entry(**{field: value}))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("event", "identifier"),
    [
        (Event.KEY_ROTATED, "key:statutory-counts/2026-2027/3"),
        (Event.LOG_CLOSED, "log:audit/1"),
        (Event.BUDGET_SPENT, "account:statutory-counts/2026-2027/2"),
    ],
)
def test_a_serial_number_goes_with_the_event_that_gives_it(event: Event, identifier: str) -> None:
    """A key's number with a key's event; anywhere else it could be a count of pupils and is refused."""
    more = {"amount": 1} if event is Event.BUDGET_SPENT else {}
    VOCABULARY.demand(Entry(event=event, actor=Actor(Role.GATEWAY, OPERATOR), object=Object(identifier), **more))
    with pytest.raises(EntryError, match="may not carry a number"):
        entry(object=Object(identifier))


def test_an_event_must_have_what_it_requires() -> None:
    """A download without a recipient, a submission without a period: refused."""
    with pytest.raises(EntryError, match="`recipient` is required"):
        Entry(event=Event.RELEASE_DOWNLOADED, actor=Actor(Role.SCHOOL, SITE), object=Object(f"release:{UUID}"))
    with pytest.raises(EntryError, match="`period` is required"):
        entry(period=None)


def test_who_received_is_logged_unless_it_is_the_public() -> None:
    """A download names its recipient; one by the public has none, and cannot be given one."""
    release = Object(f"release:{UUID}")
    Entry(event=Event.RELEASE_DOWNLOADED, actor=Actor(Role.PUBLIC), object=release)
    Entry(event=Event.RELEASE_DOWNLOADED, actor=Actor(Role.RECIPIENT, "GM0344"), recipient="GM0344", object=release)
    with pytest.raises(EntryError, match="`recipient` is required"):
        Entry(event=Event.RELEASE_DOWNLOADED, actor=Actor(Role.RECIPIENT, "GM0344"), object=release)
    with pytest.raises(EntryError, match="`recipient` is not known of the public"):
        Entry(event=Event.RELEASE_DOWNLOADED, actor=Actor(Role.PUBLIC), recipient=OPERATOR, object=release)


def test_the_public_has_no_organisation_and_everybody_else_has() -> None:
    """An actor is an organisation in a role; only the public is anonymous."""
    assert Actor(Role.PUBLIC).organisation is None
    for role, organisation in ((Role.PUBLIC, SITE), (Role.SCHOOL, None), ("school", SITE), (Role.SCHOOL, "Jan")):
        with pytest.raises(EntryError):
            Actor(role, organisation)  # type: ignore[arg-type]  # a role that is only a word is the fault under test


@pytest.mark.parametrize(
    ("name", "value"),
    [("trace_id", "AB" * 16), ("trace_id", "ab"), ("span_id", "zz" * 8), ("parent_span_id", "10.0.0.1        ")],
)
def test_trace_ids_are_hexadecimal(name: str, value: str) -> None:
    """Trace and span ids have their W3C form; anything else is refused."""
    with pytest.raises(EntryError) as caught:
        encode(entry(), salt=bytes(16), ts=1, **(TRACE | {name: value}))  # type: ignore[arg-type]  # mixed values
    assert caught.value.field == name


def test_an_entry_has_at_most_4_kib() -> None:
    """A list of rules that makes it longer is refused, and nothing is written."""
    with pytest.raises(EntryError, match="4096"):
        encode(entry(rules=("COUNT-TOTAL",) * 400), salt=bytes(16), ts=1, **TRACE)


def test_a_refused_entry_leaves_the_callers_transaction_as_it_was(small_world: World) -> None:
    """The refusal comes before anything is written; what the caller wrote before it still commits."""
    with small_world.engine.begin() as connection:
        small_world.log.append(connection, entry())
        with pytest.raises(EntryError):
            small_world.log.append(connection, entry(purpose="jan-jansen"))
    assert small_world.step().sequenced == 1


def test_kinds_of_objects_are_words_without_digits() -> None:
    """The closed list of kinds cannot hold anything else than words."""
    assert all(kind.isascii() and kind.replace("-", "").isalpha() for kind in KINDS)


def test_the_log_reads_a_clock_and_makes_its_own_salt_unless_a_test_replaces_them(small_world: World) -> None:
    """Two entries of equal content differ in salt and trace, so their public hashes say nothing."""
    log = Log(VOCABULARY)
    with small_world.engine.begin() as connection:
        first, second = (log.append(connection, entry()) for _ in range(2))
    assert first.leaf != second.leaf
    assert parse(first.data)["decision"] == Decision.PERMIT
    assert first.entry_id == first.leaf.hex()
