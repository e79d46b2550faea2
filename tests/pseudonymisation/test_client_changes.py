"""Number changes from a school's list to the document, and from there to one pupil at the gateway."""

import json
from collections.abc import Sequence

import pytest

from pseudonymisation.client import Delivery, Refusal, ServiceSource, change_numbers
from pseudonymisation.client.cache import Cache
from pseudonymisation.domain import number_input, service_info
from pseudonymisation.oprf import known_output
from pseudonymisation.pseudonym import pseudonym_text
from tests.pseudonymisation.world import PERIOD, SITE, YEAR, World, numbers

OLD, NEW, OTHER, THIRD = numbers(4)


def run(
    world: World, cache: Cache, rows: Sequence[Sequence[str]], header: Sequence[str] = ("Oud nummer", "Nieuw nummer")
) -> Delivery | Refusal:
    """The client as a school runs it."""
    return change_numbers(
        header, [(index + 2, row) for index, row in enumerate(rows)], site=SITE, period=PERIOD, cache=cache,
        source=ServiceSource(world.http(), world.key, PERIOD), output=world.folder / "changes.json",
    )  # fmt: skip


def test_pairs_of_pseudonyms_and_nothing_else(world: World, cache: Cache) -> None:
    """Each pair is what the service's key gives for the two numbers; no number is in the document."""
    outcome = run(world, cache, [(OLD, NEW), (OTHER, THIRD)])
    assert isinstance(outcome, Delivery)
    assert (outcome.records, outcome.asked, outcome.kept) == (2, 4, 0)
    seed = world.keyring.secret(world.key.key_id)
    y = {
        one: pseudonym_text(known_output(seed, service_info(YEAR), number_input(one)))
        for one in (OLD, NEW, OTHER, THIRD)
    }
    made = json.loads((world.folder / "changes.json").read_text())
    assert made.keys() == {"collection", "site", "period", "key_id", "changes"}
    expected = [{"old": y[OLD], "new": y[NEW]}, {"old": y[OTHER], "new": y[THIRD]}]
    assert made["changes"] == sorted(expected, key=lambda pair: pair["old"])
    assert [expected[row - 2] for row in outcome.rows] == made["changes"]


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        ([], [(0, "FILE-EMPTY")]),
        ([("", "")], [(0, "FILE-EMPTY")]),
        ([(OLD, "")], [(2, "CELL-EMPTY")]),
        ([(OLD, "123")], [(2, "NUMBER-FORMAT")]),
        ([("123456789", "1")], [(2, "NUMBER-CHECK"), (2, "NUMBER-FORMAT")]),
        ([(OLD, OLD)], [(2, "NUMBER-TWICE")]),
        ([(OLD, NEW), (NEW, OTHER)], [(3, "NUMBER-TWICE")]),
        ([(OLD, NEW), (OTHER, NEW)], [(3, "NUMBER-TWICE")]),
        ([(OLD, NEW, OTHER)], [(2, "ROW-CELLS")]),
    ],
)
def test_faults_of_the_list(
    world: World, cache: Cache, rows: list[tuple[str, str]], faults: list[tuple[int, str]]
) -> None:
    """Each number is valid and stands once; otherwise nothing is asked and nothing is written."""
    outcome = run(world, cache, rows)
    assert isinstance(outcome, Refusal)
    assert [(one.row, one.rule) for one in outcome.faults] == faults
    assert world.events() == []


def test_missing_columns_are_named(world: World, cache: Cache) -> None:
    """Without the two columns the faults say which are wanted."""
    outcome = run(world, cache, [(OLD, NEW)], header=("a", "b"))
    assert isinstance(outcome, Refusal)
    assert [one.column for one in outcome.faults] == ["oud nummer", "nieuw nummer"]


def test_a_wrong_site_is_refused(world: World, cache: Cache) -> None:
    """A code that cannot be right stops before anything is read."""
    outcome = change_numbers(
        (), [], site="X", period=PERIOD, cache=cache, output=world.folder / "changes.json",
        source=ServiceSource(world.http(), world.key, PERIOD),
    )  # fmt: skip
    assert isinstance(outcome, Refusal)
    assert outcome.code == "site"
