"""Pupils whose number changed: their rows go on under the new one, at their own school, all of them or none."""

import json

import pytest

from gateway.changes import Changed, change_numbers
from gateway.outcome import Refused
from pseudonymisation.pseudonym import UNSAFE_KEYED_LOCAL, pseudonym_text

from .conftest import PERIOD, Site, World
from .records import delivered, events, rows

NEW = bytes(63) + b"\1"


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
        {"extra": 1},
        {"changes": [{"old": "x", "new": "y"}]},
    ],
)
def test_a_malformed_document_is_refused_without_echo(world: World, change: dict[str, object]) -> None:
    """Another key, an empty list, unknown fields, no pseudonyms: refused, and no value of the document comes back."""
    first, *_ = delivered(world)
    outcome = change_numbers(world.gateway, world.site(0), document(world, (first, NEW), **change))
    assert isinstance(outcome, Refused)
    assert pseudonym_text(first) not in repr(outcome)


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
