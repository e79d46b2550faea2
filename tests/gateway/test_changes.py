"""Pupils whose number changed: their rows go on under the new one, at their own school, all of them or none."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Connection, Table, delete
from sqlmodel import col

from gateway import changes, keys
from gateway.access import Held, answer
from gateway.changes import Changed, NumberChanges, change_numbers
from gateway.context import Gateway
from gateway.database import UNAVAILABLE
from gateway.demo.people import must
from gateway.identity import Identity
from gateway.keys import Rotated
from gateway.matter import Matter
from gateway.outcome import Refused, malformed
from gateway.store import Enrolment
from pseudonymisation import rotation
from pseudonymisation.domain import Domain
from pseudonymisation.pseudonym import UNSAFE_KEYED_LOCAL, pids, pseudonym_text

from .conftest import PERIOD, TABLE, Site, World
from .records import delivered, elsewhere, events, rows

NEW = bytes(63) + b"\1"
YEAR, PURPOSE, NEXT = PERIOD[:9], "counting-for-school", "2026-2027-2"


def document(world: World, *pairs: tuple[bytes, bytes], index: int = 0, **changes: object) -> bytes:
    site = world.region.sites[index].code
    made: dict[str, object] = {
        "collection": "number-changes",
        "site": site,
        "period": PERIOD,
        "key_id": UNSAFE_KEYED_LOCAL,
        "changes": [{"old": pseudonym_text(old), "new": pseudonym_text(new)} for old, new in pairs],
    }
    return json.dumps(made | changes).encode()


def test_a_pupil_goes_on_under_the_new_number(world: World) -> None:
    """One row gets another pid, the figures stay, and the log says that the site merged."""
    first, *_ = delivered(world)
    before = rows(world)
    outcome = change_numbers(world.gateway, world.site(0), document(world, (first, NEW)))
    assert outcome == Changed(pupils=1, rows=1)
    after = rows(world)
    assert len({row.pid for row in before} - {row.pid for row in after}) == 1
    assert len(after) == len(before)
    assert events(world)[-1] == "pseudonym.merged"


def test_rows_of_another_site_are_left_alone(world: World) -> None:
    """A school that names a pupil of another school changes nothing there."""
    stranger = delivered(world, 1)[0]
    before = [row.pid for row in rows(world)]
    outcome = change_numbers(world.gateway, world.site(0), document(world, (stranger, NEW)))
    assert outcome == Changed(pupils=1, rows=0)
    assert [row.pid for row in rows(world)] == before


def test_a_school_speaks_for_itself_only(world: World) -> None:
    """A document in the name of another site is refused by law."""
    first = delivered(world, 1)[0]
    outcome = change_numbers(world.gateway, world.site(0), document(world, (first, NEW), index=1))
    assert isinstance(outcome, Refused)
    assert events(world)[-1] == "submission.refused"


def test_numbers_of_rows_past_their_term_are_not_changed(world: World) -> None:
    """On 31 August after the school year the mend is named: there are no rows any more, and no key to wait for."""
    first, *_ = delivered(world)
    later = world.at(datetime(2027, 8, 31, 10, tzinfo=UTC))
    outcome = change_numbers(later.gateway, world.site(0), document(world, (first, NEW)))
    assert outcome == Refused("rows-erased")
    assert events(world)[-1] == "submission.refused"


@pytest.mark.parametrize("form", ["twice", "same", "both"])
def test_a_list_that_contradicts_itself_changes_nothing(world: World, form: str) -> None:
    """A number that stands twice, that changes to itself, or two numbers that are two pupils: named by their row."""
    first, second, *_ = delivered(world)
    pairs = {"twice": [(first, NEW), (second, NEW)], "same": [(first, first)], "both": [(first, second)]}[form]
    before = [row.pid for row in rows(world)]
    outcome = change_numbers(world.gateway, world.site(0), document(world, *pairs))
    assert isinstance(outcome, Refused)
    assert outcome.report is not None
    rule = {"twice": "CHANGE-AMBIGUOUS", "same": "CHANGE-AMBIGUOUS", "both": "CHANGE-BOTH-PRESENT"}[form]
    assert [fault.rule for fault in outcome.report.faults] == [rule]
    assert [row.pid for row in rows(world)] == before


@pytest.mark.parametrize(
    "change",
    [
        {"key_id": "0123456789abcdef"},
        {"changes": []},
        {"site": "x"},
        {"extra 123456782": 1},
        {"changes": [{"old": "x", "new": "y"}]},
    ],
)
def test_a_malformed_document_is_refused_without_echo(world: World, change: dict[str, object]) -> None:
    """Another key, an empty list, unknown fields, no pseudonyms: refused, and no value of the document comes back."""
    first, *_ = delivered(world)
    outcome = change_numbers(world.gateway, world.site(0), document(world, (first, NEW), **change))
    assert isinstance(outcome, Refused)
    assert not [sent for sent in (pseudonym_text(first), "123456782") if sent in repr(outcome)]


@pytest.mark.parametrize(
    "body",
    [
        b'{"changes": [' + b"0," * 3 * changes.MOST + b"0]}",
        b"{" + b",".join(b'"%x":0' % key for key in range(3 * changes.MOST)) + b"}",
        b'{"changes": ["' + b"0" * changes.MOST_BYTES + b'"]}',
    ],
)
def test_a_list_above_the_limits_is_refused_unread(world: World, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """More values or bytes than the longest list there is: nothing is made of them, no fault of each either."""
    with monkeypatch.context() as patch:
        patch.setattr(NumberChanges, "model_validate_json", None)
        outcome = change_numbers(world.gateway, world.site(0), body)
    assert outcome == malformed([("changes", "too_long")])


def test_the_longest_list_is_read(world: World) -> None:
    """As many pupils as a list may have, with an indent: found or not, the document is no fault."""
    pairs = [(bytes(60) + number.to_bytes(4), bytes([1] * 60) + number.to_bytes(4)) for number in range(changes.MOST)]
    delivered(world)
    body = json.dumps(json.loads(document(world, *pairs)), indent=2).encode()
    assert change_numbers(world.gateway, world.site(0), body) == Changed(pupils=changes.MOST, rows=0)


def held(world: World, pseudonym: bytes) -> int:
    """How many rows the first site finds of a pupil."""
    world.sequence()
    found = answer(world.gateway, Identity(world.region.sites[0].code, "school"), year=YEAR, pseudonym=pseudonym)
    assert isinstance(found, Held)
    return len(found.rows)


def rotated(world: World) -> None:
    assert isinstance(keys.rotate(world.desk, PURPOSE, YEAR), Rotated)


def test_a_change_while_rows_still_stand_under_the_leaked_key(world: World) -> None:
    """Between the new key and the re-keying the pupil is found, changes, and is re-keyed with the others."""
    first, *_ = delivered(world)
    leaked = world.gateway.keyring.active(PURPOSE, YEAR)
    assert leaked is not None
    rotation.succeed(world.gateway.keyring, leaked.key_id)
    assert held(world, first) == 1
    assert change_numbers(world.gateway, world.site(0), document(world, (first, NEW))) == Changed(pupils=1, rows=1)
    assert (held(world, first), held(world, NEW)) == (0, 1)
    rotated(world)
    assert (held(world, first), held(world, NEW)) == (0, 1)


def test_a_change_across_a_rotation_is_sent_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pids that were made before a rotation find no row after it: nothing is changed, and later it can be."""
    first, *_ = delivered(world)
    made = changes._pids

    def then_rotated(gateway: Gateway, matter: Matter, pairs: Sequence[changes.Pair]) -> object:
        pids = made(gateway, matter, pairs)
        rotated(world)
        return pids

    with monkeypatch.context() as patch:
        patch.setattr(changes, "_pids", then_rotated)
        assert change_numbers(world.gateway, world.site(0), document(world, (first, NEW))) == Refused(
            "busy", retry_after=1
        )
    assert events(world)[-1] == "submission.refused"
    assert change_numbers(world.gateway, world.site(0), document(world, (first, NEW))) == Changed(pupils=1, rows=1)


def test_rows_are_not_re_keyed_in_the_middle_of_a_change(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the change is kept a rotation waits; it then re-keys the row that changed."""
    first, *_ = delivered(world)
    change = rotation.change_numbers

    def rotating(connection: Connection, table: Table, **named: object) -> object:
        with pytest.raises(UNAVAILABLE):
            keys.rotate(other, PURPOSE, YEAR)
        return change(connection, table, **named)  # type: ignore[arg-type]  # passed on as it came

    with monkeypatch.context() as patch, elsewhere(world) as other:
        patch.setattr("gateway.database.BUSY_SECONDS", 0)
        patch.setattr(rotation, "change_numbers", rotating)
        outcome = change_numbers(world.gateway, world.site(0), document(world, (first, NEW)))
    assert outcome == Changed(pupils=1, rows=1)
    rotated(world)
    assert held(world, NEW) == 1


def test_a_conflict_under_either_key_changes_nothing(world: World) -> None:
    """Of two deliveries, one under each key, only the later one has both numbers: the earlier keeps its row too."""
    first, second, *_ = delivered(world)
    leaked = world.gateway.keyring.active(PURPOSE, YEAR)
    assert leaked is not None
    pid = pids(world.gateway.keyring.secret(leaked.key_id), Domain(PURPOSE, YEAR), [second])[0]
    with world.gateway.writing() as session:
        session.execute(delete(Enrolment).where(col(Enrolment.pid) == pid))
    rotation.succeed(world.gateway.keyring, leaked.key_id)
    days = {"reference_date": date(2026, 11, 1), "deadline": date(2027, 1, 31)}
    must(world.desk.open_period(TABLE, NEXT, **days, exercise=True))
    delivered(world, period=NEXT)
    before = [row.pid for row in rows(world)]
    outcome = change_numbers(world.gateway, world.site(0), document(world, (first, second)))
    assert isinstance(outcome, Refused)
    assert outcome.report is not None
    assert [fault.rule for fault in outcome.report.faults] == ["CHANGE-BOTH-PRESENT"]
    assert [row.pid for row in rows(world)] == before


def test_over_http_the_document_is_the_body(site: Site) -> None:
    """`POST /v1/number-changes` answers with how many rows changed; a token for downloads is not enough."""
    first, *_ = delivered(site.world)
    body = document(site.world, (first, NEW))
    code = site.world.region.sites[0].code
    with site.client(code, scopes=("download",)) as client:
        assert client.post("/v1/number-changes", content=body).status_code == 403
    with site.client(code) as client:
        answer = client.post("/v1/number-changes", content=body)
    assert (answer.status_code, answer.json()) == (200, {"pupils": 1, "rows": 1})
