"""Tests that can fail: each asserts something, itself or through a helper, or calls what raises."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import pytest

from .test_rules import ROOT, functions

Function = ast.FunctionDef | ast.AsyncFunctionDef
# What these call raises where something does not hold, in the product and in libraries; a `visit` fails by what its
# page does against the content policy, and by whatever is looked for and not there.
RAISES = re.compile(r"(assert|check|demand|fail|parse|raise|raises|try|verify|visit|wait_for)(_|$)")


@dataclass(frozen=True)
class Seen:
    """A function of the tests: where it is, whether it asserts something itself, and the helpers it calls."""

    name: str
    place: str
    asserts: bool
    calls: frozenset[str]


def seen(function: Function, file: str, known: Collection[str]) -> Seen:
    """Look a function over; its decorators say nothing, and of helpers only those that its file knows count."""
    asserts, calls = False, set()
    for node in (each for statement in function.body for each in ast.walk(statement)):
        match node:
            case ast.Assert() | ast.Raise() | ast.keyword(arg="check", value=ast.Constant(value=True)):
                asserts = True
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)) if RAISES.match(name):
                asserts = True
            case ast.Call(func=ast.Name(id=name)) if name in known:
                calls.add(name)
    return Seen(function.name, f"{file}:{function.lineno}", asserts, frozenset(calls))


def functions_of(file: str, source: str) -> Iterator[Seen]:
    """Every function of a file; it knows its own and those that it takes from another file of the tests."""
    tree = ast.parse(source)
    known = {each.name for each in functions(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("tests")):
            known |= {alias.asname or alias.name for alias in node.names}
    return (seen(each, file, known) for each in functions(tree))


def idle(sources: Mapping[str, str]) -> list[str]:
    """Tests that no fault of the product can make fail, but by accident."""
    every = [each for file, source in sources.items() for each in functions_of(file, source)]
    good: set[str] = set()
    while fresh := {each.name for each in every if each.asserts or each.calls & good} - good:
        good |= fresh
    tests = (each for each in every if each.name.startswith("test_"))
    return [f"{each.place} {each.name}" for each in tests if not (each.asserts or each.calls & good)]


def test_every_test_can_fail() -> None:
    """No test merely runs something and looks at nothing."""
    assert not idle({str(file.relative_to(ROOT)): file.read_text() for file in sorted((ROOT / "tests").rglob("*.py"))})


@pytest.mark.parametrize(
    ("body", "found"),
    [("    go()", True), ("    assert go()", False), ("    helper()", False), ("    see(helper)", True),
     ("    town.helper()", True), ("    with pytest.raises(Error):\n        go()", False),
     ("    run('x', check=True)", False), ("    run('x', check=False)", True)],
)  # fmt: skip
def test_the_rule_sees_what_it_is_for(body: str, found: bool) -> None:
    """A test that looks at nothing is found; one that asserts, or calls a helper that does, is not."""
    source = f"@given(assert_all)\ndef test_it():\n{body}\ndef helper():\n    inner()\ndef inner():\n    assert go()\n"
    assert bool(idle({"tests/test_it.py": source})) is found
