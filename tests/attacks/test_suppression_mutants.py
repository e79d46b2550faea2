"""The careless programmer: each way to break the suppressor is refused by the judge, and rightly so.

Every mutant is built twice: with the judge, who must refuse it; and with one who nods, so that the attack shows what
would have been given away.
"""

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest

from disclosure import DisclosureError
from disclosure.attacker import Verdicts
from disclosure.problem import Problem
from disclosure.secondary.goals import Change, Goal
from disclosure.secondary.patch import Patch
from disclosure.secondary.search import Found
from disclosure.witness import Witnesses, gather, join
from tests.attacks.suppression import ORDER, given_away, given_away_to, ordered, released
from tests.disclosure.world import Case, at_random

FRONT = importlib.import_module("disclosure.protect")  # the package's `protect` is the function
SEARCH = importlib.import_module("disclosure.secondary")
pose, find_goals, find_pattern = FRONT.pose, SEARCH.find_goals, FRONT.find_pattern
REFUSAL = "the judge can narrow|a witness"


def no_upper_level(patch: Patch, goals: dict[Change, Goal], order: np.ndarray) -> Found:
    """Leave what no region could serve as it is, and say nothing of it."""
    return Found(patch.shown, gather([]), {})


def one_side(problem: Problem) -> dict[Change, Goal]:
    """Serve the low ends only."""
    return {change: goal for change, goal in find_goals(problem).items() if change.by < 0}


def no_secondary(problem: Problem, *_: object) -> Found:
    """Hide small cells and nothing else."""
    return Found(problem.listed & ~problem.hidden & ~problem.primary.known, gather([]), {})


def no_order(grid: Any, leaves: np.ndarray, terms: Any, *, seed: bytes) -> Problem:  # noqa: ANN401  passed through
    """Forget the inequalities."""
    return pose(grid, leaves, replace(terms, inequalities=()), seed=seed)


def no_insiders(grid: Any, leaves: np.ndarray, terms: Any, *, seed: bytes) -> Problem:  # noqa: ANN401  passed through
    """Forget who owns what."""
    return pose(grid, leaves, replace(terms, coalitions=None), seed=seed)


class Mutant(NamedTuple):
    """What is put in place of what, and a table on which it matters."""

    module: Any
    name: str
    broken: Callable[..., Any]
    table: Callable[[], Case]


MUTANTS = {
    "skips the upper level": Mutant(SEARCH, "search_whole", no_upper_level, lambda: at_random(1)),
    "skips a side": Mutant(SEARCH, "find_goals", one_side, lambda: at_random(0)),
    "hides no secondary cell": Mutant(FRONT, "find_pattern", no_secondary, lambda: at_random(3)),
    "ignores an inequality": Mutant(FRONT, "pose", no_order, lambda: ordered(ORDER)),
    "ignores insiders": Mutant(FRONT, "pose", no_insiders, lambda: at_random(2)),
}


def nodding(*_: object) -> Verdicts:
    """A judge who finds everything in order."""
    return Verdicts(small=0, safe=0, margins=0, margins_safe=0, witnesses=0)


def gives_away(table: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether what comes out without a judge can be narrowed by an outsider or an owner."""
    monkeypatch.setattr(FRONT, "judge", nodding)
    frame = released(table)
    owners = sorted(table.places["owner"].unique()) if table.owners else []
    return bool(given_away(table, frame)) or any(given_away_to(table, owner, frame) for owner in owners)


@pytest.mark.parametrize("fault", MUTANTS)
def test_judge_refuses_a_broken_suppressor(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No mutant's table comes out."""
    mutant = MUTANTS[fault]
    monkeypatch.setattr(mutant.module, mutant.name, mutant.broken)
    with pytest.raises(DisclosureError, match=REFUSAL):
        mutant.table().build()


@pytest.mark.parametrize("fault", MUTANTS)
def test_attack_would_have_narrowed_its_table(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal is no formality: what the mutant would have published gives small cells away."""
    mutant = MUTANTS[fault]
    monkeypatch.setattr(mutant.module, mutant.name, mutant.broken)
    assert gives_away(mutant.table(), monkeypatch)


@pytest.mark.parametrize("fault", MUTANTS)
def test_whole_suppressor_passes_on_the_same_tables(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the fault the same table is released and nothing is narrowed: it is the fault that is caught."""
    assert not gives_away(MUTANTS[fault].table(), monkeypatch)


@pytest.mark.parametrize("seed", [0, 3])
def test_secondary_cell_published_after_all(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each secondary cell in turn is published by mistake: the judge refuses, as a witness moves it."""
    table = at_random(seed)
    problem, pattern = watched(table, monkeypatch)
    spare = problem.listed & ~problem.hidden & ~problem.primary.known & ~pattern.shown
    refused = 0
    for area, row in np.argwhere(spare).tolist():
        shown = pattern.shown.copy()
        shown[area, row] = True
        leaking = replace(pattern, shown=shown)
        monkeypatch.setattr(FRONT, "find_pattern", lambda *_, leaking=leaking: leaking)
        with pytest.raises(DisclosureError, match="a witness changes a cell that an outsider knows"):
            table.build()
        refused += 1
    assert refused == spare.sum() > 0


def test_witness_lost_or_doctored(monkeypatch: pytest.MonkeyPatch) -> None:
    """With any one entry of its witnesses changed, or half of them lost, a safe pattern does not come out."""
    table = at_random(3)
    _, pattern = watched(table, monkeypatch)
    proof = pattern.witnesses
    for doctored in (*(one_more(proof, entry) for entry in range(0, len(proof.by), 5)), half(proof)):
        forged = replace(pattern, witnesses=doctored)
        monkeypatch.setattr(FRONT, "find_pattern", lambda *_, forged=forged: forged)
        with pytest.raises(DisclosureError, match=REFUSAL):
            table.build()


def one_more(proof: Witnesses, entry: int) -> Witnesses:
    by = proof.by.copy()
    by[entry] += 1
    return replace(proof, by=by)


def half(proof: Witnesses) -> Witnesses:
    return join(part for number, part in proof.parts(1) if number % 2 == 0)


def watched(table: Case, monkeypatch: pytest.MonkeyPatch) -> tuple[Problem, Found]:
    """What the suppressor was asked and what it answered."""
    seen: list[tuple[Problem, Found]] = []

    def watch(problem: Problem, *rest: Any) -> Found:  # noqa: ANN401  passed through
        seen.append((problem, find_pattern(problem, *rest)))
        return seen[0][1]

    with monkeypatch.context() as patched:
        patched.setattr(FRONT, "find_pattern", watch)
        table.build()
    return seen[0]
